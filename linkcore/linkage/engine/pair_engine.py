"""What both engines share: which pairs are proposed and weighed, and which of them are kept."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

import polars as pl

from linkcore.linkage.blocking import BlockingRule, blocking_rules
from linkcore.linkage.comparisons.comparisons import comparisons
from linkcore.linkage.engine.engine import NO_PAIRS, LabelledCounts, Learned, RandomCounts, Scored
from linkcore.linkage.engine.tables import PeopleTable, pair_hashes
from linkcore.linkage.learning.relatives import RelativeCounts
from linkcore.linkage.model.model import Comparison, Model
from linkcore.linkage.model.weights import match_weight
from linkcore.sources.source import FurtherKind

__all__ = ["PERSONS_WITH_RELATIVES", "RANDOM_PAIRS", "RECORDS_AT_A_TIME", "PairEngine", "Proposed"]

# Splink's authors call ten million "often adequate": a level of one random pair in a million is then seen ten times.
# Where agreement is rarer than that, the frequency of the value itself stands for u.
RANDOM_PAIRS: Final = 10_000_000

# Relatives of so many persons are counted: there are then some thousands of twins, the rarest kind.
PERSONS_WITH_RELATIVES: Final = 100_000

# Bounds the memory for one round of scoring: this many records have at most a few million candidates.
RECORDS_AT_A_TIME: Final = 100_000

# Of each level and each source, so many pairs are in a sample, as far as there are.
_OF_EACH_LEVEL: Final = 10

# The pairs of most levels are looked for among so many pairs of low hashes: going through all pairs takes longer.
_LOW_PAIRS: Final = 200_000

# Candidates whose odds against N others are below this are dropped: all of them together could not change a link.
_NEGLIGIBLE_ODDS: Final = 1e-6


@dataclass(frozen=True, eq=False)
class Proposed:
    """Pairs that blocking rules propose.

    Parameters
    ----------
    left_out : mapping of str to int
        By rule, how many times somebody was in a block too large to be looked at.
    pairs : iterator of polars.DataFrame
        ``a`` and ``b`` (UInt32), rows of the table of people: some of the pairs at a time, each once.
    """

    left_out: Mapping[str, int]
    pairs: Iterator[pl.DataFrame]


@dataclass(frozen=True, eq=False)
class PairEngine(ABC):
    """The persons and records of a table, with comparisons and blocking rules: an Engine, but for how it does it.

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
    def count_labelled(self, labelled: pl.DataFrame, seed: int) -> LabelledCounts:
        """Count levels of records beside their own persons, and of random pairs."""

    @abstractmethod
    def count_random(self, seed: int) -> RandomCounts:
        """Count levels of random pairs of records and persons or, without persons, of records."""

    @abstractmethod
    def count_relatives(self, comparisons: Sequence[Comparison], seed: int) -> RelativeCounts:
        """Count levels of random persons beside those who may be their relatives."""

    @abstractmethod
    def frequencies(self, model: Model) -> Mapping[str, pl.Series]:
        """Return, by column that the model adjusts for, how common the value of each person and record is."""

    @abstractmethod
    def _score(self, learned: Learned, pairs: pl.DataFrame) -> pl.DataFrame:
        """Score pairs by the model of all: ``a`` and ``b`` (UInt32), rows of the table of people.

        Returns ``a`` and ``b``; ``weight``, to nine decimals; and ``gamma_*``.
        """

    @abstractmethod
    def _score_by_source(self, learned: Learned, pairs: pl.DataFrame) -> pl.DataFrame:
        """Score pairs, ``a`` a person and ``b`` a record, by the models of the sources.

        Returns as :meth:`_score`, and ``of_all`` (Float64), the weight by the model of all.
        """

    @abstractmethod
    def _propose_with_persons(self) -> Proposed:
        """Propose pairs of persons and records, for some records at a time."""

    @abstractmethod
    def _propose_among(self, ids: pl.Series, apart: Sequence[tuple[int, int]]) -> Proposed:
        """Propose pairs of some rows of the table, ``a`` < ``b``, for some of the rows at a time.

        ``apart``: first and last row of each range of rows of which no two are compared.
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

    def score_with_persons(
        self, learned: Learned, watched: pl.DataFrame = NO_PAIRS, *, all_pairs: bool = False, sample: int = 0
    ) -> Scored:
        """Propose and score pairs of records and persons, each by the model of the record's source."""
        first = self.people.persons
        wanted = watched.select(a="person", b=(pl.col("record") + first).cast(pl.UInt32))
        least = -math.inf if all_pairs or not self.listed else math.log2(_NEGLIGIBLE_ODDS * self.listed)
        scored, proposed, sampled, compared = [], [NO_PAIRS], [], 0
        found = self._propose_with_persons()
        for pairs in found.pairs:
            seen = wanted.join(pairs, on=["a", "b"], how="semi")
            proposed.append(seen.select((pl.col("b") - first).alias("record"), person="a"))
            weighed = self._with_persons(learned, pairs)
            compared += weighed.height
            sampled.append(self._sampled(weighed, sample))
            scored.append(weighed.filter(pl.max_horizontal("weight", "relative") >= least))
        return Scored(
            pl.concat(scored).sort("record", "person"),
            compared,
            found.left_out,
            pl.concat(proposed).sort("record", "person"),
            self._sampled(pl.concat(sampled), sample),
        )

    def score_given(self, learned: Learned, pairs: pl.DataFrame) -> pl.DataFrame:
        """Score given pairs of records and persons, each by the model of the record's source."""
        asked = pairs.select(a="person", b=(pl.col("record") + self.people.persons).cast(pl.UInt32))
        return self._with_persons(learned, asked).sort("record", "person")

    def _with_persons(self, learned: Learned, pairs: pl.DataFrame) -> pl.DataFrame:
        """Score pairs of persons and records, rows of the table, and name them."""
        scored = self._score_by_source(learned, pairs)
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
        first = self.people.persons
        found = self._propose_among(
            (records + first).cast(pl.UInt32), [(start + first, end + first) for start, end in apart]
        )
        least = -math.inf if all_pairs else math.log2(_NEGLIGIBLE_ODDS * max(records.len(), 1))
        scored, sampled, compared = [], [], 0
        for proposed in found.pairs:
            pairs = self._score(learned, proposed)
            compared += pairs.height
            sampled.append(self._sampled(pairs.with_columns(pl.col("a", "b") - first), sample))
            scored.append(self._with_relatives(learned, pairs.filter(pl.col("weight") >= least)))
        named = _each_once(scored).with_columns(pl.col("a", "b") - first).sort("a", "b")
        return Scored(named, compared, found.left_out, sampled=self._sampled(_each_once(sampled), sample))

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
        asked = pairs.select((pl.col("a", "b") + first).cast(pl.UInt32))
        scored = self._with_relatives(learned, self._score(learned, asked))
        return scored.with_columns(pl.col("a", "b") - first).sort("a", "b")

    def score_persons(self, learned: Learned, pairs: pl.DataFrame) -> pl.DataFrame:
        """Score given pairs of persons, as if the one were a record, whichever makes them more alike."""
        both = pl.concat(pairs.select(a=one, b=other) for one, other in (("a", "b"), ("b", "a")))
        scored = self._with_relatives(learned, self._score(learned, both.cast(pl.UInt32).unique()))
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


def _each_once(rounds: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Put the pairs of all rounds together; two records may have proposed each other in two rounds."""
    return rounds[0] if len(rounds) == 1 else pl.concat(rounds).unique(["a", "b"])
