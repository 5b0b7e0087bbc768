"""What the fallback learns: how often records of one person, and of two, stand on each level of each comparison."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from linkcore.linkage.comparisons.comparisons import as_learned
from linkcore.linkage.decisions.persons import significant
from linkcore.linkage.model.weights import case_sql
from linkcore.linkage.placement import Placement, defines_its_person, unplaced
from linkcore.parallel import side_by_side
from linkcore.private_database import sample
from linkcore.sources.records import Records

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = [
    "Shares",
    "counts_of_levels",
    "labelled_records",
    "reviewed_records",
    "shares_of_levels",
    "with_probabilities",
]


@dataclass(frozen=True)
class Shares:
    """What share of some pairs stands on each level of a comparison.

    Parameters
    ----------
    of_level : mapping of int to float
        By the level's place on the ladder; levels on which none stands are not there.
    pairs : float
        How many pairs there were.
    """

    of_level: Mapping[int, float]
    pairs: float


# Labelled pairs beyond this many add nothing: a level that one pair in a thousand stands on is then known to a tenth.
_LARGEST_SAMPLE: Final = 100_000


def labelled_records(
    sources: Sequence[Records],
    placement: Placement,
    unknown: pl.DataFrame,
    seed: int,
    *,
    hidden: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Draw records whose person is known by its NHS Number, to learn how records of one person differ.

    At most one record a person, so that heavy users do not dominate; sources in proportion to the records that they
    leave open, so that what is learned is of the sources it is used on. Neither conflicts nor the records that
    define their persons.

    ``unknown``: ``order`` of the source of each open record.
    ``hidden``: ``order`` and ``at`` of records that are not learned from, because they test what is learned.
    Returns RECORDS, ``label`` (UInt32), the person, and ``order`` (Int32), the source.
    """
    import numpy as np

    generator = np.random.default_rng(seed)
    drawn = []
    for order, records in enumerate(sources):
        name = records.source.name
        share = round(_LARGEST_SAMPLE * (unknown["order"] == order).sum() / unknown.height)
        persons = placement.links[name]["person_id"]
        eligible = _eligible(records, placement)
        if hidden is not None:
            eligible = eligible.scatter(hidden.filter(pl.col("order") == order)["at"], False)
        at = sample(eligible.arg_true(), share, generator)
        of_source = pl.lit(order, pl.Int32).alias("order")
        drawn.append(records.frame[at].with_columns(persons[at].alias("label"), of_source))
    labelled = pl.concat(drawn, how="diagonal")
    # Shuffled, so that where a person has records of several sources it is not always the first source's that stays.
    return labelled[generator.permutation(labelled.height)].unique("label", keep="first", maintain_order=True)


def reviewed_records(sources: Sequence[Records], placement: Placement, labels: pl.DataFrame) -> pl.DataFrame:
    """Give the open records of which people have said whose they are.

    Returns RECORDS, ``label`` and ``order``, as of :func:`labelled_records`, each once: of the matches whose records
    are still open, and whose persons are still there.

    Examples
    --------
    >>> from linkcore.linkage.exact.link_exactly import link_exactly
    >>> from linkcore.linkage.settings import Exact
    >>> from linkcore.schema import LABELS
    >>> from linkcore.sources.source import Source
    >>> from linkcore.sources.records import standardise
    >>> gp = Source("gp", pl.DataFrame({"nhs_number": ["4010232137"]}), spine=True)
    >>> sources = [standardise(gp), standardise(Source("seen", pl.DataFrame({"family_name": ["NG", "OKORO"]})))]
    >>> labels = pl.DataFrame(
    ...     [("seen", "1", "gp", "0", True), ("seen", "9", "gp", "0", True)], schema=LABELS, orient="row")
    >>> found = reviewed_records(sources, link_exactly(sources, Exact()), labels)
    >>> found.select("family_name", "label", "order").rows()
    [('OKORO', 0, 1)]
    """
    matches = labels.filter("match").unique(["source", "record_id"], keep="first", maintain_order=True)
    persons = pl.concat(
        records.frame.select(pl.lit(records.source.name).alias("person_source"), person_record_id="record_id")
        .with_columns(placement.links[records.source.name]["person_id"].alias("label"))
        .join(matches, on=["person_source", "person_record_id"], how="inner")
        for records in sources
    ).filter(pl.col("label").is_not_null())
    found = [
        unplaced(records, placement)
        .drop("at")
        .join(persons.filter(pl.col("source") == records.source.name).select("record_id", "label"), on="record_id")
        .sort("row")
        .with_columns(pl.lit(order, pl.Int32).alias("order"))
        for order, records in enumerate(sources)
    ]
    return pl.concat(found, how="diagonal")


def _eligible(records: Records, placement: Placement) -> pl.Series:
    links = placement.links[records.source.name]
    by_number = (links["method"] == "nhs_number").fill_null(False) & ~links["conflict"]
    return by_number & ~defines_its_person(records, placement)


def counts_of_levels(
    connection: "DuckDBPyConnection",
    comparisons: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    *,
    left: str,
    right: str,
    on: str,
    by: str = "0",
) -> pl.DataFrame:
    """Count the pairs on each level; of a comparison of parts of a birth date, also those of whole dates.

    From labels and from random pairs, Splink learns the same, but does not tell of how many pairs.

    Returns ``comparison``, ``by``, ``place`` (of the level on the ladder) and ``pairs``; in order. Pairs of which
    nothing can be said, for want of a value, do not count.
    """
    pairs = ", ".join(f'l."{column}" AS "{column}_l", r."{column}" AS "{column}_r"' for column in columns)
    schema = {"comparison": pl.String, "by": pl.Int64, "place": pl.Int64, "pairs": pl.Int64}

    def counted(comparison: Mapping[str, Any]) -> pl.DataFrame:
        levels = comparison["comparison_levels"]
        place = case_sql(as_learned(comparison), range(len(levels)))
        with connection.cursor() as cursor:
            found = cursor.sql(
                f"WITH pairs AS (SELECT {by} AS of, {pairs} FROM {left} AS l JOIN {right} AS r ON {on}), "
                f"placed AS (SELECT of, {place} AS place FROM pairs WHERE of IS NOT NULL) "
                "SELECT of, place, count(*) FROM placed GROUP BY of, place ORDER BY of, place"
            ).fetchall()
        name = comparison["output_column_name"]
        rows = [(name, of, place, count) for of, place, count in found if not levels[place].get("is_null_level", False)]
        return pl.DataFrame(rows, schema=schema, orient="row")

    # DuckDB divides a query among threads by the rows of its tables, and so few thousand are all one thread's.
    (threads,) = connection.sql("SELECT current_setting('threads')").fetchall()[0]
    return pl.concat([pl.DataFrame(schema=schema), *side_by_side(counted, comparisons, at_once=threads)])


def shares_of_levels(comparisons: Sequence[Mapping[str, Any]], counts: pl.DataFrame) -> dict[str, Shares]:
    """Turn counts into shares, whatever they were counted by; pairs that are taken out count less than nothing.

    Examples
    --------
    >>> counts = pl.DataFrame({"comparison": ["name"] * 3, "by": [0, 1, 1], "place": [0, 0, 1], "pairs": [2, 1, 1]})
    >>> shares_of_levels([{"output_column_name": "name"}], counts)
    {'name': Shares(of_level={0: 0.75, 1: 0.25}, pairs=4)}
    """
    shares = {}
    for comparison in comparisons:
        of_comparison = counts.filter(pl.col("comparison") == comparison["output_column_name"])
        by_place = of_comparison.group_by("place").agg(pl.col("pairs").sum()).filter(pl.col("pairs") != 0).sort("place")
        total = int(by_place["pairs"].sum())
        shares[comparison["output_column_name"]] = Shares(
            {place: count / total for place, count in by_place.iter_rows()}, total
        )
    return shares


def with_probabilities(
    comparisons: Sequence[Mapping[str, Any]],
    *,
    m: Mapping[str, Shares] | None = None,
    u: Mapping[str, Shares],
    matches: float = 0.0,
) -> list[dict[str, Any]]:
    """Give the comparisons their m and u.

    A level on which none of n pairs was seen gets the probability of half a pair (to first order, the mean that
    Jeffreys' prior leads to): neither nothing nor a default, which would be evidence that nobody has seen. A level on
    which no two records of one person were ever seen is never evidence for a link. All is rounded to six significant
    digits.

    Examples
    --------
    >>> gender = {"output_column_name": "gender", "comparison_levels": [
    ...     {"sql_condition": "gender_l = gender_r"}, {"sql_condition": "ELSE"}]}
    >>> (learned,) = with_probabilities(
    ...     [gender], m={"gender": Shares({0: 1.0}, 100)}, u={"gender": Shares({0: 0.5, 1: 0.5}, 1000)})
    >>> [(level["m_probability"], level["u_probability"]) for level in learned["comparison_levels"]]
    [(1.0, 0.5), (0.005, 0.5)]
    """
    learned = []
    for comparison in comparisons:
        name = comparison["output_column_name"]
        levels = [
            level
            if level.get("is_null_level", False)
            else level | _learned(place, None if m is None else m[name], u[name], matches)
            for place, level in enumerate(comparison["comparison_levels"])
        ]
        learned.append(dict(comparison) | {"comparison_levels": levels})
    return learned


def _learned(place: int, m: Shares | None, u: Shares, matches: float) -> dict[str, float]:
    of_one = m.of_level.get(place, 0.0) if m else 0.0
    of_two = (u.of_level.get(place, 0.0) - matches * of_one) / (1 - matches)
    of_two = min(max(of_two, _half_a_pair(u)), 1.0)
    if m is None:
        return {"u_probability": significant(of_two)}
    of_one = max(of_one, _half_a_pair(m)) if place in m.of_level else min(_half_a_pair(m), of_two)
    return {"m_probability": significant(of_one), "u_probability": significant(of_two)}


def _half_a_pair(shares: Shares) -> float:
    return 0.5 / max(shares.pairs, 1)
