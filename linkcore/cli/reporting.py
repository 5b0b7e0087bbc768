"""How a command reports: as text or one JSON document on stdout, its steps on stderr, and a log file of JSON lines."""

import argparse
import contextlib
import datetime as dt
import io
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Any

from linkcore.errors import ProgrammeError
from linkcore.plain_text import escaped
from linkcore.progress import Progress, silent

__all__ = ["RunLog", "Stopped", "captured", "document", "progress", "stoppable"]

# The first key of each line, by which a log of ours is known.
_OURS = '{"linkcore": '


class Stopped(BaseException):
    """The process was told to end (SIGTERM)."""


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Raise `Stopped` where SIGTERM would end the process at once, so that what is half written is removed."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise Stopped

    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread is told of signals
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def captured(arguments: argparse.Namespace) -> Iterator[io.StringIO]:
    """Keep what a command says from stdout, for --json and --quiet."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said) if arguments.json or arguments.quiet else contextlib.nullcontext():
        yield said


def document(command: str, code: int, faults: tuple[str, ...], said: str, result: Any) -> str:
    """Return what --json prints: the exit code, what is wrong, the lines of the text, and the result if there is one.

    Examples
    --------
    >>> print(document("audit head", 0, (), "3:abc", {"lines": 3}))
    {"command": "audit head", "exit_code": 0, "errors": [], "said": ["3:abc"], "result": {"lines": 3}}
    """
    stated = {"command": command, "exit_code": code, "errors": list(faults), "said": said.splitlines()}
    return json.dumps(stated | {"result": result}, default=str)


class RunLog:
    """The log of a command, for those who run a pipeline: each step and its seconds, and how it ended.

    It has neither arguments nor values. It is no audit log: whoever can write the file can change it.
    """

    def __init__(self, file: Path | None, command: str) -> None:
        self._file, self._command, self._began = file, command, time.perf_counter()
        if file is not None and file.exists() and not _is_ours(file):
            raise ProgrammeError(f"--log-file: {file} is not a log file of linkcore; choose another file")
        self.write("begin")

    def write(self, event: str, **details: object) -> None:
        """Add a line."""
        if self._file is None:
            return
        line: dict[str, object] = {
            "linkcore": version("linkcore"),
            "at": dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds"),
        }
        line |= {"command": self._command, "event": event, **details}
        line["seconds"] = round(time.perf_counter() - self._began, 3)
        try:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
            with open(os.open(self._file, flags, 0o600), "a", encoding="utf-8") as log:  # noqa: PTH123 -- private
                log.write(json.dumps(line) + "\n")
        except OSError as error:
            raise ProgrammeError(
                f"--log-file: {self._file} cannot be written ({error.strerror}); choose another file"
            ) from None


def _is_ours(file: Path) -> bool:
    with contextlib.suppress(OSError), file.open("rb") as log:
        return log.read(len(_OURS)).decode("latin-1") in ("", _OURS)
    return False


@contextlib.contextmanager
def progress(arguments: argparse.Namespace) -> Iterator[Progress]:
    """Show the current step on stderr, if that is a terminal, or as lines with --verbose; and put it into the log."""
    with _shown(arguments) as show:

        def told(step: str, done: int, steps: int) -> None:
            arguments.run_log.write("step", step=step, done=done, steps=steps)
            show(step, done, steps)

        yield told


@contextlib.contextmanager
def _shown(arguments: argparse.Namespace) -> Iterator[Progress]:
    if arguments.verbose:
        yield _line
        return
    if arguments.quiet or not sys.stderr.isatty():
        yield silent
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description:<40}"), BarColumn(), TimeElapsedColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)

        def show(step: str, done: int, steps: int) -> None:
            bar.update(task, description=escape(escaped(step)), completed=done, total=steps, refresh=True)

        yield show


def _line(step: str, done: int, steps: int) -> None:
    sys.stderr.write(f"{dt.datetime.now():%H:%M:%S} {escaped(step)} ({done} of {steps})\n")
