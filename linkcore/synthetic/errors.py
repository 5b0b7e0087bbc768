"""The errors that providers make, each added to many records at once."""

from collections.abc import Mapping
from typing import Final

import numpy as np
import polars as pl

from linkcore.synthetic.kinds import Index, Weights, draw_kinds, overwrite
from linkcore.synthetic.misspellings import misheard, misread, mistyped
from linkcore.synthetic.number_errors import add_wrong_numbers, remove_numbers
from linkcore.synthetic.population import Population
from linkcore.synthetic.rates import ErrorRates

__all__ = ["add_errors"]

# How many times more often errors happen in names that clerks rarely meet (every published evaluation finds more missed
# links for people of minority heritages), and in the postcodes of people who moved.
_UNFAMILIAR_NAME: Final = 2.0
_MOVED: Final = 2.7
_PSEUDO_POSTCODES: Final = ("ZZ99 3VZ", "ZZ99 3WZ", "ZZ99 3CZ")
_MISSING_NAMES: Final = (None, None, None, "UNKNOWN", "NOT KNOWN")
_NEWBORN: Final = ("BABY", "BABY", "INFANT", "TWIN ONE", "TWIN 2")
_MISSPELLINGS: Final = {"typing": mistyped, "phonetic": misheard, "ocr": misread}


def add_errors(
    rng: np.random.Generator,
    records: pl.DataFrame,
    population: Population,
    rates: ErrorRates,
    *,
    number_range: tuple[int, int],
    stage_share: float = 1.0,
    no_number_rate: float | None = None,
    record_counts: Weights | None = None,
) -> pl.DataFrame:
    """Add one provider's errors to correct records.

    ``records`` has ``entity``, ``nhs_number``, ``no_number``, ``number_wrong``, ``given_name``, ``family_name``,
    ``birth_date``, ``impossible_date``, ``gender``, ``postcode`` and ``address``. ``stage_share`` is the share of the
    errors that are made at this stage, and ``record_counts`` says how many final records each row becomes.
    """
    if not len(records):
        return records
    target = rates.no_number if no_number_rate is None else no_number_rate
    records = remove_numbers(rng, records, population, rates, target=target, record_counts=record_counts)
    records = add_wrong_numbers(rng, records, population, rates, stage_share=stage_share, number_range=number_range)
    missing = records["no_number"].to_numpy()
    # The rate over all records is as set, and without_number times higher for records without a number.
    share = float(np.average(missing, weights=record_counts))
    chance = stage_share * np.where(missing, rates.without_number, 1) / (1 - share + rates.without_number * share)

    def draw_rows(rate: float, likelihood: Weights | None = None) -> Index:
        factor = chance if likelihood is None else chance * likelihood / np.average(likelihood, weights=record_counts)
        return np.flatnonzero(rng.random(len(records)) < np.minimum(rate * factor, 0.97))

    people = population.people
    entity = records["entity"]
    unfamiliar = ~people["ethnic_group"].gather(entity).is_in(["A", "B"]).to_numpy()
    moved = people["previous_dwelling"].gather(entity).is_not_null().to_numpy()
    rows = draw_rows(rates.name, np.where(unfamiliar, _UNFAMILIAR_NAME, 1.0))
    records = _add_name_errors(rng, records, rows, people, rates.name_kinds)
    records = _remove_names(rng, records, draw_rows(rates.no_name))
    records = _add_birth_date_errors(rng, records, draw_rows(rates.birth_date), rates.birth_date_kinds)
    likelihood = np.where(moved, _MOVED, 1.0) if "old" in rates.postcode_kinds else None
    rows = draw_rows(rates.postcode, likelihood)
    records = _add_postcode_errors(rng, records, rows, population, rates.postcode_kinds)
    return _add_gender_errors(rng, records, draw_rows(rates.gender))


def _add_name_errors(
    rng: np.random.Generator, records: pl.DataFrame, rows: Index, people: pl.DataFrame, kinds: Mapping[str, float]
) -> pl.DataFrame:
    """Replace the names in the given rows by wrong ones."""
    rows = rows[records["given_name"].gather(rows).is_not_null().to_numpy()]
    person = people.select("age", "gender", "nickname", "middle_name", "previous_family_name")
    named = records.select("entity", "given_name", "family_name")[rows]
    named = named.hstack(person[named["entity"]])
    conditions = {
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
    possible = named.select(**conditions)
    # A wrong name of a newborn is far more often a placeholder such as BABY than anything else.
    shares = {kind: share * 30 if kind == "newborn" else share for kind, share in kinds.items()}
    kind = draw_kinds(rng, shares, len(rows), {name: possible[name].to_numpy() for name in conditions})
    given, family = named["given_name"], named["family_name"]
    for name in kinds:
        positions = np.flatnonzero(kind == name)
        if len(positions):
            wrong_given, wrong_family = _wrong_names(rng, name, named[positions])
            given, family = given.scatter(positions, wrong_given), family.scatter(positions, wrong_family)
    return overwrite(records, rows, pl.DataFrame({"given_name": given, "family_name": family}))


def _wrong_names(rng: np.random.Generator, kind: str, named: pl.DataFrame) -> tuple[pl.Series, pl.Series]:
    """Return given and family names with one kind of error."""
    given, family = named["given_name"], named["family_name"]
    if kind in _MISSPELLINGS:
        # In one of the two names: a longer name offers more to get wrong.
        in_given = rng.random(len(named)) < (given.str.len_chars() / (given + family).str.len_chars()).to_numpy()
        given_rows, family_rows = np.flatnonzero(in_given), np.flatnonzero(~in_given)
        misspell = _MISSPELLINGS[kind]
        wrong_given = given.scatter(given_rows, misspell(rng, given[given_rows]))
        return wrong_given, family.scatter(family_rows, misspell(rng, family[family_rows]))
    if kind == "swap":
        return family, given
    coin = pl.Series(rng.random(len(named)) < 0.5)
    match kind:
        case "nickname":
            wrong = pl.col("nickname"), pl.col("family_name")
        case "initial":
            wrong = pl.col("given_name").str.slice(0, 1), pl.col("family_name")
        case "truncation":
            length = (pl.col("family_name").str.len_chars() * 0.6).ceil().cast(pl.Int64)
            wrong = pl.col("given_name"), pl.col("family_name").str.slice(0, length)
        case "surname_changed":
            wrong = pl.col("given_name"), pl.col("previous_family_name")
        case "hyphen_lost":
            wrong = _one_part("given_name", coin), _one_part("family_name", coin)
        case "middle_name":
            wrong = pl.col("given_name") + " " + pl.col("middle_name"), pl.col("family_name")
        case _:  # newborn
            words = pl.Series(np.array(_NEWBORN)[rng.integers(0, len(_NEWBORN), size=len(named))])
            by_sex = pl.when(pl.col("gender") == 1).then(pl.lit("BABY BOY")).otherwise(pl.lit("BABY GIRL"))
            wrong = pl.when(coin).then(by_sex).otherwise(words), pl.col("family_name")
    names = named.select(wrong[0].alias("given_name"), wrong[1].alias("family_name"))
    return names["given_name"], names["family_name"]


def _one_part(column: str, first: pl.Series) -> pl.Expr:
    """Keep the first or the last part of a hyphenated name."""
    parts = pl.col(column).str.split("-")
    return pl.when(first).then(parts.list.first()).otherwise(parts.list.last())


def _remove_names(rng: np.random.Generator, records: pl.DataFrame, rows: Index) -> pl.DataFrame:
    """Remove names, or write a word such as UNKNOWN in their place."""
    words = pl.Series(_MISSING_NAMES, dtype=pl.String).gather(rng.integers(0, len(_MISSING_NAMES), size=len(rows)))
    return overwrite(records, rows, pl.DataFrame({"given_name": words, "family_name": words}))


def _add_birth_date_errors(
    rng: np.random.Generator, records: pl.DataFrame, rows: Index, kinds: Mapping[str, float]
) -> pl.DataFrame:
    """Make birth dates wrong or missing."""
    dates = records["birth_date"].gather(rows)
    year, month, day = (
        getattr(dates.dt, part)().fill_null(1).to_numpy().astype(np.int64) for part in ("year", "month", "day")
    )
    kind = draw_kinds(
        rng, kinds, len(rows), {"swap": (day <= 12) & (day != month), "first_of_january": (day > 1) | (month > 1)}
    )
    draw = rng.random(len(rows))
    step = rng.integers(1, 9, size=len(rows))
    tens = np.where(day > 9, day // 10 * 10, 0)
    other_day = np.where(tens > 0, tens + (day % 10 + step) % 10, (day + step - 1) % 9 + 1)
    other_month = (month + step - 1) % 12 + 1
    other_year = year // 10 * 10 + (year + step) % 10
    digit = kind == "digit"
    new_day = np.where(digit & (draw < 0.5), other_day, np.where(kind == "swap", month, day))
    new_month = np.where(digit & (draw >= 0.8), other_month, np.where(kind == "swap", day, month))
    years_off = np.select([draw < 0.35, draw < 0.7, draw < 0.85], [1, -1, 10], -10)
    new_year = np.where(kind == "year", year + years_off, year)
    new_year = np.where(digit & (draw >= 0.5) & (draw < 0.8), other_year, new_year)
    first_of_january = np.isin(kind, ("first_of_january", "default"))
    new_year = np.where(kind == "default", 1900, new_year)
    new_month, new_day = np.where(first_of_january, 1, new_month), np.where(first_of_january, 1, new_day)
    impossible = kind == "impossible"  # 30 or 31 February: stored as the 28th and flagged
    new_month, new_day = np.where(impossible, 2, new_month), np.where(impossible, 28, new_day)
    values = {
        "birth_date": _dates(new_year, new_month, new_day).set(pl.Series(kind == "missing"), None),
        "impossible_date": impossible,
    }
    return overwrite(records, rows, pl.DataFrame(values))


def _dates(year: Index, month: Index, day: Index) -> pl.Series:
    """Build dates; a day after the end of its month becomes the last day of that month."""
    months = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
    last = (months + np.timedelta64(1, "M")).astype("datetime64[D]") - np.timedelta64(1, "D")
    dates = np.minimum(months.astype("datetime64[D]") + (day - 1).astype("timedelta64[D]"), last)
    return pl.Series(dates.astype("datetime64[ms]"), dtype=pl.Datetime("ms")).cast(pl.Date)


def _add_postcode_errors(
    rng: np.random.Generator, records: pl.DataFrame, rows: Index, population: Population, kinds: Mapping[str, float]
) -> pl.DataFrame:
    """Keep old addresses, and make postcodes wrong or missing."""
    dwellings = population.places.dwellings
    previous = population.people["previous_dwelling"].gather(records["entity"].gather(rows))
    true_home = records.select("postcode", "address")[rows]
    known = true_home["postcode"].is_not_null().to_numpy()
    kinds_drawn = draw_kinds(rng, kinds, len(rows), {"old": previous.is_not_null().to_numpy(), "typing": known})
    old_home = dwellings.select("postcode", "address")[previous.fill_null(0)]
    scene = dwellings["postcode"].gather(rng.integers(0, population.places.homes, size=len(rows)))
    typed = _mistype_postcodes(rng, true_home["postcode"])
    pseudo = pl.Series(_PSEUDO_POSTCODES).gather(rng.integers(0, len(_PSEUDO_POSTCODES), size=len(rows)))
    kind = pl.col("kind")
    nothing = pl.lit(None, pl.String)
    values = true_home.with_columns(pl.Series("kind", kinds_drawn, dtype=pl.String)).select(
        postcode=pl.when(kind == "old")
        .then(old_home["postcode"])
        .when(kind == "incident")
        .then(scene)
        .when(kind == "typing")
        .then(typed)
        .when(kind == "pseudo")
        .then(pseudo)
        .when(kind == "missing")
        .then(nothing)
        .otherwise("postcode"),
        address=pl.when(kind == "old")
        .then(old_home["address"])
        .when(kind.is_in(["incident", "typing", ""]))
        .then(pl.col("address"))
        .otherwise(nothing),
    )
    return overwrite(records, rows, values)


def _mistype_postcodes(rng: np.random.Generator, postcodes: pl.Series) -> pl.Series:
    """Change the sector or the last letter of each postcode."""
    letters = np.array(list("ABDEFGHJLNPQRSTUWXYZ"))[rng.integers(0, 20, size=len(postcodes))]
    frame = pl.DataFrame({"text": postcodes, "letter": letters, "draw": rng.random(len(postcodes))})
    text, sector = pl.col("text"), pl.col("text").str.slice(-3, 1).cast(pl.Int64, strict=False)
    # A letter that is the same by chance becomes a K, which no real unit has.
    letter = pl.when(pl.col("letter") == text.str.slice(-1)).then(pl.lit("K")).otherwise("letter")
    return frame.select(
        pl.when(pl.col("draw") < 0.5)
        .then(text.str.slice(0, text.str.len_chars() - 1) + letter)
        .otherwise(
            text.str.slice(0, text.str.len_chars() - 3) + ((sector + 1) % 10).cast(pl.String) + text.str.slice(-2)
        )
    ).to_series()


def _add_gender_errors(rng: np.random.Generator, records: pl.DataFrame, rows: Index) -> pl.DataFrame:
    """Record the other gender, indeterminate (9) or not known (0)."""
    true_gender = records["gender"].gather(rows).to_numpy()
    other = np.where(true_gender == 1, 2, 1)
    unstated = np.array((9, 0))[rng.integers(0, 2, size=len(rows))]
    wrong = np.where(rng.random(len(rows)) < 0.4, other, unstated)
    return overwrite(records, rows, pl.DataFrame({"gender": pl.Series(wrong, dtype=pl.UInt8)}))
