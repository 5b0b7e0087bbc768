"""The persons and records that an engine compares: as codes, and as a table of a private database if one is needed."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final, TypeVar

import polars as pl

from linkcore.errors import LinkcoreError
from linkcore.linkage.codes.coded import CodedPeople
from linkcore.linkage.comparisons.comparable import comparable
from linkcore.linkage.model.model import columns_of
from linkcore.linkage.settings import Fallback
from linkcore.private_database import make_table, private_connection
from linkcore.sampling import draw, hashes
from linkcore.schema import FURTHER

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["PeopleTable", "draw_rows", "fingerprints_of", "pair_hashes", "people_table", "with_people_table"]

# Columns of our own tables. A further identifier of such a name is further_x only.
_RESERVED: Final = frozenset({"unique_id", "key", "id", "label", "row", "source_dataset"})

_Result = TypeVar("_Result")


@dataclass(frozen=True, eq=False)
class PeopleTable:
    """Persons and records, each known by its row: first the persons, and then the records.

    Parameters
    ----------
    open_database : callable
        Opens a private database that is closed after the run.
    coded : CodedPeople
        Persons and records as codes, in order of their rows.
    columns, present : sequence of str
        All comparable columns, and those of them that have values.
    plain_names : mapping of str to str
        Further identifiers that a model knows by other names: by that name, the comparable column.
    persons, listed, records : int
        How many persons there are in the table; how many of them, from the first, are really listed; and how many
        records there are.
    source_of_record : polars.Series
        The source of each record.
    fingerprints : polars.Series
        UInt64 of each person and then of each record, by which :mod:`linkcore.sampling` draws.
    threads : int
        How many threads work for an engine.
    rows : polars.Series, optional
        UInt32: those rows that the database holds; all of them, if not given.
    """

    open_database: "Callable[[], DuckDBPyConnection]" = field(repr=False)
    coded: CodedPeople = field(repr=False)
    columns: Sequence[str]
    present: Sequence[str]
    plain_names: Mapping[str, str]
    persons: int
    listed: int
    records: int
    source_of_record: pl.Series = field(repr=False)
    fingerprints: pl.Series = field(repr=False)
    threads: int = 1
    rows: pl.Series | None = field(default=None, repr=False)

    @cached_property
    def connection(self) -> "DuckDBPyConnection":
        """A database with the table ``people``: the comparable columns, and the row as ``unique_id``.

        Nobody else uses it: Splink fails where a result of somebody else is half read.
        """
        frame, rows = self.coded.frame, self.rows
        ids = pl.int_range(frame.height, dtype=pl.UInt32, eager=True) if rows is None else rows
        people = comparable(frame if rows is None else frame[rows])
        plain = [pl.col(column).alias(name) for name, column in self.plain_names.items()]
        connection = self.open_database()
        make_table(connection, "people", people.with_columns(plain).insert_column(0, ids.alias("unique_id")))
        return connection

    def only(self, rows: pl.Series) -> "PeopleTable":
        """Return the same people with a database that holds some rows only."""
        return replace(self, rows=rows)

    def draw(self, into: str, ids: tuple[int, int], size: int, *, seed: int, purpose: str) -> None:
        """Copy the persons or records of the lowest hashes into the table ``into``; ``ids``: the first id and the end.

        Nothing is drawn by its position, so the order of rows does not matter.
        """
        first, end = ids
        drawn = draw(self.fingerprints[first:end], size, seed=seed, purpose=purpose) + first
        draw_rows(self.connection, into, table="people", ids=drawn)

    @property
    def sources(self) -> Sequence[int]:
        """The sources of the records, in order."""
        return sorted(self.source_of_record.unique()) or [0]

    @property
    def listed_people(self) -> str:
        """SQL of the persons who are really listed."""
        return f"(SELECT * FROM people WHERE unique_id < {self.listed})"


def draw_rows(connection: "DuckDBPyConnection", into: str, *, table: str, ids: pl.Series) -> None:
    """Copy the rows of these ids into the table ``into``."""
    make_table(connection, "drawn", ids.alias("unique_id").to_frame())
    query = f"SELECT * FROM {table} SEMI JOIN drawn USING (unique_id)"
    connection.execute(f"CREATE OR REPLACE TABLE {into} AS {query}")


def fingerprints_of(frame: pl.DataFrame) -> pl.Series:
    """Return the fingerprint of each row, or its position where the rows have none."""
    if "fingerprint" in frame.columns:
        return frame["fingerprint"]
    return pl.int_range(frame.height, dtype=pl.UInt64, eager=True)


def pair_hashes(people: PeopleTable, pairs: pl.DataFrame) -> pl.Series:
    """Hash each pair, whatever the order of rows; ``pairs``: ``record`` and ``person``, or ``a`` and ``b``, records."""
    first = people.persons
    of_record = hashes(people.fingerprints[first:], seed=0, purpose="pairs of a record")
    if "person" not in pairs.columns:
        return of_record[pairs["a"]] ^ of_record[pairs["b"]]
    of_person = hashes(people.fingerprints[:first], seed=0, purpose="pairs of a person")
    return of_person[pairs["person"]] ^ of_record[pairs["record"]]


def with_people_table(
    fallback: Fallback,
    persons: pl.DataFrame,
    records: pl.DataFrame,
    run: Callable[[PeopleTable], _Result],
    *,
    listed: int | None = None,
) -> _Result:
    """Return what ``run`` returns; its table and temporary files are gone afterwards, whatever happens.

    ``persons``, ``records``: PERSONS and RECORDS; the latter with ``source_index``, the source of each, if known. Both
    with ``fingerprint``, if something is drawn from them.
    ``listed``: how many of the persons, from the first, are really listed; all, if not given.
    """
    import duckdb

    try:
        with ExitStack() as stack:

            def open_database() -> "DuckDBPyConnection":
                return stack.enter_context(private_connection(fallback.memory, fallback.threads))

            return run(people_table(open_database, persons, records, fallback, listed=listed))
    except Exception as error:
        # Splink is loaded only where it is needed, so its errors are known by where they come from.
        if not isinstance(error, duckdb.Error) and not type(error).__module__.startswith("splink."):
            raise
        causes = (error, error.__cause__)
        short = any(isinstance(cause, duckdb.OutOfMemoryException | duckdb.IOException) for cause in causes)
        del causes
    # Outside the except clause, so that nothing of the other error, which may quote values, hangs on this one.
    if short:
        raise LinkcoreError(
            f"the probabilistic linkage needs more than {fallback.memory} of memory, or more room in the temporary "
            "directory; raise Fallback(memory=...), or set TMPDIR to where there is room"
        )
    raise LinkcoreError(
        "the probabilistic linkage failed in DuckDB or Splink; if a model was given, was it learned on such data?"
    )


def _plain_names(columns: Sequence[str], fallback: Fallback) -> dict[str, str]:
    """Give further identifiers their plain names as well, where a given model uses them."""
    used = set().union(*(columns_of(model) for model in fallback.models.values()))
    names = sorted(name for name in used - set(columns) if name.lower() not in _RESERVED)
    return {name: FURTHER + name for name in names if FURTHER + name in columns}


def people_table(
    open_database: "Callable[[], DuckDBPyConnection]",
    persons: pl.DataFrame,
    records: pl.DataFrame,
    fallback: Fallback,
    *,
    listed: int | None = None,
) -> PeopleTable:
    """Make the table of these persons and records; parameters as of :func:`with_people_table`."""
    coded = CodedPeople.of(persons, records)
    plain = _plain_names(coded.columns, fallback)
    columns = {name: name for name in coded.columns} | plain
    return PeopleTable(
        open_database,
        coded,
        columns=list(columns),
        present=[name for name, column in columns.items() if coded.has(column)],
        plain_names=plain,
        persons=persons.height,
        listed=persons.height if listed is None else listed,
        records=records.height,
        source_of_record=records["source_index"]
        if "source_index" in records.columns
        else pl.repeat(0, records.height, eager=True),
        fingerprints=pl.concat([fingerprints_of(persons), fingerprints_of(records)]),
        threads=fallback.threads or pl.thread_pool_size(),
    )
