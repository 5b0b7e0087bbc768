"""Settings of the fallback: how what the exact linkage leaves open is linked."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from linkcore.errors import ProgrammeError
from linkcore.linkage.model.model import Model
from linkcore.linkage.model.splink_json import read_models
from linkcore.schema import LABELS

__all__ = ["Fallback"]


@dataclass(frozen=True, eq=False)
class Fallback:
    """Settings of the probabilistic linkage.

    Parameters
    ----------
    max_false_link_rate : float
        The most of the accepted links of a source that may be wrong. The probability from which a record is linked is
        the lowest at which a test, on records whose numbers are hidden, says so with 95 % confidence; where no record
        has a number, it is 0.5.
    accept : float, optional
        Probability from which a record is linked, in place of the one that the test chooses: a half or more, so that
        no two persons are both accepted.
    model : path or mapping, optional
        A model that was learned before, as ``Linkage.save_model`` or Splink saves it; nothing is learned then.
    labels : polars.DataFrame, optional
        What people have said of single records, as :func:`linkcore.read_review` gives it: matches are learned from as
        NHS Numbers are, where the records are still open and the persons still there.
    memory : str
        The most that Splink may hold in memory, as DuckDB writes it; beyond it, it uses a private temporary directory.
    threads : int, optional
        How many threads Splink may use; with none given, all there are. The links are the same.

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
    model: Path | str | Model | Mapping[Any, Any] | None = field(default=None, repr=False)
    memory: str = "3GB"
    threads: int | None = None
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
        if self.model is not None:
            object.__setattr__(self, "model", read_models(self.model))
