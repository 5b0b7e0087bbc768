"""Records in files are the same as in memory, private, and gone with the process."""

import datetime as dt
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import polars as pl
import pytest

import linkcore as lc
from linkcore.errors import ProgrammeError
from linkcore.schema import METHOD
from linkcore.sources import out_of_core
from linkcore.sources.out_of_core import collected
from linkcore.synthetic import synthesise


def test_records_in_a_file_equal_records_in_memory(tmp_path: Path) -> None:
    query = pl.LazyFrame(
        {
            "number": [9990000018, None],
            "name": ["Zoë, of a name that is longer than twelve bytes", None],
            "born": [dt.date(2001, 2, 3), None],
            "method": pl.Series(["spine", None], dtype=METHOD),
            "nothing": pl.Series([None, None], dtype=pl.String),
        }
    )
    kept = collected(query, tmp_path)
    assert kept.schema == query.collect_schema()
    assert kept.equals(query.collect())
    assert list(tmp_path.iterdir()) == []


def test_a_linkage_out_of_core_is_the_same(tmp_path: Path) -> None:
    synthesise(tmp_path / "ics", people=400, seed=5)
    work = tmp_path / "work"
    work.mkdir()
    file = tmp_path / "ics" / "programme.toml"
    inside = lc.Programme.load(file).link()
    stated = file.read_text("utf-8").replace("[linkage]", '[linkage]\nwork = "../work"')
    file.write_text(stated, "utf-8")
    shutil.rmtree(work)
    with pytest.raises(ProgrammeError, match="work folder"):  # so it is really asked for
        lc.Programme.load(file).link()
    work.mkdir()
    outside = lc.Programme.load(file).link()
    assert outside.links.equals(inside.links)
    assert outside.persons.equals(inside.persons)
    assert all(rows.equals(inside.rows[source]) for source, rows in outside.rows.items())
    assert list(work.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can act as two users")
@pytest.mark.parametrize("others", ["write to it", "write above it", "own it"])
def test_a_work_folder_in_which_others_could_swap_the_file_is_refused(others: str) -> None:
    with tempfile.TemporaryDirectory() as above:
        Path(above).chmod(0o1777)
        work = Path(above, "work")
        work.mkdir(mode=0o755)
        query = pl.LazyFrame({"x": [1, 2]})
        assert collected(query, work).height == collected(query, Path(above)).height == 2
        if others == "own it":
            os.chown(work, 12_345, 12_345)
        else:
            (work if others == "write to it" else Path(above)).chmod(0o777)
        with pytest.raises(ProgrammeError, match=r"work folder .*another user can change what"):
            collected(query, work)


def test_without_unnamed_files_the_file_is_gone_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(out_of_core, "_OPEN_FILES", tmp_path / "none")
    assert collected(pl.LazyFrame({"x": [1, 2]}), tmp_path)["x"].sum() == 3
    assert list(tmp_path.iterdir()) == []


def test_only_the_owner_can_read_the_file_and_a_kill_removes_it(tmp_path: Path) -> None:
    script = f"""
import os, signal, stat, sys
import polars as pl
from pathlib import Path
from linkcore.sources.out_of_core import collected

work = Path({str(tmp_path)!r})

def look(rows):
    (file,) = [link for link in Path("/proc/self/fd").iterdir() if link.exists() and str(work) in str(link.readlink())]
    print(oct(stat.S_IMODE(file.stat().st_mode)), list(work.iterdir()), flush=True)
    return rows

os.umask(0)
kept = collected(pl.LazyFrame({{"x": [1, 2]}}).map_batches(look), work)
print(list(work.iterdir()), kept["x"].sum(), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    assert done.stdout.splitlines() == ["0o600 []", "[] 3"]
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    gp = lc.Source("gp", pl.DataFrame({"nhs_number": ["9990000018"]}))
    with pytest.raises(ProgrammeError, match=r"there is no work folder .*nowhere"):
        lc.link([gp], work=tmp_path / "nowhere")


@pytest.mark.skipif(not Path("/dev/full").exists() or os.geteuid() != 0, reason="a small disk cannot be mounted here")
def test_a_full_disk_is_named(tmp_path: Path) -> None:
    mount = shutil.which("mount")
    if (
        mount is None
        or subprocess.run([mount, "-t", "tmpfs", "-o", "size=64k", "tmpfs", tmp_path], check=False).returncode
    ):
        pytest.skip("a small disk cannot be mounted here")
    try:
        with pytest.raises(ProgrammeError, match="its disk is full"):
            collected(pl.LazyFrame({"x": range(100_000)}), tmp_path)
        assert list(tmp_path.iterdir()) == []
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_a_fault_of_the_source_is_reported_as_such(tmp_path: Path) -> None:
    file = tmp_path / "gp.parquet"
    pl.DataFrame({"nhs_number": ["9990000018"]}).write_parquet(file)
    gp = lc.Source("gp", file)
    file.write_bytes(file.read_bytes()[:40])
    work = tmp_path / "work"
    work.mkdir()
    with pytest.raises(lc.SourceError, match="gp"):
        lc.link([gp], work=work)
    assert list(work.iterdir()) == []
