"""A slow and obvious keeper of persons' names, one person and one record at a time."""

import datetime as dt
import hmac
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple

PREFIX = "linkcore:person:"
PUBLIC = b"linkcore: the token of a person."


class Record(NamedTuple):
    """A record: what names it, and its given name, family name, birth date, postcode and local patient id."""

    source: str
    extract: str
    record_id: str
    values: tuple[int | None, ...]


class Person(NamedTuple):
    """A person: the NHS Number, if any, and the records, of which the first defines the person."""

    number: str | None
    records: tuple[Record, ...]


@dataclass
class Known:
    """What one month tells the next: the records of each name, and the supersession table."""

    records: dict[str, tuple[Record, ...]] = field(default_factory=dict)
    rows: list[tuple[str, str, str, dt.date]] = field(default_factory=list)


def is_token(name: str) -> bool:
    return name.startswith(PREFIX)


def token(record: Record, attempt: int) -> str:
    key = PUBLIC if attempt == 1 else PUBLIC + f" {attempt}".encode()
    return (
        PREFIX + hmac.digest(key, f"{record.source}/{record.extract}/{record.record_id}".encode(), "sha256")[:16].hex()
    )


def recognised_by_id(one: Record, other: Record) -> bool:
    both = [(a, b) for a, b in zip(one.values, other.values, strict=True) if a is not None and b is not None]
    agree = sum(a == b for a, b in both)
    return one[:3] == other[:3] and (agree >= 2 or agree == len(both))


def content(record: Record) -> tuple[str, tuple[int | None, ...]] | None:
    given, family, born, postcode, _ = (value is not None for value in record.values)
    enough = (born and (given or family)) or (given and family and postcode)
    return (record.source, record.values) if enough else None


def overlaps(known: Known, people: Sequence[Person]) -> Counter[tuple[str, int]]:
    """Count the records of each earlier name that are recognised among those of each person."""
    found: Counter[tuple[str, int]] = Counter()
    before = [(name, record) for name, records in known.records.items() for record in records]
    now = [(person, record) for person, each in enumerate(people) for record in each.records]
    for person, record in now:
        by_id = [name for name, earlier in before if recognised_by_id(earlier, record)]
        if len(by_id) == 1:
            found[by_id[0], person] += 1
            continue
        said = content(record)
        names = {name for name, earlier in before if content(earlier) == said}
        persons = {other for other, current in now if content(current) == said}
        if said is not None and len(names) == len(persons) == 1:
            name = names.pop()
            if is_token(name) or people[person].number is None:
                found[name, person] += 1
    return found


def settled(known: Known, people: Sequence[Person], merged: Mapping[str, str]) -> dict[str, int]:
    """Return the person who has the NHS Number of each earlier name, or the one that superseded it."""
    return {
        name: person
        for name in known.records
        for person, each in enumerate(people)
        if each.number is not None and each.number == merged.get(name, name)
    }


def keep(known: Known, people: Sequence[Person], merged: Mapping[str, str], date: dt.date) -> tuple[list[str], Known]:
    """Return the name of each person, and what is known after this month."""
    by_number = settled(known, people, merged)
    found = overlaps(known, people)
    open_names = set(known.records) - set(by_number)
    open_people = set(range(len(people))) - set(by_number.values())
    match: dict[str, int] = {}

    def rank(pair: tuple[str, int]) -> tuple[object, ...]:
        name, person = pair
        first = people[person].records[0]
        keeps = is_token(name) and people[person].number is None
        return (-found[pair], not keeps, name, first.source, first.record_id)

    for name, person in sorted(found, key=rank):
        if name in open_names and person in open_people and name not in match and person not in match.values():
            match[name] = person
    used = set(known.records) | {row[0] for row in known.rows}
    names = []
    for person, each in enumerate(people):
        kept = [name for name, other in match.items() if other == person and is_token(name)]
        if each.number is not None:
            names.append(each.number)
        elif kept:
            names.append(kept[0])
        else:
            names.append(next(made for n in count(1) if (made := token(each.records[0], n)) not in used))
    rows = [(name, names[person], "number_superseded") for name, person in by_number.items()]
    for name, person in found:
        number = people[person].number
        if match.get(name) == person:
            kinds = {(False, True): "number_changed", (False, False): "number_lost", (True, True): "number_found"}
            rows.append((name, names[person], kinds.get((is_token(name), number is not None), "kept")))
        elif name in open_names and name not in match:
            rows.append((name, names[person], "joined"))
        elif person in open_people and person not in match.values():
            rows.append((name, names[person], "split"))
    reasons = ["number_found", "number_superseded", "number_changed", "number_lost", "joined", "split"]
    changes = sorted((r for r in rows if r[0] != r[1]), key=lambda row: (*row[:2], reasons.index(row[2])))
    before = [row for row in known.rows if row[2] == "split" or row[0] not in names]
    seen = {name for name, _ in found if name in open_names} | set(by_number)
    absent = {name: records for name, records in known.records.items() if name not in seen}
    records = {name: each.records for name, each in zip(names, people, strict=True)}
    return names, Known(records | absent, before + [(*row, date) for row in changes])
