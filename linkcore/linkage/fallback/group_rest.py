"""Third round: compare the open records whose person was not found with each other, and group them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from linkcore.linkage.decisions.contradictions import against_by_comparison, bound_by_third_records
from linkcore.linkage.decisions.groups import components, group
from linkcore.linkage.decisions.pair_odds import pair_odds
from linkcore.linkage.engine.engine import Engine, Learned, Scored
from linkcore.linkage.fallback.check_weights import PAIRS_CHECKED
from linkcore.linkage.fallback.inputs import FallbackInputs

__all__ = ["Groups", "group_rest"]

# Groups of records without a person are not tested, so the bar for them is high where the model is learned from labels.
_ACCEPT: Final = 0.9
_ACCEPT_WITHOUT_LABELS: Final = 0.5

# In a larger cluster, pairs that no blocking rule proposed are not scored, and count as pairs without evidence.
_LARGEST_COMPLETED: Final = 100


# In bits. Groups are joined by the mean of all their pairs: no thousands of pairs of a hundred bits make up for this.
_RULED_OUT: Final = -(2.0**32)


@dataclass(frozen=True, eq=False, repr=False)
class Groups:
    """Groups of open records, each of which is one new person.

    Parameters
    ----------
    members : polars.DataFrame
        ``record`` and ``group`` (UInt32), of groups of two and more.
    counts : mapping of str to int
        ``pairs_among_records``; empty where there was nothing to compare.
    left_out : mapping of str to int
        By blocking rule, how many times a record was in a block too large to be compared.
    sampled : polars.DataFrame
        Some of all scored pairs, by which Splink checks the weights.
    """

    members: pl.DataFrame
    counts: dict[str, int] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)
    sampled: pl.DataFrame = field(default_factory=pl.DataFrame)


def group_rest(
    engine: Engine, learned: Learned, inputs: FallbackInputs, linked: pl.Series, scored_before: Scored | None = None
) -> Groups:
    """Group the compared records that are not among ``linked`` by who belongs together.

    ``scored_before``: all pairs among the records, if they were scored to learn from them: nobody is linked then.
    """
    rest = inputs.records.filter(~pl.col("record").is_in(linked.implode()))
    if rest.height < 2:
        return Groups(pl.DataFrame(schema={"record": pl.UInt32, "group": pl.UInt32}))
    if scored_before is None:
        scored = engine.score_among_records(learned, rest["record"], inputs.exclusive_ranges, sample=PAIRS_CHECKED)
    else:
        scored = engine.score_again(learned, scored_before, sample=PAIRS_CHECKED)
    connected = _connected_pairs(scored.pairs, rest, inputs.exclusive)
    pairs = pl.concat([scored.pairs, engine.score_records(learned, connected)]).sort("a", "b")
    odds, unknown = pair_odds(pairs, rest, exclusive=inputs.exclusive)
    odds = bound_by_third_records(odds, against_by_comparison(pairs, learned.model))
    odds = _heeding(odds, inputs.apart)
    without_labels = learned.learned_from == "expectation maximisation"
    accept = inputs.settings.accept or (_ACCEPT_WITHOUT_LABELS if without_labels else _ACCEPT)
    kept_apart = rest.filter(pl.col("source").is_in(list(inputs.exclusive)))
    members = group(odds, accept=accept, unknown=unknown, exclusive=kept_apart)
    return Groups(members, {"pairs_among_records": scored.compared + connected.height}, scored.left_out, scored.sampled)


def _heeding(odds: pl.DataFrame, apart: pl.DataFrame) -> pl.DataFrame:
    """Rule out the pairs that are decided to be of two persons: no evidence in a group outweighs them."""
    if apart.is_empty():
        return odds
    decided = apart.select("a", "b", odds=pl.lit(_RULED_OUT))
    return pl.concat([odds.select(decided.columns).join(apart, on=["a", "b"], how="anti"), decided]).sort("a", "b")


def _connected_pairs(pairs: pl.DataFrame, rest: pl.DataFrame, exclusive: frozenset[int]) -> pl.DataFrame:
    """Return ``a`` and ``b``: pairs that no blocking rule proposed, but that links connect through other records."""
    odds, _ = pair_odds(pairs, rest, exclusive=exclusive)
    connected = components(odds.filter(pl.col("odds") >= 0)).join(rest, on="record")
    small = connected.filter(pl.len().over("component") <= _LARGEST_COMPLETED)
    apart = pl.col("source").is_in(list(exclusive)) & (pl.col("source") == pl.col("source_right"))
    within = (
        small.join(small, on="component")
        .filter((pl.col("record") < pl.col("record_right")) & ~apart)
        .select(pl.col("record").alias("a"), pl.col("record_right").alias("b"))
    )
    return within.join(pairs, on=["a", "b"], how="anti")
