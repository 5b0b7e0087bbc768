"""Requests for what identifies people: each is in the audit log, whether it is answered or refused."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC
from functools import partial
from typing import Any, Final, NoReturn

from linkcore.errors import KeyMaterialError, LinkcoreError, ProgrammeError, RefusedError, SourceError
from linkcore.governance.audit.occasion import Occasion
from linkcore.governance.exits.requesters import Requester
from linkcore.keys.key import Key

__all__ = ["Request", "requested"]

# The first that fits.
_WHY: Final = (
    (KeyMaterialError, "refused, key"),
    (RefusedError, "refused"),
    (ProgrammeError, "refused, wrong usage"),
    (SourceError, "refused, unreadable data"),
    (Exception, "failed"),
)
_LEFT_OUT: Final = "left out: the audit log does not take this text"


@dataclass
class Request:
    """A request, with what the audit log says of it: the key, and details that are known so far."""

    occasion: Occasion
    action: str
    key: Key | None = None
    details: dict[str, int | str] = field(default_factory=dict)
    why: str | None = None
    is_recorded: bool = False

    def refuse(self, why: str, message: str) -> NoReturn:
        """Refuse the request; the audit log says why in a few words."""
        self.why = f"refused, {why}"
        raise RefusedError(message)

    def refuse_without_reason(self, message: str) -> None:
        """Refuse the request if the occasion gives no reason."""
        if not self.occasion.reason.strip():
            self.refuse("no reason", message)

    def known(self, requesters: Iterable[Requester], code: str) -> Requester:
        """Return the requester that has the ODS code, or refuse an unknown one."""
        found = next((requester for requester in requesters if requester.code == code), None)
        if found is None:
            self.details["requester"] = code
            self.refuse(
                "unknown requester",
                f"{code} is no known requester: state [requesters.{code}] in the programme file, with its practice or "
                "its own source",
            )
        return found

    def answer(self, **counts: int | str) -> None:
        """Record that the request is answered: only then answer it."""
        self.occasion.record(self.action, self.key, **self.details, **counts, outcome="answered")
        self.is_recorded = True

    def answer_within(self, limit: int, counted: str, **counts: int | str) -> None:
        """Record the answer, unless the requester would have more than ``limit`` of ``counted`` on this day."""
        details = {**self.details, **counts, "limit": limit, "outcome": "answered"}
        check = partial(self._check_day, limit=limit, counted=counted, details=details)
        self.occasion.record_unless(check, self.action, self.key, **details)
        self.is_recorded = True

    def refuse_above(self, lines: Iterable[Mapping[str, Any]], limit: int, counted: str, **details: int | str) -> None:
        """Refuse what `answer_within` would refuse at these lines of the log, before any line says "answered"."""
        self._check_day(lines, limit=limit, counted=counted, details=self.details | details)

    def _check_day(
        self, lines: Iterable[Mapping[str, Any]], *, limit: int, counted: str, details: Mapping[str, int | str]
    ) -> None:
        requester, today = details["requester"], self.occasion.at.astimezone(UTC).date().isoformat()
        answered = [
            line["details"].get(counted)
            for line in lines
            if line["action"] == self.action
            and line["at"].startswith(today)
            and line["details"].get("requester") == requester
            and line["details"].get("outcome") == "answered"
        ]
        if not all(isinstance(count, int) for count in answered):
            self.refuse(
                "audit log",
                f"the audit log does not say how many {counted} {requester} was told today: it has lines that linkcore "
                "did not write; nothing is done until then",
            )
        before = sum(answered)
        now = int(details[counted])
        if before + now > limit:
            self.details |= {"requester": requester, "limit": limit}
            self.refuse(
                "above the limit",
                f"{requester}: {now:,} {counted} in this request and {before:,} earlier today, and at most {limit:,} a "
                "day are allowed: ask about fewer, or on another day",
            )

    def record_refusal(self, error: Exception) -> None:
        """Record that the request was refused, without its texts if it is they that the audit log refuses."""
        outcome = self.why or next(why for kind, why in _WHY if isinstance(error, kind))
        try:
            self.occasion.record(self.action, self.key, **self.details, outcome=outcome)
        except LinkcoreError:
            counts = {name: value for name, value in self.details.items() if isinstance(value, int)}
            nameless = replace(self.occasion, actor=_LEFT_OUT, reason=_LEFT_OUT)
            nameless.record(self.action, self.key, **counts, outcome=outcome)


@contextmanager
def requested(occasion: Occasion, action: str, **details: int | str) -> Iterator[Request]:
    """Take a request: if it is not answered, the audit log says why before the error goes on.

    Examples
    --------
    >>> from datetime import datetime
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from linkcore.governance.audit.audit import Audit
    >>> folder = TemporaryDirectory()
    >>> log = Audit(Path(folder.name, "audit.jsonl"))
    >>> with requested(Occasion("team", datetime(2026, 4, 1, tzinfo=UTC), log), "subject_access") as request:
    ...     request.refuse_without_reason("give the number of the case")
    Traceback (most recent call last):
    linkcore.errors.RefusedError: give the number of the case
    >>> [line["details"]["outcome"] for line in log.lines()]
    ['refused, no reason']
    >>> folder.cleanup()
    """
    request = Request(occasion, action, details=dict(details))
    try:
        yield request
    except Exception as error:
        if not request.is_recorded:
            request.record_refusal(error)
        raise
