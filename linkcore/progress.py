"""Report the progress of long work, and measure how long each step takes."""

import time
from collections.abc import Callable

__all__ = ["Progress", "Stopwatch", "silent"]

Progress = Callable[[str, int, int], None]
"""Called with the name of the step that begins or ends, the number of steps done, and the number of all steps."""


def silent(step: str, done: int, steps: int) -> None:
    """Report nothing."""


class Stopwatch:
    """Progress that measures how long each step takes, until the next one begins.

    Parameters
    ----------
    progress : Progress
        Called at each step.

    Attributes
    ----------
    seconds : dict of str to float
        Seconds of each step, in order. The step that began last is missing.

    Examples
    --------
    >>> watch = Stopwatch(silent)
    >>> watch("read", 0, 2), watch("link", 1, 2), watch("linked", 2, 2)
    (None, None, None)
    >>> list(watch.seconds)
    ['read', 'link']
    """

    def __init__(self, progress: Progress) -> None:
        self.seconds: dict[str, float] = {}
        self._progress = progress
        self._step: str | None = None
        self._began = time.perf_counter()

    def __call__(self, step: str, done: int, steps: int) -> None:
        """Measure the step that ends, and report the step that begins."""
        now = time.perf_counter()
        if self._step is not None:
            self.seconds[self._step] = self.seconds.get(self._step, 0.0) + now - self._began
        self._step, self._began = step, now
        self._progress(step, done, steps)
