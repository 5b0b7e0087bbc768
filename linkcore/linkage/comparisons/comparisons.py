"""What the fallback compares of two records, and how: Splink comparisons as plain SQL, and the columns they need.

Each comparison is a ladder of levels: a pair of records stands on the first rung that holds. Three habits keep the
ladders right and fast. Missing is neither agreement nor disagreement: where one of two values that are judged together
is missing, that is a rung of its own. What is shared for one reason is one comparison (given and family name; postcode
and address), because the weights of two comparisons are added. (Birth dates have one ladder where both are whole, and
others where a day or a month is missing: no pair stands on two of them.) And rungs that cost most, the edit distances,
stand behind a cheap test that they imply.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import polars as pl

from linkcore.errors import ProgrammeError
from linkcore.identifiers.nicknames import nickname_groups
from linkcore.identifiers.soundex import soundex
from linkcore.schema import FURTHER
from linkcore.sources.source import FurtherKind

__all__ = [
    "BIRTH_DATES",
    "COMPARABLE",
    "as_learned",
    "average_frequencies",
    "comparable",
    "compared_columns",
    "comparisons",
]

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
)
"""Columns that :func:`comparable` makes; ``further_*`` columns follow."""

BIRTH_DATES: Final = ("birth_date", "birth_month", "birth_year")
"""Comparisons of birth dates: of whole ones; of year and month, where a day is missing; of years, where more is."""

# NHS England's linkage lets two names agree above this Jaro-Winkler similarity; the two others are the further bars of
# Splink's own comparison of names. What each rung is worth is learned, so that only their order matters much.
_ALIKE: Final = 0.88
_NEARLY_EQUAL: Final = 0.92
_REMOTELY_ALIKE: Final = 0.70

_DAYS_OF_A_YEAR: Final = 366

# A birth date, and the text of one that is none.
_WRITTEN: Final = ("birth_date", "birth_date_text")

_Level = dict[str, Any]
_Comparison = dict[str, Any]


def comparable(frame: pl.DataFrame) -> pl.DataFrame:
    """Bring RECORDS or PERSONS to the form that is compared: every part of an identifier that a rung looks at.

    ``frame``: with the identifiers of :data:`linkcore.schema.RECORDS`; ``further_*`` columns are kept.
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
    """Make null a part that is not there, and a year of zeros, which is not known."""
    return pl.when(~part.is_in(["", "0000"])).then(part)


def comparisons(present: Sequence[str], further: Mapping[str, FurtherKind]) -> list[_Comparison]:
    """Give the comparisons of the identifiers that are there, as Splink's settings write them.

    Examples
    --------
    >>> [comparison["output_column_name"] for comparison in comparisons(["gender", "birth_date"], {})]
    ['birth_date', 'gender']
    """
    there = set(present)
    made = [
        *_names(there),
        *_birth_dates(there),
        *(
            [_comparison("gender", [_null("gender"), _level(_equal("gender"), "Agrees"), _else()])]
            if "gender" in there
            else []
        ),
        *_place(there),
    ]
    for column, kind in further.items():
        name = FURTHER + column
        if name in there:
            made.append(_comparison(name, _FURTHER_LEVELS[kind](name)))
    return made


def as_learned(comparison: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give a comparison of parts of a birth date as it is learned: also of dates of which more is known.

    How often the years of one person's records agree, whole dates tell as well, and there are many of them; of partial
    dates there may be none that are known to be of one person.

    Examples
    --------
    >>> (_, year) = comparisons(["birth_year", "birth_date", "partial_birth_date"], {})
    >>> as_learned(year)["comparison_levels"][0]["sql_condition"]
    '(birth_year_l IS NULL OR birth_year_r IS NULL)'
    """
    lacking = _LACKING.get(comparison["output_column_name"])
    if lacking is None:
        return comparison
    levels = [
        level | {"sql_condition": lacking} if level.get("is_null_level", False) else level
        for level in comparison["comparison_levels"]
    ]
    return {**comparison, "comparison_levels": levels}


def average_frequencies(made: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Give the columns whose common values weigh less than rare ones, and how likely two records are to agree on them.

    Examples
    --------
    >>> agrees = {"sql_condition": "birth_date_l = birth_date_r", "tf_adjustment_column": "birth_date"}
    >>> average_frequencies([{"comparison_levels": [agrees | {"u_probability": 0.00004}]}])
    {'birth_date': 4e-05}
    """
    frequencies: dict[str, float | None] = {}
    for level in (level for comparison in made for level in comparison["comparison_levels"]):
        column = level.get("tf_adjustment_column")
        if column:
            agrees = re.sub(r'"', "", level["sql_condition"]) == _equal(column)
            frequencies[column] = level["u_probability"] if agrees else frequencies.get(column)
    unknown = sorted(column for column, share in frequencies.items() if share is None)
    if unknown:
        raise ProgrammeError(
            f"the model adjusts for how common values of {', '.join(unknown)} are, and has no level on which just "
            "that agrees"
        )
    return {column: share for column, share in frequencies.items() if share is not None}


def compared_columns(made: Sequence[Mapping[str, Any]]) -> set[str]:
    """Give the columns that comparisons look at.

    Examples
    --------
    >>> sorted(compared_columns(comparisons(["birth_date"], {})))
    ['birth_date', 'birth_day', 'birth_days', 'birth_month', 'birth_year']
    """
    conditions = [level["sql_condition"] for comparison in made for level in comparison["comparison_levels"]]
    return {column for condition in conditions for column in re.findall(r"\b(\w+)_[lr]\b", condition)}


def _names(there: set[str]) -> Iterator[_Comparison]:
    if {"given_name", "family_name"} <= there:
        yield _comparison("name", list(_full_name_levels()))
    else:
        for name in ("given_name", "family_name"):
            if name in there:
                yield _comparison(name, _text_levels(name))


def _full_name_levels() -> Iterator[_Level]:
    """Given and family name together, as NHS England's linkage counts them.

    A family name is worth as much as it is rare on every rung where it agrees: also where the given name is a nickname
    or mistyped.
    """
    given, family = _equal("given_name"), _equal("family_name")
    no_given, no_family = _missing("given_name"), _missing("family_name")
    given_alike, family_alike = _similar("given_name", _ALIKE), _similar("family_name", _ALIKE)
    nickname = "list_has_any(given_groups_l, given_groups_r)"
    shortened = "(starts_with(given_name_l, given_name_r) OR starts_with(given_name_r, given_name_l))"
    # One part of a double name: the first one is seen by the Jaro-Winkler similarity too.
    part = (
        "(ends_with(family_name_l, ' ' || family_name_r) OR ends_with(family_name_r, ' ' || family_name_l) "
        "OR starts_with(family_name_l, family_name_r || ' ') OR starts_with(family_name_r, family_name_l || ' '))"
    )
    yield _nothing(f"{no_given} AND {no_family}")
    yield _level("full_name_l = full_name_r", "Both names agree", "full_name")
    crossed = "given_name_l = family_name_r", "family_name_l = given_name_r"
    yield _level(" AND ".join(crossed), "Names swapped")
    one_crossed = [
        f"({equal} AND jaro_winkler_similarity({other.replace(' = ', ', ')}) > {_ALIKE})"
        for equal, other in (crossed, crossed[::-1])
    ]
    yield _level(" OR ".join(one_crossed), "Names swapped, one alike")
    both_crossed = [f"jaro_winkler_similarity({each.replace(' = ', ', ')}) > {_ALIKE}" for each in crossed]
    yield _level(" AND ".join(both_crossed), "Names swapped, both alike")
    yield _level(f"{family} AND {given_alike}", "Family name agrees, given name alike", "family_name")
    yield _level(f"{family} AND {nickname}", "Family name agrees, given name a nickname", "family_name")
    yield _level(f"{family} AND {shortened}", "Family name agrees, given name shortened", "family_name")
    yield _level(f"{given} AND ({part} OR {family_alike})", "Given name agrees, family name alike", "given_name")
    yield _level(f"{family_alike} AND ({given_alike} OR {nickname})", "Both names alike")
    yield _level(f"{family} AND {no_given}", "Family name agrees, given name missing", "family_name")
    yield _level(f"{given} AND {no_family}", "Given name agrees, family name missing", "given_name")
    given_remote, family_remote = (_similar(f"{kind}_name", _REMOTELY_ALIKE) for kind in ("given", "family"))
    for missing, other, alike, remote in (
        (no_given, "Family", family_alike, family_remote),
        (no_family, "Given", given_alike, given_remote),
    ):
        without = "given name missing" if other == "Family" else "family name missing"
        yield _level(f"{missing} AND {alike}", f"{other} name alike, {without}")
        yield _level(f"{missing} AND {remote}", f"{other} name remotely alike, {without}")
        yield _level(missing, f"{other} name differs, {without}")
    yield _level(f"{family} AND {given_remote}", "Family name agrees, given name remotely alike", "family_name")
    yield _level(f"{given} AND {family_remote}", "Given name agrees, family name remotely alike", "given_name")
    yield _level(family, "Family name agrees only", "family_name")
    yield _level(given, "Given name agrees only", "given_name")
    yield _level(f"{given_remote} AND {family_remote}", "Both names remotely alike")
    yield _else()


def _birth_dates(there: set[str]) -> Iterator[_Comparison]:
    """Whole dates, and where there are partial ones, what those have: the month with the year, or the year alone."""
    if "birth_date" in there:
        yield _birth_date()
    if "partial_birth_date" not in there:
        return
    year, month, both_whole = _equal("birth_year"), _equal("birth_month"), f"NOT {_missing('birth_date')}"
    if "birth_month" in there:
        yield _comparison(
            "birth_month",
            [
                _nothing(f"{both_whole} OR {_LACKING['birth_month']}"),
                _level(f"{year} AND {month}", "Year and month agree", "birth_year"),
                _level(year, "Year agrees only", "birth_year"),
                _level(month, "Month agrees only"),
                _else(),
            ],
        )
    # A year that was worked out from an age is the one before, or the one after.
    neighbours = "abs(birth_year_l::INTEGER - birth_year_r::INTEGER) <= 1"
    yield _comparison(
        "birth_year",
        [
            _nothing(f"{both_whole} OR NOT {_missing('birth_month')} OR {_LACKING['birth_year']}"),
            _exact("birth_year"),
            _level(neighbours, "Neighbouring years"),
            _else(),
        ],
    )


def _birth_date() -> _Comparison:
    year, month, day = _equal("birth_year"), _equal("birth_month"), _equal("birth_day")
    two_parts = f"(({year} AND {month}) OR ({year} AND {day}) OR ({month} AND {day}))"
    swapped = f"{year} AND birth_month_l = birth_day_r AND birth_day_l = birth_month_r"
    # One wrong digit, or two neighbours exchanged, leaves two of the three parts as they were.
    one_edit = f"{two_parts} AND damerau_levenshtein(birth_date_l, birth_date_r) <= 1"
    return _comparison(
        "birth_date",
        [
            _null("birth_date"),
            _exact("birth_date"),
            _level(swapped, "Day and month swapped"),
            _level(one_edit, "One edit"),
            _level(f"{year} AND {month}", "Year and month agree"),
            _level(f"{month} AND {day}", "Month and day agree"),
            _level(f"{year} AND {day}", "Year and day agree"),
            _level(f"abs(birth_days_l - birth_days_r) <= {_DAYS_OF_A_YEAR}", "Within a year"),
            _else(),
        ],
    )


def _place(there: set[str]) -> Iterator[_Comparison]:
    """Postcode and address line: one comparison, because who shares an address shares its postcode."""
    if "postcode" not in there:
        if "address" in there:
            yield _comparison("address", _text_levels("address"))
        return
    if "address" not in there:
        yield _comparison("postcode", [_null("postcode"), _exact("postcode"), *_parts_of_postcode(), _else()])
        return
    postcode, no_address = _equal("postcode"), _missing("address")
    alike = _similar("address", _ALIKE)
    yield _comparison(
        "place",
        [
            _nothing(f"{_missing('postcode')} AND {no_address}"),
            _level("home_l = home_r", "Postcode and address agree", "home"),
            _level(f"{postcode} AND {no_address}", "Postcode agrees, address missing", "postcode"),
            _level(f"{postcode} AND {alike}", "Postcode agrees, address alike", "postcode"),
            _level(postcode, "Postcode agrees only", "postcode"),
            _level("address_l = address_r", "Address agrees only", "address"),
            *_parts_of_postcode(),
            _level(f"{_missing('postcode')} AND {alike}", "Address alike, postcode missing"),
            _else(),
        ],
    )


def _parts_of_postcode() -> Iterator[_Level]:
    # One edit is in the outward or in the inward code, so the other of them agrees.
    half = "(postcode_district_l = postcode_district_r OR right(postcode_l, 3) = right(postcode_r, 3))"
    yield _level(f"{half} AND damerau_levenshtein(postcode_l, postcode_r) <= 1", "Postcode with one edit")
    yield _level("postcode_sector_l = postcode_sector_r", "Postcode sector agrees")
    yield _level("postcode_district_l = postcode_district_r", "Postcode district agrees")
    yield _level("postcode_area_l = postcode_area_r", "Postcode area agrees")


def _code_levels(name: str) -> list[_Level]:
    # A mistyped digit of a telephone number tells much, one of a two-letter code nothing: that is learned.
    one_edit = f"damerau_levenshtein({name}_l, {name}_r) <= 1"
    return [_null(name), _exact(name), _level(one_edit, "One edit"), _else()]


def _text_levels(name: str) -> list[_Level]:
    # Null where either text is; said so, DuckDB computes the similarity once for all rungs, not once for each.
    missing = f"jaro_winkler_similarity({name}_l, {name}_r) IS NULL"
    return [
        _nothing(missing),
        _exact(name),
        _level(_similar(name, _NEARLY_EQUAL), "Nearly equal"),
        _level(_similar(name, _ALIKE), "Alike"),
        _level(_similar(name, _REMOTELY_ALIKE), "Remotely alike"),
        _else(),
    ]


def _number_levels(name: str) -> list[_Level]:
    within = f"abs({name}_l - {name}_r) <= {{share}} * greatest(abs({name}_l), abs({name}_r))"
    return [
        _null(name),
        _exact(name),
        _level(within.format(share="0.01"), "Within 1 %: rounded"),
        _level(within.format(share="0.1"), "Within 10 %"),
        _else(),
    ]


def _date_levels(name: str) -> list[_Level]:
    year, month, day = (f"{part}({name}_l) = {part}({name}_r)" for part in ("year", "month", "day"))
    return [
        _null(name),
        _exact(name),
        _level(f"({year} AND {month}) OR ({year} AND {day}) OR ({month} AND {day})", "Two of year, month and day"),
        _level(f"abs(date_diff('day', {name}_l, {name}_r)) <= {_DAYS_OF_A_YEAR}", "Within a year"),
        _else(),
    ]


_FURTHER_LEVELS: Final = {
    "exact": _code_levels,
    "text": _text_levels,
    "number": _number_levels,
    "date": _date_levels,
}


def _comparison(name: str, levels: list[_Level]) -> _Comparison:
    return {"output_column_name": name, "comparison_levels": levels}


def _level(condition: str, label: str, term_frequency: str | None = None) -> _Level:
    level: _Level = {"sql_condition": condition, "label_for_charts": label}
    return level if term_frequency is None else level | {"tf_adjustment_column": term_frequency}


def _nothing(condition: str) -> _Level:
    return {"sql_condition": condition, "label_for_charts": "Missing", "is_null_level": True}


def _null(name: str) -> _Level:
    return _nothing(_missing(name))


def _exact(name: str) -> _Level:
    return _level(_equal(name), "Agrees", name)


def _else() -> _Level:
    return {"sql_condition": "ELSE", "label_for_charts": "Differs"}


def _equal(name: str) -> str:
    return f"{name}_l = {name}_r"


def _missing(name: str) -> str:
    return f"({name}_l IS NULL OR {name}_r IS NULL)"


def _similar(name: str, bar: float) -> str:
    return f"jaro_winkler_similarity({name}_l, {name}_r) > {bar}"


# Of a pair that these hold of, there is nothing to be compared.
_LACKING: Final = {
    "birth_month": f"{_missing('birth_year')} OR {_missing('birth_month')}",
    "birth_year": _missing("birth_year"),
}
