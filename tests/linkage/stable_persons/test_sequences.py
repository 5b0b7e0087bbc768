"""Whatever happens to people and records from month to month, names and releases keep their promises."""

import datetime as dt
import os
import tempfile
from collections import defaultdict
from pathlib import Path

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

import linkcore as lc
from linkcore.governance.withholding.opt_out_lists import OptOutLists
from linkcore.pseudonyms.persons import person_name
from tests.golden_months import key_of
from tests.governance.extracts import numbers, terms
from tests.naive_months import PREFIX, Entry, World, end_of, with_old_names

# Few and always the same in CI. A deeper search, by chance: LINKCORE_DEEP=1000 and pytest on this file.
EXAMPLES = int(os.environ.get("LINKCORE_DEEP", "4"))
PEOPLE = 4
NUMBERS = numbers(999_000_100, 2 * PEOPLE)
KEYS = [key_of(recipient) for recipient in ("partner", "university")]
EXACT = lc.Exact(usable=("test",))
EVENTS = ("add", "remove", "correct", "number", "lose", "misfile", "supersede", "other id", "shuffle")
WORDS = ("opt out", "withdraw", "leave the programme")

event = st.tuples(st.sampled_from((*EVENTS, *WORDS, "add", "add")), st.integers(0, PEOPLE - 1), st.integers(0, 59))
months = st.lists(st.lists(event, min_size=1, max_size=8), min_size=2, max_size=4)


def source(name: str, rows: list[Entry]) -> lc.Source:
    """Each record has a postcode of its own, so that no two say the same."""
    frame = pl.DataFrame(
        {
            "id": [row.record_id for row in rows],
            "nhs_number": [row.number for row in rows],
            "given_name": [f"ANNA{'ABCD'[row.truth]}" for row in rows],
            "family_name": [f"NG{'ABCDEFGHIJ'[row.spelling % 10]}" for row in rows],
            "birth_date": [dt.date(1950 + 7 * row.truth, 1, 1) for row in rows],
            "postcode": [f"EX{row.lasting % 9 + 1} {row.lasting // 9 % 9 + 1}AB" for row in rows],
        },
        schema_overrides={"id": pl.String, "nhs_number": pl.String, "given_name": pl.String, "family_name": pl.String}
        | {"birth_date": pl.Date, "postcode": pl.String},
    )
    columns = {each: each for each in ("nhs_number", "given_name", "family_name", "birth_date", "postcode")}
    return lc.Source(name, frame, columns=columns, record_id="id" if name == "seen" else None)


def linked(world: World, day: dt.date, previous: lc.Linkage | None) -> tuple[lc.Linkage, dict[int, str]]:
    """Link the records of the world, and return the name of each."""
    sources = [source(name, rows) for name, rows in world.records.items()]
    merged = pl.DataFrame({"old": list(world.merged), "new": list(world.merged.values())}) if world.merged else None
    exact = lc.Exact(usable=EXACT.usable, superseded=merged, conflicts="keep")
    linkage = lc.link(sources, exact=exact, fallback=None, reference_date=day, previous=previous, synthetic=True)
    named = linkage.links.join(linkage.persons.select("person_id", person_name()), on="person_id")
    of = {(name, record_id): found for name, record_id, found in named.select("source", "record_id", "name").rows()}
    return linkage, {
        row.lasting: of[name, row.record_id if name == "seen" else str(place)]
        for name, rows in world.records.items()
        for place, row in enumerate(rows)
    }


def released(
    linkage: lc.Linkage, world: World, days: list[dt.date], key: lc.Key, folder: Path
) -> tuple[set[str], set[str]]:
    """Release to a recipient, and return its pseudonyms, and those in its table."""
    said = [(world.numbers[person], days[month], objects) for person, month, objects in world.said]
    register = pl.DataFrame(
        {
            "nhs_number": [number for number, _, _ in said],
            "date": [day for _, day, _ in said],
            "statement": ["objection" if objects else "withdrawal" for _, _, objects in said],
        },
        schema={"nhs_number": pl.String, "date": pl.Date, "statement": pl.String},
    )
    on = linkage.reference_date
    assert on is not None
    lists = OptOutLists(objections=lc.OptOuts.from_statements(register, as_of=on))
    policy = lc.OptOutPolicy(exemptions={"a test": lc.Exemption("consent", "all agreed")})
    withheld = lc.withhold(linkage, policy, lists, on=on, purpose="a test")
    agreement = lc.Agreement(key.id, key.id, {name: [] for name in linkage.rows}, "a test", terms=terms())
    lc.release(linkage, agreement, key, folder, on=on, withholding=withheld)
    pseudonyms = pl.concat([pl.read_parquet(folder / f"{name}.parquet")["pseudonym"] for name in linkage.rows])
    told = folder / "superseded.parquet"
    table = pl.read_parquet(told) if told.is_file() else pl.DataFrame({"old": [], "new": []})
    return set(pseudonyms), {*table["old"], *table["new"]}


def hashed(names: set[str], key: lc.Key) -> set[str]:
    return set(lc.pseudonymise(pl.Series(sorted(names), dtype=pl.String), key))


@settings(max_examples=EXAMPLES, deadline=None, derandomize="LINKCORE_DEEP" not in os.environ)
@given(months)
def test_names_and_releases_keep_their_promises(told: list[list[tuple[str, int, int]]]) -> None:
    world, previous = World(NUMBERS[:PEOPLE], NUMBERS[PEOPLE:]), None
    days = [dt.date(2026, 4 + month, 1) for month in range(len(told))]
    before: dict[int, tuple[str, Entry]] = {}
    named_before: dict[int, str] = {}
    truths = defaultdict[str, set[int]](set)
    for month, events in enumerate([[("add", person, person) for person in range(PEOPLE)] + told[0], *told[1:]]):
        for each in events:
            world.do(*each, month)
        entries = world.entries()
        linkage, names = linked(world, days[month], previous)
        rows, known = linkage.superseded.rows(), set(linkage.known_persons().persons["name"])
        changed = {old for old, _, _, date in rows if date == days[month]}
        # A name is never of two people. A number is of its own person, whatever record shows it.
        for lasting, (_, record) in entries.items():
            if names[lasting].startswith(PREFIX):
                truths[names[lasting]].add(record.truth)
        assert all(len(each) == 1 for each in truths.values())
        # Each name that ended is told, if one of its records is there still.
        for lasting in before.keys() & entries.keys():
            if world.recognisable(before[lasting], entries[lasting]):
                assert named_before[lasting] in names.values() or named_before[lasting] in changed
        # The table follows to a name that somebody has, or who is absent had.
        assert all(end_of(rows, old) in known for old, *_ in rows)
        # To one recipient and the other by turns.
        _nobody_leaves_who_opted_out(world, linkage, days, KEYS[month % len(KEYS)])
        previous, before, named_before = linkage, entries, names


def _nobody_leaves_who_opted_out(world: World, linkage: lc.Linkage, days: list[dt.date], key: lc.Key) -> None:
    """Not under any name that the person ever had, neither in the data nor in the table of superseded pseudonyms."""
    objecting = world.numbers_opted_out()
    opted_out = objecting | {old for old, new in world.merged.items() if new in objecting}
    with tempfile.TemporaryDirectory() as folder:
        pseudonyms, in_table = released(linkage, world, days, key, Path(folder) / "out")
    assert hashed(with_old_names(linkage.superseded.rows(), opted_out), key).isdisjoint(pseudonyms | in_table)
    if objecting:
        assert hashed(world.must_leave(), key) <= pseudonyms <= hashed(world.may_leave(), key)
