"""A separator that is not stated is found, or an error says what the columns look like; encodings are never guessed."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkcore.errors import SourceError
from linkcore.programme.programme import Programme
from linkcore.sources.formats.csv_guesses import SEPARATORS, likely_separators
from linkcore.sources.source import Source


def source(folder: Path, text: str, separator: str | None = None) -> Source:
    file = folder / "gp.csv"
    file.write_text(text, "utf-8")
    return Source("gp", file, columns={"nhs_number": "NO"}, separator=separator)


@pytest.mark.parametrize("separator", SEPARATORS)
def test_a_separator_that_is_not_stated_is_found(tmp_path: Path, separator: str) -> None:
    text = 'NO,NAME\n9990000018,"SMITH, Anna; or | Ann\t"\n9990000026,\n'
    quoted = (
        text.replace("NO,NAME", f"NO{separator}NAME").replace("18,", f"18{separator}").replace("26,", f"26{separator}")
    )
    read = source(tmp_path, quoted).scan(["NO", "NAME"]).collect()
    assert read.rows() == [("9990000018", "SMITH, Anna; or | Ann\t"), ("9990000026", None)]


def test_a_programme_file_need_not_state_it(tmp_path: Path) -> None:
    (tmp_path / "gp.csv").write_text("nhs_number;note\n9990000018;3,50\n")
    file = tmp_path / "programme.toml"
    file.write_text('[programme]\nname = "Example"\n[[source]]\nname = "gp"\ndata = "gp.csv"\n')
    (found,) = Programme.load(file).sources()
    assert found.scan(["note"]).collect().item() == "3,50"


def test_columns_that_two_separators_cut_are_refused(tmp_path: Path) -> None:
    two = "NO;FAMILY,GIVEN\n9990000018;SMITH,Anna\n"
    with pytest.raises(SourceError, match="its columns look separated by ',' or by ';'; state separator"):
        source(tmp_path, two)
    assert source(tmp_path, two, separator=";").column_names == ("NO", "FAMILY,GIVEN")


def test_a_wrong_separator_is_answered_by_what_the_columns_look_like(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="separator=',' leaves one column, and its columns look separated by ';'"):
        source(tmp_path, "NO;NAME\n9990000018;Anna\n", separator=",")


def test_one_column_needs_no_separator(tmp_path: Path) -> None:
    assert source(tmp_path, "NO\n9990000018\n").column_names == ("NO",)
    assert source(tmp_path, "NO\n9990000018\n", separator=";").column_names == ("NO",)


def test_a_row_that_lost_a_value_hides_no_separator(tmp_path: Path) -> None:
    with (
        pytest.raises(SourceError, match="row 2: not as many values"),
        (found := source(tmp_path, "NO;A\n1;2\n3\n")).reading(),
    ):
        found.scan(["A"]).collect()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("NO,A\n1,Zoë\n".encode("windows-1252"), "line 2: not utf-8 text; it looks like windows-1252; if it is, give"),
        ("NO,A\n1,Zoë\n".encode("utf-16"), "line 1: not utf-8 text; it looks like utf-16"),
        (b"NO,A\n1,\x81\n", "line 2: not utf-8 text; give the right encoding"),
    ],
)
def test_an_encoding_is_only_named_in_an_error(tmp_path: Path, content: bytes, says: str) -> None:
    file = tmp_path / "gp.csv"
    file.write_bytes(content)
    with pytest.raises(SourceError, match=says) as caught:
        Source("gp", file, columns={"nhs_number": "NO"})
    assert "Zo" not in str(caught.value)


_values = st.text(st.sampled_from('ab,;\t|"\n '), max_size=5)


@given(st.sampled_from(SEPARATORS), st.lists(st.tuples(_values, _values, _values), max_size=9))
def test_every_well_formed_file_is_cut_by_its_separator(separator: str, rows: list[tuple[str, str, str]]) -> None:
    frame = pl.DataFrame([("A", "B", "C"), *rows], schema=["A", "B", "C"], orient="row")
    text = frame.write_csv(separator=separator, include_header=False, quote_style="always")
    assert likely_separators(text) == [separator]
