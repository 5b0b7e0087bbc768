"""Tables as text are complete, whatever the terminal."""

import polars as pl
import pytest

from linkcore.text_table import as_text


def test_a_wide_table_is_neither_wrapped_nor_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    frame = pl.DataFrame({f"a rather long name of column {i}": ["x" * 40] for i in range(12)})
    lines = as_text(frame).splitlines()
    assert len(lines) == 3
    assert lines[2].count("x") == 480


def test_markup_in_a_value_is_shown_as_text() -> None:
    assert "[bold]x[/bold]" in as_text(pl.DataFrame({"[red]a[/red]": ["[bold]x[/bold]"]}))


def test_control_characters_in_a_name_and_a_value_are_shown_as_escapes() -> None:
    text = as_text(pl.DataFrame({"a\x1b[2J": ["x\ny\u202e\x9b"]}))
    assert text.splitlines()[0].strip() == r"a\x1b[2J"
    assert text.splitlines()[2:] == [r"x\ny\u202e\x9b"]
