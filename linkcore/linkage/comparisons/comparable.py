"""The columns that comparisons and blocking rules look at, made from the identifiers of records and persons."""

from collections.abc import Iterator
from typing import Final

import polars as pl

from linkcore.identifiers.nicknames import nickname_groups
from linkcore.identifiers.soundex import soundex
from linkcore.schema import ALTERNATIVE, FURTHER, OTHER

__all__ = ["COMPARABLE", "comparable"]

_OTHERS: Final = tuple(OTHER + identifier for identifier in ALTERNATIVE)

COMPARABLE: Final = (
    "given_name",
    "family_name",
    "full_name",
    "given_groups",
    "initials",
    "given_sound",
    "family_sound",
    "birth_date",
    "birth_year",
    "birth_month",
    "birth_day",
    "birth_days",
    "partial_birth_date",
    "gender",
    "postcode",
    "postcode_sector",
    "postcode_district",
    "postcode_area",
    "address",
    "home",
    *_OTHERS,
)
"""Columns that :func:`comparable` makes; ``further_*`` columns follow."""

# A birth date, and the text of one that is none.
_WRITTEN: Final = ("birth_date", "birth_date_text")


def comparable(frame: pl.DataFrame) -> pl.DataFrame:
    """Bring RECORDS or PERSONS to the form that is compared: every part of an identifier that a level looks at.

    ``frame``: with the identifiers of :data:`linkcore.schema.RECORDS`; ``further_*`` and ``other_*`` columns are kept;
    without the latter, they are null.
    Returns ``COMPARABLE`` and the further columns, one row a row.

    Examples
    --------
    >>> import datetime as dt
    >>> from linkcore.schema import RECORDS
    >>> person = {"given_name": "ANNA", "family_name": "NG", "birth_date": dt.date(1980, 2, 3), "postcode": "EX1 2AB"}
    >>> row = comparable(pl.DataFrame([person], schema=RECORDS)).row(0, named=True)
    >>> row["full_name"], row["initials"], row["birth_date"], row["postcode_sector"], row["postcode_area"]
    ('ANNA NG', 'AN', '1980-02-03', 'EX1 2', 'EX')
    """
    postcode = pl.col("postcode")
    # There are far fewer dates than people.
    dates = frame.select(_WRITTEN).unique().with_columns(_parts_of_birth_dates())
    return frame.join(dates, on=_WRITTEN, how="left", maintain_order="left", nulls_equal=True).select(
        "given_name",
        "family_name",
        (pl.col("given_name") + " " + pl.col("family_name")).alias("full_name"),
        nickname_groups(pl.col("given_name")).alias("given_groups"),
        (pl.col("given_name").str.head(1) + pl.col("family_name").str.head(1)).alias("initials"),
        soundex(pl.col("given_name")).alias("given_sound"),
        soundex(pl.col("family_name")).alias("family_sound"),
        pl.col("whole").alias("birth_date"),
        "birth_year",
        "birth_month",
        "birth_day",
        "birth_days",
        "partial_birth_date",
        pl.col("gender").cast(pl.String),
        postcode,
        postcode.str.head(-2).alias("postcode_sector"),
        postcode.str.head(-4).alias("postcode_district"),
        postcode.str.extract(r"^([A-Z]+)").alias("postcode_area"),
        "address",
        (postcode + " " + pl.col("address")).alias("home"),
        *(name if name in frame.columns else pl.lit(None, pl.List(pl.String)).alias(name) for name in _OTHERS),
        pl.col(f"^{FURTHER}.*$"),
    )


def _parts_of_birth_dates() -> Iterator[pl.Expr]:
    date = pl.coalesce(pl.col("birth_date").dt.to_string("%Y-%m-%d"), "birth_date_text")
    is_whole = date.str.len_bytes() == len("YYYY-MM-DD")
    yield pl.when(is_whole).then(date).alias("whole")
    yield _known(date.str.slice(0, 4)).alias("birth_year")
    yield _known(date.str.slice(5, 2)).alias("birth_month")
    yield _known(date.str.slice(8, 2)).alias("birth_day")
    yield pl.col("birth_date").to_physical().alias("birth_days")
    yield pl.when(~is_whole).then(date).alias("partial_birth_date")


def _known(part: pl.Expr) -> pl.Expr:
    """Make a part null that is not there, and a year of zeros, which is not known."""
    return pl.when(~part.is_in(["", "0000"])).then(part)
