"""Derived columns: what a recipient may have instead of an identifier."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import polars as pl

from linkcore.errors import ProgrammeError
from linkcore.governance.releases.identifying.check import AS_WRITTEN
from linkcore.governance.releases.small_areas import FEWEST_PEOPLE, LEAST_PEOPLE, POSTCODE, of_enough_people
from linkcore.identifiers import birth_date, gender, postcode
from linkcore.sources.formats.csv_files import CsvFile
from linkcore.sources.payload import RAW_ROW, RAW_ROW_HASH, recognised_rows
from linkcore.sources.source import Source

__all__ = ["Derived", "DerivedKind", "derive", "rows_with_derived", "with_place"]

DerivedKind = Literal["age", "birth_year", "birth_month", "gender", "postcode_area", "postcode_district", "small_area"]


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
    least_people : int, optional
        For ``small_area``: how many people of the spine must live in an area, 10 or more, by default 100. An area of
        fewer is left empty. If more than 1 person in 10 lives in such areas, the look-up is refused: it is nearly one
        to one.

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
    least_people: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in get_args(DerivedKind):
            raise ProgrammeError(f"derived column {self.kind!r}: it is one of {', '.join(get_args(DerivedKind))}")
        for needs, kind, what in ((self.at, "age", "at, the day"), (self.look_up, "small_area", "look_up, a CSV file")):
            if (needs is None) == (self.kind == kind):
                verb = "needs" if self.kind == kind else "has no use for"
                raise ProgrammeError(f"derived column {self.kind!r}: it {verb} {what}")
        if self.kind != "small_area" and self.least_people is not None:
            raise ProgrammeError(f"derived column {self.kind!r}: it has no use for least_people")
        if self.kind == "small_area" and self.least_people is None:
            object.__setattr__(self, "least_people", LEAST_PEOPLE)
        if self.kind == "small_area" and (type(self.least_people) is not int or self.least_people < FEWEST_PEOPLE):
            raise ProgrammeError(f"derived column 'small_area': least_people is a whole number from {FEWEST_PEOPLE} on")

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
        people = "" if self.least_people is None else f" of at least {self.least_people} people"
        return self.kind.replace("_", " ") + people + ("" if self.at is None else f" at {self.at}")

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

    def areas(self, people: pl.DataFrame | None = None) -> pl.DataFrame:
        """Read the look-up of postcodes.

        Parameters
        ----------
        people : polars.DataFrame, optional
            As of `people_by_postcode`. Areas of too few of them are left out.

        Returns
        -------
        polars.DataFrame
            ``linkcore:postcode``, in standard form, each once, and ``area``.

        Raises
        ------
        ProgrammeError
            If the file is missing, lacks a column, or has two areas for one postcode.
        RefusedError
            If it is nearly one to one.
        SourceError
            If it cannot be read.
        """
        rows = pl.concat(self._table().batches(tuple(dict.fromkeys((self.postcode, self.area)))))
        areas = rows.select(
            postcode.standardise(pl.col(self.postcode)).struct.field("value").alias(POSTCODE),
            pl.col(self.area).alias("area"),
        )
        areas = areas.drop_nulls(POSTCODE).unique().sort(POSTCODE)
        if areas[POSTCODE].is_duplicated().any():
            raise ProgrammeError(f"look-up {self.look_up}: a postcode has two areas; keep one of them")
        if people is None:
            return areas
        assert self.least_people is not None
        return of_enough_people(areas, people, self.least_people, f"look-up {self.look_up}")


def derive(
    frame: pl.LazyFrame,
    source: Source,
    columns: Mapping[str, Derived],
    reference_date: dt.date | None = None,
    people: pl.DataFrame | None = None,
) -> pl.LazyFrame:
    """Add derived columns to rows of a source; with ``people`` as of `people_by_postcode`, no area of too few of them.

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
            frame = with_place(frame, value, derived, name, people)
    return frame


def rows_with_derived(
    source: Source,
    columns: Sequence[str],
    derived: Mapping[str, Derived],
    reference_date: dt.date | None = None,
    people: pl.DataFrame | None = None,
) -> pl.LazyFrame:
    """Scan ``columns`` and derived columns of a source, and what each row is recognised by.

    Beside them are the record's own identifiers, as the source writes them: only to look for them in the columns.
    """
    rows = derive(recognised_rows(source, columns), source, derived, reference_date, people)
    written = [
        pl.col(column).alias(AS_WRITTEN + identifier)
        for identifier, column in source.identifier_columns.items()
        if identifier not in ("gender", "birth_date")
    ]
    return rows.select(*columns, *derived, *written, RAW_ROW, RAW_ROW_HASH)


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


def with_place(
    frame: pl.LazyFrame, value: pl.Expr, derived: Derived, name: str, people: pl.DataFrame | None
) -> pl.LazyFrame:
    """Add the place that is derived from a postcode in standard form."""
    if derived.kind == "postcode_area":
        return frame.with_columns(value.str.extract("^([A-Z]+)").alias(name))
    if derived.kind == "postcode_district":
        # The inward part and the space before it are four characters.
        return frame.with_columns(value.str.head(-4).alias(name))
    areas = derived.areas(people).rename({"area": name})
    looked_up = frame.with_columns(value.alias(POSTCODE))
    return looked_up.join(areas.lazy(), on=POSTCODE, how="left", maintain_order="left").drop(POSTCODE)
