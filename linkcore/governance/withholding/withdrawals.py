"""Withdrawals: after a release, people object; each recipient is told which pseudonyms it must remove."""

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import polars as pl

from linkcore.errors import ProgrammeError, RefusedError, SourceError
from linkcore.files import new_folder
from linkcore.governance.audit.audit import Audit
from linkcore.governance.manifest import digest_of, read_manifest
from linkcore.governance.withholding.opt_outs import OptOuts
from linkcore.governance.withholding.possible_people import Whose
from linkcore.identifiers.nhs_number import digits
from linkcore.keys.key import Key
from linkcore.link import Linkage
from linkcore.pseudonyms.persons import person_name
from linkcore.pseudonyms.pseudonymise import pseudonymise

__all__ = ["LIST_OF_WITHDRAWALS", "withdrawals"]

LIST_OF_WITHDRAWALS: Final = "withdrawals.json"
"""The file that says what was written for whom; it holds counts, and stays with the trusted team."""

_COUNTS: Final = pl.Schema(
    {
        "recipient": pl.String(),
        "key": pl.String(),
        "key_version": pl.Int64(),
        "pseudonyms": pl.Int64(),
        "in_part": pl.Int64(),
    }
)


def withdrawals(
    linkage: Linkage,
    objections: OptOuts,
    releases: Sequence[str | Path],
    keys: Sequence[Key],
    out: str | Path,
    *,
    on: dt.date,
    audit: Audit,
    actor: str,
    reason: str,
    at: dt.datetime,
    max_age_days: int = 7,
) -> pl.DataFrame:
    """Write, for each recipient, the pseudonyms that it must remove because their people have objected since.

    Only pseudonyms that stand in the recipient's own releases are named, so that it learns of nobody else. They are
    those of the objectors' NHS Numbers, superseded ones too, and those of persons all of whose released records a
    release of today would withhold for the objection: a record without a number that may be an objector's. Of a person
    of whom only some records would be withheld, the pseudonym stays: a new release leaves those records out, and how
    many such persons there are is told, in ``in_part``.

    An objection that was taken back is none: the next release has the person again, under the same pseudonym.

    Parameters
    ----------
    linkage : Linkage
        Of the sources, as they are now.
    objections : OptOuts
        Objections to the programme.
    releases : sequence of path
        The folders of all releases that recipients still hold.
    keys : sequence of Key
        The recipients' keys, in every version under which there is a release.
    out : path
        The folder to write: for each recipient ``KEY.csv`` with ``pseudonym`` and ``key_version``, to be sent to it
        alone, and ``LIST_OF_WITHDRAWALS``.
    on : datetime.date
        The day for which objections stand.
    audit : Audit
        The programme's audit log.
    actor, reason : str
        Who does it, and why.
    at : datetime.datetime
        The time, with its time zone.
    max_age_days : int
        How many days old the register may be.

    Returns
    -------
    polars.DataFrame
        ``recipient``, ``key``, ``key_version``, ``pseudonyms`` (how many to remove) and ``in_part``.

    Raises
    ------
    RefusedError
        If the register is too old, a key is not given, or two recipients have one key.
    SourceError
        If a release cannot be read, or a source is not what was linked.
    ProgrammeError
        If no release is given, or the folder holds something else.
    """
    if not releases:
        raise ProgrammeError("withdrawals: name the folders of the releases that recipients hold")
    objections.refuse_another_stage("objections", linkage.sources)
    objections.check("objections", on=on, max_age_days=max_age_days)
    held = _by_key(releases, keys)
    objectors = objections.in_force(on, linkage.exact.superseded)
    flags = Whose(linkage).may_be_of(objectors)
    numbers = _every_number(linkage, objectors)
    files: dict[str, list[pl.DataFrame]] = {}
    counts: list[dict[str, Any]] = []
    for key, (recipient, folders) in held.items():
        whole, in_part = _persons(linkage, flags, sources=sorted({name for _, each in folders for name in each}))
        of_numbers = pseudonymise(numbers, key)
        of_persons, in_part = (_pseudonyms(linkage, ids, key) for ids in (whole, in_part))
        theirs = pl.concat([_released(folder, sources) for folder, sources in folders]).unique()
        gone = theirs.filter(theirs.is_in(pl.concat([of_numbers, of_persons]).implode())).sort()
        stay = theirs.filter(theirs.is_in(in_part.implode()) & ~theirs.is_in(gone.implode()))
        files.setdefault(f"{key.id}.csv", []).append(
            pl.DataFrame({"pseudonym": gone}).with_columns(pl.lit(key.version).alias("key_version"))
        )
        audit.record(
            "withdrawals",
            at=at,
            actor=actor,
            reason=reason,
            key=key,
            recipient=recipient,
            objections=objectors.len(),
            pseudonyms=gone.len(),
        )
        described = (recipient, key.id, key.version, gone.len(), stay.len())
        counts.append(dict(zip(_COUNTS, described, strict=True)))
    with new_folder(Path(out), ours=_is_of_withdrawals) as folder:
        for name, parts in files.items():
            pl.concat(parts).write_csv(folder / name)
        content = {
            "on": str(on),
            "objections_as_of": str(objections.as_of),
            "recipients": counts,
            "files": {name: digest_of(folder / name) for name in files},
        }
        (folder / LIST_OF_WITHDRAWALS).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")
    return pl.DataFrame(counts, _COUNTS)


def _by_key(releases: Sequence[str | Path], keys: Sequence[Key]) -> dict[Key, tuple[str, list[tuple[Path, list[str]]]]]:
    """Give for each key its recipient, and the folders released under it with the sources in them."""
    given: dict[Any, Key] = {(key.id, key.version): key for key in keys}
    recipients: dict[str, str] = {}
    found: dict[Key, tuple[str, list[tuple[Path, list[str]]]]] = {}
    for folder in map(Path, releases):
        manifest = read_manifest(folder)
        recipient, key_id, version = (manifest.get(name) for name in ("recipient", "key", "key_version"))
        key = given.get((key_id, version))
        if key is None:
            raise RefusedError(
                f"{folder}: it was released under key {key_id!r} version {version}, which is not given; give it, or "
                "leave out the release, if the key was destroyed: nobody can then say which pseudonyms are whose"
            )
        before = recipients.setdefault(key.id, str(recipient))
        if before != recipient:
            raise RefusedError(f"{folder}: {recipient!r} and {before!r} have one key, {key_id!r}; each has its own")
        _, folders = found.setdefault(key, (before, []))
        folders.append((folder, [file["source"] for file in manifest["files"]]))
    return dict(sorted(found.items(), key=lambda each: (each[0].id, each[0].version)))


def _every_number(linkage: Linkage, objectors: pl.Series) -> pl.Series:
    """Give the ten digits of people's numbers, and of those that they superseded."""
    numbers = objectors.alias("nhs_number")
    if linkage.exact.superseded is not None:
        table = linkage.exact.superseded.lazy().collect()
        numbers = pl.concat([numbers, table.filter(table["new"].is_in(objectors.implode()))["old"]]).unique().sort()
    return numbers.to_frame().select(digits(pl.first())).to_series()


def _persons(
    linkage: Linkage, flags: Mapping[str, pl.Series], *, sources: Sequence[str]
) -> tuple[pl.Series, pl.Series]:
    """Give the ids of persons all of whose records, and of those some but not all of whose, may be an objector's."""
    records = [
        pl.DataFrame([linkage.links_of(name)["person_id"], flags[name].alias("flag")])
        for name in sources
        if name in flags
    ]
    if not records:
        return (pl.Series("person_id", dtype=pl.UInt32),) * 2
    of_each = pl.concat(records).group_by("person_id").agg(whole=pl.col("flag").all(), some=pl.col("flag").any())
    return of_each.filter("whole")["person_id"], of_each.filter(pl.col("some") & ~pl.col("whole"))["person_id"]


def _pseudonyms(linkage: Linkage, person_ids: pl.Series, key: Key) -> pl.Series:
    return linkage.persons[person_ids].select(pseudonymise(person_name(), key)).to_series()


def _released(folder: Path, sources: Sequence[str]) -> pl.Series:
    """Read the pseudonyms that stand in a release."""
    parts = []
    # Raised after the library's error and not from it, so that its message is gone.
    try:
        for file in sorted({folder / each["file"] for each in read_manifest(folder)["files"]}):
            parts += list(_pseudonyms_in(file, sources))
    except (pl.exceptions.PolarsError, OSError):
        parts = []
    if not parts:
        raise SourceError(f"{folder}: the pseudonyms in this release cannot be read; is it whole?")
    return pl.concat(parts).drop_nulls().unique()


def _pseudonyms_in(file: Path, sources: Sequence[str]) -> Iterator[pl.Series]:
    if file.suffix == ".duckdb":
        import duckdb

        try:
            with duckdb.connect(file, read_only=True) as connection:
                for source in sources:
                    # A source's name is letters, digits, _ and -.
                    yield connection.sql(f'SELECT DISTINCT pseudonym FROM "{source}"').pl()["pseudonym"]  # noqa: S608
        except duckdb.Error:
            raise OSError from None
        return
    rows = pl.scan_csv(file, infer_schema=False) if file.suffix == ".csv" else pl.scan_parquet(file, glob=False)
    yield rows.select(pl.col("pseudonym").unique()).collect(engine="streaming").to_series()


def _is_of_withdrawals(entry: Path) -> bool:
    try:
        content = json.loads((entry.parent / LIST_OF_WITHDRAWALS).read_text("utf-8"))
        return entry.name in {LIST_OF_WITHDRAWALS, *content["files"]}
    except (OSError, ValueError, LookupError, TypeError):
        return False
