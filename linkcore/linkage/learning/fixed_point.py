"""Finding where a step that never makes things worse comes to rest, in far fewer steps than it takes by itself."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["fixed_point"]

# After a jump of the greatest length that is allowed, one of so many times that length is allowed.
_LONGER: Final = 4.0

# A merit (a log-likelihood) that is lower by less than this is lower by rounding, or as good as equal.
_NO_WORSE: Final = 1e-6


def fixed_point(
    step: Callable[["NDArray[np.float64]"], tuple["NDArray[np.float64]", float]],
    start: "NDArray[np.float64]",
    *,
    within: float,
    rounds: int,
    allowed: Callable[["NDArray[np.float64]"], "NDArray[np.float64]"] = lambda point: point,
) -> tuple["NDArray[np.float64]", bool]:
    """Repeat a step until no number is further than ``within`` from where all further steps would lead.

    Varadhan and Roland 2008, "Simple and globally convergent methods for accelerating the convergence of any EM
    algorithm", with the third of their step lengths (SQUAREM). Two steps r and r + v show by how much steps shrink: by
    1 - 1/α, where α = |r|/|v|. So all further steps would lead α times as far as the first, and that is how far it
    jumps. From where it lands it goes on, unless the merit is worse there than before: then the two steps stand. So the
    merit never falls.

    ``step``: returns the next point, and the merit of the point it was given.
    ``allowed``: brings a point where a jump has landed to where points may be.
    ``rounds``: after so many steps it gives up.
    Returns the point, and whether it came to rest.

    Examples
    --------
    >>> import numpy as np
    >>> slow = lambda point: (point + (3.0 - point) / 1000, -float(((point - 3.0) ** 2).sum()))
    >>> point, at_rest = fixed_point(slow, np.zeros(2), within=1e-9, rounds=50)
    >>> point.round(6).tolist(), at_rest
    ([3.0, 3.0], True)
    """
    import numpy as np

    point, longest = start, 1.0
    for _ in range(0, rounds, 3):
        once, merit = step(point)
        twice, _ = step(once)
        first, bend = once - point, (twice - once) - (once - point)
        # Not by a dot product: its last bits depend on the threads of a library.
        length = float(np.sqrt((first**2).sum() / max((bend**2).sum(), 1e-300)))
        if float(np.abs(first).max()) * max(length, 1.0) < within:
            return twice, True
        jump = min(max(length, 1.0), longest)
        after, merit_after = step(allowed(point + 2 * jump * first + jump**2 * bend))
        better = merit_after >= merit - _NO_WORSE
        point = after if better else twice
        if jump == longest:
            longest = longest * _LONGER if better else max(longest / _LONGER, 1.0)
    return point, False
