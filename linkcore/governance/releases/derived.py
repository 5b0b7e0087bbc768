"""Derived columns: what a recipient may have instead of an identifier."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

import polars as pl

from linkcore.errors import ProgrammeError
from linkcore.governance.releases.identifying.check import AS_WRITTEN
from linkcore.identifiers import birth_date, gender, postcode
from linkcore.sources.formats.csv_files import CsvFile
from linkcore.sources.payload import RAW_ROW_HASH, rows_with_hash
from linkcore.sources.source import Source

__all__ = ["Derived", "DerivedKind", "derive", "rows_with_derived"]

DerivedKind = Literal["age", "birth_year", "birth_month", "gender", "postcode_area", "postcode_district", "small_area"]

# A postcode's place in the frame while its small area is looked up; no source's own column has such a name.
_POSTCODE: Final = "linkcore:postcode"


@dataclass(frozen=True)
class Derived:
    """A derived column: its kind, and what that kind needs.

    It is made of the record's own identifier, as its source states it. What only the GP knows is not released beside a
    hospital's record. The value is null where the identifier is missing or cannot be read.

    Parameters
    ----------
    kind : str
        ``"age"``, whole years at a day; ``"birth_year"``; ``"birth_month"``, year and month (``2001-02``);
        ``"gender"``, ``male`` or ``female``; ``"postcode_area"`` (``EX``), ``"postcode_district"`` (``EX1``);
        ``"small_area"``, by a look-up.
    at : datetime.date, optional
        For ``age``: the day. Somebody born on 29 February has a birthday on 1 March in other years.
    look_up : str or path, optional
        For ``small_area``: a CSV file in UTF-8, with a row for each postcode.
    postcode, area : str
        For ``small_area``: the columns of that file, such as ``pcds`` and ``lsoa21``.

    Raises
    ------
    ProgrammeError
        If there is no such kind, or it lacks what it needs, or has what it has no use for.

    Examples
    --------
    >>> Derived("age", at=dt.date(2026, 3, 31)).identifier
    'birth_date'
    >>> Derived("age")
    Traceback (most recent call last):
    linkcore.errors.ProgrammeError: derived column 'age': it needs at, the day
    """

    kind: DerivedKind
    at: dt.date | None = None
    look_up: str | Path | None = None
    postcode: str = "postcode"
    area: str = "area"

    def __post_init__(self) -> None:
        if self.kind not in get_args(DerivedKind):
            raise ProgrammeError(f"derived column {self.kind!r}: it is one of {', '.join(get_args(DerivedKind))}")
        for needs, kind, what in ((self.at, "age", "at, the day"), (self.look_up, "small_area", "look_up, a CSV file")):
            if (needs is None) == (self.kind == kind):
                verb = "needs" if self.kind == kind else "has no use for"
                raise ProgrammeError(f"derived column {self.kind!r}: it {verb} {what}")

    @property
    def identifier(self) -> str:
        """The standard identifier that it is made of."""
        if self.kind == "gender":
            return "gender"
        return "birth_date" if self.kind in ("age", "birth_year", "birth_month") else "postcode"

    @property
    def dtype(self) -> pl.DataType:
        """Dtype of the column."""
        return pl.Int32() if self.kind in ("age", "birth_year") else pl.String()

    def described(self) -> str:
        """Describe it for a manifest."""
        return self.kind.replace("_", " ") + ("" if self.at is None else f" at {self.at}")

    def check(self) -> None:
        """Check that the look-up exists and has the columns. Only its header is read.

        Raises
        ------
        ProgrammeError, SourceError
            If the file is missing, lacks a column, or cannot be read.
        """
        if self.look_up is not None:
            self._table()

    def _table(self) -> CsvFile:
        file = Path(str(self.look_up))
        if not file.is_file():
            raise ProgrammeError(
                f"derived column: there is no look-up {file}; name a CSV file with a row for each postcode"
            )
        table = CsvFile("look_up", file)
        header = table.header()
        missing = [name for name in (self.postcode, self.area) if name not in header]
        if missing:
            raise ProgrammeError(f"look-up {file}: no columns {missing}; name them with postcode and area")
        return table

    def areas(self) -> pl.DataFrame:
        """Read the look-up of postcodes.

        Returns
        -------
        polars.DataFrame
            ``linkcore:postcode``, in standard form, each once, and ``area``.

        Raises
        ------
        ProgrammeError
            If the file is missing, lacks a column, or has two areas for one postcode.
        SourceError
            If it cannot be read.
        """
        rows = pl.concat(self._table().batches(tuple(dict.fromkeys((self.postcode, self.area)))))
        areas = rows.select(
            postcode.standardise(pl.col(self.postcode)).struct.field("value").alias(_POSTCODE),
            pl.col(self.area).alias("area"),
        )
        areas = areas.drop_nulls(_POSTCODE).unique().sort(_POSTCODE)
        if areas[_POSTCODE].is_duplicated().any():
            raise ProgrammeError(f"look-up {self.look_up}: a postcode has two areas; keep one of them")
        return areas


def derive(
    frame: pl.LazyFrame, source: Source, columns: Mapping[str, Derived], reference_date: dt.date | None = None
) -> pl.LazyFrame:
    """Add derived columns to rows of a source.

    Examples
    --------
    >>> source = Source("gp", pl.DataFrame({"birth_date": ["29/02/2008", None], "postcode": ["ex12ab", "ZZ99 3VZ"]}))
    >>> columns = {"age": Derived("age", at=dt.date(2026, 2, 28)), "district": Derived("postcode_district")}
    >>> derive(source.data.lazy(), source, columns).select(*columns).collect().rows()
    [(17, 'EX1'), (None, None)]
    """
    schema = frame.collect_schema()
    for name, derived in columns.items():
        own = source.identifier_columns[derived.identifier]
        raw = pl.col(own)
        if derived.identifier == "birth_date":
            read = birth_date.standardise(
                raw, reference_date=reference_date, day_first=source.day_first, dtype=schema[own]
            )
            frame = frame.with_columns(_of_birth_date(read.struct.field("value"), derived).alias(name))
        elif derived.identifier == "gender":
            value = gender.standardise(raw, dtype=schema[own]).struct.field("value")
            frame = frame.with_columns(value.cast(pl.String).alias(name))
        else:
            value = postcode.standardise(raw).struct.field("value")
            frame = _of_postcode(frame, value, derived, name)
    return frame


def rows_with_derived(
    source: Source,
    columns: Sequence[str],
    derived: Mapping[str, Derived],
    reference_date: dt.date | None = None,
) -> pl.LazyFrame:
    """Scan ``columns`` and derived columns of a source, and the hash by which each row is recognised.

    Beside them are the record's own identifiers, as the source writes them: only to look for them in the columns.
    """
    rows = derive(rows_with_hash(source, columns), source, derived, reference_date)
    written = [
        pl.col(column).alias(AS_WRITTEN + identifier)
        for identifier, column in source.identifier_columns.items()
        if identifier not in ("gender", "birth_date")
    ]
    return rows.select(*columns, *derived, *written, RAW_ROW_HASH)


def _of_birth_date(born: pl.Expr, derived: Derived) -> pl.Expr:
    if derived.kind == "birth_year":
        return born.dt.year()
    if derived.kind == "birth_month":
        return born.dt.strftime("%Y-%m")
    assert derived.at is not None
    day_of_year = born.dt.month().cast(pl.Int32) * 100 + born.dt.day()
    before_birthday = day_of_year > derived.at.month * 100 + derived.at.day
    age = derived.at.year - born.dt.year() - before_birthday.cast(pl.Int32)
    return pl.when(age >= 0).then(age)


def _of_postcode(frame: pl.LazyFrame, value: pl.Expr, derived: Derived, name: str) -> pl.LazyFrame:
    if derived.kind == "postcode_area":
        return frame.with_columns(value.str.extract("^([A-Z]+)").alias(name))
    if derived.kind == "postcode_district":
        # The inward part and the space before it are four characters.
        return frame.with_columns(value.str.head(-4).alias(name))
    areas = derived.areas().rename({"area": name})
    looked_up = frame.with_columns(value.alias(_POSTCODE))
    return looked_up.join(areas.lazy(), on=_POSTCODE, how="left", maintain_order="left").drop(_POSTCODE)
