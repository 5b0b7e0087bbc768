"""From scored pairs to decisions: which person a record is of, and which records without a person hold together.

Weights are in bits: log2 of a Bayes factor, or of odds. They come from Splink; nothing here imports it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import polars as pl

from linkcore.linkage.model.significant_digits import significant

__all__ = [
    "Assignment",
    "Evidence",
    "assign",
    "components",
    "decide",
    "group",
    "pair_odds",
    "probabilities",
    "weigh",
]

_ROUNDS: Final = 1000
_CONVERGED: Final = 1e-7  # a tenth of the sixth significant digit, to which what is learned is rounded

# Sums of weights must not depend on their order, so they are taken over whole numbers of this many parts of a bit.
_PARTS_OF_A_BIT: Final = 1 << 20


@dataclass(frozen=True, eq=False)
class Assignment:
    """What became of the records that were compared with persons.

    Parameters
    ----------
    candidates : polars.DataFrame
        ``record``, ``person``, ``weight`` as given, and ``probability``: that this record is of this person.
    accepted : polars.DataFrame
        The rows of ``candidates`` that are links: at most one a record.
    pi : mapping of int to float
        By source: the chance that the person of one of its records is among the persons.
    listed : polars.DataFrame
        ``record`` and ``listed`` (Float64), for all of them: the chance, after what was found, that its person is among
        the persons, whoever of them it be.
    """

    candidates: pl.DataFrame = field(repr=False)
    accepted: pl.DataFrame = field(repr=False)
    pi: Mapping[int, float]
    listed: pl.DataFrame = field(default_factory=pl.DataFrame, repr=False)


def assign(
    candidates: pl.DataFrame,
    records: pl.DataFrame,
    *,
    persons: int,
    accept: float | Mapping[int, float],
    exclusive: frozenset[int] = frozenset(),
    taken: pl.DataFrame | None = None,
    pi: Mapping[int, float] | None = None,
) -> Assignment:
    """Decide which person each record is of, if any.

    With N persons, π the chance that a record's person is among them, and BF_i the Bayes factor of its i-th candidate,
    the probability of that candidate is (π/N)·BF_i / ((1-π)·S + Σ_j (π/N)·BF_j). So candidates compete: two that are
    equally good get at most a half each. S is 1 for a stranger who is not among the persons; where the candidates say
    how well an unlisted relative of theirs would explain the record, it is 1 + Σ_j R_j. The sum is over all persons:
    those who are no candidates have on average the Bayes factor that true pairs are no candidates with, so together
    they add π times that share. π is estimated for each source by expectation maximisation on these records
    themselves, and leans by one record's worth on that of all sources, so that a source of few records has one too.

    ``candidates``: ``record`` (UInt32), ``person`` (UInt32), ``weight`` (Float64, log2 of the Bayes factor), each pair
    once; and ``relative`` (Float64, log2 of R), if known.
    ``records``: ``record`` (UInt32), ``source`` (any integer) of every record that was looked for, with candidates or
    without; and ``unseen`` (Float64), if known: the chance that its person, being listed, is not among its candidates.
    ``taken``: ``source``, ``person``: persons who have a record of an exclusive source already, and so are no
    candidates.

    Examples
    --------
    >>> candidates = pl.DataFrame({"record": [0, 1, 1], "person": [7, 8, 9], "weight": [30.0, 28.0, 28.0]})
    >>> records = pl.DataFrame({"record": [0, 1, 2], "source": [0, 0, 0]})
    >>> found = assign(candidates, records, persons=1000, accept=0.9)
    >>> found.accepted.select("record", "person").rows()  # record 1 is of one of two twins
    [(0, 7)]
    """
    unseen = records["unseen"] if "unseen" in records.columns else None
    evidence = weigh(candidates, records, persons=persons, taken=taken)
    return decide(evidence, accept=accept, exclusive=exclusive, pi=pi, unseen=unseen)


@dataclass(frozen=True, eq=False)
class Evidence:
    """What candidates say, whatever π is and whatever is accepted: the part of an assignment that can be used again.

    Parameters
    ----------
    candidates : polars.DataFrame
        As given, without who is taken, in order of record and person; and ``at`` (UInt32), the position of its record.
    records : polars.DataFrame
        ``record``, ``source``.
    persons : int
        How many there are.
    """

    candidates: pl.DataFrame = field(repr=False)
    records: pl.DataFrame = field(repr=False)
    persons: int

    @cached_property
    def sums(self) -> pl.DataFrame:
        """The records, with ``seen`` and ``unlisted``: the sums over their candidates."""
        return _sums(self.candidates, self.records.with_columns(pl.lit(self.persons).alias("others")))


def weigh(
    candidates: pl.DataFrame, records: pl.DataFrame, *, persons: int, taken: pl.DataFrame | None = None
) -> Evidence:
    """Take together what candidates say of each record.

    Returns Other columns of ``candidates`` stay.
    """
    records = records.select("record", "source")
    if "relative" not in candidates.columns:
        candidates = candidates.with_columns(pl.lit(-math.inf).alias("relative"))
    candidates = candidates.sort("record", "person").join(
        records.with_row_index("at"), on="record", how="left", maintain_order="left"
    )
    if taken is not None:
        # Of hardly any source somebody can be taken, and of one that is on the list everybody is.
        may_be = candidates.with_row_index("row").filter(pl.col("source").is_in(taken["source"].unique().implode()))
        gone = may_be.join(taken, on=["source", "person"], how="semi")["row"]
        candidates = candidates.filter(~pl.int_range(pl.len(), dtype=pl.UInt32).is_in(gone.implode()))
    return Evidence(candidates.drop("source"), records, persons)


def probabilities(evidence: Evidence, pi: Mapping[int, float], unseen: pl.Series | None = None) -> pl.Series:
    """Give the probability of each candidate, by the formula of :func:`assign`.

    Examples
    --------
    >>> candidates = pl.DataFrame({"record": [0, 1, 1], "person": [7, 8, 9], "weight": [30.0, 28.0, 28.0]})
    >>> evidence = weigh(candidates, pl.DataFrame({"record": [0, 1], "source": [0, 0]}), persons=1000)
    >>> probabilities(evidence, {0: 0.5}).round(3).to_list()
    [1.0, 0.5, 0.5]
    """
    # Of all that a record may be of, in units of its being of nobody here: Σ_j odds_j.
    log_odds = _log_odds(pi)
    of_record = _with_total(evidence.sums, unseen).select(
        "unlisted", log_odds.alias("log_odds"), (pl.col("total") + log_odds).alias("all")
    )
    odds = pl.col("weight") - math.log2(evidence.persons) - pl.col("unlisted") + pl.col("log_odds")
    return (
        evidence.candidates.select("weight")
        .hstack(of_record[evidence.candidates["at"]])
        .with_columns(odds.alias("odds"))
        .select(_probability().alias("probability"))
        .to_series()
    )


def decide(
    evidence: Evidence,
    *,
    accept: float | Mapping[int, float],
    exclusive: frozenset[int] = frozenset(),
    pi: Mapping[int, float] | None = None,
    unseen: pl.Series | None = None,
) -> Assignment:
    """Assign as :func:`assign` does."""
    records = _with_total(evidence.sums, unseen)
    pi = _estimate_pi(records) if pi is None else pi
    probability = probabilities(evidence, pi, unseen)
    candidates = evidence.candidates.select("record", "person", "weight", probability)
    bars = dict.fromkeys(pi, accept) if isinstance(accept, float | int) else dict(accept)
    best = (
        candidates.with_columns(records["source"][evidence.candidates["at"]])
        .filter(pl.col("probability") > 0.5)
        .with_columns(pl.col("source").replace_strict(bars, return_dtype=pl.Float64).alias("bar"))
        .filter(pl.col("probability") >= pl.col("bar"))
        .sort("record", "probability", "person", descending=[False, True, False])
        .unique("record", keep="first", maintain_order=True)
    )
    return Assignment(
        candidates=candidates,
        accepted=_undisputed(best, exclusive).select(candidates.columns),
        pi={int(source): share for source, share in pi.items()},
        listed=records.select(
            "record", (1 / (1 + 2.0 ** (-(pl.col("total") + _log_odds(pi))).clip(-1000, 1000))).alias("listed")
        ),
    )


def _log_odds(pi: Mapping[int, float]) -> pl.Expr:
    of_source = {source: _log2_odds(share) for source, share in pi.items()}
    return pl.col("source").replace_strict(of_source, return_dtype=pl.Float64)


def _sums(candidates: pl.DataFrame, records: pl.DataFrame) -> pl.DataFrame:
    """For each record: ``seen``, log2 of the sum over its candidates of BF/N; minus infinity where it has none.

    And ``unlisted``: log2 of 1 + the sum of R, in units of its being of a stranger. N is ``others``.
    """
    totals = _log2_of_sums(candidates.select("record", sum="weight", relatives="relative"))
    relatives = pl.col("relatives").fill_null(-math.inf)
    return (
        records.join(totals, on="record", how="left", maintain_order="left")
        .with_columns((1 + 2.0 ** relatives.clip(None, 1000)).log(2).alias("unlisted"))
        .with_columns((pl.col("sum") - pl.col("others").log(2)).fill_null(-math.inf).alias("seen"))
        .drop("sum", "relatives")
    )


def _with_total(sums: pl.DataFrame, unseen: pl.Series | None) -> pl.DataFrame:
    """Add ``total``: ``seen``, with ``unseen`` persons, in units of the record's being of somebody unlisted."""
    chance = pl.lit(0.0) if unseen is None else pl.lit(unseen)
    return sums.with_columns((_log2_added("seen", chance.log(2)) - pl.col("unlisted")).alias("total"))


def _log2_added(one: str, other: pl.Expr) -> pl.Expr:
    """Add two amounts that are given in bits, without overflow; minus infinity where both are."""
    largest = pl.max_horizontal(one, other).clip(-1e300, None)
    return largest + (2.0 ** (pl.col(one) - largest) + 2.0 ** (other - largest)).log(2)


def _log2_of_sums(bits: pl.DataFrame) -> pl.DataFrame:
    """For each record, sum what is given in bits, without overflow; minus infinity where all of it is."""
    names, columns = bits.columns[1:], pl.exclude("record")
    highest = bits.group_by("record", maintain_order=True).agg(columns.max()).with_columns(columns.clip(-1e300, None))
    # Powers are taken of all rows at once: within each group it would be four times as long.
    parts = bits.join(highest, on="record", how="left", suffix=" highest", maintain_order="left").select(
        "record", *((2.0 ** (pl.col(name) - pl.col(f"{name} highest"))).alias(name) for name in names)
    )
    sums = parts.group_by("record", maintain_order=True).agg(columns.sum())
    return highest.select("record", *(pl.col(name) + sums[name].log(2) for name in names))


def _estimate_pi(evidence: pl.DataFrame) -> dict[int, float]:
    pooled = _expectation_maximisation(evidence.with_columns(pl.lit(0).alias("source")), 0.5)[0]
    return _expectation_maximisation(evidence, pooled)


def _expectation_maximisation(evidence: pl.DataFrame, leaning: float) -> dict[int, float]:
    """For each source, the share of its records that explains their evidence best."""
    # To three digits there are few different evidences to go through in each round.
    counted = (
        evidence.select("source", pl.col("total").round(3))
        .group_by("source", "total")
        .len()
        .sort("source", "total")
        .with_columns(pl.lit(leaning).alias("pi"), pl.col("len").sum().over("source").alias("records"))
    )
    odds = 2.0 ** (pl.col("total") + (pl.col("pi") / (1 - pl.col("pi"))).log(2)).clip(None, 1000)
    found = (odds / (1 + odds) * pl.col("len")).sum().over("source")
    # However many were found, half a record more might not have been, or might.
    half = 0.5 / (pl.col("records") + 1)
    share = ((found + leaning) / (pl.col("records") + 1)).clip(half, 1 - half)
    for _ in range(_ROUNDS):
        before, counted = counted["pi"], counted.with_columns(share.alias("pi"))
        if not ((counted["pi"] - before).abs() >= _CONVERGED).any():
            break
    by_source = counted.group_by("source", maintain_order=True).agg(pl.col("pi").first())
    # The last clip keeps what six digits would round to certainty from being it.
    return {source: min(significant(pi), 1 - 1e-6) for source, pi in by_source.iter_rows()}


def _probability() -> pl.Expr:
    """odds_i / (1 + Σ_j odds_j), from ``odds`` and ``all`` in bits, without overflow."""
    largest = pl.max_horizontal("all", pl.lit(0.0))
    ratio = 2.0 ** (pl.col("odds") - largest) / (2.0 ** (-largest) + 2.0 ** (pl.col("all") - largest))
    return ratio.clip(0.0, 1.0)


def _undisputed(best: pl.DataFrame, exclusive: frozenset[int]) -> pl.DataFrame:
    """Leave out whoever of several records of an exclusive source is not good enough for the person they claim."""
    claims = ["source", "person"]
    # Hardly any are: a window over all of them would take most of an assignment's time.
    of_exclusive = best.filter(pl.col("source").is_in(list(exclusive)))
    rivals = of_exclusive.filter(pl.struct(claims).is_duplicated())
    parts = 2.0 ** (pl.col("weight") - pl.col("weight").max())
    lost = rivals.filter((parts / parts.sum()).over(claims) < pl.col("bar"))
    return best.join(lost, on="record", how="anti", maintain_order="left")


def pair_odds(
    pairs: pl.DataFrame, records: pl.DataFrame, *, exclusive: frozenset[int] = frozenset()
) -> tuple[pl.DataFrame, float]:
    """Turn the weights of pairs of records into odds that the two are of one person.

    Two thoughts are weighed for each of the two records, and the record that gives the pair less decides. The prior of
    :func:`assign`, with the other records in the place of the persons: a record that has no other to belong to is the
    likelier to belong to this one, and the less so the better its others are. And the share of all pairs that are of
    one person: a record may belong to several. The second does not hold for a source in which no two records are of one
    person: there, of two records that are equally good, neither is better than evens.

    ``pairs``: ``a``, ``b`` (UInt32) and ``weight`` (Float64, log2 of the Bayes factor), each pair once; and
    ``relative`` (Float64, log2 of R), if known.
    ``records``: ``record`` (UInt32), ``source`` of every record that was looked for.
    Returns ``a``, ``b`` and ``odds`` (Float64, log2), in the order of ``pairs``.

    Examples
    --------
    >>> pairs = pl.DataFrame({"a": [0, 1, 1], "b": [7, 8, 9], "weight": [30.0, 28.0, 28.0]})
    >>> records = pl.DataFrame({"record": range(10), "source": [0] * 5 + [1] * 5})
    >>> odds, _ = pair_odds(pairs, records, exclusive=frozenset({0, 1}))
    >>> (2 ** odds["odds"]).round(3).to_list()[1:]
    [1.0, 1.0]
    """
    sized = _with_others(records, exclusive)
    there_are = int(sized["others"].sum()) // 2
    matching = _share_of_pairs(pairs["weight"], max(there_are, 1))
    sides = pl.concat(
        pairs.select(
            pl.col(one).alias("record"), pl.col(other).alias("other"), "weight", pl.lit(-math.inf).alias("relative")
        )
        for one, other in (("a", "b"), ("b", "a"))
    )
    evidence = _with_total(_sums(sides, sized), None)
    pi = _estimate_pi(evidence)
    sides = sides.join(evidence, on="record", how="left", maintain_order="left").join(
        records.select(other="record", target="source"), on="other", how="left", maintain_order="left"
    )
    share = pl.col("source").replace_strict(pi, return_dtype=pl.Float64)
    # The weights are those of one pair, so 2^1000 is far beyond them: no sum of them can overflow.
    factor = 2.0 ** pl.col("weight")
    single = pl.col("target").is_in(list(exclusive))
    rivals = pl.when(single).then(factor.sum().over("record", "target")).otherwise(factor.sum().over("record"))
    alone = share / pl.col("others") / ((1 - share) + share / pl.col("others") * (rivals - factor).clip(0, None))
    prior = sides.select(pl.when(single).then(alone).otherwise(pl.max_horizontal(alone, pl.lit(matching))).log(2))
    ofa, ofb = (prior.to_series()[start : start + pairs.height] for start in (0, pairs.height))
    # Two relatives agree as much as that, too.
    kin = pl.lit(0.0) if "relative" not in pairs.columns else (1 + 2.0 ** pl.col("relative").clip(None, 1000)).log(2)
    odds = pairs.select("a", "b", (pl.col("weight") + pl.min_horizontal(ofa, ofb) - kin).alias("odds"))
    return odds, _log2_odds(matching)


def _with_others(records: pl.DataFrame, exclusive: frozenset[int]) -> pl.DataFrame:
    """Add ``others``: how many records a record may be of one person with, at least one."""
    same = pl.when(pl.col("source").is_in(list(exclusive))).then(pl.len().over("source")).otherwise(1)
    return records.with_columns((pl.len() - same).cast(pl.Int64).clip(1, None).alias("others"))


def _share_of_pairs(weights: pl.Series, there_are: int) -> float:
    """Estimate, by expectation maximisation, the share of all pairs, scored or not, that are of one person."""
    counted = weights.round(3).alias("weight").to_frame().group_by("weight").len().sort("weight")
    share = 0.5 / (there_are + 1)
    for _ in range(_ROUNDS):
        odds = 2.0 ** (pl.col("weight") + _log2_odds(share)).clip(None, 1000)
        found = counted.select((odds / (1 + odds) * pl.col("len")).sum()).item()
        # Half a pair more might be, or might not.
        before, share = share, min(found + 0.5, there_are + 0.5) / (there_are + 1)
        if abs(share - before) < _CONVERGED * share:
            break
    return significant(share)


def components(pairs: pl.DataFrame) -> pl.DataFrame:
    """Give the connected components of a graph.

    ``pairs``: ``a`` and ``b`` (UInt32): its edges.
    Returns ``record`` and ``component`` (UInt32), the least record of its component; in order of record.

    Examples
    --------
    >>> components(pl.DataFrame({"a": [1, 2, 5], "b": [2, 3, 6]})).rows()
    [(1, 1), (2, 1), (3, 1), (5, 5), (6, 5)]
    """
    edges = pl.concat([pairs.select("a", "b"), pairs.select(pl.col("b").alias("a"), pl.col("a").alias("b"))])
    labels = edges.select(pl.col("a").alias("record")).unique().sort("record")
    labels = labels.with_columns(pl.col("record").alias("component"))
    while True:
        # The least label of the neighbours, and then the label that this label has: paths halve with each round.
        nearer = (
            edges.join(labels, left_on="b", right_on="record")
            .group_by("a")
            .agg(pl.col("component").min().alias("near"))
        )
        least = labels.join(nearer, left_on="record", right_on="a").select(
            "record", pl.min_horizontal("component", "near").alias("component")
        )
        jumped = (
            least.join(least.rename({"record": "component", "component": "further"}), on="component", how="left")
            .select("record", pl.min_horizontal("component", "further").alias("component"))
            .sort("record")
        )
        if jumped.equals(labels):
            return labels
        labels = jumped


def group(pairs: pl.DataFrame, *, accept: float, unknown: float, exclusive: pl.DataFrame) -> pl.DataFrame:
    """Join records into groups that hold together as groups.

    Groups are joined, the best two first, as long as the mean odds (in bits) between their records are those of a
    link: so a record that links to one member of a group and contradicts the others stays out, and chains do not form.
    (Average linkage; joining all mutually best pairs at once gives the same tree: Murtagh 1983, "A survey of recent
    advances in hierarchical clustering algorithms".)

    ``pairs``: ``a`` < ``b`` (UInt32), ``odds`` (Float64, log2 of the odds that the two are of one person), each pair
    once.
    ``exclusive``: ``record`` (UInt32), ``source``: records of sources that have at most one record in a group.
    Returns ``record`` and ``group`` (UInt32), the least record of its group; groups of two and more; in order of
    record.

    Examples
    --------
    >>> pairs = pl.DataFrame({"a": [0, 0, 1, 2], "b": [1, 2, 2, 3], "odds": [10.0, 10.0, 10.0, 10.0]})
    >>> nobody = pl.DataFrame(schema={"record": pl.UInt32, "source": pl.Int32})
    >>> group(pairs.cast({"a": pl.UInt32, "b": pl.UInt32}), accept=0.9, unknown=-20.0, exclusive=nobody).rows()
    [(0, 0), (1, 0), (2, 0)]
    """
    # Evens are not enough: of two that are equally good, neither is joined.
    bar = max(_parts(_log2_odds(accept)), 1)
    links = pairs.select(
        "a",
        "b",
        (pl.col("odds") * _PARTS_OF_A_BIT).round().cast(pl.Int64).alias("total"),
        pl.lit(1, pl.Int64).alias("seen"),
    )
    groups = (
        pl.concat([pairs["a"], pairs["b"]])
        .unique()
        .sort()
        .to_frame("record")
        .with_columns(pl.col("record").alias("group"))
        .join(exclusive, on="record", how="left", maintain_order="left")
    )
    while True:
        merges = _mutually_best(links, groups, _parts(unknown), bar)
        if merges.is_empty():
            break
        groups = groups.with_columns(_merged(pl.col("group"), merges))
        links = _joined(links.with_columns(_merged(pl.col("a"), merges), _merged(pl.col("b"), merges)))
    return groups.filter(pl.len().over("group") > 1).select("record", "group")


def _mutually_best(links: pl.DataFrame, groups: pl.DataFrame, unknown: int, bar: int) -> pl.DataFrame:
    """Pairs of groups that may be joined and are each other's best."""
    facts = groups.group_by("group").agg(pl.len().cast(pl.Int64).alias("size"), pl.col("source").drop_nulls())
    all_pairs = pl.col("size") * pl.col("size_b")
    possible = (
        links.join(facts, left_on="a", right_on="group")
        .join(facts, left_on="b", right_on="group", suffix="_b")
        .filter(pl.col("source").list.set_intersection("source_b").list.len() == 0)
        .with_columns(((pl.col("total") + (all_pairs - pl.col("seen")) * unknown) / all_pairs).alias("mean"))
        .filter(pl.col("mean") >= bar)
        # A total order, so that there is always a pair that is best for both.
        .sort("mean", "a", "b", descending=[True, False, False])
        .select("a", "b", pl.int_range(pl.len()).alias("rank"))
    )
    sides = pl.concat([possible.select(pl.col(side).alias("group"), "rank") for side in ("a", "b")])
    best = sides.group_by("group").agg(pl.col("rank").min())
    chosen = best.group_by("rank").len().filter(pl.col("len") == 2)
    return possible.join(chosen, on="rank", how="semi").select("a", "b")


def _merged(column: pl.Expr, merges: pl.DataFrame) -> pl.Expr:
    return column.replace(merges["b"], merges["a"])


def _joined(links: pl.DataFrame) -> pl.DataFrame:
    return (
        links.filter(pl.col("a") != pl.col("b"))
        .select(pl.min_horizontal("a", "b").alias("a"), pl.max_horizontal("a", "b").alias("b"), "total", "seen")
        .group_by("a", "b")
        .agg(pl.col("total").sum(), pl.col("seen").sum())
    )


def _log2_odds(probability: float) -> float:
    return math.log2(probability / (1 - probability))


def _parts(bits: float) -> int:
    return round(bits * _PARTS_OF_A_BIT)
