"""Keeps everything that is printed, logged, or left among temporary files, whichever library does it."""

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

__all__ = ["listening"]


@contextmanager
def listening(folder: Path) -> Iterator[None]:
    """Keep everything in a folder: ``log.txt``, ``printed.txt`` and ``tmp``."""
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    with ExitStack() as stack:
        stack.enter_context(patch.object(tempfile, "tempdir", str(temporary)))
        stack.enter_context(patch.dict(os.environ, {"TMPDIR": str(temporary)}))
        stack.enter_context(_logged(folder / "log.txt"))
        # What Python prints, and what libraries below it write to the descriptors themselves.
        printed = stack.enter_context((folder / "printed.txt").open("a", encoding="utf-8", buffering=1))
        for descriptor in (1, 2):
            stack.enter_context(_descriptor(descriptor, printed.fileno()))
        stack.enter_context(redirect_stdout(printed))
        stack.enter_context(redirect_stderr(printed))
        yield


@contextmanager
def _logged(file: Path) -> Iterator[None]:
    handler = logging.FileHandler(file)
    root, numba = logging.getLogger(), logging.getLogger("numba")
    levels = root.level, numba.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    numba.setLevel(logging.INFO)  # its debug log is the code that it compiles
    try:
        yield
    finally:
        root.removeHandler(handler)
        handler.close()
        root.setLevel(levels[0])
        numba.setLevel(levels[1])


@contextmanager
def _descriptor(descriptor: int, to: int) -> Iterator[None]:
    kept = os.dup(descriptor)
    os.dup2(to, descriptor)
    try:
        yield
    finally:
        os.dup2(kept, descriptor)
        os.close(kept)
