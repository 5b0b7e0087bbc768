r"""The audit log: a file that records what was done with keys and data, and to which lines are only ever added.

A line is written and flushed to the disk before the action it records takes effect. So a line may record an action that
then failed, but no action lacks its line. Each line holds the digest of the line before it and its own digest. Beside
the log lies its *head*: the number of lines, and the digest of the last line. From these, `verify_audit` of
:mod:`linkcore.governance.audit.check` finds every line that was altered, removed, moved or cut off.

What this proves depends on who can write. A person who can write only to the log is found out. A person who can write
to the log and to its head can forge both from any line on, unless the log has a key (``chain_key``) that this person
does not hold. Even then, an earlier copy of both can be put back. To detect that, note the head (`Audit.head`) from
time to time, keep it with another person, and give it to `verify_audit`.

The log holds no identifiers. Its fields are a closed list, and a text that contains an NHS Number or a postcode is
refused. Names cannot be recognised: whoever writes a reason must leave them out.
"""

import os
import re
import unicodedata
from collections.abc import Callable, Iterator
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
from linkcore.plain_text import ends_a_line, escaped, without_escapes

__all__ = ["FIELDS", "Audit"]

FIELDS: Final = frozenset(
    {
        # Who: the name or ODS code of an organisation.
        *("recipient", "requester", "provider", "practice", "programme"),
        # What: names, and the names and digests of files.
        *("agreement", "source", "sources", "file", "files", "folder", "format", "sha256", "manifest", "verify_key"),
        # On what basis.
        *("purpose", "basis", "legal_basis", "exemption", "approval", "policy", "reference"),
        # Days.
        *("on", "first", "last", "start", "end"),
        # How many.
        *("records", "rows", "persons", "pseudonyms", "numbers", "scores", "listed", "lists", "answered", "unanswered"),
        *("withheld", "objections", "opted_out", "sensitive", "withdrawals", "keys", "recipients", "releases"),
        *("providers", "limit", "minimum_k", "k", "left_out", "set_aside", "lines", "versions"),
        # With what outcome.
        *("checked", "outcome", "state", "stage", "version"),
    }
)
"""The details that a line may hold beside its action, actor, reason and key."""

_ACTION: Final = re.compile(r"[a-z][a-z_]{2,39}")
_LONGEST: Final = {"reason": 1000, "actor": 200}
_LONGEST_DETAIL: Final = 500
_COUNTS: Final = range(1_000_000_000)  # a larger number could be an NHS Number
_HEX: Final = re.compile(r"[0-9a-f]{16,}")
_ISO_DATE: Final = re.compile(r"\b\d{4}-[01]\d-[0-3]\d\b")
_TEN_DIGITS: Final = re.compile(r"(?<!\d)(?=(\d(?:[\s\-.]{0,2}\d){9})(?!\d))")
_POSTCODE: Final = re.compile(r"(?<![A-Z0-9])(?:[A-Z]{1,2}[0-9][0-9A-Z]?|GIR)\s{0,2}[0-9][A-Z]{2}(?![A-Z0-9])")
_FOREIGN: Final = (
    "the audit log {} has lines that were not written by linkcore, or not under this chain key: find them with "
    "`verify_audit`; nothing is done until then"
)


class Audit:
    """An audit log, in a file that only its owner can read (mode 0600).

    Several processes may write to one log: each waits for its turn (on POSIX systems).

    Parameters
    ----------
    path : path
        The log file. Its head is beside it, in ``PATH.head``. Both are created when the first line is written.
    chain_key : Key, optional
        A key that is used for this log only. Digests are then HMAC-SHA-256 under this key, and only its holder can
        write or verify the log. Without a key, digests are plain SHA-256.

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
        """Path of the head."""
        return head_path(self.path)

    @property
    def head(self) -> Head:
        """Number of lines and digest of the last line, to be noted elsewhere."""
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
        """Add a line to the log, and return once it is on the disk: only then start the action.

        Parameters
        ----------
        action : str
            What is about to be done, such as ``release``: lower-case letters and ``_``.
        at : datetime.datetime
            The time, with its time zone.
        actor : str
            Who does it.
        reason : str
            Why it is done, with nothing in it that identifies a patient.
        key : Key, optional
            The key that is used: its id and version are recorded.
        **details : int or str
            Fields of the line; their names are in `FIELDS`.

        Raises
        ------
        ProgrammeError
            If a field has an unknown name or a value of the wrong kind.
        RefusedError
            If a text contains an NHS Number or a postcode, if the log cannot be written, or if it does not end as its
            head states.

        Examples
        --------
        >>> Audit("audit.jsonl").record("release", at=datetime(2026, 4, 1, tzinfo=UTC), actor="a", name="Smith")
        Traceback (most recent call last):
        linkcore.errors.ProgrammeError: the audit log has no field 'name'; use one of agreement, answered, ...
        """
        self._add(_body(action, at=at, actor=actor, reason=reason, key=key, details=details))

    def record_unless(
        self,
        refuse: Callable[[Iterator[dict[str, Any]]], None],
        action: str,
        *,
        at: datetime,
        actor: str,
        reason: str = "",
        key: Key | None = None,
        **details: int | str,
    ) -> None:
        """Add a line as `record` does, unless ``refuse`` raises at the lines so far; no process adds one in between."""
        self._add(_body(action, at=at, actor=actor, reason=reason, key=key, details=details), refuse)

    def _add(self, body: dict[str, Any], refuse: Callable[[Iterator[dict[str, Any]]], None] | None = None) -> None:
        with alone(self.path):
            head = self._whole_head()
            if refuse is not None:
                refuse(self._lines())
            if not self.head_path.exists():  # written before the first line, so that a log always has its head
                write_head(self.path, self._chain, head, 0)
            text, digest = self._chain.signed({"number": head.lines + 1, **body, "previous": head.digest})
            size = append(self.path, text)
            write_head(self.path, self._chain, Head(head.lines + 1, digest), size)

    def lines(self) -> list[dict[str, Any]]:
        """Read the lines of the log, and refuse a log with an altered line or without its end."""
        with alone(self.path):
            self._whole_head()
            return list(self._lines())

    def _lines(self) -> Iterator[dict[str, Any]]:
        text = self.path.read_bytes() if self.path.exists() else b""
        for line in text.splitlines():
            body = self._chain.body(line)
            if body is None:
                raise RefusedError(_FOREIGN.format(self.path))
            yield body

    def _whole_head(self) -> Head:
        """Return the head of the log, and refuse a log that does not end as its head states."""
        if not self.path.exists() and not self.head_path.exists():
            return Head(0, NO_LINE)
        head, size = read_head(self.path, self._chain)
        size_on_disk = self.path.stat().st_size if self.path.exists() else 0
        if size_on_disk > size:
            head, size = self._recovered(head, size)
        elif size_on_disk < size or (head.lines and last_digest(self.path, self._chain) != head.digest):
            raise RefusedError(
                f"the audit log {self.path} does not end as its head states: find the lines that changed with "
                "`verify_audit`; nothing is done until then"
            )
        return head

    def _recovered(self, head: Head, size: int) -> tuple[Head, int]:
        """Recover from a writer that was killed after it began a line and before it wrote the head.

        The action that the line records never took effect.
        """
        with self.path.open("r+b") as file:
            file.seek(size)
            rest = file.read()
            if not rest.endswith(b"\n"):  # an unfinished line
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
        raise ProgrammeError("action: use 3 to 40 lower-case letters and '_', such as release")
    if not isinstance(at, datetime) or at.tzinfo is None:
        raise ProgrammeError("at: give the time with its time zone, such as datetime.now(UTC)")
    unknown = sorted(set(details) - FIELDS)
    if unknown:
        raise ProgrammeError(f"the audit log has no field {unknown[0]!r}; use one of {', '.join(sorted(FIELDS))}")
    if not actor:
        raise ProgrammeError("actor: say who does it, for the audit log")
    for name, value in {"actor": actor, "reason": reason, **details}.items():
        if type(value) is int and value in _COUNTS:
            continue
        if not isinstance(value, str) or ends_a_line(value) or len(value) > _LONGEST.get(name, _LONGEST_DETAIL):
            raise ProgrammeError(f"{name}: the audit log takes a count or one line of text that is not too long")
        _refuse_identifiers(name, without_escapes(value))
    return {
        "at": at.astimezone(UTC).isoformat(timespec="seconds"),
        "action": action,
        # A name that a supplier chose must have no power over the terminal of whoever reads the log.
        "actor": escaped(actor),
        "reason": escaped(reason),
        "key": None if key is None else key.id,
        "key_version": None if key is None else key.version,
        "details": {name: escaped(value) if isinstance(value, str) else value for name, value in details.items()},
    }


def _refuse_identifiers(name: str, text: str) -> None:
    """Refuse a text that contains an NHS Number or a postcode, however it is spaced."""
    if _HEX.fullmatch(text):  # a digest may contain ten digits by chance
        return
    plain = _ISO_DATE.sub("|", unicodedata.normalize("NFKC", text))
    tens = [found[1] for found in _TEN_DIGITS.finditer(plain)]
    if tens and pl.DataFrame({"ten": tens}).select(nhs_number_status("ten").is_in(list(NUMBERED)).any()).item():
        raise RefusedError(f"{name} contains an NHS Number: take it out, the audit log holds no identifiers")
    if _POSTCODE.search(plain.upper()):
        raise RefusedError(f"{name} contains a postcode: take it out, the audit log holds no identifiers")
