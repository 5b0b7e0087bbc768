"""The people that a record may belong to: an opt-out follows the person, to all records that may be theirs."""

from collections.abc import Mapping
from functools import cached_property

import polars as pl

from linkcore.governance.withholding.linked_rows import own_number, read_linked
from linkcore.governance.withholding.opt_outs import current_numbers
from linkcore.link import Linkage
from linkcore.linkage.fallback.probabilistic import LEAST_PROBABILITY_KEPT
from linkcore.linkage.possibly_same import possibly_same
from linkcore.sources.source import Source

__all__ = ["PossiblePeople"]


class PossiblePeople:
    """The NHS Numbers of the people that each record of a linkage may belong to.

    These are the record's own number, usable or not; the numbers of the person it is linked to; and the numbers of
    every candidate with a probability of 0.001 or more. A person's numbers are the one by which records are linked to
    it, and those of its records, except records in conflict with it. A superseded number counts as the one that
    replaced it. Besides, a person whose number is not on the spine, or who is on the spine twice, may be somebody under
    another number.

    The sources are read again, and refused if they are not what was linked.

    Examples
    --------
    >>> from linkcore.link import link
    >>> gp = Source("gp", pl.DataFrame({"nhs_number": ["4010232137", "4000000012"]}), spine=True)
    >>> PossiblePeople(link([gp], fallback=None)).records_of(pl.Series([4000000012]))["gp"].to_list()
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
        """The current NHS Numbers of all records and persons (Int64), sorted, each once."""
        own = [records["nhs_number"] for records in self._records.values()]
        return pl.concat([self._numbers_of_persons["nhs_number"], *own]).drop_nulls().unique().sort()

    @cached_property
    def written_numbers(self) -> pl.Series:
        """The current NHS Numbers, and the superseded ones that a record carries (Int64), sorted, each once."""
        own = [records["written"] for records in self._records.values()]
        return pl.concat([self.numbers, *own]).drop_nulls().unique().sort()

    def records_of(self, numbers: pl.Series) -> dict[str, pl.Series]:
        """Return, for each source, whether each record may belong to one of the people with these NHS Numbers.

        Boolean without nulls, in the order of ``Linkage.links_of``.
        """
        theirs = self.persons_of(numbers)
        found = {}
        for name, records in self._records.items():
            own = records["nhs_number"].is_in(numbers.implode()).fill_null(False)
            candidates = self._candidates[name]
            possible = candidates["row"].filter(theirs[candidates["person_id"]]).unique()
            found[name] = (own | theirs[records["person_id"]]).scatter(possible, True)
        return found

    def persons_of(self, numbers: pl.Series) -> pl.Series:
        """Return whether each person has one of these NHS Numbers: Boolean, in the order of ``linkage.persons``."""
        among = pl.col("nhs_number").is_in(numbers.implode())
        theirs = self._numbers_of_persons.filter(among)["person_id"].unique()
        return pl.repeat(False, self._linkage.persons.height, eager=True).scatter(theirs, True)

    def under_another_number(self, numbers: pl.Series) -> dict[str, pl.Series]:
        """Return, for each source, whether each record may be of one of these people, though its number is another.

        Such a number was mistyped, or is a new one. It makes an exact link, so the linkage has compared nothing else.
        Here its person is compared with the people who have ``numbers``, and is one of them if that has a probability
        of 0.001 or more. So is who is on the spine with the full name and birth date of one of them: people are
        registered twice. Boolean without nulls, in the order of ``Linkage.links_of``.
        """
        theirs = self.persons_of(numbers)
        doubted = self._confirmed_by_nobody & ~theirs
        same = possibly_same(self._linkage, doubted.arg_true(), theirs.arg_true(), least=LEAST_PROBABILITY_KEPT)
        doubtful = self._namesakes_of(theirs).scatter(same["person"].unique(), True)
        return {name: doubtful[records["person_id"]] for name, records in self._records.items()}

    @cached_property
    def _confirmed_by_nobody(self) -> pl.Series:
        """Whether nobody confirms a person's NHS Number, because it is not on the spine."""
        persons = self._linkage.persons
        spine = [source.name for source in self._linkage.sources if source.spine]
        return (~persons["source"].is_in(spine) & persons["nhs_number"].is_not_null()).alias("unconfirmed")

    def _namesakes_of(self, theirs: pl.Series) -> pl.Series:
        """Return whether each person has the full name and birth date of one of these: who is registered twice has."""
        persons = self._linkage.persons
        full = ("given_name", "family_name", "birth_date")
        known = pl.DataFrame([persons[name] for name in full]).with_row_index("person")
        same = known.join(known.filter(theirs).drop_nulls().select(full).unique(), on=full, how="semi")
        namesakes = pl.repeat(False, persons.height, eager=True).scatter(same["person"], True)
        # Who has no number was compared by the fallback.
        return namesakes & ~theirs & persons["nhs_number"].is_not_null()

    def without_known_number(self) -> dict[str, pl.Series]:
        """Return, for each source, whether each record lacks an NHS Number by which its person could be looked up.

        It does if its person has no number, and the record has none either, or has one that its name and birth date
        contradict. Boolean without nulls, in the order of ``Linkage.links_of``.
        """
        known = self.persons_of(self._numbers_of_persons["nhs_number"].unique())
        return {
            name: ~known[records["person_id"]] & (records["nhs_number"].is_null() | records["conflict"])
            for name, records in self._records.items()
        }

    @cached_property
    def _numbers_of_persons(self) -> pl.DataFrame:
        """``person_id`` and ``nhs_number``: every number of every person."""
        columns = ["person_id", "nhs_number"]
        own = [records.filter(~pl.col("conflict")).select(columns) for records in self._records.values()]
        return pl.concat([self._linkage.persons.select(columns), *own]).drop_nulls().unique(maintain_order=True)

    @cached_property
    def _candidates(self) -> dict[str, pl.DataFrame]:
        """For each source, ``row`` of a record and ``person_id`` of each of its candidates."""
        candidates = self._linkage.possible_persons
        return {
            name: candidates.filter(pl.col("source") == name)
            .join(records.select("record_id").with_row_index("row"), on="record_id", maintain_order="left")
            .select("row", "person_id")
            for name, records in self._records.items()
        }


def _numbers(linkage: Linkage, source: Source) -> pl.DataFrame:
    """Read the NHS Number of every row: ``written``, as the record carries it, and ``nhs_number``, the current one."""
    number = own_number(source, linkage.reference_date).alias("written")
    columns = source.identifier_columns
    needed = [columns[name] for name in ("nhs_number", "birth_date") if name in columns]
    written = read_linked(linkage, source, needed, [number])["written"]
    return pl.DataFrame([written, current_numbers(written, linkage.exact.superseded).alias("nhs_number")])
