"""Doubts about a file of opt-outs: whether it is whole and the right one, and whether its share can be true."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from linkcore.errors import ProgrammeError, RefusedError, SourceError

__all__ = ["NATIONAL_SHARE", "Expected", "as_range", "check_count", "check_share", "has_checksum"]
__all__ += ["refuse_list_of_strangers", "share_in_words"]

Expected = int | tuple[int, int]
"""How many people a list must hold: a number, or the fewest and the most."""

NATIONAL_SHARE: Final = "nationally, about 1 in 18 people have opted out"
"""NHS England's dashboard of the National Data Opt-out: 5 to 6 % of people in England."""

# So improbable must a share be, if the plausible one were true, before a list is refused for it.
_IMPROBABLE: Final = 1e-4

# Of so many people who opted out, one at least is on the spine; of a few, perhaps all have moved away.
_MANY_STRANGERS: Final = 30


def as_range(expected: Expected | None, what: str) -> tuple[int, int] | None:
    """Read how many people a list must hold.

    Examples
    --------
    >>> as_range(50, "opt-outs"), as_range((40, 60), "opt-outs"), as_range(None, "opt-outs")
    ((50, 50), (40, 60), None)
    """
    if expected is None:
        return None
    both = (expected, expected) if isinstance(expected, int) else tuple(expected)
    if len(both) != 2 or not all(isinstance(each, int) and each >= 0 for each in both) or both[0] > both[1]:
        raise ProgrammeError(f"{what}: expected is {expected!r}; give a number of people, or the fewest and the most")
    return both[0], both[1]


def check_count(people: int, expected: tuple[int, int] | None, what: str) -> None:
    """Refuse a list that does not hold as many people as it must: it is cut off, or another file."""
    if expected is not None and not expected[0] <= people <= expected[1]:
        least, most = expected
        wanted = f"{least:,}" if least == most else f"{least:,} to {most:,}"
        raise SourceError(
            f"{what}: {people:,} people have opted out by this file, and {wanted} are expected; get the whole file, or "
            "correct expected"
        )


def has_checksum(data: Any, what: str) -> bool:
    """Whether a checksum lies beside a file, ``FILE.sha256`` as ``sha256sum`` writes it; refuse a file that differs."""
    if not isinstance(data, str | Path):
        return False
    path = Path(data)
    beside = path.with_name(f"{path.name}.sha256")
    if not beside.is_file() or not path.is_file():
        return False
    words = beside.read_text("utf-8", "replace").split()
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if not words or words[0].lower() != found:
        raise SourceError(f"{what}: {path} is not the file of which {beside.name} is the checksum; get both again")
    return True


def check_share(opted_out: int, people: int, plausible: Sequence[float], what: str) -> None:
    """Refuse a share of people that cannot be true, as far as chance allows; say what may be wrong.

    With few people, any share can come about by chance. So a list is refused if, at the nearest plausible share, so
    many or so few would come about less than once in ten thousand times (binomial distribution).
    """
    from scipy.stats import binom

    least, most = plausible
    if not people:
        return
    if binom.sf(opted_out - 1, people, most) < _IMPROBABLE:
        raise RefusedError(
            f"{what}: by this file, {share_in_words(opted_out, people)} have opted out; at most {most:.3g} of them is "
            f"plausible ({NATIONAL_SHARE}). Either the file is another one: people who have not opted out, as in the "
            "answer of the national check, in place of people who have, or the reverse. Then give the right file. Or "
            "so many have opted out: then say how many are expected (expected), or widen plausible"
        )
    if binom.cdf(opted_out, people, least) < _IMPROBABLE:
        raise RefusedError(
            f"{what}: by this file, {share_in_words(opted_out, people)} have opted out; at least {least:.3g} of them "
            f"is plausible ({NATIONAL_SHARE}). Either the file is empty, cut off, or another one, such as an answer of "
            "the national check that is what was asked. Then get the whole file. Or so few have opted out: then say "
            "how many are expected (expected), or widen plausible"
        )


def refuse_list_of_strangers(found: int, listed: int, what: str) -> None:
    """Refuse a list of many people of whom nobody is on the spine: it is of another area, or of other numbers."""
    if not found and listed >= _MANY_STRANGERS:
        raise RefusedError(
            f"{what}: {listed:,} people have opted out by this file, and nobody of them is on the spine: it is the "
            "file of another area or programme; give the right file"
        )


def share_in_words(opted_out: int, people: int, *, where: str = "of the people on the spine") -> str:
    """Say a share as people do.

    Examples
    --------
    >>> share_in_words(55, 1000), share_in_words(940, 1000), share_in_words(0, 1000)
    ('1 in 18 of the people on the spine', '94 in 100 of the people on the spine', 'nobody of the people on the spine')
    """
    if not opted_out or not people:
        return f"nobody {where}"
    share = opted_out / people
    return f"1 in {round(1 / share):,} {where}" if share < 0.4 else f"{round(100 * share)} in 100 {where}"
