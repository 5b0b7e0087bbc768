"""Machine code on disk: kept where only its user can write, and never loaded from where others can."""

import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import linkcore
from linkcore.private_folders import is_private

OTHER_USER = 12_345
MODULE = """
from linkcore.compiled import compiled

@compiled
def double(x: int) -> int:
    return 2 * x
"""

as_root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can act as two users")


class Planted:
    """Code of another user: when it is unpickled, it makes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.mark,)


class Machine:
    """A machine with a module that has a kernel, a cache for it, and a home."""

    def __init__(self, folder: Path) -> None:
        self.site, self.cache, self.home = folder / "site", folder / "cache", folder / "home"
        self.mark = folder / "planted code has run"
        for place in (self.site, self.cache, self.home):
            place.mkdir(mode=0o755)
        (self.site / "kernel.py").write_text(MODULE)

    def run(self, cache: Path | str) -> None:
        """Start a process, as root, that uses the kernel."""
        environment = {name: value for name, value in os.environ.items() if name != "XDG_CACHE_HOME"}
        environment |= {
            "PYTHONPATH": os.pathsep.join([str(self.site), str(Path(linkcore.__file__).parents[1])]),
            "NUMBA_CACHE_DIR": str(cache),
            "HOME": str(self.home),
        }
        program = "from kernel import double; assert double(21) == 42"
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", program], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr

    def plant(self, below: Path) -> list[Path]:
        """Put another user's code in the place of each index, and return the files."""
        indexes = [*below.rglob("kernel.double*.nbi")]
        for index in indexes:
            index.write_bytes(pickle.dumps(Planted(self.mark)))
            os.chown(index, OTHER_USER, OTHER_USER)
        return indexes

    def kept_at_home(self) -> bool:
        return bool([*self.home.rglob("kernel.double*.nbi")])


@pytest.fixture
def machine() -> Iterator[Machine]:
    """A machine in a folder that other users can reach, unlike ``tmp_path``."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Machine(Path(folder))


@as_root
@pytest.mark.parametrize("others", ["write", "write as its group", "own it", "write above", "own above", "lead there"])
def test_what_others_could_change_is_not_private(machine: Machine, others: str) -> None:
    place = machine.cache / "inner"
    place.mkdir(mode=0o755)
    assert is_private(place)
    match others:
        case "write":
            place.chmod(0o757)
        case "write as its group":
            os.chown(place, -1, OTHER_USER)
            place.chmod(0o775)
        case "own it":
            os.chown(place, OTHER_USER, OTHER_USER)
        case "write above":
            machine.cache.chmod(0o777)
        case "own above":
            os.chown(machine.cache, OTHER_USER, OTHER_USER)
        case _:  # the owner of a link can let it lead elsewhere, once it has been looked at
            link = machine.cache / "link"
            link.symlink_to(place)
            assert is_private(link)
            os.chown(link, OTHER_USER, OTHER_USER, follow_symlinks=False)
            place = link
    assert not is_private(place)


def test_what_others_cannot_reach_is_private_whatever_its_mode(tmp_path: Path) -> None:
    inner = tmp_path / "closed" / "inner"
    inner.mkdir(parents=True)
    inner.chmod(0o777)
    (tmp_path / "closed").chmod(0o700)
    assert is_private(inner)


def test_a_private_cache_is_used(machine: Machine) -> None:
    machine.run(machine.cache)
    assert [*machine.cache.rglob("kernel.double*.nbi")]
    assert not machine.kept_at_home()


@as_root
@pytest.mark.parametrize("others", ["can write", "own a file"])
def test_a_cache_of_others_is_not_loaded_and_a_private_one_is_made(machine: Machine, others: str) -> None:
    machine.run(machine.cache)
    assert machine.plant(machine.cache)
    if others == "can write":
        machine.cache.chmod(0o777)
    machine.run(machine.cache)
    assert not machine.mark.exists()
    assert machine.kept_at_home()


@as_root
def test_the_folder_beside_the_module_is_looked_at_too(machine: Machine) -> None:
    machine.run("")
    beside = machine.site / "__pycache__"
    assert machine.plant(beside)
    beside.chmod(0o777)
    machine.run("")
    assert not machine.mark.exists()
    assert machine.kept_at_home()


def test_a_folder_below_a_shared_one_with_the_sticky_bit_is_private(machine: Machine) -> None:
    machine.site.chmod(0o1777)
    assert is_private(machine.site / "kernel.py")
    assert not is_private(machine.site)


@as_root
def test_without_a_private_folder_the_kernel_stays_in_memory(machine: Machine) -> None:
    for place in (machine.cache, machine.home):
        place.chmod(0o777)
    machine.run(machine.cache)
    assert not machine.kept_at_home()
