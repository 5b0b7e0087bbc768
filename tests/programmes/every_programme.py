"""The tests that each of the five programmes must pass; each has some of its own as well."""

import json
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import linkcore as lc
from linkcore.errors import KeyMaterialError, RefusedError
from linkcore.governance.audit.check import verify_audit
from linkcore.governance.destruction.certificates import verify_certificate
from linkcore.governance.manifest import verify_release
from linkcore.programme.plan import plan
from linkcore.programme.programme import Programme
from linkcore.programme.run import run_programme
from linkcore.report.quality_file import from_json, read_quality
from tests.programmes.exits import Exits
from tests.programmes.leaks import Wanted, leaks, wanted
from tests.programmes.running import DAY, PASSPHRASE, Running, material, pseudonym, released
from tests.report.pages import read_page

Runner = Callable[[str], Running]
Leaver = Callable[[str], Exits]


def counted(counts: pl.DataFrame, withheld: pl.DataFrame) -> dict[str, dict[str, Any]]:
    """A release's counts in the form of expected.json."""
    return {
        row["source"]: {
            "released": row["released"],
            "outside": row["outside"],
            "withheld": dict(
                withheld.filter(pl.col("source") == row["source"], pl.col("records") > 0)
                .select("reason", "records")
                .iter_rows()
            ),
        }
        for row in counts.iter_rows(named=True)
    }


def actions(audit: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in audit.read_text("utf-8").splitlines()]


def looked_for(left: Exits) -> Wanted:
    running = left.running
    words: set[str] = set()
    for source in running.programme.sources():
        columns = [source.record_id_column, *map(source.identifier_columns.get, ("nhs_number", "local_patient_id"))]
        named = [column for column in columns if column is not None]
        frame = source.scan(named).collect()
        for column in named:
            words |= {value.replace(" ", "") for value in frame[column].drop_nulls().cast(pl.String)}
    codes = [running.expected["subject"]["code"]] if running.programme.two_stage else []
    keys = [material(agreement.key) for agreement in running.programme.agreements()]
    return wanted(running.expected["sentinels"], keys, words, codes)


def given(left: Exits) -> set[Path]:
    """The files that came from the providers."""
    folders = [left.folder / name for name in ("sources", "opt_outs")]
    files = {file for folder in folders for file in folder.rglob("*")}
    return files | {left.folder / name for name in ("superseded.csv", "small_areas.csv")}


class EveryProgramme:
    name: str

    def test_released_and_withheld_records_are_those_of_the_truth(self, running: Runner) -> None:
        ran = running(self.name)
        purposes = {each.recipient: each.purpose for each in ran.programme.agreements()}
        found = {
            recipient: counted(each.counts, ran.run.withholdings[purposes[recipient]].counts)
            for recipient, each in ran.run.releases.items()
        }
        assert found == ran.expected["recipients"]
        assert sorted(ran.run.refused) == ran.expected.get("refused", [])
        # The counts do not agree only because there are no opt-outs.
        assert sum(len(each["withheld"]) for sources in found.values() for each in sources.values()) > 3

    def test_the_files_have_the_counted_rows(self, running: Runner) -> None:
        ran = running(self.name)
        for recipient, sources in ran.expected["recipients"].items():
            folder = ran.run.releases[recipient].folder
            assert {source: released(folder, source).height for source in sources} == {
                source: each["released"] for source, each in sources.items()
            }

    def test_gp_rows_with_a_type_1_opt_out_are_reported_back_by_practice(self, running: Runner) -> None:
        ran = running(self.name)
        assert {
            practice: rows
            for practice, rows in ran.linkage.quality.not_read.select("practice", "records").iter_rows()
            if practice != "all"
        } == ran.expected["type_one_rows"]

    def test_pseudonyms_are_made_under_each_recipients_own_key(self, running: Runner) -> None:
        ran = running(self.name)
        everybody = set(ran.numbers_in("gp").cast(pl.String))
        seen: list[set[str]] = []
        for recipient, each in ran.run.releases.items():
            if "gp" in each.rows:
                gp = set(released(each.folder, "gp")["pseudonym"])
                assert gp <= {pseudonym(ran.keys(recipient).id, number) for number in everybody}
                assert len(gp) == each.rows["gp"]  # one record a person
            seen.append({one for source in each.rows for one in released(each.folder, source)["pseudonym"]})
        assert all(not one & other for at, one in enumerate(seen) for other in seen[at + 1 :])

    def test_releases_are_signed_and_recorded_in_the_audit_log(self, running: Runner) -> None:
        ran = running(self.name)
        for each in ran.run.releases.values():
            manifest = verify_release(each.folder, ran.signing_key.verify_key)
            # Nobody can tell whether codes stand for test numbers, so they count as those of real people.
            assert (manifest["on"], manifest["synthetic"]) == (str(DAY), ran.programme.two_stage is None)
            file = each.folder / manifest["files"][0]["file"]
            content = file.read_bytes()
            file.write_bytes(content + b" ")
            with pytest.raises(RefusedError, match="not as it was written"):
                verify_release(each.folder, ran.signing_key.verify_key)
            file.write_bytes(content)
        assert verify_audit(ran.audit.path).faults == ()
        lines = [json.loads(line) for line in ran.audit.path.read_text("utf-8").splitlines()]
        run, *releases = lines[: 1 + len(ran.programme.recipient)]
        assert run["action"] == "programme_run"
        told = {each["details"]["recipient"]: each for each in releases}
        for recipient, each in ran.run.releases.items():
            assert told[recipient]["details"]["records"] == sum(each.rows.values())
            assert told[recipient]["key"] == each.manifest["key"]
        assert {recipient for recipient, each in told.items() if each["details"].get("outcome") == "refused"} == set(
            ran.run.refused
        )

    def test_the_exemption_is_in_the_manifest_and_in_the_summary(self, running: Runner) -> None:
        ran = running(self.name)
        assert ran.programme.opt_outs is not None
        exempt = {each.purpose: each.statement for each in ran.programme.opt_outs.exemption}
        for each in ran.run.releases.values():
            basis = each.manifest["withheld"]["basis"]["national"]
            stated = exempt.get(each.manifest["purpose"])
            assert ("exempt" in basis and stated in basis) if stated else basis.startswith("applied:")
            assert basis in (ran.run.folder / "summary.txt").read_text("utf-8")

    def test_the_report_shows_what_is_withheld_and_on_what_basis(self, running: Runner) -> None:
        ran = running(self.name)
        told = read_quality(ran.run.folder / "quality.json")
        assert told.withheld["purpose"].unique(maintain_order=True).to_list() == list(ran.run.withholdings)
        shown = {tuple(row[:3]): row[3] for row in told.withheld.iter_rows()}
        text = read_page((ran.run.folder / "report.html").read_text("utf-8")).text
        for purpose, each in ran.run.withholdings.items():
            counts = {(source, "not withheld"): int(kept.sum()) for source, kept in each.kept.items()}
            counts |= {(source, "any reason"): int((~kept).sum()) for source, kept in each.kept.items()}
            counts |= {(source, reason): records for source, reason, records in each.counts.iter_rows()}
            for (source, reason), true in counts.items():
                count = shown[purpose, source, reason]
                # For a second purpose, no count is shown.
                of_first = purpose == next(iter(ran.run.withholdings))
                assert count == round(true / 5) * 5 if count is not None else true > 0 or not of_first
                assert count is None or not 0 < true < 8
            assert all(" ".join(basis.split()) in text for basis in each.basis.values())
        assert dict(told.not_read.filter(practice="all").select("source", "records").iter_rows()).keys() == (
            {"gp", "all"} if ran.expected["type_one_rows"] else set()
        )

    def test_every_document_shows_the_same_counts(self, running: Runner) -> None:
        ran = running(self.name)
        told = read_quality(ran.run.folder / "quality.json")
        shown = {tuple(row[:3]): "*" if row[3] is None else row[3] for row in told.withheld.iter_rows()}
        summary = (ran.run.folder / "summary.txt").read_text("utf-8")
        for recipient, each in ran.run.releases.items():
            manifest = verify_release(each.folder)
            purpose, of_recipient = manifest["purpose"], summary.partition(f"released to {recipient},")[2]
            for row in manifest["withheld"]["records"]:
                assert row["records"] == shown[purpose, row["source"], row["reason"]]
            outside = dict(each.counts.select("source", "outside").iter_rows())
            for file in manifest["files"]:
                may_leave, withheld = (shown[purpose, file["source"], of] for of in ("not withheld", "any reason"))
                if outside[file["source"]] and may_leave != "*":
                    true = each.rows[file["source"]]
                    assert file["rows"] == ("*" if 0 < true < 8 else (true + 2) // 5 * 5)
                else:
                    assert file["rows"] == may_leave
                rows, records, others = (
                    f"{count:,}" if isinstance(count, int) else count for count in (file["rows"], may_leave, withheld)
                )
                assert f"  {file['source']}: {rows} rows of {records} records; {others} withheld\n" in of_recipient

    def test_true_counts_are_in_one_file_that_says_whose_it_is(self, running: Runner) -> None:
        ran = running(self.name)
        stated = json.loads((ran.run.folder / "trusted_team_only.json").read_text("utf-8"))
        assert stated["for"].startswith("the trusted team only")
        assert stated["released"] == {name: each.counts.rows(named=True) for name, each in ran.run.releases.items()}
        true = from_json(json.dumps(stated["quality"]))
        assert not true.disclosed
        assert true.records.equals(ran.linkage.quality.records)
        assert true.withheld["records"].null_count() == 0
        assert read_quality(ran.run.folder / "quality.json").disclosed

    def test_only_the_owner_can_read_what_is_written(self, running: Runner) -> None:
        ran = running(self.name)
        made = [*ran.run.folder.rglob("*"), ran.run.folder, ran.audit.path, ran.audit.head_path, ran.keyring.path]
        wrong = {path.name for path in made if stat.S_IMODE(path.stat().st_mode) != (0o700 if path.is_dir() else 0o600)}
        assert len(made) > 8
        assert wrong == set()

    def test_the_summary_suppresses_small_counts(self, running: Runner) -> None:
        text = (running(self.name).run.folder / "summary.txt").read_text("utf-8")
        counts = re.findall(r"(\*|[0-9,]+) (?:records|rows|persons|withheld|outside)\b", text)
        shown = [int(count.replace(",", "")) for count in counts if count != "*"]
        assert all(count == 0 or (count >= 10 and count % 5 == 0) for count in shown)
        assert len(shown) > 10
        assert "*" in counts

    def test_the_plan_describes_who_gets_what_on_what_basis(self, running: Runner) -> None:
        ran = running(self.name)
        described = plan(ran.programme, DAY)
        for agreement in ran.programme.agreements():
            assert f"recipient {agreement.recipient} (key {agreement.key}): {agreement.purpose}" in described
            assert agreement.terms is not None
            assert agreement.terms.approval in described
        assert described.count("REFUSED") == len(ran.expected.get("refused", []))

    def test_the_audit_log_is_whole_and_records_each_exit(self, exits: Leaver) -> None:
        left = exits(self.name)
        assert verify_audit(left.running.audit.path).faults == ()
        done = {line["action"] for line in actions(left.running.audit.path)}
        wanted = {
            "optum_south_central": {"score_return"},
            "cambridgeshire_peterborough": {"opt_outs_export"},
            "devon": {"withdrawals"},
            "somerset": {"score_return"},
            "herefordshire_worcestershire": set(),
        }[self.name]
        # A refused re-identification and a refused subject access are recorded too.
        assert done == {"programme_run", "release", "reidentification", "subject_access"} | wanted

    def test_only_the_owner_can_read_what_exits_write(self, exits: Leaver) -> None:
        left = exits(self.name)
        places = [path for pattern in ("run-*", "returned", "withdrawals-*") for path in left.folder.glob(pattern)]
        made = [*left.carriers, *(each for place in places for each in place.rglob("*"))]
        modes = {path: stat.S_IMODE(path.stat().st_mode) for path in made if path.is_file()}
        assert set(modes.values()) == {0o600}
        # A folder that is an output is private; a folder above an output is made like any other.
        assert all(stat.S_IMODE(path.parent.stat().st_mode) == 0o700 for path in modes.keys() - left.carriers)

    def test_forbidden_requests_are_refused(self, exits: Leaver) -> None:
        left = exits(self.name)
        too_many, another_name, somebody = left.refusals
        assert too_many.startswith("RefusedError: Z90001: 2 pseudonyms in this request and 0 earlier today,")
        kind = "NHS Numbers"
        if self.name == "herefordshire_worcestershire":
            # Codes are not numbers, and nothing shows that a copied column has them.
            assert "two-stage" in another_name or "stage-1" in another_name or kind in another_name
        else:
            assert kind in another_name
        assert somebody.startswith("ProgrammeError")
        assert not list(left.folder.glob("never*"))

    def test_no_identifier_leaks_from_a_programme(self, exits: Leaver, overheard: Path) -> None:
        left = exits(self.name)
        files = {file for file in left.folder.rglob("*") if file.is_file()} - given(left) - left.carriers
        if left.destroyed is not None:
            files |= {file for file in left.destroyed_folder.rglob("*") if file.is_file()}
            files -= {left.destroyed_folder / path.relative_to(left.folder) for path in left.carriers}
        said = overheard / f"refusals-{self.name}.txt"
        said.write_text("\n".join(left.refusals), "utf-8")
        files |= {file for file in overheard.rglob("*") if file.is_file()}
        # The folders in which numba keeps compiled kernels.
        caches = [Path(lc.__file__).parent, *map(Path, filter(None, [os.environ.get("NUMBA_CACHE_DIR")]))]
        files |= {file for cache in caches for file in cache.rglob("*.nb?")}
        kinds = {file.suffix for file in files}
        assert {".html", ".json", ".jsonl", ".sig", ".txt", ".nbc", ".nbi"} <= kinds
        assert {".parquet", ".csv", ".duckdb"} & kinds
        assert leaks(sorted(files), looked_for(left)) == []

    def test_pseudonyms_are_only_in_files_for_their_recipient(self, exits: Leaver, overheard: Path) -> None:
        left = exits(self.name)
        theirs = {
            each.folder: {one for source in each.rows for one in released(each.folder, source)["pseudonym"]}
            for each in left.running.run.releases.values()
        }
        sought = Wanted(words={one.encode() for each in theirs.values() for one in each})
        files = {file for file in left.folder.rglob("*") if file.is_file()} - given(left) - left.carriers
        files |= {file for file in overheard.rglob("*") if file.is_file()}
        of_recipients = ("releases", "withdrawals-")
        others = {file for file in files if not any(part.startswith(of_recipients) for part in file.parts)}
        assert {"report.html", "summary.txt", "audit.jsonl"} <= {file.name for file in others}
        assert leaks(sorted(others), sought) == []
        assert leaks(sorted(next(iter(theirs)).iterdir()), sought) != []

    def test_what_is_searched_for_is_in_the_extracts(self, exits: Leaver) -> None:
        """Otherwise the search for leaks would prove nothing."""
        left = exits(self.name)
        files = [file for file in given(left) if file.is_file()]
        found = {line.split("): ")[1] for line in leaks(files, looked_for(left))}
        if left.running.programme.two_stage:
            assert {"stage-1 code, hex", "birth date", "somebody else's number or id"} <= found
        else:
            kinds = {"number", "birth date", "given_name", "family_name", "postcode", "address", "record_id"}
            assert kinds | {"somebody else's number or id"} <= found

    def test_no_temporary_file_is_left(self, exits: Leaver, overheard: Path) -> None:
        exits(self.name)
        assert [path for path in (overheard / "tmp").rglob("*") if path.is_file()] == []

    def test_keys_are_those_that_the_leak_tests_look_for(self, exits: Leaver) -> None:
        running = exits(self.name).running
        for agreement in running.programme.agreements():
            said = pl.select(lc.pseudonymise(pl.lit("x"), running.keyring[agreement.key])).item()
            assert said == pseudonym(agreement.key, "x")


class Returning:
    """Tests of a programme whose recipient returns scores."""

    name: str

    def test_each_practice_and_hospital_gets_scores_of_its_own_patients(self, exits: Leaver) -> None:
        left = exits(self.name)
        assert left.returned is not None
        found = {
            code: sorted(pl.read_csv(left.folder / "returned" / f"{code}.csv", infer_schema=False)["nhs_number"])
            for code in left.returned.rows
        }
        assert found == left.running.expected["returned"]
        assert any(found.values())
        # The pseudonym that stands for nobody is counted, and returned to nobody.
        assert left.returned.of_nobody == (1 if self.name == "optum_south_central" else 0)

    def test_returned_files_have_numbers_and_scores_and_nothing_else(self, exits: Leaver) -> None:
        left = exits(self.name)
        for file in left.carriers:
            rows = pl.read_csv(file, infer_schema=False)
            score = "NEED" if self.name == "optum_south_central" else "RISK"
            assert rows.columns == ["nhs_number", score, "superseded_why", "superseded_on"]
            assert sorted(rows["nhs_number"]) == left.running.expected["returned"][file.stem]
        # Nothing about these people but their numbers.
        without_numbers = Wanted()
        for sentinel in left.running.expected["sentinels"]:
            for what in ("given_name", "family_name", "postcode", "address", "local_patient_id", "record_id"):
                without_numbers.add_text(what, sentinel[what])
        for agreement in left.running.programme.agreements():
            without_numbers.add_key(material(agreement.key))
        assert leaks(sorted(left.carriers), without_numbers) == []


class Destroyed:
    """Tests of a programme that is destroyed at its end."""

    name: str

    def test_each_practice_and_provider_gets_a_certificate(self, exits: Leaver) -> None:
        left = exits(self.name)
        assert left.destroyed is not None
        wanted = left.running.expected.get("certificates", ["GP-practices", "ZA1"])
        assert sorted(left.destroyed.certificates) == wanted
        for provider, place in left.destroyed.certificates.items():
            stated = verify_certificate(place, left.running.signing_key.verify_key)
            assert stated["provider"] == provider
            assert {each["id"] for each in stated["keys"]} == {each.key for each in left.running.programme.agreements()}
            assert stated["files"]
            attested = {each["recipient"]: len(each["attested"]) for each in stated["recipients"]}
            assert attested == {
                # Only one programme has received attestations.
                each.name: int(self.name == "cambridgeshire_peterborough")
                for each in left.running.programme.recipient
            }
            assert left.running.programme.destruction.known_copies[0] in stated["may_survive"]
            assert provider in place.with_suffix(".html").read_text("utf-8")

    def test_after_destruction_no_data_and_no_key_are_left(self, exits: Leaver) -> None:
        left = exits(self.name)
        assert left.destroyed is not None
        folder = left.destroyed_folder
        stay = {"programme.toml", "keys.json", "audit.jsonl", "audit.jsonl.head", "destroyed.json"}
        assert {path.name for path in folder.rglob("*") if path.is_file() and "certificates" not in path.parts} == stay
        assert left.destroyed.remains == ()
        keyring = lc.Keyring.open(folder / "keys.json", PASSPHRASE)
        for agreement in left.running.programme.agreements():
            with pytest.raises(KeyMaterialError):
                keyring[agreement.key]
            with pytest.raises(KeyMaterialError):
                keyring.key(agreement.key, 1)
        with pytest.raises(RefusedError, match="was destroyed on 2026-0"):
            run_programme(
                Programme.load(folder / "programme.toml"),
                folder / "run-2",
                keys=left.running.keyring,
                on=DAY,
            )
        assert verify_audit(folder / "audit.jsonl").faults == ()
        assert {"destruction", "key_destruction"} <= {line["action"] for line in actions(folder / "audit.jsonl")}
