"""Nothing half-written is ever visible."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from linkcore.errors import ProgrammeError
from linkcore.files import new_file, new_folder


def test_a_folder_replaces_what_was_there_only_when_complete(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with new_folder(out) as folder:
        (folder / "old").touch()
        assert not out.exists()
    with new_folder(out) as folder:
        (folder / "new").touch()
        assert [file.name for file in out.iterdir()] == ["old"]
    assert [file.name for file in out.iterdir()] == ["new"]
    assert out.stat().st_mode & 0o777 == 0o700
    assert list(tmp_path.iterdir()) == [out]


def test_an_error_leaves_what_was_there_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").touch()
    with pytest.raises(UnicodeEncodeError), new_folder(tmp_path / "out") as folder:
        (folder / "new").write_text("half \ud800", "utf-8")
    with pytest.raises(UnicodeEncodeError), new_file(tmp_path / "file") as file:
        file.write_text("half \ud800", "utf-8")
    assert [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*"))] == ["out", "out/old"]


def test_a_file_is_private_from_its_first_byte(tmp_path: Path) -> None:
    with new_file(tmp_path / "deep" / "file") as file:
        assert file.stat().st_mode & 0o777 == 0o600
        file.write_text("whole")
    assert (tmp_path / "deep" / "file").read_text() == "whole"
    assert (tmp_path / "deep" / "file").stat().st_mode & 0o777 == 0o600


def test_a_file_in_the_way_of_a_folder_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(ProgrammeError, match="is a file"), new_folder(tmp_path / "out"):
        pass
    assert (tmp_path / "out").read_text() == "mine"


def test_a_killed_run_leaves_what_was_there_and_the_next_one_cleans_up(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "old").touch()
    script = (
        "import sys, time, pathlib\n"
        "from linkcore.files import new_folder\n"
        "with new_folder(pathlib.Path(sys.argv[1])) as folder:\n"
        "    (folder / 'half').touch()\n"
        "    print('writing', flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(out)], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"writing\n"
        os.kill(child.pid, signal.SIGKILL)
    assert [file.name for file in out.iterdir()] == ["old"]
    with new_folder(out) as folder:
        (folder / "new").touch()
    assert list(tmp_path.iterdir()) == [out]
