"""What a model was learned on, and whether a run learned it or kept it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import polars as pl

from linkcore.linkage.self_test.unseen import NOTHING_TESTED

__all__ = ["DRIFT_LIMIT", "NEW_RECORDS_LIMIT", "LearnedOn", "ModelUse"]

NEW_RECORDS_LIMIT: Final = 0.2
"""A model is kept while at most this share of the compared records is new since it was learned. Where three records in
a hundred change in a month, that is half a year."""

DRIFT_LIMIT: Final = 0.05
"""A model is kept while on no comparison more than this share of the pairs of one person stands on other levels than
when it was learned. Of three hundred pairs, so many do by chance."""


@dataclass(frozen=True, eq=False, repr=False)
class LearnedOn:
    """What a model and its thresholds were learned on: by this a later linkage decides whether to keep them.

    Parameters
    ----------
    date : str, optional
        The reference date of the linkage that learned, as YYYY-MM-DD.
    settings : mapping of str to JSON value
        The settings on which depends what is learned.
    records : polars.DataFrame
        ``hash`` (UInt64) of the identifiers of the compared records. It has no key, so it stays with the trusted team.
    departures : polars.DataFrame
        How those records differed from what was learned; see
        :func:`linkcore.linkage.learning.departures.departures`.
    unseen : polars.DataFrame
        ``source`` (null: all of them), ``has_*`` and ``unseen``: how often the person of a record is not among its
        candidates, as the self-test saw it.
    """

    date: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    records: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema={"hash": pl.UInt64}))
    departures: pl.DataFrame = field(default_factory=pl.DataFrame)
    unseen: pl.DataFrame = field(
        default_factory=lambda: NOTHING_TESTED.select(pl.lit(None, pl.String).alias("source"), "unseen")
    )


@dataclass(frozen=True)
class ModelUse:
    """Whether a run kept the model, the thresholds and the estimates of an earlier one, and why.

    Parameters
    ----------
    kept : bool
        Whether they were kept; otherwise they were learned, or given.
    why : str
        The reason, in words that go on from "because".
    learned_on : str, optional
        The reference date of the linkage that learned what is used, as YYYY-MM-DD.
    new_records : float, optional
        The share of the compared records that is new since then. None where no model could be kept.
    drift : mapping of str to float
        By comparison, the share of pairs of one person that now stand on other levels than when the model was learned:
        half the sum of the differences of the levels' shares (total variation distance). Empty where nothing is known.
    """

    kept: bool = False
    why: str = "no earlier linkage was given"
    learned_on: str | None = None
    new_records: float | None = None
    drift: Mapping[str, float] = field(default_factory=dict)

    @property
    def furthest(self) -> tuple[str, float]:
        """The comparison that has drifted most, and how far; an empty name where nothing is known."""
        return max(self.drift.items(), key=lambda item: item[1], default=("", 0.0))
