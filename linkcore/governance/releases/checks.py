"""What must hold before a release: its key, its day, and the conditions under which data of real people leave."""

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import polars as pl

from linkcore.errors import ProgrammeError, RefusedError
from linkcore.governance.manifest import read_manifest
from linkcore.governance.releases.agreements import Agreement
from linkcore.governance.releases.synthetic_numbers import has_test_numbers, sources_with_real_numbers
from linkcore.keys.key import Key
from linkcore.link import Linkage
from linkcore.plain_text import escaped

if TYPE_CHECKING:
    from linkcore.governance.audit.audit import Audit
    from linkcore.governance.audit.occasion import Occasion
    from linkcore.governance.withholding.withholding import Withholding
    from linkcore.keys.signing import SigningKey

__all__ = [
    "check_day",
    "check_key",
    "check_occasion",
    "check_people",
    "refuse_another_day",
    "refuse_shared_keys",
    "refuse_unless_signed_and_audited",
]

MOST_DAYS_BACK: Final = 3
"""So many days may lie between the day of release and the time at which data of real people are released: a run that
began on Friday can be repeated on Monday."""


def refuse_shared_keys(
    keys: Mapping[str, Key], *, releases: Sequence[str | Path] = (), audit: "Audit | None" = None
) -> None:
    """Refuse a key that two recipients share, because their releases could be joined.

    Parameters
    ----------
    keys : mapping of str to Key
        Recipient to key.
    releases : sequence of path
        Folders of earlier releases. None to another recipient may be under one of the keys.
    audit : Audit, optional
        The audit log. No release that it records to another recipient may be under one of the keys.

    Raises
    ------
    RefusedError
        If two recipients have the same key material (it names them), or the log has an altered line.
    SourceError
        If the manifest of an earlier release cannot be read.

    Examples
    --------
    >>> refuse_shared_keys({"one": Key.generate("one"), "other": Key.generate("other")})
    """
    first: dict[str, str] = {}
    for recipient, key in keys.items():
        other = first.setdefault(key.fingerprint, recipient)
        if other != recipient:
            raise RefusedError(f"{other!r} and {recipient!r} have the same key material; make one of them a new key")
    earlier = [(read_manifest(folder), f"in {folder}") for folder in releases]
    if audit is not None:
        earlier += [(line["details"], f"by line {line['number']} of {audit.path}") for line in audit.lines()]
    for stated, where in earlier:
        same, released_to = first.get(stated.get("key_fingerprint", "")), stated.get("recipient")
        # The audit log has its texts escaped.
        if same is not None and released_to not in (same, escaped(same)):
            raise RefusedError(
                f"agreement with {same!r}: {released_to!r} had a release under the same key, {where}, and the two "
                "could be joined; make one of them a new key"
            )


def refuse_unless_signed_and_audited(
    *, synthetic: bool, signing_key: "SigningKey | None", occasion: "Occasion | None"
) -> None:
    """Refuse to release data of real people unsigned or unaudited; call it as early as the three are known.

    Examples
    --------
    >>> refuse_unless_signed_and_audited(synthetic=True, signing_key=None, occasion=None)
    >>> refuse_unless_signed_and_audited(synthetic=False, signing_key=None, occasion=None)
    Traceback (most recent call last):
    linkcore.errors.RefusedError: data of real people are released only signed and audited: ...
    """
    if not synthetic and (signing_key is None or occasion is None):
        raise RefusedError(
            "data of real people are released only signed and audited: give a signing key (signing_key, or "
            "--signing-key) and an audit log (an occasion, [audit] in the programme file, or --audit); if the data are "
            "synthetic, declare it where they are linked (synthetic = true in the programme file, or synthetic=True "
            "for link)"
        )


def refuse_another_day(on: dt.date | None, occasion: "Occasion | None", *, synthetic: bool) -> None:
    """Refuse to release data of real people as of a day that is not today, or a few days back.

    By another day, a programme that has ended would run again, and a list that was fresh then would be accepted.

    Examples
    --------
    >>> refuse_another_day(dt.date(2020, 1, 1), None, synthetic=True)
    """
    if synthetic or occasion is None or on is None:
        return
    back = (occasion.at.date() - on).days
    if not 0 <= back <= MOST_DAYS_BACK:
        raise RefusedError(
            f"data of real people are released as of today or at most {MOST_DAYS_BACK} days back: on is {on}, and the "
            f"time of the occasion is {occasion.at:%Y-%m-%d}; only a synthetic programme can run as of another day"
        )


def check_occasion(
    occasion: "Occasion | None", signing_key: "SigningKey | None", *, synthetic: bool, on: dt.date | None = None
) -> None:
    """Refuse data of real people that would leave unsigned, unaudited or as of another day, and an absent actor."""
    refuse_unless_signed_and_audited(synthetic=synthetic, signing_key=signing_key, occasion=occasion)
    refuse_another_day(on, occasion, synthetic=synthetic)
    if occasion is not None and not occasion.actor:
        raise ProgrammeError("a release that is audited needs to know who releases: give the occasion an actor")


def check_key(agreement: Agreement, key: Key) -> None:
    """Refuse a key that is not the agreement's, or is weak."""
    if key.id != agreement.key:
        raise RefusedError(
            f"agreement with {agreement.recipient!r}: it is for key {agreement.key!r}, and the key given is {key.id!r}"
        )
    key.refuse_if_weak()


def check_day(agreement: Agreement, withholding: "Withholding | None", on: dt.date | None) -> None:
    """Refuse a day on which the agreement is not in force, or for which opt-outs were not applied."""
    if isinstance(on, dt.datetime):
        raise ProgrammeError("on is a time; give the day of release, as a date")
    if on is None and (agreement.terms is not None or withholding is not None):
        raise ProgrammeError(f"agreement with {agreement.recipient!r}: give the day of release in on, as a date")
    if on is not None and agreement.terms is not None:
        agreement.terms.refuse_unless_in_force(agreement.recipient, on)
    if withholding is None:
        return
    if withholding.on != on:
        raise RefusedError(f"opt-outs were applied as of {withholding.on}, and the release is on {on}; apply them anew")
    if withholding.purpose != agreement.purpose:
        raise RefusedError(
            f"agreement with {agreement.recipient!r}: opt-outs were applied for the purpose {withholding.purpose!r}, "
            f"and the agreement's is {agreement.purpose!r}; an exemption holds for its own purpose only"
        )


def check_people(linkage: Linkage, agreement: Agreement, withholding: "Withholding | None") -> bool:
    """Return whether the NHS Numbers show that the data are synthetic; refuse data of real people without opt-outs."""
    real = sources_with_real_numbers(linkage)
    if real and linkage.synthetic:
        raise RefusedError(
            f"the data are declared synthetic, but {' and '.join(real)} have NHS Numbers in ranges that are issued to "
            "patients; take the declaration out (synthetic = true in the programme file, or synthetic=True for link), "
            "or use numbers of the test range"
        )
    synthetic = not real and has_test_numbers(linkage)
    if not synthetic and withholding is None:
        raise RefusedError(
            "without opt-outs applied, synthetic data only is released: all NHS Numbers lie in the test range, and a "
            "source without numbers lies beside a spine that has them; apply opt-outs for this day and purpose with "
            "withhold, and give the result as withholding"
        )
    if not synthetic and agreement.terms is None:
        raise RefusedError(
            f"agreement with {agreement.recipient!r}: it states no terms, and data of real people are released only "
            "under terms that are in force; state them"
        )
    if withholding is not None:
        for source in linkage.sources:
            kept, rows = withholding.kept.get(source.name), linkage.rows[source.name].height
            if kept is None or kept.len() != rows or kept.dtype != pl.Boolean or kept.null_count():
                raise RefusedError(
                    f"source {source.name!r}: the withholding is not of this linkage; apply opt-outs to it anew"
                )
    return synthetic
