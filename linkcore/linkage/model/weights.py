"""What a pair weighs by a Splink model: the level it stands on in each comparison, and how common what it shares is.

Splink's own prediction gives the same (a test holds that), and a table of every compared value of every pair beside it,
and takes about a second to write its SQL anew each time. Here the database says only on which level a pair stands; the
weight is a sum of numbers that are known by then.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from linkcore.linkage.comparisons.comparisons import average_frequencies, compared_columns
from linkcore.linkage.model.by_source import level_numbers

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from duckdb import DuckDBPyConnection

__all__ = ["case_sql", "levels_of_pairs", "match_weight"]


def case_sql(comparison: Mapping[str, Any], values: Sequence[int]) -> str:
    """Give the SQL that says on which level of a comparison a pair stands.

    Examples
    --------
    >>> levels = [{"sql_condition": "gender_l = gender_r"}, {"sql_condition": "ELSE"}]
    >>> case_sql({"comparison_levels": levels}, [1, 0])
    'CASE WHEN gender_l = gender_r THEN 1 ELSE 0 END'
    """
    conditions = [level["sql_condition"] for level in comparison["comparison_levels"]]
    rungs = [
        f"ELSE {value}" if condition == "ELSE" else f"WHEN {condition} THEN {value}"
        for condition, value in zip(conditions, values, strict=True)
    ]
    return f"CASE {' '.join(rungs)} END"


def levels_of_pairs(
    connection: "DuckDBPyConnection", comparisons: Sequence[Mapping[str, Any]], *, people: str, pairs: str
) -> pl.DataFrame:
    """Say on which level of each comparison pairs stand.

    Returns ``a`` and ``b`` (UInt32), the two ids, and ``gamma_*`` (Int8) of each comparison: Splink's number of the
    level.
    """
    columns = sorted(compared_columns(comparisons))
    sides = "".join(f', {side}."{column}" AS "{column}_{side}"' for column in columns for side in ("l", "r"))
    gammas = "".join(
        f', ({case_sql(each, level_numbers(each))})::TINYINT AS "gamma_{each["output_column_name"]}"'
        for each in comparisons
    )
    levels: pl.DataFrame = connection.sql(
        f"WITH compared AS (SELECT join_key_l, join_key_r{sides} FROM {pairs} "
        f"JOIN {people} AS l ON l.unique_id = join_key_l JOIN {people} AS r ON r.unique_id = join_key_r) "
        f"SELECT join_key_l::UINTEGER AS a, join_key_r::UINTEGER AS b{gammas} FROM compared"
    ).pl()
    return levels


def match_weight(
    pairs: pl.DataFrame, comparisons: Sequence[Mapping[str, Any]], frequencies: Mapping[str, pl.Series]
) -> pl.Series:
    """Weigh pairs: log2(m/u) of each level, and what a value is worth that is rarer or more common than the average.

    Notes
    -----
    As Splink: where a level adjusts, with u the probability of the level on which just that column agrees and f_a, f_b
    the frequencies of the two values, w · (log2 u - log2 max(f_a, f_b)) is added, w being the level's own weight of
    the adjustment.

    Examples
    --------
    >>> agrees = {"sql_condition": "name_l = name_r", "m_probability": 0.8, "u_probability": 0.1,
    ...           "tf_adjustment_column": "name"}
    >>> differs = {"sql_condition": "ELSE", "m_probability": 0.2, "u_probability": 0.9}
    >>> name = {"output_column_name": "name", "comparison_levels": [agrees, differs]}
    >>> pairs = pl.DataFrame({"a": [0, 0], "b": [1, 1], "gamma_name": [1, 0]})
    >>> match_weight(pairs, [name], {"name": pl.Series([0.05, 0.05])}).round(2).to_list()
    [4.0, -2.17]
    """
    import numpy as np

    # One after the other: the same sum, to the last bit, on any machine.
    total = np.zeros(pairs.height)
    for comparison in comparisons:
        total += _worth(pairs, comparison, frequencies)
    return pl.Series("weight", total)


def _worth(
    pairs: pl.DataFrame, comparison: Mapping[str, Any], frequencies: Mapping[str, pl.Series]
) -> "npt.NDArray[np.float64]":
    import numpy as np

    gamma = pairs[f"gamma_{comparison['output_column_name']}"].fill_null(-1)
    base, numbers = average_frequencies([comparison]), level_numbers(comparison)
    of_level = np.zeros(max(numbers) + 2)  # the last is that of -1: what is missing adds nothing
    adjusting: dict[tuple[str, float, float, float], list[int]] = {}
    for number, level in zip(numbers, comparison["comparison_levels"], strict=True):
        if number < 0:
            continue
        of_level[number] = math.log2(level["m_probability"] / level["u_probability"])
        column, weight = level.get("tf_adjustment_column"), level.get("tf_adjustment_weight", 1.0)
        if column and weight and level["sql_condition"] != "ELSE":
            u = level["u_probability"] if level.get("disable_tf_exact_match_detection") else base[column]
            adjusting.setdefault((column, weight, u, level.get("tf_minimum_u_value", 0.0)), []).append(number)
    worth: npt.NDArray[np.float64] = of_level[gamma.to_numpy()]
    # How common a value is, is looked up of those few pairs only that stand on a level where it counts.
    for (column, weight, u, least), levels in adjusting.items():
        at = gamma.is_in(levels).arg_true()
        of_a, of_b = (frequencies[column][pairs[side].gather(at)] for side in ("a", "b"))
        seen = pl.select(pl.max_horizontal(of_a, of_b).alias("seen")).with_columns(
            pl.when(pl.col("seen") < least).then(least).otherwise("seen").alias("seen")
        )["seen"]
        worth[at.to_numpy()] += (weight * (math.log2(u) - seen.log(2))).fill_null(0.0).to_numpy()
    return worth
