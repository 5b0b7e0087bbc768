"""Some things at a time: while one source is read from its file by one core, the other core is not idle."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar

__all__ = ["side_by_side"]

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

# Polars has threads of its own for each; more at a time would want more memory, and no core would do more.
_AT_ONCE: Final = 2


def side_by_side(
    function: Callable[[_Item], _Result], items: Iterable[_Item], *, at_once: int = _AT_ONCE
) -> Iterator[_Result]:
    """Do for each of some items what uses several cores only now and then, two at a time unless otherwise asked.

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
