"""The occasion of an action: who does it, when, why, and the audit log that records it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from linkcore.governance.audit.audit import Audit
from linkcore.keys.key import Key

__all__ = ["Occasion"]


@dataclass(frozen=True)
class Occasion:
    """Who does something, when and why, and the audit log that records it.

    Every release, and every command that can identify someone, takes an occasion and is logged before it takes effect.

    Parameters
    ----------
    actor : str
        Who does it: a team or a role, not a patient.
    at : datetime.datetime
        The time, with its time zone. linkcore never reads the clock itself.
    audit : Audit
        The audit log.
    reason : str
        Why it is done, with nothing in it that identifies a patient.

    Examples
    --------
    >>> from datetime import UTC
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     log = Audit(Path(folder, "audit.jsonl"))
    ...     Occasion("trusted team", datetime(2026, 4, 1, tzinfo=UTC), log, reason="monthly run").actor
    'trusted team'
    """

    actor: str
    at: datetime
    audit: Audit
    reason: str = ""

    def record(self, action: str, key: Key | None = None, **details: int | str) -> None:
        """Add a line to the audit log: this action, by this actor, at this time, for this reason."""
        self.audit.record(action, at=self.at, actor=self.actor, reason=self.reason, key=key, **details)

    def record_unless(
        self,
        refuse: Callable[[Iterator[dict[str, Any]]], None],
        action: str,
        key: Key | None = None,
        **details: int | str,
    ) -> None:
        """Add the line unless ``refuse`` raises at the lines so far; no other process can add one in between."""
        self.audit.record_unless(refuse, action, at=self.at, actor=self.actor, reason=self.reason, key=key, **details)
