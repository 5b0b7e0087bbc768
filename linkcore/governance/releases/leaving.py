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
from linkcore.linkage.stable_persons.names_before import earlier_names
from linkcore.pseudonyms.integer_ids import integer_id, refuse_same_ids
from linkcore.pseudonyms.persons import person_name
from linkcore.pseudonyms.pseudonymise import pseudonymise
from linkcore.sources.source import Source

if TYPE_CHECKING:
    from linkcore.governance.withholding.withholding import Withholding

__all__ = ["LEAVES", "LeavingRecords", "leaving_records", "person_pseudonyms"]

LEAVES: Final = "linkcore:leaves"
"""The column that says whether a record leaves."""


_INTEGER_ID: Final = "linkcore:integer_id"


@dataclass(frozen=True, eq=False, repr=False)
class LeavingRecords:
    """The records of a linkage that leave for one recipient.

    Parameters
    ----------
    linkage : Linkage
        The linkage.
    persons : polars.DataFrame
        ``pseudonym`` and ``RANK``, and the integer id if there is one, one row for each person.
    renamed : polars.DataFrame
        ``old`` and ``new``: pseudonyms of earlier releases that gave way to those of one person now.
    not_withheld : mapping of str to polars.Series, optional
        For each source, whether a record may leave. Without it, every record may.
    in_cohort : polars.Series, optional
        Whether a person is in the cohort. Without it, every person is.
    """

    linkage: Linkage
    persons: pl.DataFrame
    renamed: pl.DataFrame
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

    def links_of(self, source: Source, link_columns: tuple[str, ...], integer_id: str = "") -> pl.DataFrame:
        """Return, for each row of a source, everything about it but its payload; `LEAVES` says whether it leaves.

        ``RANK`` stands for the pseudonym until rows are written: four bytes in place of 48. ``integer_id`` is the name
        of the column with the integer id of the person; without a name there is none.
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
            *([self.persons[_INTEGER_ID][person].alias(integer_id)] if integer_id else []),
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
    persons, renamed = person_pseudonyms(linkage.persons, key), _renamed(linkage, key)
    if agreement.integer_id:
        persons = persons.with_columns(_integer_ids(linkage, key))
    not_withheld = None if withholding is None else withholding.kept
    in_cohort = None
    if isinstance(agreement.cohort, Cohort):
        in_cohort = persons_of(agreement.cohort, linkage, persons["pseudonym"], renamed=renamed, kept=not_withheld)
    return LeavingRecords(linkage, persons, renamed, not_withheld, in_cohort)


def _renamed(linkage: Linkage, key: Key) -> pl.DataFrame:
    names = linkage.persons.select(person_name()).to_series()
    earlier = earlier_names(linkage.superseded, names).filter(pl.col("old") != pl.col("new"), ~pl.col("several"))
    return earlier.select(pseudonymise("old", key), pseudonymise("new", key))


def _integer_ids(linkage: Linkage, key: Key) -> pl.Series:
    """Return each person's integer id; none may be that of another person, now or in an earlier linkage."""
    ids = linkage.persons.select(integer_id(person_name(), key).alias(_INTEGER_ID)).to_series()
    names = pl.concat([linkage.persons.select(person_name()).to_series(), linkage.superseded["old"].alias("name")])
    refuse_same_ids(names.unique().to_frame("name").select(integer_id("name", key)).to_series(), key)
    return ids


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
