"""The identifiers of all persons of a release, in the forms in which values are compared with them."""

from collections.abc import Callable, Hashable, Mapping
from functools import cached_property
from typing import Any, Final, Protocol

import polars as pl

from linkcore.governance.releases.identifying.hashed import HashedNumbers
from linkcore.pseudonyms.stage_one import CODE_TOKEN
from linkcore.schema import PERSONS

__all__ = ["TITLE_OF_KIND", "UNIQUE", "People"]

TITLE_OF_KIND: Final[Mapping[str, str]] = {
    "nhs_number": "the patient's own NHS Number",
    "stage_one_code": "the patient's own stage-1 code",
    "hashed_number": "a hash without a key of the patient's own NHS Number",
    "name": "the patient's own name",
    "birth_date": "the patient's own birth date",
    "postcode": "the patient's own postcode",
    "address": "the patient's own address",
}
"""The kinds of identifiers that are compared, and what an error calls each."""

UNIQUE: Final = frozenset({"nhs_number", "stage_one_code", "hashed_number"})
"""The kinds of which each value belongs to one person."""

_COLUMNS: Final = ("nhs_number", "token", "given_name", "family_name", "birth_date", "postcode", "address")
_LARGEST_NUMBER: Final = 9_999_999_999


class People:
    """All persons of a linkage, by position in PERSONS.

    Parameters
    ----------
    persons : polars.DataFrame
        PERSONS of :mod:`linkcore.schema`.

    Examples
    --------
    >>> persons = pl.DataFrame({"given_name": ["ANN MARIE", None], "family_name": ["NG", "ANN"]})
    >>> People(persons).known("name").to_list()
    ['ANN', 'MARIE', 'NG']
    >>> People(persons).agree("name", pl.Series(["NG", "NG"]), pl.Series([0, 1])).to_list()
    [True, False]
    """

    def __init__(self, persons: pl.DataFrame) -> None:
        # Column by column: Polars would copy a frame whose columns have different chunks.
        self._persons: dict[str, pl.Series] = {
            name: persons[name].cast(PERSONS[name]) for name in _COLUMNS if name in persons.columns
        }
        self._kinds: dict[str, _Kind] = {}
        self.remembered: dict[Hashable, Any] = {}
        """What columns were found to say, for others that hold the same values: a release has many columns of days."""

    def known(self, kind: str) -> pl.Series:
        """Return every value of a kind that any person has, sorted."""
        return self._kind(kind).known

    def anybody_has(self, kind: str, values: pl.Series) -> pl.Series:
        """Return whether each value is somebody's: Boolean, in the order of ``values``; False for null."""
        known = self.known(kind)
        if known.is_empty():
            return pl.repeat(False, values.len(), dtype=pl.Boolean, eager=True)
        # Values are few, and persons many: a search takes less time than a table of all persons' values.
        place = known.search_sorted(values.fill_null(known[0])).clip(upper_bound=known.len() - 1)
        return (known.gather(place) == values).fill_null(False)

    def agree(self, kind: str, values: pl.Series, persons: pl.Series) -> pl.Series:
        """Return whether each value is the identifier of the person beside it: Boolean without nulls.

        ``persons``: positions in PERSONS, as long as ``values``.
        """
        return self._kind(kind).are_of(values, persons)

    @cached_property
    def numbers(self) -> pl.Series:
        """Every NHS Number of ten digits (Int64), sorted."""
        return _ten_digits(self._persons["nhs_number"]).drop_nulls().unique().sort()

    def _kind(self, kind: str) -> "_Kind":
        if kind not in self._kinds:
            self._kinds[kind] = _KINDS[kind](self._persons)
        return self._kinds[kind]


class _Kind(Protocol):
    """One kind of identifier: its values, and whose they are."""

    @property
    def known(self) -> pl.Series:
        """Every value that any person has, sorted."""

    def are_of(self, values: pl.Series, persons: pl.Series) -> pl.Series:
        """Return whether each value is the identifier of the person beside it: Boolean without nulls."""


class _OneValue:
    """A kind of which each person has one value, made of a column of PERSONS."""

    def __init__(self, column: pl.Series, form: Callable[[pl.Series], pl.Series]) -> None:
        # Looking up rows of a column with chunks takes ten times as long.
        self._column, self._form = column.rechunk(), form

    @cached_property
    def known(self) -> pl.Series:
        return self._form(self._column.unique()).drop_nulls().unique().sort()

    def are_of(self, values: pl.Series, persons: pl.Series) -> pl.Series:
        return (self._form(self._column.gather(persons)) == values).fill_null(False)


class _Names:
    """The words of given and family names."""

    def __init__(self, *columns: pl.Series) -> None:
        self._columns = [column.rechunk() for column in columns]

    @cached_property
    def known(self) -> pl.Series:
        words = _words(pl.concat([column.unique() for column in self._columns]))
        return words.explode(empty_as_null=True, keep_nulls=True).drop_nulls().unique().sort()

    def are_of(self, values: pl.Series, persons: pl.Series) -> pl.Series:
        found = pl.repeat(False, values.len(), eager=True)
        for column in self._columns:
            beside = pl.DataFrame({"own": _words(column.gather(persons)), "value": values})
            found |= beside.select(pl.col("own").list.contains(pl.col("value")).fill_null(False)).to_series()
        return found


def _ten_digits(numbers: pl.Series) -> pl.Series:
    """Keep NHS Numbers; the integers that stand for stage-1 codes become null."""
    return pl.select(pl.when(numbers <= _LARGEST_NUMBER).then(numbers)).to_series()


def _first_nine(numbers: pl.Series) -> pl.Series:
    """Return the nine digits before the check digit: nobody else has them."""
    return _ten_digits(numbers) // 10


def _codes(tokens: pl.Series) -> pl.Series:
    code = tokens.str.strip_prefix(CODE_TOKEN)
    return pl.select(pl.when(tokens.str.starts_with(CODE_TOKEN)).then(code)).to_series()


def _words(names: pl.Series) -> pl.Series:
    # A single letter may be an initial, but also a code.
    return names.str.extract_all(r"\p{L}{2,}")


def _compact(postcodes: pl.Series) -> pl.Series:
    return postcodes.str.replace(" ", "", literal=True)


def _lines(addresses: pl.Series) -> pl.Series:
    """Take the first three words of each address that has a digit among them, such as 12 HIGH STREET."""
    return addresses.str.extract(r"^((?:[0-9A-Z]+ ){2}[0-9A-Z]+)").str.extract("^(.*[0-9].*)$")


_KINDS: Final[Mapping[str, Callable[[Mapping[str, pl.Series]], _Kind]]] = {
    "nhs_number": lambda persons: _OneValue(persons["nhs_number"], _first_nine),
    "stage_one_code": lambda persons: _OneValue(persons["token"], _codes),
    "hashed_number": lambda persons: HashedNumbers(_ten_digits(persons["nhs_number"])),
    "name": lambda persons: _Names(persons["given_name"], persons["family_name"]),
    "birth_date": lambda persons: _OneValue(persons["birth_date"], lambda days: days),
    "postcode": lambda persons: _OneValue(persons["postcode"], _compact),
    "address": lambda persons: _OneValue(persons["address"], _lines),
}
