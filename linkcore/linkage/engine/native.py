"""linkcore's own engine: a private database finds the levels of pairs, and their weights are summed in memory."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from linkcore.linkage.blocking import Rule, blocking_rules, make_blocks, pairs_sql
from linkcore.linkage.comparisons.comparable import comparable
from linkcore.linkage.comparisons.comparisons import comparisons
from linkcore.linkage.engine.engine import NO_PAIRS, LabelledCounts, Learned, RandomCounts, Scored
from linkcore.linkage.engine.frequencies import frequencies_of_people, make_frequency_tables
from linkcore.linkage.engine.tables import PeopleTable, draw_rows, fingerprints_of
from linkcore.linkage.learning.levels import counts_of_levels
from linkcore.linkage.learning.relatives import RelativeCounts, count_relatives
from linkcore.linkage.model.by_source import shifted
from linkcore.linkage.model.model import Comparison, Model
from linkcore.linkage.model.weights import levels_of_pairs, match_weight
from linkcore.private_database import make_table
from linkcore.sampling import draw
from linkcore.schema import OTHER
from linkcore.sources.source import FurtherKind

__all__ = ["NativeEngine"]

# Splink's authors call ten million "often adequate": a level of one random pair in a million is then seen ten times.
# Where agreement is rarer than that, the frequency of the value itself stands for u.
_RANDOM_PAIRS: Final = 10_000_000

# Relatives of so many persons are counted: there are then some thousands of twins, the rarest kind.
_PERSONS_WITH_RELATIVES: Final = 100_000

# Bounds the memory for one round of scoring: this many records have at most a few million candidates.
_RECORDS_AT_A_TIME: Final = 100_000

# Candidates whose odds against N others are below this are dropped: all of them together could not change a link.
_NEGLIGIBLE_ODDS: Final = 1e-6


@dataclass(frozen=True, eq=False)
class NativeEngine:
    """The persons and records of a table, with comparisons and blocking rules: an Engine.

    Parameters
    ----------
    people : PeopleTable
        Persons and records.
    comparisons : sequence of Comparison
        What is compared.
    rules : sequence of Rule
        The blocking rules.
    """

    people: PeopleTable
    comparisons: Sequence[Comparison]
    rules: Sequence[Rule]

    @classmethod
    def of(cls, people: PeopleTable, further: Mapping[str, FurtherKind]) -> "NativeEngine":
        """Compare what the table has values of; ``further`` says how further identifiers are compared."""
        return cls(people, comparisons(people.present, further), blocking_rules(people.present))

    @property
    def present(self) -> Sequence[str]:
        """The comparable columns that have values."""
        return self.people.present

    @property
    def columns(self) -> Sequence[str]:
        """All comparable columns."""
        return self.people.columns

    @property
    def listed(self) -> int:
        """How many persons there really are."""
        return self.people.listed

    @property
    def records(self) -> int:
        """How many records there are."""
        return self.people.records

    @property
    def sources(self) -> Sequence[int]:
        """The sources of the records, in order."""
        return self.people.sources

    def count_labelled(self, labelled: pl.DataFrame, seed: int) -> LabelledCounts:
        """Count levels of records beside their own persons, and of random pairs."""
        records = comparable(labelled).with_columns(labelled["label"], labelled["source_index"])
        absent = [pl.lit(None).alias(name) for name in self.columns if name not in records.columns]
        make_table(self.people.connection, "labelled", records.with_columns(absent).with_row_index("unique_id"))
        # A record would always agree with an alternative that only it has taught. So each person is compared as it is
        # without its record: with the alternatives that stand beside the record.
        others = ", ".join(f'r."{name}" AS "{name}"' for name in self.columns if name.startswith(OTHER))
        own_persons = f"(SELECT l.* REPLACE ({others}) FROM people AS l JOIN labelled AS r ON l.unique_id = r.label)"
        one_person = self._count(own_persons, "labelled", "l.unique_id = r.label", group="r.source_index")
        size = math.isqrt(_RANDOM_PAIRS)
        self.people.draw("some_people", (0, self.listed), size, seed=seed, purpose="random persons")
        drawn = draw(fingerprints_of(labelled), size, seed=seed, purpose="random records")
        draw_rows(self.people.connection, "some_records", table="labelled", ids=drawn)
        # DuckDB compares one row with many at once if all pairs are wanted. With a condition that is an inequality it
        # goes from pair to pair, and takes twice as long. So the pairs that are not wanted are counted, and taken out.
        every = self._count("some_people", "some_records", "TRUE")
        own = self._count("some_people", "some_records", "l.unique_id = r.label").with_columns(-pl.col("pairs"))
        return LabelledCounts(one_person, two_persons=pl.concat([every, own]))

    def count_random(self, seed: int) -> RandomCounts:
        """Count levels of random pairs of records and persons or, without persons, of records."""
        people, size = self.people, math.isqrt(_RANDOM_PAIRS)
        all_records = (people.persons, people.persons + people.records)
        people.draw("some_records", all_records, size, seed=seed, purpose="random records")
        if people.persons:
            people.draw("some_people", (0, people.listed), size, seed=seed, purpose="random persons")
            all_pairs = self._count("some_people", "some_records", "TRUE")
            others, each_once = "some_people", ""
        else:
            all_pairs = self._count("some_records", "some_records", "l.unique_id < r.unique_id")
            others, each_once = "some_records", " AND l.unique_id < r.unique_id"
        names = [comparison for comparison in self.comparisons if comparison.name == "name"]
        one_name = self._count("some_records", others, f"l.family_name = r.family_name{each_once}", compared=names)
        return RandomCounts(all_pairs, one_name)

    def count_relatives(self, comparisons: Sequence[Comparison], seed: int) -> RelativeCounts:
        """Count levels of random persons beside those who may be their relatives."""
        size = _PERSONS_WITH_RELATIVES
        self.people.draw("some_people", (0, self.listed), size, seed=seed, purpose="persons with relatives")
        return count_relatives(
            self.people.connection,
            comparisons,
            self.columns,
            some_people="some_people",
            people=self.people.listed_people,
        )

    def _count(
        self, left: str, right: str, on: str, *, group: str = "0", compared: Sequence[Comparison] | None = None
    ) -> pl.DataFrame:
        compared = self.comparisons if compared is None else compared
        return counts_of_levels(
            self.people.connection, compared, self.columns, left=left, right=right, on=on, group=group
        )

    def frequencies(self, model: Model) -> Mapping[str, pl.Series]:
        """Return, by column that the model adjusts for, how common the value of each person and record is."""
        return frequencies_of_people(self.people, make_frequency_tables(self.people, model))

    def score_with_persons(
        self, learned: Learned, watched: pl.DataFrame = NO_PAIRS, *, all_pairs: bool = False
    ) -> Scored:
        """Propose and score pairs of records and persons, each by the model of the record's source."""
        connection, first = self.people.connection, self.people.persons
        persons, records = (f"(SELECT * FROM people WHERE unique_id {side} {first})" for side in ("<", ">="))
        make_table(connection, "watched", watched.select(join_key_l="person", join_key_r=pl.col("record") + first))
        left_out = make_blocks(connection, self.rules, persons, records)
        least = -math.inf if all_pairs or not self.listed else math.log2(_NEGLIGIBLE_ODDS * self.listed)
        scored, proposed, compared = [], [NO_PAIRS], 0
        for pairs in self._score_blocks(learned, records, "TRUE"):
            compared += pairs.height
            found = connection.sql("FROM watched SEMI JOIN pairs USING (join_key_l, join_key_r)").pl()
            record = (pl.col("join_key_r") - first).cast(pl.UInt32).alias("record")
            proposed.append(found.select(record, pl.col("join_key_l").cast(pl.UInt32).alias("person")))
            weighed = self._by_source(learned, pairs)
            scored.append(weighed.filter(pl.max_horizontal("weight", "relative") >= least))
        return Scored(
            pl.concat(scored).sort("record", "person"),
            compared,
            left_out,
            pl.concat(proposed).sort("record", "person"),
        )

    def _by_source(self, learned: Learned, pairs: pl.DataFrame) -> pl.DataFrame:
        """Name records and persons, and weigh each pair by the model of the record's source."""
        named = pairs.select(
            (pl.col("b") - self.people.persons).alias("record"), pl.col("a").alias("person"), "weight", "^gamma_.*$"
        )
        named = named.with_columns(self.people.source_of_record[named["record"]].alias("source"))
        relative = learned.relatives.factor(named).round(9)
        weight = (pl.col("weight") + shifted(named, learned.shifts)).round(9)
        return named.with_columns(weight, relative).select("record", "person", "weight", "relative", "^gamma_.*$")

    def score_among_records(
        self, learned: Learned, records: pl.Series, apart: Sequence[tuple[int, int]], *, all_pairs: bool = False
    ) -> Scored:
        """Propose and score pairs of these records, by the model of all."""
        connection, first = self.people.connection, self.people.persons
        make_table(connection, "chosen", (records + first).alias("unique_id").to_frame())
        chosen = "(SELECT * FROM people SEMI JOIN chosen USING (unique_id))"
        conditions = ["l.unique_id <> r.unique_id"]
        for start, end in apart:
            within = f"BETWEEN {start + first} AND {end + first}"
            conditions.append(f"NOT (l.unique_id {within} AND r.unique_id {within})")
        left_out = make_blocks(connection, self.rules, chosen, chosen)
        least = -math.inf if all_pairs else math.log2(_NEGLIGIBLE_ODDS * max(records.len(), 1))
        scored, compared = [], 0
        for pairs in self._score_blocks(learned, chosen, " AND ".join(conditions)):
            compared += pairs.height
            scored.append(self._with_relatives(learned, pairs.filter(pl.col("weight") >= least)))
        # Two records may have proposed each other in two rounds.
        pairs = pl.concat(scored).unique(["a", "b"])
        return Scored(pairs.with_columns(pl.col("a", "b") - first).sort("a", "b"), compared, left_out)

    def score_records(self, learned: Learned, pairs: pl.DataFrame) -> pl.DataFrame:
        """Score given pairs of records by the model of all."""
        first = self.people.persons
        asked = pairs.select((pl.col("a") + first).alias("join_key_l"), (pl.col("b") + first).alias("join_key_r"))
        make_table(self.people.connection, "pairs", asked)
        scored = self._with_relatives(learned, self._score_pairs(learned))
        return scored.with_columns(pl.col("a", "b") - first).sort("a", "b")

    def score_persons(self, learned: Learned, pairs: pl.DataFrame) -> pl.DataFrame:
        """Score given pairs of persons, as if the one were a record, whichever makes them more alike."""
        both = pl.concat(pairs.select(join_key_l=one, join_key_r=other) for one, other in (("a", "b"), ("b", "a")))
        make_table(self.people.connection, "pairs", both.unique())
        scored = self._with_relatives(learned, self._score_pairs(learned))
        ordered = scored.with_columns(pl.min_horizontal("a", "b").alias("a"), pl.max_horizontal("a", "b").alias("b"))
        best = ordered.sort("a", "b", "weight", "relative", descending=[False, False, True, True])
        return best.unique(["a", "b"], keep="first", maintain_order=True).select("a", "b", "weight", "relative")

    def weigh(self, learned: Learned, pairs: pl.DataFrame) -> pl.Series:
        """Return the weight of pairs that were scored by another model with the same comparisons."""
        first = self.people.persons
        one, other = (pl.col("person"), "record") if "person" in pairs.columns else (pl.col("a") + first, "b")
        named = pairs.select(one.alias("a"), (pl.col(other) + first).alias("b"), "^gamma_.*$")
        return match_weight(named, learned.model.comparisons, learned.frequencies).round(9)

    def _with_relatives(self, learned: Learned, pairs: pl.DataFrame) -> pl.DataFrame:
        """Add how well it would explain the agreement of two records if they were of relatives."""
        # All sources' relatives are the same.
        source = pl.lit(self.sources[0], pl.Int32).alias("source")
        return pairs.with_columns(learned.relatives.factor(pairs.with_columns(source)).round(9))

    def _score_blocks(self, learned: Learned, right: str, where: str) -> Iterator[pl.DataFrame]:
        """Score the pairs of the blocks, some records of the right side at a time."""
        connection = self.people.connection
        ids = connection.sql(f"SELECT unique_id FROM {right} ORDER BY unique_id").pl()["unique_id"]
        for start in range(0, max(ids.len(), 1), _RECORDS_AT_A_TIME):
            chunk = ids[start : start + _RECORDS_AT_A_TIME]
            between = f"BETWEEN {chunk[0]} AND {chunk[-1]}" if chunk.len() else "IS NULL"
            some = f"(SELECT * FROM {right} WHERE unique_id {between})"
            connection.execute(
                "CREATE OR REPLACE TABLE pairs AS SELECT unique_id_l AS join_key_l, unique_id_r AS join_key_r "
                f"FROM ({pairs_sql(self.rules, some, where, ordered=True)})"
            )
            yield self._score_pairs(learned)

    def _score_pairs(self, learned: Learned) -> pl.DataFrame:
        """Score the table ``pairs`` by the model of all: ``a``, ``b``, ``weight`` and ``gamma_*``."""
        compared = learned.model.comparisons
        pairs = levels_of_pairs(self.people.connection, compared, people="people", pairs="pairs")
        weight = match_weight(pairs, compared, learned.frequencies)
        # A billionth of a bit is more than what the order of a sum can change.
        return pairs.select("a", "b", weight.round(9), "^gamma_.*$")
