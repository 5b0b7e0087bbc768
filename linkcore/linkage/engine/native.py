"""The fallback's scores: a model of Splink's, learned and applied in a private database. Splink is imported only here.

It is loaded to explain a link. For the scores themselves see :mod:`linkcore.linkage.model.weights`.
"""

import logging
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

import polars as pl

from linkcore.errors import LinkcoreError, ProgrammeError
from linkcore.linkage.blocking import blocking_rules, make_blocks, pairs_sql
from linkcore.linkage.comparisons.birth_date import BIRTH_DATES
from linkcore.linkage.comparisons.comparable import comparable
from linkcore.linkage.comparisons.comparisons import comparisons
from linkcore.linkage.learning.expectation_maximisation import ONE_PERSON, begin, maximise
from linkcore.linkage.learning.levels import Shares, counts_of_levels, shares_of_levels, with_probabilities
from linkcore.linkage.learning.relatives import NEEDED as RELATIVES_NEED
from linkcore.linkage.learning.relatives import (
    OTHER_BIRTH_DATE,
    SAME_BIRTH_DATE,
    Relatives,
    count_relatives,
    relatives_of_counts,
    relatives_of_shares,
)
from linkcore.linkage.model.by_source import level_shifts, shifted, source_models
from linkcore.linkage.model.model import Comparison, Model, compared_columns
from linkcore.linkage.model.significant_digits import significant
from linkcore.linkage.model.splink_json import settings_of_one_table
from linkcore.linkage.model.weights import levels_of_pairs, match_weight
from linkcore.linkage.settings import Fallback
from linkcore.private_database import draw_rows, make_table, private_connection
from linkcore.sources.source import FurtherKind

if TYPE_CHECKING:
    import numpy as np
    from duckdb import DuckDBPyConnection

__all__ = ["Scorer", "with_scorer"]

# Splink's authors call ten million "often adequate"; a level that a random pair in a million stands on is then seen ten
# times. The levels where agreement is rarer than that are those whose u is the frequency of the value itself.
_RANDOM_PAIRS: Final = 10_000_000

# Bounds the memory for one round of scoring: this many records have at most a few million candidates.
_RECORDS_AT_A_TIME: Final = 100_000

# Candidates whose odds against N others are below this are forgotten: all of them together could not sway a link.
_NEGLIGIBLE_ODDS: Final = 1e-6

# Where fewer than one record in a hundred has a relative beside it, there are no households in the data, and what looks
# like relatives is records of one person that differ in much.
_FEWEST_RELATED: Final = 0.01

# Persons whose relatives are counted: of twins, the rarest, there are then some thousands.
_KIN: Final = 100_000

_Result = TypeVar("_Result")


def with_scorer(
    fallback: Fallback,
    persons: pl.DataFrame,
    unknown: pl.DataFrame,
    further: Mapping[str, FurtherKind],
    run: Callable[["Scorer"], _Result],
    *,
    listed: int | None = None,
) -> _Result:
    """Do something with a scorer whose tables and temporary files are gone afterwards, whatever happens.

    Returns What ``run`` returned.
    """
    import duckdb

    try:
        with private_connection(fallback.memory, fallback.threads) as connection, _silence():
            return run(Scorer(connection, persons, unknown, further, listed))
    except Exception as error:
        # Splink is loaded where it is needed only, so its errors are known by where they come from.
        if not isinstance(error, duckdb.Error) and not type(error).__module__.startswith("splink."):
            raise
        causes = (error, error.__cause__)
        short = any(isinstance(cause, duckdb.OutOfMemoryException | duckdb.IOException) for cause in causes)
    # Outside the except clause, so that nothing of the other error, which may quote values, hangs on this one.
    if short:
        raise LinkcoreError(
            f"the probabilistic linkage needs more than {fallback.memory} of memory, or more room in the temporary "
            "directory; raise Fallback(memory=...), or set TMPDIR to where there is room"
        )
    raise LinkcoreError(
        "the probabilistic linkage failed in Splink; if a model was given, was it learned on such data?"
    )


@contextmanager
def _silence() -> Iterator[None]:
    """Keep Splink's messages, which may hold SQL and values, from every log while it runs."""
    logger = logging.getLogger("splink")
    kept = logger.handlers, logger.propagate
    logger.handlers, logger.propagate = [logging.NullHandler()], False
    try:
        yield
    finally:
        logger.handlers, logger.propagate = kept


class Scorer:
    """Persons and records in one table, and the model that compares them; made by :func:`with_scorer`.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Of nobody else: Splink fails where somebody's result is half read.
    persons, unknown : polars.DataFrame
        PERSONS and RECORDS. ``order``, where the records have it, is the source of each.
    further : mapping of str to {"exact", "text", "number", "date"}
        How further identifiers are compared.
    listed : int, optional
        How many of the persons, from the first, there really are: the others are compared, and not learned from.

    Attributes
    ----------
    model : dict
        As Splink saves it; empty until learned or given.
    source_models : dict of int to dict
        The model of each source, by its order; that of all where it has none.
    relatives : Relatives
        What has been learned of them.
    compared : int
        How many pairs were scored last.
    left_out : dict of str to int
        By rule, how many times, then, a person (or record) stood in a block too large to be looked at.
    proposed : polars.DataFrame
        Of the pairs that :meth:`score_with_persons` was asked to watch for, those that some rule proposed.
    """

    # A person's unique_id is its id; a record's is its position, counted on after all persons.

    def __init__(
        self,
        connection: "DuckDBPyConnection",
        persons: pl.DataFrame,
        unknown: pl.DataFrame,
        further: Mapping[str, FurtherKind],
        listed: int | None = None,
    ) -> None:
        self.model: Model | None = None
        self.source_models: dict[int, Model] = {}
        self.relatives = Relatives()
        self.compared, self.left_out = 0, dict[str, int]()
        self.proposed = pl.DataFrame(schema={"record": pl.UInt32, "person": pl.UInt32})
        self._connection = connection
        self._persons, self._records = persons.height, unknown.height
        self._listed = persons.height if listed is None else listed
        self._sources = unknown["order"] if "order" in unknown.columns else pl.Series([0]).new_from_index(0, 0)
        people = pl.concat([comparable(persons), comparable(unknown)], how="diagonal")
        self._present = [name for name in people.columns if people[name].null_count() < people.height]
        self._columns = people.columns
        self._comparisons, self._rules = comparisons(self._present, further), blocking_rules(self._present)
        make_table(connection, "people", people.with_row_index("unique_id"))
        self._shifts: Mapping[str, pl.DataFrame] = {}
        self._u: Mapping[str, Shares] = {}
        self._frequencies: Mapping[str, pl.Series] = {}

    @property
    def pairs_there_are(self) -> int:
        """How many pairs there are of a person and a record, or, where there are no persons, of two records."""
        return self._listed * self._records or self._records * (self._records - 1) // 2

    @property
    def prior_weight(self) -> float:
        """What Splink adds to the weight of a pair: log2 of the prior odds that are in the model."""
        return self.known_model.prior_weight

    @property
    def known_model(self) -> Model:
        """The model, once it was learned or given."""
        if self.model is None:
            raise ProgrammeError("no model was learned or given")
        return self.model

    def learn_from_labels(self, labelled: pl.DataFrame, seed: int) -> None:
        """Learn m from records and their persons, of all sources and of each; u from random pairs of such records.

        ``labelled``: RECORDS, ``label``, the person, and ``order``, the source.
        """
        import numpy as np

        generator = np.random.default_rng(seed)
        records = comparable(labelled).with_columns(labelled["label"], labelled["order"])
        absent = [pl.lit(None).alias(name) for name in self._columns if name not in records.columns]
        make_table(self._connection, "labelled", records.with_columns(absent).with_row_index("unique_id"))
        counts = self._count("people", "labelled", "l.unique_id = r.label", group="r.order")
        m = shares_of_levels(self._comparisons, counts)
        self._draw("some_people", "people", (0, self._listed), generator)
        self._draw("some_records", "labelled", (0, labelled.height), generator)
        u = self._shares_of("some_people", "some_records", "TRUE", but="l.unique_id = r.label")
        self.use(self._settings(with_probabilities(self._comparisons, m=m, u=u)))
        self.use_of_sources(source_models(self.known_model, counts, self._orders))
        self.learn_relatives(seed)

    @property
    def _orders(self) -> list[int]:
        return sorted(set(self._sources)) or [0]

    def use_of_sources(self, models: Mapping[int, Model]) -> None:
        """Score records of these sources by models of their own from now on."""
        self.source_models = dict(models)
        self._shifts = level_shifts(self.source_models, self.known_model)

    def learn_relatives(self, seed: int) -> None:
        """Learn from the persons how two of one household differ."""
        import numpy as np

        if not self._listed or not set(RELATIVES_NEED) <= set(self._present):
            return
        generator = np.random.default_rng(seed)
        ids = (0, self._listed)
        draw_rows(self._connection, "some_people", table="people", ids=ids, size=_KIN, generator=generator)
        counted = count_relatives(
            self._connection,
            self.known_model.comparisons,
            self._columns,
            some_people="some_people",
            people=f"(SELECT * FROM people WHERE unique_id < {self._listed})",
        )
        self.relatives = relatives_of_counts(self.known_model, counted, self._orders)

    def learn_without_labels(self, seed: int) -> None:
        """Learn u from random pairs, and begin with an m from which expectation maximisation finds its way."""
        import numpy as np

        generator = np.random.default_rng(seed)
        everyone = self._persons + self._records
        self._draw("some_records", "people", (self._persons, everyone), generator)
        if self._persons:
            self._draw("some_people", "people", (0, self._listed), generator)
            self._u = self._shares_of("some_people", "some_records", "TRUE")
        else:
            self._u = self._shares_of("some_records", "some_records", "l.unique_id < r.unique_id")
        self.use(self._settings(with_probabilities(self._comparisons, m=begin(self._comparisons), u=self._u)))

    def learn_from_pairs(self, pairs: pl.DataFrame) -> None:
        """Learn m from pairs of which it is not known who is who, and take pairs of one person out of u.

        ``pairs``: ``weight`` and ``gamma_*`` of all that some rule proposes.
        """
        there_are = max(self.pairs_there_are, 2)
        known = self._kin()
        learned = maximise(pairs, self.known_model, there_are, known)
        if known and learned.kin_pairs[OTHER_BIRTH_DATE] < _FEWEST_RELATED * self._records:
            known = {}
            learned = maximise(pairs, self.known_model, there_are)
        born = {name: learned.m[name] for name in BIRTH_DATES if name in learned.m}
        # Records of one person differ in the birth date seldom. If most of what was found does, there are no such
        # pairs to find, or too few, and it is something else: then that much is given.
        if _share_far_apart(self._comparisons, born) > 0.5:
            begun = begin(self._comparisons)
            one_person = {name: begun[name].of_level for name in born}
            learned = maximise(pairs, self.known_model, there_are, known | {ONE_PERSON: one_person})
        share = learned.matches / there_are
        self.use(self._settings(with_probabilities(self._comparisons, m=learned.m, u=self._u, matches=share)))
        per_pair = {kind: significant(size / there_are) for kind, size in learned.kin_pairs.items()}
        self.relatives = relatives_of_shares(self.known_model, learned.kin, per_pair, self._orders)

    def _kin(self) -> dict[str, dict[str, Mapping[int, float]]]:
        """Say what is known of relatives beforehand: of one family name, they are as different as any two people are.

        Twins are told from records of one person by their gender; without it they cannot be.
        """
        if not set(RELATIVES_NEED) - {"postcode"} <= set(self._present):
            return {}
        right = "some_people" if self._persons else "some_records"
        on = "l.family_name = r.family_name" + ("" if self._persons else " AND l.unique_id < r.unique_id")
        names = self._shares_of("some_records", right, on)["name"]
        if not names.pairs:
            return {}
        born = [name for name in BIRTH_DATES if name in self._u]
        kinds = {OTHER_BIRTH_DATE: {"name": names.of_level} | {name: self._u[name].of_level for name in born}}
        if "gender" in self._u:
            begun = begin(self._comparisons)
            one = {name: begun[name].of_level for name in born}
            kinds[SAME_BIRTH_DATE] = {"name": names.of_level, **one, "gender": self._u["gender"].of_level}
        return kinds

    def _count(self, left: str, right: str, on: str, group: str = "0") -> pl.DataFrame:
        return counts_of_levels(
            self._connection, self._comparisons, self._columns, left=left, right=right, on=on, group=group
        )

    def _shares_of(self, left: str, right: str, on: str, but: str | None = None) -> dict[str, Shares]:
        counts = [self._count(left, right, on)]
        # Of all pairs there are, DuckDB compares one row with many at once; with a condition that is an inequality it
        # goes from pair to pair, and takes twice as long.
        if but is not None:
            counts.append(self._count(left, right, but).with_columns(-pl.col("pairs")))
        return shares_of_levels(self._comparisons, pl.concat(counts))

    def _draw(self, into: str, table: str, ids: tuple[int, int], generator: "np.random.Generator") -> None:
        size = math.isqrt(_RANDOM_PAIRS)
        draw_rows(self._connection, into, table=table, ids=ids, size=size, generator=generator)

    def _settings(self, learned: Sequence[Comparison]) -> Model:
        return Model(
            comparisons=tuple(learned),
            prior=significant(1 / max(self._listed, self._records, 2)),
            blocking_rules=tuple(rule.sql for rule in self._rules),
            link_type="link_and_dedupe" if self._persons else "dedupe_only",
        )

    def use(self, model: Model) -> None:
        """Score by this model from now on."""
        absent = sorted(compared_columns(model.comparisons) - set(self._columns))
        if absent:
            raise ProgrammeError(f"the model compares {', '.join(absent)}, which no source has")
        self.model = model
        self._frequencies = {
            column: self._make_frequencies(column, share) for column, share in model.average_frequencies.items()
        }

    def _make_frequencies(self, column: str, share: float) -> pl.Series:
        """Make a table of how common each value of a column is among PERSONS; say how common that of each id is.

        How common a value is that one person in a few has cannot be told from those few. So to the persons there are
        added as many as there would be values if all were as common as the average one, and each of these once: with
        ``count`` of N persons, (count-1 + 1) / (N-1 + 1/u), where the person that is compared does not count and u is
        the chance that two persons agree. A value that only records have counts as if one person had it.
        """
        everyone = f"unique_id < {self._listed}" if self._persons else "TRUE"
        name = _frequencies_of(column)
        self._connection.execute(
            f"""
            CREATE OR REPLACE TABLE "{name}" AS
            SELECT "{column}", greatest(count(*) FILTER ({everyone}), 1) / (
                (SELECT greatest(count("{column}"), 1) - 1 FROM people WHERE {everyone}) + {1 / share}::DOUBLE
            ) AS "tf_{column}"
            FROM people WHERE "{column}" IS NOT NULL GROUP BY "{column}"
            """
        )
        frequencies: pl.Series = self._connection.sql(
            f'SELECT "tf_{column}" FROM people LEFT JOIN "{name}" USING ("{column}") ORDER BY unique_id'
        ).pl()[f"tf_{column}"]
        return frequencies

    def score_with_persons(self, watched: pl.DataFrame | None = None, *, all_pairs: bool = False) -> pl.DataFrame:
        """Compare records with persons.

        ``watched``: ``record`` and ``person``: pairs of which :attr:`proposed` shall tell whether a rule proposed them.
        Returns ``record`` and ``person`` (UInt32), ``weight`` (Float64): log2 of the Bayes factor, by the model of the
        record's source; ``relative`` (Float64): the same if the record is of a relative of the person; ``gamma_*``: the
        level of each comparison; in order. Pairs that no rule proposes, or of negligible odds, are not there.
        """
        persons = f"(SELECT * FROM people WHERE unique_id < {self._persons})"
        records = f"(SELECT * FROM people WHERE unique_id >= {self._persons})"
        watch = pl.DataFrame(schema={"record": pl.UInt32, "person": pl.UInt32}) if watched is None else watched
        make_table(
            self._connection,
            "watched",
            watch.select(join_key_l="person", join_key_r=pl.col("record") + self._persons),
        )
        proposed = [self.proposed.clear()]
        scored = []
        for pairs in self._score_blocks(persons, records, "TRUE"):
            found = self._connection.sql("FROM watched SEMI JOIN pairs USING (join_key_l, join_key_r)").pl()
            proposed.append(
                found.select(
                    (pl.col("join_key_r") - self._persons).cast(pl.UInt32).alias("record"),
                    pl.col("join_key_l").cast(pl.UInt32).alias("person"),
                )
            )
            scored.append(self._of_sources(pairs, others=0 if all_pairs else self._listed))
        self.proposed = pl.concat(proposed).sort("record", "person")
        return pl.concat(scored).sort("record", "person")

    def _of_sources(self, pairs: pl.DataFrame, *, others: int) -> pl.DataFrame:
        """Name records and persons, weigh by the model of the record's source, and forget what is negligible."""
        named = pairs.select(
            (pl.col("b") - self._persons).alias("record"), pl.col("a").alias("person"), "weight", "^gamma_.*$"
        )
        sources = self._sources[named["record"]] if self._sources.len() else pl.repeat(0, named.height, eager=True)
        named = named.with_columns(sources.alias("source"))
        relative = self.relatives.factor(named).round(9)
        weighed = named.with_columns((pl.col("weight") + shifted(named, self._shifts)).round(9), relative)
        least = math.log2(_NEGLIGIBLE_ODDS * others) if others else -math.inf
        return weighed.filter(pl.max_horizontal("weight", "relative") >= least).select(
            "record", "person", "weight", "relative", "^gamma_.*$"
        )

    def score_among(
        self, records: pl.Series, apart: Sequence[tuple[int, int]], *, all_pairs: bool = False
    ) -> pl.DataFrame:
        """Compare records with each other.

        Returns ``a`` < ``b`` (UInt32), ``weight``, ``relative`` and ``gamma_*`` as of :meth:`score_with_persons`; in
        order.
        """
        make_table(self._connection, "chosen", (records + self._persons).alias("unique_id").to_frame())
        chosen = "(SELECT * FROM people SEMI JOIN chosen USING (unique_id))"
        conditions = ["l.unique_id <> r.unique_id"]
        for first, last in apart:
            ends = f"BETWEEN {first + self._persons} AND {last + self._persons}"
            conditions.append(f"NOT (l.unique_id {ends} AND r.unique_id {ends})")
        least = -math.inf if all_pairs else math.log2(_NEGLIGIBLE_ODDS * max(records.len(), 1))
        scored = [
            self._with_relatives(pairs.filter(pl.col("weight") >= least))
            for pairs in self._score_blocks(chosen, chosen, " AND ".join(conditions))
        ]
        # Two records may have proposed each other in two rounds.
        pairs = pl.concat(scored).unique(["a", "b"])
        return pairs.with_columns(pl.col("a", "b") - self._persons).sort("a", "b")

    def score(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """Compare these records.

        ``pairs``: ``a`` < ``b`` (UInt32).
        Returns With ``weight`` (Float64); in order.
        """
        shifted = pairs.select(
            (pl.col("a") + self._persons).alias("join_key_l"), (pl.col("b") + self._persons).alias("join_key_r")
        )
        make_table(self._connection, "pairs", shifted)
        scored = self._with_relatives(self._score_pairs())
        return scored.with_columns(pl.col("a", "b") - self._persons).sort("a", "b")

    def score_persons(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """Compare persons with each other, as if the one were a record.

        ``pairs``: ``a`` and ``b`` (UInt32), two persons each.
        Returns ``a`` < ``b``, each pair once, ``weight`` and ``relative``, by the model of all; in order.
        """
        ordered = pairs.select(
            pl.min_horizontal("a", "b").alias("join_key_l"), pl.max_horizontal("a", "b").alias("join_key_r")
        ).unique()
        make_table(self._connection, "pairs", ordered)
        return self._with_relatives(self._score_pairs()).sort("a", "b").select("a", "b", "weight", "relative")

    def _with_relatives(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """Add how well it would explain the agreement of two records if they were of relatives."""
        first = pl.lit(self._orders[0], pl.Int32).alias("source")
        return pairs.with_columns(self.relatives.factor(pairs.with_columns(first)).round(9))

    def _score_blocks(self, left: str, right: str, where: str) -> Iterator[pl.DataFrame]:
        """Score what the rules propose, in rounds of so many records of the right side."""
        self.left_out = dict(make_blocks(self._connection, self._rules, left, right))
        self.compared = 0
        ids = self._connection.sql(f"SELECT unique_id FROM {right} ORDER BY unique_id").pl()["unique_id"]
        for start in range(0, max(ids.len(), 1), _RECORDS_AT_A_TIME):
            chunk = ids[start : start + _RECORDS_AT_A_TIME]
            between = f"BETWEEN {chunk[0]} AND {chunk[-1]}" if chunk.len() else "IS NULL"
            some = f"(SELECT * FROM {right} WHERE unique_id {between})"
            self._connection.execute(
                "CREATE OR REPLACE TABLE pairs AS SELECT unique_id_l AS join_key_l, unique_id_r AS join_key_r "
                f"FROM ({pairs_sql(self._rules, some, where, ordered=True)})"
            )
            yield self._score_pairs()

    def _score_pairs(self) -> pl.DataFrame:
        """Score the table ``pairs``."""
        (count,) = self._connection.sql("SELECT count(*) FROM pairs").fetchall()[0]
        self.compared += count
        pairs = levels_of_pairs(self._connection, self.known_model.comparisons, people="people", pairs="pairs")
        weight = match_weight(pairs, self.known_model.comparisons, self._frequencies)
        # A billionth of a bit is more than what the order of a sum can change.
        return pairs.select("a", "b", weight.round(9), "^gamma_.*$")

    def weigh_fields(self, pairs: pl.DataFrame) -> tuple[pl.DataFrame, str]:
        """Say what each comparison adds to the weight of these pairs, and draw it.

        ``pairs``: ``record`` and ``person`` (UInt32).
        Returns A row a pair, in the order given, as Splink gives it: ``match_weight``, and of each comparison
        ``gamma_*``, ``mw_*`` and, where values count by how common they are, ``mw_tf_adj_*``; then the person's values
        (``*_l``) and the record's (``*_r``).
        """
        from splink import DuckDBAPI, Linker

        api = DuckDBAPI(self._connection)

        def table(name: str) -> Any:
            return api.table_to_splink_dataframe(name, name)

        # All are in one table, and pairs are chosen here: to Splink it is one table without duplicates between tables.
        settings = settings_of_one_table(self.known_model)
        linker = Linker(table("people"), settings, log_level=None, validate_settings=False)
        for column in self._frequencies:
            linker.table_management.register_term_frequency_lookup(table(_frequencies_of(column)), column)
        asked = pairs.select(join_key_l="person", join_key_r=pl.col("record") + self._persons, match_key=pl.lit("0"))
        make_table(self._connection, "pairs", asked)
        linker.table_management.register_blocked_pairs_for_predict(table("pairs"))
        found = linker.inference.predict(warning_mode="never").as_duckdbpyrelation().pl()
        keys = {"unique_id_l": "join_key_l", "unique_id_r": "join_key_r"}
        scored = asked.join(found.rename(keys), on=list(keys.values()), how="left", maintain_order="left")
        page = linker.visualisations.waterfall_chart(scored.to_dicts()).to_html(inline=True)
        # The one thing in it that is random.
        return scored.drop(keys.values()), re.sub(r"splink-chart-[0-9a-f]{32}", "splink-chart", page)


def _frequencies_of(column: str) -> str:
    return f"frequency_of_{column}"


def _share_far_apart(comparisons: Sequence[Comparison], born: Mapping[str, Shares]) -> float:
    """Return the share of pairs on the last two levels of birth dates: within a year, or nearly, and further apart."""
    levels = {each.name: len(each.levels) for each in comparisons}
    far = sum(
        shares.pairs * sum(shares.of_level.get(levels[name] - last, 0.0) for last in (1, 2))
        for name, shares in born.items()
    )
    return far / max(sum(shares.pairs for shares in born.values()), 1.0)
