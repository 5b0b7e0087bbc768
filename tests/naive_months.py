"""A small world whose truth is known, month after month, and a slow and obvious account of whom a release may hold."""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

PREFIX = "linkcore:person:"
Row = tuple[str, str, str, dt.date]


@dataclass(frozen=True)
class Entry:
    """A record: whose it is, how it is spelt, where it was made, and which number it shows."""

    lasting: int
    truth: int
    record_id: str
    number: str | None
    spelling: int = 0


@dataclass
class World:
    """People with a number each, some of whom have a second one, the records of a provider with ids and one without."""

    numbers: Sequence[str]
    second: Sequence[str]
    records: dict[str, list[Entry]] = field(default_factory=lambda: {"seen": [], "visits": []})
    merged: dict[str, str] = field(default_factory=dict)
    said: list[tuple[int, int, bool]] = field(default_factory=list)  # person, month, whether it objects
    made: int = 0

    def do(self, what: str, person: int, place: int, month: int) -> None:
        """Let one thing happen."""
        source = ("seen", "visits")[place % 2]
        rows = self.records[source]
        if what == "add":
            self.made += 1
            number = (None, self.numbers[person], self.second[person])[place % 3]
            rows.append(Entry(self.made, person, f"r{self.made}", number))
        elif what in ("opt out", "withdraw", "leave the programme"):
            self.said.append((person, month, what != "withdraw"))
        elif what == "supersede":
            self.merged[self.second[person]] = self.numbers[person]
        elif rows:
            self._change(what, rows, place // 2 % len(rows), person)

    def _change(self, what: str, rows: list[Entry], at: int, person: int) -> None:
        record = rows[at]
        if what == "remove":
            del rows[at]
        elif what == "shuffle":
            rows.reverse()
        elif what == "correct":
            rows[at] = replace(record, spelling=record.spelling + 1)
        elif what == "other id":
            self.made += 1
            rows[at] = replace(record, record_id=f"r{self.made}")
        elif what == "number":  # got, or traced
            rows[at] = replace(record, number=self.numbers[record.truth])
        elif what == "misfile":  # two people are one, until "number" splits them
            rows[at] = replace(record, number=self.numbers[person])
        elif what == "lose":
            rows[at] = replace(record, number=None)

    def entries(self) -> dict[int, tuple[str, Entry]]:
        """Every record, and its source, by what it is."""
        return {record.lasting: (name, record) for name, rows in self.records.items() for record in rows}

    def recognisable(self, before: tuple[str, Entry], now: tuple[str, Entry]) -> bool:
        """Whether a record is known again: by its id, or by what it says, unless it shows another number."""
        (source, was), (_, becomes) = before, now
        if source == "seen" and was.record_id == becomes.record_id:
            return True
        shown = {self.current(each.number) for each in (was, becomes)} - {None}
        return was.spelling == becomes.spelling and len(shown) < 2

    def opted_out(self) -> set[int]:
        """The people whose last word is that they object; of two in one month, the objection counts."""
        last = {person: max(month for who, month, _ in self.said if who == person) for person, _, _ in self.said}
        return {person for person, month, objects in self.said if objects and month == last[person]}

    def numbers_opted_out(self) -> set[str]:
        return {self.numbers[person] for person in self.opted_out()}

    def current(self, number: str | None) -> str | None:
        return None if number is None else self.merged.get(number, number)

    def may_leave(self) -> set[str]:
        """The names that a release may hold: numbers that did not opt out."""
        numbers = {self.current(record.number) for _, record in self.entries().values()}
        return {number for number in numbers if number is not None} - self.numbers_opted_out()

    def must_leave(self) -> set[str]:
        """The names that a release holds: those of nobody who may be one who opted out, under any number.

        Whoever has a record under such a number, if only by mistake, may be that person.
        """
        records = [record for _, record in self.entries().values()]
        misfiled = {each.truth for each in records if self.current(each.number) in self.numbers_opted_out()}
        doubted = self.opted_out() | misfiled
        return self.may_leave() - {self.current(each.number) or "" for each in records if each.truth in doubted}


def end_of(rows: Iterable[Row], name: str) -> str:
    """Follow a name through the table, but for splits, to the last one; a cycle is an error."""
    new_of = {old: new for old, new, reason, _ in rows if reason != "split"}
    seen = {name}
    while name in new_of:
        name = new_of[name]
        assert name not in seen, "the table goes in a circle"
        seen.add(name)
    return name


def with_old_names(rows: Sequence[Row], names: set[str]) -> set[str]:
    """Return the names, and all that gave way to them."""
    while more := {old for old, new, reason, _ in rows if reason != "split" and new in names} - names:
        names = names | more
    return names
