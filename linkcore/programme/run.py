"""Running a programme: all that its file states, from the sources to a signed release for each recipient."""

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

import polars as pl

from linkcore.disclosure.disclosed import disclosed
from linkcore.disclosure.suppression import SMALLEST_COUNT, rounded
from linkcore.errors import ProgrammeError, RefusedError
from linkcore.files import new_folder
from linkcore.governance.audit.audit import Audit
from linkcore.governance.audit.occasion import Occasion
from linkcore.governance.manifest import is_of_a_release
from linkcore.governance.releases.agreements import Agreement
from linkcore.governance.releases.checks import refuse_shared_keys, refuse_unless_signed_and_audited
from linkcore.governance.releases.release import Release, release
from linkcore.governance.withholding.withholding import Withholding
from linkcore.keys.key import Key
from linkcore.keys.keyring import Keyring
from linkcore.keys.signing import SigningKey
from linkcore.link import Linkage
from linkcore.programme.programme import Programme
from linkcore.progress import Progress, silent
from linkcore.quality.measures import Quality
from linkcore.quality.tables import ANY_REASON, NOT_WITHHELD
from linkcore.report.write import QUALITY_FILE, with_withholding, write_report
from linkcore.schema import ALL

__all__ = ["RELEASES", "ProgrammeRun", "run_programme", "synthetic_keys"]

RELEASES: Final = "releases"
"""The folder of a run in which each recipient's release has a folder, named after its key."""

_CONTENTS: Final = "run.json"
_REPORT: Final = "report.html"
_SUMMARY: Final = "summary.txt"


@dataclass(frozen=True, eq=False, repr=False)
class ProgrammeRun:
    """What a run of a programme came to.

    Parameters
    ----------
    folder : pathlib.Path
        Where everything is: a folder a release in ``RELEASES``, the linkage-quality report and its ``quality.json``,
        and a summary.
    programme : str
        Its name.
    on : datetime.date
        The day of release.
    linkage : Linkage
        Of its sources. It holds identifiers, and stays with the trusted team.
    type_one : polars.DataFrame
        GP rows that should never have been sent, and were left out when read: ``source``, ``practice``, ``rows``. They
        are true counts, to be reported back.
    withholdings : mapping of str to Withholding
        By purpose, what was kept back; none where the programme states neither opt-outs nor sensitive records.
    releases : mapping of str to Release
        By recipient.
    refused : mapping of str to str
        By recipient who got nothing: why.
    quality : Quality
        What the report tells, of the linkage and of what is withheld; with disclosure control.
    """

    folder: Path
    programme: str
    on: dt.date
    linkage: Linkage
    type_one: pl.DataFrame
    withholdings: Mapping[str, Withholding]
    releases: Mapping[str, Release]
    refused: Mapping[str, str]
    quality: Quality

    def __repr__(self) -> str:
        """Say how much there is; never what."""
        return (
            f"ProgrammeRun({self.programme!r}, {self.on}: {len(self.releases)} released, {len(self.refused)} refused)"
        )

    def text(self) -> str:
        """Say in plain text what was done: small counts are suppressed, others rounded.

        Returns
        -------
        str
        """
        return "\n".join(_summary(self)) + "\n"


def run_programme(
    programme: Programme,
    out: str | Path,
    *,
    keys: Mapping[str, Key] | Keyring,
    on: dt.date,
    at: dt.datetime,
    actor: str,
    signing_key: SigningKey | None = None,
    audit: Audit | None = None,
    progress: Progress = silent,
) -> ProgrammeRun:
    r"""Do all that a programme file states: link, withhold, and release to each recipient what its agreement allows.

    Whatever can be refused beforehand is refused before the sources are read. Then the sources are linked, GP rows with
    a Type 1 opt-out left out when they are read; for each purpose, opt-outs and sensitive records are withheld as they
    stand on the day; each recipient gets a release under its own key; and the linkage-quality report is written, with
    disclosure control. A recipient who may have nothing (terms not in force, an opt-out list that its purpose needs
    missing, too few people alike) is named in `ProgrammeRun.refused`, and the others get theirs.

    Everything appears at once, when all of it is complete, instead of what an earlier run left in the folder: give each
    run of which recipients keep a release a folder of its own, since withdrawals look into it. The same again gives the
    same bytes, but for times.

    Parameters
    ----------
    programme : Programme
        As its file states it.
    out : path
        The folder to write; files in it are for their owner only.
    keys : mapping of str to Key, or Keyring
        By id, each recipient's own key.
    on : datetime.date
        The day of release: opt-outs, terms and the programme's end are judged by it.
    at : datetime.datetime
        The time, with its time zone, for the audit log.
    actor : str
        Who does it.
    signing_key : SigningKey, optional
        By which manifests are signed; only a synthetic programme runs without.
    audit : Audit, optional
        The audit log, by default that of the programme file; only a synthetic programme runs without.
    progress : Progress
        Told of each step.

    Returns
    -------
    ProgrammeRun

    Raises
    ------
    RefusedError
        If the programme is over, no recipient may have anything, a key is missing or shared, or it could be neither
        signed nor audited.
    ProgrammeError, SourceError
        If the programme file or a source cannot be used.

    Examples
    --------
    >>> import tempfile
    >>> stated = '''
    ... programme = { name = "Example", synthetic = true }
    ... numbers = { usable = ["test"] }
    ... linkage = { probabilistic = false }
    ... source = [{ name = "gp", data = "gp.csv", spine = true }]
    ... recipient = [{ name = "partner", key = "partner-2026", columns = { gp = ["seen"] } }]
    ... '''
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "gp.csv").write_text("nhs_number,seen\n9990000018,3\n9990000026,5\n")
    ...     _ = Path(folder, "programme.toml").write_text(stated)
    ...     programme = Programme.load(Path(folder, "programme.toml"))
    ...     run = run_programme(
    ...         programme, Path(folder, "out"), keys=synthetic_keys(programme), on=dt.date(2026, 4, 1),
    ...         at=dt.datetime(2026, 4, 1, 12, tzinfo=dt.UTC), actor="team",
    ...     )
    ...     print(run, sorted(path.name for path in run.folder.iterdir()))
    ProgrammeRun('Example', 2026-04-01: 1 released, 0 refused)
    ['quality.json', 'releases', 'report.html', 'run.json', 'summary.txt']
    """
    programme.check(on)
    audit = audit or programme.audit_log()
    refuse_unless_signed_and_audited(synthetic=programme.programme.synthetic, signing_key=signing_key, audit=audit)
    agreements = programme.agreements()
    of_recipients = {each.recipient: _own_key(keys, each) for each in agreements}
    refuse_shared_keys(of_recipients)
    if audit is not None:
        name, count = programme.programme.name, len(agreements)
        audit.record("programme_run", at=at, actor=actor, programme=name, on=str(on), recipients=count)
    refused = _not_in_force(agreements, on)
    _refuse_all(agreements, refused)
    withholdings: dict[str, Withholding] = {}
    releases: dict[str, Release] = {}
    out = Path(out)
    with new_folder(out, ours=_is_of_a_run) as folder:
        sources, type_one = programme.sources_without_type_one(on)
        linkage = programme.link(on=on, sources=sources, progress=progress)
        for number, agreement in enumerate(agreements):
            recipient = agreement.recipient
            progress(f"release to {recipient}", number, len(agreements) + 1)
            if recipient not in refused:
                try:
                    releases[recipient] = release(
                        linkage,
                        agreement,
                        of_recipients[recipient],
                        folder / RELEASES / agreement.key,
                        on=on,
                        withholding=_withheld(programme, linkage, withholdings, on=on, purpose=agreement.purpose),
                        signing_key=signing_key,
                        occasion=None if audit is None else Occasion(actor, at, audit),
                    )
                except RefusedError as error:
                    refused[recipient] = str(error)
            if recipient in refused and audit is not None:
                # If it was the audit log that refused, it refuses this, too, and the run ends.
                audit.record("release", at=at, actor=actor, recipient=recipient, outcome="refused")
        _refuse_all(agreements, refused)
        progress("report", len(agreements), len(agreements) + 1)
        # Where they will be when all is there.
        placed = {name: replace(each, folder=out / RELEASES / each.folder.name) for name, each in releases.items()}
        run = ProgrammeRun(
            out,
            programme.programme.name,
            on,
            linkage,
            type_one,
            MappingProxyType(withholdings),
            MappingProxyType(placed),
            MappingProxyType(refused),
            disclosed(with_withholding(linkage.quality, withholdings.values(), type_one)),
        )
        write_report(run.quality, folder / _REPORT)
        (folder / _SUMMARY).write_text(run.text(), "utf-8")
        (folder / _CONTENTS).write_text(json.dumps(_contents(run), indent=2, ensure_ascii=False) + "\n", "utf-8")
    progress("done", len(agreements) + 1, len(agreements) + 1)
    return run


def synthetic_keys(programme: Programme) -> dict[str, Key]:
    """Make a random key for each recipient of a synthetic programme, to try it; they are kept nowhere.

    Parameters
    ----------
    programme : Programme
        It says that it is synthetic.

    Returns
    -------
    dict of str to Key
        By id.

    Raises
    ------
    RefusedError
        If it does not: the keys of real people's pseudonyms are made once, and kept in a keyring.
    """
    if not programme.programme.synthetic:
        raise RefusedError(
            f"programme {programme.programme.name!r} does not say that it is synthetic; make each recipient's key "
            "once, in a keyring, and give that"
        )
    return {agreement.key: Key.generate(agreement.key) for agreement in programme.agreements()}


def _own_key(keys: Mapping[str, Key] | Keyring, agreement: Agreement) -> Key:
    if agreement.key not in keys:
        raise RefusedError(
            f"agreement with {agreement.recipient!r}: its key {agreement.key!r} is not among those given"
        )
    return keys[agreement.key]


def _not_in_force(agreements: list[Agreement], on: dt.date) -> dict[str, str]:
    """Say by recipient, before anything is read, whose terms are not in force on the day."""
    refused = {}
    for agreement in agreements:
        try:
            if agreement.terms is not None:
                agreement.terms.refuse_unless_in_force(agreement.recipient, on)
        except RefusedError as error:
            refused[agreement.recipient] = str(error)
    return refused


def _refuse_all(agreements: list[Agreement], refused: Mapping[str, str]) -> None:
    if not agreements:
        raise ProgrammeError("the programme file states no [[recipient]], so there is nothing to release")
    if len(refused) == len(agreements):
        raise RefusedError("no recipient may have anything: " + "; ".join(refused.values()))


def _withheld(
    programme: Programme, linkage: Linkage, known: dict[str, Withholding], *, on: dt.date, purpose: str
) -> Withholding | None:
    """Apply opt-outs for a purpose, once."""
    if purpose not in known:
        withholding = programme.withhold(linkage, on=on, purpose=purpose)
        if withholding is None:
            return None
        known[purpose] = withholding
    return known[purpose]


# --- What is said of it ----------------------------------------------------------------------------------------------


def _summary(run: ProgrammeRun) -> Iterator[str]:
    linkage = run.linkage
    yield f"programme: {run.programme}, for {run.on}"
    yield f"counts: 1 to {SMALLEST_COUNT - 1} are shown as *, others to the nearest 5"
    yield (
        f"linked: {_shown(linkage.links.height)} records of {len(linkage.sources)} sources, "
        f"{_shown(linkage.persons.height)} persons"
    )
    # What the report tells, too, is as it is there: two ways to suppress would give away what each keeps to itself.
    of_practices = run.quality.not_read.filter(pl.col("practice") != ALL)
    for source, practice, rows in of_practices.select("source", "practice", "records").iter_rows():
        yield f"left out when read, Type 1: {source}, practice {practice}: {_written(rows)} rows"
    withheld = run.quality.withheld
    counts_of = {(purpose, source, reason): count for purpose, source, reason, count in withheld.iter_rows()}
    for purpose in run.withholdings:
        yield f"withheld for {purpose!r}:"
        for kind, basis in run.quality.withheld_basis.filter(purpose=purpose).select("kind", "basis").iter_rows():
            yield f"  {kind}: {basis}"
        for source, reason, records in withheld.filter(purpose=purpose).drop("purpose").iter_rows():
            if source != ALL and reason not in (NOT_WITHHELD, ANY_REASON):
                yield f"  {source}, {reason}: {_written(records)} records"
    for recipient, released in run.releases.items():
        purpose = released.manifest["purpose"]
        k = released.manifest["anonymity"]["release"]["k"]
        yield f"released to {recipient}, key {released.manifest['key']}" + ("" if k is None else f", k = {k}")
        for counts in released.counts.iter_rows(named=True):
            shown = {name: _shown(counts[name]) for name in ("released", "withheld", "outside")}
            if purpose in run.withholdings:
                shown["withheld"] = _written(counts_of[purpose, counts["source"], ANY_REASON])
                if not counts["outside"]:
                    shown["released"] = _written(counts_of[purpose, counts["source"], NOT_WITHHELD])
            yield (
                f"  {counts['source']}: {shown['released']} rows; {shown['withheld']} withheld, {shown['outside']} "
                "outside the cohort"
            )
    for why in run.refused.values():
        yield f"REFUSED: {why}"


def _shown(count: int) -> str:
    return _written(None if 0 < count < SMALLEST_COUNT else rounded(count))


def _written(count: int | None) -> str:
    return "*" if count is None else f"{count:,}"


def _contents(run: ProgrammeRun) -> dict[str, object]:
    return {
        "format": 1,
        "programme": run.programme,
        "on": str(run.on),
        "files": [_REPORT, QUALITY_FILE, _SUMMARY],
        "releases": {name: each.folder.name for name, each in run.releases.items()},
        "refused": dict(run.refused),
    }


def _is_of_a_run(entry: Path) -> bool:
    try:
        contents = json.loads((entry.parent / _CONTENTS).read_text("utf-8"))
        if entry.name != RELEASES:
            return entry.name in {_CONTENTS, *contents["files"]}
        folders = list(entry.iterdir())
        known = {folder.name for folder in folders} <= set(contents["releases"].values())
        return known and all(is_of_a_release(file) for folder in folders for file in folder.iterdir())
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return False
