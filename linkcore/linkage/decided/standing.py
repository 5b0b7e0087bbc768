"""Which decisions of clerks stand, and what they say together.

Of one clerk, the last decision about a pair counts. Where two clerks disagree about a pair, neither counts. ``same`` is
carried on: if A and B are the same, and B and C, so are A and C. Where a chain of ``same`` contradicts a ``not the
same``, no decision of the chain counts, because nobody can tell which of them is wrong.
"""

from dataclasses import dataclass, field
from typing import Final

import polars as pl

from linkcore.linkage.decisions.groups import components

__all__ = ["STATES", "Standing", "standing"]

STATES: Final = pl.Enum(
    [
        "stands",  # counts in this linkage
        "lost",  # one of its records is not in this linkage; it counts for what it says of others
        "replaced",  # the same clerk has decided anew about the pair
        "taken back",  # the clerk is undecided now
        "disagreement",  # another clerk decided otherwise
        "contradiction",  # a chain of decisions says both that two records are of one person, and that they are not
    ]
)
"""What has become of each decision."""

_RECORD: Final = ("source", "record_id")
_PERSON: Final = ("person_source", "person_record_id")
_PAIR: Final = ("a", "b")


@dataclass(frozen=True, eq=False)
class Standing:
    """What the decisions that stand say together.

    Parameters
    ----------
    decisions : polars.DataFrame
        DECISIONS of :mod:`linkcore.schema` and ``state`` (:data:`STATES`).
    records : polars.DataFrame
        ``source`` and ``record_id`` of each record that a standing decision names; ``cluster`` (UInt32): records of one
        cluster are of one person; and ``names_person`` (Boolean): whether a ``same`` names its person by this record.
    apart : polars.DataFrame
        ``cluster`` and ``other`` (UInt32): clusters of two persons, each two once; the decision was about a record of
        ``cluster`` and the person of ``other``.
    """

    decisions: pl.DataFrame = field(repr=False)
    records: pl.DataFrame = field(repr=False)
    apart: pl.DataFrame = field(repr=False)


def standing(decisions: pl.DataFrame) -> Standing:
    """Find which decisions stand; ``decisions``: DECISIONS of :mod:`linkcore.schema`, in the order they were made.

    Examples
    --------
    >>> import datetime as dt
    >>> from linkcore.schema import DECISIONS
    >>> day = dt.datetime(2026, 4, 1, tzinfo=dt.UTC)
    >>> rows = [
    ...     ("seen", "1", "gp", "7", "same", "Ann", day, ""),
    ...     ("seen", "1", "gp", "7", "undecided", "Ann", day, ""),
    ...     ("seen", "2", "gp", "7", "same", "Ann", day, ""),
    ...     ("seen", "2", "gp", "8", "not the same", "Bo", day, ""),
    ... ]
    >>> found = standing(pl.DataFrame(rows, schema=DECISIONS, orient="row"))
    >>> found.decisions["state"].to_list()
    ['replaced', 'taken back', 'stands', 'stands']
    >>> found.records.select("record_id", "cluster").rows(), found.apart.rows()
    ([('7', 0), ('8', 1), ('2', 0)], [(0, 1)])
    """
    named, nodes = _numbered(decisions)
    judged = _of_each_clerk(named)
    agreed = judged.filter(pl.col("state").is_null())
    same, other = (agreed.filter(pl.col("decision") == decision) for decision in ("same", "not the same"))
    clusters = _clusters(nodes, same)
    contradicted = _within_one(other, clusters)["cluster"].unique()
    judged = _with_contradictions(judged, clusters, contradicted)
    stands = judged.filter(pl.col("state") == "stands")
    same, other = (stands.filter(pl.col("decision") == decision) for decision in ("same", "not the same"))
    clusters = _clusters(nodes, same).filter(pl.col("node").is_in(pl.concat([stands["a"], stands["b"]]).implode()))
    records = nodes.join(clusters, on="node", maintain_order="left").select(
        *_RECORD, "cluster", pl.col("node").is_in(same["person"].implode()).alias("names_person")
    )
    return Standing(decisions.with_columns(judged.sort("row")["state"].cast(STATES)), records, _apart(other, clusters))


def _numbered(decisions: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Give a number to each record that decisions name; ``a`` and ``b`` are those of a decision, the lower first."""
    sides = [decisions.select(_RECORD), decisions.select(_PERSON).rename(dict(zip(_PERSON, _RECORD, strict=True)))]
    nodes = pl.concat(sides).unique().sort(_RECORD).with_row_index("node")
    record, person = (
        side.join(nodes, on=_RECORD, how="left", maintain_order="left")["node"].alias(name)
        for side, name in zip(sides, ("record", "person"), strict=True)
    )
    named = decisions.select("decision", "who", "when").with_row_index("row").with_columns(record, person)
    lower, higher = pl.min_horizontal("record", "person").alias("a"), pl.max_horizontal("record", "person").alias("b")
    return named.with_columns(lower, higher), nodes


def _of_each_clerk(named: pl.DataFrame) -> pl.DataFrame:
    """Add ``state`` of the decisions that do not stand, by themselves or beside others about the same pair."""
    # Of decisions at one time, the one that was written down last counts.
    is_last = pl.col("row") == pl.col("row").sort_by("when", "row").last().over(*_PAIR, "who")
    decided = is_last & (pl.col("decision") != "undecided")
    disagree = pl.col("decision").filter(decided).n_unique().over(_PAIR) > 1
    return named.with_columns(
        pl.when(~is_last)
        .then(pl.lit("replaced"))
        .when(~decided)
        .then(pl.lit("taken back"))
        .when(disagree)
        .then(pl.lit("disagreement"))
        .alias("state")
    )


def _clusters(nodes: pl.DataFrame, same: pl.DataFrame) -> pl.DataFrame:
    """Return ``node`` and ``cluster`` (UInt32), the least node of those that are the same; a node alone is one too."""
    found = components(same.select(_PAIR)).rename({"record": "node", "component": "cluster"})
    alone = nodes.join(found, on="node", how="anti").select("node", pl.col("node").alias("cluster"))
    return pl.concat([found, alone]).sort("node")


def _beside(pairs: pl.DataFrame, clusters: pl.DataFrame) -> pl.DataFrame:
    """Add ``cluster`` of the record's side and ``other`` of the person's."""
    return pairs.join(clusters.rename({"node": "record"}), on="record", how="left", maintain_order="left").join(
        clusters.rename({"node": "person", "cluster": "other"}), on="person", how="left", maintain_order="left"
    )


def _within_one(pairs: pl.DataFrame, clusters: pl.DataFrame) -> pl.DataFrame:
    return _beside(pairs, clusters).filter(pl.col("cluster") == pl.col("other"))


def _with_contradictions(judged: pl.DataFrame, clusters: pl.DataFrame, contradicted: pl.Series) -> pl.DataFrame:
    within = (pl.col("cluster") == pl.col("other")) & pl.col("cluster").is_in(contradicted.implode())
    rest = pl.when(within).then(pl.lit("contradiction")).otherwise(pl.lit("stands"))
    return _beside(judged, clusters).with_columns(pl.coalesce("state", rest).alias("state")).drop("cluster", "other")


def _apart(other: pl.DataFrame, clusters: pl.DataFrame) -> pl.DataFrame:
    """Return which clusters are apart, each two once; the last decision says which is the record's side."""
    two = pl.concat_list(pl.min_horizontal("cluster", "other"), pl.max_horizontal("cluster", "other"))
    last = _beside(other, clusters).sort("when", "row").unique(two, keep="last", maintain_order=True)
    return last.select("cluster", "other").sort("cluster", "other")
