"""Sources: the extract of one provider each. Data are read lazily, and only the columns that a query needs."""

import glob
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, get_args

import polars as pl

from linkcore.errors import LinkcoreError, ProgrammeError, SourceError
from linkcore.plain_text import ends_a_line
from linkcore.pseudonyms.stage_one import StageOne
from linkcore.schema import ALL, IDENTIFIERS, PARTS_OF_NAME
from linkcore.sources.formats.csv_files import NO_HEADER, looks_like_record
from linkcore.sources.formats.databases import DatabaseRows
from linkcore.sources.formats.delta_folders import DeltaFolder, is_delta
from linkcore.sources.formats.excel_files import ExcelFile
from linkcore.sources.formats.frames import Frame
from linkcore.sources.formats.layout import Layout
from linkcore.sources.formats.source_data import SUFFIXES, SourceData, database_at, is_database, is_known, open_file

__all__ = ["EVENTS", "MAX_BYTES", "MAX_ROWS", "Event", "FurtherKind", "Source"]

FurtherKind = Literal["exact", "text", "number", "date"]
"""How the fallback compares a further identifier."""

Event = Literal["start", "end", "days", "death", "diagnosis"]
EVENTS: Final[tuple[str, ...]] = get_args(Event)
"""What a source's payload may say about events: the first and the last day of the activity, its number of days (where
there is no last day), the day on which the person died, and an ICD-10 code."""

MAX_ROWS: Final = 20_000_000
"""Most rows of a source unless it states another limit: sixteen for each person of an ICS."""

MAX_BYTES: Final = 30_000_000_000
"""Most bytes of a source, unpacked, unless it states another limit."""

# What the fallback compares. A number or a local identifier that says nothing about the person is not mapped at all.
_DEMOGRAPHIC: Final = frozenset(IDENTIFIERS) - {"nhs_number", "local_patient_id"}
# An error names so many files that lack a column; there may be one file for each practice.
_MOST_NAMED: Final = 5
_OURS: Final = "linkcore:"  # marks columns that linkcore puts beside a source's own
# The name of a source becomes the name of a file in every release.
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_DIGEST_BYTES: Final = 4 << 20
# No column of a source can have this name.
_ROW: Final = "linkcore:row"


@dataclass(frozen=True, eq=False)
class Source:
    """The extract of one provider: where it is, and which of its columns identify people.

    Making a source reads only the names of its columns. Linking reads only the columns that are named here. All other
    columns are payload: only a release reads them.

    Parameters
    ----------
    name : str
        Name of the source in links, reports and releases: a letter, then up to 63 letters, digits, ``_`` or ``-``.
    data : str, path, polars.DataFrame, polars.LazyFrame or Arrow PyCapsule object
        One of five:

        - a file, or a glob that matches several (``**`` stands for folders in folders): Parquet; CSV, ending in
          ``.csv`` or ``.txt``, or packed, ending in ``.csv.gz``, ``.csv.zst``, ``.txt.gz`` or ``.txt.zst``; Arrow IPC,
          ending in ``.arrow``, ``.feather`` or ``.ipc``; or an Excel workbook, ending in ``.xlsx`` or ``.xlsm``, whose
          cells become text (extra ``excel``); or a DuckDB or SQLite database, ending in ``.duckdb``, ``.db``,
          ``.sqlite`` or ``.sqlite3``;
        - a folder that holds a Delta table, of which the newest version is read (extra ``delta``);
        - the address of a database, without its password: ``postgresql://user@host/database``, whose password is in
          ``PGPASSWORD``, a password file or a service file; or ``odbc:`` and a connection string, for SQL Server and
          others, whose password is in ``LINKCORE_ODBC_PASSWORD`` or a DSN (extra ``sql``);
        - a Polars frame;
        - any object with ``__arrow_c_stream__`` that can be read more than once: a pyarrow table, a pandas DataFrame,
          a DuckDB relation.
    columns : mapping of str to str, optional
        Maps standard identifiers to the source's own columns: ``{"nhs_number": "NHS_NO", "birth_date": "DOB"}``. The
        standard identifiers are ``nhs_number``, ``given_name``, ``family_name``, ``full_name``, ``birth_date``,
        ``gender``, ``postcode``, ``address`` and ``local_patient_id``. A full name, as in "SMITH, Anna" or "Mrs Anna
        Smith", is split into the other two, so a source has either. By default, columns with these names are used, but
        no full name beside a given or a family name.
    record_id : str, optional
        The column that names each record, unique in the source. By default, the column ``record_id`` if there is one
        and ``columns`` is not given; else the row number, from 0.
    spine : bool
        Whether this source defines who exists. At most one source is the spine.
    further : mapping of str to {"exact", "text", "number", "date"}, optional
        Further identifiers: maps the source's own columns to the kind of comparison. A column named here is never also
        read as a standard identifier.
    attributes : mapping of str to str, optional
        Maps attributes for reporting by subgroup, such as ``ethnic_group``, to the source's own columns.
    events : mapping of {"start", "end", "days", "death", "diagnosis"} to str, optional
        Maps events to columns of payload: the first and the last day of an activity, its number of days (where there
        is no last day), the day of death, and an ICD-10 code. They make no links. They show which links are
        implausible: activity after death, two stays at once, a man giving birth. Give ``end`` or ``days`` only for
        stays.
    one_record_per_person : bool
        Whether no two records are of the same person.
    not_compared : sequence of str
        Standard identifiers that say nothing about the person in this source, such as the ``postcode`` of an incident.
        They are counted and never released, but neither links nor conflicts depend on them.
    practice : str, optional
        The column with the code of the registered GP practice.
    encoding : str
        Encoding of CSV files: ``"utf-8"`` (with or without a byte order mark), ``"windows-1252"`` or the name of
        another Python codec.
    separator : str, optional
        The one ASCII character between the values of CSV files. By default, it is found: that one of comma, semicolon,
        tab and ``|`` which cuts the first rows into as many values as the header. If two do, it has to be given.
    day_first : bool
        Whether ``03/04/2001`` means 3 April; otherwise it means 4 March.
    stage_one : StageOne, optional
        How stage-1 codes are written, if the column mapped to ``nhs_number`` holds these instead of NHS Numbers. Then
        every source that is linked with it must hold stage-1 codes too.
    max_rows : int
        Most rows of the source, of all its files together. A file of some kilobytes can hold millions of rows: more
        are refused, before they are read if the format states how many there are, else while they are read.
    max_bytes : int
        Most bytes of its files: unpacked for Parquet and Excel, as they are on the disk for CSV and Arrow IPC. Also
        the most unpacked bytes of each packed CSV file: reading ends at the first byte above.
    without_rows : polars.Series, optional
        Positions, counted from 0, of rows that are left out each time the source is read, as those of people with a
        Type 1 opt-out are.
    sheet : str, optional
        The sheet of an Excel workbook; needed if it has several.
    header_row : int, optional
        The row of that sheet with the names of the columns, counted from 1, as in Excel; by default the first. Rows
        above it, such as titles, are skipped.
    table, query : str, optional
        What is read of a database: a table, as ``"schema.table"``, or a query, as ``"SELECT ..."``. Types that Polars
        does not hold exactly, such as decimal numbers, become text; in SQLite all do.
    order_by : sequence of str, optional
        Columns that tell any two rows of a database apart, by which they are sorted; by default ``record_id``. One of
        the two has to be given, since a database gives its rows in another order each time.

    Raises
    ------
    ProgrammeError
        A parameter has a value that it cannot have, or two parameters contradict each other.
    SourceError
        There is no such file, it cannot be read, a column that is named here is missing from it, or it is larger than
        the source may be.

    Examples
    --------
    >>> import polars as pl
    >>> extract = pl.DataFrame({"NHS_NO": ["401 023 2137"], "DOB": ["03/04/1980"], "COST": [12.5]})
    >>> source = Source("outpatient", extract, columns={"nhs_number": "NHS_NO", "birth_date": "DOB"})
    >>> source.identifier_columns
    {'nhs_number': 'NHS_NO', 'birth_date': 'DOB'}
    """

    name: str
    data: Any = field(repr=False)
    columns: Mapping[str, str] | None = None
    record_id: str | None = None
    spine: bool = False
    further: Mapping[str, FurtherKind] | None = None
    attributes: Mapping[str, str] | None = None
    events: Mapping[str, str] | None = None
    one_record_per_person: bool = False
    not_compared: Sequence[str] = ()
    practice: str | None = None
    encoding: str = "utf-8"
    separator: str | None = None
    day_first: bool = True
    stage_one: StageOne | None = None
    max_rows: int = MAX_ROWS
    max_bytes: int = MAX_BYTES
    without_rows: pl.Series | None = field(default=None, repr=False)
    sheet: str | None = None
    header_row: int | None = None
    table: str | None = None
    query: str | None = field(default=None, repr=False)
    order_by: Sequence[str] | None = None

    def __post_init__(self) -> None:
        for mapping in ("columns", "further", "attributes", "events"):
            given = getattr(self, mapping)
            if given is not None:
                object.__setattr__(self, mapping, MappingProxyType(dict(given)))
        self._check_name()
        self._check_mappings()
        self._check_reading()
        self._check_kind()
        self._check_columns()
        self._check_size()

    def _check_name(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ProgrammeError(f"source {self.name!r}: a name is a letter, then up to 63 letters, digits, '_' or '-'")
        if self.name == ALL:
            raise ProgrammeError(
                f"source {self.name!r}: reports use this name for all sources together; choose another"
            )

    def _check_mappings(self) -> None:
        unknown = sorted(set(self.columns or ()) - set(IDENTIFIERS))
        if unknown:
            raise ProgrammeError(
                f"source {self.name!r}: columns maps {unknown}, which are not standard identifiers; those are "
                f"{', '.join(IDENTIFIERS)}; name any other identifier in further"
            )
        if "full_name" in (self.columns or ()) and not set(PARTS_OF_NAME).isdisjoint(self.columns or ()):
            raise ProgrammeError(
                f"source {self.name!r}: columns maps full_name as well as given_name or family_name; map either the "
                "column with whole names or those with their parts"
            )
        if not set(self.events or ()) <= set(EVENTS) or {"end", "days"} <= set(self.events or ()):
            raise ProgrammeError(
                f"source {self.name!r}: events names {', '.join(self.events or ())}; it may name {', '.join(EVENTS)}, "
                "but not both end and days"
            )
        kinds = get_args(FurtherKind)
        for column, kind in (self.further or {}).items():
            if kind not in kinds:
                raise ProgrammeError(
                    f"source {self.name!r}: further identifier {column!r} has kind {kind!r}; choose one of "
                    f"{', '.join(kinds)}"
                )
            if not re.fullmatch(r"\w+", column):
                raise ProgrammeError(
                    f"source {self.name!r}: further identifier {column!r} must be named with letters, digits and "
                    "'_' only; rename the column"
                )
        shared = sorted(set(self.further or ()) & set((self.columns or {}).values()))
        if shared:
            raise ProgrammeError(f"source {self.name!r}: {shared} are in both columns and further; choose one")

    def _check_reading(self) -> None:
        if isinstance(self.not_compared, str) or not set(self.not_compared) <= _DEMOGRAPHIC:
            raise ProgrammeError(
                f"source {self.name!r}: not_compared is {self.not_compared!r}; give a list of some of "
                f"{', '.join(name for name in IDENTIFIERS if name in _DEMOGRAPHIC)}"
            )
        object.__setattr__(self, "not_compared", tuple(self.not_compared))
        for limit in ("max_rows", "max_bytes", *(() if self.header_row is None else ("header_row",))):
            if type(getattr(self, limit)) is not int or getattr(self, limit) < 1:
                raise ProgrammeError(f"source {self.name!r}: {limit} must be a whole number above 0")
        stated = "," if self.separator is None else self.separator
        if len(stated) != 1 or not stated.isascii() or stated in '"\r\n\0':
            raise ProgrammeError(
                f"source {self.name!r}: separator must be one ASCII character, but no quotation mark and no line end"
            )
        if not _is_text_encoding(self.encoding):
            raise ProgrammeError(
                f"source {self.name!r}: unknown encoding {self.encoding!r}; try 'utf-8' or 'windows-1252'"
            )

    def _check_kind(self) -> None:
        """Refuse what is stated for another kind of data than the source has."""
        if isinstance(self.order_by, str):
            raise ProgrammeError(f"source {self.name!r}: order_by is {self.order_by!r}; give a list of columns")
        for kind, what, settings in (
            (ExcelFile, "an Excel workbook", ("sheet", "header_row")),
            (DatabaseRows, "a database", ("table", "query", "order_by")),
        ):
            stated = [each for each in settings if getattr(self, each) is not None]
            if stated and not all(isinstance(part, kind) for part in self._parts):
                raise ProgrammeError(f"source {self.name!r}: {stated[0]} is for {what}, and its data are none")

    def _check_size(self) -> None:
        sizes = [part.size() for part in self._parts]
        self.refuse_rows(sum(rows for rows, _ in sizes))
        self._refuse_above("max_bytes", self.max_bytes, sum(size for _, size in sizes), "bytes")

    def refuse_rows(self, rows: int) -> None:
        """Refuse data with more rows than the source may have."""
        self._refuse_above("max_rows", self.max_rows, rows, "rows")

    def _refuse_above(self, limit: str, allowed: int, found: int, unit: str) -> None:
        if found > allowed:
            raise SourceError(
                f"source {self.name!r}: its data hold {found:,} {unit}, and {limit} is {allowed:,}; check that they "
                f"are the right data, and raise {limit} if they are"
            )

    def _check_columns(self) -> None:
        """Check that every file has the columns that are named, and that there are identifiers."""
        wanted: dict[str, str] = {}
        wanted |= {own: f"columns[{standard!r}]" for standard, own in (self.columns or {}).items()}
        wanted |= dict.fromkeys(self.further or (), "further")
        wanted |= {own: f"attributes[{name!r}]" for name, own in (self.attributes or {}).items()}
        wanted |= {own: f"events[{name!r}]" for name, own in (self.events or {}).items()}
        if self.record_id_column is not None:
            wanted[self.record_id_column] = "record_id"
        if self.practice is not None:
            wanted[self.practice] = "practice"
        for place, names in self._columns_by_place.items():
            if broken := next((number for number, name in enumerate(names, start=1) if ends_a_line(name)), None):
                raise SourceError(
                    f"source {self.name!r}, {place}: column {broken} has a line end in its name; write it on one line"
                )
            if any(name.startswith(_OURS) for name in names):
                raise SourceError(
                    f"source {self.name!r}, {place}: a column has a name that begins with {_OURS!r}, as only "
                    "linkcore's own columns do; rename it"
                )
            missing = [(own, setting) for own, setting in wanted.items() if own not in names]
            if missing and looks_like_record(names):
                own, setting = missing[0]
                raise SourceError(
                    f"source {self.name!r}, {place}: no column {own!r}, which {setting} names; {NO_HEADER}"
                )
            if missing:
                raise SourceError(
                    *(
                        f"source {self.name!r}, {place}: no column {own!r}, which {setting} names{_near(own, names)}; "
                        f"its columns are {', '.join(names)}"
                        for own, setting in missing
                    )
                )
        if self.stage_one is not None and "nhs_number" not in self.identifier_columns:
            raise ProgrammeError(
                f"source {self.name!r}: stage_one is given, but columns maps no column to nhs_number; map the one "
                "that holds the stage-1 codes"
            )
        if not self.identifier_columns and not self.further:
            raise SourceError(
                f"source {self.name!r}: no identifiers; give columns={{standard name: own column}}, or name its "
                f"columns {', '.join(IDENTIFIERS)}"
            )

    @cached_property
    def files(self) -> tuple[Path, ...]:
        """The files of the source, in the order of their names; empty for data in memory."""
        if not isinstance(self.data, str | Path) or is_database(self.data):
            return ()
        if self._delta is not None:
            # Its log says which of them are read; the others are of earlier versions.
            return tuple(sorted(path for path in self._delta.rglob("*") if path.is_file()))
        if any(is_delta(folder) for file in self._matching for folder in file.parents):
            raise SourceError(
                f"source {self.name!r}: {self._matching[0]} is in a Delta table, whose files may hold deleted rows; "
                "name the folder of the table"
            )
        for file in self._matching:
            if not file.is_file():
                raise SourceError(f"source {self.name!r}: {file} is a folder; name its files, as in '{file}/*.parquet'")
            if not is_known(file):
                raise SourceError(f"source {self.name!r}: {file} is of no known format; use {', '.join(SUFFIXES)}")
        return self._matching

    @cached_property
    def _matching(self) -> tuple[Path, ...]:
        pattern = str(self.data)
        # The name of a file may itself hold the brackets of a glob.
        matching = [pattern] if Path(pattern).is_file() else sorted(glob.glob(pattern, recursive=True))
        if not matching:
            raise SourceError(f"source {self.name!r}: no file matches {pattern!r}; check the path")
        return tuple(map(Path, matching))

    @cached_property
    def _delta(self) -> Path | None:
        """The folder of the source, if it is a Delta table."""
        return self._matching[0] if len(self._matching) == 1 and is_delta(self._matching[0]) else None

    def digest(self) -> str | None:
        """Read every file and return 32 hex digits that differ if a byte differs; None for data in memory."""
        from xxhash import xxh3_128

        if not self.files:
            return None
        digest = xxh3_128()
        with self.reading():
            for file in self.files:
                digest.update(f"{file.stat().st_size}\n".encode())
                with file.open("rb") as raw:
                    while part := raw.read(_DIGEST_BYTES):
                        digest.update(part)
        return digest.hexdigest()

    @cached_property
    def _parts(self) -> tuple[SourceData, ...]:
        """The files of the source, or its one frame or table."""
        layout = Layout(
            *(self.encoding, self.separator, self.max_rows, self.max_bytes, self.sheet, self.header_row),
            *(self.table, self.query, tuple(self.order_by or filter(None, [self.record_id]))),
        )
        if is_database(self.data):
            return (DatabaseRows(self.name, database_at(self.name, self.data), layout),)
        if not self.files:
            return (Frame(self.name, self.data),)
        if self._delta is not None:
            return (DeltaFolder(self.name, self._delta),)
        return tuple(open_file(self.name, file, layout) for file in self.files)

    @property
    def place(self) -> str:
        """Where the data are, in a few words: how many files, in memory, or which database."""
        if is_database(self.data):
            return self._parts[0].place
        return f"{len(self.files)} files" if self.files else "in memory"

    @cached_property
    def identifier_columns(self) -> dict[str, str]:
        """Standard identifiers, each with the column of the source from which it is read."""
        if self.columns is not None:
            return {standard: self.columns[standard] for standard in IDENTIFIERS if standard in self.columns}
        untaken = [standard for standard in IDENTIFIERS if standard not in (self.further or ())]
        found = {each: each for each in untaken if each != "full_name" and self._is_column(each)}
        # Beside its parts, a whole name says nothing new.
        if "full_name" in untaken and found.keys().isdisjoint(PARTS_OF_NAME) and self._is_column("full_name"):
            found["full_name"] = "full_name"
        return found

    @cached_property
    def record_id_column(self) -> str | None:
        """The column that names each record; None if records are named by their row number."""
        if self.record_id is None and self.columns is None:
            return "record_id" if self._is_column("record_id") else None
        return self.record_id

    def _is_column(self, standard: str) -> bool:
        """Whether there is a column with a standard name; refuse a column that only some of the files have."""
        without = [place for place, names in self._columns_by_place.items() if standard not in names]
        if without and len(without) < len(self._columns_by_place):
            named = ", ".join(without[:_MOST_NAMED]) + (" and others" if len(without) > _MOST_NAMED else "")
            raise SourceError(
                f"source {self.name!r}: no column {standard!r} in {named}, though its other files have it; make the "
                "files alike, or give columns= to say which columns to use"
            )
        return not without

    @property
    def private_columns(self) -> frozenset[str]:
        """The columns that no release may carry: identifiers, record ids and the practice."""
        private = {*self.identifier_columns.values(), *(self.further or ())}
        return frozenset(private | {column for column in (self.record_id_column, self.practice) if column})

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names of all columns, in the order of the (first) file."""
        return next(iter(self._columns_by_place.values()))

    @cached_property
    def _columns_by_place(self) -> dict[str, tuple[str, ...]]:
        with self.reading():
            return {part.place: part.header() for part in self._parts}

    def scan(self, columns: Sequence[str]) -> pl.LazyFrame:
        """Return the named columns, lazily, in the order of the rows.

        Parameters
        ----------
        columns : sequence of str
            Names of columns of the source.

        Returns
        -------
        polars.LazyFrame
            The columns, in this order. Columns of CSV files are String, so that leading zeros survive. Collect the
            frame inside :meth:`reading`, which turns every failure into a clear error.

        Examples
        --------
        >>> import polars as pl
        >>> Source("gp", pl.DataFrame({"nhs_number": ["4010232137"], "cost": [1]})).scan(["cost"]).collect().rows()
        [(1,)]
        """
        # A number may be text in one practice's file and an integer in the next.
        rows = pl.concat([part.scan().select(columns) for part in self._parts], how="vertical_relaxed")
        if self.without_rows is None:
            return rows
        left_out = pl.col(_ROW).is_in(self.without_rows.implode())
        return rows.with_row_index(_ROW).filter(~left_out).drop(_ROW)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Turn any failure to read the source into a SourceError that quotes no value.

        Raises
        ------
        SourceError
            The data cannot be read. The message names the source and, if it can be found, the file.

        Examples
        --------
        >>> import polars as pl
        >>> source = Source("gp", pl.DataFrame({"nhs_number": ["4010232137"]}))
        >>> with source.reading():
        ...     source.scan(["nhs_number"]).collect().height
        1
        """
        try:
            yield
            return
        except (LinkcoreError, MemoryError):
            raise
        # The library that made the data in memory (pyarrow, pandas, DuckDB) reads them, and raises its own errors.
        except (Exception, pl.exceptions.PanicException):
            error = self._find_fault()
        try:
            raise error
        finally:
            # Python attaches the error that was caught, with any values in it, as the context of the new one.
            error.__context__ = None

    def _find_fault(self) -> SourceError:
        """Read everything again to find what is wrong: the library's own message may quote a value."""
        for part in self._parts:
            if fault := part.find_fault():
                return fault
        return SourceError(
            f"source {self.name!r}: its data cannot be read; check that all its files have the same columns of the "
            "same types"
        )

    def place_of_row(self, row: int) -> str:
        """Return where a row is, for an error: the file, and the number of the row in it, counted from 1.

        Parameters
        ----------
        row : int
            Position of the row in the source, counted from 0.

        Returns
        -------
        str
            For example ``"gp/east.csv, row 17"``.

        Examples
        --------
        >>> import polars as pl
        >>> Source("gp", pl.DataFrame({"nhs_number": ["4010232137"]})).place_of_row(0)
        'row 1'
        """
        for left_out in () if self.without_rows is None else self.without_rows.sort():
            row += left_out <= row
        for part in self._parts if self.files else ():
            with self.reading():
                height = part.scan().select(pl.len()).collect().item()
            if row < height:
                return f"{part.place}, row {row + 1}"
            row -= height
        return f"row {row + 1}"


def _near(own: str, names: Sequence[str]) -> str:
    """Ask whether a column with nearly the same name was meant."""
    by_name = {name.lower(): name for name in names}
    near = get_close_matches(own.lower(), by_name, n=1)
    return f" (did you mean {by_name[near[0]]!r}?)" if near else ""


def _is_text_encoding(name: str) -> bool:
    # Some of Python's codecs turn text into text, or bytes into bytes (rot13, zip): those refuse to encode a string.
    with suppress(LookupError, ValueError):
        return isinstance("".encode(name), bytes)
    return False
