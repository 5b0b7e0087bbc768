"""What the fallback learns: how often records of one person, and of two, stand on each level of each comparison."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from linkcore.errors import ProgrammeError
from linkcore.linkage.assignment import significant
from linkcore.linkage.placement import Placement
from linkcore.linkage.standardise import Records
from linkcore.linkage.tables import sample

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["Shares", "labelled_records", "read_model", "shares_of_levels", "with_probabilities"]


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
    sources: Sequence[Records], placement: Placement, unknown: pl.DataFrame, seed: int
) -> pl.DataFrame:
    """Draw records whose person is known by its NHS Number, to learn how records of one person differ.

    At most one record a person, so that heavy users do not dominate; sources in proportion to the records that they
    leave open, so that what is learned is of the sources it is used on. Neither conflicts nor the records that
    define their persons.

    Parameters
    ----------
    sources : sequence of Records
        RECORDS of each source.
    placement : Placement
        After the exact linkage.
    unknown : polars.DataFrame
        ``order`` of the source of each open record.
    seed : int
        Of the sample.

    Returns
    -------
    polars.DataFrame
        RECORDS, and ``label`` (UInt32), the person.
    """
    import numpy as np

    generator = np.random.default_rng(seed)
    drawn = []
    for order, records in enumerate(sources):
        name = records.source.name
        share = round(_LARGEST_SAMPLE * (unknown["order"] == order).sum() / unknown.height)
        eligible = sample(_eligible(records, placement).arg_true(), share, generator)
        labels = placement.links[name]["person_id"][eligible]
        drawn.append(records.frame[eligible].with_columns(labels.alias("label")))
    labelled = pl.concat(drawn, how="diagonal")
    # Shuffled, so that where a person has records of several sources it is not always the first source's that stays.
    return labelled[generator.permutation(labelled.height)].unique("label", keep="first", maintain_order=True)


def _eligible(records: Records, placement: Placement) -> pl.Series:
    links = placement.links[records.source.name]
    by_number = (links["method"] == "nhs_number").fill_null(False) & ~links["conflict"]
    defining = placement.persons.filter(pl.col("source") == records.source.name)["record_id"]
    return by_number & ~records.frame["record_id"].is_in(defining.implode())


def shares_of_levels(
    connection: "DuckDBPyConnection",
    comparisons: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    *,
    left: str,
    right: str,
    on: str,
) -> dict[str, Shares]:
    """Count the pairs on each level.

    From labels and from random pairs, Splink learns the same, but does not tell of how many pairs.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Where the tables are.
    comparisons : sequence of mapping
        As Splink's settings write them.
    columns : sequence of str
        That the comparisons look at.
    left, right : str
        Tables or sub-queries with these columns.
    on : str
        Which of their rows, ``l`` and ``r``, are pairs.

    Returns
    -------
    dict of str to Shares
        By comparison. Pairs of which nothing can be said, for want of a value, do not count.
    """
    pairs = ", ".join(f'l."{column}" AS "{column}_l", r."{column}" AS "{column}_r"' for column in columns)
    shares = {}
    for comparison in comparisons:
        levels = comparison["comparison_levels"]
        rungs = " ".join(
            f"ELSE {place}" if level["sql_condition"] == "ELSE" else f"WHEN {level['sql_condition']} THEN {place}"
            for place, level in enumerate(levels)
        )
        found = connection.sql(
            f"WITH pairs AS (SELECT {pairs} FROM {left} AS l JOIN {right} AS r ON {on}), "
            f"placed AS (SELECT CASE {rungs} END AS place FROM pairs) "
            "SELECT place, count(*) FROM placed GROUP BY place"
        ).fetchall()
        counts = {place: count for place, count in found if not levels[place].get("is_null_level", False)}
        total = sum(counts.values())
        shares[comparison["output_column_name"]] = Shares(
            {place: count / total for place, count in counts.items()}, total
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

    Parameters
    ----------
    comparisons : sequence of mapping
        As Splink's settings write them.
    m, u : mapping of str to Shares
        Of pairs of one person, and of random pairs; without m, only u is given.
    matches : float
        The share of the random pairs that are of one person after all: so much of m is taken out of u.

    Returns
    -------
    list of dict
        As Splink's settings write them.

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


def read_model(model: Path | str | Mapping[str, Any]) -> dict[str, Any]:
    """Read a model that was learned before.

    Parameters
    ----------
    model : path or mapping
        As Splink saves it.

    Returns
    -------
    dict
        A copy.

    Raises
    ------
    ProgrammeError
        If it cannot be read, or lacks an m or u.

    Examples
    --------
    >>> read_model({"comparisons": []})
    Traceback (most recent call last):
    linkcore.errors.ProgrammeError: model: the mapping given is no trained model; give one as Splink saves it, with ...
    """
    what = "the mapping given" if isinstance(model, Mapping) else str(model)
    try:
        text = json.dumps(dict(model)) if isinstance(model, Mapping) else Path(model).read_text("utf-8")
        read = json.loads(text)
        levels = [level for comparison in read["comparisons"] for level in comparison["comparison_levels"]]
        judging = [level for level in levels if not level.get("is_null_level", False)]
        learned = [level[f"{of}_probability"] for level in judging for of in ("m", "u")]
        prior = read["probability_two_random_records_match"]
        usable = bool(learned) and all(0 < probability <= 1 for probability in learned) and 0 < prior < 1
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        usable = False
    if not usable:
        raise ProgrammeError(f"model: {what} is no trained model; give one as Splink saves it, with all its m and u")
    return dict(read)
