"""Splink itself: what it says pairs weigh, its charts, and a linker of its own for an analyst.

No other module imports Splink, and this one only when it is needed.
"""

import logging
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from weakref import finalize

import polars as pl

from linkcore.errors import LinkcoreError
from linkcore.linkage.engine.database_engine import DatabaseEngine
from linkcore.linkage.engine.engine import Learned
from linkcore.linkage.engine.frequencies import make_frequency_tables
from linkcore.linkage.engine.tables import PeopleTable
from linkcore.linkage.model.by_source import shifted
from linkcore.linkage.model.model import Model, compared_columns
from linkcore.linkage.model.splink_json import settings_of_one_table
from linkcore.private_database import make_table

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from splink import Linker

__all__ = ["DECISION", "SplinkEngine", "SplinkLinker", "make_linker", "weigh_fields"]

DECISION: Final = "Other candidates"
"""Name of the bar that leads from Splink's weight of a pair to the probability of the decision."""

SplinkLinker: TypeAlias = "Linker"
"""A linker of Splink."""

# Splink makes a table of every weight of every pair, so it is given this many pairs at a time.
_PAIRS_AT_A_TIME: Final = 1_000_000


class SplinkEngine(DatabaseEngine):
    """Lets Splink weigh the pairs that the blocking rules propose."""

    def _score(self, learned: Learned, pairs: pl.DataFrame) -> pl.DataFrame:
        self._make_pairs(pairs)
        return self._predict(learned, learned.model, "pairs")

    def _make_pairs(self, pairs: pl.DataFrame) -> None:
        make_table(self.people.connection, "pairs", pairs.select(join_key_l="a", join_key_r="b"))

    def _score_by_source(self, learned: Learned, pairs: pl.DataFrame) -> pl.DataFrame:
        self._make_pairs(pairs)
        connection, first = self.people.connection, self.people.persons
        make_table(connection, "source_of_record", _numbered(self.people.source_of_record, first))
        scored = []
        for source in self.people.sources:
            connection.execute(
                "CREATE OR REPLACE TABLE pairs_of_source AS SELECT pairs.* FROM pairs "
                f"JOIN source_of_record ON join_key_r = unique_id WHERE source = {source}"
            )
            model = learned.source_models.get(source, learned.model)
            scored.append(self._predict(learned, model, "pairs_of_source").with_columns(source=pl.lit(source)))
        weighed = pl.concat(scored)
        of_all = (weighed["weight"] - shifted(weighed, learned.shifts)).round(9).alias("of_all")
        return weighed.with_columns(of_all).drop("source")

    def _scored_again(self, learned: Learned, pairs: pl.DataFrame) -> pl.DataFrame:
        return self.score_records(learned, pairs.select("a", "b")).drop("relative")

    def _predict(self, learned: Learned, model: Model, pairs: str) -> pl.DataFrame:
        """Let Splink weigh the pairs of a table by a model."""
        connection = self.people.connection
        ((size,),) = connection.sql(f"SELECT count(*) FROM {pairs}").fetchall()
        scored: dict[str, pl.DataType] = {"a": pl.UInt32(), "b": pl.UInt32(), "weight": pl.Float64()}
        scored |= {comparison.gamma: pl.Int8() for comparison in model.comparisons}
        found = [pl.DataFrame(schema=scored)]
        for start in range(0, size, _PAIRS_AT_A_TIME):
            connection.execute(
                "CREATE OR REPLACE TABLE pairs_for_splink AS SELECT join_key_l, join_key_r, '0' AS match_key "
                f"FROM {pairs} WHERE rowid >= {start} AND rowid < {start + _PAIRS_AT_A_TIME}"
            )
            self._make_tables_for_splink(learned, model)
            settings = settings_of_one_table(model)
            with _linker(connection, "people_for_splink", settings, _frequency_tables(model)) as linker:
                predicted = _predict(linker, connection, "pairs_for_splink")
            weight = (pl.col("match_weight") - model.prior_weight).round(9).alias("weight")
            keys = pl.col("unique_id_l").alias("a"), pl.col("unique_id_r").alias("b")
            found.append(predicted.with_columns(*keys, weight).select(pl.col(x).cast(t) for x, t in scored.items()))
        return pl.concat(found)

    def _make_tables_for_splink(self, learned: Learned, model: Model) -> None:
        """Make tables of just those people who are in the pairs, and of how common their values are."""
        connection = self.people.connection
        columns = ", ".join(f'"{column}"' for column in sorted(compared_columns(model.comparisons)))
        connection.execute(
            f"CREATE OR REPLACE TABLE people_for_splink AS SELECT unique_id, {columns} FROM people SEMI JOIN ("
            "SELECT join_key_l AS unique_id FROM pairs_for_splink UNION SELECT join_key_r FROM pairs_for_splink) "
            "USING (unique_id)"
        )
        for column, table in _frequency_tables(model).items():
            values = connection.sql(f'SELECT unique_id, "{column}" FROM people_for_splink WHERE "{column}" IS NOT NULL')
            known = values.pl()
            frequency = learned.frequencies[column].gather(known["unique_id"]).alias(f"tf_{column}")
            make_table(connection, f'"{table}"', known.select(column).with_columns(frequency).unique(column))


def _numbered(of_record: pl.Series, first: int) -> pl.DataFrame:
    ids = pl.int_range(first, first + of_record.len(), eager=True)
    return pl.DataFrame({"unique_id": ids, "source": of_record})


def _frequency_tables(model: Model) -> dict[str, str]:
    return {column: f"frequency_for_splink_{column}" for column in model.average_frequencies}


def weigh_fields(people: PeopleTable, model: Model, pairs: pl.DataFrame) -> tuple[pl.DataFrame, str]:
    """Return what each comparison adds to the weight of these pairs, and a page that draws it.

    ``pairs``: ``record`` and ``person`` (UInt32), and ``probability`` (Float64), of the decision. The page ends with
    what leads from Splink's weight, which looks at one pair alone, to that.
    Returns a row a pair, in the order given, as Splink gives it: ``match_weight``, and of each comparison ``gamma_*``,
    ``mw_*`` and, where values count by how common they are, ``mw_tf_adj_*``; then the person's values (``*_l``) and the
    record's (``*_r``).
    """
    connection = people.connection
    ids = pl.col("person").alias("join_key_l"), (pl.col("record") + people.persons).alias("join_key_r")
    asked = pairs.select(*ids, "probability", match_key=pl.lit("0"))
    make_table(connection, "pairs", asked.drop("probability"))
    settings = settings_of_one_table(model)
    with _linker(connection, "people", settings, make_frequency_tables(people, model)) as linker:
        found = _predict(linker, connection, "pairs")
        keys = {"unique_id_l": "join_key_l", "unique_id_r": "join_key_r"}
        scored = asked.join(found.rename(keys), on=list(keys.values()), how="left", maintain_order="left")
        chart = linker.visualisations.waterfall_chart(scored.drop("probability").to_dicts())
        chart.raw_records = [*_with_decision(chart.raw_records, pairs["probability"].to_list())]
        page = chart.to_html(inline=True)
    # The one thing in the page that is random.
    return scored.drop(*keys.values(), "probability"), re.sub(r"splink-chart-[0-9a-f]{32}", "splink-chart", page)


def _with_decision(bars: Sequence[Mapping[str, Any]], probabilities: Sequence[float]) -> Iterator[dict[str, Any]]:
    """Put a bar before the final score of each pair: what the other candidates and the share of listed persons add."""
    for bar in bars:
        probability = probabilities[bar["record_number"]]
        if bar["column_name"] != "Final score" or not 0 < probability < 1:
            yield dict(bar)
            continue
        decided = math.log2(probability / (1 - probability))
        added = decided - bar["log2_bayes_factor"]
        yield dict(bar) | {
            "column_name": DECISION,
            "label_for_charts": "How likely it is that the person is listed, and what speaks for other candidates",
            "log2_bayes_factor": added,
            "bayes_factor": 2**added,
        }
        after = bar["bar_sort_order"] + 1
        yield dict(bar) | {"log2_bayes_factor": decided, "bayes_factor": 2**decided, "bar_sort_order": after}


def make_linker(
    connection: "DuckDBPyConnection",
    tables: Sequence[str],
    settings: Mapping[str, Any],
    frequencies: Mapping[str, str],
    at_end: Callable[[], None] | None = None,
) -> SplinkLinker:
    """Make a linker of tables in a database; ``frequencies``: by column, the table of how common its values are.

    ``at_end`` is called when neither the linker nor a result of it is there any more, or Python ends.
    """
    from splink import DuckDBAPI, Linker

    api = DuckDBAPI(connection)
    if at_end is not None:
        finalize(api, at_end)
    inputs = [api.table_to_splink_dataframe(name, name) for name in tables]
    linker = Linker(inputs, dict(settings), log_level=None, validate_settings=False)
    for column, name in frequencies.items():
        lookup = api.table_to_splink_dataframe(name, name)
        linker.table_management.register_term_frequency_lookup(lookup, column)
    return linker


@contextmanager
def _linker(
    connection: "DuckDBPyConnection", people: str, settings: Mapping[str, Any], frequencies: Mapping[str, str]
) -> Iterator[SplinkLinker]:
    """Make a linker of one table that says nothing; its errors say nothing of the data either."""
    failed = False
    with _silence():
        try:
            yield make_linker(connection, [people], settings, frequencies)
        except (ValueError, KeyError, TypeError, AttributeError):
            failed = True
    if failed:
        raise LinkcoreError(
            "Splink cannot weigh pairs by this model, though DuckDB can compute its comparisons; write its SQL as "
            "Splink's documentation does"
        )


def _predict(linker: SplinkLinker, connection: "DuckDBPyConnection", pairs: str) -> pl.DataFrame:
    """Let Splink weigh the pairs of a table, and leave no table behind."""
    from splink import DuckDBAPI

    registered = DuckDBAPI(connection).table_to_splink_dataframe(pairs, pairs)
    linker.table_management.register_blocked_pairs_for_predict(registered)
    predicted = linker.inference.predict(warning_mode="never")
    found: pl.DataFrame = predicted.as_duckdbpyrelation().pl()
    predicted.drop_table_from_database_and_remove_from_cache()
    return found


@contextmanager
def _silence() -> Iterator[None]:
    """Keep Splink's messages, which may hold SQL and values, from every log while it runs."""
    logger = logging.getLogger("splink")
    before = logger.handlers, logger.propagate
    logger.handlers, logger.propagate = [logging.NullHandler()], False
    try:
        yield
    finally:
        logger.handlers, logger.propagate = before
