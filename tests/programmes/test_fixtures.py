"""The fixtures: their script makes them, and no person in them exists."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
from polars.testing import assert_frame_equal

from linkcore.identifiers.nhs_number import nhs_number_status
from tests.programmes.running import FIXTURES, NAMES


def test_the_script_makes_the_fixtures_again(tmp_path: Path) -> None:
    script = FIXTURES / "make_programmes.py"
    subprocess.run([sys.executable, str(script), str(tmp_path)], check=True)
    made = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    by_hand = {Path(name, "programme.toml") for name in NAMES} | {
        Path("herefordshire_worcestershire", "sensitive_codes.csv")
    }
    kept = {Path(line) for line in _committed()}
    assert made | by_hand | {Path(".gitignore")} == kept
    for path in sorted(made):
        before, again = FIXTURES / "programmes" / path, tmp_path / path
        if path.suffix == ".parquet":
            # The bytes depend on the version of the library that wrote them.
            assert_frame_equal(pl.read_parquet(before), pl.read_parquet(again))
        else:
            assert before.read_bytes() == again.read_bytes(), path


def _committed() -> list[str]:
    """All files except what a run may have left there."""
    ignored = shutil.ignore_patterns("run-*", "audit.jsonl*", "returned", "withdrawals-*", "certificates", "*.tmp")
    root = FIXTURES / "programmes"
    files = [path.relative_to(root) for path in root.rglob("*") if path.is_file()]
    return [str(path) for path in files if not ignored("", list(path.parts))]


def test_nobody_in_the_fixtures_exists() -> None:
    for file in FIXTURES.rglob("expected.json"):
        numbers = {each["nhs_number"] for each in json.loads(file.read_text("utf-8"))["sentinels"]}
        assert numbers
        assert all(number.startswith("999") for number in numbers)
    assert sum(file.stat().st_size for file in FIXTURES.rglob("*") if file.is_file()) < 2_000_000


def test_no_column_of_the_fixtures_holds_a_number_of_a_real_range() -> None:
    files = [*FIXTURES.glob("programmes/*/*.csv"), *FIXTURES.glob("programmes/*/sources/**/*.*")]
    files += FIXTURES.glob("programmes/*/opt_outs/*")
    assert len(files) > 40
    for file in files:
        if file.suffix == ".parquet":
            frame = pl.read_parquet(file)
        else:
            text = file.read_text("utf-8")
            frame = pl.DataFrame({"line": text.splitlines()}).select(pl.col("line").str.split(",").explode())
        for column in frame.select(pl.col(pl.String, pl.Int64).cast(pl.String)):
            number = column.str.replace_all("[ -]", "")
            status = pl.select(nhs_number_status(pl.lit(number))).to_series()
            assert set(status.cast(pl.String)) <= {"test", "missing", "malformed", "placeholder"}, (file, column.name)
