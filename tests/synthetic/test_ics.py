"""The files of a synthetic ICS are complete, reproducible and readable as the programme file describes them."""

import hashlib
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import polars as pl
import pytest

from linkcore.errors import ProgrammeError
from linkcore.schema import IDENTIFIERS
from linkcore.synthetic import ErrorRates, synthesise
from linkcore.synthetic.ics import build_sources
from linkcore.synthetic.providers import PROVIDERS
from tests.synthetic.conftest import is_nhs_number


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def read(path: Path, encoding: str = "utf-8") -> pl.DataFrame:
    if path.suffix == ".parquet":
        return pl.read_parquet(path)
    if path.suffix == ".arrow":
        return pl.read_ipc(path)
    return pl.read_csv(path.read_bytes().decode(encoding).encode(), infer_schema=False)


def test_same_seed_gives_same_bytes_for_any_number_of_threads(tmp_path):
    synthesise(tmp_path / "many", people=400, seed=5)
    code = "import sys; from linkcore.synthetic import synthesise; synthesise(sys.argv[1], people=400, seed=5)"
    environment = {**os.environ, "POLARS_MAX_THREADS": "1", "PYTHONHASHSEED": "7"}
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "one")], check=True, env=environment)
    assert digests(tmp_path / "many") == digests(tmp_path / "one")


def test_another_seed_gives_other_data(tmp_path):
    one = digests(synthesise(tmp_path / "one", people=300, seed=5).folder)
    two = digests(synthesise(tmp_path / "two", people=300, seed=6).folder)
    assert {name for name in one if one[name] == two[name]} == {"programme.toml", "programme.schema.json"}


def test_error_rates_of_one_source_do_not_change_the_others(tmp_path):
    rates = {"ambulance": ErrorRates(no_number=0.1, name=0.5)}
    one = digests(synthesise(tmp_path / "one", people=300, seed=5).folder)
    two = digests(synthesise(tmp_path / "two", people=300, seed=5, error_rates=rates).folder)
    assert {name for name in one if one[name] != two[name]} == {"ambulance.csv", "truth.parquet"}


def test_the_folder_is_private_and_holds_the_files_of_the_result(ics):
    assert ics.folder.stat().st_mode & 0o777 == 0o700
    assert ics.programme.is_file()
    assert not [path for path in ics.folder.rglob("*") if path.name.startswith(".")]
    assert list(ics.sources) == list(PROVIDERS)
    for name, place in ics.sources.items():
        found = sorted(ics.folder.glob(str(place.relative_to(ics.folder))))
        assert len(found) == PROVIDERS[name].files
        assert sum(len(read(path)) for path in found) == ics.records[name]


def test_records_and_truth_correspond_one_to_one(ics):
    truth = pl.read_parquet(ics.truth)
    assert truth.columns[:3] == ["source", "record_id", "entity"]
    assert truth.schema["source"] == pl.String
    assert truth.schema["record_id"] == pl.String
    assert truth.null_count().sum_horizontal().item() == 0
    assert truth["entity"].max() < ics.people
    for name, provider in PROVIDERS.items():
        files = sorted(ics.folder.glob(provider.data))
        frame = pl.concat([read(path) for path in files])
        ids = frame[provider.record_id] if provider.record_id else pl.Series([str(row) for row in range(len(frame))])
        assert truth.filter(pl.col("source") == name)["record_id"].to_list() == ids.to_list()
    assert len(truth) == sum(ics.records.values())


def test_the_programme_file_names_existing_columns(ics):
    programme = tomllib.loads(ics.programme.read_text(encoding="utf-8"))
    assert programme["programme"]["synthetic"] is True
    assert programme["programme"]["reference_date"].isoformat() == "2026-03-31"
    assert programme["numbers"]["usable"] == ["valid", "scotland", "northern_ireland", "test"]
    assert programme["linkage"]["conflicts"] == "fallback"
    assert [source["name"] for source in programme["source"]] == list(PROVIDERS)
    assert [source["name"] for source in programme["source"] if source.get("spine")] == ["gp"]
    (recipient,) = programme["recipient"]
    for source in programme["source"]:
        frame = read(sorted(ics.folder.glob(source["data"]))[0], source.get("encoding", "utf-8"))
        assert set(source["columns"]) <= set(IDENTIFIERS)
        named = {*source["columns"].values(), *source.get("attributes", {}).values()}
        named |= {source[key] for key in ("record_id", "practice") if key in source}
        assert named <= set(frame.columns)
        allowed = set(recipient["columns"][source["name"]])
        assert allowed <= set(frame.columns)
        assert not allowed & {*source["columns"].values(), source.get("record_id"), source.get("practice")}
        assert ("encoding" in source) == source["data"].endswith(".csv")


def test_numbers_outside_the_test_range_need_no_test_status(tmp_path):
    ics = synthesise(tmp_path, people=200, number_range=(400_000_000, 400_009_999))
    assert tomllib.loads(ics.programme.read_text(encoding="utf-8"))["numbers"]["usable"] == [
        "valid",
        "scotland",
        "northern_ireland",
    ]
    numbers = pl.read_parquet(ics.folder / "gp" / "*.parquet")["NHS_NO"].drop_nulls()
    assert all(is_nhs_number(number) and number.startswith("40000") for number in numbers)


def test_each_provider_writes_its_own_formats(ics):
    files = {path.suffix for path in ics.folder.rglob("*") if path.is_file()}
    assert files == {".csv", ".parquet", ".arrow", ".toml", ".json"}
    forms = {
        ("inpatient.csv", "NHS_NUMBER"): r"^\d{3} \d{3} \d{3,4}$",
        ("inpatient.csv", "DATE_OF_BIRTH"): r"^\d\d/\d\d/\d{4}$",
        ("inpatient.csv", "SEX"): r"^[129X]$",
        ("emergency.csv", "DateOfBirth"): r"^\d\d-[A-Z][a-z]{2}-\d{4}$",
        ("emergency.csv", "Sex"): r"^[MFU]$",
        ("emergency.csv", "Surname"): r"^[A-Z].*[a-z0-9]$",
        ("talking_therapies.csv", "D.O.B."): r"^\d\d/\d\d/\d\d$",
        ("adult_social_care.csv", "date_of_birth"): r"^\d{8}$",
        ("adult_social_care.csv", "gender"): r"^(Male|Female|Indeterminate|Not known)$",
        ("community.parquet", "BIRTH_DATE"): r"^\d{4}-\d\d-\d\d$",
        ("ambulance.csv", "pt_surname"): r"^[A-Z0-9 '-]+$",
        ("inpatient.csv", "HOME_ADDRESS"): r"^[^a-z]+$",
    }
    for (name, column), form in forms.items():
        assert read(ics.folder / name)[column].drop_nulls().str.contains(form).all(), column
    assert read(ics.folder / "national_extract.parquet").schema["NEWNHSNO"] == pl.Int64
    assert read(ics.folder / "mental_health.arrow").schema["PersonBirthDate"] == pl.Date
    assert pl.read_parquet(ics.folder / "gp" / "part-1.parquet").schema["DOB"] == pl.Date


def test_csv_files_can_be_written_in_windows_1252(tmp_path):
    utf8 = synthesise(tmp_path / "utf8", people=3_000, seed=2)
    other = synthesise(tmp_path / "other", people=3_000, seed=2, encoding="windows-1252")
    assert 'encoding = "windows-1252"' in other.programme.read_text(encoding="utf-8")
    raw = (other.folder / "adult_social_care.csv").read_bytes()
    text = raw.decode("windows-1252")
    assert not raw.isascii()
    with pytest.raises(UnicodeDecodeError):
        raw.decode("utf-8")
    # Identical except for accented letters that the encoding lacks.
    same = (utf8.folder / "adult_social_care.csv").read_text(encoding="utf-8")
    assert len(same) == len(text)
    assert {b for a, b in zip(same, text, strict=True) if a != b} <= set("AaCcEeGgLlNnSsTtZz")
    assert digests(utf8.folder)["community.parquet"] == digests(other.folder)["community.parquet"]


def test_files_hold_the_frames_that_were_built(ics):
    sources = dict(build_sources(2_000, seed=3))
    truth = pl.concat([records.truth for records in sources.values()])
    assert truth.equals(pl.read_parquet(ics.truth))
    for name, provider in PROVIDERS.items():
        files = sorted(ics.folder.glob(provider.data))
        if files[0].suffix != ".csv":
            assert pl.concat([read(path) for path in files]).equals(sources[name].frame)
        else:
            assert read(files[0]).columns == sources[name].frame.columns


def test_an_interrupted_run_leaves_no_partial_files(tmp_path):
    def stop(_name, done, _parts):
        if done == 4:
            raise KeyboardInterrupt

    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        synthesise(out, people=100, progress=stop)
    assert list(tmp_path.iterdir()) == []
    before = digests(synthesise(out, people=100, seed=1).folder)
    with pytest.raises(KeyboardInterrupt):
        synthesise(out, people=100, seed=2, progress=stop)
    assert digests(out) == before
    assert list(tmp_path.iterdir()) == [out]


def test_progress_is_reported_for_each_part(tmp_path):
    calls = []
    synthesise(tmp_path, people=100, progress=lambda *args: calls.append(args))
    assert [done for _, done, _ in calls] == list(range(1, 14))
    assert {parts for _, _, parts in calls} == {13}
    assert [name for name, _, _ in calls] == [*PROVIDERS, "truth"]


def test_an_earlier_synthetic_ics_is_replaced_completely(tmp_path):
    synthesise(tmp_path, people=100, seed=1)
    (tmp_path / "gp" / "part-9.parquet").write_bytes(b"stale")
    again = synthesise(tmp_path, people=100, seed=2)
    assert len(list((tmp_path / "gp").iterdir())) == PROVIDERS["gp"].files
    assert pl.read_parquet(again.truth).height == sum(again.records.values())


@pytest.mark.parametrize(
    "programme", [None, '[programme]\nname = "Real"\n', "[programme]\nsynthetic = false\n", "no toml ="]
)
def test_real_files_are_never_replaced(tmp_path, programme):
    (tmp_path / "inpatient.csv").write_text("real")
    if programme:
        (tmp_path / "programme.toml").write_text(programme)
    with pytest.raises(ProgrammeError, match=r"inpatient\.csv"):
        synthesise(tmp_path, people=100)
    assert (tmp_path / "inpatient.csv").read_text() == "real"


def test_foreign_files_in_a_synthetic_ics_are_never_lost(tmp_path):
    before = digests(synthesise(tmp_path, people=100, seed=1).folder)
    (tmp_path / "keys.json").write_text("mine")
    with pytest.raises(ProgrammeError, match=r"keys\.json"):
        synthesise(tmp_path, people=100, seed=2)
    assert digests(tmp_path).items() > before.items()


@pytest.mark.parametrize(
    "wrong",
    [
        {"people": 0},
        {"seed": -1},
        {"number_range": (10, 5)},
        {"encoding": "latin-1"},
        {"error_rates": {"dentist": ErrorRates()}},
        {"people": 1_000, "number_range": (400_000_000, 400_000_999)},
    ],
)
def test_invalid_arguments_are_refused_before_anything_is_written(tmp_path, wrong):
    with pytest.raises(ProgrammeError):
        synthesise(tmp_path / "out", **{"people": 100, **wrong})
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("people", [1, 2, 5, 30])
def test_the_smallest_ics_has_all_files(tmp_path, people):
    ics = synthesise(tmp_path, people=people, seed=people)
    assert len(digests(ics.folder)) == 3 + sum(provider.files for provider in PROVIDERS.values())
