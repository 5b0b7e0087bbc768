"""linkcore's own engine: the database finds the levels of pairs, and their weights are summed in memory.

The weights are those of Splink's model. In every run of some size, Splink weighs some of the pairs as well
(:mod:`linkcore.linkage.fallback.check_weights`).
"""

import polars as pl

from linkcore.linkage.engine.database_engine import DatabaseEngine
from linkcore.linkage.engine.engine import Learned
from linkcore.linkage.model.by_source import shifted
from linkcore.linkage.model.weights import levels_of_pairs, match_weight

__all__ = ["NativeEngine"]


class NativeEngine(DatabaseEngine):
    """Weighs pairs by the levels that the database finds."""

    def _score(self, learned: Learned) -> pl.DataFrame:
        compared = learned.model.comparisons
        pairs = levels_of_pairs(self.people.connection, compared, people="people", pairs="pairs")
        weight = match_weight(pairs, compared, learned.frequencies)
        # A billionth of a bit is more than what the order of a sum can change.
        return pairs.select("a", "b", weight.round(9), "^gamma_.*$")

    def _score_by_source(self, learned: Learned) -> pl.DataFrame:
        pairs = self._score(learned)
        source = self.people.source_of_record[pairs["b"] - self.people.persons].alias("source")
        shift = shifted(pairs.select(source, "^gamma_.*$"), learned.shifts)
        return pairs.with_columns((pl.col("weight") + shift).round(9), of_all="weight")
