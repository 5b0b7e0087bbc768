"""Sensitive records: coded entries, and records with the same parent in any source; no others."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

import linkcore as lc
from linkcore.governance.withholding.sensitive import CodeList, SensitiveRule, sensitive_records
from tests.naive_linkage import numbers

STI, FERTILITY = "999004381000000103", "999004371000000100"
LISTED = pl.DataFrame(
    {
        "reference_set": [STI, STI, STI, STI, FERTILITY, STI],
        "code_system": ["snomed", "icd10", "ICD10", "read2", "snomed", "opcs4"],
        "code": ["76272004", "A54.9", "Z21", "A98..", "10231000132102", "Q13.1"],
    }
)
CODES = CodeList(LISTED)


def linkage(**columns: Any) -> lc.Linkage:
    count = len(next(iter(columns.values())))
    coded = pl.DataFrame({"nhs_number": numbers(count)} | columns, strict=False)
    booked = pl.DataFrame({"nhs_number": numbers(4), "VISIT": ["1", "2", "3", " 1 "]})
    return lc.link([lc.Source("coded", coded), lc.Source("booked", booked)], fallback=None)


@pytest.mark.parametrize(
    ("system", "code", "sensitive"),
    [
        ("snomed", "76272004", True),
        ("snomed", " 76272004 ", True),
        ("snomed", 76272004, True),
        ("snomed", "762720041", False),
        ("icd10", "A549", True),
        ("icd10", "a54.9", True),
        ("icd10", "A54.9D", True),
        ("icd10", "A54", False),
        ("icd10", "A541", False),
        ("icd10", "Z21X", True),
        ("icd10", "Z21XA", True),
        ("opcs4", "Q131", True),
        ("read2", "A98", True),
        ("read2", "A98..00", True),
        ("read2", "a98..", False),
        ("read2", "A981.", False),
        # A code of one system is not a code of another.
        ("read2", "A549", False),
        ("snomed", None, False),
    ],
)
@pytest.mark.parametrize("many", [False, True])
def test_codes_are_compared_as_their_system_writes_them(system: str, code: Any, sensitive: bool, many: bool) -> None:
    values = [[None, code], []] if many else [code, None]
    found = sensitive_records(linkage(CODE=values), [SensitiveRule("coded", ["CODE"], system, CODES)])
    assert found["coded"]["coded"].to_list() == [sensitive, False]
    assert not found["coded"]["carried"].any()
    assert set(found) == {"coded"}


def test_all_columns_count_and_only_the_reference_sets_of_the_policy() -> None:
    made = linkage(FIRST=["76272004", None, None], SECOND=[None, "10231000132102", "1"])
    columns = ["FIRST", "SECOND"]
    everything = sensitive_records(made, [SensitiveRule("coded", columns, "snomed", CODES)])
    one_set = sensitive_records(made, [SensitiveRule("coded", columns, "snomed", CODES, [FERTILITY])])
    assert everything["coded"]["coded"].to_list() == [True, True, False]
    assert one_set["coded"]["coded"].to_list() == [False, True, False]


def test_rows_with_the_same_parent_are_carried_away_in_every_source_that_shares_it() -> None:
    made = linkage(CODE=["76272004", None, None, "76272004", None], VISIT=[1, 1, 2, None, None])
    rule = SensitiveRule("coded", ["CODE"], "snomed", CODES, parent="VISIT", carries={"booked": "VISIT"})
    found = sensitive_records(made, [rule])
    assert found["coded"].rows() == [(True, True), (False, True), (False, False), (True, False), (False, False)]
    assert found["booked"].rows() == [(False, True), (False, False), (False, False), (False, True)]


def test_several_rules_are_combined() -> None:
    made = linkage(CODE=["76272004", "1", "2"], ICD=["x", "A549", "y"])
    rules = [SensitiveRule("coded", ["CODE"], "snomed", CODES), SensitiveRule("coded", ["ICD"], "icd10", CODES)]
    assert sensitive_records(made, rules)["coded"]["coded"].to_list() == [True, True, False]


def test_a_code_list_is_read_from_csv(tmp_path: Path) -> None:
    LISTED.write_csv(tmp_path / "codes.csv")
    read = CodeList(tmp_path / "codes.csv")
    assert read.reference_sets == CODES.reference_sets
    assert all(read.codes(system).equals(CODES.codes(system)) for system in ("snomed", "icd10", "read2", "opcs4"))
    assert repr(read) == "CodeList(6 codes of 2 reference sets)"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (LISTED.drop("code"), "no column code"),
        (LISTED.with_columns(code=pl.lit(None, pl.String)), "6 rows lack a value, the first is row 1"),
        (LISTED.with_columns(code_system=pl.lit("local")), "unknown code system local"),
    ],
)
def test_a_code_list_with_missing_values_is_refused(change: pl.DataFrame, says: str, tmp_path: Path) -> None:
    change.write_csv(tmp_path / "codes.csv")
    for data in (change, tmp_path / "codes.csv"):
        with pytest.raises(lc.SourceError, match=says):
            CodeList(data)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"system": "ctv3"}, "no code of 'ctv3'"),
        ({"reference_sets": ["1"]}, "no reference set 1"),
        ({"system": "local"}, "unknown code system 'local'"),
        ({"columns": "CODE"}, "must be a list"),
        ({"carries": {"booked": "VISIT"}}, "needs parent"),
        ({"carries": {"coded": "VISIT"}, "parent": "VISIT"}, "the source itself"),
    ],
)
def test_a_rule_that_would_withhold_nothing_is_refused(given: dict[str, Any], says: str) -> None:
    rule = {"source": "coded", "columns": ["CODE"], "system": "snomed", "codes": CODES}
    with pytest.raises(lc.ProgrammeError, match=says):
        SensitiveRule(**(rule | given))


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (SensitiveRule("nope", ["CODE"], "snomed", CODES), "no source 'nope'"),
        (SensitiveRule("coded", ["NOPE"], "snomed", CODES), r"no columns \['NOPE'\]"),
        (
            SensitiveRule("coded", ["CODE"], "snomed", CODES, parent="CODE", carries={"booked": "NOPE"}),
            r"no columns \['NOPE'\]",
        ),
    ],
)
def test_a_rule_for_a_missing_source_or_column_is_refused(rule: SensitiveRule, says: str) -> None:
    with pytest.raises(lc.ProgrammeError, match=says):
        sensitive_records(linkage(CODE=["1"]), [rule])
