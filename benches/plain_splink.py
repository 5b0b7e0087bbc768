"""Plain Splink 5, set up for each dataset as its own guides do, to compare linkcore with.

Comparisons are those of Splink's library with their defaults. Blocking rules are the usual pairs of identifiers. u
comes from random pairs, the prior from rules that are nearly always right, and m from expectation maximisation on two
rules. All pairs that the blocking rules propose are scored. Then the truth chooses, for Splink only, the best threshold
and the best way to read the scores.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import duckdb
import polars as pl
import splink.comparison_library as cl
from datasets import Dataset, Extent, Judgement, System
from splink import DuckDBAPI, Linker, block_on

Way = Literal["all pairs", "one to one", "best person", "clusters"]


@dataclass(frozen=True, eq=False)
class Recipe:
    """How Splink is set up.

    Parameters
    ----------
    comparisons, blocking : sequence
        Splink's comparisons and blocking rules.
    training : sequence
        Blocking rules for expectation maximisation.
    certain : sequence
        Rules that are nearly always right, for the prior.
    recall : float
        The share of true pairs that these rules are assumed to find.
    columns : sequence of str
        The columns that are compared.
    prepare : sequence of polars.Expr
        Columns that the analyst adds or changes.
    """

    comparisons: Sequence[Any]
    blocking: Sequence[Any]
    training: Sequence[Any]
    certain: Sequence[Any]
    recall: float
    columns: Sequence[str]
    prepare: Sequence[pl.Expr] = ()


def score(tables: Mapping[str, pl.DataFrame], recipe: Recipe) -> pl.DataFrame:
    """Learn a model, and score all pairs that the blocking rules propose.

    Returns
    -------
    polars.DataFrame
        ``a`` < ``b`` (positions of records, counted through all tables), ``weight`` and ``probability``; the most
        likely pair first.
    """
    with duckdb.connect() as connection:
        api = DuckDBAPI(connection)
        registered, records = [], 0
        for name, table in tables.items():
            prepared = table.select(recipe.columns).with_columns(recipe.prepare)
            connection.register("prepared", prepared.with_row_index("unique_id", offset=records))
            connection.execute(f"CREATE TABLE {name} AS SELECT *, '{name}' AS source_dataset FROM prepared")
            registered.append(api.register(name, table_name=name))
            records += table.height
        settings = {
            "link_type": "link_only" if len(tables) > 1 else "dedupe_only",
            "comparisons": recipe.comparisons,
            "blocking_rules_to_generate_predictions": recipe.blocking,
        }
        linker = Linker(registered, settings, log_level=None)
        linker.training.estimate_probability_two_random_records_match(recipe.certain, recall=recipe.recall)
        linker.training.estimate_u_using_random_sampling(max_pairs=1e7, seed=0)
        for rule in recipe.training:
            linker.training.estimate_parameters_using_expectation_maximisation(rule)
        scored = linker.inference.predict(warning_mode="never").as_duckdbpyrelation()
        pairs: pl.DataFrame = scored.select(
            "unique_id_l, unique_id_r, match_weight AS weight, match_probability AS probability"
        ).pl()
    ends = (pl.min_horizontal("unique_id_l", "unique_id_r"), pl.max_horizontal("unique_id_l", "unique_id_r"))
    return pairs.select(ends[0].alias("a"), ends[1].alias("b"), "weight", "probability").sort(
        "weight", "a", "b", descending=[True, False, False]
    )


@dataclass(frozen=True)
class Reading:
    """The links above a threshold, by one way to read the scores, and how right they are."""

    way: Way
    threshold: float
    judgement: Judgement

    def figures(self, prefix: str) -> dict[str, Any]:
        return self.judgement.figures(prefix) | {f"{prefix}way": self.way, f"{prefix}threshold": self.threshold}


def readings(
    dataset: Dataset | System, pairs: pl.DataFrame, *, max_false_link_rate: float
) -> tuple[Reading, Reading, Reading]:
    """Return the best reading at a probability of 0.5, the best of all, and the best with few enough wrong links."""
    curves = list(_curves(dataset, pairs))
    true = dataset.true

    def reading(way: Way, row: Mapping[str, Any]) -> Reading:
        return Reading(way, row["probability"], Judgement(row["right"], row["found"], true))

    def best(found: list[Reading]) -> Reading:
        return max(found, key=lambda each: each.judgement.f1, default=Reading("all pairs", 1.0, Judgement(0, 0, true)))

    halves = [(way, curve.filter(pl.col("probability") >= 0.5).tail(1)) for way, curve in curves]
    f1 = 2 * pl.col("right") / (pl.col("found") + true)
    tops = [(way, curve.filter(f1 == f1.max()).head(1)) for way, curve in curves]
    few_wrong = pl.col("found") - pl.col("right") <= max_false_link_rate * pl.col("found")
    careful = [(way, curve.filter(few_wrong).filter(f1 == f1.max()).head(1)) for way, curve in curves]
    at_half, at_best, with_few_wrong = (
        best([reading(way, row) for way, rows in chosen for row in rows.iter_rows(named=True)])
        for chosen in (halves, tops, careful)
    )
    return at_half, at_best, with_few_wrong


def _curves(dataset: Dataset | System, pairs: pl.DataFrame) -> Iterator[tuple[Way, pl.DataFrame]]:
    """Count the pairs that are ``right`` and ``found`` at each threshold, for each way to read the scores."""
    entities = pl.Series(dataset.entities)
    right = (entities[pairs["a"]] == entities[pairs["b"]]).alias("is_right")
    pairs = pairs.hstack([right])
    if isinstance(dataset, System):
        yield "best person", _curve(pairs.unique("b", keep="first", maintain_order=True))
        return
    yield "all pairs", _curve(pairs)
    if len(dataset.tables) > 1:
        yield "one to one", _curve(pairs.filter(_one_to_one(pairs)))
    else:
        yield "clusters", _thresholds(_clusters(pairs, dataset.entities))


def _curve(pairs: pl.DataFrame) -> pl.DataFrame:
    return _thresholds(
        pairs.select(
            "weight",
            "probability",
            pl.col("is_right").cast(pl.Int64).cum_sum().alias("right"),
            pl.int_range(1, pl.len() + 1).alias("found"),
        )
    )


def _thresholds(curve: pl.DataFrame) -> pl.DataFrame:
    # A threshold accepts all pairs of one weight or none.
    return curve.group_by("weight", maintain_order=True).last()


def _one_to_one(pairs: pl.DataFrame) -> pl.Series:
    """Accept the most likely pair whose two records are still free, until none is left."""
    taken: set[int] = set()
    kept = []
    for a, b in pairs.select("a", "b").iter_rows():
        free = a not in taken and b not in taken
        if free:
            taken |= {a, b}
        kept.append(free)
    return pl.Series(kept, dtype=pl.Boolean)


def _clusters(pairs: pl.DataFrame, entities: Sequence[Any]) -> pl.DataFrame:
    """Join connected components pair by pair, as clustering at each threshold in turn would."""
    cluster_of = list(range(len(entities)))
    members = [[record] for record in cluster_of]
    counts = [{entity: 1} for entity in entities]
    right = found = 0
    rows = []
    for a, b, weight, probability in pairs.select("a", "b", "weight", "probability").iter_rows():
        large, small = cluster_of[a], cluster_of[b]
        if large != small:
            if len(members[large]) < len(members[small]):
                large, small = small, large
            found += len(members[large]) * len(members[small])
            for record in members[small]:
                cluster_of[record] = large
            members[large] += members[small]
            for entity, count in counts[small].items():
                right += count * counts[large].get(entity, 0)
                counts[large][entity] = counts[large].get(entity, 0) + count
        rows.append((weight, probability, right, found))
    schema = {"weight": pl.Float64, "probability": pl.Float64, "right": pl.Int64, "found": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row")


# ---------------------------------------------------------------------------------------------------------- recipes


def _full_name(given_name: str, family_name: str) -> pl.Expr:
    # Null if either is null: the frequency of half a name is no evidence about the whole.
    return pl.concat_str(given_name, family_name, separator=" ").alias("full_name")


def _both_names(given_name: str, family_name: str) -> Any:
    return cl.ForenameSurnameComparison(given_name, family_name, forename_surname_concat_col_name="full_name")


def _text(column: str) -> Any:
    return cl.JaroWinklerAtThresholds(column, [0.9, 0.7]).configure(term_frequency_adjustments=True)


def febrl_recipe(extent: Extent) -> Recipe:
    comparisons = [
        _both_names("given_name", "surname"),
        cl.DateOfBirthComparison("date_of_birth", input_is_string=True, datetime_format="%Y%m%d"),
        cl.DamerauLevenshteinAtThresholds("postcode", [1, 2]).configure(term_frequency_adjustments=True),
    ]
    blocking = [
        block_on("given_name", "surname"),
        "l.given_name = r.surname AND l.surname = r.given_name",
        block_on("date_of_birth"),
        block_on("postcode"),
        block_on("surname", "substr(date_of_birth, 1, 4)"),
        block_on("given_name", "substr(date_of_birth, 1, 4)"),
    ]
    columns = ["given_name", "surname", "date_of_birth", "postcode"]
    if extent != "names":
        comparisons.append(_text("address_1"))
        blocking.append(block_on("address_1"))
        columns.append("address_1")
    if extent == "all":
        comparisons += [
            _text("suburb"),
            cl.ExactMatch("state"),
            cl.ExactMatch("street_number").configure(term_frequency_adjustments=True),
            _text("address_2"),
        ]
        blocking += [
            block_on("surname", "suburb"),
            block_on("given_name", "suburb"),
            block_on("street_number", "suburb"),
            block_on("suburb", "address_2"),
            block_on("state", "address_2"),
        ]
        columns += ["suburb", "state", "street_number", "address_2"]
    return Recipe(
        comparisons,
        blocking,
        training=[block_on("date_of_birth"), block_on("given_name", "surname")],
        certain=[
            block_on("given_name", "surname", "date_of_birth"),
            block_on("given_name", "postcode", "date_of_birth"),
            block_on("surname", "postcode", "date_of_birth"),
        ],
        recall=0.8,
        columns=columns,
        prepare=[_full_name("given_name", "surname")],
    )


SYSTEM_RECIPE: Final = Recipe(
    comparisons=[
        _both_names("given_name", "family_name"),
        cl.DateOfBirthComparison("birth_date", input_is_string=True),
        cl.PostcodeComparison("postcode"),
        cl.ExactMatch("gender"),
    ],
    blocking=[
        block_on("birth_date"),
        block_on("given_name", "family_name"),
        block_on("postcode", "family_name"),
        block_on("postcode", "given_name"),
        block_on("postcode", "substr(birth_date, 1, 4)"),
    ],
    training=[block_on("birth_date"), block_on("given_name", "family_name")],
    certain=[
        block_on("given_name", "family_name", "birth_date"),
        block_on("given_name", "birth_date", "postcode"),
        block_on("family_name", "given_name", "postcode"),
    ],
    recall=0.8,
    columns=["given_name", "family_name", "birth_date", "gender", "postcode"],
    prepare=[
        pl.col("birth_date").dt.to_string("%Y-%m-%d"),
        pl.col("gender").cast(pl.String),
        _full_name("given_name", "family_name"),
    ],
)

# As for the systems, with the address and dates as text.
HOUSEHOLDS_RECIPE: Final = Recipe(
    comparisons=[*SYSTEM_RECIPE.comparisons, cl.JaroWinklerAtThresholds("address")],
    blocking=[*SYSTEM_RECIPE.blocking, block_on("address", "given_name"), block_on("address", "birth_date")],
    training=SYSTEM_RECIPE.training,
    certain=SYSTEM_RECIPE.certain,
    recall=0.7,
    columns=[*SYSTEM_RECIPE.columns, "address"],
    prepare=[_full_name("given_name", "family_name")],
)

GERMAN_RECIPE: Final = Recipe(
    comparisons=[
        cl.NameComparison("given_name"),
        cl.NameComparison("family_name"),
        cl.DateOfBirthComparison("birth_date", input_is_string=True),
    ],
    blocking=[
        block_on("given_name", "family_name"),
        block_on("birth_date"),
        block_on("given_name", "substr(birth_date, 1, 7)"),
        block_on("family_name", "substr(birth_date, 1, 7)"),
        block_on("family_name", "substr(birth_date, 6, 5)"),
    ],
    training=[block_on("birth_date"), block_on("given_name", "family_name")],
    certain=[
        block_on("given_name", "birth_date"),
        block_on("family_name", "birth_date"),
        "l.given_name = r.given_name AND l.family_name = r.family_name"
        " AND levenshtein(l.birth_date, r.birth_date) <= 1",
    ],
    recall=0.9,
    columns=["given_name", "family_name", "birth_date"],
)

# As in Splink's guide to historical_50k, with single names, gender and four more rules, which find more here.
HISTORICAL_RECIPE: Final = Recipe(
    comparisons=[
        cl.NameComparison("first_name"),
        cl.NameComparison("surname"),
        cl.DateOfBirthComparison("dob", input_is_string=True),
        cl.PostcodeComparison("postcode_fake"),
        cl.ExactMatch("birth_place").configure(term_frequency_adjustments=True),
        cl.ExactMatch("occupation").configure(term_frequency_adjustments=True),
        cl.ExactMatch("gender"),
    ],
    blocking=[
        block_on("substr(first_name, 1, 3)", "substr(surname, 1, 4)"),
        block_on("surname", "dob"),
        block_on("first_name", "dob"),
        block_on("postcode_fake", "first_name"),
        block_on("postcode_fake", "surname"),
        block_on("dob", "birth_place"),
        block_on("substr(postcode_fake, 1, 3)", "dob"),
        block_on("substr(postcode_fake, 1, 3)", "first_name"),
        block_on("substr(postcode_fake, 1, 3)", "surname"),
        block_on("substr(first_name, 1, 2)", "substr(surname, 1, 2)", "substr(dob, 1, 4)"),
        block_on("surname", "substr(dob, 1, 4)"),
        block_on("surname", "birth_place"),
        block_on("first_name", "birth_place"),
        block_on("surname", "occupation"),
    ],
    training=[block_on("first_name", "surname"), block_on("dob")],
    certain=[
        block_on("first_name", "surname", "dob"),
        block_on("substr(first_name, 1, 2)", "surname", "substr(postcode_fake, 1, 2)"),
        block_on("dob", "postcode_fake"),
    ],
    recall=0.6,
    columns=["first_name", "surname", "dob", "postcode_fake", "birth_place", "occupation", "gender"],
)

# As in Splink's guide to fake_1000.
CONTACTS_RECIPE: Final = Recipe(
    comparisons=[
        cl.NameComparison("first_name"),
        cl.NameComparison("surname"),
        cl.DateOfBirthComparison("dob", input_is_string=True),
        cl.ExactMatch("city").configure(term_frequency_adjustments=True),
        cl.EmailComparison("email"),
    ],
    blocking=[
        block_on("first_name"),
        block_on("surname"),
        block_on("dob"),
        block_on("email"),
    ],
    training=[block_on("first_name", "surname"), block_on("dob")],
    certain=[
        "l.first_name = r.first_name AND levenshtein(l.dob, r.dob) <= 1",
        "l.surname = r.surname AND levenshtein(l.dob, r.dob) <= 1",
        "l.first_name = r.first_name AND levenshtein(l.surname, r.surname) <= 2",
        block_on("email"),
    ],
    recall=0.7,
    columns=["first_name", "surname", "dob", "city", "email"],
)
