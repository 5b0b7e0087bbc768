"""Progress: how long-running work tells whoever watches where it is."""

from collections.abc import Callable

__all__ = ["Progress", "silent"]

Progress = Callable[[str, int, int], None]
"""Called with the step that begins or has just been done, how many steps are done, and how many there are."""


def silent(step: str, done: int, steps: int) -> None:
    """Tell nobody.

    Parameters
    ----------
    step : str
        What is being done.
    done, steps : int
        How many steps are done, of how many.
    """
