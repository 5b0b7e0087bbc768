"""What only several extracts together show: the spine, and which date is the birth date, by the same NHS Numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import polars as pl

from linkcore.first_hour.columns import Doubt, Guess, is_date, words_of
from linkcore.first_hour.evidence import Evidence
from linkcore.first_hour.extracts import Extract
from linkcore.identifiers import birth_date, nhs_number, postcode

__all__ = ["Looked", "choose_spine", "compare", "has_one_record_each", "names_records"]

_ENOUGH: Final = 30
_AGREES: Final = 0.5
_DISAGREES: Final = 0.2
_AT_HOME: Final = 0.3
_CONTACTS: Final = 10  # years
_UNIQUE: Final = 0.97
_FOUND_ON_SPINE: Final = 0.3
_MOST_NUMBERS: Final = 200_000
_LISTS: Final = frozenset(["gp", "list", "register", "registered", "spine", "pds", "mpi", "demographics", "population"])


@dataclass(frozen=True)
class Looked:
    """An extract, what was seen in it, and what its columns are taken for.

    ``numbers`` are its NHS Numbers that can be read, one a record, of every status; ``test`` says how many are of the
    test range.
    """

    extract: Extract
    evidence: Mapping[str, Evidence]
    guess: Guess
    day_first: bool
    numbers: pl.Series
    test: int
    not_compared: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name of the source."""
        return self.extract.name


def choose_spine(looked: Sequence[Looked]) -> str | None:
    """Choose the source that lists people once each, and lists most people of the others; None if none does."""
    scores = {}
    for each in looked:
        distinct = each.numbers.unique()
        others = [other.numbers.unique() for other in looked if other is not each and len(other.numbers)]
        found = [float(other.is_in(distinct.implode()).mean() or 0) for other in others]  # type: ignore[arg-type]
        share = sum(found) / len(found) if found else 0.0
        is_list = not _LISTS.isdisjoint(words_of(each.name).split())
        if len(distinct) and len(distinct) >= _UNIQUE * len(each.numbers) and (share > _FOUND_ON_SPINE or is_list):
            scores[each.name] = (share + 0.3 * is_list, len(distinct))
    return max(scores, key=lambda name: scores[name], default=None)


def has_one_record_each(looked: Looked) -> bool:
    """Whether hardly any NHS Number of a source is on two records; a list of people has some by mistake."""
    return looked.numbers.n_unique() >= 0.995 * len(looked.numbers)


def names_records(looked: Looked) -> str | None:
    """Return the first column that could name records, and is unique and complete in all rows."""
    for column in looked.guess.record_ids:
        rows, distinct, missing = (
            looked.extract.scan()
            .select(pl.len(), pl.col(column).n_unique().alias("distinct"), pl.col(column).null_count().alias("missing"))
            .collect()
            .row(0)
        )
        if rows == distinct and not missing:
            return column
    return None


def compare(looked: Sequence[Looked], spine: str | None) -> list[Looked]:
    """Correct guesses by what the same NHS Numbers say in the spine, or else in the source with most numbers."""
    numbered = [each for each in looked if len(each.numbers)]
    anchor = next((each for each in numbered if each.name == spine), None)
    anchor = anchor or max(numbered, key=lambda each: len(each.numbers), default=None)
    if anchor is None or len(numbered) < 2:
        return list(looked)
    rows = {each.name: _rows(each) for each in numbered}
    anchor = _anchor_by_others(anchor, [each for each in numbered if each is not anchor], rows)
    return [
        anchor if each.name == anchor.name else _against(each, anchor, rows) if each.name in rows else each
        for each in looked
    ]


def _rows(looked: Looked) -> pl.DataFrame:
    """Read, of a sample of persons by the hash of their number, all dates, the postcode and the local identifier."""
    extract, columns = looked.extract, looked.guess.columns
    raw = extract.scan()
    dtypes = raw.collect_schema()
    every = 1 + len(looked.numbers) // _MOST_NUMBERS
    number = nhs_number.standardise(pl.col(columns["nhs_number"]), dtype=dtypes[columns["nhs_number"]])
    read = [
        birth_date.standardise(pl.col(name), day_first=looked.day_first, dtype=dtypes[name])
        .struct.field("value")
        .alias(name)
        for name in _dates(looked)
    ]
    for identifier in ("postcode", "local_patient_id"):
        if identifier in columns:
            text = pl.col(columns[identifier]).cast(pl.String)
            is_place = identifier == "postcode"
            read.append(
                (postcode.standardise(text).struct.field("value") if is_place else text).alias(f":{identifier}")
            )
    return (
        raw.select(number.struct.field("value").alias(":number"), *read)
        .filter(pl.col(":number").is_not_null() & (pl.col(":number").hash(0) % every == 0))
        .collect()
    )


def _dates(looked: Looked) -> list[str]:
    born = looked.guess.columns.get("birth_date")
    return [name for name, evidence in looked.evidence.items() if is_date(evidence) or name == born]


def _agreeing(rows: pl.DataFrame, column: str, other: pl.DataFrame, other_column: str) -> tuple[int, float]:
    """Return how many records can be compared on two columns, and which share of them agree."""
    of_other = other.select(":number", pl.col(other_column).alias(":other")).unique(":number", keep="first")
    pairs = rows.select(":number", pl.col(column).alias(":own")).join(of_other, on=":number").drop_nulls()
    return pairs.height, float(pairs.select((pl.col(":own") == pl.col(":other")).mean()).item() or 0)


def _anchor_by_others(anchor: Looked, others: Sequence[Looked], rows: Mapping[str, pl.DataFrame]) -> Looked:
    """Choose the anchor's birth date as the date that agrees best with those of all others."""
    shares = {}
    for column in _dates(anchor):
        compared = [
            _agreeing(rows[each.name], each.guess.columns["birth_date"], rows[anchor.name], column)
            for each in others
            if "birth_date" in each.guess.columns
        ]
        enough = [share for number, share in compared if number >= _ENOUGH]
        if enough:
            shares[column] = max(enough)
    taken = anchor.guess.columns.get("birth_date")
    if taken is not None and anchor.evidence[taken].years > _CONTACTS and max(shares.values(), default=0) < _AGREES:
        return anchor  # the others are wrong
    return _with_birth_date(anchor, shares, "the birth dates of the same persons in other sources")


def _against(looked: Looked, anchor: Looked, rows: Mapping[str, pl.DataFrame]) -> Looked:
    """Check a source's birth date, postcode and local identifier against the anchor."""
    own, other = rows[looked.name], rows[anchor.name]
    born = anchor.guess.columns.get("birth_date")
    if born is not None:
        compared = {column: _agreeing(own, column, other, born) for column in _dates(looked)}
        shares = {column: share for column, (number, share) in compared.items() if number >= _ENOUGH}
        looked = _with_birth_date(looked, shares, f"the birth dates of the same persons in {anchor.name}")
    if {":postcode"} <= set(own.columns) & set(other.columns):
        number, share = _agreeing(own, ":postcode", other, ":postcode")
        if number >= _ENOUGH and share < _AT_HOME:
            text = f"{share:.0%} of its postcodes are those of the same persons in {anchor.name}, so it is not compared"
            looked = replace(_doubting(looked, "postcode", text), not_compared=("postcode",))
    return _with_local_id(looked, own)


def _with_birth_date(looked: Looked, shares: Mapping[str, float], whose: str) -> Looked:
    """Take the date that agrees, and never one that does not."""
    if not shares:
        return looked
    taken = looked.guess.columns.get("birth_date")
    best = max(shares, key=lambda column: shares[column])
    if shares[best] >= _AGREES and best != taken:
        text = f"column {best!r} is taken, since {shares[best]:.0%} of its dates are {whose}"
        if taken is not None:
            text += f", and {shares.get(taken, 0):.0%} of those of {taken!r}"
        return _doubting(_mapped(looked, "birth_date", best), "birth_date", text, best)
    if taken is not None and shares.get(taken, 1) < _DISAGREES:
        text = f"column {taken!r} is left out: only {shares[taken]:.0%} of its dates are {whose}"
        return _doubting(_mapped(looked, "birth_date", None), "birth_date", text)
    return looked


def _with_local_id(looked: Looked, own: pl.DataFrame) -> Looked:
    """Leave out a local identifier that several persons have."""
    if ":local_patient_id" not in own.columns:
        return looked
    numbers = (
        own.drop_nulls(":local_patient_id")
        .group_by(":local_patient_id")
        .agg(records=pl.len(), persons=pl.col(":number").n_unique())
    )
    repeated = numbers.filter(pl.col("records") > 1)
    if repeated.height < _ENOUGH or repeated.filter(persons=1).height > 0.9 * repeated.height:
        return looked
    column = looked.guess.columns["local_patient_id"]
    text = f"column {column!r} is left out: several persons have the same value"
    return _doubting(_mapped(looked, "local_patient_id", None), "local_patient_id", text)


def _mapped(looked: Looked, identifier: str, column: str | None) -> Looked:
    columns = {name: each for name, each in looked.guess.columns.items() if name != identifier and each != column}
    events = {name: each for name, each in looked.guess.events.items() if each != column}
    if column is not None:
        columns[identifier] = column
    return replace(looked, guess=replace(looked.guess, columns=columns, events=events))


def _doubting(looked: Looked, key: str, text: str, chosen: str | None = None) -> Looked:
    doubts = tuple(each for each in looked.guess.doubts if each.key != key)
    return replace(looked, guess=replace(looked.guess, doubts=(*doubts, Doubt(looked.name, key, text, chosen))))
