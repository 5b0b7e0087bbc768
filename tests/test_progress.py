"""Progress is shown at a terminal and nowhere else."""

import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest

from linkcore.progress import Stopwatch

SYNTHESISE = [sys.executable, "-m", "linkcore", "synthesise", "--people", "300", "--out"]


def test_a_terminal_shows_the_current_step(tmp_path: Path) -> None:
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
def test_a_pipe_gets_no_progress(tmp_path: Path, stream: str) -> None:
    done = subprocess.run([*SYNTHESISE, tmp_path / "ics"], capture_output=True, text=True, check=True)
    assert "ambulance" not in getattr(done, stream)
    assert done.stderr == ""


def test_a_stopwatch_adds_up_the_time_of_each_step_and_passes_progress_on() -> None:
    told: list[tuple[str, int, int]] = []
    watch = Stopwatch(lambda *of: told.append(of))
    for at, step in enumerate(["read", "link", "read", "done"]):
        watch(step, at, 4)
        if step == "read":
            time.sleep(0.02)
    assert list(watch.seconds) == ["read", "link"]
    assert watch.seconds["read"] >= 0.04
    assert watch.seconds["link"] < watch.seconds["read"]
    assert told == [("read", 0, 4), ("link", 1, 4), ("read", 2, 4), ("done", 3, 4)]
