"""Returns: a recipient's scores by pseudonym go back to the GP practices and providers whose patients were scored."""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

import polars as pl

from linkcore.errors import ProgrammeError, RefusedError
from linkcore.files import new_folder, write_json
from linkcore.governance.audit.occasion import Occasion
from linkcore.governance.exits.own_patients import OwnPatients, PatientList, Relationships
from linkcore.governance.exits.reidentification import (
    INTEGER_ID,
    checked_pseudonyms,
    one_key,
    pseudonyms_of,
    version_list,
)
from linkcore.governance.exits.requesters import Requester, ods_code
from linkcore.governance.exits.requests import requested
from linkcore.governance.manifest import is_as_listed
from linkcore.governance.releases.formats import write_rows
from linkcore.keys.key import Key
from linkcore.link import Linkage

__all__ = ["Returned", "return_scores"]

_CONTENTS: Final = "returned.json"
# No column of scores can have this name.
_REQUESTER: Final = "linkcore:requester"
# What has become of the pseudonym that was scored.
_WHY, _ON = "superseded_why", "superseded_on"
_TEXTS: Final = (pl.String, pl.Categorical, pl.Enum)
# Half of a pseudonym's digits: nobody else has them by chance.
_HALF: Final = 16


@dataclass(frozen=True)
class Returned:
    """Result of `return_scores`.

    Parameters
    ----------
    folder : pathlib.Path
        The folder with one file for each practice or provider, ``ODS.csv``.
    rows : mapping of str to int
        For each ODS code, the number of rows in its file.
    pseudonyms : int
        Number of pseudonyms that the recipient scored.
    of_nobody : int
        Number of these pseudonyms that stand for nobody on any list, or for several persons now. It is for the trusted
        team only.
    """

    folder: Path
    rows: Mapping[str, int]
    pseudonyms: int
    of_nobody: int


def return_scores(
    scores: pl.DataFrame,
    lists: Sequence[PatientList],
    keys: Key | Sequence[Key],
    out: str | Path,
    *,
    columns: Sequence[str],
    requesters: Collection[Requester],
    linkage: Linkage,
    occasion: Occasion,
) -> Returned:
    """Write one file for each GP practice or provider: the NHS Numbers of its own patients, with their scores.

    This is for direct care, and follows the rules of `linkcore.reidentify`: nobody is told about another's patient, and
    each list is recorded in the audit log before any file is written. The files hold no pseudonyms. Where the scored
    pseudonym has given way to another, or somebody was split from it, ``superseded_why`` and ``superseded_on`` say so,
    as `linkcore.reidentify` does.

    Parameters
    ----------
    scores : polars.DataFrame
        The recipient's scores: the column ``pseudonym``, which may hold the integer ids, and columns of scores.
    lists : sequence of PatientList
        The patient lists of the practices and providers.
    keys : Key or sequence of Key
        All held versions of the recipient's key (`linkcore.held_versions`).
    out : path
        The folder to write. An earlier return in it is replaced when the new one is complete.
    columns : sequence of str
        Names of the columns of scores to return. No other column is returned.
    requesters : collection of Requester
        All requesters of the programme (``programme.requesters.values()``): whose patients each is told about, and how
        many rows a day (``return_limit``).
    linkage : Linkage
        The linkage that shows which people are whose patients.
    occasion : Occasion
        Who returns the scores, when and why, and the audit log.

    Returns
    -------
    Returned

    Raises
    ------
    RefusedError
        If a list is of an unknown requester, if a column holds pseudonyms or hidden characters, if there is no reason,
        if a requester would get more rows on one day than its ``return_limit``, or if the audit log cannot be written.
    ProgrammeError
        If a column is missing, if two lists are of one organisation, or if a text is not a pseudonym.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from tempfile import TemporaryDirectory
    >>> from linkcore.governance.audit.audit import Audit
    >>> from linkcore.link import link
    >>> from linkcore.pseudonyms.pseudonymise import pseudonymise
    >>> from linkcore.sources.source import Source
    >>> key, own = Key.generate("partner-2026"), pl.Series("pseudonym", ["4010232137"])
    >>> scores = pseudonymise(own, key).to_frame().with_columns(RISK=0.7)
    >>> spine = pl.DataFrame({"nhs_number": ["4010232137"], "gp": ["A81001"]})
    >>> linkage = link([Source("gp", spine, spine=True, practice="gp")], fallback=None)
    >>> with TemporaryDirectory() as folder:
    ...     log = Audit(Path(folder, "audit.jsonl"))
    ...     occasion = Occasion("team", datetime(2026, 4, 1, tzinfo=UTC), log, reason="risk stratification")
    ...     lists = [PatientList("A81001", own)]
    ...     out = Path(folder, "returned")
    ...     known = [Requester("A81001", practice="A81001")]
    ...     returned = return_scores(
    ...         scores, lists, key, out, columns=["RISK"], requesters=known, linkage=linkage, occasion=occasion
    ...     )
    >>> returned.rows
    mappingproxy({'A81001': 1})
    """
    with requested(occasion, "score_return", lists=len(lists)) as request:
        own_requesters = {each.requester: request.known(requesters, each.requester) for each in lists}
        versions = one_key(keys)
        request.key = versions[-1]
        request.refuse_without_reason("returning scores needs a reason: say why")
        _check(scores, lists, columns)
        found = scores.select(checked_pseudonyms(scores["pseudonym"]).alias("pseudonym"), *columns)
        _refuse_pseudonyms(found, columns, found["pseudonym"])
        _refuse_hidden_characters(found, columns)
        asked = found["pseudonym"].n_unique()
        request.details |= {"versions": version_list(versions), "pseudonyms": asked}
        relationships = Relationships(linkage)
        own = {each.requester: relationships.own_patients(each, own_requesters[each.requester]) for each in lists}
        theirs = _with_patients(found, own, versions)
        _refuse_integer_ids(theirs, columns)
        tables = _by_requester(theirs, own, columns)
        # All are checked before any line says that a requester was answered.
        earlier = occasion.audit.lines()
        for code, table in tables.items():
            limit = own_requesters[code].return_limit
            request.refuse_above(earlier, limit, "answered", requester=code, answered=table.height)
        for code, patients in own.items():
            request.answer_within(
                own_requesters[code].return_limit,
                "answered",
                requester=code,
                listed=patients.listed,
                left_out=patients.not_own,
                checked=patients.checked,
                answered=tables[code].height,
            )
    _write(Path(out), tables)
    rows = {code: table.height for code, table in tables.items()}
    return Returned(Path(out), MappingProxyType(rows), asked, asked - theirs["pseudonym"].n_unique())


def _check(scores: pl.DataFrame, lists: Sequence[PatientList], columns: Sequence[str]) -> None:
    missing = [name for name in ("pseudonym", *columns) if name not in scores.columns]
    if missing or not columns or not {"pseudonym", "nhs_number", _WHY, _ON}.isdisjoint(columns):
        raise ProgrammeError(
            f"the scores have the columns {', '.join(scores.columns)}: they need pseudonym, and columns must name some "
            f"of the others, without nhs_number, {_WHY} and {_ON}"
        )
    if len({patients.requester for patients in lists}) < len(lists):
        raise ProgrammeError("two patient lists have the same ODS code: give one list for each organisation")


def _refuse_integer_ids(theirs: pl.DataFrame, columns: Sequence[str]) -> None:
    """Refuse scores with integer ids of the patients in them, also as numbers, and as numbers that were rounded."""
    ids = theirs[INTEGER_ID]
    _refuse_pseudonyms(theirs, columns, ids)
    for name in (name for name in columns if theirs.schema[name].is_numeric()):
        if theirs[name].cast(pl.Float64).is_in(ids.cast(pl.Float64).implode()).any():
            raise RefusedError(f"column {name!r} of the scores holds integer ids: return scores without them")


def _refuse_pseudonyms(scores: pl.DataFrame, columns: Sequence[str], known: pl.Series) -> None:
    """Refuse scores with these pseudonyms in them: their files would say which NHS Number each pseudonym stands for.

    A pseudonym is found within other text, in groups, reversed, and with some digits left out at its end. One that is
    encoded is not found, and no check can tell: each score that is unique may stand for a pseudonym.
    """
    texts = known.unique().cast(pl.String)
    halves = [texts.str.head(_HALF), texts.str.tail(_HALF)]
    parts = pl.concat([*halves, *(half.str.reverse() for half in halves)]).implode()
    for name in (name for name in columns if scores.schema[name] in _TEXTS):
        digits = (
            scores[name].cast(pl.String).unique().str.to_lowercase().str.replace_all("[^0-9a-f]", "").to_frame("of")
        )
        windows = (
            digits.lazy()
            .filter(pl.col("of").str.len_bytes() >= _HALF)
            .select(
                pl.col("of"), pl.int_ranges(0, pl.col("of").str.len_bytes().cast(pl.Int64) - _HALF + 1).alias("start")
            )
        )
        found = windows.explode("start").select(pl.col("of").str.slice(pl.col("start"), _HALF).is_in(parts).any())
        if found.collect().item():
            raise RefusedError(f"column {name!r} of the scores holds pseudonyms: return scores without them")


def _refuse_hidden_characters(scores: pl.DataFrame, columns: Sequence[str]) -> None:
    """Refuse text with characters that a terminal obeys or nobody sees: the recipient wrote it, and others read it."""
    for name in (name for name in columns if scores.schema[name] == pl.String):
        if scores[name].str.contains(r"[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]").any():
            raise RefusedError(
                f"column {name!r} of the scores has control or formatting characters: return scores in plain text"
            )


def _with_patients(scores: pl.DataFrame, own: Mapping[str, OwnPatients], versions: Sequence[Key]) -> pl.DataFrame:
    """Join scores to the patients they are about: ``nhs_number``, and a row for each requester that lists a patient."""
    patients = [
        pseudonyms_of(each.numbers, versions, scores.schema["pseudonym"]).with_columns(pl.lit(code).alias(_REQUESTER))
        for code, each in own.items()
    ]
    kind = scores.schema["pseudonym"]
    texts = [(name, pl.String()) for name in ("nhs_number", _REQUESTER, _WHY)]
    none = pl.DataFrame(schema=pl.Schema([("pseudonym", kind), (INTEGER_ID, pl.Int64()), *texts, (_ON, pl.Date())]))
    known = pl.concat([none, *(each.select(none.columns) for each in patients)])
    # A score of a pseudonym that is several persons now is nobody's.
    return scores.join(known.drop_nulls("nhs_number"), on="pseudonym", how="inner", maintain_order="left")


def _by_requester(
    theirs: pl.DataFrame, own: Mapping[str, OwnPatients], columns: Sequence[str]
) -> dict[str, pl.DataFrame]:
    """Return each requester's table, ordered by NHS Number: in the recipient's order, rows could be matched to it."""
    answers = theirs.select(_REQUESTER, "nhs_number", *columns, _WHY, _ON).sort("nhs_number", maintain_order=True)
    parts = answers.partition_by(_REQUESTER, as_dict=True, include_key=False)
    return {code: parts.get((code,), answers.drop(_REQUESTER).clear()) for code in own}


def _write(out: Path, tables: Mapping[str, pl.DataFrame]) -> None:
    with new_folder(out, ours=_is_of_a_return) as folder:
        files = {}
        for code, table in tables.items():
            file = write_rows(table.lazy(), folder, code, "csv")
            files[file.name] = {"rows": table.height, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
        write_json(folder / _CONTENTS, {"format": 1, "files": files})


def _is_of_a_return(entry: Path) -> bool:
    try:
        contents = json.loads((entry.parent / _CONTENTS).read_text("utf-8"))
        # What is claimed counts only for the files that this command names: one for each organisation.
        if contents["format"] != 1 or any(f"{ods_code(Path(name).stem)}.csv" != name for name in contents["files"]):
            return False
        if entry.name == _CONTENTS:
            return not entry.is_symlink()
        return is_as_listed(entry, contents["files"][entry.name]["sha256"])
    except (OSError, ValueError, LookupError, TypeError, RecursionError, ProgrammeError):
        return False
