"""Names by heritage, sex and generation, drawn from tables of common British names.

``given_names.csv`` and ``family_names.csv`` hold rough frequencies of names that are common in the United Kingdom. They
were written for this purpose; no list of real people was used. Most people in Britain have a family name that is not
among the thousand most common. Such names are built from parts of place names (Ashcombe, Thornbury).
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
    """A community: its size, its ethnic category and how often its children have British names.

    ``name`` is its name in the tables. ``per_1000`` is its number of households in a thousand. ``ethnic_group`` is the
    ETHNIC CATEGORY code (NHS Data Dictionary) of its people, and ``mixed_ethnic_group`` that of children with one
    parent of another heritage. ``british_given`` is the share of recently born people with a British given name.
    """

    name: str
    per_1000: float
    ethnic_group: str
    mixed_ethnic_group: str
    british_given: float

    @property
    def minority(self) -> bool:
        """Whether the community is neither British nor Irish."""
        return self.ethnic_group not in ("A", "B")


# Roughly Devon in the 2021 Census; smaller communities are a little larger, so that a small run has all of them.
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

_GENERATIONS: Final = (1940, 1960, 1980, 2000)  # first years of birth of all generations except the oldest

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
    """Groups of names with frequencies; one draw serves all groups at once."""

    def __init__(self, groups: Sequence[tuple[Sequence[int], npt.NDArray[np.float64]]]) -> None:
        """Each group holds the numbers of its names and their weights."""
        self._entries = np.concatenate([np.asarray(numbers, dtype=np.int64) for numbers, _ in groups])
        # Group g occupies the interval from g to g + 1, so one search in one sorted array serves all groups.
        shares = [np.cumsum(weights) / weights.sum() for _, weights in groups]
        self._upper_bounds = np.concatenate([group + share for group, share in enumerate(shares)])
        for group, end in enumerate(np.cumsum([len(share) for share in shares])):
            self._upper_bounds[end - 1] = group + 1

    def draw(self, rng: np.random.Generator, group: Index) -> Index:
        """Draw the number of a name from each of the given groups."""
        return self._entries[np.searchsorted(self._upper_bounds, group + rng.random(len(group)), side="right")]


class Names:
    """All names in upper case, and random draws from them.

    ``given`` holds the given names by number; ``nicknames`` has the columns ``first`` and ``second``, the two nicknames
    of each given name (null where it has none). ``family`` and ``family_of_women`` hold the family names by number, in
    the form for men and for women (Kowalski, Kowalska).
    """

    def __init__(self) -> None:
        self._number = {heritage.name: number for number, heritage in enumerate(HERITAGES)}
        self.given, self._given_stock = self._read_given()
        self.nicknames = self._read_nicknames()
        self.family, self.family_of_women, self._family_stock = self._read_family()

    def draw_given(self, rng: np.random.Generator, heritage: Index, female: Index, year: Index) -> Index:
        """Draw numbers of given names by heritage, sex (1 female, 0 male) and year of birth."""
        generation = np.searchsorted(_GENERATIONS, year, side="right")
        return self._given_stock.draw(rng, (heritage * 2 + female) * (len(_GENERATIONS) + 1) + generation)

    def draw_family(self, rng: np.random.Generator, heritage: Index) -> Index:
        """Draw numbers of family names by heritage."""
        return self._family_stock.draw(rng, heritage)

    def _read_given(self) -> tuple[pl.Series, _Stock]:
        """Read the given names, and their frequencies by heritage, sex and generation."""
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
            # The listed frequencies may sum to less than 10,000: the rest is spread evenly over the names of the group.
            rest = np.maximum(10_000 - per_10000.sum(axis=0), 0) / len(members)
            groups += [(members, column) for column in (per_10000 + rest).T]
        return pl.Series("given_name", list(numbers), dtype=pl.String), _Stock(groups)

    def _read_nicknames(self) -> pl.DataFrame:
        """Read the first and the last nickname of each given name."""
        table = (
            pl.DataFrame(list(_rows("nicknames.csv")), schema=["given_name", "nickname"], orient="row")
            .with_columns(pl.all().str.to_uppercase())
            .group_by("given_name", maintain_order=True)
            .agg(pl.col("nickname").first().alias("first"), pl.col("nickname").last().alias("second"))
        )
        joined = self.given.to_frame().join(table, on="given_name", how="left", maintain_order="left")
        return joined.select("first", "second")

    def _read_family(self) -> tuple[pl.Series, pl.Series, _Stock]:
        """Read the family names and their frequencies by heritage, and add names built from parts of place names."""
        numbers: dict[tuple[str, str], int] = {}
        tables: list[tuple[list[int], list[float]]] = [([], []) for _ in HERITAGES]
        for heritage, name, form_for_women, frequency in _rows("family_names.csv"):
            key = (name.upper(), (form_for_women or name).upper())
            members, weights = tables[self._number[heritage]]
            members.append(numbers.setdefault(key, len(numbers)))
            weights.append(float(frequency))
        members, weights = tables[self._number["british"]]
        built = [(beginning + ending).upper() for beginning in BEGINNINGS for ending in ENDINGS]
        unlisted = [name for name in built if (name, name) not in numbers]
        members += [numbers.setdefault((name, name), len(numbers)) for name in unlisted]
        # The built names share what the listed names leave of 100,000; no built name is common.
        order = np.random.default_rng(0).permutation(len(unlisted))
        tail = 1 / (1 + order / 500)
        weights += list(tail / tail.sum() * (100_000 - sum(weights)))
        stock = _Stock([(group, np.array(weight)) for group, weight in tables])
        forms = pl.DataFrame(list(numbers), schema=["family_name", "form_for_women"], orient="row")
        return forms["family_name"], forms["form_for_women"], stock


@cache
def names() -> Names:
    """Return the tables of names; they are read on first use."""
    return Names()


def letters_beyond(encoding: str) -> dict[str, str]:
    """Map each letter of the names that an encoding lacks to the plain letter that a clerk would type.

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
    """Read the rows of a table beside this module, without its header."""
    rows = csv.reader((files(__package__) / table).read_text(encoding="utf-8").splitlines())
    next(rows)
    yield from rows
