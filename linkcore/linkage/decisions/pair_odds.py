"""From the weights of pairs of records to the odds that the two are of one person, whom nobody has listed."""

import math

import polars as pl

from linkcore.linkage.decisions.bits import log2_odds
from linkcore.linkage.decisions.listed_share import CONVERGED, ROUNDS, estimate_pi
from linkcore.linkage.decisions.persons import sum_candidates, with_total
from linkcore.linkage.model.significant_digits import significant

__all__ = ["pair_odds"]


def pair_odds(
    pairs: pl.DataFrame, records: pl.DataFrame, *, exclusive: frozenset[int] = frozenset()
) -> tuple[pl.DataFrame, float]:
    """Turn the weights of pairs of records into odds that the two are of one person.

    Two priors are weighed for each of the two records, and the record that gives the pair less decides.

    The first is that of :func:`linkcore.linkage.decisions.persons.probabilities`, with the other records in place of
    the persons: the better the other pairs of a record are, the less likely it is to belong to this one. The second is
    the share of all pairs that are of one person, since a record may belong with several others. The second does not
    hold for a source of ``exclusive``, in which no two records are of one person. Of two records there that are equally
    good, neither is better than even odds.

    ``pairs``: ``a`` and ``b`` (UInt32), ``weight`` (Float64, log2 of the Bayes factor), each pair once; and
    ``relative`` (Float64, log2 of R) where it is known.
    ``records``: ``record`` (UInt32) and ``source`` of every record that was looked for.
    Returns ``a``, ``b`` and ``odds`` (Float64, log2), in the order of ``pairs``; and the odds, in bits, of a pair of
    which nothing is known.

    Examples
    --------
    >>> pairs = pl.DataFrame({"a": [0, 1, 1], "b": [7, 8, 9], "weight": [30.0, 28.0, 28.0]})
    >>> records = pl.DataFrame({"record": range(10), "source": [0] * 5 + [1] * 5})
    >>> odds, _ = pair_odds(pairs, records, exclusive=frozenset({0, 1}))
    >>> (2 ** odds["odds"]).round(3).to_list()[1:]
    [1.0, 1.0]
    """
    sized = _with_others(records, exclusive)
    possible_pairs = int(sized["others"].sum()) // 2
    matching = _share_of_matches(pairs["weight"], max(possible_pairs, 1))
    sides = pl.concat(
        pairs.select(
            pl.col(one).alias("record"), pl.col(other).alias("other"), "weight", pl.lit(-math.inf).alias("relative")
        )
        for one, other in (("a", "b"), ("b", "a"))
    )
    totals = with_total(sum_candidates(sides, sized))
    pi = estimate_pi(totals)
    sides = sides.join(totals, on="record", how="left", maintain_order="left").join(
        records.select(other="record", target="source"), on="other", how="left", maintain_order="left"
    )
    share = pl.col("source").replace_strict(pi, return_dtype=pl.Float64)
    # The weights are those of one pair, so 2^1000 is far beyond them: no sum of them can overflow.
    factor = 2.0 ** pl.col("weight")
    single = pl.col("target").is_in(list(exclusive))
    rivals = pl.when(single).then(factor.sum().over("record", "target")).otherwise(factor.sum().over("record"))
    alone = share / pl.col("others") / ((1 - share) + share / pl.col("others") * (rivals - factor).clip(0, None))
    prior = sides.select(pl.when(single).then(alone).otherwise(pl.max_horizontal(alone, pl.lit(matching))).log(2))
    prior_of_a, prior_of_b = (prior.to_series()[start : start + pairs.height] for start in (0, pairs.height))
    # Two relatives may agree as much as two records of one person do.
    unlisted = (
        pl.lit(0.0) if "relative" not in pairs.columns else (1 + 2.0 ** pl.col("relative").clip(None, 1000)).log(2)
    )
    odds = pl.col("weight") + pl.min_horizontal(prior_of_a, prior_of_b) - unlisted
    return pairs.select("a", "b", odds.alias("odds")), log2_odds(matching)


def _with_others(records: pl.DataFrame, exclusive: frozenset[int]) -> pl.DataFrame:
    """Add ``others``: how many records a record may be of one person with, at least one."""
    same = pl.when(pl.col("source").is_in(list(exclusive))).then(pl.len().over("source")).otherwise(1)
    return records.with_columns((pl.len() - same).cast(pl.Int64).clip(1, None).alias("others"))


def _share_of_matches(weights: pl.Series, possible_pairs: int) -> float:
    """Estimate, by expectation maximisation, the share of all pairs, scored or not, that are of one person."""
    counted = weights.round(3).alias("weight").to_frame().group_by("weight").len().sort("weight")
    share = 0.5 / (possible_pairs + 1)
    for _ in range(ROUNDS):
        odds = 2.0 ** (pl.col("weight") + log2_odds(share)).clip(None, 1000)
        found = counted.select((odds / (1 + odds) * pl.col("len")).sum()).item()
        # Half a pair more might be of one person, or might not.
        before, share = share, min(found + 0.5, possible_pairs + 0.5) / (possible_pairs + 1)
        if abs(share - before) < CONVERGED * share:
            break
    return significant(share)
