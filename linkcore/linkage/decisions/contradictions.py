"""What a pair of records can say against being of one person, where a third record links to both."""

from typing import Final

import polars as pl

from linkcore.linkage.decisions.groups import within_components
from linkcore.linkage.model.model import Comparison, Model

__all__ = ["against_by_comparison", "bound_by_third_records"]

_PREFIX: Final = "against_"

# Bounds the memory: the third records of so many pairs are looked at at once.
_PAIRS: Final = 100_000


def against_by_comparison(pairs: pl.DataFrame, model: Model) -> pl.DataFrame:
    """Return ``a``, ``b`` and ``against_*``: how many bits each comparison speaks against a pair, at most zero.

    Examples
    --------
    >>> from linkcore.linkage.model.model import Level
    >>> levels = Level("x_l = x_r", "Agrees", m=0.5, u=0.25), Level("ELSE", "Differs", m=0.25, u=0.5)
    >>> pairs = pl.DataFrame({"a": [0, 0, 1], "b": [1, 2, 2], "gamma_x": [1, 0, -1]})
    >>> against_by_comparison(pairs, Model((Comparison("x", levels),), prior=0.001))["against_x"].to_list()
    [0.0, -1.0, 0.0]
    """
    return pairs.select(
        "a",
        "b",
        *(
            pairs[each.gamma].replace_strict(_bits_against(each), default=0.0, return_dtype=pl.Float64).alias(name)
            for each in model.comparisons
            for name in [f"{_PREFIX}{each.name}"]
        ),
    )


def _bits_against(comparison: Comparison) -> dict[int, float]:
    return {
        number: min(level.bits, 0.0)
        for number, level in zip(comparison.numbers, comparison.levels, strict=True)
        if number >= 0
    }


def bound_by_third_records(odds: pl.DataFrame, against: pl.DataFrame) -> pl.DataFrame:
    """Bound what a pair says against a group by what the links of a third record have said already.

    A weight takes the pairs of a group for independent (Fellegi and Sunter 1969, "A theory for record linkage"). They
    are not. Let c link to both a and b, and let the name of a be wrong. Then a contradicts c, and it contradicts b. The
    link of a and c has paid for the wrong name already, and is a link in spite of it. So the contradiction of a and b
    is no news. News is only what neither link contradicts: for example two different birth dates, where c has none.
    With d ≤ 0, the bits that a comparison speaks against a pair, the news of a and b is

        F = Σ min(0, d_ab - d_ac - d_cb), over the comparisons.

    This is right if both links hold. The probability of that, P, is the product of their probabilities. If one of them
    does not hold, the odds of the pair itself count. Together: 2^bounded = P·2^F + (1 - P)·2^odds. Of several third
    records, the one that leaves least against the pair decides. Nothing here is tuned: F and P come from the model.
    Weak links excuse little. Relatives whom a record without a birth date links still have two birth dates. But a level
    that speaks for a pair on balance, such as one family name and two given names, counts as no contradiction.

    ``odds``: ``a`` < ``b``, ``odds`` (bits), each pair once. ``against``: the same pairs in the same order, and
    ``against_*`` (bits, at most zero).
    Returns ``odds``, in which pairs of negative odds are nearer to zero.

    Examples
    --------
    >>> pairs = {"a": [0, 0, 1], "b": [1, 2, 2]}
    >>> odds = pl.DataFrame({**pairs, "odds": [20.0, -15.0, 8.0]})
    >>> name_of_0_is_wrong = pl.DataFrame({**pairs, "against_name": [-7.0, -7.0, 0.0]})
    >>> bound_by_third_records(odds, name_of_0_is_wrong)["odds"].round(2).to_list()
    [20.0, -0.01, 8.0]
    >>> two_other_dates_and_1_has_none = pl.DataFrame({**pairs, "against_birth_date": [0.0, -10.0, 0.0]})
    >>> bound_by_third_records(odds, two_other_dates_and_1_has_none)["odds"].round(2).to_list()
    [20.0, -10.01, 8.0]
    """
    numbered = odds.with_row_index("pair")
    links = numbered.filter(pl.col("odds") > 0)
    of_record = pl.concat(
        links.select("pair", pl.col(one).alias("record"), pl.col(other).alias("third"))
        for one, other in (("a", "b"), ("b", "a"))
    )
    negative = numbered.filter(pl.col("odds") < 0)
    # Where no links connect the records of a pair, it has no third record.
    negative = negative.filter(within_components(negative, links))
    sure = 1 / (1 + 2.0 ** -odds["odds"])
    parts = [pl.DataFrame(schema={"pair": numbered.schema["pair"], "left": pl.Float64})]
    parts += [_least_against(some, of_record, odds["odds"], sure, against) for some in negative.iter_slices(_PAIRS)]
    return numbered.join(pl.concat(parts), on="pair", how="left", maintain_order="left").select(
        "a", "b", pl.max_horizontal("odds", "left").alias("odds")
    )


def _least_against(
    pairs: pl.DataFrame, of_record: pl.DataFrame, odds: pl.Series, sure: pl.Series, against: pl.DataFrame
) -> pl.DataFrame:
    """Return ``pair`` and ``left``: the least that any third record that links to both leaves against the pair."""
    # Only row numbers are joined: a large component has many paths.
    paths = (
        pairs.join(of_record.select("third", a="record", link_of_a="pair"), on="a")
        .join(of_record.select("third", b="record", link_of_b="pair"), on=["b", "third"])
        .select("pair", "link_of_a", "link_of_b")
    )
    both_hold = sure.gather(paths["link_of_a"]) * sure.gather(paths["link_of_b"])
    direct = odds.gather(paths["pair"])
    left = (both_hold * 2.0 ** _news(against, paths) + (1 - both_hold) * 2.0**direct).log(2)
    return paths.select("pair", left.alias("left")).group_by("pair").agg(pl.col("left").max())


def _news(against: pl.DataFrame, paths: pl.DataFrame) -> pl.Series:
    """Return how many bits each pair speaks against being of one person beyond what its two links do."""
    news = pl.Series("news", [0.0]).new_from_index(0, paths.height)
    for each in against.select(f"^{_PREFIX}.*$").iter_columns():
        of_pair, of_a, of_b = (each.gather(paths[name]) for name in ("pair", "link_of_a", "link_of_b"))
        news = news + (of_pair - of_a - of_b).clip(None, 0.0)
    return news
