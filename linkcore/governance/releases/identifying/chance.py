"""Whether values agree with their own person more than with persons drawn at random."""

import math
from dataclasses import dataclass
from typing import Final

__all__ = ["Agreement", "more_than_chance"]

_TWICE: Final = 2


@dataclass(frozen=True)
class Agreement:
    """How often the values of a column agree with an identifier of their own person, and of others.

    Parameters
    ----------
    persons : int
        Persons of whom a value agrees with their own identifier.
    others : int
        Persons of whom a value agrees with somebody else's, summed over all draws of somebody else.
    draws : int
        How many others each person was compared with.
    most : bool
        Whether more than half of the column's values agree with their own person.
    """

    persons: int
    others: int
    draws: int
    most: bool = False


def more_than_chance(found: Agreement, *, once_in: float = 1e6) -> bool:
    """Whether agreement is no coincidence.

    It is none if it is at least twice as frequent as with others, and either most values agree, or so much agreement
    would come by chance less than once in so many times. The bound is Chernoff's for the binomial distribution
    (Hoeffding 1963, theorem 1): of all agreements, one in ``draws + 1`` would be with the own person.

    Examples
    --------
    >>> more_than_chance(Agreement(persons=20, others=0, draws=1)), more_than_chance(Agreement(19, 0, 1))
    (True, False)
    >>> more_than_chance(Agreement(persons=3_000, others=2_900, draws=1, most=True))
    False
    """
    if found.persons == 0 or found.persons * found.draws < _TWICE * found.others:
        return False
    together, by_chance = found.persons + found.others, 1 / (found.draws + 1)
    own = found.persons / together
    divergence = own * math.log(own / by_chance)
    if own < 1:
        divergence += (1 - own) * math.log((1 - own) / (1 - by_chance))
    return found.most or together * divergence > math.log(once_in)
