"""Subject access: what a programme holds about one person, for the team that must answer that person.

A person may ask for what is held about them (UK GDPR, article 15). The answer is one file of the trusted team, with all
that identifies in it. Before it goes to anybody, a person must read it: a wrong link puts somebody else's record into
it, and free text may speak of others.
"""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import polars as pl

from linkcore.errors import ProgrammeError, RefusedError, SourceError
from linkcore.files import new_file
from linkcore.governance.audit.audit import Audit
from linkcore.governance.manifest import read_manifest
from linkcore.governance.withholding.linked_rows import as_number, own_number, stage_of
from linkcore.governance.withholding.opt_outs import OptOuts, current_numbers
from linkcore.governance.withholding.withholding import Withholding
from linkcore.keys.key import Key
from linkcore.link import Linkage
from linkcore.pseudonyms.persons import person_name
from linkcore.pseudonyms.pseudonymise import pseudonymise
from linkcore.sources.payload import payload_beside_links
from linkcore.sources.source import Source

__all__ = ["SubjectAccess", "subject_access"]

_LINK: Final = ("row", "record_id", "person_id", "method", "match_weight", "match_probability", "conflict")
# Beside a source's own columns: no source's own can be called so.
_OURS: Final = "linkcore:"


@dataclass(frozen=True)
class SubjectAccess:
    """What was found, in numbers.

    Parameters
    ----------
    file : pathlib.Path
        Where the answer lies.
    records : mapping of str to int
        By source: how many records are linked to the person.
    elsewhere : mapping of str to int
        By source: how many records may be of the person, and are linked to somebody else. They are not in the file.
    released : int
        How many rows of releases are of the person.
    """

    file: Path
    records: Mapping[str, int]
    elsewhere: Mapping[str, int]
    released: int


def subject_access(
    linkage: Linkage,
    nhs_number: str,
    out: str | Path,
    *,
    reason: str,
    audit: Audit,
    at: dt.datetime,
    actor: str,
    releases: Sequence[str | Path] = (),
    keys: Sequence[Key] = (),
    opt_outs: Mapping[str, OptOuts] | None = None,
    withholding: Withholding | None = None,
) -> SubjectAccess:
    """Write all that the programme holds about one person to a file of the trusted team.

    Parameters
    ----------
    linkage : Linkage
        Of the programme's sources, which are read again.
    nhs_number : str
        The person's, in any written form. Whoever calls this has made sure who asks.
    out : path
        The JSON file to write (mode 0600).
    reason : str
        Why, without anything that identifies the person: the number of the case.
    audit : Audit
        Where it is written down, before the file is there.
    at : datetime.datetime
        The time, with its time zone.
    actor : str
        Who does it.
    releases : sequence of path
        The folders of releases to look into.
    keys : sequence of Key
        Those they are under. What is under another cannot be told, and the answer says so.
    opt_outs : mapping of str to OptOuts, optional
        By their kind.
    withholding : Withholding, optional
        By which the answer says of each record whether a release of that day leaves it out.

    Returns
    -------
    SubjectAccess

    Raises
    ------
    ProgrammeError
        It is no NHS Number, or nobody of the linkage has it.
    RefusedError
        There is no reason, or it cannot be written down.
    SourceError
        A source is not what was linked, or a release cannot be read.

    Notes
    -----
    A record that carries the person's number and is linked to somebody else (a conflict), or that may by its
    probability be the person's, is counted and not shown: it is more likely another person's.
    """
    if not reason.strip():
        raise RefusedError("subject access needs a reason: give the number of the case")
    asked, current = _numbers(linkage, nhs_number)
    persons = linkage.persons.filter(pl.col("nhs_number") == current)
    records, elsewhere = {}, {}
    for source in linkage.sources:
        rows, others = _rows(linkage, source, asked, persons["person_id"], withholding)
        records[source.name], elsewhere[source.name] = rows, others
    released = [_released(Path(folder), persons, asked, keys) for folder in releases]
    answer = {
        "format": 1,
        "at": at.astimezone(dt.UTC).isoformat(timespec="seconds"),
        "nhs_number": f"{current:010d}",
        "persons": _plain(persons),
        "records": {name: _records(rows) for name, rows in records.items()},
        "records_that_may_be_of_this_person_and_are_linked_to_another": elsewhere,
        "opt_outs": _opt_outs(opt_outs or {}, current, at.date(), linkage),
        "releases": released,
    }
    counts = {name: rows.height for name, rows in records.items()}
    rows_released = sum(one["rows"] for each in released for one in each["files"])
    audit.record(
        "subject_access",
        at=at,
        actor=actor,
        reason=reason,
        records=sum(counts.values()),
        releases=len(released),
        rows=rows_released,
        left_out=sum(elsewhere.values()),
    )
    with new_file(Path(out)) as file:
        file.write_text(json.dumps(answer, indent=2, ensure_ascii=False) + "\n", "utf-8")
    return SubjectAccess(Path(out), MappingProxyType(counts), MappingProxyType(elsewhere), rows_released)


def _numbers(linkage: Linkage, nhs_number: str) -> tuple[set[int], int]:
    """Give every number that is or was the person's, and the one that is now."""
    read = pl.DataFrame({"number": [nhs_number]}, {"number": pl.String})
    stage_one = stage_of(linkage.sources)
    listed = read.select(as_number(pl.col("number"), stage_one).alias("number")).to_series()
    if listed[0] is None:
        if stage_one is not None:
            raise ProgrammeError("this is no stage-1 code: have the holder of that key make it for the person who asks")
        raise ProgrammeError("this is no NHS Number: give the ten digits of the person who asks")
    superseded = linkage.exact.superseded
    current = current_numbers(listed, superseded)[0]
    if not (linkage.persons["nhs_number"] == current).any():
        raise ProgrammeError(
            "nobody of this linkage has that NHS Number: check it; records without a number can be looked for by name "
            "in the sources"
        )
    asked = {listed[0], current}
    if superseded is not None:
        asked |= set(superseded.lazy().filter(pl.col("new") == current).collect()["old"])
    return asked, current


def _rows(
    linkage: Linkage, source: Source, asked: set[int], person_ids: pl.Series, withholding: Withholding | None
) -> tuple[pl.DataFrame, int]:
    """Give the rows of the person, all columns of them beside their links; and how many others may be of it."""
    links = linkage.links_of(source.name)
    theirs = links["person_id"].is_in(person_ids.implode())
    possible = _possible(linkage, source, person_ids)
    links = links.with_columns(theirs.alias("theirs"), links["record_id"].is_in(possible.implode()).alias("possible"))
    if withholding is not None:
        links = links.with_columns((~withholding.kept[source.name]).alias("withheld"))
    beside = [name for name in (*_LINK, "withheld") if name in links.columns]
    found, others = [], 0
    own = own_number(source, linkage.reference_date).is_in(sorted(asked)).fill_null(False)
    named = links.select("raw_row_hash", pl.col("theirs", "possible", *beside).name.prefix(_OURS))
    for batch in payload_beside_links(source, source.column_names, named):
        is_theirs = batch[f"{_OURS}theirs"]
        may_be = batch.select(own | pl.col(f"{_OURS}possible")).to_series()
        others += int((may_be & ~is_theirs).sum())
        found.append(batch.filter(is_theirs).drop(f"{_OURS}theirs", f"{_OURS}possible"))
    return pl.concat(found), others


def _possible(linkage: Linkage, source: Source, person_ids: pl.Series) -> pl.Series:
    """Give the ids of the records that may be of the person, by their probability."""
    if linkage.probabilistic is None:
        return pl.Series("record_id", [], pl.String)
    candidates = linkage.probabilistic.candidates
    may_be = (pl.col("source") == source.name) & pl.col("person_id").is_in(person_ids.implode())
    return candidates.filter(may_be)["record_id"]


def _records(rows: pl.DataFrame) -> list[dict[str, Any]]:
    ours = [name for name in rows.columns if name.startswith(_OURS)]
    links = _plain(rows.select(pl.col(ours).name.map(lambda name: name.removeprefix(_OURS))))
    return [{"link": link, "row": row} for link, row in zip(links, _plain(rows.drop(ours)), strict=True)]


def _plain(rows: pl.DataFrame) -> list[dict[str, Any]]:
    """Give rows as JSON can hold them; bytes as hex."""
    texts = rows.with_columns(pl.col(pl.Binary).bin.encode("hex"))
    plain: list[dict[str, Any]] = json.loads(texts.write_json())
    return plain


def _opt_outs(
    opt_outs: Mapping[str, OptOuts], current: int, on: dt.date, linkage: Linkage
) -> dict[str, dict[str, Any]]:
    found = {}
    for kind, each in opt_outs.items():
        each.refuse_another_stage(f"opt-outs ({kind})", linkage.sources)
        said = each.statements.with_columns(
            current_numbers(each.statements["nhs_number"], linkage.exact.superseded).alias("current")
        ).filter(pl.col("current") == current)
        found[kind] = {
            "in_force": current in each.in_force(on, linkage.exact.superseded),
            "as_of": each.as_of.isoformat(),
            "statements": _plain(said.drop("current", "nhs_number")),
        }
    return found


# --- Releases --------------------------------------------------------------------------------------------------------


def _released(folder: Path, persons: pl.DataFrame, asked: set[int], keys: Sequence[Key]) -> dict[str, Any]:
    """Say in which files of a release the person stands, and with how many rows."""
    manifest = read_manifest(folder)
    about = {name: manifest.get(name) for name in ("recipient", "purpose", "key", "key_version")}
    key = next((one for one in keys if (one.id, one.version) == (about["key"], about["key_version"])), None)
    if key is None:
        return {**about, "folder": str(folder), "said": "its key is not at hand, so it cannot be told", "files": []}
    names = {*persons.select(person_name()).to_series(), *(f"{number:010d}" for number in asked)}
    pseudonyms = pseudonymise(pl.Series("pseudonym", sorted(names), pl.String), key)
    counts = {
        (each["file"], each["source"]): _count(folder / each["file"], each["source"], pseudonyms)
        for each in manifest["files"]
    }
    files = [{"file": file, "source": source, "rows": rows} for (file, source), rows in counts.items() if rows]
    return {**about, "folder": str(folder), "said": "looked for", "files": files}


def _count(file: Path, source: str, pseudonyms: pl.Series) -> int:
    """Count the rows of one source's table that are under any of the pseudonyms."""
    import duckdb

    counted: int
    # Raised after the library's error and not from it: its message may quote a value.
    with suppress(duckdb.Error, pl.exceptions.PolarsError, OSError):
        if file.suffix == ".duckdb":
            # A source's name is letters, digits, _ and -.
            count = f'SELECT count(*) FROM "{source}" WHERE list_contains(?, pseudonym)'  # noqa: S608
            with duckdb.connect(str(file), read_only=True) as connection:
                [(counted,)] = connection.execute(count, [pseudonyms.to_list()]).fetchall()
        else:
            rows = pl.scan_parquet(file) if file.suffix == ".parquet" else pl.scan_csv(file, infer_schema=False)
            counted = rows.select(pl.col("pseudonym").is_in(pseudonyms.implode()).sum()).collect().item()
        return counted
    raise SourceError(f"{file} of a release cannot be read; is it whole?")
