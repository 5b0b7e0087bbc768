"""The comparable columns of persons and records as codes, with one table of the distinct values of each.

A million people have some ten thousand names. So each distinct value is cut into parts and given its sound once, and a
person is a row of small numbers. A code is the position of a value in its table; 0 means that the value is missing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final, Self

import polars as pl

from linkcore.linkage.codes.numbered import number
from linkcore.linkage.codes.questions import inward, part_of_date
from linkcore.linkage.comparisons.comparable import COMPARABLE, comparable
from linkcore.schema import FURTHER, OTHER, RECORDS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["CodedPeople", "Column", "encode"]

# What comparable columns are made of.
_IDENTIFIERS: Final = ("given_name", "family_name", "birth_date", "birth_date_text", "gender", "postcode", "address")
_WRITTEN: Final = ("birth_date", "birth_date_text")
# The columns of a group are compared with each other, and with lists of other values, so they share a table.
_GROUPS: Final = (("given_name", "family_name"), ("postcode",), ("address",))
_PARTS_OF_DATE: Final = ("birth_year", "birth_month", "birth_day")
_PARTS_OF_POSTCODE: Final = ("postcode_sector", "postcode_district", "postcode_area")
_DATE: Final = "birth date, whole or partial"
_JOINED: Final = ("full_name", "home", "initials")
_FIRST_LETTER: Final = "first letter of "


@dataclass(frozen=True, eq=False)
class Column:
    """A column as codes.

    Parameters
    ----------
    codes : numpy.ndarray
        Int32, the code of each row.
    values : polars.Series
        The value of each code; that of code 0 is null. Empty where codes are compared only.
    """

    codes: "NDArray[np.int32]" = field(repr=False)
    values: pl.Series = field(repr=False)


def encode(columns: Sequence[pl.Series]) -> "tuple[pl.Series, list[NDArray[np.int32]]]":
    """Give the values of columns of one type codes of one table; returns its values, and the codes of each column.

    Examples
    --------
    >>> values, (one, other) = encode([pl.Series(["NG", None, "NG"]), pl.Series(["ORR"])])
    >>> values.gather(one).to_list(), values.gather(other).to_list()
    (['NG', None, 'NG'], ['ORR'])
    """
    dtype = columns[0].dtype
    if dtype == pl.String:
        categories = pl.Categorical(pl.Categories.random())
        columns = [column.cast(categories) for column in columns]
        distinct = pl.concat([column.unique() for column in columns]).unique().drop_nulls()
        positions, places = [column.to_physical() for column in columns], distinct.to_physical()
    else:
        distinct = pl.concat([column.unique() for column in columns]).unique().drop_nulls()
        table = distinct.alias("value").to_frame().with_row_index("position")
        places = table["position"]
        positions = [
            column.alias("value").to_frame().join(table, on="value", how="left", maintain_order="left")["position"]
            for column in columns
        ]
    size = 2 + int(places.to_numpy().max()) if distinct.len() else 1
    values = pl.Series("value", [None], dtype).new_from_index(0, size).scatter(places + 1, distinct.cast(dtype))
    return values, [(position.cast(pl.Int32) + 1).fill_null(0).to_numpy() for position in positions]


@dataclass(frozen=True, eq=False)
class Lists:
    """A column of lists of codes.

    Parameters
    ----------
    rows : numpy.ndarray
        Int32, the list of each row; 0 where there is none.
    starts : numpy.ndarray
        Int64, where each list starts, and where the last one ends.
    codes : numpy.ndarray
        Int32, what the lists hold, one after the other.
    """

    rows: "NDArray[np.int32]" = field(repr=False)
    starts: "NDArray[np.int64]" = field(repr=False)
    codes: "NDArray[np.int32]" = field(repr=False)


@dataclass(frozen=True, eq=False)
class CodedPeople:
    """Persons and records, of which each comparable column is made when it is asked for.

    Parameters
    ----------
    frame : polars.DataFrame
        RECORDS or PERSONS, as :func:`linkcore.linkage.comparisons.comparable.comparable` takes them.

    Examples
    --------
    >>> people = CodedPeople(pl.DataFrame({"given_name": ["ANNA", "ANA"]}))
    >>> sounds = people.column("given_sound")
    >>> sounds.codes.tolist(), sounds.values.to_list()
    ([1, 1], [None, 'A500'])
    """

    frame: pl.DataFrame = field(repr=False)

    @classmethod
    def of(cls, *frames: pl.DataFrame) -> Self:
        """Make codes of the identifiers of several tables, one after the other."""
        kept = [pl.col(*(name for name in frame.columns if _is_compared(name))) for frame in frames]
        chosen = [frame.select(names) for frame, names in zip(frames, kept, strict=True)]
        return cls(pl.concat(chosen, how="diagonal"))

    @property
    def height(self) -> int:
        """How many there are."""
        return self.frame.height

    @cached_property
    def columns(self) -> list[str]:
        """All columns that can be compared."""
        return [*COMPARABLE, *(name for name in self.frame.columns if name.startswith(FURTHER))]

    def has(self, name: str) -> bool:
        """Whether a comparable column has values."""
        if name.startswith(OTHER):
            return self._identifier(name).null_count() < self.height
        if name == "given_groups":
            return bool(self._groups.is_not_null().to_numpy()[self.column("given_name").codes].any())
        return bool(self.column(name).codes.any())

    def column(self, name: str) -> Column:
        """Return a column with one value a row."""
        if name in self._whole:
            return self._whole[name]
        if name in _JOINED:
            return self._joined[name]
        if name.startswith(FURTHER):
            return _encoded(self._identifier(name))[0]
        for whole, parts in self._parts.items():
            if name in parts:
                return Column(parts[name].codes[self.column(whole).codes], parts[name].values)
        return self._part_of_another(name)

    def lists(self, name: str) -> Lists:
        """Return a column of lists: of codes of the column of which these are other values, or of groups."""
        import numpy as np

        lists = self._groups if name == "given_groups" else self._identifier(name)
        lengths = lists.list.len().fill_null(0).to_numpy()
        starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        if name == "given_groups":
            held = lists.explode().drop_nulls().to_numpy().astype(np.int32)
            return Lists(self.column("given_name").codes, starts, held)
        # Before the list of the first row stands an empty one, for those who have none.
        rows = np.where(lengths > 0, np.arange(1, lengths.size + 1), 0).astype(np.int32)
        return Lists(rows, np.concatenate([[0], starts]), self._others[name])

    def _identifier(self, name: str) -> pl.Series:
        if name in self.frame.columns:
            return self.frame[name]
        dtype = pl.List(pl.String()) if name.startswith(OTHER) else RECORDS[name]
        return pl.Series(name, [None], dtype).new_from_index(0, self.height)

    @cached_property
    def _grouped(self) -> "tuple[dict[str, Column], dict[str, NDArray[np.int32]]]":
        """Encode the identifiers whose values are compared with other values, too, and the lists of those."""
        whole: dict[str, Column] = {}
        others: dict[str, NDArray[np.int32]] = {}
        for group in _GROUPS:
            lists = [OTHER + name for name in group]
            held = [self._identifier(name).drop_nulls().explode().drop_nulls() for name in lists]
            values, codes = encode([*(self._identifier(name) for name in group), *held])
            whole |= {name: Column(each, values) for name, each in zip(group, codes, strict=False)}
            others |= dict(zip(lists, codes[len(group) :], strict=True))
        return whole, others

    @property
    def _others(self) -> "Mapping[str, NDArray[np.int32]]":
        return self._grouped[1]

    @cached_property
    def _whole(self) -> Mapping[str, Column]:
        """The columns that are read as they are, and dates as they are written."""
        values, (gender,) = encode([self._identifier("gender").cast(pl.String)])
        written = pl.DataFrame([self._identifier(name) for name in _WRITTEN])
        return {**self._grouped[0], "gender": Column(gender, values), _DATE: _encode_rows(written)}

    @cached_property
    def _groups(self) -> pl.Series:
        """The groups of nicknames of each given name."""
        return _comparable(given_name=self._whole["given_name"].values)["given_groups"]

    @cached_property
    def _parts(self) -> Mapping[str, Mapping[str, Column]]:
        """By whole column, the parts of each of its values."""
        names, postcodes, dates = (self._whole[name].values for name in ("given_name", "postcode", _DATE))
        of_names = _comparable(given_name=names)
        (sounds,), (letters,) = _encoded(of_names["given_sound"]), _encoded(names.str.head(1))
        of_postcodes = _comparable(postcode=postcodes)
        of_dates = _comparable(**{name: dates.struct.field(name) for name in _WRITTEN})
        date, partial, days = (
            _encoded(of_dates[name])[0] for name in ("birth_date", "partial_birth_date", "birth_days")
        )
        return {
            "given_name": {"given_sound": sounds, _FIRST_LETTER + "given_name": letters},
            "family_name": {"family_sound": sounds, _FIRST_LETTER + "family_name": letters},
            "postcode": {name: _encoded(of_postcodes[name])[0] for name in _PARTS_OF_POSTCODE},
            _DATE: {
                "birth_date": date,
                "partial_birth_date": partial,
                "birth_days": days,
                **dict(zip(_PARTS_OF_DATE, _encoded(*(of_dates[name] for name in _PARTS_OF_DATE)), strict=True)),
            },
        }

    @cached_property
    def _joined(self) -> Mapping[str, Column]:
        """The columns that are made of two others, which are never asked for what they hold."""
        letters = [self.column(_FIRST_LETTER + name) for name in ("given_name", "family_name")]
        return {
            "full_name": _join(self.column("given_name"), self.column("family_name")),
            "home": _join(self.column("postcode"), self.column("address")),
            "initials": _join(*letters),
        }

    def _part_of_another(self, name: str) -> Column:
        """Return what only one kind of question asks for."""
        for whole in ("postcode", *(name for name in self.columns if name.startswith(FURTHER))):
            parts = {inward(whole): lambda values: values.str.tail(3)}
            parts |= {
                part_of_date("year", whole): lambda values: values.dt.year(),
                part_of_date("month", whole): lambda values: values.dt.month(),
                part_of_date("day", whole): lambda values: values.dt.day(),
            }
            if name in parts:
                column = self.column(whole)
                (part,) = _encoded(parts[name](column.values))
                return Column(part.codes[column.codes], part.values)
        raise KeyError(name)


def _join(one: Column, other: Column) -> Column:
    """Encode pairs of texts: two codes are equal if both texts are, with a space between them.

    Of two pairs with the same words, the space may be between others. So pairs with more than the usual number of
    spaces are compared as texts.
    """
    import numpy as np

    both = (one.codes != 0) & (other.codes != 0)
    keys = np.where(both, (one.codes.astype(np.uint64) << np.uint64(32)) | other.codes.astype(np.uint64), np.uint64(0))
    spaces, others = (side.values.str.count_matches(" ", literal=True).fill_null(0).to_numpy() for side in (one, other))
    least = spaces[1:].min(initial=spaces.max(initial=0))
    if spaces.max(initial=0) > least:
        rows = np.flatnonzero(both & ((spaces[one.codes] > least) | (others[other.codes] > 0)))
        texts = one.values.gather(one.codes[rows]) + " " + other.values.gather(other.codes[rows])
        _, first, same = np.unique(encode([texts])[1][0], return_index=True, return_inverse=True)
        keys[rows] = keys[rows][first][same]
    return Column(number(keys).found, pl.Series("value", [], pl.String))


def _is_compared(name: str) -> bool:
    return name in _IDENTIFIERS or name.startswith((FURTHER, OTHER))


def _encoded(*columns: pl.Series) -> list[Column]:
    """Encode columns that share a table."""
    values, codes = encode(columns)
    return [Column(each, values) for each in codes]


def _encode_rows(frame: pl.DataFrame) -> Column:
    """Encode the rows of a frame, which are never all missing: the values are structs."""
    distinct = frame.unique().with_row_index("code", offset=1)
    codes = frame.join(distinct, on=frame.columns, how="left", maintain_order="left", nulls_equal=True)["code"]
    values = pl.concat([frame.clear(1), distinct.select(frame.columns)]).to_struct("value")
    return Column(codes.cast(pl.Int32).to_numpy(), values)


def _comparable(**identifiers: pl.Series) -> pl.DataFrame:
    """Make the comparable columns of some identifiers; the others are missing."""
    height = max(each.len() for each in identifiers.values())
    absent = (
        pl.repeat(None, height, dtype=RECORDS[name], eager=True).alias(name)
        for name in _IDENTIFIERS
        if name not in identifiers
    )
    return comparable(pl.DataFrame([*(each.alias(name) for name, each in identifiers.items()), *absent]))
