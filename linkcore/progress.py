"""Progress: how long-running work tells whoever watches where it is."""

import time
from collections.abc import Callable

__all__ = ["Progress", "Stopwatch", "silent"]

Progress = Callable[[str, int, int], None]
"""Called with the step that begins or has just been done, how many steps are done, and how many there are."""


def silent(step: str, done: int, steps: int) -> None:
    """Tell nobody."""


class Stopwatch:
    """Progress that also measures how long each step takes, from when it begins to when the next one does.

    Parameters
    ----------
    progress : Progress
        Told of each step as well.

    Attributes
    ----------
    seconds : dict of str to float
        By step, in order; the one that has begun last is not in it.

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
        """Take the time, and tell of the step that begins."""
        now = time.perf_counter()
        if self._step is not None:
            self.seconds[self._step] = self.seconds.get(self._step, 0.0) + now - self._began
        self._step, self._began = step, now
        self._progress(step, done, steps)
