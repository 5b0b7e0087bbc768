"""Which records of a linkage leave, and under which pseudonym."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import polars as pl

from linkcore.governance.releases.agreements import Agreement
from linkcore.governance.releases.cohorts import Cohort, persons_of
from linkcore.governance.releases.derived_together import refuse_crossed_places
from linkcore.governance.releases.identifying.check import PERSON, RECORD
from linkcore.governance.releases.identifying.people import People
from linkcore.governance.releases.link_columns import with_link_columns
from linkcore.governance.releases.rows import RANK
from linkcore.governance.releases.small_areas import people_by_postcode
from linkcore.keys.key import Key
from linkcore.link import Linkage
from linkcore.pseudonyms.persons import person_name
from linkcore.pseudonyms.pseudonymise import pseudonymise
from linkcore.sources.source import Source

if TYPE_CHECKING:
    from linkcore.governance.withholding.withholding import Withholding

__all__ = ["LEAVES", "LeavingRecords", "leaving_records", "person_pseudonyms"]

LEAVES: Final = "linkcore:leaves"
"""The column that says whether a record leaves."""


@dataclass(frozen=True, eq=False, repr=False)
class LeavingRecords:
    """The records of a linkage that leave for one recipient.

    Parameters
    ----------
    linkage : Linkage
        The linkage.
    persons : polars.DataFrame
        ``pseudonym`` and ``RANK``, one row for each person.
    not_withheld : mapping of str to polars.Series, optional
        For each source, whether a record may leave. Without it, every record may.
    in_cohort : polars.Series, optional
        Whether a person is in the cohort. Without it, every person is.
    """

    linkage: Linkage
    persons: pl.DataFrame
    not_withheld: Mapping[str, pl.Series] | None = None
    in_cohort: pl.Series | None = None

    @cached_property
    def people(self) -> People:
        """The identifiers of all persons: none may leave. They are gathered once for all columns."""
        return People(self.linkage.persons)

    @cached_property
    def people_by_postcode(self) -> pl.DataFrame:
        """The people of the spine by postcode."""
        return people_by_postcode(self.linkage.persons, self.linkage.sources)

    def links_of(self, source: Source, link_columns: tuple[str, ...]) -> pl.DataFrame:
        """Return, for each row of a source, everything about it but its payload; `LEAVES` says whether it leaves.

        ``RANK`` stands for the pseudonym until rows are written: four bytes in place of 48.
        """
        links = with_link_columns(self.linkage, source.name, self.linkage.links_of(source.name), link_columns)
        person = links["person_id"]
        if self.not_withheld is None:
            leaves = pl.repeat(True, links.height, eager=True)
        else:
            leaves = self.not_withheld[source.name]
        if self.in_cohort is not None:
            leaves = leaves & self.in_cohort[person]
        record_id = pl.lit(None, pl.String) if source.record_id_column is None else pl.col("record_id")
        return links.select(
            "raw_row_hash",
            self.persons[RANK][person],
            *link_columns,
            person.alias(PERSON),
            record_id.alias(RECORD),
            leaves.alias(LEAVES),
        )

    @cached_property
    def pseudonyms(self) -> pl.Series:
        """The pseudonyms of all persons in their order: that of each rank."""
        return self.persons.sort(RANK)["pseudonym"].rechunk()

    def withheld(self, source: Source) -> int:
        """Count the records of a source that are withheld."""
        return 0 if self.not_withheld is None else int((~self.not_withheld[source.name]).sum())


def leaving_records(
    linkage: Linkage, agreement: Agreement, key: Key, withholding: "Withholding | None"
) -> LeavingRecords:
    """Find the records that leave: those of the agreement's cohort that are not withheld."""
    derived = [column for columns in agreement.derived.values() for column in columns.values()]
    where = f"agreement with {agreement.recipient!r}"
    refuse_crossed_places(derived, linkage.persons, linkage.sources, where)
    persons = person_pseudonyms(linkage.persons, key)
    not_withheld = None if withholding is None else withholding.kept
    in_cohort = None
    if isinstance(agreement.cohort, Cohort):
        in_cohort = persons_of(agreement.cohort, linkage, persons["pseudonym"], not_withheld)
    return LeavingRecords(linkage, persons, not_withheld, in_cohort)


def person_pseudonyms(persons: pl.DataFrame, key: Key) -> pl.DataFrame:
    """Compute each person's pseudonym under a key, and its rank among all pseudonyms.

    Returns ``pseudonym`` (String, 32 hex characters) and ``RANK`` (UInt32), one row a person, in the order of
    ``persons``.
    """
    # The first 64 bits order as the whole pseudonyms do: that two persons share them is as good as impossible.
    first = pl.col("pseudonym").bin.head(8).bin.reinterpret(dtype=pl.UInt64, endianness="big")
    return persons.select(pseudonymise(person_name(), key, output="binary").alias("pseudonym")).select(
        pl.col("pseudonym").bin.encode("hex"), (first.rank("ordinal") - 1).cast(pl.UInt32).alias(RANK)
    )
