"""What every engine does: count the levels of pairs, propose pairs by the blocking rules, and score pairs.

An engine holds persons and records, and no model: what was learned is given with each call.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Literal, Protocol

import polars as pl

from linkcore.linkage.blocking import BlockingRule
from linkcore.linkage.learning.relatives import RelativeCounts, Relatives
from linkcore.linkage.model.by_source import level_shifts
from linkcore.linkage.model.model import Comparison, Model

__all__ = ["NO_PAIRS", "Engine", "LabelledCounts", "Learned", "LearnedFrom", "RandomCounts", "Scored"]

NO_PAIRS: Final = pl.DataFrame(schema={"record": pl.UInt32, "person": pl.UInt32})
"""Pairs of a record and a person, where there are none."""

LearnedFrom = Literal["labels", "expectation maximisation", "given"]


@dataclass(frozen=True, eq=False, repr=False)
class Learned:
    """Everything by which pairs are scored.

    Parameters
    ----------
    model : Model
        The model of all sources.
    source_models : mapping of int to Model
        By source, the model with m of its own; a source without one uses the model of all.
    relatives : Relatives
        How relatives differ.
    frequencies : mapping of str to polars.Series
        By column, how common the value of each person and record is; null where it is missing.
    learned_from : str
        What the model was learned from.
    unsettled_pairs : int
        From how many pairs it was learned, if to go on learning from them would still change it; 0 if not.
    """

    model: Model
    frequencies: Mapping[str, pl.Series]
    learned_from: LearnedFrom
    source_models: Mapping[int, Model] = field(default_factory=dict)
    relatives: Relatives = field(default_factory=Relatives)
    unsettled_pairs: int = 0

    @cached_property
    def shifts(self) -> Mapping[str, pl.DataFrame]:
        """What the models of sources add to the weights of the model of all."""
        return level_shifts(self.source_models, self.model)


@dataclass(frozen=True, eq=False, repr=False)
class LabelledCounts:
    """Levels of labelled records, as COUNTS of :mod:`linkcore.linkage.learning.levels`.

    Parameters
    ----------
    one_person : polars.DataFrame
        Of each record and its own person; the group is the source.
    two_persons : polars.DataFrame
        Of random records and persons, but not a record's own.
    """

    one_person: pl.DataFrame
    two_persons: pl.DataFrame


@dataclass(frozen=True, eq=False, repr=False)
class RandomCounts:
    """Levels of random pairs, as COUNTS of :mod:`linkcore.linkage.learning.levels`.

    Parameters
    ----------
    all_pairs : polars.DataFrame
        Of all pairs of the random records, with random persons or, where there are none, with each other.
    one_family_name : polars.DataFrame
        Of those pairs that share a family name, how their names compare.
    """

    all_pairs: pl.DataFrame
    one_family_name: pl.DataFrame


@dataclass(frozen=True, eq=False, repr=False)
class Scored:
    """Scored pairs, and how they were found.

    Parameters
    ----------
    pairs : polars.DataFrame
        The two sides of each pair; ``weight`` (Float64): log2 of the Bayes factor that they are of one person;
        ``relative`` (Float64): log2 of the same that they are of relatives; ``gamma_*``: the level of each comparison.
    compared : int
        How many pairs were scored; the pairs of negligible odds among them are left out of ``pairs``.
    left_out : mapping of str to int
        By rule, how many times a person (or record) was in a block too large to be looked at.
    proposed : polars.DataFrame
        ``record`` and ``person``: the watched pairs that some rule proposed.
    sampled : polars.DataFrame
        Some of all scored pairs, drawn by hash, with the columns of ``pairs``: also such as are left out of ``pairs``.
    """

    pairs: pl.DataFrame
    compared: int
    left_out: Mapping[str, int]
    proposed: pl.DataFrame = field(default_factory=NO_PAIRS.clone)
    sampled: pl.DataFrame = field(default_factory=pl.DataFrame)


class Engine(Protocol):
    """Persons and records, ready to be compared.

    A person is named by its position among the persons, a record by its position among the records.
    """

    @property
    def comparisons(self) -> Sequence[Comparison]:
        """What is compared, not learned yet."""

    @property
    def rules(self) -> Sequence[BlockingRule]:
        """The blocking rules."""

    @property
    def present(self) -> Sequence[str]:
        """The comparable columns that have values."""

    @property
    def columns(self) -> Sequence[str]:
        """All comparable columns."""

    @property
    def listed(self) -> int:
        """How many persons there really are; further persons are compared, and not learned from."""

    @property
    def records(self) -> int:
        """How many records there are."""

    @property
    def sources(self) -> Sequence[int]:
        """The sources of the records, in order."""

    def count_labelled(self, labelled: pl.DataFrame, seed: int) -> LabelledCounts:
        """Count levels of records beside their own persons, and of random pairs.

        ``labelled``: RECORDS, ``label`` (the person) and ``source_index`` (the source); and, as ``other_*``, the
        alternatives of the person that others than this record have taught.
        """

    def count_random(self, seed: int) -> RandomCounts:
        """Count levels of random pairs."""

    def count_relatives(self, comparisons: Sequence[Comparison], seed: int) -> RelativeCounts:
        """Count levels of random persons beside those who may be their relatives."""

    def frequencies(self, model: Model) -> Mapping[str, pl.Series]:
        """Return, by column that the model adjusts for, how common the value of each person and record is."""

    def score_with_persons(
        self, learned: Learned, watched: pl.DataFrame = NO_PAIRS, *, all_pairs: bool = False, sample: int = 0
    ) -> Scored:
        """Propose and score pairs of records and persons, each by the model of the record's source.

        ``watched``: ``record`` and ``person``: pairs of which ``Scored.proposed`` shall say which a rule proposed.
        ``all_pairs``: also pairs of negligible odds.
        ``sample``: how many pairs to draw for ``Scored.sampled``; each level and source has some beside.
        Returns pairs as ``record`` and ``person`` (UInt32), in order.
        """

    def score_given(self, learned: Learned, pairs: pl.DataFrame) -> pl.DataFrame:
        """Score given pairs, ``record`` and ``person``, as :meth:`score_with_persons` does; in order."""

    def score_among_records(
        self,
        learned: Learned,
        records: pl.Series,
        apart: Sequence[tuple[int, int]],
        *,
        all_pairs: bool = False,
        sample: int = 0,
    ) -> Scored:
        """Propose and score pairs of these records, by the model of all.

        ``apart``: first and last record of each range within which no two are compared.
        Returns pairs as ``a`` < ``b`` (UInt32), in order.
        """

    def score_again(self, learned: Learned, scored: Scored, *, sample: int = 0) -> Scored:
        """Score all pairs that :meth:`score_among_records` has found, by another model with the same comparisons.

        Returns what that would return with this model.
        """

    def score_records(self, learned: Learned, pairs: pl.DataFrame) -> pl.DataFrame:
        """Score given pairs of records, ``a`` < ``b`` (UInt32), by the model of all; in order."""

    def score_persons(self, learned: Learned, pairs: pl.DataFrame) -> pl.DataFrame:
        """Score given pairs of persons, ``a`` and ``b`` (UInt32), as if the one were a record.

        Returns ``a`` < ``b``, each pair once, ``weight``, ``relative`` and ``gamma_*``, by the model of all; in order.
        """

    def weigh(self, learned: Learned, pairs: pl.DataFrame) -> pl.Series:
        """Return the ``weight`` of pairs that were scored by another model with the same comparisons.

        ``pairs``: as of :meth:`score_with_persons` or :meth:`score_among_records`.
        """
