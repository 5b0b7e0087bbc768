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
