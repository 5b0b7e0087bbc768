"""Splink itself: what each comparison adds to the weight of a pair, and a waterfall chart of that.

No other module imports Splink, and this one only when something is to be explained.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import polars as pl

from linkcore.linkage.engine.frequencies import make_frequency_tables
from linkcore.linkage.engine.tables import PeopleTable
from linkcore.linkage.model.model import Model
from linkcore.linkage.model.splink_json import settings_of_one_table
from linkcore.private_database import make_table

__all__ = ["weigh_fields"]


def weigh_fields(people: PeopleTable, model: Model, pairs: pl.DataFrame) -> tuple[pl.DataFrame, str]:
    """Return what each comparison adds to the weight of these pairs, and a page that draws it.

    ``pairs``: ``record`` and ``person`` (UInt32).
    Returns a row a pair, in the order given, as Splink gives it: ``match_weight``, and of each comparison ``gamma_*``,
    ``mw_*`` and, where values count by how common they are, ``mw_tf_adj_*``; then the person's values (``*_l``) and the
    record's (``*_r``).
    """
    from splink import DuckDBAPI, Linker

    with _silence():
        api = DuckDBAPI(people.connection)

        def table(name: str) -> Any:
            return api.table_to_splink_dataframe(name, name)

        linker = Linker(table("people"), settings_of_one_table(model), log_level=None, validate_settings=False)
        for column, name in make_frequency_tables(people, model).items():
            linker.table_management.register_term_frequency_lookup(table(name), column)
        asked = pairs.select(join_key_l="person", join_key_r=pl.col("record") + people.persons, match_key=pl.lit("0"))
        make_table(people.connection, "pairs", asked)
        linker.table_management.register_blocked_pairs_for_predict(table("pairs"))
        found = linker.inference.predict(warning_mode="never").as_duckdbpyrelation().pl()
        keys = {"unique_id_l": "join_key_l", "unique_id_r": "join_key_r"}
        scored = asked.join(found.rename(keys), on=list(keys.values()), how="left", maintain_order="left")
        page = linker.visualisations.waterfall_chart(scored.to_dicts()).to_html(inline=True)
    # The one thing in the page that is random.
    return scored.drop(keys.values()), re.sub(r"splink-chart-[0-9a-f]{32}", "splink-chart", page)


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
