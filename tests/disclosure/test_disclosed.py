"""Disclosure control of a whole Quality: what is shown does not reveal what is suppressed."""

from dataclasses import fields, replace

import numpy as np
import polars as pl
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp

import linkcore as lc
from linkcore.disclosure.cells import cells_of
from linkcore.disclosure.disclosed import disclosed
from linkcore.disclosure.suppression import ROUND_TO, SMALLEST_COUNT, rounded
from linkcore.governance.withholding.withholding import Withholding
from linkcore.linkage.fallback.model_use import ModelUse
from linkcore.quality.group_rates import OTHER, group_rates, pool_rare
from linkcore.quality.measures import FallbackQuality, Weights
from linkcore.quality.tables import FALLBACK_TABLES, QUALITY_TABLES
from linkcore.quality.truth import with_truth
from linkcore.report.drift import compared
from linkcore.report.write import with_withholding

TABLES = [name for name in QUALITY_TABLES if name not in ("drift", "totals")]


@pytest.fixture(scope="module")
def true(
    linkage: lc.Linkage, truth: pl.DataFrame, withholding: list[Withholding], type_one: pl.DataFrame
) -> lc.Quality:
    return with_withholding(with_truth(linkage, truth), withholding, type_one)


@pytest.fixture(scope="module")
def shown(true: lc.Quality) -> lc.Quality:
    return disclosed(true)


def tables(quality: lc.Quality) -> dict[str, pl.DataFrame]:
    assert quality.fallback is not None
    of_quality = {name: getattr(quality, name) for name in TABLES}
    return of_quality | {f"fallback {name}": getattr(quality.fallback, name) for name in FALLBACK_TABLES}


def counts(frame: pl.DataFrame) -> list[str]:
    return [name for name, dtype in frame.schema.items() if dtype.is_integer()]


def test_what_became_of_few_persons_is_not_shown(true: lc.Quality) -> None:
    assert true.persons is not None
    counted = {"kept": true.persons - 23, "new": 20, "absent": 6, "split": 0}
    rows = [("all", became, times) for became, times in counted.items()] + [("gp", "kept", 4), ("gp", "new", 20)]
    told = replace(true, earlier_persons=pl.DataFrame(rows, schema=QUALITY_TABLES["earlier_persons"], orient="row"))
    kept = rounded(true.persons - 23)
    shown = disclosed(told).earlier_persons.rows()
    assert shown[1:] == [
        ("all", "new", 20),
        ("all", "absent", None),
        ("all", "split", 0),
        ("gp", "kept", None),
        ("gp", "new", 20),
    ]
    assert shown[0] in [("all", "kept", kept), ("all", "kept", None)]


def test_every_shown_count_is_0_or_a_large_multiple_of_five(shown: lc.Quality) -> None:
    assert shown.fallback is not None
    # What a run is predicted to have, from the self-test, is no count of records.
    values = [
        value
        for frame in tables(shown).values()
        for name in counts(frame)
        if name not in {"fewest", "most"}
        for value in frame[name]
    ]
    values += [*shown.totals["count"], shown.persons, *shown.fallback.counts.values()]
    given = [value for value in values if value is not None]
    assert len(given) < len(values)
    assert all(value == 0 or (value >= SMALLEST_COUNT and value % ROUND_TO == 0) for value in given)


def test_shown_counts_are_close_to_the_true_ones_and_only_positive_counts_are_suppressed(
    true: lc.Quality, shown: lc.Quality
) -> None:
    pooled = tables(replace(true, groups=pool_rare(true.groups, SMALLEST_COUNT)))
    for name, of_shown in tables(shown).items():
        frame = of_shown
        if name == "fallback rates":  # pooled groups are left out
            continue
        if name == "withheld":  # only the first purpose is counted
            is_first = frame["purpose"] == frame["purpose"].first()
            assert frame.filter(~is_first)["records"].null_count() == (~is_first).sum() > 0
            pooled[name], frame = pooled[name].filter(is_first), frame.filter(is_first)
        for column in counts(frame):
            for before, after in zip(pooled[name][column], frame[column], strict=True):
                if after is None:
                    assert before > 0
                else:
                    assert abs(after - before) <= ROUND_TO // 2
                    assert not 0 < before < SMALLEST_COUNT


def test_columns_without_counts_do_not_change(true: lc.Quality, shown: lc.Quality) -> None:
    for name in (
        "records",
        "numbers",
        "flow",
        "completeness",
        "cluster_sizes",
        "implausible",
        "match_weights",
        "withheld",
    ):
        before, after = getattr(true, name), getattr(shown, name)
        assert before.drop(counts(before)).equals(after.drop(counts(after)))


def test_rates_are_calculated_from_shown_counts(shown: lc.Quality) -> None:
    bare = shown.groups.select("source", "dimension", "group", "records", "linked")
    assert group_rates(bare).equals(shown.groups)
    hidden = shown.groups.filter(pl.col("linked").is_null() | pl.col("records").is_null())
    assert hidden.height > 0
    assert hidden["rate"].null_count() == hidden["low"].null_count() == hidden.height
    assert shown.truth is not None
    rated = shown.truth.filter(pl.col("true").is_not_null())
    assert rated.filter(pl.col("true") != pl.col("cases") / pl.col("of")).is_empty()


def test_totals_are_rounded_true_counts_and_not_sums_of_rounded_ones(linkage: lc.Linkage) -> None:
    before, after = linkage.quality.by_method(), disclosed(linkage.quality).by_method()
    assert before.columns == after.columns
    assert before["source"].equals(after["source"])
    both = zip(before["records"], after["records"], strict=True)
    assert all(rounded is not None and abs(rounded - count) <= ROUND_TO // 2 for count, rounded in both)


def test_some_totals_are_suppressed_where_records_are_withheld(true: lc.Quality, shown: lc.Quality) -> None:
    """A recipient counts what is not withheld: beside a rounded total, that may leave few values for the rest."""
    both = list(zip(true.by_method()["records"], shown.by_method()["records"], strict=True))
    assert both[-1][1] is not None  # all sources together
    assert 0 < sum(after is None for _, after in both) < len(both) - 1
    assert all(after is None or abs(after - before) <= ROUND_TO // 2 for before, after in both)


@pytest.mark.parametrize("tables", [TABLES, ["withheld", "not_read"]], ids=["of any table", "of what is withheld"])
def test_no_small_count_of_the_report_can_be_worked_out(true: lc.Quality, tables: list[str]) -> None:
    """Integer programming over all sums of all tables at once leaves several values for small counts."""
    pooled = replace(true, groups=pool_rare(true.groups, SMALLEST_COUNT))
    shown = disclosed(true)
    cells = cells_of(pooled)
    of_key = {}
    for (table, column), keys in cells.columns.items():
        if column and (table in TABLES or table == "totals"):
            of_key |= dict(zip(keys, getattr(shown, table)[column], strict=True))
    known = cells.counts
    low = np.zeros(len(known.keys))
    high = np.full(len(known.keys), 10**6)
    for at, key in enumerate(known.keys):
        if key in of_key:
            value = of_key[key]
            low[at] = 1 if value is None else 0 if value == 0 else max(value - ROUND_TO // 2, SMALLEST_COUNT)
            high[at] = 10**6 if value is None else 0 if value == 0 else value + ROUND_TO // 2
    # A recipient counts the rows of its release, which are all that is not withheld.
    for at, key in enumerate(known.keys):
        if key[0] == "withheld" and key[1] != "all" and key[3] == "not withheld" and known.values[at] >= SMALLEST_COUNT:
            low[at] = high[at] = known.values[at]
    sums = np.zeros((len(known.sums), len(known.keys)))
    for row, (total, parts) in zip(sums, known.sums, strict=True):
        row[total] -= 1
        row[list(parts)] += 1
    among = {key for (table, _), keys in cells.columns.items() if table in tables for key in keys}
    small = [
        at
        for at, key in enumerate(known.keys)
        if 0 < known.values[at] < SMALLEST_COUNT and (key in among or key[0] == "rest")
    ]
    assert len(small) > 20
    for at in small[:: len(small) // 12]:
        ends = []
        for sign in (1.0, -1.0):
            objective = np.zeros(len(known.keys))
            objective[at] = sign
            found = milp(
                objective,
                constraints=LinearConstraint(sums, 0, 0),
                bounds=Bounds(low, high),
                integrality=np.ones(len(known.keys)),
            )
            ends.append(round(sign * found.fun))
        assert ends[0] <= known.values[at] <= ends[1]
        assert ends[0] < ends[1]


def test_an_attribute_value_of_one_record_is_not_named(true: lc.Quality) -> None:
    assert true.fallback is not None
    one = {"source": "inpatient", "dimension": "ethnic_group", "group": "Jo Smith", "records": 1, "linked": 1}
    rows = pl.DataFrame([one | {"source": "all"}, one], schema_overrides={"records": pl.Int64, "linked": pl.Int64})
    groups = group_rates(pl.concat([true.groups.select(rows.columns), rows]))
    rate = true.fallback.rates.head(1).with_columns(
        pl.lit("ethnic_group").alias("dimension"), pl.lit("Jo Smith").alias("group")
    )
    fallback = replace(true.fallback, rates=pl.concat([true.fallback.rates, rate]))
    shown = disclosed(replace(true, groups=groups, fallback=fallback))
    assert shown.fallback is not None
    assert "Jo Smith" not in {*shown.groups["group"], *shown.fallback.rates["group"]}
    assert OTHER in set(shown.groups["group"])


def test_estimates_from_few_records_are_hidden_and_others_have_two_digits(shown: lc.Quality) -> None:
    assert isinstance(shown.fallback, FallbackQuality)
    rates = shown.fallback.rates
    assert rates.filter(pl.col("cases").is_null())["rate"].null_count() == rates["cases"].null_count() > 0
    for rate in rates["rate"].drop_nulls():
        assert float(f"{min(rate, 1 - rate):.1e}") == pytest.approx(min(rate, 1 - rate), abs=1e-5)


def test_an_estimate_has_the_same_digits_in_every_table(shown: lc.Quality) -> None:
    assert shown.fallback is not None
    assert shown.truth is not None
    values = ["low", "high"]
    rates = shown.fallback.rates.filter(dimension="all").select(
        "source", "measure", pl.col("rate").alias("estimated"), *values
    )
    both = rates.join(shown.truth, on=["source", "measure"], suffix="_beside")
    assert both.height > 10
    for name in ("estimated", *values):
        assert both[name].to_list() == both[f"{name}_beside"].to_list()


def test_the_text_of_a_basis_has_no_count(true: lc.Quality, shown: lc.Quality) -> None:
    said = [quality.withheld_basis.filter(kind="national", purpose="planning")["basis"][0] for quality in (true, shown)]
    assert said[0].endswith("; 3 of them have no number that can be read")
    assert said[1].endswith("; some of them have no number that can be read")


def test_a_disclosed_quality_does_not_change_again(shown: lc.Quality) -> None:
    assert disclosed(shown) is shown
    assert shown.disclosed


def test_a_comparison_of_true_counts_is_refused(true: lc.Quality) -> None:
    with pytest.raises(ValueError, match="before comparing"):
        disclosed(compared(true, true))


def test_every_field_is_under_disclosure_control(true: lc.Quality, shown: lc.Quality) -> None:
    # A new table without disclosure control would be shown with true counts.
    controlled = {*TABLES, "persons", "fallback", "totals", "disclosed"}
    assert {field.name for field in fields(true)} - controlled == {"drift", "run"}
    assert shown.run is true.run


@pytest.mark.parametrize(
    ("checked", "expected"), [(None, None), (0, None), (7, None), (8, 10), (4010, 4010), (4012, 4010)]
)
def test_the_number_of_checked_pairs_is_rounded_and_small_ones_are_suppressed(
    true: lc.Quality, checked: int | None, expected: int | None
) -> None:
    assert true.fallback is not None
    weights = Weights("native", "5.0.0", checked, 1e-9)
    shown = disclosed(replace(true, fallback=replace(true.fallback, weights=weights)))
    assert shown.fallback is not None
    assert shown.fallback.weights == replace(weights, checked=expected)


def test_the_share_of_new_records_is_rounded_and_tells_of_no_few(true: lc.Quality) -> None:
    assert true.fallback is not None
    compared = int(true.fallback.sources["compared"].sum())
    assert compared > 100
    for new, expected in ((0, 0.0), (3, None), (50, round(50 / compared, 2)), (compared - 3, None), (compared, 1.0)):
        use = ModelUse(kept=True, new_records=new / compared, drift={"name": 0.01234})
        shown = disclosed(replace(true, fallback=replace(true.fallback, model_use=use))).fallback
        assert shown is not None
        assert shown.model_use == replace(use, new_records=expected, drift={"name": 0.012})


def test_what_was_learned_of_somebody_elses_levels_is_for_the_trusted_team(true: lc.Quality) -> None:
    """A level can be written so that one person stands on it: its m and u then spell that person's postcode."""
    assert true.fallback is not None
    assert disclosed(true).fallback.model.height > 0  # type: ignore[union-attr]
    foreign = replace(true.fallback, weights=replace(true.fallback.weights, own_model=False))
    foreign = replace(foreign, model_use=ModelUse(kept=True, drift={"A postcode": 0.1}))
    shown = disclosed(replace(true, fallback=foreign)).fallback
    assert shown is not None
    assert (shown.model.height, shown.departures.height, shown.model_use.drift) == (0, 0, {})
    assert foreign.model.height > 0
