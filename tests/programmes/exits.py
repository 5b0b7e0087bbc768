"""What each programme does after its release, as its privacy notice says: done once, and checked by the tests."""

import datetime as dt
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

import linkcore as lc
from linkcore.errors import LinkcoreError
from linkcore.governance.audit.audit import Audit
from linkcore.governance.audit.occasion import Occasion
from linkcore.governance.destruction.destroy import Destruction, attest, destroy
from linkcore.governance.exits.own_patients import PatientList
from linkcore.governance.exits.reidentification import reidentify
from linkcore.governance.exits.returns import Returned, return_scores
from linkcore.governance.exits.subject_access import SubjectAccess, subject_access
from linkcore.governance.exits.withdrawals import withdrawals
from linkcore.governance.releases.release import Release, release
from linkcore.governance.withholding.national_check import export_national_check
from linkcore.governance.withholding.opt_out_lists import OptOutLists
from linkcore.governance.withholding.opt_outs import OptOuts
from linkcore.governance.withholding.withholding import withhold
from linkcore.programme.programme import Programme
from tests.programmes.running import ACTOR, PASSPHRASE, Running, at, pseudonym, released

NOBODY = "0" * 32


@dataclass
class Exits:
    """Results of the exits."""

    running: Running
    folder: Path
    # Files below the programme's folder that are meant to hold identifiers.
    carriers: set[Path] = field(default_factory=set)
    returned: Returned | None = None
    reidentified: pl.DataFrame | None = None
    withdrawn: dict[str, pl.DataFrame] = field(default_factory=dict)
    later: dict[str, tuple[Release, pl.DataFrame]] = field(default_factory=dict)
    subject: SubjectAccess | None = None
    asked: int = 0
    refusals: list[str] = field(default_factory=list)
    destroyed: Destruction | None = None
    destroyed_folder: Path = Path()

    @property
    def linkage_sources(self) -> list[str]:
        return [source.name for source in self.running.linkage.sources]


def do(running: Running) -> Exits:
    exits = Exits(running, running.folder)
    globals()[f"_of_{running.name}"](exits)
    _what_is_refused(exits)
    return exits


def _occasion(day: dt.date, reason: str, running: Running) -> Occasion:
    return Occasion(ACTOR, at(day, 12), running.audit, reason)


def _of_optum_south_central(exits: Exits) -> None:
    """The partner returns the people in need of care; each practice and the hospital learn about their own."""
    running = exits.running
    key_id = running.keys("Optum").id
    in_need = [pseudonym(key_id, number) for number in running.expected["in_need_of_care"]]
    scores = pl.DataFrame({"pseudonym": [*in_need, NOBODY], "NEED": [0.9] * len(in_need) + [0.1]})
    lists = [PatientList(code, numbers) for code, numbers in running.practices().items()]
    lists.append(PatientList("ZA1", running.numbers_in("inpatient")))
    exits.returned = return_scores(
        scores,
        lists,
        running.keyring[key_id],
        exits.folder / "returned",
        columns=["NEED"],
        requesters=running.programme.requesters.values(),
        linkage=running.linkage,
        occasion=_occasion(dt.date(2026, 5, 4), "people found to need care", running),
    )
    exits.carriers |= {exits.folder / "returned" / f"{patients.requester}.csv" for patients in lists}
    # A practice that brings a list of everybody is told about its own patients only.
    exits.reidentified = reidentify(
        [*in_need, NOBODY],
        PatientList("Z90002", running.numbers_in("gp")),
        running.keyring[key_id],
        requesters=running.programme.requesters.values(),
        linkage=running.linkage,
        occasion=_occasion(dt.date(2026, 5, 5), "follow-up of people found to need care", running),
    )
    exits.destroyed_folder, exits.destroyed = _destroyed(running, dt.date(2026, 7, 20))


def _of_cambridgeshire_peterborough(exits: Exits) -> None:
    """The national service is asked again; at the end, both parties destroy their data."""
    running = exits.running
    export = exits.folder / "check.dat"
    exits.asked = export_national_check(
        running.linkage, export, occasion=_occasion(dt.date(2026, 4, 20), "next release", running)
    )
    exits.carriers.add(export)
    exits.destroyed_folder, exits.destroyed = _destroyed(running, dt.date(2026, 8, 3))
    for recipient in ("Optum", "NECS invoice validation"):
        attest(
            exits.destroyed_folder,
            recipient=recipient,
            by="its head of information governance",
            statement="All copies were destroyed on 3 August 2026.",
            signing_key=running.signing_key,
            occasion=Occasion(ACTOR, at(dt.date(2026, 8, 5)), Audit(exits.destroyed_folder / "audit.jsonl")),
        )


def _of_devon(exits: Exits) -> None:
    """People object after the release, and one of them withdraws the objection; the next releases follow this."""
    running = exits.running
    for day in ("2026-04-21", "2026-04-28"):
        on = dt.date.fromisoformat(day)
        register = exits.folder / "opt_outs" / f"objections_{day}.csv"
        objections = OptOuts.from_statements(register, as_of=on)
        exits.withdrawn[day] = withdrawals(
            running.linkage,
            objections,
            [running.run.releases["Devon ICB analysts"].folder],
            [running.keys("Devon ICB analysts")],
            exits.folder / f"withdrawals-{day}",
            on=on,
            occasion=_occasion(on, "objections since the release", running),
        )
        exits.later[day] = _released_later(running, objections, on)


def _released_later(running: Running, objections: OptOuts, on: dt.date) -> tuple[Release, pl.DataFrame]:
    (agreement,) = running.programme.agreements()
    assert running.programme.opt_outs is not None
    lists = running.programme.opt_out_lists().given() | {"objections": objections}
    # The national list is drawn again for each release, and has not changed.
    of_that_day = OptOutLists(**{kind: replace(opt_outs, as_of=on) for kind, opt_outs in lists.items()})
    policy = running.programme.opt_outs.policy()
    withheld = withhold(running.linkage, policy, of_that_day, on=on, purpose=agreement.purpose)
    done = release(
        running.linkage,
        agreement,
        running.keyring[agreement.key],
        running.folder / f"run-{on}" / "releases" / agreement.key,
        on=on,
        withholding=withheld,
        signing_key=running.signing_key,
        occasion=Occasion(ACTOR, at(on, 15), running.audit),
    )
    return done, withheld.counts


def _of_somerset(exits: Exits) -> None:
    """Everybody who may be scored is scored; each practice gets the scores of its own patients."""
    running = exits.running
    key = running.keys("Risk Stratification Ltd")
    rows = released(running.run.releases["Risk Stratification Ltd"].folder, "gp")
    scores = rows.select("pseudonym", pl.lit(0.5).alias("RISK"))
    exits.returned = return_scores(
        scores,
        [PatientList(code, numbers) for code, numbers in running.practices().items()],
        key,
        exits.folder / "returned",
        columns=["RISK"],
        requesters=running.programme.requesters.values(),
        linkage=running.linkage,
        occasion=_occasion(dt.date(2026, 4, 22), "risk scores for direct care", running),
    )
    exits.carriers |= {exits.folder / "returned" / f"{code}.csv" for code in running.practices()}


def _of_herefordshire_worcestershire(exits: Exits) -> None:
    """A person asks what is held about her, and her practice asks about pseudonyms: both by stage-1 codes."""
    running = exits.running
    key = running.keys("University of Worcester")
    out = exits.folder / "subject-access.json"
    withholdings = running.run.withholdings
    (withholding,) = [withholdings[purpose] for purpose in withholdings if purpose.startswith("Research")]
    exits.subject = subject_access(
        running.linkage,
        running.expected["subject"]["code"],
        out,
        releases=[each.folder for each in running.run.releases.values()],
        keys=[running.keys(recipient) for recipient in running.run.releases],
        opt_outs=running.programme.opt_out_lists(),
        withholding=withholding,
        occasion=_occasion(dt.date(2026, 4, 20), "subject access request 7", running),
    )
    exits.carriers.add(out)
    practice = running.expected["practice"]
    rows = released(running.run.releases["University of Worcester"].folder, "gp")
    exits.reidentified = reidentify(
        [*rows["pseudonym"], NOBODY],
        PatientList(practice["ods"], running.numbers_in("gp")),
        key,
        requesters=running.programme.requesters.values(),
        linkage=running.linkage,
        occasion=_occasion(dt.date(2026, 4, 22), "falls clinic", running),
    )


def _destroyed(running: Running, day: dt.date) -> tuple[Path, Destruction]:
    """Destroy a copy of the programme: other tests need the original."""
    folder = running.folder.with_name(f"{running.name}-destroyed")
    shutil.copytree(running.folder, folder)
    programme = Programme.load(folder / "programme.toml")
    audit = Audit(folder / "audit.jsonl")
    keyring = lc.Keyring.open(folder / "keys.json", PASSPHRASE)
    done = destroy(
        folder,
        programme.to_destroy(),
        keyrings=[keyring],
        signing_key=running.signing_key,
        occasion=Occasion(ACTOR, at(day), audit, "the end of the programme"),
    )
    return folder, done


def _what_is_refused(exits: Exits) -> None:
    """Errors can leak too: their texts are searched like everything else."""
    running = exits.running
    key = running.keyring[running.programme.agreements()[0].key]
    asked = ["f" * 32] * 2

    def too_many() -> object:
        return reidentify(
            [*asked, NOBODY],
            PatientList("Z90001", running.numbers_in("gp")),
            key,
            requesters=[lc.Requester("Z90001", practice="Z90001", limit=1)],
            linkage=running.linkage,
            occasion=_occasion(dt.date(2026, 5, 6), "too many at once", running),
        )

    def under_another_name() -> object:
        (gp,) = [each for each in running.programme.sources() if each.name == "gp"]
        hidden = gp.scan(gp.column_names).collect()
        number = gp.identifier_columns["nhs_number"]
        again = lc.Source("gp", hidden.with_columns(pl.col(number).alias("REF")), columns={"nhs_number": number})
        linkage = lc.link([again], exact=running.linkage.exact, fallback=None)
        return release(linkage, lc.Agreement("x", key.id, {"gp": ["REF"]}), key, exits.folder / "never")

    def about_no_number() -> object:
        return subject_access(
            running.linkage,
            "9990000000",
            exits.folder / "never.json",
            occasion=_occasion(dt.date(2026, 5, 6), "a case", running),
        )

    for attempt in (too_many, under_another_name, about_no_number):
        try:
            attempt()
        except LinkcoreError as error:
            exits.refusals.append(f"{type(error).__name__}: {error}")
