"""Run work for several items at the same time, so that no core idles while another reads a file."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar

__all__ = ["side_by_side"]

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

# Polars runs threads of its own for each item. More items at a time would take more memory and no less time.
_AT_ONCE: Final = 2


def side_by_side(
    function: Callable[[_Item], _Result], items: Iterable[_Item], *, at_once: int = _AT_ONCE
) -> Iterator[_Result]:
    """Apply a function to each item, two at a time by default, and yield the results in the order of the items.

    Examples
    --------
    >>> list(side_by_side(len, ["gp", "emergency"]))
    [2, 9]
    """
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(at_once) as pool:
        futures = [pool.submit(function, item) for item in items]
        try:
            for future in futures:
                yield future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
