"""What both engines share: a private database counts levels, and proposes the pairs that an engine then weighs."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

import polars as pl

from linkcore.linkage.blocking import BlockingRule, blocking_rules, make_blocks, pairs_sql
from linkcore.linkage.comparisons.comparable import comparable
from linkcore.linkage.comparisons.comparisons import comparisons
from linkcore.linkage.engine.engine import NO_PAIRS, LabelledCounts, Learned, RandomCounts, Scored
from linkcore.linkage.engine.frequencies import frequencies_of_people, make_frequency_tables
from linkcore.linkage.engine.tables import PeopleTable, draw_rows, fingerprints_of, pair_hashes
from linkcore.linkage.learning.levels import counts_of_levels
from linkcore.linkage.learning.relatives import RelativeCounts, count_relatives
from linkcore.linkage.model.model import Comparison, Model
from linkcore.linkage.model.weights import match_weight
from linkcore.private_database import make_table
from linkcore.sampling import draw
from linkcore.schema import FURTHER, OTHER
from linkcore.sources.source import FurtherKind

__all__ = ["DatabaseEngine"]

# Splink's authors call ten million "often adequate": a level of one random pair in a million is then seen ten times.
# Where agreement is rarer than that, the frequency of the value itself stands for u.
_RANDOM_PAIRS: Final = 10_000_000

# Relatives of so many persons are counted: there are then some thousands of twins, the rarest kind.
_PERSONS_WITH_RELATIVES: Final = 100_000

# Bounds the memory for one round of scoring: this many records have at most a few million candidates.
_RECORDS_AT_A_TIME: Final = 100_000

# The blocks of a given model's rules may be of any size.
_RECORDS_OF_GIVEN_RULES: Final = 10_000

# Of each level and each source, so many pairs are in a sample, as far as there are.
_OF_EACH_LEVEL: Final = 10

# The pairs of most levels are looked for among so many pairs of low hashes: going through all pairs takes longer.
_LOW_PAIRS: Final = 200_000

# Candidates whose odds against N others are below this are dropped: all of them together could not change a link.
_NEGLIGIBLE_ODDS: Final = 1e-6


@dataclass(frozen=True, eq=False)
class DatabaseEngine(ABC):
    """The persons and records of a table, with comparisons and blocking rules: an Engine, but for the weights.

    Parameters
    ----------
    people : PeopleTable
        Persons and records.
    comparisons : sequence of Comparison
        What is compared.
    rules : sequence of Rule or GivenRule
        The blocking rules.
    """

    people: PeopleTable
    comparisons: Sequence[Comparison]
    rules: Sequence[BlockingRule]

    @classmethod
    def of(cls, people: PeopleTable, further: Mapping[str, FurtherKind]) -> Self:
        """Compare what the table has values of; ``further`` says how further identifiers are compared."""
        return cls(people, comparisons(people.present, further), blocking_rules(people.present))

    @abstractmethod
    def _score(self, learned: Learned) -> pl.DataFrame:
        """Score the table ``pairs`` by the model of all.

        The table has ``join_key_l`` and ``join_key_r``, ids of the table ``people``.
        Returns ``a`` and ``b`` (UInt32), these ids; ``weight``, to nine decimals; and ``gamma_*``.
        """

    @abstractmethod
    def _score_by_source(self, learned: Learned) -> pl.DataFrame:
        """Score the table ``pairs``, persons on the left and records on the right, by the models of the sources.

        Returns as :meth:`_score`, and ``of_all`` (Float64), the weight by the model of all.
        """

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
        # A further identifier may be among the columns by its plain name as well.
        absent = [
            pl.col(FURTHER + name).alias(name) if FURTHER + name in records.columns else pl.lit(None).alias(name)
            for name in self.columns
            if name not in records.columns
        ]
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
        self, learned: Learned, watched: pl.DataFrame = NO_PAIRS, *, all_pairs: bool = False, sample: int = 0
    ) -> Scored:
        """Propose and score pairs of records and persons, each by the model of the record's source."""
        connection, first = self.people.connection, self.people.persons
        persons, records = (f"(SELECT * FROM people WHERE unique_id {side} {first})" for side in ("<", ">="))
        make_table(connection, "watched", watched.select(join_key_l="person", join_key_r=pl.col("record") + first))
        left_out = make_blocks(connection, self.rules, persons, records)
        least = -math.inf if all_pairs or not self.listed else math.log2(_NEGLIGIBLE_ODDS * self.listed)
        scored, proposed, sampled, compared = [], [NO_PAIRS], [], 0
        for _ in self._pairs_of_blocks(records, "TRUE"):
            found = connection.sql("FROM watched SEMI JOIN pairs USING (join_key_l, join_key_r)").pl()
            record = (pl.col("join_key_r") - first).cast(pl.UInt32).alias("record")
            proposed.append(found.select(record, pl.col("join_key_l").cast(pl.UInt32).alias("person")))
            weighed = self._with_persons(learned)
            compared += weighed.height
            sampled.append(self._sampled(weighed, sample))
            scored.append(weighed.filter(pl.max_horizontal("weight", "relative") >= least))
        return Scored(
            pl.concat(scored).sort("record", "person"),
            compared,
            left_out,
            pl.concat(proposed).sort("record", "person"),
            self._sampled(pl.concat(sampled), sample),
        )

    def score_given(self, learned: Learned, pairs: pl.DataFrame) -> pl.DataFrame:
        """Score given pairs of records and persons, each by the model of the record's source."""
        asked = pairs.select(join_key_l="person", join_key_r=pl.col("record") + self.people.persons)
        make_table(self.people.connection, "pairs", asked)
        return self._with_persons(learned).sort("record", "person")

    def _with_persons(self, learned: Learned) -> pl.DataFrame:
        """Score the table ``pairs`` of persons and records, and name them."""
        scored = self._score_by_source(learned)
        named = scored.rename({"a": "person", "b": "record"}).with_columns(pl.col("record") - self.people.persons)
        named = named.with_columns(self.people.source_of_record[named["record"]].alias("source"))
        relative = learned.relatives.factor(named.with_columns(weight="of_all")).round(9)
        return named.with_columns(relative).select("record", "person", "weight", "relative", "^gamma_.*$")

    def score_among_records(
        self,
        learned: Learned,
        records: pl.Series,
        apart: Sequence[tuple[int, int]],
        *,
        all_pairs: bool = False,
        sample: int = 0,
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
        scored, sampled, compared = [], [], 0
        for _ in self._pairs_of_blocks(chosen, " AND ".join(conditions)):
            pairs = self._score(learned)
            compared += pairs.height
            sampled.append(self._sampled(pairs.with_columns(pl.col("a", "b") - first), sample))
            scored.append(self._with_relatives(learned, pairs.filter(pl.col("weight") >= least)))
        named = _each_once(scored).with_columns(pl.col("a", "b") - first).sort("a", "b")
        return Scored(named, compared, left_out, sampled=self._sampled(_each_once(sampled), sample))

    def score_again(self, learned: Learned, scored: Scored, *, sample: int = 0) -> Scored:
        """Score all pairs that :meth:`score_among_records` has found, by another model with the same comparisons."""
        pairs = self._scored_again(learned, scored.pairs)
        likely = pairs.filter(pl.col("weight") >= math.log2(_NEGLIGIBLE_ODDS * max(self.records, 1)))
        named = self._with_relatives(learned, likely).select(scored.pairs.columns)
        return replace(scored, pairs=named, sampled=self._sampled(pairs, sample))

    def _scored_again(self, learned: Learned, pairs: pl.DataFrame) -> pl.DataFrame:
        """Return these pairs of records, in order, with their weights by another model."""
        return pairs.select("a", "b", self.weigh(learned, pairs), "^gamma_.*$")

    def _sampled(self, scored: pl.DataFrame, size: int) -> pl.DataFrame:
        """Draw pairs by hash and, of each level that occurs and each source, at least some."""
        if not size:
            return scored[:0]
        drawn = scored.with_columns(pair_hashes(self.people, scored).alias("hash"))
        if "record" in scored.columns:
            drawn = drawn.with_columns(self.people.source_of_record[drawn["record"]].alias("source"))
        # If enough of these pairs are on a level, its lowest hashes are among them.
        low = drawn.filter(pl.col("hash") < min(2**64 - 1, _LOW_PAIRS * 2**64 // max(drawn.height, 1)))
        lowest = [drawn["hash"].bottom_k(size)]
        for name in drawn.columns:
            if name.startswith("gamma_") or name == "source":
                seen = dict(low.group_by(name).len().iter_rows())
                for level in drawn[name].unique():
                    among = low if seen.get(level, 0) >= _OF_EACH_LEVEL else drawn
                    lowest.append(among.filter(pl.col(name) == level)["hash"].bottom_k(_OF_EACH_LEVEL))
        return drawn.filter(pl.col("hash").is_in(pl.concat(lowest).implode())).drop("hash", "source", strict=False)

    def score_records(self, learned: Learned, pairs: pl.DataFrame) -> pl.DataFrame:
        """Score given pairs of records by the model of all."""
        first = self.people.persons
        asked = pairs.select((pl.col("a") + first).alias("join_key_l"), (pl.col("b") + first).alias("join_key_r"))
        make_table(self.people.connection, "pairs", asked)
        scored = self._with_relatives(learned, self._score(learned))
        return scored.with_columns(pl.col("a", "b") - first).sort("a", "b")

    def score_persons(self, learned: Learned, pairs: pl.DataFrame) -> pl.DataFrame:
        """Score given pairs of persons, as if the one were a record, whichever makes them more alike."""
        both = pl.concat(pairs.select(join_key_l=one, join_key_r=other) for one, other in (("a", "b"), ("b", "a")))
        make_table(self.people.connection, "pairs", both.unique())
        scored = self._with_relatives(learned, self._score(learned))
        ordered = scored.with_columns(pl.min_horizontal("a", "b").alias("a"), pl.max_horizontal("a", "b").alias("b"))
        best = ordered.sort("a", "b", "weight", "relative", descending=[False, False, True, True])
        return best.unique(["a", "b"], keep="first", maintain_order=True).select(
            "a", "b", "weight", "relative", "^gamma_.*$"
        )

    def weigh(self, learned: Learned, pairs: pl.DataFrame) -> pl.Series:
        """Return the weight of pairs that were scored by another model with the same comparisons.

        Only the weights of the levels have changed, and how common values count: a sum that Splink need not make.
        """
        first = self.people.persons
        one, other = (pl.col("person"), "record") if "person" in pairs.columns else (pl.col("a") + first, "b")
        named = pairs.select(one.alias("a"), (pl.col(other) + first).alias("b"), "^gamma_.*$")
        return match_weight(named, learned.model.comparisons, learned.frequencies).round(9)

    def _with_relatives(self, learned: Learned, pairs: pl.DataFrame) -> pl.DataFrame:
        """Add how well it would explain the agreement of two records if they were of relatives."""
        # All sources' relatives are the same.
        source = pl.lit(self.sources[0], pl.Int32).alias("source")
        return pairs.with_columns(learned.relatives.factor(pairs.with_columns(source)).round(9))

    def _pairs_of_blocks(self, right: str, where: str) -> Iterator[None]:
        """Make the table ``pairs`` of those in the blocks, for some records of the right side at a time."""
        connection = self.people.connection
        ids = connection.sql(f"SELECT unique_id FROM {right} ORDER BY unique_id").pl()["unique_id"]
        limited = all(rule.largest_block is not None for rule in self.rules)
        size = _RECORDS_AT_A_TIME if limited else _RECORDS_OF_GIVEN_RULES
        for start in range(0, max(ids.len(), 1), size):
            chunk = ids[start : start + size]
            between = f"BETWEEN {chunk[0]} AND {chunk[-1]}" if chunk.len() else "IS NULL"
            some = f"(SELECT * FROM {right} WHERE unique_id {between})"
            connection.execute(
                "CREATE OR REPLACE TABLE pairs AS SELECT unique_id_l AS join_key_l, unique_id_r AS join_key_r "
                f"FROM ({pairs_sql(self.rules, some, where, ordered=True)})"
            )
            yield


def _each_once(rounds: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Put the pairs of all rounds together; two records may have proposed each other in two rounds."""
    return rounds[0] if len(rounds) == 1 else pl.concat(rounds).unique(["a", "b"])
