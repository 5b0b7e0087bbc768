"""The threshold of a source: the lowest probability at which few enough of its links are false.

A threshold is *certified* where the upper end of the 95 % interval of the false-link rate is at most the limit. At a
threshold, let W be the weight of the links that it accepts and E the weight of the false ones. Let n be the smallest
effective number of links at this or any lower threshold (Kish 1965, "Survey sampling": the square of the weight of all,
by the sum over persons of their squared weights). The upper end is that of the exact interval for E / W of n cases.

The bound is monotone: a threshold never certifies what a lower one with the same false links does not. Proof: raise the
threshold so that no false link drops out. E stays and W does not grow, so E / W does not fall. n is the minimum over
more thresholds, so it does not grow. The upper end does not fall when the rate rises or when n falls. Without the
minimum this fails: Kish's number can rise when heavy links drop out, and the bound would hold for the rest only.

A link weighs as many links as it stands for: the tested links of a source together weigh as many as the records of that
source that can be linked in this run. Then Kish's number is that of a stratified sample: 1/n = Σ W_s² / n_s, with W_s
the share of source s among these links.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal

import polars as pl

from linkcore.linkage.self_test.intervals import exact_interval

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["ACCEPT_WITHOUT_TEST", "Basis", "Threshold", "choose_thresholds"]

Basis = Literal["own", "pooled", "expected", "seen", "given", "no labels"]
"""How a threshold was chosen.

``own``: certified on the tested records of the source. ``pooled``: certified on those of all sources, where its own
certify no lower one. ``expected`` and ``seen``: not certified, because too few records were tested. Either the false
links that the probabilities predict set the threshold, or the false links that the test saw.
``given``: by the caller. ``no labels``: not at all, because no records have numbers."""

ACCEPT_WITHOUT_TEST: Final = 0.5
"""The threshold where nothing can be tested; no threshold is lower."""

_MOST_LIKELY_NONE: Final = 0.5
"""Where half a false link is expected, there is most likely none. So few are few enough, whatever their share."""


@dataclass(frozen=True)
class Threshold:
    """The probability from which links of a source are accepted.

    Parameters
    ----------
    accept : float
        The probability.
    basis : str
        How it was chosen: one of :data:`Basis`.
    """

    accept: float
    basis: Basis


def choose_thresholds(
    rows: pl.DataFrame, best_of_open: pl.DataFrame, *, max_false_link_rate: float
) -> dict[int, Threshold]:
    """Choose for each source the lowest threshold at which few enough of its links are false.

    The estimates set a threshold: few enough false links are predicted by the probabilities of the links to be made,
    and few enough were seen in the test, both over all sources and in the source. A source takes a lower threshold if
    the test of all sources certifies it, or if its own test does. A threshold that is certified, but higher, is not
    taken: too few records were tested to certify the lower one, and more tested records must not lead to fewer links.
    Of few links, half a false one may be expected: then there is most likely none. And the test of a source must prove
    that more links are false than the limit before it raises a threshold, since one false link of few is no proof.

    ``rows``: outcomes of the half that chooses. ``best_of_open``: ``source`` and ``probability`` of the best candidate
    of each record without a number, 0 without a candidate.
    """
    sources = best_of_open["source"].unique().sort().to_list()
    if rows.is_empty():
        return dict.fromkeys(sources, Threshold(ACCEPT_WITHOUT_TEST, "no labels"))
    rate = max_false_link_rate
    to_link = best_of_open.filter(pl.col("probability") > ACCEPT_WITHOUT_TEST)
    tested = _TestedLinks.of(rows)
    pooled = tested.standing_for(to_link)
    of_all = [
        Threshold(_expected_below(to_link["probability"], rate), "expected"),
        Threshold(pooled.seen_below(rate), "seen"),
    ]
    certified = pooled.certified(rate)
    return {
        source: _of_source(
            tested.of_source(source), to_link.filter(source=source)["probability"], of_all, certified, rate
        )
        for source in sources
    }


def _of_source(
    own: "_TestedLinks", to_link: pl.Series, of_all: Sequence[Threshold], certified: float | None, rate: float
) -> Threshold:
    """Choose the threshold of a source by its own test, the estimates ``of_all``, and what all tests ``certified``."""
    expected = Threshold(_expected_below(to_link, rate), "expected")
    proven = Threshold(own.proven_above(rate), "seen")
    # Of equal ones, the first.
    estimated = max(*of_all, expected, proven, key=_accept)
    by_own = own.certified(rate)
    # A certificate of all tests says nothing of a source that no test is about.
    by_all = None if certified is None or own.rows.is_empty() else max(certified, proven.accept)
    certificates = [] if by_all is None else [Threshold(by_all, "pooled")]
    if by_own is not None:
        certificates.append(Threshold(by_own, "own"))
    best = min(certificates, key=_accept, default=estimated)
    if best.accept <= estimated.accept:
        return best
    # Where no tested link lies between the two, the certificate is about both.
    between = own.rows.filter(pl.col("probability") >= estimated.accept, pl.col("probability") < best.accept)
    return Threshold(estimated.accept, best.basis) if between.is_empty() else estimated


def _accept(threshold: Threshold) -> float:
    return threshold.accept


@dataclass(frozen=True, eq=False)
class _TestedLinks:
    """Tested records that could be linked, the most probable first.

    Parameters
    ----------
    rows : polars.DataFrame
        ``source``, ``true_person``, ``right``, ``probability`` and ``reweighted``.
    """

    rows: pl.DataFrame = field(repr=False)

    @classmethod
    def of(cls, rows: pl.DataFrame) -> "_TestedLinks":
        # A record that stands for nobody tells nothing.
        possible = rows.filter(
            pl.col("probability") > ACCEPT_WITHOUT_TEST, ~pl.col("doubtful"), pl.col("reweighted") > 0
        )
        return cls(possible.sort("probability", "record", "listed", descending=[True, False, True]))

    def of_source(self, source: int) -> "_TestedLinks":
        return _TestedLinks(self.rows.filter(source=source))

    def standing_for(self, to_link: pl.DataFrame) -> "_TestedLinks":
        """Let the links of each source weigh as many as the records that can be linked, ``to_link``."""
        links = to_link.group_by("source").len("links")
        weight = pl.col("reweighted") * pl.col("links") / pl.col("reweighted").sum().over("source")
        weighted = self.rows.join(links, on="source", maintain_order="left").with_columns(weight.alias("reweighted"))
        return _TestedLinks(weighted.drop("links"))

    def certified(self, rate: float) -> float | None:
        """Return the lowest threshold that is certified; None without any. It is a tested probability."""
        import numpy as np

        totals, wrong, cases = self._sums
        _, high = exact_interval(wrong / totals, cases)
        holds = np.flatnonzero(high <= rate)
        return _accepting(self.rows["probability"], self._ends, int(holds[-1])) if holds.size else None

    def seen_below(self, rate: float) -> float:
        """Return the lowest threshold at which the false links seen are few enough."""
        totals, wrong, _ = self._sums
        return _lowest(self.rows["probability"], self._ends, wrong <= rate * totals)

    def proven_above(self, rate: float) -> float:
        """Return the lowest threshold at which the test does not prove that more links are false."""
        totals, wrong, cases = self._sums
        low, _ = exact_interval(wrong / totals, cases)
        return _lowest(self.rows["probability"], self._ends, low <= rate)

    @cached_property
    def _ends(self) -> "NDArray[np.int64]":
        return _last_of_each(self.rows["probability"])

    @cached_property
    def _sums(self) -> tuple["NDArray[np.float64]", "NDArray[np.float64]", "NDArray[np.float64]"]:
        """At each threshold: the weight of the links, the weight of the false ones, and n."""
        import numpy as np

        weight = pl.col("reweighted")
        # Rows of a person add up, so each raises the sum of squares by more than its own square.
        so_far = weight.cum_sum().over("true_person") - weight
        squares = np.cumsum(self.rows.select(weight**2 + 2 * weight * so_far).to_series().to_numpy())
        weights = self.rows["reweighted"].to_numpy()
        totals, wrong = np.cumsum(weights), np.cumsum(weights * (~self.rows["right"]).to_numpy())
        totals, wrong, squares = totals[self._ends], wrong[self._ends], squares[self._ends]
        cases = np.minimum.accumulate((totals**2 / squares)[::-1])[::-1]
        return totals, wrong, cases


def _expected_below(to_link: pl.Series, rate: float) -> float:
    """Return the lowest threshold at which the records to be linked have few enough false links, as they predict."""
    import numpy as np

    probability = to_link.sort(descending=True)
    ends = _last_of_each(probability)
    expected = np.cumsum(1 - probability.to_numpy())[ends]
    holds = expected <= np.maximum(rate * (ends + 1), _MOST_LIKELY_NONE)
    # A link that is sure enough by itself would do.
    return _lowest(probability, ends, holds) if holds.any() or not holds.size else 1 - rate


def _lowest(probability: pl.Series, ends: "NDArray[np.int64]", holds: "NDArray[np.bool_]") -> float:
    """Return the lowest threshold that holds: 0.5 if the lowest of all does; the highest probability if none does."""
    import numpy as np

    if holds.size == 0 or holds[-1]:
        return ACCEPT_WITHOUT_TEST
    found = np.flatnonzero(holds)
    return _accepting(probability, ends, int(found[-1])) if found.size else float(probability[0])


def _last_of_each(probability: pl.Series) -> "NDArray[np.int64]":
    """Return the positions at which a threshold may lie: the last of each probability."""
    last = probability != probability.shift(-1)
    return last.fill_null(True).arg_true().to_numpy().astype("int64")


def _accepting(probability: pl.Series, ends: "NDArray[np.int64]", last: int) -> float:
    """Return the threshold that accepts the probabilities up to the last of these ends."""
    lowest = int(ends[last])
    is_lowest_of_all = last == ends.size - 1
    next_lower = ACCEPT_WITHOUT_TEST if is_lowest_of_all else float(probability[lowest + 1])
    return _rounded_down(float(probability[lowest]), next_lower)


def _rounded_down(lowest: float, next_lower: float) -> float:
    """Return a short number that accepts ``lowest``, and not the next lower probability.

    Six digits of the distance from 1 are enough, so that the order of summation cannot show.
    """
    miss = 1 - lowest
    if miss <= 0:
        return lowest
    digits = 5 - math.floor(math.log10(miss))
    # The distance of 0.99 from 1 is a little more than 0.01 in binary.
    rounded = 1 - math.ceil(miss * 10**digits - 1e-6) / 10**digits
    return max(rounded, ACCEPT_WITHOUT_TEST) if next_lower < rounded <= lowest else lowest
