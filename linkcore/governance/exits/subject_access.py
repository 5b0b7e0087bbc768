"""Subject access: everything that a programme holds about one person, for the team that must answer this person.

A person may ask what is held about them (UK GDPR, article 15). The answer is one file of the trusted team, with all
identifiers. Somebody must read it before it is sent: a wrong link puts another person's record into it, and free text
may mention others.
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
from linkcore.files import begins_like, check_place, new_file, write_json
from linkcore.governance.audit.occasion import Occasion
from linkcore.governance.exits.requests import requested
from linkcore.governance.manifest import as_opened, verify_release
from linkcore.governance.releases.formats import scan_rows
from linkcore.governance.withholding.linked_rows import as_number, own_number, stage_of
from linkcore.governance.withholding.opt_out_lists import OptOutLists
from linkcore.governance.withholding.opt_outs import current_numbers
from linkcore.governance.withholding.withholding import Withholding
from linkcore.keys.key import Key
from linkcore.link import Linkage
from linkcore.linkage.stable_persons.names_before import with_names_before
from linkcore.pseudonyms.persons import person_name
from linkcore.pseudonyms.pseudonymise import pseudonymise
from linkcore.sources.payload import payload_beside_links
from linkcore.sources.source import Source

__all__ = ["SubjectAccess", "subject_access"]

_LINK: Final = ("row", "record_id", "person_id", "method", "match_weight", "match_probability", "conflict")
# Marks our columns beside a source's own: no column of a source begins like this.
_OURS: Final = "linkcore:"
_IS_ANSWER: Final = begins_like(b'{\n  "format": 1,\n  "at": "')


@dataclass(frozen=True)
class SubjectAccess:
    """Result of `subject_access`, in numbers.

    Parameters
    ----------
    file : pathlib.Path
        The file with the answer.
    records : mapping of str to int
        For each source, the number of records that are linked to the person.
    elsewhere : mapping of str to int
        For each source, the number of records that may belong to the person but are linked to somebody else. They are
        not in the file.
    released : int
        Number of rows of releases that belong to the person.
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
    occasion: Occasion,
    releases: Sequence[str | Path] = (),
    keys: Sequence[Key] = (),
    opt_outs: OptOutLists | None = None,
    withholding: Withholding | None = None,
) -> SubjectAccess:
    """Write everything that the programme holds about one person to a file of the trusted team.

    The request is recorded in the audit log before the file is written, and also if it is refused. A number that nobody
    in the linkage has is answered like any other: only the file says that nothing is held.

    A record that carries the person's number but is linked to somebody else (a conflict), or that may by its
    probability belong to the person, is counted and not shown: it more likely belongs to another person.

    Parameters
    ----------
    linkage : Linkage
        The linkage of the programme's sources, which are read again.
    nhs_number : str
        The person's NHS Number, in any written form. The caller must have checked who asks.
    out : path
        The JSON file to write (mode 0600).
    occasion : Occasion
        Who answers the request and when, the number of the case as its reason, and the audit log.
    releases : sequence of path
        Folders of the releases in which to look for the person.
    keys : sequence of Key
        The keys of these releases. A release under another key cannot be searched, and the answer says so.
    opt_outs : OptOutLists, optional
        The programme's opt-outs: the answer shows the person's statements.
    withholding : Withholding, optional
        If given, the answer shows for each record whether a release on that day leaves it out.

    Returns
    -------
    SubjectAccess

    Raises
    ------
    ProgrammeError
        If the text is not an NHS Number, or if ``out`` holds anything but an earlier answer.
    RefusedError
        If there is no reason, if a release is not as its manifest states, or if the audit log cannot be written.
    SourceError
        If a source is not what was linked, or a release cannot be read.
    """
    with requested(occasion, "subject_access", releases=len(releases)) as request:
        request.refuse_without_reason("subject access needs a reason: give the number of the case")
        check_place(Path(out), ours=_IS_ANSWER)
        numbers, current = _numbers(linkage, nhs_number)
        _refuse_rows_left_out(linkage)
        persons = linkage.persons.filter(pl.col("nhs_number") == current)
        records, elsewhere = {}, {}
        for source in linkage.sources:
            rows, others = _rows(linkage, source, numbers, persons["person_id"], withholding)
            records[source.name], elsewhere[source.name] = rows, others
        now = pl.Series(
            [*persons.select(person_name()).to_series(), *(f"{number:010d}" for number in numbers)], dtype=pl.String
        )
        names = with_names_before(linkage.superseded, now).sort()
        released = [_released(Path(folder), names, keys) for folder in releases]
        answer = {
            "format": 1,
            "at": occasion.at.astimezone(dt.UTC).isoformat(timespec="seconds"),
            "nhs_number": f"{current:010d}",
            "persons": _plain(persons),
            "records": {name: _records(rows) for name, rows in records.items()},
            "records_that_may_be_of_this_person_and_are_linked_to_another": elsewhere,
            "opt_outs": _opt_outs(opt_outs or OptOutLists(), current, occasion.at.date(), linkage),
            "releases": released,
        }
        counts = {name: rows.height for name, rows in records.items()}
        rows_released = sum(file["rows"] for release in released for file in release["files"])
        request.answer(
            records=sum(counts.values()),
            rows=rows_released,
            left_out=sum(elsewhere.values()),
        )
    with new_file(Path(out), ours=_IS_ANSWER) as file:
        write_json(file, answer)
    return SubjectAccess(Path(out), MappingProxyType(counts), MappingProxyType(elsewhere), rows_released)


def _refuse_rows_left_out(linkage: Linkage) -> None:
    """Refuse a linkage that does not know all that is held: rows with a Type 1 opt-out are held, until they go back."""
    without = [source.name for source in linkage.sources if source.without_rows is not None]
    if without:
        raise RefusedError(
            f"source {without[0]!r}: rows with a Type 1 opt-out were left out when it was linked, and they are held; "
            "link all rows for subject access, without --linkage or a day"
        )


def _numbers(linkage: Linkage, nhs_number: str) -> tuple[set[int], int]:
    """Return all numbers that the person has or had, and the current one."""
    read = pl.DataFrame({"number": [nhs_number]}, {"number": pl.String})
    stage_one = stage_of(linkage.sources)
    listed = read.select(as_number(pl.col("number"), stage_one).alias("number")).to_series()
    if listed[0] is None:
        if stage_one is not None:
            raise ProgrammeError(
                "this is not a stage-1 code: let the holder of the stage-1 key make the code of the person"
            )
        raise ProgrammeError("this is not an NHS Number: give the ten digits of the person's number")
    superseded = linkage.exact.superseded
    current = current_numbers(listed, superseded)[0]
    numbers = {listed[0], current}
    if superseded is not None:
        numbers |= set(superseded.lazy().filter(pl.col("new") == current).collect()["old"])
    return numbers, current


def _rows(
    linkage: Linkage, source: Source, numbers: set[int], person_ids: pl.Series, withholding: Withholding | None
) -> tuple[pl.DataFrame, int]:
    """Return the person's rows of a source beside their links, and how many other rows may be the person's."""
    links = linkage.links_of(source.name)
    theirs = links["person_id"].is_in(person_ids.implode())
    possible = _possible(linkage, source, person_ids)
    links = links.with_columns(theirs.alias("theirs"), links["record_id"].is_in(possible.implode()).alias("possible"))
    if withholding is not None:
        links = links.with_columns((~withholding.kept[source.name]).alias("withheld"))
    beside = [name for name in (*_LINK, "withheld") if name in links.columns]
    found, others = [], 0
    own = own_number(source, linkage.reference_date).is_in(sorted(numbers)).fill_null(False)
    named = links.select("raw_row_hash", pl.col("theirs", "possible", *beside).name.prefix(_OURS))
    for batch in payload_beside_links(source, source.column_names, named, linkage.digests.get(source.name)):
        is_theirs = batch[f"{_OURS}theirs"]
        may_be = batch.select(own | pl.col(f"{_OURS}possible")).to_series()
        others += int((may_be & ~is_theirs).sum())
        found.append(batch.filter(is_theirs).drop(f"{_OURS}theirs", f"{_OURS}possible"))
    return pl.concat(found), others


def _possible(linkage: Linkage, source: Source, person_ids: pl.Series) -> pl.Series:
    """Return the ids of the records that may belong to the person by their probability."""
    may_be = (pl.col("source") == source.name) & pl.col("person_id").is_in(person_ids.implode())
    return linkage.possible_persons.filter(may_be)["record_id"]


def _records(rows: pl.DataFrame) -> list[dict[str, Any]]:
    ours = [name for name in rows.columns if name.startswith(_OURS)]
    links = _plain(rows.select(pl.col(ours).name.map(lambda name: name.removeprefix(_OURS))))
    return [{"link": link, "row": row} for link, row in zip(links, _plain(rows.drop(ours)), strict=True)]


def _plain(rows: pl.DataFrame) -> list[dict[str, Any]]:
    """Return rows as values that JSON can hold; bytes become hex."""
    texts = rows.with_columns(pl.col(pl.Binary).bin.encode("hex"))
    plain: list[dict[str, Any]] = json.loads(texts.write_json())
    return plain


def _opt_outs(opt_outs: OptOutLists, current: int, on: dt.date, linkage: Linkage) -> dict[str, dict[str, Any]]:
    """Return the person's statements in each list of opt-outs, and whether an opt-out is in force on the day."""
    found = {}
    for kind, listed in opt_outs.given().items():
        listed.refuse_another_stage(f"opt-outs ({kind})", linkage.sources)
        statements = listed.statements.with_columns(
            current_numbers(listed.statements["nhs_number"], linkage.exact.superseded).alias("current")
        ).filter(pl.col("current") == current)
        found[kind] = {
            "in_force": current in listed.in_force(on, linkage.exact.superseded),
            "as_of": listed.as_of.isoformat(),
            "statements": _plain(statements.drop("current", "nhs_number")),
        }
    return found


# --- Releases --------------------------------------------------------------------------------------------------------


def _released(folder: Path, names: pl.Series, keys: Sequence[Key]) -> dict[str, Any]:
    """Return in which files of a release the person is found, and with how many rows."""
    manifest = verify_release(folder)
    about = {name: manifest.get(name) for name in ("recipient", "purpose", "key", "key_version")}
    key = next((key for key in keys if (key.id, key.version) == (about["key"], about["key_version"])), None)
    if key is None:
        return {**about, "folder": str(folder), "said": "not looked for: its key was not given", "files": []}
    plain = [(as_opened(folder, table), table["source"]) for table in manifest["files"]]
    if any(file is None for file, _ in plain):
        return {**about, "folder": str(folder), "said": "not looked for: it is encrypted, and not opened", "files": []}
    pseudonyms = pseudonymise(names.alias("pseudonym"), key)
    counts = {(file.name, source): _count(file, source, pseudonyms) for file, source in plain if file is not None}
    files = [{"file": file, "source": source, "rows": rows} for (file, source), rows in counts.items() if rows]
    return {**about, "folder": str(folder), "said": "looked for", "files": files}


def _count(file: Path, source: str, pseudonyms: pl.Series) -> int:
    """Count the rows of one source's table that have one of the pseudonyms."""
    import duckdb

    counted: int
    # Our error is raised after the library's error, not from it: the library's message may quote a value.
    with suppress(duckdb.Error, pl.exceptions.PolarsError, OSError):
        if file.suffix == ".duckdb":
            # The name of a source has letters, digits, _ and - only.
            count = f'SELECT count(*) FROM "{source}" WHERE list_contains(?, pseudonym)'  # noqa: S608
            with duckdb.connect(str(file), read_only=True) as connection:
                [(counted,)] = connection.execute(count, [pseudonyms.to_list()]).fetchall()
        else:
            counted = scan_rows(file).select(pl.col("pseudonym").is_in(pseudonyms.implode()).sum()).collect().item()
        return counted
    raise SourceError(f"{file} of a release cannot be read; check that the release is whole")
