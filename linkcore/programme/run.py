"""A run of a programme: everything that its file states, from the sources to a signed release for each recipient."""

import datetime as dt
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

import polars as pl

from linkcore.disclosure.disclosed import disclosed
from linkcore.disclosure.suppression import SMALLEST_COUNT
from linkcore.errors import ProgrammeError, RefusedError, SourceError
from linkcore.files import new_folder, write_json
from linkcore.governance.audit.occasion import Occasion
from linkcore.governance.destruction.mark import refuse_if_destroyed
from linkcore.governance.manifest import digest_of, is_as_listed, is_of_a_release, read_manifest
from linkcore.governance.releases.agreements import Agreement
from linkcore.governance.releases.checks import (
    refuse_another_day,
    refuse_shared_keys,
    refuse_unless_signed_and_audited,
)
from linkcore.governance.releases.release import Release, release
from linkcore.governance.releases.shown_counts import ShownCounts, written
from linkcore.governance.withholding.withholding import Withholding
from linkcore.keys.key import Key
from linkcore.keys.keyring import Keyring
from linkcore.keys.signing import SigningKey
from linkcore.link import Linkage
from linkcore.linkage.stable_persons.known_persons import KnownPersons
from linkcore.plain_text import escaped
from linkcore.programme.programme import Programme
from linkcore.progress import Progress, silent
from linkcore.quality.measures import Quality
from linkcore.quality.tables import ANY_REASON, NOT_WITHHELD
from linkcore.report.quality_file import to_json
from linkcore.report.write import QUALITY_FILE, with_withholding, write_report
from linkcore.schema import ALL

__all__ = ["RELEASES", "ProgrammeRun", "run_programme", "synthetic_keys"]

RELEASES: Final = "releases"
"""The folder of a run that holds the releases: a folder for each, named after the recipient's key."""

_CONTENTS: Final = "run.json"
_REPORT: Final = "report.html"
_SUMMARY: Final = "summary.txt"
_TRUE_COUNTS: Final = "trusted_team_only.json"
_FILES: Final = (_REPORT, QUALITY_FILE, _SUMMARY, _TRUE_COUNTS)
_COUNT: Final = re.compile(r"\b[0-9][0-9,]*(?: in [0-9][0-9,]*)? (?=(?:of the )?(?:people|persons|records|rows))")


@dataclass(frozen=True, eq=False, repr=False)
class ProgrammeRun:
    """Result of `run_programme`.

    Parameters
    ----------
    folder : pathlib.Path
        The folder of the run. It holds a folder for each release in ``RELEASES``, the linkage-quality report, its
        ``quality.json``, a summary, and ``trusted_team_only.json`` with the true counts.
    programme : str
        Name of the programme.
    on : datetime.date
        The day of release.
    linkage : Linkage
        The linkage of the programme's sources. It holds identifiers, and stays with the trusted team.
    withholdings : mapping of str to Withholding
        What was withheld, by purpose. Empty if the programme states neither opt-outs nor sensitive records.
    releases : mapping of str to Release
        The releases, by recipient.
    refused : mapping of str to str
        For each recipient without a release, the reason.
    quality : Quality
        What the report shows about the linkage and about withheld records, with disclosure control. Manifests and the
        summary show the same counts.
    """

    folder: Path
    programme: str
    on: dt.date
    linkage: Linkage
    withholdings: Mapping[str, Withholding]
    releases: Mapping[str, Release]
    refused: Mapping[str, str]
    quality: Quality

    def __repr__(self) -> str:
        """Show counts, and no content."""
        return (
            f"ProgrammeRun({self.programme!r}, {self.on}: {len(self.releases)} released, {len(self.refused)} refused)"
        )

    def text(self) -> str:
        """Describe the run in plain text: small counts are suppressed, and others are rounded.

        Returns
        -------
        str
        """
        return "".join(f"{escaped(line)}\n" for line in _summary(self))


def run_programme(
    programme: Programme,
    out: str | Path,
    *,
    keys: Mapping[str, Key] | Keyring,
    on: dt.date,
    occasion: Occasion | None = None,
    signing_key: SigningKey | None = None,
    linkage: Linkage | None = None,
    previous: Linkage | KnownPersons | None = None,
    progress: Progress = silent,
) -> ProgrammeRun:
    r"""Do everything that a programme file states: link, withhold, and release to each recipient what it may have.

    Whatever can be refused early is refused before the sources are read. Then the sources are linked, without the GP
    rows to which a Type 1 opt-out applies. For each purpose, opt-outs and sensitive records are withheld as they stand
    on the day. Each recipient gets a release under its own key. The linkage-quality report is written, with disclosure
    control. A recipient whose release is refused is named in `ProgrammeRun.refused`, and the others get theirs. A
    release is refused if its terms are not in force, if a list of opt-outs that it needs is missing, or if too few
    people are alike.

    All outputs appear at once, when they are complete, and replace what an earlier run left in the folder. If
    recipients keep the releases of a run, give the next run another folder: withdrawals look into the releases.
    The same run again gives the same bytes, except for times.

    Parameters
    ----------
    programme : Programme
        The programme.
    out : path
        The folder to write. Only its owner can read the files in it.
    keys : mapping of str to Key, or Keyring
        Each recipient's own key, by id.
    on : datetime.date
        The day of release. Opt-outs, terms and the end of the programme are judged by it.
    occasion : Occasion, optional
        Who runs it and when, and the audit log, as from :meth:`Programme.occasion`. Only a synthetic programme that
        states no audit log runs without it.
    signing_key : SigningKey, optional
        The key that signs the manifests. Only a synthetic programme runs without it.
    linkage : Linkage, optional
        The linkage of the programme's sources, from :meth:`Programme.open_linkage`. Without it, they are linked.
    previous : Linkage or KnownPersons, optional
        Where they are linked: the persons of the linkage before, from :meth:`Programme.previous_linkage`. By default,
        those of the linkage that the programme states, if it is not encrypted.
    progress : Progress
        Called at each step.

    Returns
    -------
    ProgrammeRun

    Raises
    ------
    RefusedError
        If the programme is over, if no recipient may have anything, if a key is missing or shared, or if the signing
        key or the audit log is missing.
    ProgrammeError, SourceError
        If the programme file or a source cannot be used, or if the programme states an audit log and no occasion is
        given.

    Examples
    --------
    >>> import tempfile
    >>> stated = '''
    ... programme = { name = "Example", synthetic = true }
    ... numbers = { usable = ["test"] }
    ... linkage = { probabilistic = false }
    ... source = [{ name = "gp", data = "gp.csv", spine = true }]
    ... recipient = [{ name = "partner", key = "partner-2026", columns = { gp = ["seen"] } }]
    ... audit = { file = "audit.jsonl" }
    ... '''
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "gp.csv").write_text("nhs_number,seen\n9990000018,3\n9990000026,5\n")
    ...     _ = Path(folder, "programme.toml").write_text(stated)
    ...     programme = Programme.load(Path(folder, "programme.toml"))
    ...     run = run_programme(
    ...         programme, Path(folder, "out"), keys=synthetic_keys(programme), on=dt.date(2026, 4, 1),
    ...         occasion=programme.occasion("team", dt.datetime(2026, 4, 1, 12, tzinfo=dt.UTC)),
    ...     )
    ...     print(run, sorted(path.name for path in run.folder.iterdir()))
    ProgrammeRun('Example', 2026-04-01: 1 released, 0 refused)
    ['quality.json', 'releases', 'report.html', 'run.json', 'summary.txt', 'trusted_team_only.json']
    """
    programme.check(on)
    if occasion is None and programme.audit is not None:
        raise ProgrammeError(
            "the programme states an audit log, so every run needs an occasion: give programme.occasion(actor, at)"
        )
    if occasion is not None:
        refuse_if_destroyed(programme.folder, programme=programme.programme.name, audit=occasion.audit)
    refuse_unless_signed_and_audited(
        synthetic=programme.programme.synthetic, signing_key=signing_key, occasion=occasion
    )
    refuse_another_day(on, occasion, synthetic=programme.programme.synthetic)
    agreements = programme.agreements()
    own_keys = {agreement.recipient: _own_key(keys, agreement) for agreement in agreements}
    for agreement in agreements:
        agreement.refuse_without_passphrase()
    refuse_shared_keys(own_keys, audit=None if occasion is None else occasion.audit)
    if occasion is not None:
        occasion.record("programme_run", programme=programme.programme.name, on=str(on), recipients=len(agreements))
    refused = _not_in_force(agreements, on)
    _refuse_if_nobody_is_left(agreements, refused)
    releases: dict[str, Release] = {}
    out, steps = Path(out), len(agreements) + 1
    with new_folder(out, ours=_is_of_a_run) as folder:
        linkage = linkage or programme.link(on=on, previous=previous, progress=progress)
        withholdings = _withholdings(programme, linkage, on, agreements, refused)
        true = with_withholding(linkage.quality, withholdings.values())
        shown = disclosed(true)
        releasing = _Releasing(replace(linkage, quality=shown), withholdings, on, signing_key, occasion)
        # The report needs no release, and both wait for libraries that use other threads.
        with ThreadPoolExecutor(1) as pool:
            report = pool.submit(write_report, shown, folder / _REPORT)
            for number, agreement in enumerate(agreements):
                recipient = agreement.recipient
                progress(f"release to {recipient}", number, steps)
                if recipient not in refused:
                    try:
                        place = folder / RELEASES / agreement.key
                        releases[recipient] = releasing.release(agreement, own_keys[recipient], place)
                    except RefusedError as error:
                        refused[recipient] = str(error)
                if recipient in refused and occasion is not None:
                    # If the audit log itself refused, it refuses this line too, and the run ends.
                    occasion.record("release", recipient=recipient, outcome="refused")
            progress("report", len(agreements), steps)
            report.result()
        _refuse_if_nobody_is_left(agreements, refused)
        # Releases are named by the place to which they will be moved.
        placed = {name: replace(each, folder=out / RELEASES / each.folder.name) for name, each in releases.items()}
        run = ProgrammeRun(
            out,
            programme.programme.name,
            on,
            linkage,
            MappingProxyType(withholdings),
            MappingProxyType(placed),
            MappingProxyType(refused),
            shown,
        )
        (folder / _SUMMARY).write_text(run.text(), "utf-8")
        write_json(folder / _TRUE_COUNTS, _true_counts(run, true))
        write_json(folder / _CONTENTS, _contents(run, folder))
    progress("done", steps, steps)
    return run


@dataclass(frozen=True)
class _Releasing:
    """The releases of one linkage on one day; its quality is that of the report, so that manifests show its counts."""

    linkage: Linkage
    withholdings: Mapping[str, Withholding]
    on: dt.date
    signing_key: SigningKey | None
    occasion: Occasion | None

    def release(self, agreement: Agreement, key: Key, folder: Path) -> Release:
        return release(
            self.linkage,
            agreement,
            key,
            folder,
            on=self.on,
            withholding=self.withholdings.get(agreement.purpose),
            signing_key=self.signing_key,
            occasion=self.occasion,
        )


def _withholdings(
    programme: Programme, linkage: Linkage, on: dt.date, agreements: list[Agreement], refused: dict[str, str]
) -> dict[str, Withholding]:
    """Apply opt-outs once for each purpose; where that is refused, so is each recipient with this purpose."""
    withholdings: dict[str, Withholding] = {}
    for purpose in dict.fromkeys(each.purpose for each in agreements if each.recipient not in refused):
        try:
            withholding = programme.withhold(linkage, on=on, purpose=purpose)
        except RefusedError as error:
            for each in agreements:
                if each.purpose == purpose:
                    refused.setdefault(each.recipient, str(error))
        else:
            if withholding is not None:
                withholdings[purpose] = withholding
    return withholdings


def synthetic_keys(programme: Programme) -> dict[str, Key]:
    """Generate a random key for each recipient of a synthetic programme, to try the programme. No key is kept.

    Parameters
    ----------
    programme : Programme
        A programme that states that it is synthetic.

    Returns
    -------
    dict of str to Key
        The keys, by id.

    Raises
    ------
    RefusedError
        If the programme is not synthetic: the keys for real people's pseudonyms are generated once and kept in a
        keyring.
    """
    if not programme.programme.synthetic:
        raise RefusedError(
            f"programme {programme.programme.name!r} does not say that it is synthetic; generate each recipient's key "
            "once, in a keyring, and give the keyring"
        )
    return {agreement.key: Key.generate(agreement.key) for agreement in programme.agreements()}


def _own_key(keys: Mapping[str, Key] | Keyring, agreement: Agreement) -> Key:
    if agreement.key not in keys:
        raise RefusedError(f"agreement with {agreement.recipient!r}: its key {agreement.key!r} is not given; give it")
    return keys[agreement.key]


def _not_in_force(agreements: list[Agreement], on: dt.date) -> dict[str, str]:
    """Return the recipients whose terms are not in force on the day, each with the reason."""
    refused = {}
    for agreement in agreements:
        try:
            if agreement.terms is not None:
                agreement.terms.refuse_unless_in_force(agreement.recipient, on)
        except RefusedError as error:
            refused[agreement.recipient] = str(error)
    return refused


def _refuse_if_nobody_is_left(agreements: list[Agreement], refused: Mapping[str, str]) -> None:
    if not agreements:
        raise ProgrammeError("the programme file states no [[recipient]], so there is nothing to release; state one")
    if len(refused) == len(agreements):
        raise RefusedError("no recipient may have anything: " + "; ".join(refused.values()))


# --- Summary ----------------------------------------------------------------------------------------------------------


def _summary(run: ProgrammeRun) -> Iterator[str]:
    counts = ShownCounts(run.quality)
    yield f"programme: {run.programme}, for {run.on}"
    yield f"counts from 1 to {SMALLEST_COUNT - 1} are shown as *, and others are rounded to the nearest 5"
    yield (
        f"linked: {_text(counts.records())} records of {len(run.linkage.sources)} sources, "
        f"{_text(run.quality.persons)} persons"
    )
    # Counts that the report shows too are taken from it: two different suppressions could reveal what each hides.
    of_practices = run.quality.not_read.filter(pl.col("practice") != ALL)
    for source, practice, rows in of_practices.select("source", "practice", "records").iter_rows():
        yield f"GP rows with a Type 1 opt-out, left out when read: {source}, practice {practice}: {_text(rows)} rows"
    for purpose in run.withholdings:
        yield f"withheld for {purpose!r}:"
        for kind, basis in run.quality.withheld_basis.filter(purpose=purpose).select("kind", "basis").iter_rows():
            yield f"  {kind}: {basis}"
        for source, reason, records in run.quality.withheld.filter(purpose=purpose).drop("purpose").iter_rows():
            if source != ALL and reason not in (NOT_WITHHELD, ANY_REASON):
                yield f"  {source}, {reason}: {_text(records)} records"
    for recipient, released in run.releases.items():
        purpose = released.manifest["purpose"]
        k = released.manifest["anonymity"]["release"]["k"]
        yield f"released to {recipient}, key {released.manifest['key']}" + ("" if k is None else f", k = {k}")
        for source, outside, rows in released.counts.select("source", "outside", "released").iter_rows():
            shown = counts.released(purpose, source, released=rows, outside=outside)
            may_leave, withheld = counts.may_leave(purpose, source), counts.withheld(purpose, source)
            yield f"  {source}: {_text(shown)} rows of {_text(may_leave)} records; {_text(withheld)} withheld"
    for why in _without_counts(run.refused).values():
        yield f"REFUSED: {why}"


def _text(count: int | None) -> str:
    return f"{written(count):,}" if count is not None else str(written(count))


def _without_counts(refused: Mapping[str, str]) -> dict[str, str]:
    """Return the reasons of refusals without the counts that they name, such as of people who opted out."""
    return {recipient: _COUNT.sub("some ", why) for recipient, why in refused.items()}


def _contents(run: ProgrammeRun, folder: Path) -> dict[str, object]:
    return {
        "format": 2,
        "programme": run.programme,
        "on": str(run.on),
        "files": {name: digest_of(folder / name) for name in _FILES},
        "releases": {name: each.folder.name for name, each in run.releases.items()},
        "refused": _without_counts(run.refused),
    }


def _true_counts(run: ProgrammeRun, quality: Quality) -> dict[str, object]:
    return {
        "for": "the trusted team only: true counts, from which what other files suppress can be worked out; do not "
        "pass this file on",
        "programme": run.programme,
        "on": str(run.on),
        "released": {recipient: each.counts.rows(named=True) for recipient, each in run.releases.items()},
        "refused": dict(run.refused),
        "quality": json.loads(to_json(quality)),
    }


def _is_of_a_run(entry: Path) -> bool:
    """Whether an entry is what an earlier run wrote, by its name and digest; ``run.json`` can claim nothing else."""
    stated = entry.parent / _CONTENTS
    try:
        contents = json.loads(stated.read_text("utf-8"))
        if entry.is_symlink() or stated.is_symlink() or not contents["files"]:
            return False
        if not set(contents["files"]) <= set(_FILES):
            return False
        if entry.name == RELEASES:
            return all(_is_release_of_a_run(each, contents["releases"].values()) for each in entry.iterdir())
        return entry.name == _CONTENTS or is_as_listed(entry, contents["files"][entry.name])
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, SourceError):
        return False


def _is_release_of_a_run(folder: Path, known: Iterable[str]) -> bool:
    """Whether a folder holds a release that the run lists, under the name of its key."""
    is_listed = folder.name in known and not folder.is_symlink() and read_manifest(folder)["key"] == folder.name
    return is_listed and all(is_of_a_release(file) for file in folder.iterdir())
