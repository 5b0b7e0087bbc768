"""Draw names by heritage, sex and generation, from tables of names that are common in the United Kingdom.

``given_names.csv`` and ``family_names.csv`` hold rough frequencies that were written for this purpose, without any list
of real people. Most people in Britain have a family name outside the thousand commonest; such names are composed of the
parts of place names (Ashcombe, Thornbury).
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

__all__ = ["BEGINNINGS", "ENDINGS", "HERITAGES", "Heritage", "Names", "letters_beyond", "names"]

Index = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Heritage:
    """A community: its size, how its people are recorded, and how they name their children.

    Parameters
    ----------
    name : str
        Name of the community, as in the tables of names.
    per_1000 : float
        Number of its households in a thousand.
    ethnic_group, mixed_ethnic_group : str
        ETHNIC CATEGORY code (NHS Data Dictionary) of its people, and of children with a parent of another heritage.
    british_given : float
        Share of people born in the United Kingdom in recent years with a given name from the British table.
    """

    name: str
    per_1000: float
    ethnic_group: str
    mixed_ethnic_group: str
    british_given: float

    @property
    def minority(self) -> bool:
        """Whether the community comes from outside the British Isles."""
        return self.ethnic_group not in ("A", "B")


# Roughly Devon in the 2021 Census. Small communities are a little larger, so that each appears even in a small run.
HERITAGES: Final = (
    Heritage("british", 892, "A", "A", 1.0),
    Heritage("irish", 14, "B", "A", 0.5),
    Heritage("welsh", 16, "A", "A", 0.6),
    Heritage("polish", 15, "C", "C", 0.15),
    Heritage("romanian", 6, "C", "C", 0.1),
    Heritage("portuguese", 6, "C", "C", 0.15),
    Heritage("turkish", 2, "C", "C", 0.1),
    Heritage("indian", 9, "H", "F", 0.1),
    Heritage("keralan", 4, "H", "F", 0.3),
    Heritage("sikh", 3, "H", "F", 0.05),
    Heritage("pakistani", 5, "J", "F", 0.03),
    Heritage("bangladeshi", 3, "K", "F", 0.03),
    Heritage("nigerian", 5, "N", "E", 0.3),
    Heritage("ghanaian", 2, "N", "E", 0.4),
    Heritage("zimbabwean", 2, "N", "E", 0.5),
    Heritage("somali", 1, "N", "E", 0.02),
    Heritage("caribbean", 3, "M", "D", 0.7),
    Heritage("chinese", 5, "R", "F", 0.5),
    Heritage("filipino", 3, "L", "F", 0.4),
    Heritage("arabic", 4, "S", "G", 0.03),
)

_GENERATIONS: Final = (1940, 1960, 1980, 2000)  # first year of each generation but the oldest

# fmt: off
BEGINNINGS: Final = (
    "Ash", "Ald", "Am", "And", "Ax", "Barn", "Beck", "Bick", "Black", "Brad", "Bram", "Bright", "Brom", "Buck", "Bur",
    "Cald", "Chal", "Char", "Chil", "Clay", "Cold", "Crad", "Cran", "Crom", "Dart", "Den", "Dod", "Down", "Dun",
    "East", "Edge", "El", "Fair", "Far", "Fen", "Fern", "Gar", "Gold", "Graf", "Green", "Had", "Hal", "Ham", "Harc",
    "Hart", "Haw", "Hazel", "Heath", "Hen", "Hol", "Hom", "Horn", "Ing", "Kel", "Kings", "Lang", "Leigh", "Lin",
    "Long", "Lud", "Mad", "Mar", "Mel", "Mer", "Mid", "Mill", "Mort", "Nether", "New", "North", "Oak", "Od", "Or",
    "Over", "Pad", "Pen", "Pin", "Pol", "Red", "Rip", "Rock", "Row", "Rush", "Sal", "Sand", "Sed", "Shel", "Sher",
    "Stan", "Stav", "Stock", "Stour", "Sun", "Swin", "Tam", "Thorn", "Tid", "Tre", "Up", "Wad", "Wal", "Wat", "Wen",
    "West", "Whit", "Wid", "Wil", "Win", "Wool", "Wor", "Yarn",
)
ENDINGS: Final = (
    "ton", "ley", "ford", "ham", "well", "worth", "combe", "wood", "field", "bury", "by", "cott", "den", "bridge",
    "brook", "burn", "dale", "land", "low", "more", "ridge", "shaw", "stead", "stone", "wick", "worthy", "hurst",
    "head", "gate", "bourne", "lake", "man", "mouth", "croft", "house", "ster",
)
# fmt: on


class _Stock:
    """Names in groups, with frequencies; one call draws from all groups."""

    def __init__(self, groups: Sequence[tuple[Sequence[int], npt.NDArray[np.float64]]]) -> None:
        """Each group holds the numbers of its names, and their weights."""
        self._entries = np.concatenate([np.asarray(numbers, dtype=np.int64) for numbers, _ in groups])
        # Group g takes the interval from g to g + 1, so one search in one sorted array is enough for all groups.
        shares = [np.cumsum(weights) / weights.sum() for _, weights in groups]
        self._upper = np.concatenate([group + share for group, share in enumerate(shares)])
        for group, end in enumerate(np.cumsum([len(share) for share in shares])):
            self._upper[end - 1] = group + 1

    def draw(self, rng: np.random.Generator, group: Index) -> Index:
        """Draw the number of a name for each of the given groups."""
        return self._entries[np.searchsorted(self._upper, group + rng.random(len(group)), side="right")]


class Names:
    """All names, in upper case, and how to draw from them.

    Attributes
    ----------
    given : polars.Series of String
        Given names; the position is the number of the name.
    nicknames : polars.DataFrame
        Two nicknames of each given name, ``first`` and ``second``; null if it has none.
    family, family_of_women : polars.Series of String
        The forms of family names for men and for women (Kowalski, Kowalska); the position is the number of the name.
    """

    def __init__(self) -> None:
        self._number = {heritage.name: number for number, heritage in enumerate(HERITAGES)}
        self.given, self._given_stock = self._read_given()
        self.nicknames = self._read_nicknames()
        self.family, self.family_of_women, self._family_stock = self._read_family()

    def draw_given(self, rng: np.random.Generator, heritage: Index, female: Index, year: Index) -> Index:
        """Draw the numbers of given names by heritage, sex (1 female, 0 male) and year of birth."""
        generation = np.searchsorted(_GENERATIONS, year, side="right")
        return self._given_stock.draw(rng, (heritage * 2 + female) * (len(_GENERATIONS) + 1) + generation)

    def draw_family(self, rng: np.random.Generator, heritage: Index) -> Index:
        """Draw the numbers of family names by heritage."""
        return self._family_stock.draw(rng, heritage)

    def _read_given(self) -> tuple[pl.Series, _Stock]:
        numbers: dict[str, int] = {}
        tables: dict[tuple[int, int], list[tuple[int, list[int]]]] = {}
        for heritage, sex, name, *frequencies in _rows("given_names.csv"):
            number = numbers.setdefault(name.upper(), len(numbers))
            group = (self._number[heritage], int(sex == "female"))
            tables.setdefault(group, []).append((number, [int(frequency) for frequency in frequencies]))
        groups = []
        for group in sorted(tables):
            members = [number for number, _ in tables[group]]
            per_10000 = np.array([frequencies for _, frequencies in tables[group]], dtype=np.float64)
            # The frequencies add up to less than 10,000; the rest is spread evenly over the names.
            rest = np.maximum(10_000 - per_10000.sum(axis=0), 0) / len(members)
            groups += [(members, column) for column in (per_10000 + rest).T]
        return pl.Series("given_name", list(numbers), dtype=pl.String), _Stock(groups)

    def _read_nicknames(self) -> pl.DataFrame:
        table = (
            pl.DataFrame(list(_rows("nicknames.csv")), schema=["given_name", "nickname"], orient="row")
            .with_columns(pl.all().str.to_uppercase())
            .group_by("given_name", maintain_order=True)
            .agg(pl.col("nickname").first().alias("first"), pl.col("nickname").last().alias("second"))
        )
        joined = self.given.to_frame().join(table, on="given_name", how="left", maintain_order="left")
        return joined.select("first", "second")

    def _read_family(self) -> tuple[pl.Series, pl.Series, _Stock]:
        numbers: dict[tuple[str, str], int] = {}
        tables: list[tuple[list[int], list[float]]] = [([], []) for _ in HERITAGES]
        for heritage, name, of_a_woman, frequency in _rows("family_names.csv"):
            key = (name.upper(), (of_a_woman or name).upper())
            members, weights = tables[self._number[heritage]]
            members.append(numbers.setdefault(key, len(numbers)))
            weights.append(float(frequency))
        members, weights = tables[self._number["british"]]
        made = [(beginning + ending).upper() for beginning in BEGINNINGS for ending in ENDINGS]
        fresh = [name for name in made if (name, name) not in numbers]
        members += [numbers.setdefault((name, name), len(numbers)) for name in fresh]
        # The order is random, so that no beginning or ending is common.
        order = np.random.default_rng(0).permutation(len(fresh))
        tail = 1 / (1 + order / 500)
        weights += list(tail / tail.sum() * (100_000 - sum(weights)))
        stock = _Stock([(group, np.array(weight)) for group, weight in tables])
        forms = pl.DataFrame(list(numbers), schema=["family_name", "of_a_woman"], orient="row")
        return forms["family_name"], forms["of_a_woman"], stock


@cache
def names() -> Names:
    """Return the tables of names, which are read at the first call."""
    return Names()


def letters_beyond(encoding: str) -> dict[str, str]:
    """Return the letters of the names that an encoding lacks, each with the plain letter that a clerk would type.

    Examples
    --------
    >>> letters_beyond("ascii")["Ł"], "É" in letters_beyond("windows-1252")
    ('L', False)
    """
    import unicodedata

    stock = names()
    letters = sorted(set("".join([*stock.given, *stock.family, *stock.family_of_women])))
    return {
        letter: {"Ł": "L"}.get(letter, unicodedata.normalize("NFD", letter)[0])
        for letter in letters
        if not letter.encode(encoding, errors="ignore")
    }


def _rows(table: str) -> Iterator[list[str]]:
    """Read the rows of one of the tables beside this file."""
    rows = csv.reader((files(__package__) / table).read_text(encoding="utf-8").splitlines())
    next(rows)
    yield from rows
