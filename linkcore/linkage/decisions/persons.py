"""From the weights of candidates to the person of a record: at most one person a record.

Weights are in bits: log2 of a Bayes factor. The engine computes them; nothing here imports it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import polars as pl

from linkcore.linkage.decisions.bits import log2_added, log2_odds, log2_of_sums

__all__ = [
    "Assignment",
    "Evidence",
    "decide",
    "listed_chances",
    "probabilities",
    "sum_candidates",
    "weigh",
    "with_total",
]


@dataclass(frozen=True, eq=False)
class Evidence:
    """What the candidates say of each record, whatever π is and whatever is accepted.

    Parameters
    ----------
    candidates : polars.DataFrame
        The candidates that are possible, in order of ``record`` and ``person``, with the columns that :func:`weigh` was
        given, and ``position`` (UInt32), the row of the record in ``records``.
    records : polars.DataFrame
        ``record`` and ``source`` of every record that was looked for, with candidates or without.
    persons : int
        Number of persons listed.
    """

    candidates: pl.DataFrame = field(repr=False)
    records: pl.DataFrame = field(repr=False)
    persons: int

    @cached_property
    def sums(self) -> pl.DataFrame:
        """``records`` with ``seen`` and ``unlisted`` of :func:`sum_candidates`."""
        return sum_candidates(self.candidates, self.records.with_columns(pl.lit(self.persons).alias("others")))

    def totals(self, unseen: pl.Series | None = None) -> pl.DataFrame:
        """Return ``sums`` with ``total`` of :func:`with_total`."""
        return with_total(self.sums, unseen)


@dataclass(frozen=True, eq=False)
class Assignment:
    """The decision about every record that was compared with persons.

    Parameters
    ----------
    candidates : polars.DataFrame
        ``record``, ``person``, ``weight``, and ``probability`` (Float64): that this record is of this person.
    accepted : polars.DataFrame
        The candidates that become links: at most one a record.
    """

    candidates: pl.DataFrame = field(repr=False)
    accepted: pl.DataFrame = field(repr=False)


def weigh(
    candidates: pl.DataFrame,
    records: pl.DataFrame,
    *,
    persons: int,
    taken: pl.DataFrame | None = None,
    not_of: pl.DataFrame | None = None,
) -> Evidence:
    """Sort the candidates by record, and leave out those who cannot be the person of the record.

    ``candidates``: ``record`` and ``person`` (UInt32), ``weight`` (Float64, log2 of the Bayes factor), each pair once;
    ``relative`` (Float64, log2 of R) where it is known; other columns stay.
    ``records``: ``record`` (UInt32) and ``source`` (any integer) of every record that was looked for.
    ``taken``: ``source`` and ``person``: a person who already has a record in a source of one record a person.
    ``not_of``: ``record`` and ``person``: somebody has decided that the record is not of this person.
    """
    records = records.select("record", "source")
    if "relative" not in candidates.columns:
        candidates = candidates.with_columns(pl.lit(-math.inf).alias("relative"))
    if not_of is not None and not_of.height:
        candidates = candidates.join(not_of, on=["record", "person"], how="anti")
    candidates = candidates.sort("record", "person").join(
        records.with_row_index("position"), on="record", how="left", maintain_order="left"
    )
    if taken is not None:
        # Few sources have one record a person, and only their candidates have to be looked up.
        possibly_taken = candidates.with_row_index("row").filter(
            pl.col("source").is_in(taken["source"].unique().implode())
        )
        removed = possibly_taken.join(taken, on=["source", "person"], how="semi")["row"]
        candidates = candidates.filter(~pl.int_range(pl.len(), dtype=pl.UInt32).is_in(removed.implode()))
    return Evidence(candidates.drop("source"), records, persons)


def probabilities(evidence: Evidence, pi: Mapping[int, float], unseen: pl.Series | None = None) -> pl.Series:
    """Return the probability of each candidate.

    With N persons, π the chance that a record's person is among them, and BF_i the Bayes factor of its i-th candidate,
    the probability of that candidate is (π/N)·BF_i / ((1-π)·S + Σ_j (π/N)·BF_j). So candidates compete: two that are
    equally good get at most a half each. S is 1 for a stranger who is not among the persons. Where the candidates say
    how well an unlisted relative of theirs would explain the record, S is 1 + Σ_j R_j. The sum is over all persons. The
    persons who are no candidates have, on average, the Bayes factor that belongs to true pairs which are no candidates.
    Together they add π times the share of such pairs, ``unseen``.

    ``pi``: π by source.
    ``unseen``: of each record, the chance that its person, being listed, is not among its candidates.

    Examples
    --------
    >>> candidates = pl.DataFrame({"record": [0, 1, 1], "person": [7, 8, 9], "weight": [30.0, 28.0, 28.0]})
    >>> evidence = weigh(candidates, pl.DataFrame({"record": [0, 1], "source": [0, 0]}), persons=1000)
    >>> probabilities(evidence, {0: 0.5}).round(3).to_list()
    [1.0, 0.5, 0.5]
    """
    # The odds of all candidates together, in units of the record being of nobody listed: Σ_j odds_j.
    log_odds = _log_odds(pi)
    of_record = evidence.totals(unseen).select(
        "unlisted", log_odds.alias("log_odds"), (pl.col("total") + log_odds).alias("all")
    )
    odds = pl.col("weight") - math.log2(evidence.persons) - pl.col("unlisted") + pl.col("log_odds")
    return (
        evidence.candidates.select("weight")
        .hstack(of_record[evidence.candidates["position"]])
        .with_columns(odds.alias("odds"))
        .select(_probability().alias("probability"))
        .to_series()
    )


def listed_chances(evidence: Evidence, pi: Mapping[int, float], unseen: pl.Series | None = None) -> pl.Series:
    """Return, for each record, the chance that its person is listed, whoever that person is.

    Examples
    --------
    >>> candidates = pl.DataFrame({"record": [0], "person": [7], "weight": [30.0]})
    >>> evidence = weigh(candidates, pl.DataFrame({"record": [0, 1], "source": [0, 0]}), persons=1000)
    >>> listed_chances(evidence, {0: 0.5}).round(3).to_list()
    [1.0, 0.0]
    """
    against = 2.0 ** (-(pl.col("total") + _log_odds(pi))).clip(-1000, 1000)
    return evidence.totals(unseen).select((1 / (1 + against)).alias("listed")).to_series()


def decide(
    evidence: Evidence,
    pi: Mapping[int, float],
    *,
    accept: Mapping[int, float],
    exclusive: frozenset[int] = frozenset(),
    unseen: pl.Series | None = None,
    apart: pl.DataFrame | None = None,
) -> Assignment:
    """Decide which person each record is of, if any.

    A candidate is accepted from the probability ``accept`` of the record's source on, and only above a half. In a
    source of ``exclusive``, no two records are of one person. Neither are ``a`` and ``b`` of ``apart``: if both have
    the same best candidate, only the likelier is accepted.

    Examples
    --------
    >>> candidates = pl.DataFrame({"record": [0, 1, 1], "person": [7, 8, 9], "weight": [30.0, 28.0, 28.0]})
    >>> evidence = weigh(candidates, pl.DataFrame({"record": [0, 1, 2], "source": [0, 0, 0]}), persons=1000)
    >>> found = decide(evidence, {0: 0.5}, accept={0: 0.9})
    >>> found.accepted.select("record", "person").rows()  # record 1 is of one of two twins
    [(0, 7)]
    """
    probability = probabilities(evidence, pi, unseen)
    candidates = evidence.candidates.select("record", "person", "weight", probability)
    best = (
        candidates.with_columns(evidence.records["source"][evidence.candidates["position"]])
        .filter(pl.col("probability") > 0.5)
        .with_columns(pl.col("source").replace_strict(dict(accept), return_dtype=pl.Float64).alias("bar"))
        .filter(pl.col("probability") >= pl.col("bar"))
        .sort("record", "probability", "person", descending=[False, True, False])
        .unique("record", keep="first", maintain_order=True)
    )
    accepted = _undisputed(best, exclusive)
    if apart is not None and apart.height:
        accepted = _likelier(accepted, apart)
    return Assignment(candidates, accepted.select(candidates.columns))


def sum_candidates(candidates: pl.DataFrame, records: pl.DataFrame) -> pl.DataFrame:
    """Add to each record the sums over its candidates, in bits: ``seen`` and ``unlisted``.

    ``seen`` is the sum of BF/N, minus infinity without a candidate; N is ``others`` of the record. ``unlisted`` is 1
    plus the sum of R.
    """
    totals = log2_of_sums(candidates.select("record", sum="weight", relatives="relative"))
    relatives = pl.col("relatives").fill_null(-math.inf)
    return (
        records.join(totals, on="record", how="left", maintain_order="left")
        .with_columns((1 + 2.0 ** relatives.clip(None, 1000)).log(2).alias("unlisted"))
        .with_columns((pl.col("sum") - pl.col("others").log(2)).fill_null(-math.inf).alias("seen"))
        .drop("sum", "relatives")
    )


def with_total(sums: pl.DataFrame, unseen: pl.Series | None = None) -> pl.DataFrame:
    """Add ``total``: ``seen`` and the ``unseen`` persons, in units of the record being of somebody unlisted."""
    chance = pl.lit(0.0) if unseen is None else pl.lit(unseen)
    return sums.with_columns((log2_added("seen", chance.log(2)) - pl.col("unlisted")).alias("total"))


def _log_odds(pi: Mapping[int, float]) -> pl.Expr:
    by_source = {source: log2_odds(share) for source, share in pi.items()}
    return pl.col("source").replace_strict(by_source, return_dtype=pl.Float64)


def _probability() -> pl.Expr:
    """odds_i / (1 + Σ_j odds_j), from ``odds`` and ``all`` in bits, without overflow."""
    largest = pl.max_horizontal("all", pl.lit(0.0))
    ratio = 2.0 ** (pl.col("odds") - largest) / (2.0 ** (-largest) + 2.0 ** (pl.col("all") - largest))
    return ratio.clip(0.0, 1.0)


def _undisputed(best: pl.DataFrame, exclusive: frozenset[int]) -> pl.DataFrame:
    """Leave out records of an exclusive source that claim a person whom another record of it claims nearly as well."""
    claims = ["source", "person"]
    # Few records are of such a source: a window over all records would take most of the time of a decision.
    of_exclusive = best.filter(pl.col("source").is_in(list(exclusive)))
    rivals = of_exclusive.filter(pl.struct(claims).is_duplicated())
    parts = 2.0 ** (pl.col("weight") - pl.col("weight").max())
    lost = rivals.filter((parts / parts.sum()).over(claims) < pl.col("bar"))
    return best.join(lost, on="record", how="anti", maintain_order="left")


def _likelier(best: pl.DataFrame, apart: pl.DataFrame) -> pl.DataFrame:
    """Leave out records that claim a person whom a record of somebody else claims as well or better."""
    pairs = pl.concat([apart.select("a", "b"), apart.select(a="b", b="a")])
    claims = best.select("record", "person", "weight")
    rivals = pairs.join(claims, left_on="a", right_on="record").join(
        claims.rename({"weight": "rival"}), left_on=["b", "person"], right_on=["record", "person"]
    )
    lost = rivals.filter(pl.col("rival") >= pl.col("weight")).select(record="a")
    return best.join(lost, on="record", how="anti", maintain_order="left")
