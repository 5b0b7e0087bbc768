"""Re-identification: which of a requester's own patients some pseudonyms stand for, and nothing about anybody else.

No look-up table is kept. The requester brings its own patient list. linkcore hashes it under the recipient's key, and
looks for the pseudonyms among the results. Another requester's patient and an unknown pseudonym get the same answer:
none.
"""

from collections.abc import Collection, Sequence
from typing import Final

import polars as pl

from linkcore.errors import KeyMaterialError, ProgrammeError
from linkcore.governance.audit.occasion import Occasion
from linkcore.governance.exits.own_patients import PatientList, Relationships
from linkcore.governance.exits.requesters import Requester
from linkcore.governance.exits.requests import requested
from linkcore.keys.key import Key
from linkcore.keys.keyring import Keyring
from linkcore.link import Linkage
from linkcore.pseudonyms.integer_ids import SMALLEST_ID, integer_id
from linkcore.pseudonyms.pseudonymise import pseudonymise

__all__ = [
    "INTEGER_ID",
    "checked_pseudonyms",
    "held_versions",
    "one_key",
    "pseudonyms_of",
    "reidentify",
    "version_list",
]

INTEGER_ID: Final = "linkcore:integer_id"
"""The column with the integer ids of a requester's own patients."""

_PSEUDONYM: Final = "^[0-9a-f]{32}$"
_DIGITS: Final = "^[0-9]{19}$"


def reidentify(
    pseudonyms: pl.Series | Sequence[str] | Sequence[int],
    patients: PatientList,
    keys: Key | Sequence[Key],
    *,
    requesters: Collection[Requester],
    linkage: Linkage,
    occasion: Occasion,
) -> pl.DataFrame:
    """Find which of a requester's own patients the pseudonyms stand for.

    This is for direct care: a GP practice asks about patients registered with it, a provider about people in its own
    extract. Whose patients a requester may ask about, and about how many pseudonyms a day, is stated by ``requesters``:
    the request itself never says it. Every request is recorded in the audit log before it is answered, and also if it
    is refused; the requests of the day count from there.

    Parameters
    ----------
    pseudonyms : polars.Series or sequence of str or int
        The pseudonyms that the requester received, of 32 hex characters each; or the integer ids, as whole numbers or
        as texts of 19 digits.
    patients : PatientList
        The requester and its own patient list.
    keys : Key or sequence of Key
        All held versions of the recipient's key (`held_versions`).
    requesters : collection of Requester
        All requesters of the programme (``programme.requesters.values()``).
    linkage : Linkage
        The linkage that shows which people are the requester's patients. Whoever brings a list of all NHS Numbers is
        told about these only.
    occasion : Occasion
        Who answers the request, when and why, and the audit log.

    Returns
    -------
    polars.DataFrame
        ``pseudonym`` and ``nhs_number`` (ten digits, as listed), in the order of the pseudonyms. A pseudonym that is
        not there stands for nobody among the requester's patients. Integer ids that were asked about are Int64. Of one
        that gave way to another since, or whose records are not all of one person now: ``superseded_by``, the person's
        pseudonym (or integer id) now, under the same version of the key; ``superseded_why``, the reasons of
        :data:`linkcore.schema.SUPERSESSION`; and ``superseded_on`` (Date), the date of the last of them, null if it was
        before the first linkage that was kept. After a ``split``, what the recipient said of the pseudonym before that
        date may be about somebody else. If its records are now of several persons, none of whom has it still,
        ``nhs_number`` is null: nobody can tell whose it was.

    Raises
    ------
    RefusedError
        If the requester is unknown, if there is no reason, if there are more pseudonyms on one day than the requester's
        limit, if its source is no provider's own extract, or if the audit log cannot be written.
    ProgrammeError
        If a text is not a pseudonym, or the keys are not versions of one key.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from linkcore.governance.audit.audit import Audit
    >>> from linkcore.link import link
    >>> from linkcore.sources.source import Source
    >>> spine = pl.DataFrame({"nhs_number": ["4010232137", "4000000012"], "gp": ["A81001", "B82002"]})
    >>> linkage = link([Source("gp", spine, spine=True, practice="gp")], fallback=None)
    >>> key = Key.generate("partner-2026")
    >>> pseudonyms = pseudonymise(spine["nhs_number"], key)
    >>> practices = [Requester("A81001", practice="A81001")]
    >>> with TemporaryDirectory() as folder:
    ...     log = Audit(Path(folder, "audit.jsonl"))
    ...     occasion = Occasion("team", datetime(2026, 4, 1, tzinfo=UTC), log, reason="at risk of a fall")
    ...     patients = PatientList("A81001", spine["nhs_number"])
    ...     answer = reidentify(pseudonyms, patients, key, requesters=practices, linkage=linkage, occasion=occasion)
    >>> answer["nhs_number"].to_list()
    ['4010232137']
    """
    with requested(occasion, "reidentification", requester=patients.requester) as request:
        requester = request.known(requesters, patients.requester)
        versions = one_key(keys)
        request.key = versions[-1]
        request.refuse_without_reason(
            "re-identification needs a reason: say why, with nothing in it that identifies a patient"
        )
        given = pl.Series("pseudonym", pseudonyms)
        asked = checked_pseudonyms(given.cast(pl.String) if given.dtype == pl.Null else given)
        asked = asked.unique(maintain_order=True)
        request.details |= {"versions": version_list(versions), "pseudonyms": asked.len()}
        request.refuse_above(occasion.audit.lines(), requester.limit, "pseudonyms")
        own = Relationships(linkage).own_patients(patients, requester)
        candidates = pseudonyms_of(own.numbers, versions, asked.dtype).drop(INTEGER_ID)
        answer = asked.to_frame().join(candidates, on="pseudonym", how="inner", maintain_order="left")
        request.answer_within(
            requester.limit,
            "pseudonyms",
            listed=own.listed,
            left_out=own.not_own,
            checked=own.checked,
            answered=answer.height,
        )
    return answer


def pseudonyms_of(numbers: pl.DataFrame, keys: Sequence[Key], dtype: pl.DataType) -> pl.DataFrame:
    """Return the pseudonyms of a requester's own patients under all the keys; ``numbers`` is of `OwnPatients`.

    ``pseudonym`` (each once; the integer id, if the dtype of what was asked is Int64), ``INTEGER_ID``, ``nhs_number``,
    as listed, and what has become of the pseudonym, as :func:`reidentify` returns it. This is a look-up table: do not
    keep it.
    """
    has_heir = (pl.col("pseudonymised") != pl.col("current")) & ~pl.col("several")
    told = numbers.select(
        "pseudonymised",
        pl.when(~pl.col("several")).then("nhs_number").alias("nhs_number"),
        pl.when(has_heir).then("current").alias("superseded_by"),
        pl.col("why").alias("superseded_why"),
        pl.col("since").alias("superseded_on"),
    )
    coded = integer_id if dtype == pl.Int64 else pseudonymise
    hashed = [
        told.select(
            coded("pseudonymised", key).alias("pseudonym"),
            integer_id("pseudonymised", key).alias(INTEGER_ID),
            "nhs_number",
            coded("superseded_by", key).alias("superseded_by"),
            "superseded_why",
            "superseded_on",
        )
        for key in keys
    ]
    return pl.concat(hashed).unique("pseudonym", keep="first", maintain_order=True)


def checked_pseudonyms(pseudonyms: pl.Series) -> pl.Series:
    """Return pseudonyms in lower case, or integer ids as Int64; refuse others: they may be identifiers.

    Examples
    --------
    >>> checked_pseudonyms(pl.Series(["DD5C602EEB31D60C7C0D662C897231DD"])).to_list()
    ['dd5c602eeb31d60c7c0d662c897231dd']
    """
    if pseudonyms.dtype.is_integer():
        ids = pseudonyms.cast(pl.Int64, strict=False)
        wrong = ids.len() - (ids >= SMALLEST_ID).sum()
        if wrong:
            raise ProgrammeError(f"{wrong} of {ids.len()} numbers are no integer ids, which have 19 digits")
        return ids
    if pseudonyms.dtype != pl.String:
        raise ProgrammeError(
            f"pseudonyms are texts of 32 hex characters, or whole numbers of 19 digits, not {pseudonyms.dtype}: name "
            "their column; a number with a decimal point has lost its last digits"
        )
    tidy = pseudonyms.str.strip_chars().str.to_lowercase()
    if tidy.len() and tidy.str.contains(_DIGITS).all(ignore_nulls=False):
        return checked_pseudonyms(tidy.cast(pl.UInt64))
    wrong = tidy.len() - tidy.str.contains(_PSEUDONYM).sum()
    if wrong:
        raise ProgrammeError(
            f"{wrong} of {tidy.len()} pseudonyms are not 32 hex characters: name the column of pseudonyms (or of "
            "integer ids, all of 19 digits), and remove the rows without one"
        )
    return tidy


def one_key(keys: Key | Sequence[Key]) -> tuple[Key, ...]:
    """Return the versions of one key in order, or refuse keys of several recipients."""
    given = (keys,) if isinstance(keys, Key) else tuple(keys)
    if len({key.id for key in given}) != 1:
        raise ProgrammeError("pseudonyms are those of one recipient: give the versions of its key, and no other key")
    return tuple(sorted(given, key=lambda key: key.version))


def version_list(versions: Sequence[Key]) -> str:
    """Return the version numbers as a text, for the audit log."""
    return ", ".join(str(key.version) for key in versions)


def held_versions(keyring: Keyring, id: str) -> tuple[Key, ...]:  # noqa: A002 -- a key's name is called id everywhere
    """Return all versions of a key that are not destroyed, active or retired.

    Parameters
    ----------
    keyring : Keyring
        The opened keyring.
    id : str
        The id of the key.

    Returns
    -------
    tuple of Key

    Raises
    ------
    KeyMaterialError
        If the keyring has no such key, or all its versions are destroyed.
    """
    held = [about.version for about in keyring.versions if about.id == id and about.status != "destroyed"]
    if not held:
        raise KeyMaterialError(
            f"the keyring {keyring.path} has no version of key {id!r}, or all are destroyed: nothing can be "
            "re-identified under this key"
        )
    return tuple(keyring.key(id, version) for version in held)
