"""Check in a run that the weights of linkcore's engine are those of Splink, on some of the run's own pairs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

import polars as pl

from linkcore.errors import LinkcoreError
from linkcore.linkage.engine.engine import Learned
from linkcore.linkage.engine.pair_engine import PairEngine
from linkcore.linkage.engine.splink import SplinkEngine
from linkcore.linkage.engine.tables import PeopleTable
from linkcore.linkage.settings import Check

__all__ = ["PAIRS_CHECKED", "WeightCheck", "check_weights"]

PAIRS_CHECKED: Final = 20_000
"""So many pairs are drawn, of all sources; each level of each comparison, and each source, has some beside."""

# Runs with fewer pairs take a few seconds, and the check takes one.
_MANY_PAIRS: Final = 100_000

# Each source has a model of its own, and Splink takes half a second for each model. So only the source with most pairs
# is looked at, and pairs of records only if no pairs with persons were scored, unless the check is asked for.
_SOURCES: Final = 1

# Both engines round to a billionth of a bit. A thousand times that is far less than what any decision depends on.
_TOLERANCE: Final = 1e-6


@dataclass(frozen=True)
class WeightCheck:
    """What became of the check.

    Parameters
    ----------
    splink : str
        The version of Splink.
    pairs : int
        How many pairs Splink weighed too.
    largest_difference : float
        The largest difference between the two weights of a pair, in bits.
    """

    splink: str
    pairs: int
    largest_difference: float


def check_weights(
    engine: PairEngine, learned: Learned, samples: Sequence[pl.DataFrame], *, compared: int, check: Check
) -> WeightCheck | None:
    """Let Splink weigh some of the pairs that an engine scored, and stop the run if it finds another weight.

    ``samples``: ``Scored.sampled`` of pairs with persons, and of pairs of records.
    ``compared``: how many pairs the run has scored.
    Returns None if nothing was checked: pairs are few, or Splink has weighed them all.

    Raises
    ------
    LinkcoreError
        If a weight differs.
    """
    of_splink = isinstance(engine, SplinkEngine)
    if of_splink or check == "never" or (check == "auto" and compared < _MANY_PAIRS):
        return None
    pairs, largest = 0, 0.0
    for sample in samples:
        if sample.is_empty():
            continue
        with_persons = "record" in sample.columns
        chosen = _of_largest_sources(engine.people, sample) if with_persons and check == "auto" else sample
        keys = ["record", "person"] if with_persons else ["a", "b"]
        people = engine.people.only(_rows(engine.people, chosen))
        splink = SplinkEngine(people, engine.comparisons, engine.rules)
        weigh = splink.score_given if with_persons else splink.score_records
        both = chosen.join(weigh(learned, chosen.select(keys)), on=keys, suffix="_splink", how="left")
        largest = max(largest, _largest_difference(both))
        pairs += chosen.height
        if check == "auto":
            break
    return WeightCheck(version("splink"), pairs, round(largest, 10)) if pairs else None


def _rows(people: PeopleTable, pairs: pl.DataFrame) -> pl.Series:
    """Return the rows of all who are in these pairs."""
    first = people.persons
    if "record" in pairs.columns:
        return pl.concat([pairs["person"], (pairs["record"] + first).cast(pl.UInt32)]).unique().sort()
    return pl.concat([pairs["a"], pairs["b"]]).unique().sort() + first


def _largest_difference(both: pl.DataFrame) -> float:
    """Return the largest difference of ``weight`` and ``weight_splink``; refuse one that is more than rounding."""
    difference = (both["weight"] - both["weight_splink"]).abs().fill_null(math.inf).fill_nan(math.inf).to_list()
    largest = max(difference)
    if largest > _TOLERANCE:
        pair = both.row(difference.index(largest), named=True)
        gammas = [name for name in both.columns if name.startswith("gamma_") and not name.endswith("_splink")]
        levels = ", ".join(f"{name.removeprefix('gamma_')} {pair[name]}" for name in gammas)
        raise LinkcoreError(
            f"linkcore gives a pair of records the weight {pair['weight']}, and Splink {version('splink')} the weight "
            f"{pair['weight_splink']} (levels: {levels}); please report this, and link with engine 'splink' meanwhile"
        )
    return float(largest)


def _of_largest_sources(people: PeopleTable, scored: pl.DataFrame) -> pl.DataFrame:
    """Keep the pairs of the sources with most of them; of equals, of the first sources."""
    source = people.source_of_record[scored["record"]].alias("source")
    by_size = source.value_counts().sort("count", "source", descending=[True, False])
    return scored.filter(source.is_in(by_size["source"].head(_SOURCES).implode()))
