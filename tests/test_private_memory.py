"""Keys and identifiers in memory: no core dump holds them, and no process of the same user reads them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

LINUX = sys.platform == "linux"
# A process may be attached to, and leaves a core, where this is 1 (prctl(2)).
DUMPABLE = "ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)"
COMMANDS = [
    ("keys", "list", "--keyring", "none.keys"),
    ("pseudonymise", "none.csv", "--column", "a", "--out", "out", "--key-file", "none.json"),
    ("link", "none", "--out", "out"),
]


def run(program: str, folder: Path) -> str:
    begin = "import ctypes, os, resource\nfrom linkcore.cli import main\n"
    limits = "resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)\n"
    environment = os.environ | {"LINKCORE_PASSPHRASE": "correct horse battery staple"}
    return subprocess.run(
        [sys.executable, "-c", begin + limits + program],
        cwd=folder,
        env=environment | {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, filter(None, sys.path)))},
        check=True,
        capture_output=True,
        text=True,
    ).stdout


@pytest.mark.skipif(not LINUX, reason="only Linux can refuse to be attached to")
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_command_closes_its_memory_before_it_does_anything(tmp_path: Path, command: tuple[str, ...]) -> None:
    said = run(f"main({list(command)})\nprint({DUMPABLE}, resource.getrlimit(resource.RLIMIT_CORE)[0])", tmp_path)
    assert said == "0 0\n"


@pytest.mark.skipif(not LINUX, reason="core dumps are elsewhere on other systems")
def test_a_crash_leaves_no_core_and_a_process_that_it_starts_is_as_any_other(tmp_path: Path) -> None:
    program = """
child = os.fork()
if not child:
    main({command})
    os.abort()
print(os.WCOREDUMP(os.waitpid(child, 0)[1]))
main({command})
os.execv("{python}", ["{python}", "-c", "import ctypes; print({dumpable}); open('/proc/self/environ').close()"])
"""
    said = run(program.format(command=list(COMMANDS[0]), python=sys.executable, dumpable=DUMPABLE), tmp_path)
    assert said == "False\n1\n"
    assert not list(tmp_path.glob("core*"))
