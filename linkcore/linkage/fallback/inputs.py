"""What the fallback works on: sources, persons, open records, and the hidden records of its self-test."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import polars as pl

from linkcore.linkage.decided.placing import NOTHING_DECIDED, Decided
from linkcore.linkage.enough_identifiers import enough_to_compare
from linkcore.linkage.exact.alternatives import listed_by_person
from linkcore.linkage.fallback.keep_model import KeptModel
from linkcore.linkage.placement import Placement
from linkcore.linkage.self_test.hidden_numbers import HiddenNumbers
from linkcore.linkage.settings import Fallback
from linkcore.sampling import fingerprints_by_source
from linkcore.sources.records import Records

__all__ = ["FallbackInputs"]

_PLACE: Final = ("source_index", "position")


@dataclass(frozen=True, eq=False, repr=False)
class FallbackInputs:
    """What the fallback works on; nothing of it changes while the fallback runs.

    Parameters
    ----------
    sources : sequence of Records
        RECORDS of each source.
    placement : Placement
        The placement by the exact linkage.
    settings : Fallback
        The settings of the fallback.
    open_records : polars.DataFrame
        All open records, from :func:`linkcore.linkage.fallback.open_records.gather_open_records`.
    comparable : polars.Series
        Boolean: which open records have enough identifiers to be compared.
    compared : polars.DataFrame
        Those open records. In every table of the fallback, ``record`` is a position among them.
    hidden : HiddenNumbers
        The records of the self-test.
    taught : polars.DataFrame
        What records with a number have shown of the persons beside PERSONS:
        :data:`linkcore.linkage.exact.alternatives.TAUGHT`.
    decided : Decided
        What clerks have decided about open records.
    kept : KeptModel, optional
        What an earlier linkage learned, and this one keeps. Then no records are hidden.
    """

    sources: Sequence[Records]
    placement: Placement
    settings: Fallback
    open_records: pl.DataFrame
    comparable: pl.Series
    compared: pl.DataFrame
    hidden: HiddenNumbers
    taught: pl.DataFrame
    decided: Decided = NOTHING_DECIDED
    kept: KeptModel | None = None

    @cached_property
    def open_sources(self) -> list[str]:
        """The names of the sources of the open records."""
        return [self.names[index] for index in sorted(self.open_records["source_index"].unique())]

    @property
    def names(self) -> Sequence[str]:
        """The names of the sources."""
        return [records.source.name for records in self.sources]

    @property
    def persons(self) -> int:
        """Number of persons listed."""
        return self.placement.persons.height

    @cached_property
    def alternatives(self) -> pl.DataFrame:
        """The alternatives of the persons who have some: ``person_id`` and lists, ``other_*``."""
        return listed_by_person(self.taught)

    @cached_property
    def records(self) -> pl.DataFrame:
        """``record`` (UInt32) and ``source`` (Int32) of the compared records."""
        return self.compared.select(
            pl.int_range(pl.len(), dtype=pl.UInt32).alias("record"), pl.col("source_index").alias("source")
        )

    def record_fingerprints(self, records: pl.DataFrame) -> pl.Series:
        """Return the fingerprints by which records are drawn; ``records``: ``source_index`` and ``record_id``."""
        sources = records["source_index"].replace_strict(dict(enumerate(self.names)), return_dtype=pl.String)
        return fingerprints_by_source(sources, records["record_id"])

    @cached_property
    def source_indices(self) -> list[int]:
        """The sources of the compared records, in order."""
        return sorted(self.records["source"].unique())

    @cached_property
    def hidden_comparable(self) -> pl.Series:
        """Boolean: which hidden records have enough identifiers to be compared."""
        return enough_to_compare(self.hidden.records)

    @cached_property
    def exclusive(self) -> frozenset[int]:
        """The sources in which no two records are of one person.

        The spine is one: it lists who exists, so each of its records is another person.
        """
        return frozenset(
            index
            for index, records in enumerate(self.sources)
            if records.source.one_record_per_person or records.source.spine
        )

    @cached_property
    def exclusive_ranges(self) -> list[tuple[int, int]]:
        """First and last compared record of each exclusive source."""
        of_exclusive = self.records.filter(pl.col("source").is_in(list(self.exclusive)))
        ends = of_exclusive.group_by("source").agg(first=pl.col("record").min(), last=pl.col("record").max())
        return ends.sort("source").select("first", "last").rows()

    @cached_property
    def taken(self) -> pl.DataFrame:
        """``source`` and ``person``: persons who already have a record in an exclusive source."""
        taken = [pl.DataFrame(schema={"source": pl.Int32, "person": pl.UInt32})]
        for index in sorted(self.exclusive):
            links = self.placement.links[self.sources[index].source.name]
            taken.append(links.select(pl.lit(index, pl.Int32).alias("source"), person="person_id").drop_nulls())
        return pl.concat(taken)

    @cached_property
    def not_of(self) -> pl.DataFrame:
        """``record`` and ``person`` (UInt32): decided not to be of that person."""
        return self.decided.not_of.join(self._places(), on=_PLACE).select("record", person="person_id")

    @cached_property
    def apart(self) -> pl.DataFrame:
        """``a`` < ``b`` (UInt32): records that are decided to be of two persons."""
        other = self._places().select(b="record", other_source_index="source_index", other_position="position")
        pairs = self.decided.apart.join(self._places(), on=_PLACE).join(
            other, on=["other_source_index", "other_position"]
        )
        return pairs.select(a=pl.min_horizontal("record", "b"), b=pl.max_horizontal("record", "b")).sort("a", "b")

    def _places(self) -> pl.DataFrame:
        return self.compared.select(*_PLACE).with_row_index("record")
