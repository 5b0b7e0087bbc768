"""Re-identification: which of a requester's own patients some pseudonyms are, and nothing about anybody else.

No look-up table is kept. The requester brings its own patient list; that is hashed under the recipient's key, and the
pseudonyms are looked for among what comes out. A pseudonym of somebody else's patient and one of nobody get the same
answer, which is none.
"""

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from linkcore.errors import KeyMaterialError, ProgrammeError, RefusedError
from linkcore.governance.audit.audit import Audit
from linkcore.governance.exits.own_patients import Relationships, ods_code
from linkcore.keys.key import Key
from linkcore.keys.keyring import Keyring
from linkcore.link import Linkage
from linkcore.pseudonyms.pseudonymise import pseudonymise

__all__ = ["checked_pseudonyms", "held_versions", "one_key", "patients_of", "reidentify"]

_PSEUDONYM = "^[0-9a-f]{32}$"


def reidentify(
    pseudonyms: pl.Series | Sequence[str],
    listed: pl.Series,
    keys: Key | Sequence[Key],
    *,
    requester: str,
    reason: str,
    limit: int,
    audit: Audit,
    at: datetime,
    actor: str,
    linkage: Linkage | None,
    source: str | None = None,
) -> pl.DataFrame:
    """Say which of a requester's own patients the pseudonyms are.

    For direct care, at the request of a GP practice for the patients registered with it, or of a provider for the
    people in its own extract. The request is in the audit log before there is an answer, and also if it is refused.

    The limit is of one request: who asks again and again is seen in the audit log only.

    Parameters
    ----------
    pseudonyms : polars.Series or sequence of str
        What the requester has been told: 32 hex characters each.
    listed : polars.Series
        The requester's own patient list: NHS Numbers in any written form.
    keys : Key or sequence of Key
        The recipient's key, all versions of it that are held (`held_versions`).
    requester : str
        The ODS code of who asks.
    reason : str
        Why, without anything that identifies a patient.
    limit : int
        How many pseudonyms may be asked about at most.
    audit : Audit
        Where it is written down.
    at : datetime.datetime
        The time, with its time zone.
    actor : str
        Who answers: the holder of the key.
    linkage : Linkage or None
        By which the list is checked to be of the requester's own patients. None takes the list at its word, and then
        whoever brings a list of all NHS Numbers is told everything: only for a requester whose list was checked
        otherwise.
    source : str, optional
        A provider's own source; without it, the requester is a GP practice.

    Returns
    -------
    polars.DataFrame
        ``pseudonym`` and ``nhs_number`` (ten digits, as listed), in the order of the pseudonyms. Who is not there is
        not among the requester's patients, or is nobody.

    Raises
    ------
    RefusedError
        There is no reason, there are more pseudonyms than the limit, or it cannot be written down.
    ProgrammeError
        The requester is no ODS code, a pseudonym is none, or keys of two recipients were given.

    Examples
    --------
    >>> from datetime import UTC
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from linkcore.link import link
    >>> from linkcore.sources.source import Source
    >>> spine = pl.DataFrame({"nhs_number": ["4010232137", "4000000012"], "gp": ["A81001", "B82002"]})
    >>> linkage = link([Source("gp", spine, spine=True, practice="gp")], fallback=None)
    >>> key = Key.from_bytes("partner-2026", bytes(range(32)))
    >>> pseudonyms = pseudonymise(spine["nhs_number"], key)
    >>> with TemporaryDirectory() as folder:
    ...     reidentify(
    ...         pseudonyms, spine["nhs_number"], key, requester="A81001", reason="at risk of a fall", limit=10,
    ...         audit=Audit(Path(folder, "audit.jsonl")), at=datetime(2026, 4, 1, tzinfo=UTC), actor="team",
    ...         linkage=linkage,
    ...     )["nhs_number"].to_list()
    ['4010232137']
    """
    requester = ods_code(requester)
    versions = one_key(keys)
    asked = checked_pseudonyms(pl.Series("pseudonym", pseudonyms, pl.String)).unique(maintain_order=True)

    def write_down(outcome: str, **counts: int | str) -> None:
        audit.record(
            "reidentification",
            at=at,
            actor=actor,
            reason=reason,
            key=versions[-1],
            versions=", ".join(str(key.version) for key in versions),
            requester=requester,
            pseudonyms=asked.len(),
            limit=limit,
            outcome=outcome,
            **counts,
        )

    if not reason.strip():
        write_down("refused, no reason")
        raise RefusedError("re-identification needs a reason: say why, without anything that identifies a patient")
    if asked.len() > limit:
        write_down("refused, above the limit")
        raise RefusedError(
            f"{asked.len()} pseudonyms were asked about, and at most {limit} may be at once: ask about fewer"
        )
    own = Relationships(linkage).own_patients(listed, requester=requester, source=source)
    among = patients_of(own.numbers, versions)
    answer = asked.to_frame().join(among, on="pseudonym", how="inner", maintain_order="left")
    write_down("answered", listed=own.listed, left_out=own.not_own, checked=own.checked, answered=answer.height)
    return answer


def patients_of(numbers: pl.DataFrame, keys: Sequence[Key]) -> pl.DataFrame:
    """Give the pseudonyms that a requester's own patients have under any of the keys.

    Returns ``pseudonym`` (each once) and ``nhs_number``, as listed. It must not be kept: it is the look-up table.
    """
    hashed = [numbers.select(pseudonymise("name", key).alias("pseudonym"), "nhs_number") for key in keys]
    return pl.concat(hashed).unique("pseudonym", keep="first", maintain_order=True)


def checked_pseudonyms(pseudonyms: pl.Series) -> pl.Series:
    """Refuse what is no pseudonym: most likely the wrong column, and perhaps identifiers.

    Examples
    --------
    >>> checked_pseudonyms(pl.Series(["DD5C602EEB31D60C7C0D662C897231DD"])).to_list()
    ['dd5c602eeb31d60c7c0d662c897231dd']
    """
    if pseudonyms.dtype != pl.String:
        raise ProgrammeError(f"pseudonyms are text of 32 hex characters, not {pseudonyms.dtype}: name their column")
    tidy = pseudonyms.str.strip_chars().str.to_lowercase()
    wrong = tidy.len() - tidy.str.contains(_PSEUDONYM).sum()
    if wrong:
        raise ProgrammeError(
            f"{wrong} of {tidy.len()} pseudonyms are not 32 hex characters: name the column that holds pseudonyms, and "
            "take out what is none"
        )
    return tidy


def one_key(keys: Key | Sequence[Key]) -> tuple[Key, ...]:
    """Give the versions of one key in order; keys of two recipients are never used together."""
    given = (keys,) if isinstance(keys, Key) else tuple(keys)
    if len({key.id for key in given}) != 1:
        raise ProgrammeError("pseudonyms are of one recipient: give the versions of its key, and no other key")
    return tuple(sorted(given, key=lambda key: key.version))


def held_versions(keyring: Keyring, id: str) -> tuple[Key, ...]:  # noqa: A002 -- it is what a key's name is called
    """Give all versions of a key that are not destroyed, active or retired.

    Parameters
    ----------
    keyring : Keyring
        Opened.
    id : str
        Names the key.

    Returns
    -------
    tuple of Key

    Raises
    ------
    KeyMaterialError
        There is no such key, or all its versions are destroyed.
    """
    held = [about.version for about in keyring.versions if about.id == id and about.status != "destroyed"]
    if not held:
        raise KeyMaterialError(
            f"the keyring {keyring.path} holds no version of key {id!r}, or they are destroyed: nothing can be "
            "re-identified under it"
        )
    return tuple(keyring.key(id, version) for version in held)
