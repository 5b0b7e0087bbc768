"""Withdrawals: after a release, people object, and each recipient is told which pseudonyms it must remove."""

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from linkcore.errors import ProgrammeError, RefusedError, SourceError
from linkcore.files import new_folder, write_json
from linkcore.governance.audit.occasion import Occasion
from linkcore.governance.manifest import as_opened, digest_of, is_as_listed, read_manifest, verify_release
from linkcore.governance.releases.formats import scan_rows
from linkcore.governance.withholding.opt_outs import OptOuts
from linkcore.governance.withholding.possible_people import PossiblePeople
from linkcore.identifiers.nhs_number import digits
from linkcore.keys.key import Key
from linkcore.link import Linkage
from linkcore.linkage.stable_persons.names_before import with_names_before
from linkcore.pseudonyms.persons import person_name
from linkcore.pseudonyms.pseudonymise import pseudonymise

__all__ = ["LIST_OF_WITHDRAWALS", "withdrawals"]

LIST_OF_WITHDRAWALS: Final = "withdrawals.json"
"""The file that states what was written for whom. It holds counts, and stays with the trusted team."""

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
    occasion: Occasion,
    max_age_days: int = 7,
) -> pl.DataFrame:
    """Write, for each recipient, the pseudonyms that it must remove because people have objected since the release.

    Only pseudonyms that are in the recipient's own releases are named, so it learns about nobody else. These are the
    pseudonyms of the objectors' NHS Numbers, also of superseded ones. They are also the pseudonyms of persons whose
    every released record a release of this day would withhold for the objections, such as a record without a number
    that may belong to an objector. If only some records of a person would be withheld, the pseudonym stays: a new
    release leaves these records out. ``in_part`` counts such persons.

    An objection that was withdrawn does not count: the next release has the person again, under the same pseudonym.

    Parameters
    ----------
    linkage : Linkage
        The linkage of the sources as they are now.
    objections : OptOuts
        Objections to the programme.
    releases : sequence of path
        Folders of all releases that recipients still hold.
    keys : sequence of Key
        The recipients' keys, in every version under which there is a release.
    out : path
        The folder to write. It holds ``LIST_OF_WITHDRAWALS`` and, for each recipient, ``KEY.csv`` with ``pseudonym``
        and ``key_version``: send this file to its recipient only.
    on : datetime.date
        The day on which objections must be in force.
    occasion : Occasion
        Who does it, when and why, and the audit log.
    max_age_days : int
        Largest age of the objections, in days.

    Returns
    -------
    polars.DataFrame
        ``recipient``, ``key``, ``key_version``, ``pseudonyms`` (the number to remove) and ``in_part``.

    Raises
    ------
    RefusedError
        If the objections are too old, if a key is not given, if two recipients have the same key, or if a release is
        not as its manifest states.
    SourceError
        If a release cannot be read, or a source is not what was linked.
    ProgrammeError
        If no release is given, or the folder holds something else.
    """
    if not releases:
        raise ProgrammeError("withdrawals: give the folders of the releases that recipients hold")
    objections.refuse_another_stage("objections", linkage.sources)
    objections.check("objections", on=on, max_age_days=max_age_days)
    held = _held(releases, keys)
    objectors = objections.in_force(on, linkage.exact.superseded)
    may_be_objectors = PossiblePeople(linkage).records_of(objectors)
    numbers = _all_numbers(linkage, objectors)
    files: dict[str, list[pl.DataFrame]] = {}
    counts: list[dict[str, Any]] = []
    for holding in held:
        key, whole, in_part = holding.key, *_persons(linkage, may_be_objectors, sources=holding.sources)
        objecting = pl.concat([pseudonymise(numbers, key), _pseudonyms(linkage, whole, key)])
        released = holding.pseudonyms()
        to_remove = released.filter(released.is_in(objecting.implode())).sort()
        partly = released.is_in(_pseudonyms(linkage, in_part, key).implode())
        stay = released.filter(partly & ~released.is_in(to_remove.implode()))
        files.setdefault(f"{key.id}.csv", []).append(
            pl.DataFrame({"pseudonym": to_remove}).with_columns(pl.lit(key.version).alias("key_version"))
        )
        occasion.record(
            "withdrawals", key, recipient=holding.recipient, objections=objectors.len(), pseudonyms=to_remove.len()
        )
        row = (holding.recipient, key.id, key.version, to_remove.len(), stay.len())
        counts.append(dict(zip(_COUNTS, row, strict=True)))
    _write(Path(out), files, {"on": str(on), "objections_as_of": str(objections.as_of), "recipients": counts})
    return pl.DataFrame(counts, _COUNTS)


@dataclass(frozen=True)
class _Holding:
    """The releases that a recipient holds under one key, and the sources in each."""

    recipient: str
    key: Key
    releases: list[tuple[Path, list[str]]]

    @property
    def sources(self) -> list[str]:
        return sorted({name for _, sources in self.releases for name in sources})

    def pseudonyms(self) -> pl.Series:
        """Read the pseudonyms that are in the releases, each once."""
        return pl.concat([_released(folder, sources) for folder, sources in self.releases]).unique()


def _held(releases: Sequence[str | Path], keys: Sequence[Key]) -> list[_Holding]:
    """Read the manifests of the releases, and group these by key."""
    given: dict[Any, Key] = {(key.id, key.version): key for key in keys}
    recipients: dict[str, str] = {}
    held: dict[Key, _Holding] = {}
    for folder in map(Path, releases):
        manifest = verify_release(folder)
        recipient, key_id, version = (manifest.get(name) for name in ("recipient", "key", "key_version"))
        key = given.get((key_id, version))
        if key is None:
            raise RefusedError(
                f"{folder}: it was released under key {key_id!r} version {version}, which is not given; give it. If "
                "the key was destroyed, leave out the release: nobody can tell whose its pseudonyms are"
            )
        before = recipients.setdefault(key.id, str(recipient))
        if before != recipient:
            raise RefusedError(
                f"{folder}: {recipient!r} and {before!r} have the same key, {key_id!r}; each needs its own"
            )
        holding = held.setdefault(key, _Holding(before, key, []))
        holding.releases.append((folder, [file["source"] for file in manifest["files"]]))
    return sorted(held.values(), key=lambda holding: (holding.key.id, holding.key.version))


def _all_numbers(linkage: Linkage, objectors: pl.Series) -> pl.Series:
    """Return the ten digits of the objectors' numbers, and of the numbers that these superseded."""
    numbers = objectors.alias("nhs_number")
    if linkage.exact.superseded is not None:
        table = linkage.exact.superseded.lazy().collect()
        numbers = pl.concat([numbers, table.filter(table["new"].is_in(objectors.implode()))["old"]]).unique().sort()
    return numbers.to_frame().select(digits(pl.first())).to_series()


def _persons(
    linkage: Linkage, may_be_objectors: Mapping[str, pl.Series], *, sources: Sequence[str]
) -> tuple[pl.Series, pl.Series]:
    """Return the ids of persons with only records that may be an objector's, and of persons with some such records."""
    records = [
        pl.DataFrame([linkage.links_of(name)["person_id"], may_be_objectors[name].alias("flag")])
        for name in sources
        if name in may_be_objectors
    ]
    if not records:
        return (pl.Series("person_id", dtype=pl.UInt32),) * 2
    persons = pl.concat(records).group_by("person_id").agg(whole=pl.col("flag").all(), some=pl.col("flag").any())
    return persons.filter("whole")["person_id"], persons.filter(pl.col("some") & ~pl.col("whole"))["person_id"]


def _pseudonyms(linkage: Linkage, person_ids: pl.Series, key: Key) -> pl.Series:
    """Return the pseudonyms of persons, and those that they had in earlier releases."""
    names = linkage.persons[person_ids].select(person_name()).to_series()
    return pseudonymise(with_names_before(linkage.superseded, names), key)


def _released(folder: Path, sources: Sequence[str]) -> pl.Series:
    """Read the pseudonyms that are in a release."""
    parts = []
    # Our error is raised after the library's error, not from it: the library's message may quote a value.
    try:
        for file in _opened_files(folder):
            parts += list(_pseudonyms_in(file, sources))
    except (pl.exceptions.PolarsError, OSError):
        parts = []
    if not parts:
        raise SourceError(f"{folder}: the pseudonyms in this release cannot be read; check that the release is whole")
    return pl.concat(parts).drop_nulls().unique()


def _opened_files(folder: Path) -> list[Path]:
    """Return the plain files of a release; refuse one that is encrypted and was not opened."""
    files = {as_opened(folder, table) for table in read_manifest(folder)["files"]}
    opened = sorted(file for file in files if file is not None)
    if len(opened) < len(files):
        raise RefusedError(
            f"{folder}: this release is encrypted, so nobody can tell whose pseudonyms are in it; open its files with "
            "the trusted team's key of age or the passphrase (`age -d`), and put them beside the encrypted ones"
        )
    return opened


def _pseudonyms_in(file: Path, sources: Sequence[str]) -> Iterator[pl.Series]:
    if file.suffix == ".duckdb":
        import duckdb

        try:
            with duckdb.connect(file, read_only=True) as connection:
                for source in sources:
                    # The name of a source has letters, digits, _ and - only.
                    yield connection.sql(f'SELECT DISTINCT pseudonym FROM "{source}"').pl()["pseudonym"]  # noqa: S608
        except duckdb.Error:
            raise OSError from None
        return
    yield scan_rows(file).select(pl.col("pseudonym").unique()).collect(engine="streaming").to_series()


def _write(out: Path, files: Mapping[str, Sequence[pl.DataFrame]], content: Mapping[str, Any]) -> None:
    with new_folder(out, ours=_is_of_withdrawals) as folder:
        for name, parts in files.items():
            pl.concat(parts).write_csv(folder / name)
        digests = {name: digest_of(folder / name) for name in files}
        write_json(folder / LIST_OF_WITHDRAWALS, {**content, "files": digests})


def _is_of_withdrawals(entry: Path) -> bool:
    try:
        content = json.loads((entry.parent / LIST_OF_WITHDRAWALS).read_text("utf-8"))
        files = content["files"]
        # What is claimed counts only for the files that this command names: one for each key.
        if files.keys() != {f"{stated['key']}.csv" for stated in content["recipients"]} or not files:
            return False
        if entry.name == LIST_OF_WITHDRAWALS:
            return not entry.is_symlink()
        return is_as_listed(entry, files[entry.name])
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return False
