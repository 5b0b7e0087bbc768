"""Settings of the fallback: how what the exact linkage leaves open is linked."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from linkcore.errors import ProgrammeError
from linkcore.linkage.training import read_model

__all__ = ["Fallback"]


@dataclass(frozen=True, eq=False)
class Fallback:
    """Settings of the probabilistic linkage.

    Parameters
    ----------
    accept : float, optional
        Probability from which a record is linked: a half or more, so that no two persons are both accepted. With none
        given, 0.9 where the weights were learned from exact links, and 0.5 where they had to be learned without.
    model : path or mapping, optional
        A model that was learned before, as Splink saves it; nothing is learned then.
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

    accept: float | None = None
    model: Path | str | Mapping[str, Any] | None = field(default=None, repr=False)
    memory: str = "3GB"
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.accept is not None and not 0.5 <= self.accept < 1:
            raise ProgrammeError(f"accept is {self.accept}; it is a probability of at least 0.5 and below 1")
        if not re.fullmatch(r"\d+(\.\d+)? ?[KMGT]i?B", self.memory):
            raise ProgrammeError(f"memory is {self.memory!r}; write it as '3GB' or '512MiB'")
        if self.threads is not None and self.threads < 1:
            raise ProgrammeError(f"threads is {self.threads}; it is 1 or more")
        if self.model is not None:
            object.__setattr__(self, "model", read_model(self.model))
