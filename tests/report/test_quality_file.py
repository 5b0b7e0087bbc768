"""The quality file: it follows its schema, and reading it gives back the same Quality."""

import json
from dataclasses import fields, replace
from importlib.resources import files
from pathlib import Path

import jsonschema
import polars as pl
import pytest
from polars.testing import assert_frame_equal

import linkcore as lc
from linkcore.disclosure.disclosed import disclosed
from linkcore.governance.withholding.withholding import Withholding
from linkcore.quality.measures import FallbackQuality
from linkcore.quality.truth import with_truth
from linkcore.report.drift import compared
from linkcore.report.file_schema import json_schema
from linkcore.report.quality_file import from_json, read_quality, to_json
from linkcore.report.write import with_withholding
from linkcore.schema import LINKS, SET_ASIDE

KINDS = ["true", "disclosed", "compared", "without a fallback"]


@pytest.fixture(scope="module", params=KINDS)
def each(
    request: pytest.FixtureRequest,
    linkage: lc.Linkage,
    truth: pl.DataFrame,
    withholding: list[Withholding],
    type_one: pl.DataFrame,
) -> lc.Quality:
    quality = with_withholding(with_truth(linkage, truth), withholding, type_one)
    if request.param == "without a fallback":
        from linkcore.quality.measures import measure

        return measure(pl.DataFrame(schema=LINKS), pl.DataFrame(schema=SET_ASIDE), 0, sources=["gp"])
    if request.param == "compared":
        return compared(disclosed(quality), quality)
    return disclosed(quality) if request.param == "disclosed" else quality


def same(a: object, b: object) -> None:
    """Every field of two of a kind is the same."""
    for field in fields(a):  # type: ignore[arg-type]
        one, other = getattr(a, field.name), getattr(b, field.name)
        if isinstance(one, pl.DataFrame):
            assert_frame_equal(one, other, check_exact=True)
        elif isinstance(one, FallbackQuality):
            same(one, other)
        else:
            assert one == other


def test_a_written_file_is_valid_and_reads_back_the_same(each: lc.Quality) -> None:
    text = to_json(each)
    jsonschema.Draft202012Validator(json_schema()).validate(json.loads(text))
    read = from_json(text)
    same(each, read)
    assert to_json(read) == text


def test_a_written_file_has_no_power_over_a_terminal(quality: lc.Quality) -> None:
    named = replace(quality, conflicts=quality.conflicts.with_columns(source=pl.lit("gp\u202e\x9b2J")))
    assert to_json(named).isascii()
    same(named, from_json(to_json(named)))


def test_the_schema_file_agrees_with_the_tables() -> None:
    shipped = json.loads(files("linkcore.report").joinpath("quality.schema.json").read_text("utf-8"))
    assert shipped == json_schema()
    jsonschema.Draft202012Validator.check_schema(shipped)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("persons",), -1),
        (("schema",), "linkcore.quality/1"),
        (("tables", "records", 0, "records"), "few"),
        (("tables", "records", 0, "method"), "guess"),
        (("run", "seed"), "0"),
    ],
)
def test_the_schema_refuses_wrong_values(quality: lc.Quality, place: tuple[str | int, ...], value: object) -> None:
    stated = json.loads(to_json(quality))
    at = stated
    for step in place[:-1]:
        at = at[step]
    at[place[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(stated, json_schema())


def test_suppressed_counts_and_nothing_else_are_stars(linkage: lc.Linkage) -> None:
    stated = json.loads(to_json(disclosed(linkage.quality)))
    rows = stated["tables"]["records"]
    stars = [row for row in rows if row["records"] == "*"]
    assert 0 < len(stars) < len(rows)
    assert {type(row["rate"]) for row in stated["tables"]["groups"]} <= {float, type(None)}


def test_the_file_has_no_identifier(linkage: lc.Linkage) -> None:
    text = to_json(linkage.quality)
    persons = linkage.persons
    for column in ("token", "postcode", "address", "record_id"):
        values = persons[column].drop_nulls().unique().sort().to_list()
        assert not [value for value in values if len(value) > 4 and value in text]
    assert not [number for number in persons["nhs_number"].drop_nulls() if str(number) in text]


def test_a_quality_is_read_from_a_file(tmp_path: Path, quality: lc.Quality) -> None:
    (tmp_path / "quality.json").write_text(to_json(quality), "utf-8")
    same(quality, read_quality(tmp_path / "quality.json"))


@pytest.mark.parametrize(
    "text",
    ["", "[]", "null", '{"schema": "other"}', '{"schema": "linkcore.quality/2"}', '{"schema": "linkcore.quality/1", '
     '"tables": {"records": [{"source": "JO SMITH"}]}, "fallback": null}', "[" * 100_000],
)  # fmt: skip
def test_another_file_is_refused_and_not_quoted(tmp_path: Path, text: str) -> None:
    (tmp_path / "quality.json").write_text(text, "utf-8")
    with pytest.raises(lc.ProgrammeError, match="not a quality file") as error:
        read_quality(tmp_path / "quality.json")
    assert "SMITH" not in str(error.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(lc.ProgrammeError, match="no such quality file"):
        read_quality(tmp_path / "none.json")


def test_a_file_of_an_earlier_version_is_read_to_compare_with(quality: lc.Quality) -> None:
    stated = json.loads(to_json(quality))
    del stated["tables"]["number_faults"]
    assert from_json(json.dumps(stated)).number_faults.is_empty()
