"""What to check: what each rule says, when it applies, and that it is silent otherwise."""

from dataclasses import replace

import polars as pl
import pytest

import linkcore as lc
from linkcore.linkage.fallback.model_use import ModelUse
from linkcore.linkage.run import Run
from linkcore.quality.measures import FallbackQuality, Quality
from linkcore.quality.tables import FALLBACK_TABLES, QUALITY_TABLES
from linkcore.report.page.concerns import concerns, false_link_limit


def table(name: str, *rows: dict[str, object]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=(QUALITY_TABLES | FALLBACK_TABLES)[name])


def rate(source: str, measure: str, low: float, high: float) -> dict[str, object]:
    row = {"source": source, "dimension": "all", "group": "all", "measure": measure}
    return row | {"rate": low, "low": low, "high": high, "cases": 900.0, "of": 900}


def fallback(*rates: dict[str, object], **source: object) -> FallbackQuality:
    tables = {name: table(name) for name in FALLBACK_TABLES}
    tables["rates"] = table("rates", *rates)
    tables["sources"] = table("sources", {"source": "seen", "linked": 10, "basis": "own"} | source)
    return FallbackQuality(**tables, counts={})


WELL = Quality(
    records=table(
        "records",
        {"source": "gp", "method": "spine", "records": 1000},
        {"source": "seen", "method": "nhs_number", "records": 980},
        {"source": "seen", "method": "probabilistic", "records": 20},
    ),
    numbers=table("numbers"),
    conflicts=table("conflicts", {"source": "gp", "conflicts": 0}, {"source": "seen", "conflicts": 1}),
    set_aside=table("set_aside"),
    persons=1000,
    fallback=fallback(rate("all", "false links", 0.0005, 0.001), rate("seen", "false links", 0.0, 0.002)),
    run=Run(settings={"probabilistic": {"max_false_link_rate": 0.002}}),
)


def test_without_a_finding_there_is_no_concern() -> None:
    assert concerns(WELL) == []
    assert concerns(replace(WELL, fallback=None)) == []
    kept = replace(fallback(), model_use=ModelUse(kept=True, new_records=0.2, drift={"name": 0.05}))
    learned = replace(fallback(), model_use=ModelUse(new_records=0.9))
    assert concerns(replace(WELL, fallback=kept)) == concerns(replace(WELL, fallback=learned)) == []


GROUP = {"source": "all", "dimension": "age band", "group": "20-29", "rate": 0.91}
CASES: dict[str, tuple[dict[str, object], str]] = {
    "lost pseudonyms": (
        {
            "earlier_persons": table(
                "earlier_persons",
                {"source": "all", "became": "kept", "times": 0},
                {"source": "all", "became": "new", "times": 900},
                {"source": "seen", "became": "kept", "times": 1},
                {"source": "seen", "became": "new", "times": 99},
                {"source": "steady", "became": "kept", "times": 50},
                {"source": "steady", "became": "new", "times": 50},
                {"source": "few", "became": "kept", "times": 0},
                {"source": "few", "became": "new", "times": 19},
            )
        },
        "Lost pseudonyms: few of the people without an NHS Number have the pseudonym of the linkage before, in seen "
        "(1 %), and nothing explains it. If these extracts repeat earlier records, give the records the ids that they "
        "had before, and not row numbers; then link again from the linkage before.",
    ),
    "nothing usable": (
        {
            "completeness": table(
                "completeness",
                {"source": "seen", "identifier": "family_name", "records": 90, "present": 90, "usable": 0},
                {"source": "seen", "identifier": "given_name", "records": 90, "present": 90, "usable": 1},
                {"source": "gp", "identifier": "family_name", "records": 0, "present": 0, "usable": 0},
            )
        },
        "Nothing usable: no value of family name (seen) can be used. Check that the right column is given, and its "
        "format.",
    ),
    "fewer linked than listed": (
        {"fallback": fallback(open=100, linked=41, pi=0.9)},
        "Fewer links than expected: of the records of seen without a usable NHS Number, 90 % should be of people who "
        "are listed, but 41 % were linked. Check what its identifiers hold, and which are missing.",
    ),
    "not tested": (
        {"fallback": fallback(rate("gp", "false links", 0.0, 0.001), hidden=0)},
        "Not in the estimates: seen (10 links). No record with an NHS Number could be tested there, so no rate of "
        "wrong or missed links is about these links. Review a sample of these links before you rely on them.",
    ),
    "false links": (
        {"fallback": fallback(rate("seen", "false links", 0.0021, 0.003))},
        "Wrong links: more than the limit of 0.2 % are estimated to be wrong in seen (0.21 %). "
        "Review a sample of these links before you rely on them.",
    ),
    "not certified": (
        {"fallback": fallback(basis="expected")},
        "Not certified: too few records could be tested to show that the limit on wrong links holds in seen. "
        "Review a sample of these links before you rely on them.",
    ),
    "outdated": (
        {"fallback": replace(fallback(), model_use=ModelUse(kept=True, why="it is asked for", new_records=0.21))},
        "Outdated model: The model, the thresholds and the self-test are those of an earlier run. They were kept "
        "because it is asked for. Since then, 21 % of the compared records are new or changed. Learn it anew: set "
        "relearn to 'when_changed'.",
    ),
    "drifted": (
        {"fallback": replace(fallback(), model_use=ModelUse(kept=True, why="it is asked for", drift={"name": 0.06}))},
        "Outdated model: The model, the thresholds and the self-test are those of an earlier run. They were kept "
        "because it is asked for. Most drift is on name: 6 % of the pairs of one person are on other levels. Learn it "
        "anew: set relearn to 'when_changed'.",
    ),
    "no labels": (
        {"fallback": fallback(basis="no labels")},
        "Not tested: no record has an NHS Number to test the links of seen with. Review a sample of these links before "
        "you rely on them.",
    ),
    "missed links": (
        {"fallback": fallback(rate("seen", "missed links", 0.06, 0.08))},
        "Missed links: more than 5 % of those without a usable NHS Number are estimated to be missed in seen (6 %). "
        "Allow for people who are counted twice.",
    ),
    "groups": (
        {
            "groups": table(
                "groups",
                GROUP | {"standardised_difference": -0.2, "flagged": True},
                GROUP | {"group": "65-74", "standardised_difference": 0.2, "flagged": True},
                GROUP | {"group": "45-64", "standardised_difference": -0.05, "flagged": False},
            )
        },
        "Linked less often than others: age band 20-29 (91 %). Check that the linkage does not explain results about "
        "them.",
    ),
    "conflicts": (
        {"conflicts": table("conflicts", {"source": "gp", "conflicts": 1}, {"source": "seen", "conflicts": 2})},
        "Conflicts: more than 0.1 % of the records carry the NHS Number of someone else in seen (0.2 %). "
        "Ask these sources to check how they record NHS Numbers.",
    ),
    "implausible": (
        {
            "implausible": table(
                "implausible",
                {"source": "seen", "finding": "a man giving birth", "links": 9, "of": 100},
                {"source": "seen", "finding": "activity after death", "links": 0, "of": 100},
            )
        },
        "Implausible links: a man giving birth (9). Check in which sources they occur.",
    ),
    "numbers": (
        {
            "flow": table(
                "flow",
                {"source": "seen", "number": "usable", "method": "nhs_number", "records": 75},
                {"source": "seen", "number": "not usable", "method": "unlinked", "records": 25},
            )
        },
        "No usable NHS Number: more than 20 % of the records have none in seen (25 %). Ask these sources to trace the "
        "missing numbers.",
    ),
    "unsettled": (
        {"fallback": replace(fallback(), counts={"unsettled_pairs": None})},
        "Not settled: what was learned without labels was still changing when learning stopped, so probabilities and "
        "links depend on when it stopped. Give a model or labels, or more identifiers. Review a sample of these links "
        "before you rely on them.",
    ),
    "drift": (
        {
            "drift": table(
                "drift",
                {"measure": "records", "source": "all", "previous": 100, "current": 130, "change": 30, "flagged": True},
                {"measure": "linked", "source": "seen", "previous": 0.9, "current": 0.9, "flagged": False},
            )
        },
        "Changed since the earlier run: records of all sources (from 100 to 130). Check whether extracts or settings "
        "changed.",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_rule_gives_its_concern(case: str) -> None:
    changes, said = CASES[case]
    assert concerns(replace(WELL, **changes)) == [said]  # type: ignore[arg-type]


@pytest.mark.parametrize("records", [None, 0])
def test_a_source_without_counts_gives_no_concern(records: int | None) -> None:
    flow = {"source": "seen", "number": "not usable", "method": "unlinked", "records": records}
    assert concerns(replace(WELL, flow=table("flow", flow))) == []


def test_the_limit_on_false_links_comes_from_the_settings_of_the_run() -> None:
    assert false_link_limit(WELL) == 0.002
    assert false_link_limit(replace(WELL, run=Run(settings={"probabilistic": None}))) is None


def test_a_column_that_holds_whole_names_is_a_concern() -> None:
    whole = pl.DataFrame({"full_name": ["SMITH, Anna", "Mrs Anna Smith"], "nhs_number": ["4010232137", None]})
    columns = {"family_name": "full_name", "nhs_number": "nhs_number"}
    (named,) = [
        each for each in concerns(lc.link([lc.Source("seen", whole, columns=columns)]).quality) if "Names" in each
    ]
    assert named.startswith("Names: family name of seen mostly holds whole names")
    assert not [each for each in concerns(lc.link([lc.Source("seen", whole)]).quality) if "Names" in each]
