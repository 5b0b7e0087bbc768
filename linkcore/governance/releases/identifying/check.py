"""Refuse a column that holds identifiers, whatever it is called: every row is compared with its own person."""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from linkcore.errors import RefusedError
from linkcore.governance.releases.identifying.birth_dates import are_dates
from linkcore.governance.releases.identifying.chance import Agreement, more_than_chance
from linkcore.governance.releases.identifying.patterns import (
    BIRTHS,
    EXCUSED,
    LEAST_SHARE,
    looks_like,
    numbers_on_the_spine,
)
from linkcore.governance.releases.identifying.people import TITLE_OF_KIND, UNIQUE, People
from linkcore.governance.releases.identifying.readings import days_alone, readings
from linkcore.governance.releases.identifying.texts import Texts, flat

__all__ = ["AS_WRITTEN", "PERSON", "RECORD", "IdentifierCheck"]

PERSON: Final = "linkcore:person"
"""The column with the person of each row: the position in PERSONS."""

RECORD: Final = "linkcore:record"
"""The column with the record id of each row; null where the source has none."""

AS_WRITTEN: Final = "linkcore:written:"
"""Before the name of an identifier: the columns with the record's own identifiers, as its source writes them."""

# Rows are compared in blocks of this length, whatever the length of the batches, so that the result is the same.
_BLOCK_ROWS: Final = 1 << 18
# A small release is compared with more others than a large one, so that its figures are as certain.
_COMPARISONS: Final = 20_000
_MOST_DRAWS: Final = 50
_MOST_BIRTHS: Final = 0.2
_PART_BYTES: Final = 4 << 20
_SMALLEST_DAY_COUNT: Final = 366
_FEWEST_DISTINCT: Final = 3
_SHARE_AS_WRITTEN: Final = 0.01
_SHORTEST_ID: Final = 4
_SHORTEST_TEXT: Final = 2
# Now and then a date is the birth date: a newborn's first visit.
_LEAST_SHARE: Final = 0.001
# That nine digits are somebody's own number by chance happens once in a thousand million times.
_BY_CHANCE: Final = 1e-6
_ROW: Final = "row"
# What so few values say is remembered for other columns, of so many columns and blocks.
_REMEMBERED_BYTES: Final = 1 << 18
_MOST_REMEMBERED: Final = 256


class IdentifierCheck:
    """What the columns of a release hold about their own persons, collected while rows are streamed.

    Parameters
    ----------
    columns : sequence of str
        The columns that leave.
    people : People
        All persons of the linkage.
    rows : int
        How many rows will be added.
    references : tuple of datetime.date
        Days on which an age in days may have been computed.

    Examples
    --------
    >>> persons = {"nhs_number": [9990000018, 9990000026], "token": [None, None], "given_name": ["ANN", "BO"]}
    >>> persons |= {"family_name": ["NG", "LI"], "birth_date": [dt.date(1980, 2, 3), dt.date(2011, 7, 28)]}
    >>> persons |= {"postcode": ["EX1 2AB", None], "address": [None, None]}
    >>> rows = pl.DataFrame({PERSON: [0, 1], RECORD: ["A1", "A2"], "cost": [3, 5]})
    >>> for notes in (["seen", "rang"], ["for Ann", "ex12ab, Bo"], ["call 9990000018", "at 9"]):
    ...     check = IdentifierCheck(["cost", "note"], People(pl.DataFrame(persons)), rows=2)
    ...     check.add(rows.with_columns(pl.Series("note", notes)))
    ...     print(check.found())
    {}
    {'note': ["the patient's own name"]}
    {'note': ["somebody's NHS Numbers", "the patient's own NHS Number"]}
    """

    def __init__(
        self, columns: Sequence[str], people: People, *, rows: int, references: tuple[dt.date, ...] = ()
    ) -> None:
        self._columns = {name: _Column(people, references) for name in columns}
        self._draws = min(max(_COMPARISONS // max(rows, 1), 1), _MOST_DRAWS)
        self._waiting: list[pl.DataFrame] = []
        self._waiting_rows = 0

    def add(self, rows: pl.DataFrame) -> None:
        """Add rows: `PERSON`, `RECORD`, the columns, and any that begin with `AS_WRITTEN`."""
        self._waiting.append(rows)
        self._waiting_rows += rows.height
        if self._waiting_rows >= _BLOCK_ROWS:
            self._look(at_least=_BLOCK_ROWS)

    def found(self) -> dict[str, list[str]]:
        """Return what each column holds that identifies people."""
        self._look(at_least=1)
        found = {name: sorted(column.found(self._draws)) for name, column in self._columns.items()}
        return {name: kinds for name, kinds in found.items() if kinds}

    def refuse(self, where: str, not_identifying: Sequence[str] = ()) -> None:
        """Refuse a release of which a column identifies people.

        Columns in ``not_identifying`` may hold names, postcodes and ways of contact, but never the patient's own. Their
        dates may be the birth dates of a few patients, as the date of an admission is for those who are born there.

        Raises
        ------
        RefusedError
            If a column identifies people.
        """
        found = self.found()
        for name in not_identifying:
            found[name] = [kind for kind in found.get(name, ()) if kind not in EXCUSED]
        held = "; ".join(f"{name!r} holds {' and '.join(kinds)}" for name, kinds in found.items() if kinds)
        if held:
            raise RefusedError(
                f"{where}: {held}, under another name; take it out, or derive a column (if its names, postcodes or "
                "telephone numbers are no patient's, but those of wards or sites, or its dates are of events, state "
                "the column in the agreement's not_identifying)"
            )

    def _look(self, at_least: int) -> None:
        """Look at the rows that wait, one block after the other, as long as there are so many."""
        if self._waiting_rows < at_least:
            return
        rows = pl.concat(self._waiting)
        for start in range(0, rows.height, _BLOCK_ROWS):
            block = rows[start : start + _BLOCK_ROWS]
            if block.height < at_least:
                break
            for name, column in self._columns.items():
                column.look(block, name, self._draws)
        else:
            start = rows.height
        self._waiting = [rows[start:]]
        self._waiting_rows = rows.height - start


def _can_identify(values: pl.Series) -> bool:
    """Whether some value is long or large enough to say anything about its person."""
    if values.dtype == pl.String:
        return bool((values.str.len_bytes() >= _SHORTEST_TEXT).any())
    if values.dtype.is_integer():
        return bool((values.abs() >= _SMALLEST_DAY_COUNT).any())
    return values.null_count() < values.len()


def _parts(distinct: pl.Series) -> Iterator[pl.Series]:
    """Yield distinct values in parts of bounded size: what is read from a text takes many times its length."""
    if distinct.dtype != pl.String:
        yield distinct
        return
    part = distinct.str.len_bytes().fill_null(0).cum_sum() // _PART_BYTES
    yield from (distinct.filter(part == number) for number in part.unique().sort())


def _same(values: pl.Series, own: pl.Series, *, inside: bool) -> pl.Series:
    """Return where a value is the record's own; with ``inside``, also where an own id of four letters is part of it."""
    if not inside:
        return (values == own).fill_null(False)
    long = pl.when(pl.col("own").str.len_bytes() >= _SHORTEST_ID).then("own")
    same = pl.col("value").str.contains(long, literal=True) | (pl.col("value") == pl.col("own"))
    return pl.DataFrame({"value": values, "own": own}).select(same.fill_null(False)).to_series()


@dataclass(frozen=True)
class _Meaning:
    """What distinct values say: by kind, their readings; by pattern, those that have it."""

    distinct: pl.Series
    of_dates: bool
    said: Mapping[str, pl.DataFrame]
    like: Mapping[str, pl.Series] = field(default_factory=dict)
    on_the_spine: bool = False


def _meaning(distinct: pl.Series, people: People, references: tuple[dt.date, ...]) -> _Meaning:
    """Find out what distinct values say, or remember it from another column."""
    few = distinct.estimated_size() <= _REMEMBERED_BYTES
    key = (str(distinct.dtype), references, distinct.len(), *distinct.tail(1)) if few else None
    known: _Meaning | None = people.remembered.get(key)
    if known is not None and known.distinct.equals(distinct):
        return known
    found = _found_out(distinct, people, references)
    if few and len(people.remembered) < _MOST_REMEMBERED:
        people.remembered[key] = found
    return found


def _found_out(distinct: pl.Series, people: People, references: tuple[dt.date, ...]) -> _Meaning:
    days = days_alone(distinct, people, references)
    if days is not None:
        return _Meaning(distinct, are_dates(distinct), {"birth_date": days} if days.height else {})
    said, like, on_the_spine = defaultdict(list), defaultdict(list), False
    for part in _parts(distinct):
        texts = Texts(part)
        for kind, found in readings(texts, people, references):
            said[kind].append(found)
        for pattern, values in looks_like(texts, people).items():
            like[pattern].append(values)
        on_the_spine |= numbers_on_the_spine(texts, people)
    return _Meaning(
        distinct,
        are_dates(distinct),
        {kind: pl.concat(parts) for kind, parts in said.items()},
        {pattern: pl.concat(parts) for pattern, parts in like.items()},
        on_the_spine,
    )


class _Column:
    """What one column has shown so far."""

    def __init__(self, people: People, references: tuple[dt.date, ...]) -> None:
        self._people = people
        self._references = references
        self._values = 0
        self._of_dates = True
        self._distinct = pl.Series(dtype=pl.Null)
        self._said: Mapping[str, pl.DataFrame] = {}
        self._like: Mapping[str, pl.Series] = {}
        self._own: dict[str, list[pl.Series]] = defaultdict(list)
        self._own_rows: Counter[str] = Counter()
        self._others: Counter[str] = Counter()
        self._written: dict[str, list[pl.Series]] = defaultdict(list)
        self._written_rows: Counter[str] = Counter()
        self._patterns: Counter[str] = Counter()

    def look(self, block: pl.DataFrame, name: str, draws: int) -> None:
        dtype = block.schema[name]
        if dtype in (pl.Boolean, pl.Null, pl.Object):
            return
        rows = block.select(flat(pl.col(name), dtype).alias("value")).with_row_index(_ROW)
        values = rows["value"]
        self._values += values.len() - values.null_count()
        if not _can_identify(values):
            return
        self._read(values.unique().sort())
        person = block[PERSON].rechunk()
        for kind, said in self._said.items():
            self._compare(kind, rows.join(said, on="value"), person, draws)
        for pattern, like in self._like.items():
            self._patterns[pattern] += int(values.is_in(like.implode()).sum())
        # A column of few values does not repeat what each record has of its own.
        if self._distinct.len() >= max(_FEWEST_DISTINCT, _SHARE_AS_WRITTEN * block.height):
            self._compare_as_written(block, values.cast(pl.String))

    def _read(self, distinct: pl.Series) -> None:
        """Find out what the distinct values may say, unless they are the same as in the block before."""
        if distinct.equals(self._distinct):
            return
        self._distinct, found = distinct, _meaning(distinct, self._people, self._references)
        self._of_dates &= found.of_dates
        self._said, self._like = found.said, found.like
        self._patterns["somebody's NHS Numbers"] += found.on_the_spine

    def _compare(self, kind: str, said: pl.DataFrame, person: pl.Series, draws: int) -> None:
        """Compare what rows say with their own person, and with the persons of other rows."""
        row, reading = said[_ROW], said["reading"]
        own = person.gather(row)
        agreed = self._people.agree(kind, reading, own)
        own_rows = row.filter(agreed).n_unique()
        self._own[kind].append(own.filter(agreed).unique())
        self._own_rows[kind] += own_rows
        if own_rows <= _LEAST_SHARE / 2 * person.len():
            return  # too few to refuse a column, however few agree with others
        for draw in range(1, draws + 1):
            other = person.gather((row + max(draw * person.len() // (draws + 1), 1)) % person.len())
            by_chance = self._people.agree(kind, reading, other) & (other != own)
            self._others[kind] += own.filter(by_chance).n_unique()

    def _compare_as_written(self, block: pl.DataFrame, values: pl.Series) -> None:
        """Compare values with the record's own identifiers, letter by letter, and look for its ids inside them."""
        written = {name.removeprefix(AS_WRITTEN): block[name] for name in block.columns if name.startswith(AS_WRITTEN)}
        for identifier, own in {"record_id": block[RECORD], **written}.items():
            same = _same(values, own.cast(pl.String), inside=identifier in ("record_id", "local_patient_id"))
            self._written[identifier].append(block[PERSON].filter(same).unique())
            self._written_rows[identifier] += int(same.sum())

    def found(self, draws: int) -> Iterator[str]:
        """Yield what the column holds that identifies people."""
        for kind, parts in self._own.items():
            share = self._own_rows[kind] / self._values
            agreement = Agreement(pl.concat(parts).n_unique(), self._others[kind], draws, most=share > 1 / 2)
            unmistakable = kind in UNIQUE and agreement.persons > _BY_CHANCE * self._values
            if unmistakable or (share > _LEAST_SHARE and more_than_chance(agreement)):
                of_newborns = kind == "birth_date" and self._of_dates and share < _MOST_BIRTHS
                yield BIRTHS if of_newborns else TITLE_OF_KIND[kind]
        for identifier, parts in self._written.items():
            share = self._written_rows[identifier] / self._values
            if share > _SHARE_AS_WRITTEN and pl.concat(parts).n_unique() >= _FEWEST_DISTINCT:
                yield f"the record's own {identifier.replace('_', ' ')}"
        for pattern, rows in self._patterns.items():
            if rows > LEAST_SHARE.get(pattern, 0) * self._values:
                yield pattern
