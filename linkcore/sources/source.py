"""Sources: one provider's extract each, read lazily and only where a column is asked for."""

import glob
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, get_args

import polars as pl

from linkcore.errors import LinkcoreError, ProgrammeError, SourceError
from linkcore.pseudonyms.stage_one import StageOne
from linkcore.schema import ALL, IDENTIFIERS
from linkcore.sources.formats.csv_files import NO_HEADER, CsvFile, looks_like_record

__all__ = ["EVENTS", "FurtherKind", "Source"]

FurtherKind = Literal["exact", "text", "number", "date"]
"""How the fallback compares a further identifier."""

EVENTS: Final = ("start", "end", "days", "death", "diagnosis")
"""What a source's payload may tell of what happened: the first and the last day of what the record is about, how many
days it took (where it has no last day), the day on which the person died, and an ICD-10 code."""

_FORMATS: Final = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".txt": "csv",
    ".arrow": "ipc",
    ".feather": "ipc",
    ".ipc": "ipc",
}
# What the fallback compares; a number or a local identifier that tells nothing is not mapped at all.
_DEMOGRAPHIC: Final = frozenset(IDENTIFIERS) - {"nhs_number", "local_patient_id"}
# Of the files that lack a column; there may be one for each practice.
_MOST_NAMED: Final = 5
# A source's name becomes the name of a file in every release.
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True, eq=False)
class Source:
    """One provider's extract: where it lies, and which of its columns identify people.

    Nothing is read when a source is made but the names of its columns; only mapped columns are ever read to link.

    Parameters
    ----------
    name : str
        Names the source in links, reports and releases: letters, digits, ``_`` and ``-``.
    data : str, path, polars.DataFrame, polars.LazyFrame or Arrow PyCapsule object
        A file or a glob of files, ``**`` for folders in folders (Parquet; CSV as ``.csv`` or ``.txt``; Arrow IPC as
        ``.arrow``, ``.feather`` or ``.ipc``), a Polars frame, or anything with ``__arrow_c_stream__`` that can be read
        more than once (pyarrow, pandas, a DuckDB relation).
    columns : mapping of str to str, optional
        Standard identifier to the source's own column. With none given, columns that have standard names are used;
        with it given, nothing else is.
    record_id : str, optional
        The column that names a record, unique in the source. With none given, the row number, from 0, is used (or a
        column called ``record_id``, where no ``columns`` are given either).
    spine : bool
        Whether this source defines who exists.
    further : mapping of str to {"exact", "text", "number", "date"}, optional
        Further identifiers: the source's own column to how it is compared. A column named here is never also read as
        a standard identifier.
    attributes : mapping of str to str, optional
        Attribute for reporting by subgroup (``ethnic_group``) to the source's own column.
    events : mapping of {"start", "end", "days", "death", "diagnosis"} to str, optional
        Columns of payload by which links are judged once they are made (activity after death, two stays at once, a man
        giving birth), and no link is made: the first and the last day of the activity, how many days it took (where it
        has no last day), the day of death, and an ICD-10 code. Only what is a stay has an ``end`` or ``days``.
    one_record_per_person : bool
        Whether no two of its records are of one person.
    not_compared : sequence of str
        Standard identifiers that tell nothing of the person here, such as the ``postcode`` of an incident: they are
        counted, and no release carries them, but neither links nor conflicts hang on them.
    practice : str, optional
        The column with the code of the registered practice.
    encoding : str
        Of CSV files: ``"utf-8"`` (with or without byte order mark), ``"windows-1252"`` or another codec of Python.
    separator : str
        Of CSV files: the one character between values.
    day_first : bool
        Whether ``03/04/2001`` is 3 April.
    stage_one : StageOne, optional
        Says that the column mapped to ``nhs_number`` holds no numbers but stage-1 codes of them, and how these are
        written. Then no source that is linked with it may hold numbers.

    Raises
    ------
    ProgrammeError
        If a setting makes no sense.
    SourceError
        If there is no such file, it cannot be opened, or a mapped column is missing from it.

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
    separator: str = ","
    day_first: bool = True
    stage_one: StageOne | None = None

    def __post_init__(self) -> None:
        for mapping in ("columns", "further", "attributes", "events"):
            given = getattr(self, mapping)
            if given is not None:
                object.__setattr__(self, mapping, MappingProxyType(dict(given)))
        self._check_settings()
        self._check_columns()

    def _check_settings(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ProgrammeError(f"source {self.name!r}: a name is a letter, then up to 63 letters, digits, '_' or '-'")
        if self.name == ALL:
            raise ProgrammeError(f"source {self.name!r}: reports call all sources together so; give it another name")
        unknown = sorted(set(self.columns or ()) - set(IDENTIFIERS))
        if unknown:
            raise ProgrammeError(
                f"source {self.name!r}: columns maps {unknown}, not standard identifiers; they are "
                f"{', '.join(IDENTIFIERS)}; name any other identifier in further"
            )
        if not set(self.events or ()) <= set(EVENTS) or {"end", "days"} <= set(self.events or ()):
            raise ProgrammeError(
                f"source {self.name!r}: events names {', '.join(self.events or ())}; it may name {', '.join(EVENTS)}, "
                "and of end and days only one"
            )
        kinds = get_args(FurtherKind)
        for column, kind in (self.further or {}).items():
            if kind not in kinds:
                raise ProgrammeError(
                    f"source {self.name!r}: further identifier {column!r} has kind {kind!r}; it is one of "
                    f"{', '.join(kinds)}"
                )
            if not re.fullmatch(r"\w+", column):
                raise ProgrammeError(
                    f"source {self.name!r}: further identifier {column!r} must be letters, digits and '_' only; "
                    "rename the column"
                )
        shared = sorted(set(self.further or ()) & set((self.columns or {}).values()))
        if shared:
            raise ProgrammeError(f"source {self.name!r}: {shared} are in both columns and further; choose one")
        if isinstance(self.not_compared, str) or not set(self.not_compared) <= _DEMOGRAPHIC:
            raise ProgrammeError(
                f"source {self.name!r}: not_compared is {self.not_compared!r}; give a sequence of "
                f"{', '.join(name for name in IDENTIFIERS if name in _DEMOGRAPHIC)}"
            )
        object.__setattr__(self, "not_compared", tuple(self.not_compared))
        if len(self.separator) != 1 or not self.separator.isascii() or self.separator in '"\r\n\0':
            raise ProgrammeError(
                f"source {self.name!r}: separator must be one ASCII character, and no quotation mark or line end"
            )
        if not _is_text_encoding(self.encoding):
            raise ProgrammeError(
                f"source {self.name!r}: unknown encoding {self.encoding!r}; try 'utf-8' or 'windows-1252'"
            )

    def _check_columns(self) -> None:
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
            for own, setting in wanted.items():
                if own not in names:
                    headed = not looks_like_record(names)
                    raise SourceError(
                        f"source {self.name!r}, {place}: no column {own!r}, which {setting} names; "
                        + (f"its columns are {', '.join(names)}" if headed else NO_HEADER)
                    )
        if self.stage_one is not None and "nhs_number" not in self.identifier_columns:
            raise ProgrammeError(
                f"source {self.name!r}: it is said to hold stage-1 codes; map their column to nhs_number in columns"
            )
        if not self.identifier_columns and not self.further:
            raise SourceError(
                f"source {self.name!r}: no identifiers; give columns={{standard name: own column}}, or rename its "
                f"columns to {', '.join(IDENTIFIERS)}"
            )

    @cached_property
    def files(self) -> tuple[Path, ...]:
        """The files, in order of their names; empty where the data are in memory."""
        if not isinstance(self.data, str | Path):
            return ()
        pattern = str(self.data)
        # A file's own name may have the brackets of a glob.
        matching = [pattern] if Path(pattern).is_file() else sorted(glob.glob(pattern, recursive=True))
        found = tuple(map(Path, matching))
        if not found:
            raise SourceError(f"source {self.name!r}: no file matches {pattern!r}; check the path")
        for file in found:
            if not file.is_file():
                raise SourceError(f"source {self.name!r}: {file} is a folder; name its files, as in '{file}/*.parquet'")
            if _format_of(file) is None:
                raise SourceError(
                    f"source {self.name!r}: {file} is of no known format; use {', '.join(sorted(_FORMATS))}"
                )
        return found

    @cached_property
    def identifier_columns(self) -> dict[str, str]:
        """Standard identifier to the source's own column, as it will be read."""
        if self.columns is not None:
            return {standard: self.columns[standard] for standard in IDENTIFIERS if standard in self.columns}
        untaken = [standard for standard in IDENTIFIERS if standard not in (self.further or ())]
        return {standard: standard for standard in untaken if self._is_column(standard)}

    @cached_property
    def record_id_column(self) -> str | None:
        """The column that names a record; None where the row number does."""
        if self.record_id is None and self.columns is None:
            return "record_id" if self._is_column("record_id") else None
        return self.record_id

    def _is_column(self, standard: str) -> bool:
        """Say whether there is a column that has a standard name, and refuse one that only some files have."""
        lacking = [place for place, names in self._columns_by_place.items() if standard not in names]
        if lacking and len(lacking) < len(self._columns_by_place):
            named = ", ".join(lacking[:_MOST_NAMED]) + (" and others" if len(lacking) > _MOST_NAMED else "")
            raise SourceError(
                f"source {self.name!r}: no column {standard!r} in {named}, though its other files have it; make the "
                "files alike, or say with columns= which to use"
            )
        return not lacking

    @property
    def private_columns(self) -> frozenset[str]:
        """The source's own columns that no release may carry: identifiers, record ids, the practice."""
        private = {*self.identifier_columns.values(), *(self.further or ())}
        return frozenset(private | {column for column in (self.record_id_column, self.practice) if column})

    @property
    def column_names(self) -> tuple[str, ...]:
        """All columns of the source, mapped or not."""
        return next(iter(self._columns_by_place.values()))

    @cached_property
    def _columns_by_place(self) -> dict[str, tuple[str, ...]]:
        if self.files:
            return {str(file): self._columns_of(file) for file in self.files}
        with self.reading():
            return {"the frame given": tuple(self._scan_memory().collect_schema().names())}

    def _columns_of(self, file: Path) -> tuple[str, ...]:
        if _format_of(file) == "csv":
            return self._csv(file).header()
        # Raised after the library's error and not from it, so that its message, which may quote a value, is gone.
        with suppress(pl.exceptions.PolarsError, OSError):
            return tuple(_scan_binary(file).collect_schema().names())
        raise self._unreadable(file)

    def scan(self, columns: Sequence[str]) -> pl.LazyFrame:
        """Give the named columns of the source, lazily, in the order of its rows.

        Parameters
        ----------
        columns : sequence of str
            The source's own names. CSV columns come as text, so that a leading zero survives.

        Returns
        -------
        polars.LazyFrame
            To be collected inside :meth:`reading`, which turns what goes wrong into a clear error.

        Examples
        --------
        >>> import polars as pl
        >>> Source("gp", pl.DataFrame({"nhs_number": ["4010232137"], "cost": [1]})).scan(["cost"]).collect().rows()
        [(1,)]
        """
        if not self.files:
            return self._scan_memory().select(columns)
        # A number may be text in one practice's file and an integer in the next one's.
        return pl.concat([self._scan_file(file).select(columns) for file in self.files], how="vertical_relaxed")

    def _scan_memory(self) -> pl.LazyFrame:
        if isinstance(self.data, pl.DataFrame | pl.LazyFrame):
            return self.data.lazy()
        if hasattr(self.data, "read_next_batch"):
            raise ProgrammeError(
                f"source {self.name!r}: data is a {type(self.data).__name__}, which can be read only once; give its "
                "table, as in reader.read_all()"
            )
        if hasattr(self.data, "__arrow_c_stream__"):
            return pl.scan_arrow_c_stream(self.data)
        raise ProgrammeError(
            f"source {self.name!r}: data is a {type(self.data).__name__}; give a path, a Polars frame, or an object "
            "with the Arrow PyCapsule interface"
        )

    def _scan_file(self, file: Path) -> pl.LazyFrame:
        if _format_of(file) == "csv":
            return self._csv(file).scan(self._columns_by_place[str(file)])
        return _scan_binary(file)

    def _csv(self, file: Path) -> CsvFile:
        return CsvFile(self.name, file, self.encoding, self.separator)

    def _unreadable(self, file: Path) -> SourceError:
        return SourceError(f"source {self.name!r}: {file} cannot be read; is it whole, and what its ending says it is?")

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Turn whatever goes wrong while the source is read into a SourceError that quotes no value.

        Raises
        ------
        SourceError
            Naming the source, and the file where there is one.

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
        # Data in memory are read by whoever made them (pyarrow, pandas, DuckDB), with errors of their own.
        except (Exception, pl.exceptions.PanicException):
            error = self._what_is_wrong()
        try:
            raise error
        finally:
            # A with statement hands on what it caught, values and all, as the context of what is raised instead.
            error.__context__ = None

    def _what_is_wrong(self) -> LinkcoreError:
        """Look for it anew: the library's message may quote a value, so it is dropped."""
        try:
            for file in self.files:
                self._read_through(file)
        except LinkcoreError as error:
            return error
        if self.files:
            what = "its data cannot be read; check that all its files have the same columns of the same types"
        else:
            columns = self._unreadable_columns()
            what = (
                f"the {type(self.data).__name__} given cannot be read{f', for {columns} in it' if columns else ''}; "
                "check that every column holds values of one type and has a name of its own, and that nothing is still "
                "to be computed that can fail"
            )
        return SourceError(f"source {self.name!r}: {what}")

    def _unreadable_columns(self) -> list[str]:
        """Name the columns of a pandas DataFrame that Arrow cannot read, such as one of both text and numbers."""
        wrong = []
        if type(self.data).__module__.partition(".")[0] == "pandas":
            for column in dict.fromkeys(self.data.columns):
                try:
                    pl.scan_arrow_c_stream(self.data[[column]]).collect()
                except Exception:
                    wrong.append(str(column))
        return wrong

    def _read_through(self, file: Path) -> None:
        if _format_of(file) == "csv":
            # Bare: Polars would wrap the error that the reader raises.
            for _ in self._csv(file).batches(self._columns_by_place[str(file)]):
                pass
            return
        with suppress(pl.exceptions.PolarsError, OSError):
            for _ in _scan_binary(file).collect_batches():
                pass
            return
        raise self._unreadable(file)

    def place_of_row(self, row: int) -> str:
        """Say where a row lies, for an error: its file and its number there, counted from 1.

        Parameters
        ----------
        row : int
            Position in the source, from 0.

        Returns
        -------
        str
            Such as ``"gp/east.csv, row 17"``.

        Examples
        --------
        >>> import polars as pl
        >>> Source("gp", pl.DataFrame({"nhs_number": ["4010232137"]})).place_of_row(0)
        'row 1'
        """
        for file in self.files:
            with self.reading():
                height = self._scan_file(file).select(pl.len()).collect().item()
            if row < height:
                return f"{file}, row {row + 1}"
            row -= height
        return f"row {row + 1}"


def _is_text_encoding(name: str) -> bool:
    # Python's codecs that turn text into other text, or bytes into bytes (rot13, zip), refuse to encode a string.
    with suppress(LookupError, ValueError):
        return isinstance("".encode(name), bytes)
    return False


def _format_of(file: Path) -> str | None:
    return _FORMATS.get(file.suffix.lower())


def _scan_binary(file: Path) -> pl.LazyFrame:
    return pl.scan_parquet(file, glob=False) if _format_of(file) == "parquet" else pl.scan_ipc(file, glob=False)
