"""The identifiers of all persons of a release, in the forms in which values are compared with them."""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Final

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
_COLUMN: Final = {"stage_one_code": "token"}
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
        self._known: dict[str, pl.Series] = {}

    def known(self, kind: str) -> pl.Series:
        """Return every value of a kind that any person has, sorted, each once."""
        if kind == "hashed_number":
            return self._hashed.known
        if kind not in self._known:
            self._known[kind] = self._distinct(kind).drop_nulls().unique().sort()
        return self._known[kind]

    def anybody_has(self, kind: str, values: pl.Series) -> pl.Series:
        """Return whether each value is somebody's: Boolean, in the order of ``values``; False for null."""
        known = self.known(kind)
        if known.is_empty():
            return pl.repeat(False, values.len(), dtype=pl.Boolean, eager=True)
        # Values are few, and persons many: a search takes less time than a table of all persons' values.
        place = known.search_sorted(values.fill_null(known[0])).clip(upper_bound=known.len() - 1)
        return (known.gather(place) == values).fill_null(False)

    def _distinct(self, kind: str) -> pl.Series:
        if kind == "name":
            names = pl.concat([self._persons[name].unique() for name in ("given_name", "family_name")])
            return _words(names).explode(empty_as_null=True, keep_nulls=True)
        return _FORMS[kind](self._persons[_COLUMN.get(kind, kind)].unique())

    @cached_property
    def _hashed(self) -> HashedNumbers:
        numbers = self._persons["nhs_number"]
        return HashedNumbers(pl.select(pl.when(numbers <= _LARGEST_NUMBER).then(numbers)).to_series())

    @cached_property
    def numbers(self) -> pl.Series:
        """Every NHS Number of ten digits (Int64), sorted."""
        numbers = self._persons["nhs_number"].drop_nulls()
        return numbers.filter(numbers <= _LARGEST_NUMBER).unique().sort()

    def _in_one_piece(self, column: str) -> pl.Series:
        """Return a column of PERSONS without chunks: with chunks, looking up rows takes ten times as long."""
        self._persons[column] = self._persons[column].rechunk()
        return self._persons[column]

    def agree(self, kind: str, values: pl.Series, persons: pl.Series) -> pl.Series:
        """Return whether each value is the identifier of the person beside it: Boolean without nulls.

        ``persons``: positions in PERSONS, as long as ``values``.
        """
        if kind == "hashed_number":
            return self._hashed.are_of(values, persons)
        if kind != "name":
            own = _FORMS[kind](self._in_one_piece(_COLUMN.get(kind, kind)).gather(persons))
            return (own == values).fill_null(False)
        found = pl.repeat(False, values.len(), eager=True)
        for name in ("given_name", "family_name"):
            own = _words(self._in_one_piece(name).gather(persons))
            beside = pl.DataFrame({"own": own, "value": values})
            found |= beside.select(pl.col("own").list.contains(pl.col("value")).fill_null(False)).to_series()
        return found


def _first_nine(numbers: pl.Series) -> pl.Series:
    """Return the nine digits before the check digit: nobody else has them. A stage-1 code's integer becomes null."""
    return pl.select(pl.when(numbers <= _LARGEST_NUMBER).then(numbers // 10)).to_series()


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


_FORMS: Final[Mapping[str, Callable[[pl.Series], pl.Series]]] = {
    "nhs_number": _first_nine,
    "stage_one_code": _codes,
    "birth_date": lambda days: days,
    "postcode": _compact,
    "address": _lines,
}
