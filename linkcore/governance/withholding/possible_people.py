"""Whose a record may be: an opt-out follows the person, so it withholds whatever may be of that person."""

from collections.abc import Mapping
from functools import cached_property

import polars as pl

from linkcore.governance.withholding.linked_rows import own_number, read_linked
from linkcore.governance.withholding.opt_outs import current_numbers
from linkcore.link import Linkage
from linkcore.sources.source import Source

__all__ = ["Whose"]


class Whose:
    """The NHS Numbers of the people that each record of a linkage may be of.

    They are the record's own, whether or not it was usable; those of the person to whom it is linked; and those of
    every candidate with a probability of 0.001 or more. A person's are the one by which records are linked to it, and
    those that its records carry without being in conflict with it. A number that was superseded is the one that took
    its place.

    Parameters
    ----------
    linkage : Linkage
        Of the sources; their numbers are read again.

    Raises
    ------
    SourceError
        If a source is not what was linked.

    Examples
    --------
    >>> from linkcore.link import link
    >>> gp = Source("gp", pl.DataFrame({"nhs_number": ["4010232137", "4000000012"]}), spine=True)
    >>> whose = Whose(link([gp], fallback=None))
    >>> whose.may_be_of(pl.Series([4000000012]))["gp"].to_list()
    [False, True]
    """

    def __init__(self, linkage: Linkage) -> None:
        self._linkage = linkage
        self._records: Mapping[str, pl.DataFrame] = {
            source.name: linkage.links_of(source.name)
            .select("record_id", "person_id", "conflict")
            .hstack(_numbers(linkage, source))
            for source in linkage.sources
        }

    @cached_property
    def numbers(self) -> pl.Series:
        """Every NHS Number of any record or person, as it is now (Int64), sorted, each once."""
        own = [frame["nhs_number"] for frame in self._records.values()]
        return pl.concat([self._of_persons["nhs_number"], *own]).drop_nulls().unique().sort()

    @cached_property
    def written_numbers(self) -> pl.Series:
        """Likewise, and also those that were superseded, where a record has one."""
        own = [frame["written"] for frame in self._records.values()]
        return pl.concat([self.numbers, *own]).drop_nulls().unique().sort()

    def may_be_of(self, numbers: pl.Series) -> dict[str, pl.Series]:
        """Say of each record whether it may be of one of these people.

        Returns By source, Boolean without nulls, in the order of ``Linkage.links_of``.
        """
        among = self.persons_of(numbers)
        found = {}
        for name, frame in self._records.items():
            own = frame["nhs_number"].is_in(numbers.implode()).fill_null(False)
            candidates = self._candidates[name]
            possible = candidates["at"].filter(among[candidates["person_id"]]).unique()
            found[name] = (own | among[frame["person_id"]]).scatter(possible, True)
        return found

    def persons_of(self, numbers: pl.Series) -> pl.Series:
        """Say of each person whether it is one of these people.

        Returns Boolean without nulls, in the order of ``linkage.persons``.
        """
        theirs = self._of_persons.filter(pl.col("nhs_number").is_in(numbers.implode()))["person_id"].unique()
        return pl.repeat(False, self._linkage.persons.height, eager=True).scatter(theirs, True)

    def of_nobody_known(self) -> dict[str, pl.Series]:
        """Say of each record whether no NHS Number is known by which it could be looked up.

        That is so where its person has none, and the record itself has none, or one that its name and birth date say is
        somebody else's.

        Returns By source, Boolean without nulls, in the order of ``Linkage.links_of``.
        """
        known = self.persons_of(self._of_persons["nhs_number"].unique())
        return {
            name: ~known[frame["person_id"]] & (frame["nhs_number"].is_null() | frame["conflict"])
            for name, frame in self._records.items()
        }

    @cached_property
    def _of_persons(self) -> pl.DataFrame:
        """``person_id`` and ``nhs_number``: every number of every person."""
        columns = ["person_id", "nhs_number"]
        own = [frame.filter(~pl.col("conflict")).select(columns) for frame in self._records.values()]
        return pl.concat([self._linkage.persons.select(columns), *own]).drop_nulls().unique(maintain_order=True)

    @cached_property
    def _candidates(self) -> dict[str, pl.DataFrame]:
        """``at``, the position of a record, and ``person_id``, of someone it may be of, by source."""
        none = pl.DataFrame(schema={"source": pl.String, "record_id": pl.String, "person_id": pl.UInt32})
        probabilistic = self._linkage.probabilistic
        candidates = none if probabilistic is None else probabilistic.candidates.select(none.columns)
        return {
            name: candidates.filter(pl.col("source") == name)
            .join(frame.select("record_id").with_row_index("at"), on="record_id", maintain_order="left")
            .select("at", "person_id")
            for name, frame in self._records.items()
        }


def _numbers(linkage: Linkage, source: Source) -> pl.DataFrame:
    """Give the NHS Number of every row, as it is ``written`` and as it is now."""
    number = own_number(source, linkage.reference_date).alias("written")
    columns = source.identifier_columns
    needed = [columns[name] for name in ("nhs_number", "birth_date") if name in columns]
    written = read_linked(linkage, source, needed, [number])["written"]
    return pl.DataFrame([written, current_numbers(written, linkage.exact.superseded).alias("nhs_number")])
