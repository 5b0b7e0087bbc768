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


KILLED = """
import os, signal, sys
from pathlib import Path
import polars as pl
import linkcore as lc
left = int(sys.argv[2])
def interfere(event, about):
    global left
    touches = event in ("open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.chmod")
    if armed and touches and ".work" in str(about[0]):
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
armed = False
linkage = lc.link([lc.Source("gp", pl.DataFrame({"nhs_number": ["4000000012"] * 2}), spine=True)], fallback=None,
                  synthetic=True)
sys.addaudithook(interfere)
armed = True
linkage.save(sys.argv[1])
"""


def killed(folder: Path, left: int) -> bool:
    """Save another linkage in a process of its own, which SIGKILL ends at its n-th touch of the folder."""
    environment = os.environ | {"PYTHONPATH": str(Path(lc.__file__).parent.parent)}
    command = [sys.executable, "-c", KILLED, str(folder), str(left)]
    done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode != 0


def records(place: Path) -> int:
    return Store.open(place, None).table("links").height


def test_a_killed_save_leaves_the_old_or_the_new_store(tmp_path: Path) -> None:
    """Whenever it is killed, a reader finds a whole store, and the next save goes through."""
    seen = {"old": 0, "new": 0}
    for moment in (0, 12, *range(24, 80, 5)):
        folder = tmp_path / str(moment) / "work"
        plain(folder)
        was_killed = killed(folder, moment)
        found = records(folder)
        assert found in (1, 2)
        seen["old" if found == 1 else "new"] += was_killed
        if not was_killed:
            assert found == 2
            break
        plain(folder)
        assert records(folder) == 1
    assert seen["old"]
    assert not was_killed


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
