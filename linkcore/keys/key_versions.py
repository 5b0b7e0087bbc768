"""The versions of keys that a keyring holds, the facts about each, and both as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from linkcore.errors import LinkcoreError, ProgrammeError
from linkcore.keys.key import Key
from linkcore.keys.secret import Secret

__all__ = ["HeldKey", "KeyVersion", "as_bytes", "from_bytes"]

Status: TypeAlias = Literal["active", "retired", "destroyed"]

_STATUSES: Final = ("active", "retired", "destroyed")


@dataclass(frozen=True)
class KeyVersion:
    """The facts about one version of a key. None of them is secret.

    Parameters
    ----------
    id : str
        Name of the key.
    version : int
        Version of the key, from 1 up.
    purpose : str
        Purpose of the key.
    recipient : str
        Recipient of the data that are pseudonymised under it.
    created : datetime.datetime
        When it was added to the keyring, in UTC.
    status : {"active", "retired", "destroyed"}
        Active: makes new pseudonyms; at most one version of a key is active. Retired: kept for earlier releases.
        Destroyed: its material is gone.
    changed : datetime.datetime
        When its status last changed, in UTC.

    Raises
    ------
    ProgrammeError
        A time has no time zone, a text is longer than one line, or there is no such status.

    Examples
    --------
    >>> day = datetime(2026, 4, 1, tzinfo=UTC)
    >>> KeyVersion("optum-2026", 1, "winter planning", "Optum", day, "active", day).status
    'active'
    """

    id: str
    version: int
    purpose: str
    recipient: str
    created: datetime
    status: Status
    changed: datetime

    def __post_init__(self) -> None:
        for name in ("created", "changed"):
            time = getattr(self, name)
            if not isinstance(time, datetime) or time.tzinfo is None:
                raise ProgrammeError(f"key {self.id!r}: give the time with its time zone: datetime.now(UTC)")
            object.__setattr__(self, name, time.astimezone(UTC).replace(microsecond=0))
        for name in ("purpose", "recipient"):
            if not isinstance(getattr(self, name), str) or not getattr(self, name).isprintable():
                raise ProgrammeError(f"key {self.id!r}: its {name} must be one line of text")
        if self.status not in _STATUSES:
            raise ProgrammeError(f"key {self.id!r}: its status is one of {', '.join(_STATUSES)}")


class HeldKey(NamedTuple):
    """One version of a key in a keyring."""

    about: KeyVersion
    key: Key | None
    """None if it is destroyed."""


def as_bytes(held: Sequence[HeldKey]) -> Secret[bytes]:
    """Write versions of keys as JSON."""

    def entry(about: KeyVersion, key: Key | None) -> dict[str, Any]:
        times = {"created": about.created.isoformat(), "changed": about.changed.isoformat()}
        return {**asdict(about), **times, "material": key and key._material.reveal().hex()}

    return Secret(json.dumps([entry(*one) for one in held]).encode())


def from_bytes(content: Secret[bytes]) -> tuple[HeldKey, ...] | None:
    """Read the versions that `as_bytes` wrote; None if the content is something else.

    Examples
    --------
    >>> from_bytes(as_bytes([]))
    ()
    """
    try:
        entries = Secret(json.loads(content.reveal()))
        held = tuple(HeldKey(*_entry(Secret(entry))) for entry in entries.reveal())
    except (ValueError, TypeError, AttributeError, LookupError, RecursionError, OverflowError, LinkcoreError):
        return None
    return held


def _entry(entry: Secret[dict[str, Any]]) -> tuple[KeyVersion, Key | None]:
    material = Secret(entry.reveal()["material"])
    about = KeyVersion(
        **{
            **{name: value for name, value in entry.reveal().items() if name != "material"},
            "created": datetime.fromisoformat(entry.reveal()["created"]),
            "changed": datetime.fromisoformat(entry.reveal()["changed"]),
        }
    )
    if material.reveal() is None:
        return about, None
    # Weak material is not refused here: a keyring with such a key has to open, so that the key can be replaced.
    return about, Key._build(about.id, Secret(bytes.fromhex(material.reveal())), about.version)
