"""Keys of 64 bits as small numbers."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Numbered", "number"]


@dataclass(frozen=True, eq=False)
class Numbered:
    """Keys and their numbers, and a table in which other keys are found.

    Parameters
    ----------
    count : int
        How many different keys there are; they are numbered from 1.
    found : numpy.ndarray
        Int32, the number of each key; 0 where the key is 0.
    shift, table, numbers
        The table, as :func:`linkcore.linkage.codes.kernels.find_keys` takes it.
    """

    count: int
    found: "NDArray[np.int32]" = field(repr=False)
    shift: "np.uint64"
    table: "NDArray[np.uint64]" = field(repr=False)
    numbers: "NDArray[np.int32]" = field(repr=False)


def number(keys: "NDArray[np.uint64]") -> Numbered:
    """Give the different keys numbers in the order in which they come.

    Examples
    --------
    >>> import numpy as np
    >>> number(np.array([7, 0, 9, 7], np.uint64)).found.tolist()
    [1, 0, 2, 1]
    """
    import numpy as np

    from linkcore.linkage.codes.kernels import number_keys

    bits = max(int(2 * keys.size).bit_length(), 4)
    table, numbers = np.zeros(1 << bits, np.uint64), np.zeros(1 << bits, np.int32)
    found, shift = np.empty(keys.size, np.int32), np.uint64(64 - bits)
    count = number_keys(keys, shift, table, numbers, found)
    return Numbered(int(count), found, shift, table, numbers)
