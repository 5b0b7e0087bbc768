"""Progress: shown to a person at a terminal, and to nobody else."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

SYNTHESISE = [sys.executable, "-m", "linkcore", "synthesise", "--people", "300", "--out"]


def test_a_person_at_a_terminal_sees_the_step_under_way(tmp_path: Path) -> None:
    person, terminal = pty.openpty()
    with subprocess.Popen([*SYNTHESISE, tmp_path / "ics"], stderr=terminal, stdout=subprocess.PIPE) as child:
        os.close(terminal)
        seen = b""
        try:
            while part := os.read(person, 4096):
                seen += part
        except OSError:  # how Linux says that the other end of a terminal is closed
            pass
        assert child.stdout is not None
        out = child.stdout.read()
    os.close(person)
    assert child.returncode == 0
    assert b"ambulance" in seen
    assert b"ambulance" not in out


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_pipe_gets_none_of_it(tmp_path: Path, stream: str) -> None:
    done = subprocess.run([*SYNTHESISE, tmp_path / "ics"], capture_output=True, text=True, check=True)
    assert "ambulance" not in getattr(done, stream)
    assert done.stderr == ""
