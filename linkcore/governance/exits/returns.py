"""Returns: a recipient's scores by pseudonym, back to the GP practices and providers whose patients they are of."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final

import polars as pl

from linkcore.errors import ProgrammeError, RefusedError
from linkcore.files import new_folder
from linkcore.governance.audit.audit import Audit
from linkcore.governance.exits.own_patients import Relationships, ods_code
from linkcore.governance.exits.reidentification import checked_pseudonyms, one_key, patients_of
from linkcore.governance.releases.formats import write_rows
from linkcore.keys.key import Key
from linkcore.link import Linkage

__all__ = ["Returned", "return_scores"]

_CONTENTS: Final = "returned.json"
# No column of scores can be called so by chance.
_REQUESTER: Final = "linkcore:requester"


@dataclass(frozen=True)
class Returned:
    """What was returned to whom.

    Parameters
    ----------
    folder : pathlib.Path
        Where the files lie, ``ODS.csv`` each.
    rows : mapping of str to int
        By ODS code: how many rows of scores its file has.
    pseudonyms : int
        How many pseudonyms the recipient scored.
    of_nobody : int
        How many of them are on nobody's list: for the trusted team only.
    """

    folder: Path
    rows: Mapping[str, int]
    pseudonyms: int
    of_nobody: int


def return_scores(
    scores: pl.DataFrame,
    lists: Mapping[str, pl.Series],
    keys: Key | Sequence[Key],
    out: str | Path,
    *,
    columns: Sequence[str],
    reason: str,
    limit: int,
    audit: Audit,
    at: datetime,
    actor: str,
    linkage: Linkage | None,
    sources: Mapping[str, str] | None = None,
    pseudonym: str = "pseudonym",
) -> Returned:
    """Write one file for each GP practice or provider: its own patients, by NHS Number, with their scores.

    For direct care, and by the same rules as `linkcore.governance.exits.reidentification.reidentify`: nobody is told of
    another's patient, and each list is in the audit log before any file is there. The files hold no pseudonyms.

    Parameters
    ----------
    scores : polars.DataFrame
        What the recipient sent: a column of pseudonyms, and scores.
    lists : mapping of str to polars.Series
        By ODS code, the organisation's own patient list: NHS Numbers in any written form.
    keys : Key or sequence of Key
        The recipient's key, all versions of it that are held.
    out : path
        The folder to write; an earlier return there is replaced when the new one is complete.
    columns : sequence of str
        The columns of scores to hand on; no other is.
    reason : str
        Why, without anything that identifies a patient.
    limit : int
        How many pseudonyms may be returned at most.
    audit : Audit
        Where it is written down.
    at : datetime.datetime
        The time, with its time zone.
    actor : str
        Who answers: the holder of the key.
    linkage : Linkage or None
        By which the lists are checked; None takes them at their word.
    sources : mapping of str to str, optional
        For each provider among the lists, by ODS code: its own source. The others are GP practices.
    pseudonym : str
        The column of pseudonyms.

    Returns
    -------
    Returned

    Raises
    ------
    RefusedError
        There is no reason, there are more pseudonyms than the limit, or it cannot be written down.
    ProgrammeError
        A column is missing, a code is no ODS code, or something is no pseudonym.
    """
    versions, sources = one_key(keys), dict(sources or {})
    missing = [name for name in (pseudonym, *columns) if name not in scores.columns]
    if missing or not columns or pseudonym in columns or "nhs_number" in columns:
        raise ProgrammeError(
            f"scores have the columns {', '.join(scores.columns)}: name the one of pseudonyms, and those to hand on"
        )
    if len({ods_code(code) for code in lists}) < len(lists) or not set(sources) <= set(lists):
        raise ProgrammeError("an organisation's list is given twice, or a source for an organisation without a list")
    found = scores.select(checked_pseudonyms(scores[pseudonym]).alias("pseudonym"), *columns)
    asked = found["pseudonym"].n_unique()
    if not reason.strip() or asked > limit:
        audit.record(
            "score_return", at=at, actor=actor, reason=reason, key=versions[-1], outcome="refused", limit=limit
        )
        raise RefusedError(
            f"returning scores needs a reason, and at most {limit} pseudonyms at once: there are {asked}"
        )
    relationships = Relationships(linkage)
    own = {
        ods_code(code): relationships.own_patients(listed, requester=ods_code(code), source=sources.get(code))
        for code, listed in lists.items()
    }
    among = [
        patients_of(each.numbers, versions).with_columns(pl.lit(code).alias(_REQUESTER)) for code, each in own.items()
    ]
    nobody = pl.DataFrame(schema={"pseudonym": pl.String, "nhs_number": pl.String, _REQUESTER: pl.String})
    theirs = found.join(pl.concat([nobody, *among]), on="pseudonym", how="inner", maintain_order="left")
    # In an order that is not the recipient's: no row can be laid beside a pseudonym again.
    answers = theirs.select(_REQUESTER, "nhs_number", *columns).sort("nhs_number", maintain_order=True)
    parts = answers.partition_by(_REQUESTER, as_dict=True, include_key=False)
    tables = {code: parts.get((code,), answers.drop(_REQUESTER).clear()) for code in own}
    for code, each in own.items():
        audit.record(
            "score_return",
            at=at,
            actor=actor,
            reason=reason,
            key=versions[-1],
            versions=", ".join(str(key.version) for key in versions),
            requester=code,
            pseudonyms=asked,
            limit=limit,
            listed=each.listed,
            left_out=each.not_own,
            checked=each.checked,
            answered=tables[code].height,
            outcome="answered",
        )
    _write(Path(out), tables)
    rows = {code: table.height for code, table in tables.items()}
    return Returned(Path(out), MappingProxyType(rows), asked, asked - theirs["pseudonym"].n_unique())


def _write(out: Path, tables: Mapping[str, pl.DataFrame]) -> None:
    with new_folder(out, ours=_is_of_a_return) as folder:
        files = {}
        for code, table in tables.items():
            file = write_rows(table.lazy(), folder, code, "csv")
            files[file.name] = {"rows": table.height, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
        (folder / _CONTENTS).write_text(json.dumps({"format": 1, "files": files}, indent=2) + "\n", "utf-8")


def _is_of_a_return(entry: Path) -> bool:
    try:
        contents = json.loads((entry.parent / _CONTENTS).read_text("utf-8"))
        return entry.name == _CONTENTS or entry.name in contents["files"]
    except (OSError, ValueError, LookupError, TypeError):
        return False
