"""Make the errors that providers make, each kind in many records at once."""

from collections.abc import Mapping
from typing import Final

import numpy as np
import polars as pl

from linkcore.synthetic.kinds import Index, Shares, draw_kinds, overwrite
from linkcore.synthetic.misspellings import misheard, misread, mistyped
from linkcore.synthetic.number_errors import exchange_numbers, lose_numbers
from linkcore.synthetic.population import Population
from linkcore.synthetic.rates import ErrorRates

__all__ = ["make_errors"]

# How many times more often than for other people: errors in names that clerks rarely meet (every published evaluation
# finds that linkage misses more people of other heritages), and old postcodes of people who moved.
_UNFAMILIAR: Final = 2.0
_MOVED: Final = 2.7
_PSEUDO_POSTCODES: Final = ("ZZ99 3VZ", "ZZ99 3WZ", "ZZ99 3CZ")
_NO_NAMES: Final = (None, None, None, "UNKNOWN", "NOT KNOWN")
_NEWBORN: Final = ("BABY", "BABY", "INFANT", "TWIN ONE", "TWIN 2")


def make_errors(
    rng: np.random.Generator,
    records: pl.DataFrame,
    population: Population,
    rates: ErrorRates,
    *,
    number_range: tuple[int, int],
    part: float = 1.0,
    no_number: float | None = None,
    weight: Shares | None = None,
) -> pl.DataFrame:
    """Make one provider's errors in its records.

    ``records`` holds the truth, one row for each record: ``entity``, ``nhs_number``, ``no_number``, ``number_wrong``,
    ``given_name``, ``family_name``, ``birth_date``, ``impossible_date``, ``gender``, ``postcode``, ``address``.
    """
    if not len(records):
        return records
    target = rates.no_number if no_number is None else no_number
    records = lose_numbers(rng, records, population, rates, target=target, weight=weight)
    records = exchange_numbers(rng, records, population, rates, part=part, number_range=number_range)
    missing = records["no_number"].to_numpy()
    # The rate over all records is as given, and without_number times higher for records without a number.
    share = float(np.average(missing, weights=weight))
    chance = part * np.where(missing, rates.without_number, 1) / (1 - share + rates.without_number * share)

    def draw_rows(rate: float, likelier: Shares | None = None) -> Index:
        relative = chance if likelier is None else chance * likelier / np.average(likelier, weights=weight)
        return np.flatnonzero(rng.random(len(records)) < np.minimum(rate * relative, 0.97))

    people = population.people
    entity = records["entity"]
    unfamiliar = ~people["ethnic_group"].gather(entity).is_in(["A", "B"]).to_numpy()
    moved = people["previous_dwelling"].gather(entity).is_not_null().to_numpy()
    records = _change_names(
        rng, records, draw_rows(rates.name, np.where(unfamiliar, _UNFAMILIAR, 1.0)), people, rates.name_kinds
    )
    records = _remove_names(rng, records, draw_rows(rates.no_name))
    records = _change_birth_dates(rng, records, draw_rows(rates.birth_date), rates.birth_date_kinds)
    movers = np.where(moved, _MOVED, 1.0) if "old" in rates.postcode_kinds else None
    records = _change_addresses(rng, records, draw_rows(rates.postcode, movers), population, rates.postcode_kinds)
    return _change_gender(rng, records, draw_rows(rates.gender))


def _change_names(
    rng: np.random.Generator, records: pl.DataFrame, rows: Index, people: pl.DataFrame, kinds: Mapping[str, float]
) -> pl.DataFrame:
    """Get names wrong: choose a kind of error for each row that can have it."""
    rows = rows[records["given_name"].gather(rows).is_not_null().to_numpy()]
    person = people.select("age", "gender", "nickname", "middle_name", "previous_family_name")
    named = records.select("entity", "given_name", "family_name")[rows]
    named = named.hstack(person[named["entity"]])
    can = {
        "nickname": pl.col("nickname").is_not_null() & (pl.col("nickname") != pl.col("given_name")),
        "surname_changed": pl.col("previous_family_name").is_not_null()
        & (pl.col("previous_family_name") != pl.col("family_name")),
        "hyphen_lost": pl.concat_str("given_name", "family_name").str.contains("-", literal=True),
        "middle_name": pl.col("middle_name").is_not_null(),
        "newborn": pl.col("age") < 1,
        "initial": pl.col("given_name").str.len_chars() > 1,
        "truncation": pl.col("family_name").str.len_chars() > 4,
        "swap": pl.col("given_name") != pl.col("family_name"),
    }
    possible = named.select(**can)
    # If the name of a newborn is wrong, it is most likely BABY or the like.
    share = {kind: value * 30 if kind == "newborn" else value for kind, value in kinds.items()}
    kind = draw_kinds(rng, share, len(rows), {name: possible[name].to_numpy() for name in can})
    given, family = named["given_name"], named["family_name"]
    for name in kinds:
        these = np.flatnonzero(kind == name)
        if len(these):
            new_given, new_family = _changed_names(rng, name, named[these])
            given, family = given.scatter(these, new_given), family.scatter(these, new_family)
    return overwrite(records, rows, pl.DataFrame({"given_name": given, "family_name": family}))


def _changed_names(rng: np.random.Generator, kind: str, named: pl.DataFrame) -> tuple[pl.Series, pl.Series]:
    """Return given and family names with one kind of error."""
    given, family = named["given_name"], named["family_name"]
    if kind in _MISSPELT:
        # Only one of the two names is misspelt, the longer one more often.
        in_given = rng.random(len(named)) < (given.str.len_chars() / (given + family).str.len_chars()).to_numpy()
        given_rows, family_rows = np.flatnonzero(in_given), np.flatnonzero(~in_given)
        misspell = _MISSPELT[kind]
        return given.scatter(given_rows, misspell(rng, given[given_rows])), family.scatter(
            family_rows, misspell(rng, family[family_rows])
        )
    if kind == "swap":
        return family, given
    coin = pl.Series(rng.random(len(named)) < 0.5)
    match kind:
        case "nickname":
            new = pl.col("nickname"), pl.col("family_name")
        case "initial":
            new = pl.col("given_name").str.slice(0, 1), pl.col("family_name")
        case "truncation":
            kept = (pl.col("family_name").str.len_chars() * 0.6).ceil().cast(pl.Int64)
            new = pl.col("given_name"), pl.col("family_name").str.slice(0, kept)
        case "surname_changed":
            new = pl.col("given_name"), pl.col("previous_family_name")
        case "hyphen_lost":
            new = _one_part("given_name", coin), _one_part("family_name", coin)
        case "middle_name":
            new = pl.col("given_name") + " " + pl.col("middle_name"), pl.col("family_name")
        case _:  # newborn
            words = pl.Series(np.array(_NEWBORN)[rng.integers(0, len(_NEWBORN), size=len(named))])
            sex = pl.when(pl.col("gender") == 1).then(pl.lit("BABY BOY")).otherwise(pl.lit("BABY GIRL"))
            new = pl.when(coin).then(sex).otherwise(words), pl.col("family_name")
    made = named.select(new[0].alias("given_name"), new[1].alias("family_name"))
    return made["given_name"], made["family_name"]


_MISSPELT: Final = {"typing": mistyped, "phonetic": misheard, "ocr": misread}


def _one_part(column: str, first: pl.Series) -> pl.Expr:
    """Return one part of a hyphenated name, the first or the last."""
    parts = pl.col(column).str.split("-")
    return pl.when(first).then(parts.list.first()).otherwise(parts.list.last())


def _remove_names(rng: np.random.Generator, records: pl.DataFrame, rows: Index) -> pl.DataFrame:
    """Remove the name, or write a word that says that it is unknown."""
    words = pl.Series(_NO_NAMES, dtype=pl.String).gather(rng.integers(0, len(_NO_NAMES), size=len(rows)))
    return overwrite(records, rows, pl.DataFrame({"given_name": words, "family_name": words}))


def _change_birth_dates(
    rng: np.random.Generator, records: pl.DataFrame, rows: Index, kinds: Mapping[str, float]
) -> pl.DataFrame:
    """Get birth dates wrong, or remove them."""
    dates = records["birth_date"].gather(rows)
    year, month, day = (
        getattr(dates.dt, part)().fill_null(1).to_numpy().astype(np.int64) for part in ("year", "month", "day")
    )
    kind = draw_kinds(
        rng, kinds, len(rows), {"swap": (day <= 12) & (day != month), "first_of_january": (day > 1) | (month > 1)}
    )
    where = rng.random(len(rows))
    step = rng.integers(1, 9, size=len(rows))
    tens = np.where(day > 9, day // 10 * 10, 0)
    other_day = np.where(tens > 0, tens + (day % 10 + step) % 10, (day + step - 1) % 9 + 1)
    digit = kind == "digit"
    new_day = np.where(digit & (where < 0.5), other_day, np.where(kind == "swap", month, day))
    new_month = np.where(digit & (where >= 0.8), (month + step - 1) % 12 + 1, np.where(kind == "swap", day, month))
    ones = year // 10 * 10 + (year + step) % 10
    off = np.select([where < 0.35, where < 0.7, where < 0.85], [1, -1, 10], -10)
    new_year = np.where(digit & (where >= 0.5) & (where < 0.8), ones, np.where(kind == "year", year + off, year))
    first = np.isin(kind, ("first_of_january", "default"))
    new_year = np.where(kind == "default", 1900, new_year)
    new_month, new_day = np.where(first, 1, new_month), np.where(first, 1, new_day)
    impossible = kind == "impossible"  # 30 or 31 February: stored as the 28th, with a mark
    new_month, new_day = np.where(impossible, 2, new_month), np.where(impossible, 28, new_day)
    new = {
        "birth_date": _dates(new_year, new_month, new_day).set(pl.Series(kind == "missing"), None),
        "impossible_date": impossible,
    }
    return overwrite(records, rows, pl.DataFrame(new))


def _dates(year: Index, month: Index, day: Index) -> pl.Series:
    """Build dates; a day after the end of its month becomes the last day of the month."""
    months = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
    last = (months + 1).astype("datetime64[D]") - 1
    dates = np.minimum(months.astype("datetime64[D]") + (day - 1), last)
    return pl.Series(dates.astype("datetime64[ms]"), dtype=pl.Datetime("ms")).cast(pl.Date)


def _change_addresses(
    rng: np.random.Generator, records: pl.DataFrame, rows: Index, population: Population, kinds: Mapping[str, float]
) -> pl.DataFrame:
    """Keep old addresses, get postcodes wrong, or remove them."""
    dwellings = population.places.dwellings
    previous = population.people["previous_dwelling"].gather(records["entity"].gather(rows))
    now = records.select("postcode", "address")[rows]
    known = now["postcode"].is_not_null().to_numpy()
    kind = draw_kinds(rng, kinds, len(rows), {"old": previous.is_not_null().to_numpy(), "typing": known})
    before = dwellings.select("postcode", "address")[previous.fill_null(0)]
    scene = dwellings["postcode"].gather(rng.integers(0, population.places.homes, size=len(rows)))
    typed = _mistype_postcodes(rng, now["postcode"])
    pseudo = pl.Series(_PSEUDO_POSTCODES).gather(rng.integers(0, len(_PSEUDO_POSTCODES), size=len(rows)))
    case = pl.col("kind")
    nothing = pl.lit(None, pl.String)
    new = now.with_columns(pl.Series("kind", kind, dtype=pl.String)).select(
        postcode=pl.when(case == "old")
        .then(before["postcode"])
        .when(case == "incident")
        .then(scene)
        .when(case == "typing")
        .then(typed)
        .when(case == "pseudo")
        .then(pseudo)
        .when(case == "missing")
        .then(nothing)
        .otherwise("postcode"),
        address=pl.when(case == "old")
        .then(before["address"])
        .when(case.is_in(["incident", "typing", ""]))
        .then(pl.col("address"))
        .otherwise(nothing),
    )
    return overwrite(records, rows, new)


def _mistype_postcodes(rng: np.random.Generator, postcodes: pl.Series) -> pl.Series:
    """Get the sector or the last letter of postcodes wrong."""
    letters = np.array(list("ABDEFGHJLNPQRSTUWXYZ"))[rng.integers(0, 20, size=len(postcodes))]
    frame = pl.DataFrame({"text": postcodes, "letter": letters, "where": rng.random(len(postcodes))})
    text, sector = pl.col("text"), pl.col("text").str.slice(-3, 1).cast(pl.Int64, strict=False)
    # If the drawn letter is the right one, it becomes K, which no real postcode ends in.
    letter = pl.when(pl.col("letter") == text.str.slice(-1)).then(pl.lit("K")).otherwise("letter")
    return frame.select(
        pl.when(pl.col("where") < 0.5)
        .then(text.str.slice(0, text.str.len_chars() - 1) + letter)
        .otherwise(
            text.str.slice(0, text.str.len_chars() - 3) + ((sector + 1) % 10).cast(pl.String) + text.str.slice(-2)
        )
    ).to_series()


def _change_gender(rng: np.random.Generator, records: pl.DataFrame, rows: Index) -> pl.DataFrame:
    """Record the other gender, or that it was not stated (9) or not known (0)."""
    now = records["gender"].gather(rows).to_numpy()
    other = np.where(now == 1, 2, 1)
    stated = np.array((9, 0))[rng.integers(0, 2, size=len(rows))]
    new = np.where(rng.random(len(rows)) < 0.4, other, stated)
    return overwrite(records, rows, pl.DataFrame({"gender": pl.Series(new, dtype=pl.UInt8)}))
