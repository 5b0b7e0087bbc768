"""A real Splink linker on the data and the model of a run, for an analyst who wants Splink's own tools."""

from contextlib import ExitStack
from typing import TYPE_CHECKING, Final, Protocol

import polars as pl

from linkcore.errors import ProgrammeError, RefusedError
from linkcore.linkage.engine.frequencies import make_frequency_tables
from linkcore.linkage.engine.splink import SplinkLinker, make_linker
from linkcore.linkage.engine.tables import people_table
from linkcore.linkage.exact.alternatives import with_alternatives
from linkcore.linkage.fallback.result import Probabilistic
from linkcore.linkage.model.splink_json import settings_for_analysis
from linkcore.linkage.result import LinkageResult
from linkcore.linkage.settings import Fallback
from linkcore.private_database import private_connection

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["Recorder", "splink_linker"]

# Splink takes the tables in the order of their names: persons are the left side of its blocking rules, as in the run.
_PERSONS: Final = "persons"
_RECORDS: Final = "records"


class Recorder(Protocol):
    """What records an action in an audit log: an ``Occasion``."""

    def record(self, action: str, **details: int | str) -> None:
        """Add a line to the audit log."""


def splink_linker(
    linkage: LinkageResult,
    *,
    source: str | None = None,
    tested: bool = False,
    identifiable: bool = False,
    occasion: Recorder | None = None,
) -> SplinkLinker:
    """Make the linker; see :meth:`linkcore.link.Linkage.splink_linker`."""
    if not identifiable:
        raise RefusedError(
            "a Splink linker holds names, birth dates and addresses, and its charts show them; if you may see them, "
            "ask with identifiable=True"
        )
    probabilistic = linkage.probabilistic
    if probabilistic is None or probabilistic.model is None:
        raise ProgrammeError("there is nothing for Splink: no record was left for the probabilistic linkage")
    model = probabilistic.model if source is None else probabilistic.source_models.get(source, probabilistic.model)
    records = _records(probabilistic, source, tested=tested)
    persons = with_alternatives(linkage.persons[: probabilistic.listed], probabilistic.alternatives)
    if occasion is not None:
        occasion.record("splink_linker", records=records.height, persons=persons.height)
    settings = linkage.fallback or Fallback()
    stack = ExitStack()
    try:
        connection = stack.enter_context(private_connection(settings.memory, settings.threads))
        people = people_table(lambda: connection, persons, records, settings)
        frequencies = make_frequency_tables(people, model)
        tables = _make_tables(connection, persons, records)
        of_model = settings_for_analysis(model, tables=len(tables))
        return make_linker(connection, tables, of_model, frequencies, at_end=stack.close)
    except BaseException:
        stack.close()
        raise


def _records(probabilistic: Probabilistic, source: str | None, *, tested: bool) -> pl.DataFrame:
    """Return the records that are compared with persons, with the person of those who were tested."""
    records = (
        probabilistic.tested if tested else probabilistic.records.with_columns(true_person=pl.lit(None, pl.UInt32))
    )
    found = records if source is None else records.filter(pl.col("source") == source)
    if found.is_empty():
        kind = "tested with its number hidden" if tested else "compared"
        raise ProgrammeError(f"no record{'' if source is None else f' of source {source!r}'} was {kind}")
    return found


def _make_tables(connection: "DuckDBPyConnection", persons: pl.DataFrame, records: pl.DataFrame) -> list[str]:
    """Make a table of persons and one of records, each with ids that an analyst can look up, and ``label``."""
    ids = pl.concat(
        [
            persons.select(pl.col("person_id").cast(pl.String).alias("id"), pl.col("person_id").alias("label")),
            records.select(pl.concat_str("source", "record_id", separator=" ").alias("id"), label="true_person"),
        ]
    ).with_row_index("row")
    connection.register("incoming", ids.with_columns(pl.col("label").cast(pl.String)))
    made = []
    for name, side in ((_PERSONS, "<"), (_RECORDS, ">=")):
        if name == _PERSONS and persons.is_empty():
            continue
        columns = f"'{name}' AS source_dataset, id AS unique_id, label, people.* EXCLUDE (unique_id)"
        rows = "people JOIN incoming ON people.unique_id = incoming.row"
        which = f"people.unique_id {side} {persons.height}"
        # These names are ours, and no values.
        connection.execute(f"CREATE TABLE {name} AS SELECT {columns} FROM {rows} WHERE {which}")  # noqa: S608
        made.append(name)
    connection.unregister("incoming")
    connection.execute("DROP TABLE people")
    return made
