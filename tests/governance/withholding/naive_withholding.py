"""A slow and obvious implementation of withholding, one record at a time, after decision 5 of DESIGN.md."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

THINKABLE = 0.001


@dataclass
class Person:
    number: int | None


@dataclass
class Record:
    number: int | None
    person: int
    conflict: bool = False
    candidates: dict[int, float] = field(default_factory=dict)


@dataclass
class Statement:
    number: int
    day: dt.date | None
    objects: bool


def stands(statements: Iterable[Statement], number: int, on: dt.date, now: Mapping[int, int]) -> bool:
    """Whether an objection of a person is in force on a day."""
    of_person = [each for each in statements if now.get(each.number, each.number) == now.get(number, number)]
    for objection in of_person:
        if not objection.objects:
            continue
        taken_back = False
        for withdrawal in of_person:
            if withdrawal.objects or withdrawal.day is None or withdrawal.day > on or objection.day is None:
                continue
            if withdrawal.day > objection.day:
                taken_back = True
        if not taken_back:
            return True
    return False


def numbers_of_person(person_id: int, persons: list[Person], records: Iterable[Record]) -> set[int]:
    own = {persons[person_id].number}
    own |= {record.number for record in records if record.person == person_id and not record.conflict}
    return {number for number in own if number is not None}


def numbers_it_may_be_of(record: Record, persons: list[Person], records: list[Record]) -> set[int]:
    numbers = {record.number} - {None}
    people = {record.person} | {person for person, p in record.candidates.items() if p >= THINKABLE}
    for person_id in people:
        numbers |= numbers_of_person(person_id, persons, records)
    return numbers


def is_withheld(
    record: Record,
    persons: list[Person],
    records: list[Record],
    statements: list[Statement],
    *,
    on: dt.date,
    now: Mapping[int, int],
) -> bool:
    return any(stands(statements, number, on, now) for number in numbers_it_may_be_of(record, persons, records))


def cannot_be_looked_up(record: Record, persons: list[Person], records: list[Record]) -> bool:
    if numbers_of_person(record.person, persons, records):
        return False
    return record.number is None or record.conflict
