"""Check in a run that the weights of linkcore's engine are those of Splink, on some of the run's own pairs."""

import math
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

import polars as pl

from linkcore.errors import LinkcoreError
from linkcore.linkage.engine.database_engine import DatabaseEngine
from linkcore.linkage.engine.engine import Learned
from linkcore.linkage.engine.splink import SplinkEngine
from linkcore.linkage.engine.tables import PeopleTable
from linkcore.linkage.settings import Check
from linkcore.sampling import draw, hashes

__all__ = ["WeightCheck", "check_weights"]

# So many pairs are drawn, and so many of each level of each comparison, as far as there are.
_PAIRS: Final = 4_000
_OF_EACH_LEVEL: Final = 10

# Runs with fewer pairs take a few seconds, and the check takes one.
_MANY_PAIRS: Final = 100_000

# Each source has a model of its own, and Splink takes half a second for each model. So only the sources with most pairs
# are looked at, unless the check is asked for.
_SOURCES: Final = 2

# Both engines round to a billionth of a bit. A million times that is far less than what any decision depends on.
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
    engine: DatabaseEngine, learned: Learned, scored: pl.DataFrame, *, compared: int, check: Check
) -> WeightCheck | None:
    """Let Splink weigh some of the pairs that an engine scored, and stop the run if it finds another weight.

    ``scored``: ``record``, ``person``, ``weight`` and ``gamma_*``; or ``a`` and ``b``, two records, and the same.
    ``compared``: how many pairs the run has scored.
    Returns None if nothing was checked: pairs are few, or Splink has weighed them all.

    Raises
    ------
    LinkcoreError
        If a weight differs.
    """
    of_splink = isinstance(engine, SplinkEngine)
    if of_splink or check == "never" or scored.is_empty() or (check == "auto" and compared < _MANY_PAIRS):
        return None
    splink = SplinkEngine(engine.people, engine.comparisons, engine.rules)
    if check == "auto" and "record" in scored.columns:
        scored = _of_largest_sources(engine.people, scored)
    sample = scored[_sample(scored, _fingerprints(engine.people, scored))]
    keys = ["record", "person"] if "record" in scored.columns else ["a", "b"]
    weigh = splink.score_given if "record" in keys else splink.score_records
    both = sample.join(weigh(learned, sample.select(keys)), on=keys, suffix="_splink", how="left")
    difference = (both["weight"] - both["weight_splink"]).abs().fill_null(math.inf).fill_nan(math.inf).to_list()
    largest = max(difference)
    if largest > _TOLERANCE:
        pair = both.row(difference.index(largest), named=True)
        levels = ", ".join(f"{name.removeprefix('gamma_')} {pair[name]}" for name in _gammas(scored))
        raise LinkcoreError(
            f"linkcore gives a pair of records the weight {pair['weight']}, and Splink {version('splink')} the weight "
            f"{pair['weight_splink']} (levels: {levels}); please report this, and link with engine 'splink' until it "
            "is mended"
        )
    return WeightCheck(version("splink"), sample.height, largest)


def _of_largest_sources(people: PeopleTable, scored: pl.DataFrame) -> pl.DataFrame:
    """Keep the pairs of the sources with most of them; of equals, of the first sources."""
    source = people.source_of_record[scored["record"]].alias("source")
    by_size = source.value_counts().sort("count", "source", descending=[True, False])
    return scored.filter(source.is_in(by_size["source"].head(_SOURCES).implode()))


def _gammas(scored: pl.DataFrame) -> list[str]:
    return [name for name in scored.columns if name.startswith("gamma_")]


def _fingerprints(people: PeopleTable, scored: pl.DataFrame) -> pl.Series:
    """Return what names each pair, whatever the order of rows."""
    if "person" in scored.columns:
        sides = [("person", scored["person"]), ("record", scored["record"] + people.persons)]
    else:
        sides = [("record", scored[side] + people.persons) for side in ("a", "b")]
    one, other = (hashes(people.fingerprints[ids], seed=0, purpose=kind) for kind, ids in sides)
    return one ^ other


def _sample(scored: pl.DataFrame, fingerprints: pl.Series) -> pl.Series:
    """Draw the rows of some pairs and, of each level that occurs, of some more."""
    drawn = [draw(fingerprints, _PAIRS, seed=0, purpose="check of weights")]
    for name in _gammas(scored):
        for level in scored[name].unique().sort():
            rows = (scored[name] == level).arg_true()
            of_level = draw(fingerprints[rows], _OF_EACH_LEVEL, seed=0, purpose="check of weights")
            drawn.append(rows[of_level])
    return pl.concat(drawn).unique().sort()
