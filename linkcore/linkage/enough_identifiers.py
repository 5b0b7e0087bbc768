"""How many identifiers are enough: one rule for each question, side by side, since the questions differ."""

from collections.abc import Sequence
from typing import Final

import polars as pl

from linkcore.schema import FURTHER, METHOD

__all__ = ["enough_to_be_found", "enough_to_compare", "enough_to_tell", "fields_present", "new_person_or_unlinked"]

_FIELDS: Final = ("given_name", "family_name", "birth_date", "gender", "postcode", "address")

# Two columns that hold the same thing in two forms are one identifier.
_COMPARED: Final = (
    ("given_name",),
    ("family_name",),
    ("birth_date", "birth_date_text"),
    ("gender",),
    ("postcode", "address"),
)

_FEWEST_TO_COMPARE: Final = 2
_FEWEST_TO_BE_FOUND: Final = 3


def fields_present(records: pl.DataFrame) -> pl.DataFrame:
    """Return which fields each record has: Boolean columns ``has_*``, without nulls.

    Records with the same fields are alike for the self-test. Each column counts by itself, since blocking and scoring
    treat a postcode and an address line differently.

    Examples
    --------
    >>> fields_present(pl.DataFrame({"family_name": ["NG", None], "gender": [None, "male"]})).rows()
    [(True, False), (False, True)]
    """
    names = [*_FIELDS, *_further(records.columns)]
    return records.select(pl.col(name).is_not_null().alias(f"has_{name}") for name in names if name in records.columns)


def enough_to_compare(records: pl.DataFrame) -> pl.Series:
    """Return whether each record has two identifiers at least, without which the fallback does not compare it.

    No link may hang on a single value, however rare the value is. A postcode and an address are one identifier here,
    and so are a birth date and the text of a partial one.

    Examples
    --------
    >>> from linkcore.schema import RECORDS
    >>> frame = pl.DataFrame([{"family_name": "NG"}, {"family_name": "NG", "gender": "male"}], schema=RECORDS)
    >>> enough_to_compare(frame).to_list()
    [False, True]
    """
    identifiers = [*_COMPARED, *((name,) for name in _further(records.columns))]
    given = [pl.any_horizontal(pl.col(*names).is_not_null()).cast(pl.UInt8) for names in identifiers]
    return records.select(pl.sum_horizontal(given) >= _FEWEST_TO_COMPARE).to_series()


def enough_to_tell(records: pl.DataFrame) -> pl.Series:
    """Return whether each record has both names and a birth date, by which it tells whether its person is listed.

    Examples
    --------
    >>> import datetime as dt
    >>> born = {"family_name": "NG", "birth_date": dt.date(1980, 2, 3)}
    >>> enough_to_tell(pl.DataFrame([born, {"given_name": "ANNA", **born}])).to_list()
    [False, True]
    """
    names = ("given_name", "family_name", "birth_date")
    if not set(names) <= set(records.columns):
        return pl.repeat(False, records.height, eager=True)
    return records.select(pl.all_horizontal(pl.col(*names).is_not_null())).to_series()


def enough_to_be_found(columns: Sequence[str]) -> pl.Expr:
    """Whether a record has three fields at least, with which blocking should find its person.

    The report counts such records apart. Each column counts by itself, because each blocking rule asks for certain
    columns; so a partial birth date does not count.

    Examples
    --------
    >>> frame = pl.DataFrame({"family_name": ["NG", "NG"], "gender": ["male", None], "postcode": ["EX1 2AB"] * 2})
    >>> frame.select(enough_to_be_found(frame.columns)).to_series().to_list()
    [True, False]
    """
    names = [name for name in (*_FIELDS, *_further(columns)) if name in columns]
    return pl.sum_horizontal(pl.col(name).is_not_null().cast(pl.UInt8) for name in names) >= _FEWEST_TO_BE_FOUND


def new_person_or_unlinked() -> pl.Expr:
    """``new_person`` for an unplaced record by which somebody could be recognised, ``unlinked`` for any other.

    A person could be recognised by a birth date and a name, or by both names and a postcode. A count of identifiers
    would not do: a gender and a postcode are two, and describe thousands of people.
    """
    date, given, family, postcode = (
        pl.col(name).is_not_null() for name in ("birth_date", "given_name", "family_name", "postcode")
    )
    enough = (date & (given | family)) | (given & family & postcode)
    return pl.when(enough).then(pl.lit("new_person", METHOD)).otherwise(pl.lit("unlinked", METHOD))


def _further(columns: Sequence[str]) -> list[str]:
    return [name for name in columns if name.startswith(FURTHER)]
