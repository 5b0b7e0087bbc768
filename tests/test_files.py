"""Half-written output is never visible, and foreign files are never replaced."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from linkcore import files
from linkcore.errors import ProgrammeError
from linkcore.files import anything, begins_like, new_file, new_folder


def ours(entry: Path) -> bool:
    return entry.name in {"old", "new"}


def holding(place: Path, name: str) -> Path:
    place.mkdir()
    (place / name).write_text(name)
    return place


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_a_folder_replaces_what_was_there_only_when_complete(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with new_folder(out) as folder:
        (folder / "old").touch()
        assert not out.exists()
    with new_folder(out, ours=ours) as folder:
        (folder / "new").touch()
        assert names(out) == ["old"]
    assert names(tmp_path) == ["out", "out/new"]
    assert out.stat().st_mode & 0o777 == 0o700


def test_an_error_leaves_the_earlier_output_and_nothing_else(tmp_path: Path) -> None:
    holding(tmp_path / "out", "old")
    with pytest.raises(UnicodeEncodeError), new_folder(tmp_path / "out", ours=ours) as folder:
        (folder / "new").write_text("half \ud800", "utf-8")
    with pytest.raises(UnicodeEncodeError), new_file(tmp_path / "file") as file:
        file.write_text("half \ud800", "utf-8")
    assert names(tmp_path) == ["out", "out/old"]


def test_a_file_is_private_from_its_first_byte(tmp_path: Path) -> None:
    with new_file(tmp_path / "deep" / "file") as file:
        assert file.stat().st_mode & 0o777 == 0o600
        file.write_text("whole")
    assert (tmp_path / "deep" / "file").read_text() == "whole"
    assert (tmp_path / "deep" / "file").stat().st_mode & 0o777 == 0o600


def test_a_file_is_replaced_only_where_the_caller_recognises_it(tmp_path: Path) -> None:
    place = tmp_path / "answer.csv"
    place.write_text("an audit log")
    with pytest.raises(ProgrammeError, match=r"answer\.csv exists, and is no earlier output"), new_file(place):
        pytest.fail("the work began")
    with pytest.raises(ProgrammeError, match="no earlier output"), new_file(place, ours=begins_like(b"a,b\n")):
        pytest.fail("the work began")
    assert place.read_text() == "an audit log"
    place.write_text("a,b\n1,2\n")
    with new_file(place, ours=begins_like(b"a,b\n")) as file:
        file.write_text("a,b\n3,4\n")
    assert place.read_text() == "a,b\n3,4\n"


def test_a_file_that_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    place = tmp_path / "answer.csv"
    with pytest.raises(ProgrammeError, match="no earlier output"), new_file(place) as file:  # noqa: PT012
        file.write_text("answer")
        place.write_text("an audit log")
    assert place.read_text() == "an audit log"
    assert names(tmp_path) == ["answer.csv"]


AT_A_STEP = """
import os, pathlib, signal, sys
def interfere(event, arguments):
    if event == {step!r} and "answer" in str(arguments[1]):
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(interfere)
{before}
from linkcore.files import new_file
with new_file(pathlib.Path(sys.argv[1])) as file:
    file.write_text("half of an answer")
    {within}
"""


class TestKilledWhileItWritesAFile:
    def run(self, place: Path, *, step: str = "", before: str = "", within: str = "pass") -> int:
        script = AT_A_STEP.format(step=step, before=before, within=within)
        return subprocess.run([sys.executable, "-c", script, place], check=False).returncode

    @pytest.mark.parametrize(
        "killed", [{"within": "os.kill(os.getpid(), signal.SIGKILL)"}, {"step": "os.link"}], ids=["writing", "whole"]
    )
    def test_no_part_of_it_is_left(self, tmp_path: Path, killed: dict[str, str]) -> None:
        assert self.run(tmp_path / "answer", **killed) == -signal.SIGKILL
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []

    @pytest.mark.parametrize(
        "killed",
        [
            {"step": "os.rename"},  # between the name and its place
            # A system without unnamed files.
            {"before": "del os.O_TMPFILE", "within": "os.kill(os.getpid(), signal.SIGKILL)"},
        ],
        ids=["renaming", "named"],
    )
    def test_what_has_a_name_lies_in_a_private_folder_that_the_next_run_clears(
        self, tmp_path: Path, killed: dict[str, str]
    ) -> None:
        assert self.run(tmp_path / "answer", **killed) == -signal.SIGKILL
        assert names(tmp_path) == [".answer.partial", ".answer.partial/answer"]
        assert (tmp_path / ".answer.partial").stat().st_mode & 0o777 == 0o700
        assert (tmp_path / ".answer.partial" / "answer").stat().st_mode & 0o777 == 0o600
        assert self.run(tmp_path / "answer", before=killed.get("before", "")) == 0
        assert names(tmp_path) == ["answer"]

    def test_without_unnamed_files_it_replaces_the_earlier_file_all_the_same(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delattr(os, "O_TMPFILE")
        for text in ("first", "second"):
            with new_file(tmp_path / "answer", ours=anything) as file:
                file.write_text(text)
        assert (names(tmp_path), (tmp_path / "answer").read_text()) == (["answer"], "second")


WITHOUT_LINKS = """
import os, pathlib, sys
def interfere(event, _):
    if event == "os.link":
        raise PermissionError(1, "Operation not permitted")
sys.addaudithook(interfere)
from linkcore.files import new_file
with new_file(pathlib.Path(sys.argv[1])) as file:
    file.write_text("whole")
"""


def test_where_unnamed_files_cannot_be_named_they_are_copied(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", WITHOUT_LINKS, tmp_path / "answer"], check=True)
    assert (names(tmp_path), (tmp_path / "answer").read_text()) == (["answer"], "whole")
    assert (tmp_path / "answer").stat().st_mode & 0o777 == 0o600


def test_a_second_writer_of_one_file_is_refused(tmp_path: Path) -> None:
    with new_file(tmp_path / "answer") as file:
        file.write_text("first")
        with pytest.raises(ProgrammeError, match="being written by another run"), new_file(tmp_path / "answer"):
            pytest.fail("the work began")
    assert (tmp_path / "answer").read_text() == "first"


def test_everything_in_a_folder_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    with new_folder(tmp_path / "out") as folder:
        (folder / "deep").mkdir(mode=0o755)
        (folder / "deep" / "a").touch(mode=0o644)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "out").rglob("*")}
    assert modes == {"deep": 0o700, "a": 0o600}


def test_a_file_at_the_place_of_a_folder_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(ProgrammeError, match="is a file"), new_folder(tmp_path / "out"):
        pass
    assert (tmp_path / "out").read_text() == "mine"


def test_a_folder_at_the_place_of_a_file_is_refused_before_the_work_begins(tmp_path: Path) -> None:
    with pytest.raises(ProgrammeError, match="is a folder"), new_file(holding(tmp_path / "out", "mine")):
        pytest.fail("the work began")
    assert names(tmp_path) == ["out", "out/mine"]


class TestForeignFiles:
    def test_foreign_files_are_never_replaced(self, tmp_path: Path) -> None:
        out = holding(tmp_path / "out", "old")
        (out / "gp.csv").write_text("mine")
        says = "holds gp.csv, which is no output of this command; choose another folder, or empty"
        with pytest.raises(ProgrammeError, match=says), new_folder(out, ours=ours):
            pytest.fail("the work began")
        assert names(tmp_path) == ["out", "out/gp.csv", "out/old"]

    def test_by_default_every_file_is_foreign(self, tmp_path: Path) -> None:
        with pytest.raises(ProgrammeError, match="holds old"), new_folder(holding(tmp_path / "out", "old")):
            pass
        assert names(tmp_path) == ["out", "out/old"]

    def test_an_empty_folder_is_replaced(self, tmp_path: Path) -> None:
        (tmp_path / "out").mkdir()
        with new_folder(tmp_path / "out") as folder:
            (folder / "new").touch()
        assert names(tmp_path) == ["out", "out/new"]


class TestLinks:
    def test_a_link_stays_and_the_folder_behind_it_is_replaced(self, tmp_path: Path) -> None:
        real = holding(tmp_path / "real", "old")
        (tmp_path / "link").symlink_to(real)
        for _ in range(2):
            with new_folder(tmp_path / "link", ours=ours) as folder:
                (folder / "new").touch()
        assert (tmp_path / "link").is_symlink()
        assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "real"]
        assert names(real) == ["new"]

    def test_a_link_to_a_file_stays_too(self, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to(tmp_path / "real")
        with new_file(tmp_path / "link", ours=anything) as file:
            file.write_text("whole")
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "real").read_text() == "whole"

    @pytest.mark.parametrize("state", ["partial", "previous"])
    def test_a_stale_link_is_removed_and_not_what_it_points_to(self, tmp_path: Path, state: str) -> None:
        mine = holding(tmp_path / "mine", "mine")
        (tmp_path / f".out.{state}").symlink_to(mine)
        with new_folder(tmp_path / "out") as folder:
            (folder / "new").touch()
        assert names(tmp_path) == ["mine", "mine/mine", "out", "out/new"]


AT_THE_SECOND_RENAME = """
import os, pathlib, signal, sys
renames = []
def interfere(event, _):
    if event == "os.rename":
        renames.append(event)
        if len(renames) == 2:
            {happens}
sys.addaudithook(interfere)
from linkcore.files import new_folder
with new_folder(pathlib.Path(sys.argv[1]), ours=lambda entry: entry.name == "old") as folder:
    (folder / "new").touch()
"""


class TestBetweenTheRenames:
    def run(self, out: Path, happens: str) -> subprocess.CompletedProcess[str]:
        script = AT_THE_SECOND_RENAME.format(happens=happens)
        return subprocess.run([sys.executable, "-c", script, out], check=False, capture_output=True, text=True)

    def test_a_failure_puts_the_earlier_folder_back(self, tmp_path: Path) -> None:
        done = self.run(holding(tmp_path / "out", "old"), "raise OSError(28, 'No space left on device')")
        assert "ProgrammeError" in done.stderr
        assert "out cannot be written: No space left on device" in done.stderr
        assert names(tmp_path) == ["out", "out/old"]

    def test_the_earlier_folder_survives_a_kill_and_a_failed_run(self, tmp_path: Path) -> None:
        out = holding(tmp_path / "out", "old")
        assert self.run(out, "os.kill(os.getpid(), signal.SIGKILL)").returncode == -signal.SIGKILL
        assert not out.exists()
        with pytest.raises(ZeroDivisionError), new_folder(out, ours=ours):
            _ = 1 / 0
        assert names(tmp_path) == ["out", "out/old"]


def test_a_second_run_is_refused_while_one_writes_and_cleans_up_after_a_killed_one(tmp_path: Path) -> None:
    out = holding(tmp_path / "out", "old")
    script = (
        "import sys, time, pathlib\n"
        "from linkcore.files import new_folder\n"
        "with new_folder(pathlib.Path(sys.argv[1]), ours=lambda _: True) as folder:\n"
        "    (folder / 'half').touch()\n"
        "    print('writing', flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(out)], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"writing\n"
        with pytest.raises(ProgrammeError, match="out is being written by another run; wait"), new_folder(out):
            pytest.fail("the work began")
        assert names(tmp_path) == [".out.partial", ".out.partial/half", "out", "out/old"]
        os.kill(child.pid, signal.SIGKILL)
    assert names(out) == ["old"]
    with new_folder(out, ours=ours) as folder:
        (folder / "new").touch()
    assert names(tmp_path) == ["out", "out/new"]


def test_a_run_that_begins_as_another_ends_keeps_its_own_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    flush, second = files._flush, new_folder(out, ours=ours)

    def begin(path: Path) -> None:
        flush(path)
        if path == tmp_path:  # the first has put its folder at its place
            monkeypatch.undo()
            (second.__enter__() / "new").touch()

    with new_folder(out) as folder:
        (folder / "old").touch()
        monkeypatch.setattr(files, "_flush", begin)
    assert names(tmp_path) == [".out.partial", ".out.partial/new", "out", "out/old"]
    second.__exit__(None, None, None)
    assert names(tmp_path) == ["out", "out/new"]


class TestPlaces:
    @pytest.mark.parametrize("new", [new_folder, new_file])
    def test_below_a_file_nothing_can_be_written(self, tmp_path: Path, new) -> None:  # type: ignore[no-untyped-def]
        (tmp_path / "file.json").write_text("mine")
        says = r"file\.json/x cannot be written: a file is where a folder would have to be"
        with pytest.raises(ProgrammeError, match=says), new(tmp_path / "file.json" / "x"):
            pass

    @pytest.mark.parametrize("new", [new_folder, new_file])
    def test_links_that_lead_back_to_themselves_are_refused(self, tmp_path: Path, new) -> None:  # type: ignore[no-untyped-def]
        (tmp_path / "one").symlink_to(tmp_path / "two")
        (tmp_path / "two").symlink_to(tmp_path / "one")
        with pytest.raises(ProgrammeError, match="choose another place"), new(tmp_path / "one"):
            pytest.fail("the work began")

    @pytest.mark.parametrize("new", [new_folder, new_file])
    def test_an_error_of_the_file_system_is_reported_with_its_reason(self, tmp_path: Path, new) -> None:  # type: ignore[no-untyped-def]
        long = tmp_path / ("x" * 255)
        with pytest.raises(ProgrammeError, match="xx cannot be written: File name too long; choose another"), new(long):
            pytest.fail("the work began")
        assert names(tmp_path) == []

    def test_a_dot_stands_for_the_current_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(holding(tmp_path / "out", "old"))
        with new_folder(Path(), ours=ours) as folder:
            (folder / "new").touch()
        assert names(tmp_path) == ["out", "out/new"]
        monkeypatch.chdir(tmp_path)
        with pytest.raises(ProgrammeError, match=r"holds .*out"), new_folder(Path("out/..")):
            pass
        with pytest.raises(ProgrammeError, match="is a folder"), new_file(Path()):
            pass

    def test_the_root_of_a_disk_is_refused(self) -> None:
        with pytest.raises(ProgrammeError, match="choose a folder inside it"), new_folder(Path("/")):
            pass

    def test_an_error_in_the_callers_own_writing_stays_as_it_is(self, tmp_path: Path) -> None:
        with pytest.raises(IsADirectoryError), new_folder(tmp_path / "out") as folder:
            folder.write_text("a folder is no file")
        with pytest.raises(FileNotFoundError), new_file(tmp_path / "file") as file:
            (file.parent / "nowhere" / "a").touch()
        assert names(tmp_path) == []


OTHER_USER = 12_345
as_root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can act as two users")


@as_root
class TestOtherUsers:
    """Another user of the machine can write to the folder in which the output is to appear."""

    @pytest.fixture
    def shared(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory() as folder:
            Path(folder).chmod(0o1777)
            yield Path(folder)

    @pytest.mark.parametrize("made", ["owned", "writable", "link"])
    def test_a_folder_that_another_user_prepared_is_not_written_to(self, shared: Path, made: str) -> None:
        partial = shared / ".out.partial"
        as_other_user(f"os.mkdir({str(partial)!r}, 0o777)")
        if made == "writable":
            os.chown(partial, 0, 0)
            partial.chmod(0o777)
        elif made == "link":
            partial.rmdir()
            as_other_user(f"os.mkdir({str(shared / 'theirs')!r}); os.symlink('theirs', {str(partial)!r})")
        if made == "link":  # it is removed, and what it leads to is left alone
            with new_folder(shared / "out") as folder:
                assert folder.stat().st_uid == 0
            assert names(shared) == ["out", "theirs"]
            return
        says = r"\.out\.partial belongs to another user, or others can write to it: .*; remove it"
        with pytest.raises(ProgrammeError, match=says), new_folder(shared / "out"):
            pytest.fail("the work began")
        assert not (shared / "out").exists()

    def test_a_lock_of_another_user_does_not_look_like_a_run(self, shared: Path) -> None:
        partial = shared / ".out.partial"
        lock = f"os.mkdir({str(partial)!r}); fcntl.flock(os.open({str(partial)!r}, os.O_RDONLY), fcntl.LOCK_EX)"
        with (
            kept_by_other_user(lock),
            pytest.raises(ProgrammeError, match="another user"),
            new_folder(shared / "out"),
        ):
            pytest.fail("the work began")

    def test_an_earlier_output_that_another_user_made_up_is_not_put_back(self, shared: Path) -> None:
        previous = shared / ".out.previous"
        as_other_user(f"os.mkdir({str(previous)!r}); open({str(previous / 'old')!r}, 'w').close()")
        with pytest.raises(ProgrammeError, match=r"\.out\.previous.*another user"), new_folder(shared / "out"):
            pytest.fail("the work began")
        assert names(shared) == [".out.previous", ".out.previous/old"]

    def test_a_folder_that_takes_the_place_of_the_output_is_not_passed_off_as_it(self, shared: Path) -> None:
        def take(folder: Path) -> None:
            shared.chmod(0o777)  # without the sticky bit, others can rename what is not theirs
            as_other_user(f"os.rename({str(folder)!r}, {str(shared / 'taken')!r}); os.mkdir({str(folder)!r})")

        with pytest.raises(ProgrammeError, match="another process moved"), new_folder(shared / "out") as folder:
            take(folder)
        assert not (shared / "out").exists()

    @pytest.mark.parametrize("new", [new_folder, new_file])
    @pytest.mark.parametrize("others", ["can write", "can write above", "own the folder", "own a link to it"])
    def test_where_others_could_move_the_output_nothing_is_written(self, shared: Path, new, others: str) -> None:  # type: ignore[no-untyped-def]
        """They would read what is written by its path, or let it lead to a file that they may not write."""
        place = shared / "inner"
        place.mkdir(mode=0o755)
        match others:
            case "can write":
                place.chmod(0o777)
            case "can write above":
                shared.chmod(0o777)
            case "own the folder":
                os.chown(place, OTHER_USER, OTHER_USER)
            case _:
                as_other_user(f"os.symlink({str(place)!r}, {str(shared / 'link')!r})")
                place = shared / "link"
        with pytest.raises(ProgrammeError, match="another user can change what"), new(place / "out"):
            pytest.fail("the work began")
        assert names(shared) == (["inner", "link"] if place.name == "link" else ["inner"])

    @pytest.mark.parametrize("new", [new_folder, partial(new_file, ours=anything)])
    def test_a_link_of_another_user_is_not_followed(self, shared: Path, new, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
        victim = tmp_path / "victim"
        victim.write_text("mine")
        as_other_user(f"os.symlink({str(victim)!r}, {str(shared / 'out')!r})")
        with pytest.raises(ProgrammeError, match=r"another user can change what .*out leads to"), new(shared / "out"):
            pytest.fail("the work began")
        assert victim.read_text() == "mine"

    def test_below_a_shared_folder_with_the_sticky_bit_ones_own_is_written(self, shared: Path) -> None:
        with new_file(shared / "deep" / "file") as file:
            file.write_text("whole")
        (shared / "link").symlink_to(shared / "deep")
        with new_folder(shared / "link" / "out") as folder:
            (folder / "old").touch()
        assert names(shared) == ["deep", "deep/file", "deep/out", "deep/out/old", "link"]

    def test_a_lock_that_another_process_keeps_ends_the_waiting(
        self, shared: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whoever can read a folder can lock it."""
        monkeypatch.setattr(files, "_LONGEST_WAIT", 0.2)
        lock = f"fcntl.flock(os.open({str(shared)!r}, os.O_RDONLY), fcntl.LOCK_EX)"
        with (
            kept_by_other_user(lock),
            pytest.raises(ProgrammeError, match="is locked by another process"),
            files.locked(shared),
        ):
            pytest.fail("the lock was not held")
        with files.locked(shared):
            pass


BEGIN = f"import fcntl, os, time; os.setgid({OTHER_USER}); os.setuid({OTHER_USER}); os.umask(0); "


def as_other_user(program: str) -> None:
    subprocess.run([sys.executable, "-c", BEGIN + program], check=True)


@contextmanager
def kept_by_other_user(program: str) -> Iterator[None]:
    """Run a program as another user, and keep its process until the block ends."""
    waits = "; print(flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", BEGIN + program + waits], stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline()
        try:
            yield
        finally:
            process.kill()
