"""What decisions do to links: they outrank NHS Numbers and the fallback, in every run in which they are given."""

import datetime as dt

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import linkcore as lc
from linkcore.linkage.placement import Placement
from tests.linkage.decided.given import NUMBERS, as_frame, decisions, records, sources
from tests.naive_decisions import Name, Said, believe, partition

GIVEN = ("ANNA", "ANNE", "PETER", None)
FAMILY = ("OKORO", "NG", "SMITH")
BORN = ("1980-02-03", "1975-11-30", None)


def persons_of(linkage: lc.Linkage) -> dict[Name, int]:
    rows = linkage.links.select("source", "record_id", "person_id").iter_rows()
    return {(source, record_id): person for source, record_id, person in rows}


def as_partition(linkage: lc.Linkage) -> set[frozenset[Name]]:
    found: dict[int, set[Name]] = {}
    for name, person in persons_of(linkage).items():
        found.setdefault(person, set()).add(name)
    return {frozenset(each) for each in found.values()}


def method_of(linkage: lc.Linkage, name: Name) -> tuple[str, bool]:
    link = linkage.links.row(by_predicate=(pl.col("source") == name[0]) & (pl.col("record_id") == name[1]), named=True)
    return link["method"], link["conflict"]


def assert_holds(linkage: lc.Linkage, said: list[Said]) -> None:
    """Every decision that stands is true of the links, and the tables fit each other."""
    persons = persons_of(linkage)
    for each, state in zip(said, believe(said).states, strict=True):
        if state == "stands" and {each.record, each.person} <= persons.keys():
            assert (persons[each.record] == persons[each.person]) == (each.decision == "same")
    assert linkage.links["person_id"].null_count() == 0
    assert linkage.persons["person_id"].to_list() == list(range(linkage.persons.height))
    assert linkage.links["person_id"].n_unique() == linkage.persons.height
    defining = linkage.persons.select("person_id", "source", "record_id").join(
        linkage.links, on=["person_id", "source", "record_id"], how="semi"
    )
    assert defining.height == linkage.persons.height
    assert linkage.persons["nhs_number"].is_null().equals(linkage.persons["token"].is_not_null())
    assert linkage.persons["nhs_number"].drop_nulls().is_unique().all()


@st.composite
def worlds(draw: st.DrawFn) -> tuple[dict[Name, str | None], str | None, list[Said]]:
    of = draw(records())
    spine = "gp" if ("gp", "0") in of and draw(st.booleans()) else None
    return of, spine, draw(decisions(list(of)))


@settings(max_examples=100, deadline=None)
@given(worlds())
def test_exact_links_are_those_of_a_slow_linker(world: tuple[dict[Name, str | None], str | None, list[Said]]) -> None:
    of, spine, said = world
    linkage = lc.link(sources(of, spine), decisions=as_frame(said), fallback=None)
    assert as_partition(linkage) == partition(of, spine, said)
    assert_holds(linkage, said)


@settings(max_examples=30, deadline=None)
@given(worlds(), st.data())
def test_decisions_hold_whatever_the_fallback_finds(
    world: tuple[dict[Name, str | None], str | None, list[Said]], data: st.DataObject
) -> None:
    of, spine, said = world
    values = {
        name: [data.draw(st.sampled_from(possible)) for _ in of]
        for name, possible in (("given_name", GIVEN), ("family_name", FAMILY), ("birth_date", BORN))
    }
    linkage = lc.link(sources(of, spine, **values), decisions=as_frame(said))
    assert_holds(linkage, said)


def test_without_decisions_links_are_as_before() -> None:
    of: dict[Name, str | None] = {("gp", "0"): NUMBERS[0], ("seen", "0"): NUMBERS[0], ("seen", "1"): None}
    plain = lc.link(sources(of, "gp"))
    for nothing in (None, as_frame([])):
        linkage = lc.link(sources(of, "gp"), decisions=nothing)
        assert linkage.links.equals(plain.links)
        assert linkage.persons.equals(plain.persons)
        assert linkage.run.settings == plain.run.settings


PEOPLE: dict[Name, str | None] = {
    ("gp", "0"): NUMBERS[0],
    ("gp", "1"): NUMBERS[1],
    ("seen", "0"): NUMBERS[0],
    ("seen", "1"): None,
    ("seen", "2"): None,
}
PERSON, OTHER, NUMBERED, OPEN, OPEN_TOO = PEOPLE


def linked(*said: Said, **columns: list[str | None]) -> lc.Linkage:
    return lc.link(sources(PEOPLE, "gp", **columns), decisions=as_frame(said))


def test_same_outranks_the_nhs_number() -> None:
    linkage = linked(Said(NUMBERED, OTHER, "same", "Ann", 0))
    assert persons_of(linkage)[NUMBERED] == persons_of(linkage)[OTHER]
    # Its number is that of somebody else.
    assert method_of(linkage, NUMBERED) == ("decided", True)
    assert linkage.persons.height == 4


def test_a_record_that_is_not_of_the_person_with_its_number_is_somebody_else() -> None:
    linkage = linked(Said(NUMBERED, PERSON, "not the same", "Ann", 0))
    assert persons_of(linkage)[NUMBERED] not in {persons_of(linkage)[each] for each in PEOPLE if each != NUMBERED}
    assert method_of(linkage, NUMBERED) == ("unlinked", True)
    assert linkage.persons[-1 - 2]["nhs_number"].item() is None


def test_two_persons_who_are_one_keep_the_number_of_the_first_and_all_their_records() -> None:
    linkage = linked(Said(PERSON, OTHER, "same", "Ann", 0))
    assert {persons_of(linkage)[each] for each in (PERSON, OTHER, NUMBERED)} == {0}
    assert linkage.persons["nhs_number"].drop_nulls().to_list() == [int(NUMBERS[0])]
    assert method_of(linkage, NUMBERED) == ("nhs_number", False)
    assert method_of(linkage, OTHER) == ("decided", False)


def test_a_decision_is_carried_on_by_a_record_that_is_gone() -> None:
    gone = ("seen", "gone")
    linkage = linked(Said(OPEN, gone, "same", "Ann", 0), Said(gone, PERSON, "same", "Ann", 0))
    assert persons_of(linkage)[OPEN] == persons_of(linkage)[PERSON]
    assert linkage.decisions["state"].to_list() == ["lost", "lost"]
    assert linkage.run.settings["decisions"] == {"lost": 2}


def test_open_records_that_are_the_same_follow_the_one_that_can_be_compared() -> None:
    linkage = linked(
        Said(OPEN, OPEN_TOO, "same", "Ann", 0),
        given_name=["ANNA", "PETER", None, None, "ANNA"],
        family_name=["OKORO", "NG", None, None, "OKORO"],
        birth_date=["1980-02-03", "1975-11-30", None, None, "1980-02-03"],
        postcode=["EX1 2AB", "PL4 8AA", None, None, "EX1 2AB"],
    )
    assert method_of(linkage, OPEN) == ("decided", False)
    assert method_of(linkage, OPEN_TOO)[0] != "decided"
    assert persons_of(linkage)[OPEN] == persons_of(linkage)[OPEN_TOO]
    both = linkage.links.filter(source="seen").filter(pl.col("record_id").is_in(["1", "2"]))
    assert both["match_probability"].n_unique() == 1


def test_quality_counts_decided_links() -> None:
    linkage = linked(Said(OPEN, PERSON, "same", "Ann", 0), Said(NUMBERED, PERSON, "not the same", "Bo", 0))
    counts = linkage.quality.by_method().filter(source="seen").row(0, named=True)
    assert (counts["decided"], counts["conflicts"], counts["records"]) == (1, 1, 3)
    assert linkage.run.settings["decisions"] == {"stands": 2}
    assert linkage.quality.flow.filter(method="decided").select("source", "number", "records").rows() == [
        ("seen", "not usable", 1)
    ]


def test_row_numbers_are_no_names_of_records() -> None:
    frame = pl.DataFrame({"nhs_number": [NUMBERS[0]]})
    said = as_frame([Said(("seen", "0"), ("gp", "0"), "same", "Ann", 0)])
    with pytest.raises(lc.ProgrammeError, match="by their row number"):
        lc.link([lc.Source("gp", frame, spine=True), lc.Source("seen", frame)], decisions=said)
    with pytest.raises(lc.ProgrammeError, match="read_decisions"):
        lc.link([lc.Source("gp", frame, spine=True)], decisions=frame)


def test_a_disproved_number_is_no_truth_for_the_self_test(monkeypatch: pytest.MonkeyPatch) -> None:
    from linkcore.linkage.fallback import probabilistic
    from linkcore.linkage.self_test.hidden_numbers import HiddenNumbers, hide_numbers

    seen: list[HiddenNumbers] = []

    def hide(given_sources: object, placement: Placement, *others: object, **settings_: object) -> HiddenNumbers:
        seen.append(hide_numbers(given_sources, placement, *others, **settings_))  # type: ignore[arg-type]
        return seen[-1]

    monkeypatch.setattr(probabilistic, "hide_numbers", hide)
    columns: dict[str, list[str | None]] = {
        "family_name": ["OKORO", "NG", "OKORO", "NG", "OKORO"],
        "birth_date": ["1980-02-03"] * 5,
    }
    linked(**columns)
    linked(Said(NUMBERED, OTHER, "same", "Ann", 0), **columns)
    linked(Said(NUMBERED, PERSON, "not the same", "Ann", 0), **columns)
    drawn = [hidden.records.filter(pl.col("record_id") == "0").height for hidden in seen]
    assert drawn == [1, 0, 0]


def test_decisions_at_one_place_are_not_undone_by_a_later_run() -> None:
    """The same decisions with another month's extract: the records that stay are where they were put."""
    said = [Said(NUMBERED, OTHER, "same", "Ann", 0), Said(OPEN, PERSON, "same", "Ann", 0)]
    later = dict(PEOPLE) | {("gp", "2"): NUMBERS[2], ("seen", "3"): NUMBERS[1]}
    linkage = lc.link(sources(later, "gp"), decisions=as_frame(said), reference_date=dt.date(2026, 5, 1))
    assert_holds(linkage, said)
    assert linkage.decisions["state"].to_list() == ["stands", "stands"]


NUMBERED_ALL: dict[Name, str | None] = {
    ("gp", "0"): NUMBERS[0],
    ("gp", "1"): NUMBERS[1],
    ("seen", "0"): NUMBERS[0],
    ("seen", "1"): NUMBERS[0],
    ("seen", "2"): NUMBERS[1],
}


@pytest.mark.parametrize(
    ("record", "person", "decision", "expected"),
    [
        # The person is named by the second record, though neither record defines a person.
        ("0", "2", "same", {"0": 1, "1": 0, "2": 1}),
        ("2", "0", "same", {"0": 0, "1": 0, "2": 0}),
        # Of two records of one number, the record that is not of the person leaves.
        ("0", "1", "not the same", {"0": 2, "1": 0, "2": 1}),
        ("1", "0", "not the same", {"0": 0, "1": 2, "2": 1}),
        # They are of two persons already.
        ("0", "2", "not the same", {"0": 0, "1": 0, "2": 1}),
    ],
)
def test_a_decision_is_about_the_record_and_the_person_of_the_other(
    record: str, person: str, decision: str, expected: dict[str, int]
) -> None:
    said = [Said(("seen", record), ("seen", person), decision, "Ann", 0)]
    linkage = lc.link(sources(NUMBERED_ALL, "gp"), decisions=as_frame(said), fallback=None)
    assert {name: person for (source, name), person in persons_of(linkage).items() if source == "seen"} == expected
    assert as_partition(linkage) == partition(NUMBERED_ALL, "gp", said)


def test_a_person_with_a_number_takes_in_one_without() -> None:
    of: dict[Name, str | None] = {("gp", "0"): None, ("gp", "1"): NUMBERS[0], ("seen", "0"): NUMBERS[1]}
    said = [Said(("seen", "0"), ("gp", "0"), "same", "Ann", 0)]
    linkage = lc.link(sources(of, "gp"), decisions=as_frame(said), fallback=None)
    assert persons_of(linkage)[("gp", "0")] == persons_of(linkage)[("seen", "0")]
    assert linkage.persons["nhs_number"].to_list() == [int(NUMBERS[0]), int(NUMBERS[1])]
    assert linkage.persons["token"].null_count() == 2
