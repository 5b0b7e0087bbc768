"""Withholding: each rule on opt-outs by example, and all of them against a slow implementation."""

import dataclasses
import datetime as dt
from collections.abc import Sequence
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import linkcore as lc
from linkcore.governance.withholding.opt_out_lists import OptOutLists
from linkcore.governance.withholding.opt_out_policy import Exemption, OptOutPolicy
from linkcore.governance.withholding.opt_outs import STATEMENTS, OptOuts
from linkcore.governance.withholding.sensitive import CodeList, SensitiveRule
from linkcore.governance.withholding.withholding import REASONS, Withholding, withhold
from linkcore.linkage.fallback.result import Probabilistic
from linkcore.linkage.placement import Placement
from linkcore.schema import PERSONS
from tests.governance.withholding import naive_withholding as naive
from tests.naive_linkage import numbers

DAY = dt.date(2026, 3, 1)
ADA, BEN, CAT, OLD, NEW, DAN = (int(number) for number in numbers(6))
SCOT = 101299877
SUPERSEDED = pl.DataFrame({"old": [OLD], "new": [NEW]})
NOW = {OLD: NEW}


def opted_out(*people: int, as_of: dt.date = DAY, asked: Sequence[int] | None = None) -> OptOuts:
    statements = pl.DataFrame([(number, None, True) for number in people], STATEMENTS, orient="row")
    return OptOuts(statements, as_of, asked=None if asked is None else pl.Series(asked, dtype=pl.Int64))


def made(persons: Sequence[int | None], sources: dict[str, list[naive.Record]]) -> lc.Linkage:
    """Make a linkage with these persons and records; rows are in another order than links."""
    given = []
    for name, records in sources.items():
        columns = {
            "record_id": [f"{len(records) - i:03d}" for i in range(len(records))],
            "nhs_number": [None if each.number is None else f"{each.number:010d}" for each in records],
        }
        given.append(lc.Source(name, pl.DataFrame(columns, dict.fromkeys(columns, pl.String)), spine=name == "gp"))
    exact = lc.Exact(usable=("valid",), superseded=SUPERSEDED)
    linkage = lc.link(given, exact=exact, fallback=None)
    in_order = [each for records in sources.values() for each in records[::-1]]
    ids = [(name, f"{i + 1:03d}", each) for name, records in sources.items() for i, each in enumerate(records[::-1])]
    candidates = [(name, record, person, p) for name, record, each in ids for person, p in each.candidates.items()]
    schema = {"source": pl.String, "record_id": pl.String, "person_id": pl.UInt32, "match_probability": pl.Float64}
    # A linkage keeps the candidates with a probability of 0.001 or more.
    thinkable = pl.DataFrame(candidates, schema, orient="row").filter(pl.col("match_probability") >= 0.001)
    table = pl.DataFrame({"nhs_number": persons}, {"nhs_number": pl.Int64}).with_row_index("person_id")
    table = table.select(
        pl.col(name) if name in table.columns else pl.lit(None, dtype).alias(name) for name, dtype in PERSONS.items()
    )
    return dataclasses.replace(
        linkage,
        links=linkage.links.with_columns(
            pl.Series("person_id", [each.person for each in in_order], pl.UInt32),
            pl.Series("conflict", [each.conflict for each in in_order], pl.Boolean),
        ),
        persons=table,
        probabilistic=Probabilistic(Placement(table, {}), {}, "nothing", {}, {}, thinkable, {}, pl.DataFrame()),
    )


R = naive.Record
PERSONS_OF_CASES = [ADA, BEN, None, NEW, None]
GP = [R(ADA, 0), R(BEN, 1)]


def apply(
    record: naive.Record, source: str = "seen", policy: OptOutPolicy | None = None, **opt_outs: Any
) -> Withholding:
    sources = {"gp": list(GP), "seen": []}
    sources[source] = [*sources[source], record]
    linkage = made(PERSONS_OF_CASES, sources)
    given = {"national": opted_out(), "type_one": opted_out()} | opt_outs
    return withhold(linkage, policy or OptOutPolicy(), OptOutLists(**given), on=DAY, purpose="planning")


EXEMPT = OptOutPolicy({"planning": Exemption("legal_duty", "section 259 direction")})
RELEASING = OptOutPolicy(unlinked="release")

CASES: list[tuple[str, naive.Record, str, dict[str, Any], str | None]] = [
    # case, record, its source, opt-outs and policy, reason for withholding the record (None: it leaves)
    ("nobody opted out", R(ADA, 0), "seen", {}, None),
    ("its own number", R(ADA, 0), "seen", {"national": opted_out(ADA)}, "national"),
    ("somebody else's opt-out", R(ADA, 0), "seen", {"national": opted_out(BEN)}, None),
    ("no number, and the person it is linked to", R(None, 0), "seen", {"national": opted_out(ADA)}, "national"),
    ("a conflict's own number, not its person's", R(ADA, 1, True), "seen", {"national": opted_out(ADA)}, "national"),
    ("a conflict's person, not its own number", R(ADA, 1, True), "seen", {"national": opted_out(BEN)}, "national"),
    ("a number that does not link here", R(SCOT, 2), "seen", {"national": opted_out(SCOT)}, "national"),
    ("a number that was superseded", R(OLD, 3), "seen", {"national": opted_out(NEW)}, "national"),
    ("an opt-out under the superseded number", R(NEW, 3), "seen", {"national": opted_out(OLD)}, "national"),
    ("a person known by an unusable number", R(SCOT, 2), "seen", {"objections": opted_out(SCOT)}, "objection"),
    ("a candidate of 0.001", R(None, 1, False, {0: 0.001}), "seen", {"national": opted_out(ADA)}, "national"),
    ("a candidate of less", R(None, 1, False, {0: 0.0009}), "seen", {"national": opted_out(ADA)}, None),
    ("a candidate, of nobody", R(None, 2, False, {0: 0.2}), "seen", {"national": opted_out(ADA)}, "national"),
    # Which data each opt-out applies to.
    ("Type 1 and GP data", R(ADA, 0), "gp", {"type_one": opted_out(ADA)}, "type_1"),
    ("Type 1 and other data", R(ADA, 0), "seen", {"type_one": opted_out(ADA)}, None),
    ("Type 1, exempt nationally", R(ADA, 0), "gp", {"type_one": opted_out(ADA), "policy": EXEMPT}, "type_1"),
    ("Type 1 and a source that is said to be GP data", R(ADA, 0), "seen",
     {"type_one": opted_out(ADA), "policy": OptOutPolicy(gp_sources=["seen"])}, "type_1"),
    ("national, and the purpose is exempt", R(ADA, 0), "seen", {"national": opted_out(ADA), "policy": EXEMPT}, None),
    ("national, and another purpose is exempt", R(ADA, 0), "seen",
     {"national": opted_out(ADA), "policy": OptOutPolicy({"audit": Exemption("consent", "form 7")})}, "national"),
    ("an objection, though the purpose is exempt", R(ADA, 0), "seen",
     {"objections": opted_out(ADA), "policy": EXEMPT}, "objection"),
    ("an excluded person", R(ADA, 0), "seen", {"excluded": opted_out(ADA)}, "exclusion"),
    ("all at once, counted under the first", R(ADA, 0), "gp",
     {"objections": opted_out(ADA), "national": opted_out(ADA), "type_one": opted_out(ADA)}, "objection"),
    # Records without a number to look up.
    ("of nobody, and no opt-out could apply", R(None, 2), "seen", {}, None),
    ("of nobody, and one could", R(None, 2), "seen", {"national": opted_out(BEN)}, "links_to_nobody"),
    ("of nobody, and an objection could be", R(None, 2), "seen",
     {"objections": opted_out(BEN), "policy": EXEMPT}, "links_to_nobody"),
    ("of nobody, and the policy releases it", R(None, 2), "seen",
     {"national": opted_out(BEN), "policy": RELEASING}, None),
    ("of nobody, and all opt-outs are of GP data", R(None, 2), "seen", {"type_one": opted_out(BEN)}, None),
    ("a conflict of nobody has no number of its own", R(ADA, 2, True), "seen",
     {"national": opted_out(BEN)}, "links_to_nobody"),
    ("no number, but its person has one", R(None, 0), "seen", {"national": opted_out(BEN)}, None),
    # Numbers that the national service was asked about.
    ("asked, and not opted out", R(ADA, 0), "seen", {"national": opted_out(asked=[ADA, BEN])}, None),
    ("not asked", R(DAN, 2), "seen", {"national": opted_out(asked=[ADA, BEN, NEW])}, "not_asked"),
    ("not asked, though the policy releases nobody's", R(DAN, 2), "seen",
     {"national": opted_out(asked=[ADA, BEN, NEW]), "policy": RELEASING}, "not_asked"),
    ("asked under the old number only", R(OLD, 3), "seen", {"national": opted_out(asked=[ADA, BEN, OLD])}, "not_asked"),
    ("of nobody, and everybody asked is in", R(None, 2), "seen",
     {"national": opted_out(asked=[ADA, BEN, NEW])}, "links_to_nobody"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("record", "source", "given", "reason"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_a_record_is_withheld_for_the_stated_reason(
    record: naive.Record, source: str, given: dict[str, Any], reason: str | None
) -> None:
    with_it = apply(record, source, **given)
    # The record in question is given last, so its id is the lowest and its row the last.
    assert with_it.kept[source][-1] is (reason is None)
    if reason is not None:
        assert with_it.counts.filter(source=source, reason=reason)["records"].item() >= 1
    counted = dict(with_it.counts.group_by("source").agg(pl.col("records").sum()).rows())
    for name, kept in with_it.kept.items():
        assert counted.get(name, 0) == (~kept).sum()


NUMBERS = st.sampled_from([None, ADA, BEN, CAT, OLD, NEW, SCOT])
PROBABILITIES = st.sampled_from([0.5, 0.001, 0.0009])
PEOPLE = 4
RECORDS = st.lists(
    st.builds(
        naive.Record,
        NUMBERS,
        st.integers(0, PEOPLE - 1),
        st.booleans(),
        st.dictionaries(st.integers(0, PEOPLE - 1), PROBABILITIES, max_size=2),
    ),
    max_size=5,
)
LISTED = st.lists(st.sampled_from([ADA, BEN, CAT, OLD, NEW, SCOT, DAN]), unique=True, max_size=3)


@given(
    st.lists(st.sampled_from([None, ADA, BEN, NEW]), min_size=PEOPLE, max_size=PEOPLE),
    RECORDS,
    RECORDS,
    st.tuples(LISTED, LISTED, LISTED),
)
@settings(max_examples=40, deadline=None)
def test_the_same_records_leave_as_in_the_slow_implementation(
    persons: list[int | None],
    gp: list[naive.Record],
    seen: list[naive.Record],
    listed: tuple[list[int], list[int], list[int]],
) -> None:
    national, type_one, objections = listed
    sources = {"gp": gp, "seen": seen}
    linkage = made(persons, sources)
    found = withhold(
        linkage,
        OptOutPolicy(),
        OptOutLists(national=opted_out(*national), type_one=opted_out(*type_one), objections=opted_out(*objections)),
        on=DAY,
        purpose="planning",
    )
    people = [naive.Person(number) for number in persons]
    every = [*gp, *seen]
    for name, records in sources.items():
        lists = [national, objections, *([type_one] if name == "gp" else [])]
        for record, kept in zip(records, found.kept[name], strict=True):
            withheld = any(
                naive.is_withheld(
                    record, people, every, [naive.Statement(number, None, True) for number in each], on=DAY, now=NOW
                )
                for each in lists
            )
            withheld |= any(lists) and naive.cannot_be_looked_up(record, people, every)
            assert kept is not withheld


def test_a_record_is_withheld_if_the_fallback_finds_an_objector_possible() -> None:
    """One of two twins has opted out: a record without a number that may belong to either must not leave."""
    first, second, other = numbers(3)
    day = dt.date(1980, 2, 3)
    # The twins have the same name, so each has a probability of one half, and neither is accepted.
    gp = pl.DataFrame(
        {
            "nhs_number": [first, second, other],
            "given_name": ["ANNA", "ANNA", "JOHN"],
            "family_name": ["NG", "NG", "OKORO"],
            "birth_date": [day, day, dt.date(1975, 11, 30)],
            "postcode": ["EX1 2AB", "EX1 2AB", "PL4 8AA"],
        }
    )
    seen = gp.drop("nhs_number")[1:]
    linkage = lc.link([lc.Source("gp", gp, spine=True), lc.Source("seen", seen)], fallback=lc.Fallback(accept=0.9))
    assert linkage.probabilistic is not None
    assert linkage.probabilistic.candidates.height >= 2
    policy = OptOutPolicy(gp_sources=[], unlinked="release")
    listed = opted_out(int(first))
    found = withhold(linkage, policy, OptOutLists(national=listed), on=DAY, purpose="planning")
    # Two entries of the spine with one name and birth date may be of one person, registered twice.
    assert found.kept["gp"].to_list() == [False, False, True]
    assert found.kept["seen"].to_list() == [False, True]


def test_reasons_that_withhold_nothing_are_counted_as_zero() -> None:
    found = apply(R(ADA, 0), objections=opted_out(ADA))
    assert set(found.counts["reason"]) <= set(REASONS)
    assert found.counts.rows() == [
        ("gp", "objection", 1),
        ("gp", "type_1", 0),
        ("gp", "national", 0),
        ("gp", "other_number", 0),
        ("gp", "links_to_nobody", 0),
        ("seen", "objection", 1),
        ("seen", "national", 0),
        ("seen", "other_number", 0),
        ("seen", "links_to_nobody", 0),
    ]
    assert repr(found) == "Withholding(on 2026-03-01, for 'planning')"


def test_the_basis_is_stated_without_naming_anybody() -> None:
    codes = pl.DataFrame({"reference_set": ["1955841000000104"], "code_system": ["snomed"], "code": ["1"]})
    linkage = made(PERSONS_OF_CASES, {"gp": list(GP), "seen": []})
    rule = SensitiveRule("gp", ["record_id"], "snomed", CodeList(codes))
    lists = OptOutLists(type_one=opted_out(ADA), objections=opted_out())
    basis = withhold(linkage, EXEMPT, lists, on=DAY, purpose="planning", sensitive=[rule]).basis
    assert basis["national"] == "exempt for 'planning': legal_duty: section 259 direction"
    assert basis["type_1"] == "applied: a list of those who opted out, as of 2026-03-01"
    assert basis["objection"].endswith("as of 2026-03-01")
    assert basis["exclusion"] == "none given"
    assert basis["sensitive"] == "reference sets 1955841000000104 in gp"
    assert not any(str(ADA) in text for text in basis.values())
    applied = OptOutPolicy(type_one_applied="the GP system supplier")
    national = OptOutLists(national=opted_out())
    said = withhold(linkage, applied, national, on=DAY, purpose="planning").basis["type_1"]
    assert said == "applied before the data came, by the GP system supplier"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"type_one": opted_out()}, "no National Data Opt-out"),
        ({"national": opted_out()}, "no Type 1 opt-outs to apply to gp"),
        ({"national": opted_out(as_of=DAY - dt.timedelta(days=8)), "type_one": opted_out()}, "8 days before"),
        ({"national": opted_out(), "type_one": opted_out(as_of=DAY - dt.timedelta(days=8))}, "8 days before"),
        (
            {"national": opted_out(), "type_one": opted_out(), "objections": opted_out(as_of=dt.date(2026, 2, 1))},
            "28 days before",
        ),
    ],
)
def test_missing_or_old_opt_outs_are_refused(given: dict[str, Any], says: str) -> None:
    linkage = made(PERSONS_OF_CASES, {"gp": list(GP), "seen": []})
    with pytest.raises(lc.RefusedError, match=says):
        withhold(linkage, OptOutPolicy(), OptOutLists(**given), on=DAY, purpose="planning")


def test_a_source_that_changed_since_the_linkage_is_refused() -> None:
    frame = pl.DataFrame({"nhs_number": numbers(3)})
    linkage = lc.link([lc.Source("gp", frame)], fallback=None)
    changed = dataclasses.replace(linkage, sources=(lc.Source("gp", frame.reverse()),))
    with pytest.raises(lc.SourceError, match="not those that were linked"):
        withhold(changed, OptOutPolicy(gp_sources=[]), OptOutLists(national=opted_out()), on=DAY, purpose="planning")


@pytest.mark.parametrize(
    ("basis", "statement", "error"),
    [
        ("pseudonymised", "they are", lc.RefusedError),
        ("legal_duty", "data are de-identified", lc.RefusedError),
        ("public_interest", "it is anonymised", lc.RefusedError),
        ("because", "so", lc.ProgrammeError),
        ("consent", " ", lc.ProgrammeError),
    ],
)
def test_pseudonymisation_is_no_reason_for_an_exemption(basis: Any, statement: str, error: type[Exception]) -> None:
    with pytest.raises(error, match="exemption"):
        Exemption(basis, statement)


@pytest.mark.parametrize(
    "wrong", [{"unlinked": "perhaps"}, {"max_age_days": -1}, {"max_age_days": "7"}, {"gp_sources": "gp"}]
)
def test_a_policy_with_a_wrong_setting_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(lc.ProgrammeError, match=next(iter(wrong))):
        OptOutPolicy(**wrong)


def test_gp_data_are_the_spine_and_sources_with_a_practice_unless_the_policy_names_others() -> None:
    frame = pl.DataFrame({"nhs_number": numbers(1), "at": "A1"})
    sources = [lc.Source("gp", frame, spine=True), lc.Source("coded", frame, practice="at"), lc.Source("seen", frame)]
    assert OptOutPolicy().sources_of_gp_data(sources) == ("gp", "coded")
    assert OptOutPolicy(gp_sources=["seen"]).sources_of_gp_data(sources) == ("seen",)
    with pytest.raises(lc.ProgrammeError, match="nope"):
        OptOutPolicy(gp_sources=["nope"]).sources_of_gp_data(sources)
