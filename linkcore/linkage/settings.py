"""Settings of the linkage: of the exact linkage on the NHS Number, and of the fallback."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import polars as pl

from linkcore.errors import ProgrammeError
from linkcore.linkage.model.model import Model, UntrainedModel
from linkcore.linkage.model.splink_json import SplinkSettings, read_models
from linkcore.linkage.superseded import current_numbers
from linkcore.schema import LABELS, USABLE_STATUSES

__all__ = ["Check", "EngineName", "Exact", "Fallback", "Relearn"]

ConflictPolicy = Literal["fallback", "keep"]

EngineName = Literal["native", "splink"]
Check = Literal["always", "auto", "never"]
Relearn = Literal["when_changed", "always", "never"]


@dataclass(frozen=True, eq=False)
class Exact:
    """Settings of the exact linkage on the NHS Number.

    Parameters
    ----------
    usable : sequence of str
        Statuses of the NHS Numbers that may link; add ``"test"`` for a synthetic programme.
    superseded : polars.DataFrame or polars.LazyFrame, optional
        Numbers that were merged into others: columns ``old`` and ``new``, in any written form. A new number must have
        a usable status. The frame is read when the settings are made, and kept as integers.
    conflicts : {"fallback", "keep"}
        What happens to a record whose name and birth date contradict the person with its number. ``"fallback"`` looks
        for its person by the other identifiers; ``"keep"`` links it by its number. Either way the record is flagged.

    Raises
    ------
    ProgrammeError
        If a setting makes no sense.

    Examples
    --------
    >>> Exact(usable=("valid", "test")).conflicts
    'fallback'
    """

    usable: Sequence[str] = USABLE_STATUSES
    superseded: pl.DataFrame | pl.LazyFrame | None = field(default=None, repr=False)
    conflicts: ConflictPolicy = "fallback"

    def __post_init__(self) -> None:
        possible = (*USABLE_STATUSES, "test")
        if isinstance(self.usable, str):
            # Each letter of a string would be taken for a status.
            raise ProgrammeError(f"usable is the text {self.usable!r}; give a sequence, as in ('valid',)")
        wrong = sorted(set(self.usable) - set(possible))
        if wrong or not self.usable:
            raise ProgrammeError(f"usable holds {wrong or 'nothing'}; it may hold {', '.join(possible)}")
        if self.conflicts not in get_args(ConflictPolicy):
            raise ProgrammeError(f"conflicts is {self.conflicts!r}; it is 'fallback' or 'keep'")
        object.__setattr__(self, "usable", tuple(status for status in possible if status in self.usable))
        if self.superseded is not None:
            object.__setattr__(self, "superseded", current_numbers(self.superseded, self.usable))


@dataclass(frozen=True, eq=False)
class Fallback:
    """Settings of the probabilistic linkage.

    Parameters
    ----------
    max_false_link_rate : float
        The greatest share of a source's accepted links that may be wrong. A test on records whose numbers are hidden
        finds the lowest probability at which this holds with 95 % confidence, and records are linked from that
        probability on. Where no record has a number, they are linked from 0.5 on.
    accept : float, optional
        Probability from which a record is linked, instead of the one that the test finds. It is at least a half, so
        that a record is never linked to two persons.
    model : path, mapping, Model or splink.SettingsCreator, optional
        A model for Splink: settings as Splink takes them, or a model that was learned before, as
        ``Linkage.save_model`` or Splink saves it; a file, what it states, Splink's ``SettingsCreator``, or the model of
        a linkage, ``linkage.probabilistic.model``. Its SQL compares the columns in docs/MODELS.md. What it states is
        kept; m, u and the prior that it does not state are learned. A trained model learns nothing.
    engine : {"native", "splink"}, optional
        What weighs pairs. ``"native"`` is a kernel of linkcore that gives Splink's weights; it knows the comparisons
        and blocking rules of linkcore. ``"splink"`` is Splink itself, and takes any model. Both give the same links. If
        not given, it is ``"native"``, unless the model has comparisons or blocking rules of its own.
    check : {"always", "auto", "never"}
        Whether Splink weighs some of the run's pairs too, where the engine is ``"native"``. If a weight differs, the
        run stops. ``"auto"`` leaves it out if few pairs are compared, since it takes about a second.
    relearn : {"when_changed", "always", "never"}
        Whether the model, the thresholds and the estimates of the self-test are learned anew, where the linkage before
        is given. ``"when_changed"`` keeps them while at most 20 % of the compared records are new since they were
        learned, at most 5 % of the pairs of one person stand on other levels of a comparison than then, no setting has
        changed, no reviewers' answers are given, and no source is new. ``"always"`` learns in every run. ``"never"``
        keeps them however the records have changed, and is refused where they do not fit. Without an earlier linkage,
        and where a model is given, this has no effect.
    labels : polars.DataFrame, optional
        What reviewers said of single records, as :func:`linkcore.read_review` returns it. The fallback learns from
        matches as it does from NHS Numbers, where the records are still open and the persons still listed.
    memory : str
        The most memory that DuckDB may use, written as DuckDB writes it. Beyond it, DuckDB uses a private temporary
        directory.
    threads : int, optional
        Number of threads that DuckDB may use; all, if not given. The links do not depend on it.

    Raises
    ------
    ProgrammeError
        If a setting makes no sense.

    Examples
    --------
    >>> Fallback(accept=0.95).accept
    0.95
    """

    max_false_link_rate: float = 0.002
    accept: float | None = None
    model: Path | str | Model | SplinkSettings | Mapping[Any, Any] | None = field(default=None, repr=False)
    engine: EngineName | None = None
    check: Check = "auto"
    memory: str = "3GB"
    threads: int | None = None
    relearn: Relearn = "when_changed"
    labels: pl.DataFrame | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not 0 < self.max_false_link_rate < 1:
            raise ProgrammeError(
                f"max_false_link_rate is {self.max_false_link_rate}; it is a share of links, above 0 and below 1"
            )
        if self.accept is not None and not 0.5 <= self.accept < 1:
            raise ProgrammeError(f"accept is {self.accept}; it is a probability of at least 0.5 and below 1")
        if not re.fullmatch(r"\d+(\.\d+)? ?[KMGT]i?B", self.memory):
            raise ProgrammeError(f"memory is {self.memory!r}; write it as '3GB' or '512MiB'")
        if self.threads is not None and self.threads < 1:
            raise ProgrammeError(f"threads is {self.threads}; it is 1 or more")
        if self.labels is not None and (not isinstance(self.labels, pl.DataFrame) or self.labels.schema != LABELS):
            raise ProgrammeError("labels is not what read_review gives; give that")
        if self.engine is not None and self.engine not in get_args(EngineName):
            raise ProgrammeError(f"engine is {self.engine!r}; it is 'native' or 'splink'")
        if self.relearn not in get_args(Relearn):
            raise ProgrammeError(f"relearn is {self.relearn!r}; it is 'when_changed', 'always' or 'never'")
        if self.check not in get_args(Check):
            raise ProgrammeError(f"check is {self.check!r}; it is 'always', 'auto' or 'never'")
        if self.model is not None:
            object.__setattr__(self, "model", read_models(self.model))

    @property
    def models(self) -> Mapping[str | None, Model | UntrainedModel]:
        """The model of all sources, under None, and those of single sources; empty if none was given."""
        return self.model if isinstance(self.model, Mapping) else {}
