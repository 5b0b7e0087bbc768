"""Names that last, compared with a slow and obvious keeper over months of every kind of change."""

import datetime as dt
from collections.abc import Sequence

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from linkcore.linkage.settings import Exact
from linkcore.linkage.stable_persons.identifier_hashes import HASHED, HASHES
from linkcore.linkage.stable_persons.keep_names import PersonHistory, keep_names
from linkcore.linkage.stable_persons.known_persons import KnownPersons
from linkcore.linkage.stable_persons.known_persons import known_persons as known_of
from linkcore.pseudonyms.persons import person_name
from linkcore.schema import LINKS, PERSONS
from tests.naive_linkage import numbers
from tests.naive_persons import PREFIX, Known, Person, Record, keep, token

NUMBERS = numbers(5)
DATES = [dt.date(2026, month, 1) for month in range(1, 8)]


def frames(people: Sequence[Person]) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """The links, persons and hashes of the people, with the tokens that they have without an earlier linkage."""
    records = [(person, record) for person, each in enumerate(people) for record in each.records]
    links = pl.DataFrame(
        [{"source": r.source, "record_id": r.record_id, "person_id": person} for person, r in records], schema=LINKS
    )
    hashes = pl.DataFrame(
        [{"extract": r.extract, **dict(zip(HASHED, r.values, strict=True))} for _, r in records], schema=HASHES
    )
    persons = [
        {
            "person_id": person,
            "nhs_number": None if each.number is None else int(each.number),
            "source": each.records[0].source,
            "record_id": each.records[0].record_id,
            "token": None if each.number is not None else token(each.records[0], 1).removeprefix(PREFIX),
        }
        for person, each in enumerate(people)
    ]
    return links, pl.DataFrame(persons, schema=PERSONS), hashes


class Months:
    """Linkages one after the other, each of which knows the persons of the last."""

    def __init__(self) -> None:
        self.known: KnownPersons = KnownPersons()
        self.history = PersonHistory()

    def next(self, people: Sequence[Person], merged: pl.DataFrame | None = None, month: int = 0) -> list[str]:
        links, persons, hashes = frames(people)
        exact = Exact(superseded=merged)
        persons, self.history = keep_names(links, persons, hashes, previous=self.known, exact=exact, date=DATES[month])
        now = known_of(links, self.history.hashes, persons) + self.history.absent
        self.known = KnownPersons(now.persons, now.records, self.history.superseded)
        return persons.select(person_name()).to_series().to_list()


values = st.tuples(*[st.none() | st.integers(0, 2)] * 5)
likely = st.sampled_from(
    [(0, 0, 0, 0, None), (0, 1, 0, 0, None), (1, 1, 1, 1, 1), (1, 1, 1, 2, 1), (2, None, 2, None, 2)]
)


@st.composite
def months(draw: st.DrawFn) -> list[tuple[list[Person], dict[str, str]]]:
    """Months of records that are added, removed, corrected, joined and split, of people who get and lose numbers."""
    told = []
    kept: dict[tuple[str, str], tuple[tuple[int | None, ...], int]] = {}
    for _ in range(draw(st.integers(1, 4))):
        extract = draw(st.sampled_from("xy"))
        changed = draw(
            st.dictionaries(
                st.tuples(st.sampled_from("ab"), st.sampled_from("12345")),
                st.none() | st.tuples(values | likely, st.integers(0, 5)),
                max_size=6,
            )
        )
        kept = {key: value for key, value in {**kept, **changed}.items() if value is not None}
        numbered = draw(
            st.lists(st.none() | st.sampled_from(NUMBERS), min_size=6, max_size=6, unique_by=lambda n: n or object())
        )
        groups: dict[int, list[Record]] = {}
        for (source, record_id), (said, group) in sorted(kept.items()):
            groups.setdefault(group, []).append(Record(source, "" if source == "a" else extract, record_id, said))
        merged = draw(st.sampled_from([{}, {NUMBERS[0]: NUMBERS[1]}, {NUMBERS[2]: NUMBERS[1], NUMBERS[0]: NUMBERS[3]}]))
        people = [Person(numbered[group], tuple(records)) for group, records in groups.items()]
        # No linkage gives a number that its list of superseded numbers replaces.
        people = [each._replace(number=None if each.number in merged else each.number) for each in people]
        told.append((people, merged))
    return told


@settings(max_examples=100, deadline=None)
@given(months())
def test_names_and_changes_are_those_of_a_slow_and_obvious_keeper(
    told: list[tuple[list[Person], dict[str, str]]],
) -> None:
    kept, known = Months(), Known()
    for month, (people, merged) in enumerate(told):
        names = kept.next(people, listed(merged), month)
        expected, known = keep(known, people, merged, DATES[month])
        assert names == expected
        assert kept.history.superseded.rows() == known.rows
        assert set(kept.known.persons["name"]) == set(known.records)


def listed(merged: dict[str, str]) -> pl.DataFrame | None:
    return pl.DataFrame({"old": list(merged), "new": list(merged.values())}) if merged else None


@settings(max_examples=60, deadline=None)
@given(months(), st.randoms(use_true_random=False))
def test_no_token_is_given_twice_each_change_is_told_and_no_order_matters(
    told: list[tuple[list[Person], dict[str, str]]], random: object
) -> None:
    kept, shuffled = Months(), Months()
    retired: set[str] = set()
    before: set[str] = set()
    for month, (people, merged) in enumerate(told):
        names = kept.next(people, listed(merged), month)
        assert len(set(names)) == len(names)
        assert retired.isdisjoint(names)
        changes = kept.history.superseded.filter(pl.col("date") == DATES[month])
        gone = before - set(names) - set(kept.history.absent.persons["name"])
        assert gone <= set(changes["old"])
        retired |= {name for name in changes["old"] if name.startswith(PREFIX) and name not in names}
        before = set(kept.known.persons["name"])
        order = list(range(len(people)))
        random.shuffle(order)  # type: ignore[attr-defined]
        again = shuffled.next([people[place] for place in order], listed(merged), month)
        assert [again[order.index(place)] for place in range(len(people))] == names
        assert shuffled.history.superseded.equals(kept.history.superseded)
        assert shuffled.history.counts == kept.history.counts
