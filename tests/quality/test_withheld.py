"""Withheld records: each is counted once, and no small count can be calculated from those shown."""

import datetime as dt
from collections import Counter, defaultdict
from dataclasses import replace
from itertools import combinations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import LinearConstraint, milp

import linkcore as lc
from linkcore.disclosure.disclosed import disclosed
from linkcore.disclosure.suppression import ROUND_TO, SMALLEST_COUNT
from linkcore.governance.withholding.withholding import REASONS, Withholding
from linkcore.quality.measures import Quality, measure
from linkcore.quality.tables import ANY_REASON, NOT_WITHHELD
from linkcore.quality.withheld import with_withheld
from linkcore.report.page.charts import WITHHELD_COLOURS
from linkcore.report.page.withheld_section import DRAWN_AS
from linkcore.report.page.words import REASONS as IN_WORDS
from linkcore.report.write import with_withholding
from linkcore.schema import ALL, LINKS, SET_ASIDE

DAY = dt.date(2026, 4, 1)


@pytest.fixture(scope="module")
def reported(quality: Quality, withholding: list[Withholding], type_one: pl.DataFrame) -> Quality:
    return with_withholding(quality, withholding, type_one)


def test_each_record_is_not_withheld_or_withheld_for_one_reason(
    linkage: lc.Linkage, reported: Quality, withholding: list[Withholding]
) -> None:
    counts = {tuple(row[:3]): row[3] for row in reported.withheld.iter_rows()}
    expected: Counter[tuple[str, ...]] = Counter()
    for each in withholding:
        for source in linkage.sources:
            for may_be_released in each.kept[source.name]:
                reason = NOT_WITHHELD if may_be_released else ANY_REASON
                expected[each.purpose, source.name, reason] += 1
                expected[each.purpose, ALL, reason] += 1
        for source_name, reason, records in each.counts.iter_rows():
            expected[each.purpose, source_name, reason] += records
            expected[each.purpose, ALL, reason] += records
    assert {key: count for key, count in counts.items() if count} == {
        key: count for key, count in expected.items() if count
    }
    records_of = dict(reported.by_method().select("source", "records").iter_rows())
    for purpose in ("planning", "finding cases"):
        for source, records in records_of.items():
            reasons = [
                count
                for (row_purpose, row_source, reason), count in counts.items()
                if (row_purpose, row_source) == (purpose, source) and reason in REASONS
            ]
            assert counts[purpose, source, ANY_REASON] == sum(reasons)
            assert counts[purpose, source, NOT_WITHHELD] + sum(reasons) == records
    assert counts["planning", ALL, "national"] > 0
    assert ("finding cases", ALL, "national") not in counts


def test_the_basis_names_its_date_and_an_exemption(reported: Quality, withholding: list[Withholding]) -> None:
    stated = [(each.purpose, str(each.on), *basis) for each in withholding for basis in each.basis.items()]
    assert reported.withheld_basis.rows() == stated
    (exempt,) = reported.withheld_basis.filter(kind="national", purpose="finding cases")["basis"]
    assert "legal_duty: a direction of 2026" in exempt


def test_rows_that_were_not_read_are_in_no_other_count(quality: Quality, reported: Quality) -> None:
    assert reported.not_read.filter(practice=ALL).rows() == [("gp", ALL, 43), (ALL, ALL, 43)]
    assert reported.by_method().equals(quality.by_method())
    # The counts are 12, 12, 12 and 7. If only the 7 were hidden, the total and the other three would reveal it.
    assert disclosed(reported).not_read["records"].null_count() == 2


def test_withholding_that_does_not_account_for_every_record_is_refused(
    reported: Quality, withholding: list[Withholding]
) -> None:
    (first, _) = withholding
    bare = replace(reported, withheld=reported.withheld.clear())
    of_another = replace(first, kept={**first.kept, "gp": first.kept["gp"][:-1]})
    miscounted = replace(first, counts=first.counts.with_columns(pl.col("records") + 1))
    fewer = replace(first, kept={name: kept for name, kept in first.kept.items() if name != "gp"})
    for wrong in (of_another, miscounted, fewer):
        with pytest.raises(lc.ProgrammeError, match="does not account for every record"):
            with_withholding(bare, [wrong])
    with pytest.raises(
        lc.ProgrammeError, match="already has the records withheld for 'planning'; add each purpose once"
    ):
        with_withholding(reported, [first])
    for given_late in ([first], []):
        with pytest.raises(lc.ProgrammeError, match="disclosed counts"):
            with_withholding(disclosed(bare), given_late, pl.DataFrame({"source": ["gp"]}))


def test_every_reason_has_words_and_a_colour() -> None:
    assert list(IN_WORDS) == list(REASONS)
    assert {*REASONS, NOT_WITHHELD} == set(DRAWN_AS)
    assert set(DRAWN_AS.values()) == set(WITHHELD_COLOURS)


# --- Disclosure control ----------------------------------------------------------------------------------------------

ORDER = ("objection", "national", "sensitive")
PURPOSES = {"all": ORDER, "exempt": ("objection", "sensitive")}
KINDS = [frozenset(reasons) for many in range(4) for reasons in combinations(ORDER, many)]
Kinds = dict[tuple[str, frozenset[str]], int]


def first_reason(purpose: str, kind: frozenset[str]) -> str:
    return next((reason for reason in PURPOSES[purpose] if reason in kind), NOT_WITHHELD)


def quality_of(kinds: Kinds) -> Quality:
    """A quality with these numbers of records, by source and set of reasons; one purpose is exempt from "national"."""
    sources = list(dict.fromkeys(source for source, _ in kinds))
    links = pl.DataFrame(
        [
            (source, "spine" if source == "gp" else "nhs_number")
            for (source, _), many in kinds.items()
            for _ in range(many)
        ],
        {name: LINKS[name] for name in ("source", "method")},
        orient="row",
    ).with_columns(
        pl.lit("valid", LINKS["nhs_number_status"]).alias("nhs_number_status"),
        pl.lit(False).alias("conflict"),
        pl.int_range(pl.len(), dtype=pl.UInt32).alias("person_id"),
    )
    quality = measure(links, pl.DataFrame(schema=SET_ASIDE), links.height, sources=sources)
    for purpose, reasons in PURPOSES.items():
        counts: Counter[tuple[str, str]] = Counter()
        for (source, kind), many in kinds.items():
            counts[source, first_reason(purpose, kind)] += many
        quality = with_withheld(
            quality,
            purpose,
            on=DAY,
            kept={
                source: pl.Series(
                    [True] * counts[source, NOT_WITHHELD] + [False] * sum(counts[source, r] for r in reasons),
                    dtype=pl.Boolean,
                )
                for source in sources
            },
            counts=pl.DataFrame(
                [(source, reason, counts[source, reason]) for source in sources for reason in reasons],
                ["source", "reason", "records"],
                orient="row",
            ),
            basis={},
        )
    return quality


def kinds_by_count(kinds: Kinds) -> dict[tuple[str, ...], set[tuple[str, frozenset[str]]]]:
    """The kinds of record that each count of the report includes."""
    included = defaultdict(set)
    for source, kind in kinds:
        for name in (source, ALL):
            included["records", name].add((source, kind))
            for purpose in PURPOSES:
                reason = first_reason(purpose, kind)
                included[purpose, name, reason].add((source, kind))
                if reason != NOT_WITHHELD:
                    included[purpose, name, ANY_REASON].add((source, kind))
    return included


def bounds(shown: int | None) -> tuple[int, int]:
    if not shown:
        return (0, 0) if shown == 0 else (1, 10**5)
    return max(shown - ROUND_TO // 2, SMALLEST_COUNT), shown + ROUND_TO // 2


@given(
    st.fixed_dictionaries(
        {
            (source, kind): st.sampled_from([0, 0, 1, 2, 3, 5, 9, 12, 13, 23])
            for source in ("gp", "seen")
            for kind in KINDS
        }
    )
)
@settings(max_examples=25, deadline=None)
def test_no_small_count_can_be_calculated_from_two_purposes(kinds: Kinds) -> None:
    """Find the range of each small count by integer programming over the number of records of each kind."""
    shown = disclosed(quality_of(kinds))
    counts = {tuple(row[:3]): row[3] for row in shown.withheld.iter_rows()}
    counts |= {
        ("records", source): records for source, records in shown.by_method().select("source", "records").iter_rows()
    }
    included = kinds_by_count(kinds)
    rows = np.array([[kind in included[key] for kind in kinds] for key in counts], dtype=float)
    # No count of the second purpose is shown, not even a 0.
    assert {value for (purpose, *_), value in counts.items() if purpose == "exempt"} == {None}
    all_bounds = [(0, 10**5) if key[0] == "exempt" else bounds(value) for key, value in counts.items()]
    low, high = zip(*all_bounds, strict=True)
    for key in counts:
        true = sum(kinds[kind] for kind in included[key])
        if 0 < true < SMALLEST_COUNT:
            aim = np.array([kind in included[key] for kind in kinds], dtype=float)
            found = [
                milp(sign * aim, constraints=LinearConstraint(rows, low, high), integrality=np.ones(len(kinds)))
                for sign in (1, -1)
            ]
            least, most = round(found[0].fun), round(-found[1].fun) if found[1].success else 10**5
            assert least <= true <= most
            assert most - least >= 2


def test_a_count_that_one_purpose_hides_cannot_be_calculated_from_another() -> None:
    # 20 withheld less 10 objections, as shown, would reveal that the 7 national opt-outs are 6 or 7. So more must be
    # hidden, also for the other purpose, which has the same 12 objections.
    kinds = {("gp", kind): 0 for kind in KINDS}
    kinds |= {("gp", frozenset({"objection"})): 12, ("gp", frozenset({"national"})): 7, ("gp", frozenset()): 60}
    shown = {tuple(row[:3]): row[3] for row in disclosed(quality_of(kinds)).withheld.iter_rows()}
    objections = [shown[purpose, "gp", "objection"] for purpose in PURPOSES]
    assert shown["all", "gp", "national"] is None
    assert objections == [None, None] or shown["all", "gp", ANY_REASON] is None
