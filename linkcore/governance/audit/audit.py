r"""Audit: a log of all that was done with keys and data, to which lines are only ever added.

A line is written, and flushed to the disk, before what it tells of takes effect: so there may be a line of something
that then failed, and never a deed without its line. Each line holds the digest of the line before it and one of itself,
and beside the log lies its *head*: how many lines there are, and the digest of the last. So `verify_audit` of
:mod:`linkcore.governance.audit.check` finds every line that was altered, taken out, moved or cut off, and says which.

What that proves depends on who may write. Whoever may write to the log alone is found out. Whoever may write to the log
and its head can make both anew from any line on, unless the log is under a key (``chain_key``) that he does not have;
and even then he can put back both as they once were. Against that, note the head elsewhere from time to time
(`Audit.head`), with another person, and give it to `verify_audit`.

The log holds no identifiers: its fields are a closed list, and text that holds an NHS Number or a postcode is refused.
A name in a free text cannot be known; whoever writes a reason must leave names out.
"""

import os
import re
import unicodedata
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import polars as pl

from linkcore.errors import ProgrammeError, RefusedError
from linkcore.governance.audit.chain import (
    NO_LINE,
    Chain,
    Head,
    alone,
    append,
    head_path,
    last_digest,
    read_head,
    write_head,
)
from linkcore.identifiers.nhs_number import NUMBERED, nhs_number_status
from linkcore.keys.key import Key

__all__ = ["FIELDS", "Audit"]

FIELDS: Final = frozenset(
    {
        # Who, by the name or ODS code of an organisation.
        *("recipient", "requester", "provider", "practice", "programme"),
        # What, by name; files by their own names and digests.
        *("agreement", "source", "sources", "file", "files", "folder", "format", "sha256", "manifest", "verify_key"),
        # By what right.
        *("purpose", "basis", "legal_basis", "exemption", "approval", "policy", "reference"),
        # Days.
        *("on", "first", "last", "start", "end"),
        # How many.
        *("records", "rows", "persons", "pseudonyms", "numbers", "scores", "listed", "lists", "answered", "unanswered"),
        *("withheld", "objections", "opted_out", "sensitive", "withdrawals", "keys", "recipients", "releases"),
        *("providers", "limit", "minimum_k", "k", "left_out", "set_aside", "lines", "versions"),
        # How it went.
        *("checked", "outcome", "state", "stage", "version"),
    }
)
"""What a line may tell beyond its action, actor, reason and key."""

_ACTION: Final = re.compile(r"[a-z][a-z_]{2,39}")
_LONGEST: Final = {"reason": 1000, "actor": 200}
_LONGEST_DETAIL: Final = 500
_COUNTS: Final = range(1_000_000_000)  # a larger number could be an NHS Number
_HEX: Final = re.compile(r"[0-9a-f]{16,}")
_ISO_DATE: Final = re.compile(r"\b\d{4}-[01]\d-[0-3]\d\b")
_TEN_DIGITS: Final = re.compile(r"(?<!\d)(?=(\d(?:[\s\-.]{0,2}\d){9})(?!\d))")
_POSTCODE: Final = re.compile(r"(?<![A-Z0-9])(?:[A-Z]{1,2}[0-9][0-9A-Z]?|GIR)\s{0,2}[0-9][A-Z]{2}(?![A-Z0-9])")
_FOREIGN: Final = (
    "the audit log {} has lines that were not written by linkcore, or not under this chain key: nothing is done until "
    "`verify_audit` has shown which"
)


class Audit:
    """A log, in a file that only its owner may read (mode 0600).

    Several processes may write to it, one at a time: each waits until it is alone (on POSIX systems).

    Parameters
    ----------
    path : path
        The file; beside it lies its head, ``PATH.head``. Neither need exist.
    chain_key : Key, optional
        A key for this log and nothing else: digests are then HMAC-SHA-256 under it, and only who has it can write or
        verify the log. Without it they are plain SHA-256.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     audit = Audit(Path(folder, "audit.jsonl"))
    ...     audit.record("release", at=datetime(2026, 4, 1, tzinfo=UTC), actor="analyst", recipient="Optum", rows=120)
    ...     audit.head.lines
    1
    """

    def __init__(self, path: str | os.PathLike[str], *, chain_key: Key | None = None) -> None:
        self.path: Final = Path(path)
        self._chain = Chain(chain_key)

    def __repr__(self) -> str:
        return f"Audit({os.fspath(self.path)!r})"

    @property
    def head_path(self) -> Path:
        """Where the head lies."""
        return head_path(self.path)

    @property
    def head(self) -> Head:
        """How many lines there are, and the digest of the last, to be noted elsewhere."""
        with alone(self.path):
            return self._whole_head()

    def record(
        self,
        action: str,
        *,
        at: datetime,
        actor: str,
        reason: str = "",
        key: Key | None = None,
        **details: int | str,
    ) -> None:
        """Write a line, and return when it is on the disk: do what it tells of only then.

        Parameters
        ----------
        action : str
            What is about to be done, such as ``release``: lower-case letters and ``_``.
        at : datetime.datetime
            The time, with its time zone.
        actor : str
            Who does it.
        reason : str
            Why, without anything that identifies a patient.
        key : Key, optional
            Under which key: its id and version are written.
        **details : int or str
            Of `FIELDS` only.

        Raises
        ------
        ProgrammeError
            A field is not of the list, or a value is of the wrong kind.
        RefusedError
            A text holds an NHS Number or a postcode; or the log cannot be written, or does not end as its head says.

        Examples
        --------
        >>> Audit("audit.jsonl").record("release", at=datetime(2026, 4, 1, tzinfo=UTC), actor="a", name="Smith")
        Traceback (most recent call last):
        linkcore.errors.ProgrammeError: the audit log has no field 'name'; it has agreement, answered, ...
        """
        body = _body(action, at=at, actor=actor, reason=reason, key=key, details=details)
        with alone(self.path):
            head = self._whole_head()
            if not self.head_path.exists():  # before the first line, so that no log is ever without one
                write_head(self.path, self._chain, head, 0)
            text, digest = self._chain.signed({"number": head.lines + 1, **body, "previous": head.digest})
            size = append(self.path, text)
            write_head(self.path, self._chain, Head(head.lines + 1, digest), size)

    def _whole_head(self) -> Head:
        """Give the head of the log, once it is sure that the log ends as it says."""
        if not self.path.exists() and not self.head_path.exists():
            return Head(0, NO_LINE)
        head, size = read_head(self.path, self._chain)
        lies = self.path.stat().st_size if self.path.exists() else 0
        if lies > size:
            head, size = self._recovered(head, size)
        elif lies < size or (head.lines and last_digest(self.path, self._chain) != head.digest):
            raise RefusedError(
                f"the audit log {self.path} does not end as its head says: nothing is done until `verify_audit` has "
                "shown which lines are not as they were written"
            )
        return head

    def _recovered(self, head: Head, size: int) -> tuple[Head, int]:
        """Go on behind a writer that was killed between its line and the head: what it told of never took effect."""
        with self.path.open("r+b") as file:
            file.seek(size)
            rest = file.read()
            if not rest.endswith(b"\n"):  # a line that was begun and never finished
                if b"\n" in rest:
                    raise RefusedError(_FOREIGN.format(self.path))
                file.truncate(size)
                os.fsync(file.fileno())
                return head, size
        line = self._chain.parsed(rest[:-1])
        if line is None or (line.number, line.previous) != (head.lines + 1, head.digest):
            raise RefusedError(_FOREIGN.format(self.path))
        head = Head(line.number, line.digest)
        write_head(self.path, self._chain, head, size + len(rest))
        return head, size + len(rest)


def _body(
    action: str, *, at: datetime, actor: str, reason: str, key: Key | None, details: dict[str, int | str]
) -> dict[str, Any]:
    if not _ACTION.fullmatch(action):
        raise ProgrammeError("an action of the audit log is 3 to 40 lower-case letters and '_', such as release")
    if not isinstance(at, datetime) or at.tzinfo is None:
        raise ProgrammeError("give the audit log the time with its time zone: datetime.now(UTC)")
    unknown = sorted(set(details) - FIELDS)
    if unknown:
        raise ProgrammeError(f"the audit log has no field {unknown[0]!r}; it has {', '.join(sorted(FIELDS))}")
    if not actor:
        raise ProgrammeError("the audit log must say who does it: give the actor")
    for name, value in {"actor": actor, "reason": reason, **details}.items():
        if type(value) is int and value in _COUNTS:
            continue
        if not isinstance(value, str) or not value.isprintable() or len(value) > _LONGEST.get(name, _LONGEST_DETAIL):
            raise ProgrammeError(f"{name} of the audit log is a count, or one line of text that is not too long")
        _refuse_identifiers(name, value)
    return {
        "at": at.astimezone(UTC).isoformat(timespec="seconds"),
        "action": action,
        "actor": actor,
        "reason": reason,
        "key": None if key is None else key.id,
        "key_version": None if key is None else key.version,
        "details": details,
    }


def _refuse_identifiers(name: str, text: str) -> None:
    """Refuse text in which there is an NHS Number or a postcode, however it is spaced."""
    if _HEX.fullmatch(text):  # a digest; by chance there may be ten digits in it
        return
    plain = _ISO_DATE.sub("|", unicodedata.normalize("NFKC", text))
    tens = [found[1] for found in _TEN_DIGITS.finditer(plain)]
    if tens and pl.DataFrame({"ten": tens}).select(nhs_number_status("ten").is_in(list(NUMBERED)).any()).item():
        raise RefusedError(f"the audit log holds no identifiers, and {name} has an NHS Number in it: take it out")
    if _POSTCODE.search(plain.upper()):
        raise RefusedError(f"the audit log holds no identifiers, and {name} has a postcode in it: take it out")
