"""The folder of a store: what it says of its version, what is refused, and what a killed run leaves."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

import linkcore as lc
from linkcore.errors import ProgrammeError, SourceError
from linkcore.programme.programme import Programme
from linkcore.store.folder import Store, key_of_store

GP = pl.DataFrame({"nhs_number": ["4010232137"], "cost": [1]})


def plain(folder: Path, frame: pl.DataFrame = GP) -> Path:
    lc.link([lc.Source("gp", frame, spine=True)], fallback=None, synthetic=True).save(folder)
    return folder


def test_a_store_of_another_format_says_what_to_do(tmp_path: Path) -> None:
    header = plain(tmp_path / "work") / "store.json"
    stated = json.loads(header.read_text())
    assert stated["format"] == "linkcore linkage 1"
    header.write_text(json.dumps({"format": "linkcore linkage 9"}))
    with pytest.raises(ProgrammeError, match=r"another version of linkcore.*use that version, or link again"):
        lc.Linkage.load(tmp_path / "work", [])


def test_a_store_of_another_polars_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain(tmp_path / "work")
    monkeypatch.setattr(pl, "__version__", "99.0")
    with pytest.raises(ProgrammeError, match=r"this is Polars 99\.0.*use that version, or link again"):
        lc.Linkage.load(tmp_path / "work", [lc.Source("gp", GP, spine=True)])


def test_a_folder_of_an_earlier_version_says_what_to_do(tmp_path: Path) -> None:
    plain(tmp_path / "work")
    (tmp_path / "work" / "store.json").unlink()
    with pytest.raises(ProgrammeError, match=r"earlier version of linkcore.*link again"):
        lc.Linkage.load(tmp_path / "work", [])
    with pytest.raises(ProgrammeError, match="there is no linkage in"):
        key_of_store(tmp_path / "elsewhere")


@pytest.mark.parametrize("content", [b"", b"[]", b"7", b"\xff", b'{"format": "linkcore linkage 1"}', b"[" * 100_000])
def test_a_broken_header_is_refused(tmp_path: Path, content: bytes) -> None:
    (plain(tmp_path / "work") / "store.json").write_bytes(content)
    with pytest.raises(SourceError, match=r"store\.json is missing or altered"):
        Store.open(tmp_path / "work", None)


def test_a_folder_with_other_files_is_not_replaced(tmp_path: Path) -> None:
    plain(tmp_path / "work")
    (tmp_path / "work" / "notes.txt").write_text("mine")
    with pytest.raises(ProgrammeError, match=r"notes\.txt"):
        plain(tmp_path / "work")
    assert (tmp_path / "work" / "notes.txt").read_text() == "mine"


SAVING = """
import os, shutil, signal, sys, threading
from pathlib import Path
import polars as pl
import linkcore as lc
folder, left, states, lock = Path(sys.argv[1]), int(sys.argv[2]), 0, threading.RLock()
armed = threading.local()
def interfere(event, about):
    global left, states
    touches = event in ("open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.chmod")
    if not touches or not saving or getattr(armed, "not_now", False) or ".work" not in str(about[0]):
        return
    with lock:
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        if left < 0:
            armed.not_now = True
            shutil.copytree(folder.parent, folder.parent.with_name(f"state{states:03}"), ignore_dangling_symlinks=True)
            armed.not_now = False
        states += 1
saving = False
linkage = lc.link([lc.Source("gp", pl.DataFrame({"nhs_number": ["4000000012"] * 2}), spine=True)], fallback=None,
                  synthetic=True)
sys.addaudithook(interfere)
saving = True
linkage.save(folder)
saving = False
print(states)
"""


def save_another(folder: Path, *, killed_at: int = -1) -> int:
    """Save another linkage in a process of its own; return how many times it touched the folder.

    SIGKILL ends it at its n-th touch; else the folder is copied at each touch, as a killed process would leave it.
    """
    environment = os.environ | {"PYTHONPATH": str(Path(lc.__file__).parent.parent)}
    command = [sys.executable, "-c", SAVING, str(folder), str(killed_at)]
    done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True)
    assert done.returncode == (0 if killed_at < 0 else -signal.SIGKILL), done.stderr
    return int(done.stdout) if killed_at < 0 else killed_at


def records(place: Path) -> int:
    """The number of records of a store, all of whose files are read."""
    store = Store.open(place, None)
    whole = {
        file.removesuffix(".parquet"): store.table(file.removesuffix(".parquet"))
        for file in store.files
        if file.endswith(".parquet")
    }
    assert store.texts()
    return whole["links"].height


def test_a_killed_save_leaves_the_old_or_the_new_store(tmp_path: Path) -> None:
    folder = plain(tmp_path / "all" / "work")
    touched = save_another(folder)
    found = [records(tmp_path / f"state{number:03}" / "work") for number in range(touched)]
    assert touched > 40
    assert found == sorted(found)  # first the old one, then the new one
    assert set(found) == {1, 2}
    changed = found.index(2)
    # From each state a process can leave, the next save goes through.
    for number in {0, touched // 2, *range(changed - 3, changed + 2), touched - 1}:
        assert records(plain(tmp_path / f"state{number:03}" / "work")) == 1
    # The copies are what is left by processes that were really killed.
    for moment in (touched // 3, changed - 1, touched - 1):
        killed = plain(tmp_path / f"killed{moment}" / "work")
        save_another(killed, killed_at=moment)
        assert records(killed) == found[moment]
        assert records(plain(killed)) == 1


def test_between_the_two_renames_the_old_store_is_read(tmp_path: Path) -> None:
    folder = plain(tmp_path / "work")
    folder.rename(tmp_path / ".work.previous")
    assert records(folder) == 1


def test_the_sources_must_be_those_that_were_linked(programme: Programme, saved: Path, key: lc.Key) -> None:
    gp, *others = programme.sources()
    with pytest.raises(ProgrammeError, match="source 'gp' was linked, and is not given"):
        lc.Linkage.load(saved, others, key=key)
    more = lc.Source("more", GP)
    with pytest.raises(ProgrammeError, match="source 'more' was not linked"):
        lc.Linkage.load(saved, [gp, *others, more], key=key)


@pytest.mark.parametrize("change", ["content", "order", "setting"])
def test_a_changed_source_is_named(tmp_path: Path, key: lc.Key, change: str) -> None:
    file = tmp_path / "seen.csv"
    file.write_text("nhs_number,born\n4010232137,1980-02-01\n4000000012,1981-03-02\n")
    columns = {"nhs_number": "nhs_number", "birth_date": "born"}
    gp = lc.Source("gp", GP, spine=True)
    lc.link([gp, lc.Source("seen", file, columns=columns)], fallback=None).save(tmp_path / "work", key=key)
    stamp = file.stat()
    if change == "content":
        file.write_text("nhs_number,born\n4010232137,1980-02-01\n4000000012,1981-03-03\n")
    elif change == "order":
        file.write_text("nhs_number,born\n4000000012,1981-03-02\n4010232137,1980-02-01\n")
    # Neither the size nor the time of the file tells.
    os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert file.stat().st_size == stamp.st_size
    seen = lc.Source("seen", file, columns=columns, day_first=change != "setting")
    expected = "its day_first is not as it was" if change == "setting" else "its data are not those that were linked"
    with pytest.raises(lc.LinkcoreError, match=f"source 'seen': {expected}"):
        lc.Linkage.load(tmp_path / "work", [gp, seen], key=key)


def test_data_in_memory_are_known_by_their_rows(tmp_path: Path, key: lc.Key) -> None:
    gp = lc.Source("gp", GP, spine=True)
    lc.link([gp], fallback=None).save(tmp_path / "work", key=key)
    lc.Linkage.load(tmp_path / "work", [lc.Source("gp", GP.with_columns(cost=2), spine=True)], key=key)
    other = lc.Source("gp", GP.with_columns(nhs_number=pl.lit("4000000012")), spine=True)
    with pytest.raises(SourceError, match="its data are not those that were linked"):
        lc.Linkage.load(tmp_path / "work", [other], key=key)


def test_a_file_that_changes_between_linking_and_saving_is_noticed(tmp_path: Path, key: lc.Key) -> None:
    file = tmp_path / "gp.csv"
    file.write_text("nhs_number\n4010232137\n")
    linkage = lc.link([lc.Source("gp", file, spine=True)], fallback=None)
    file.write_text("nhs_number\n4000000012\n")
    linkage.save(tmp_path / "work", key=key)
    with pytest.raises(SourceError, match="its data are not those that were linked"):
        lc.Linkage.load(tmp_path / "work", [lc.Source("gp", file, spine=True)], key=key)
