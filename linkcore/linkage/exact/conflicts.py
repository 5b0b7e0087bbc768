"""Conflicts: a record carries the NHS Number of a person, but its name and birth date are those of somebody else.

A check digit does not identify anybody: a mistyped number may be the number of another person, and a baby is sometimes
given the number of its mother. So every link by number is compared with the demographics of its person. Some
disagreements occur between records of one person, over years and providers: a swapped or mistyped date, a nickname, a
married name, a move. They are no conflicts.
"""

from collections.abc import Iterator
from typing import Final

import polars as pl

__all__ = ["COMPARED", "contradict"]

COMPARED: Final = ("given_name", "family_name", "birth_date", "birth_date_text", "gender", "postcode")
"""The identifiers that :func:`contradict` compares: of the record, and of the person with the suffix ``_person``."""

# The linkage of NHS England counts two names as agreeing above a Jaro-Winkler similarity of 0.88; below it, a score is
# lower. Here a disagreement breaks a link, so names count as different only below a lower similarity.
_SIMILAR: Final = 0.80


def contradict(pairs: pl.DataFrame) -> pl.Series:
    """Return whether the demographics of each record contradict those of the person whose number it carries.

    Birth dates differ if fewer than two of year, month and day agree, and day and month are not swapped. A record with
    another birth date is of somebody else, unless both its names agree with those of the person. If it has no name, its
    postcode must agree and its gender must not differ. A birth date without a day differs if its year does. Where a
    birth date is missing, a record is of somebody else only if both names differ. With too little to compare, nothing
    is contradicted.

    ``pairs``: one row a record: the columns of ``COMPARED`` of the record and, with the suffix ``_person``, of the
    person.

    Examples
    --------
    >>> import datetime as dt
    >>> import polars as pl
    >>> person = {"given_name": "ANNA", "family_name": "SMITH", "birth_date": dt.date(1980, 2, 3)}
    >>> records = [
    ...     person | {"family_name": "JONES", "birth_date": dt.date(1980, 3, 2)},  # married, and a swapped date
    ...     person | {"given_name": "PETER", "birth_date": dt.date(2011, 7, 28)},  # her son
    ... ]
    >>> columns = {name: pl.String for name in COMPARED} | {"birth_date": pl.Date}
    >>> pairs = pl.concat(
    ...     [pl.DataFrame(records, schema=columns),
    ...      pl.DataFrame([person] * 2, schema=columns).rename(lambda name: f"{name}_person")],
    ...     how="horizontal",
    ... )
    >>> contradict(pairs).to_list()
    [False, True]
    """
    if pairs.is_empty():
        return pl.Series("conflict", dtype=pl.Boolean)
    return pairs.with_columns(*_names_agree(pairs)).select(_contradiction().alias("conflict")).to_series()


def _names_agree(pairs: pl.DataFrame) -> Iterator[pl.Expr]:
    """Yield whether given names agree, family names agree, and the two are swapped; null where one is missing."""
    similarities = _jaro_winkler(pairs)
    for kind in ("given", "family"):
        record, person = pl.col(f"{kind}_name"), pl.col(f"{kind}_name_person")
        agree = [
            pl.lit(similarities[kind]) >= _SIMILAR,
            # ANNE and ANNA MARIE: one form may ask for a first name, another for all given names.
            pl.lit(similarities[f"first_{kind}"]) >= _SIMILAR,
            # An initial or a truncated name, and one part of a double name.
            record.str.starts_with(person),
            person.str.starts_with(record),
            record.str.split(" ").list.set_intersection(person.str.split(" ")).list.len() > 0,
        ]
        yield pl.any_horizontal(agree).alias(f"{kind}_agrees")
    given, family = pl.col("given_name"), pl.col("family_name")
    swapped = (given == pl.col("family_name_person")) & (family == pl.col("given_name_person"))
    yield swapped.alias("swapped")


def _jaro_winkler(pairs: pl.DataFrame) -> pl.DataFrame:
    """Return the Jaro-Winkler similarity, by DuckDB, of given and family names, and of their first words."""
    import duckdb

    similarity = "jaro_winkler_similarity({0}_name, {0}_name_person) AS {0}"
    of_first = "jaro_winkler_similarity(split_part({0}_name, ' ', 1), split_part({0}_name_person, ' ', 1)) AS first_{0}"
    columns = ", ".join(sql.format(kind) for kind in ("given", "family") for sql in (similarity, of_first))
    # Without a temporary directory, names are never spilled to disk.
    with duckdb.connect(config={"temp_directory": ""}) as connection:
        connection.register("pairs", pairs.select("^(given|family)_name.*$").with_row_index("i"))
        similarities: pl.DataFrame = connection.sql(f"SELECT {columns} FROM pairs ORDER BY i").pl()
    return similarities


def _contradiction() -> pl.Expr:
    differ = _birth_dates_differ()
    names_agree = (pl.col("given_agrees") & pl.col("family_agrees")) | pl.col("swapped")
    same_home = pl.col("postcode").eq(pl.col("postcode_person")).fill_null(False) & ~(
        pl.col("gender").ne(pl.col("gender_person")).fill_null(False)
    )
    one_name = pl.coalesce("given_agrees", "family_agrees")
    is_somebody_else = ~pl.coalesce(names_agree, one_name, same_home)
    other_names = ~(pl.col("given_agrees") | pl.col("family_agrees") | pl.col("swapped"))
    return pl.when(differ.is_null()).then(other_names.fill_null(False)).otherwise(differ & is_somebody_else)


def _birth_dates_differ() -> pl.Expr:
    """Whether fewer than two parts agree, and day and month are not swapped; null where either date is missing.

    A month without a day is not compared, since it may have been swapped with the day.
    """
    year, month, day = _parts("birth_date", "birth_date_text")
    year_person, month_person, day_person = _parts("birth_date_person", "birth_date_text_person")
    agreeing = pl.sum_horizontal(year == year_person, month == month_person, day == day_person)
    swapped = (year == year_person) & (month == day_person) & (day == month_person)
    both_whole = (day != "") & (day_person != "")
    return pl.when(both_whole).then((agreeing < 2) & ~swapped).otherwise(year != year_person)


def _parts(date: str, text: str) -> tuple[pl.Expr, pl.Expr, pl.Expr]:
    # The text of an impossible date (31 February) still has parts to compare.
    full = pl.coalesce(pl.col(date).dt.to_string("%Y-%m-%d"), pl.col(text))
    return full.str.slice(0, 4), full.str.slice(5, 2), full.str.slice(8, 2)
