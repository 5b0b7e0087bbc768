"""Run a job in a new process, and measure the time and the peak memory of each stage.

A process seldom returns memory, so a second job in the same process would show the peak of the first.
"""

import importlib
import multiprocessing
import resource
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_OWN: Final = Path("/proc/self")


@dataclass(frozen=True)
class Stage:
    """One stage of a job, and the seconds of the functions that were timed within it."""

    name: str
    seconds: float
    peak_bytes: int
    parts: Mapping[str, float] = field(default_factory=dict)

    def figures(self, records: int) -> dict[str, Any]:
        figures: dict[str, Any] = {
            "s": round(self.seconds, 3),
            "records_a_second": round(records / max(self.seconds, 1e-9)),
            "peak_mib": round(self.peak_bytes / 2**20),
        }
        return figures | {f"of which {name}, s": round(seconds, 3) for name, seconds in self.parts.items()}


@dataclass(frozen=True)
class Job:
    """The stages of a finished job, and figures about its result."""

    stages: tuple[Stage, ...]
    records: int
    figures: Mapping[str, Any] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        return sum(stage.seconds for stage in self.stages)

    @property
    def peak_bytes(self) -> int:
        return max(stage.peak_bytes for stage in self.stages)

    def of(self, *names: str) -> float:
        """Return the seconds of some stages together."""
        return sum(stage.seconds for stage in self.stages if stage.name in names)

    def as_extra_info(self) -> dict[str, Any]:
        whole = Stage("whole", self.seconds, self.peak_bytes).figures(self.records)
        stages = {stage.name: stage.figures(self.records) for stage in self.stages}
        return {"records": self.records, "whole": whole, "stages": stages, **self.figures}


class Stages:
    """A stopwatch that measures stages and their peak memory; call it as a :data:`linkcore.progress.Progress`.

    Parameters
    ----------
    names : mapping of str to str
        The name of the stage, by how the name of the step begins. Consecutive steps with one name are one stage.
    """

    def __init__(self, names: Mapping[str, str] | None = None) -> None:
        self._names = names or {}
        self._done: list[Stage] = []
        self._name: str | None = None
        self._parts: dict[str, float] = {}
        self._began = 0.0

    def __call__(self, step: str, _done: int = 0, _steps: int = 0) -> None:
        name = next((name for beginning, name in self._names.items() if step.startswith(beginning)), step)
        if name == self._name:
            return
        self._end()
        self._name, self._parts = name, {}
        _forget_peak()
        self._began = time.perf_counter()

    def _end(self) -> None:
        if self._name is not None:
            seconds = time.perf_counter() - self._began
            self._done.append(Stage(self._name, seconds, _peak_bytes(), self._parts))
        self._name = None

    def done(self) -> tuple[Stage, ...]:
        self._end()
        return tuple(self._done)

    @contextmanager
    def parts(self, functions: Mapping[str, str]) -> Iterator[None]:
        """Time some functions, each within the stage that calls it.

        Parameters
        ----------
        functions : mapping of str to str
            The function of each part, as :func:`find_function` takes it.
        """
        found = [(part, *find_function(place)) for part, place in functions.items()]
        for part, owner, name in found:
            setattr(owner, name, self._timed(part, getattr(owner, name)))
        try:
            yield
        finally:
            for _, owner, name in found:
                setattr(owner, name, getattr(owner, name).__wrapped__)

    def _timed(self, part: str, function: Callable[P, T]) -> Callable[P, T]:
        @wraps(function)
        def timed(*args: P.args, **kwargs: P.kwargs) -> T:
            began = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self._parts[part] = self._parts.get(part, 0.0) + time.perf_counter() - began

        return timed


def find_function(place: str) -> tuple[Any, str]:
    """Return the module or class that holds a function, and the function's name; fail if there is none.

    ``place`` is ``module:function`` or ``module:Class.method``. The module is the one that calls the function.
    """
    module, _, path = place.partition(":")
    *owners, name = path.split(".")
    owner: Any = importlib.import_module(module)
    for each in owners:
        owner = getattr(owner, each)
    if not callable(getattr(owner, name)):
        raise TypeError(f"{place} is not a function")
    return owner, name


def _forget_peak() -> None:
    # On a system that cannot reset the peak, a stage shows the peak of all stages so far.
    if (_OWN / "clear_refs").exists():
        (_OWN / "clear_refs").write_text("5")


def _peak_bytes() -> int:
    """Return the peak of resident memory, with mapped files."""
    if not (_OWN / "status").exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Unlike getrusage's, this peak does not start with the memory of the parent process.
    status = dict(line.split(":", 1) for line in (_OWN / "status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) * 1024


def fresh(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function of a module in a new process."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *args, **kwargs).result()
