r"""The audit log: a file that records what was done with keys and data, and to which lines are only ever added.

A line is written and flushed to the disk before the action it records takes effect. So a line may record an action that
then failed, but no action lacks its line. Each line holds the digest of the line before it and its own digest. Beside
the log lies its *head*: the number of lines, and the digest of the last line. From these, `verify_audit` of
:mod:`linkcore.governance.audit.check` finds every line that was altered, removed, moved or cut off.

What this proves depends on who can write. A person who can write only to the log is found out. A person who can write
to the log and to its head can forge both from any line on, unless the log has a key (``chain_key``) that this person
does not hold. Then each line and the head also hold an HMAC under this key, and a line without one is a fault from the
first line that has one. A log whose last line has none takes no line under a key until `Audit.start_key`: it may be a
forged one in place of the true one. The digests stay plain, so that anyone can check the chain without the key.

Even with a key, an earlier copy of log and head can be put back, and both can be removed. To detect that, note the head
(`Audit.head`) from time to time, keep it with another person, and give it to `verify_audit`. What an unkeyed log says
before its first keyed line is only proved not to have changed since that line was written.

The log holds no identifiers. Its fields are a closed list, and a text that contains an NHS Number, a postcode or a
birth date is refused. Names cannot be recognised: whoever writes a reason must leave them out.

No line is added to a log that other users of the machine can write: to the file, its head, or its folder.
"""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from linkcore.errors import ProgrammeError, RefusedError
from linkcore.governance.audit.chain import (
    NO_LINE,
    Chain,
    Head,
    Line,
    Proof,
    alone,
    append,
    has_keyed_line,
    head_path,
    last_line,
    others_who_can_write,
    read_head,
    write_head,
)
from linkcore.governance.audit.free_text import refuse_identifiers
from linkcore.keys.key import Key
from linkcore.keys.keyring import Keyring
from linkcore.plain_text import ends_a_line, escaped, without_escapes

__all__ = ["COUNTS", "FIELDS", "Audit", "keys_of_log", "refuse_unfit"]

FIELDS: Final = frozenset(
    {
        # Who: the name or ODS code of an organisation.
        *("recipient", "requester", "provider", "practice", "programme"),
        # What: names, and the names and digests of files.
        *("agreement", "source", "sources", "file", "files", "folder", "format", "sha256", "manifest", "verify_key"),
        "previous_linkage",
        "key_fingerprint",
        # On what basis.
        *("purpose", "cohort", "basis", "legal_basis", "exemption", "approval", "policy", "reference"),
        # Days.
        *("on", "first", "last", "start", "end"),
        # How many.
        *("records", "rows", "persons", "pseudonyms", "numbers", "scores", "listed", "lists", "answered", "unanswered"),
        *("withheld", "objections", "opted_out", "sensitive", "withdrawals", "keys", "recipients", "releases"),
        *("difference", "providers", "limit", "minimum_k", "k", "left_out", "set_aside", "lines", "versions"),
        # With what outcome.
        *("checked", "outcome", "state", "stage", "version"),
    }
)
"""The details that a line may hold beside its action, actor, reason and key."""

_ACTION: Final = re.compile(r"[a-z][a-z_]{2,39}")
_TYPED: Final = frozenset({"actor", "reason", "reference"})  # by a person, for this occasion
_LONGEST: Final = {"reason": 1000, "purpose": 1000, "actor": 200}
_LONGEST_DETAIL: Final = 500
COUNTS: Final = range(1_000_000_000)
"""The numbers that a line may hold: a larger one could be an NHS Number."""

_FOREIGN: Final = (
    "the audit log {} has lines that were not written by linkcore, or not under this chain key: find them with "
    "`verify_audit`; nothing is done until then"
)
_WITHOUT_KEY: Final = (
    "the audit log {} has a key: lines are added only under it; give the keyring that holds it (--audit-keyring, or "
    "the parameter chain_key)"
)
_KEY_NOT_STARTED: Final = (
    "the audit log {} is given with a key, and its last line is not under a key: either the log was replaced by a "
    "forged one, or it never had a key. Make sure of it (`audit head` as another person noted it), then start the key "
    "once: `linkcore audit start-key`, or `Audit.start_key`; nothing is done until then"
)


def keys_of_log(keyring: Keyring | None, key: str | None, named: str) -> tuple[Key, ...]:
    """Return the versions of a log's key that are not destroyed, or none if it has no key.

    ``named`` says where the key was named: an option, or a key of the programme file.
    """
    if key is None:
        return ()
    if keyring is None:
        raise RefusedError(
            f"{named}: the audit log is kept under the key {key!r}: give the keyring that holds it (--audit-keyring, "
            "or the parameter keyring)"
        )
    held = [about.version for about in keyring.versions if about.id == key and about.status != "destroyed"]
    if not held:
        raise RefusedError(f"{named}: the keyring {keyring.path} has no key {key!r}, under which the audit log is kept")
    return tuple(keyring.key(key, version) for version in held)


class Audit:
    """An audit log, in a file that only its owner can read (mode 0600).

    Several processes may write to one log: each waits for its turn (on POSIX systems).

    Parameters
    ----------
    path : path
        The log file. Its head is beside it, in ``PATH.head``. Both are created when the first line is written.
    chain_key : Key or sequence of Key, optional
        A key that is used for this log only, or all versions of it: the newest signs. Each new line then holds an
        HMAC-SHA-256 under this key. A log that has lines under a key takes no lines without it. A log that has lines
        without a key takes lines under one only after `start_key`.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     audit = Audit(Path(folder, "audit.jsonl"))
    ...     audit.record("release", at=datetime(2026, 4, 1, tzinfo=UTC), actor="analyst", recipient="Optum", rows=120)
    ...     audit.head.lines
    1
    """

    def __init__(self, path: str | os.PathLike[str], *, chain_key: Key | Sequence[Key] | None = None) -> None:
        self.path: Final = Path(path)
        self._chain = Chain(chain_key)

    def __repr__(self) -> str:
        return f"Audit({os.fspath(self.path)!r})"

    @property
    def head_path(self) -> Path:
        """Path of the head."""
        return head_path(self.path)

    @property
    def key_id(self) -> str | None:
        """Id of the key under which lines are added, or None if there is no key."""
        return self._chain.key_id

    @property
    def head(self) -> Head:
        """Number of lines and digest of the last line, to be noted elsewhere. Nothing is written."""
        with alone(self.path):
            return self._end()[0]

    def lines(self) -> list[dict[str, Any]]:
        """Read the lines of the log, and refuse a log with an altered line or without its end."""
        with alone(self.path):
            head, _, proof = self._end()
            self._refuse_lines_without_key(head, proof)
            return list(self._lines())

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
            If a text contains an NHS Number, a postcode or a birth date; if the log cannot be written, does not end as
            its head states, or has a key that is not given; or if other users of this machine can write to it.

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

    def start_key(self, *, at: datetime, actor: str, reason: str) -> None:
        """Let a log that has lines without a key go on under the key; the line that says so is the first under it.

        Do this once, and only if you know that nobody replaced the log: compare its head with one that another person
        noted. From then on `verify_audit` needs to be told the number of this line (``keyed_from``).

        Parameters
        ----------
        at, actor, reason
            As for `record`. A reason must be given.

        Raises
        ------
        ProgrammeError
            If no key or no reason is given.
        RefusedError
            If the log has no lines, or has lines under a key, and as for `record`.

        Examples
        --------
        >>> from tempfile import TemporaryDirectory
        >>> day = datetime(2026, 4, 1, tzinfo=UTC)
        >>> with TemporaryDirectory() as folder:
        ...     log = Path(folder, "audit.jsonl")
        ...     Audit(log).record("release", at=day, actor="analyst", rows=120)
        ...     keyed = Audit(log, chain_key=Key.generate("audit-2026"))
        ...     keyed.start_key(at=day, actor="analyst", reason="decision of the board")
        ...     [line["action"] for line in keyed.lines()]
        ['release', 'chain_key_start']
        """
        if not self._chain.has_key or not reason.strip():
            raise ProgrammeError("start_key needs the key of the log (chain_key), and a reason")
        body = _body("chain_key_start", at=at, actor=actor, reason=reason, key=None, details={})
        self._add(body, starts_key=True)

    def _add(
        self,
        body: dict[str, Any],
        refuse: Callable[[Iterator[dict[str, Any]]], None] | None = None,
        *,
        starts_key: bool = False,
    ) -> None:
        with alone(self.path):
            head, size, proof = self._end()
            if not self._chain.has_key and proof != "none":
                raise RefusedError(_WITHOUT_KEY.format(self.path))
            if starts_key and (proof != "none" or not head.lines):
                raise RefusedError(
                    f"the audit log {self.path} is empty or under a key already: no key is to be started"
                )
            self._refuse_lines_without_key(head, proof, starts_key=starts_key)
            if refuse is not None:
                refuse(self._lines())
            self._write_head_of(head, size)
            text, digest = self._chain.signed({"number": head.lines + 1, **body, "previous": head.digest})
            size = append(self.path, text)
            write_head(self.path, self._chain, Head(head.lines + 1, digest), size)

    def _lines(self) -> Iterator[dict[str, Any]]:
        text = self.path.read_bytes() if self.path.exists() else b""
        for line in map(self._chain.line, text.splitlines()):
            if line is None or not _has_form(line.body):
                raise RefusedError(_FOREIGN.format(self.path))
            yield line.body

    def _write_head_of(self, head: Head, size: int) -> None:
        """Make the head fit the log, which has no head before its first line, or whose last writer was killed.

        An action whose line was not finished never took effect, and neither did one whose line is not in the head.
        """
        if self.path.exists() and self.path.stat().st_size > size:  # an unfinished line
            os.truncate(self.path, size)
        if not self.head_path.exists() or read_head(self.path, self._chain).head != head:
            write_head(self.path, self._chain, head, size)

    def _end(self) -> tuple[Head, int, Proof]:
        """Return how the log ends, with its size without an unfinished line, and refuse a log that was changed."""
        if wide := others_who_can_write(self.path):
            raise RefusedError(wide)
        if not self.path.exists() and not self.head_path.exists():
            return Head(0, NO_LINE), 0, "none"
        head, size, proof = read_head(self.path, self._chain)
        if self._chain.has_key and proof not in ("none", "right"):
            raise RefusedError(f"the head {self.head_path} of the audit log was written under another chain key")
        size_on_disk = self.path.stat().st_size if self.path.exists() else 0
        if size_on_disk < size or not self._ends_with(head, size, proof):
            raise RefusedError(
                f"the audit log {self.path} does not end as its head states: find the lines that changed with "
                "`verify_audit`; nothing is done until then"
            )
        return self._with_line_of_killed_writer(head, size, proof) if size_on_disk > size else (head, size, proof)

    def _ends_with(self, head: Head, size: int, proof: Proof) -> bool:
        if not head.lines:
            return (head.digest, size) == (NO_LINE, 0)
        line = last_line(self.path, self._chain, size)
        return line is not None and Head(line.number, line.digest) == head and self._fits(line.proof, proof)

    def _refuse_lines_without_key(self, head: Head, proof: Proof, *, starts_key: bool = False) -> None:
        """Refuse to go on after lines without a key if any line has one, or if the key was never started.

        Whoever can write the log and its head can replace both by a log without a key: the next line under the key
        would vouch for it.
        """
        if proof != "none" or not head.lines:
            return
        if has_keyed_line(self.path):
            raise RefusedError(_FOREIGN.format(self.path))
        if self._chain.has_key and not starts_key:
            raise RefusedError(_KEY_NOT_STARTED.format(self.path))

    def _fits(self, before: Proof, proof: Proof) -> bool:
        """Whether what was written last has the proof that it must have after a line with a given proof."""
        allowed = {"none", "right"} if self._chain.has_key else {"none", "unknown"}
        return {before, proof} <= allowed and not (proof == "none" and before != "none")

    def _with_line_of_killed_writer(self, head: Head, size: int, proof: Proof) -> tuple[Head, int, Proof]:
        """Add the line of a writer that was killed before it wrote the head; leave out a line that is unfinished."""
        with self.path.open("rb") as file:
            file.seek(size)
            rest = file.read()
        if b"\n" not in rest:
            return head, size, proof
        line: Line | None = self._chain.line(rest[:-1]) if rest.endswith(b"\n") else None
        if line is None or (line.number, line.previous) != (head.lines + 1, head.digest):
            raise RefusedError(_FOREIGN.format(self.path))
        if not self._fits(proof, line.proof):
            raise RefusedError(_FOREIGN.format(self.path))
        return Head(line.number, line.digest), size + len(rest), line.proof


def _has_form(body: dict[str, Any]) -> bool:
    """Whether a line has the form that `_body` gives it: whoever can write a log without a key can write any other."""
    details = body.get("details")
    return (
        isinstance(body.get("action"), str)
        and isinstance(body.get("at"), str)
        and isinstance(details, dict)
        and all(isinstance(value, str) or (type(value) is int and value in COUNTS) for value in details.values())
    )


def refuse_unfit(field: str, value: object, *, named: str = "", typed: datetime | None = None) -> None:
    """Refuse a text that the audit log does not take: one too long, of two lines, or with an identifier in it.

    Examples
    --------
    >>> refuse_unfit("purpose", "for 999 000 0018", named="recipient[1].purpose")
    Traceback (most recent call last):
    linkcore.errors.RefusedError: recipient[1].purpose contains an NHS Number: take it out, the audit log holds no ...
    """
    if not isinstance(value, str) or ends_a_line(value) or len(value) > _LONGEST.get(field, _LONGEST_DETAIL):
        raise ProgrammeError(f"{named or field}: the audit log takes a count or one line of text that is not too long")
    refuse_identifiers(named or field, without_escapes(value), typed)


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
        if type(value) is int and value in COUNTS:
            continue
        refuse_unfit(name, value, typed=at if name in _TYPED else None)
    if key is not None:
        refuse_unfit("key", key.id)
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
