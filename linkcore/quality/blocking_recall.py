"""Recall of blocking: how many records are compared with their person, estimated from the self-test."""

import math
from collections.abc import Iterator
from typing import Final

import polars as pl

from linkcore.quality.fallback_tables import FallbackTest
from linkcore.quality.tables import FALLBACK_TABLES

__all__ = ["blocking_table", "exact_interval"]

_TAIL: Final = 0.025
_WEIGHTINGS: Final = {"raw": "weight", "reweighted": "reweighted"}


def blocking_table(test: FallbackTest, hidden: int, proposed: pl.DataFrame) -> pl.DataFrame:
    """Estimate the share of records that blocking pairs with their person, of those whose person is listed.

    ``hidden``: how many records were hidden.
    ``proposed``: ``record`` and ``person``: hidden records whose true person some blocking rule proposed.
    Returns ``blocking`` of :data:`linkcore.quality.tables.FALLBACK_TABLES`. ``cases`` is the effective number of hidden
    records behind the share.
    """
    found = proposed.select("record", true_person="person", found=True)
    # A record that stands only for itself was not hidden: its true person is not known.
    rows = test.rows.filter("listed", pl.col("record") < hidden).join(
        found, on=["record", "true_person"], how="left", maintain_order="left"
    )
    rows = rows.with_columns(pl.col("found").fill_null(False))
    table = [
        (name, weighting, *share)
        for source, name in test.tested_sources()
        for weighting, column in _WEIGHTINGS.items()
        for share in _share(rows if source is None else rows.filter(pl.col("source") == source), column)
    ]
    return pl.DataFrame(table, schema=FALLBACK_TABLES["blocking"], orient="row")


def _share(rows: pl.DataFrame, weight: str) -> Iterator[tuple[float, float, float, float]]:
    """Yield the share found, its interval and its cases; nothing where there are no cases."""
    # A person who has records in several sources is one case.
    of_person = rows.group_by("true_person", maintain_order=True).agg(
        pl.col(weight).sum().alias("all"), pl.col(weight).filter("found").sum().alias("found")
    )
    total = math.fsum(of_person["all"])
    if total > 0:
        share = math.fsum(of_person["found"]) / total
        cases = total**2 / math.fsum(of_person["all"] ** 2)
        yield share, *exact_interval(share, cases), cases


def exact_interval(share: float, cases: float) -> tuple[float, float]:
    """Return the ends of the exact 95 % interval of a share that was seen in so many cases, perhaps not a whole number.

    Clopper and Pearson 1934, "The use of confidence or fiducial limits illustrated in the case of the binomial"; with
    an effective number of cases, Korn and Graubard 1998, "Confidence intervals for proportions with small expected
    number of positive counts estimated from survey data".

    Examples
    --------
    >>> [round(end, 5) for end in exact_interval(0.05, 100)]
    [0.01643, 0.11283]
    >>> [round(end, 5) for end in exact_interval(1.0, 100)]  # 0.025 ** (1 / 100)
    [0.96378, 1.0]
    """
    events = min(max(share, 0.0), 1.0) * cases
    rest = cases - events
    # What is left of a case after the rounding of a sum is none.
    low = 0.0 if events < 1e-9 else _beta_quantile(_TAIL, events, rest + 1)
    high = 1.0 if rest < 1e-9 else _beta_quantile(1 - _TAIL, events + 1, rest)
    return low, high


def _beta_quantile(probability: float, a: float, b: float) -> float:
    """Find by halving where the distribution function of Beta(a, b) reaches a probability."""
    low, high = 0.0, 1.0
    while high - low > 1e-12:
        middle = (low + high) / 2
        low, high = (middle, high) if _beta_probability(middle, a, b) < probability else (low, middle)
    return round((low + high) / 2, 9)


def _beta_probability(x: float, a: float, b: float) -> float:
    """Calculate the distribution function of Beta(a, b), by its continued fraction (Abramowitz and Stegun 26.5.8)."""
    # The fraction converges fast below the mean; above it, the other tail is calculated.
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta_probability(1 - x, b, a)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    # Lentz's method, as modified by Thompson and Barnett 1986. It takes about as many steps as the root of a + b.
    c, d = 1.0, 1 / _not_zero(1 - (a + b) * x / (a + 1))
    fraction = d
    for step in range(1, 100 + round(10 * math.sqrt(a + b))):
        even = step * (b - step) * x / ((a + 2 * step - 1) * (a + 2 * step))
        odd = -(a + step) * (a + b + step) * x / ((a + 2 * step) * (a + 2 * step + 1))
        change = 1.0
        for term in (even, odd):
            d = 1 / _not_zero(1 + term * d)
            c = _not_zero(1 + term / c)
            change *= c * d
        fraction *= change
        if abs(change - 1) < 1e-13:
            break
    return math.exp(log_front) * fraction / a


def _not_zero(value: float) -> float:
    return value or 1e-300
