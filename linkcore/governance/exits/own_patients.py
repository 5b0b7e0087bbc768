"""A requester's own patients: whom a GP practice or a provider may be told about, and nobody else."""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import polars as pl

from linkcore.errors import ProgrammeError
from linkcore.governance.withholding.linked_rows import read_linked, stage_of
from linkcore.governance.withholding.opt_outs import current_numbers
from linkcore.identifiers import nhs_number
from linkcore.link import Linkage

__all__ = ["OwnPatients", "Relationships", "ods_code"]

# Loosely: a trust has 3 characters, a practice 6, a site or a newer organisation more [?].
_ODS_CODE: Final = re.compile(r"[A-Z0-9]{3,10}")


@dataclass(frozen=True, eq=False, repr=False)
class OwnPatients:
    """A requester's list, as far as it is of its own patients.

    Parameters
    ----------
    numbers : polars.DataFrame
        ``nhs_number`` (String), ten digits as the requester listed them, and ``name`` (String), ten digits of which the
        person's pseudonym may be: the number listed, the one that took its place, and those whose place it took.
    listed : int
        How many NHS Numbers could be read from the list.
    not_own : int
        How many of them are, by the linkage, no patients of the requester: for the audit, and not to be told.
    checked : str
        Against what the list was checked: ``registered practice``, ``source NAME`` or ``nothing``.
    """

    numbers: pl.DataFrame
    listed: int
    not_own: int
    checked: str

    def __repr__(self) -> str:
        """Say how many; never who."""
        return f"OwnPatients({self.listed} listed, {self.not_own} left out)"


def ods_code(code: str) -> str:
    """Refuse what cannot be the ODS code of an organisation.

    Examples
    --------
    >>> ods_code("a81001")
    'A81001'
    """
    code = code.strip().upper() if isinstance(code, str) else ""
    if not _ODS_CODE.fullmatch(code):
        raise ProgrammeError("an ODS code is 3 to 10 letters and digits, such as A81001: give the requester's")
    return code


class Relationships:
    """Who is whose patient, by a linkage: against that a requester's own patient list is checked.

    A GP practice's patients are those whose record on the spine names it in the ``practice`` column, so they are
    registered there as of the day of that extract. A provider's are the people of whom there is a record in its source.

    Parameters
    ----------
    linkage : Linkage or None
        None checks nothing: a list is then taken at its word.

    Examples
    --------
    >>> from linkcore.link import link
    >>> from linkcore.sources.source import Source
    >>> everybody = pl.DataFrame({"nhs_number": ["4010232137", "4000000012"], "gp": ["A81001", "B82002"]})
    >>> linkage = link([Source("gp", everybody, spine=True, practice="gp")], fallback=None)
    >>> own = Relationships(linkage).own_patients(everybody["nhs_number"], requester="A81001")
    >>> own.numbers["nhs_number"].to_list(), own
    (['4010232137'], OwnPatients(2 listed, 1 left out))
    """

    def __init__(self, linkage: Linkage | None) -> None:
        self._linkage = linkage

    def own_patients(self, listed: pl.Series, *, requester: str, source: str | None = None) -> OwnPatients:
        """Read a requester's list, and leave out whom the linkage does not know as its patients."""
        if self._linkage is not None and stage_of(self._linkage.sources) is not None:
            return self._coded(self._linkage, listed, requester, source)
        number = nhs_number.standardise(pl.col("listed")).struct.field("value").alias("listed")
        numbers = pl.DataFrame({"listed": listed}).select(number).drop_nulls().unique(maintain_order=True)
        superseded = None if self._linkage is None else self._linkage.exact.superseded
        numbers = numbers.with_columns(current_numbers(numbers["listed"], superseded).alias("current"))
        kept, checked = numbers, "nothing"
        if self._linkage is not None:
            theirs = self._registered_with(requester) if source is None else self._in_source(source)
            kept = numbers.filter(pl.col("current").is_in(theirs.implode()))
            checked = "registered practice" if source is None else f"source {source}"
        every = [kept.select("listed", pl.col(column).alias("name")) for column in ("current", "listed")]
        if superseded is not None:  # what was released before is under the number of then
            before = superseded.lazy().collect().rename({"new": "current", "old": "name"})
            every.append(kept.join(before, on="current", maintain_order="left").select("listed", "name"))
        names = pl.concat(every)
        texts = names.unique(maintain_order=True).select(
            nhs_number.digits(pl.col("listed")).alias("nhs_number"), nhs_number.digits(pl.col("name")).alias("name")
        )
        return OwnPatients(texts, numbers.height, numbers.height - kept.height, checked)

    def _coded(self, linkage: Linkage, listed: pl.Series, requester: str, source: str | None) -> OwnPatients:
        """Read a list of stage-1 codes; a code was never superseded, and a pseudonym is the second stage over it."""
        stage_one = stage_of(linkage.sources)
        assert stage_one is not None
        read = pl.DataFrame({"listed": listed}).select(stage_one.read(pl.col("listed"))).unnest("listed")
        codes = read.drop_nulls("code").unique("code", maintain_order=True)
        theirs = self._registered_with(requester) if source is None else self._in_source(source)
        kept = codes.filter(pl.col("value").is_in(theirs.implode()))
        texts = kept.select(pl.col("code").alias("nhs_number"), pl.col("code").alias("name"))
        checked = "registered practice" if source is None else f"source {source}"
        return OwnPatients(texts, codes.height, codes.height - kept.height, checked)

    def _registered_with(self, practice: str) -> pl.Series:
        return self._numbers(self._registrations.filter(pl.col("practice") == practice)["person_id"])

    @cached_property
    def _registrations(self) -> pl.DataFrame:
        """``practice`` (String, in capitals) and ``person_id`` of every record of the spine."""
        linkage = self._linkage
        assert linkage is not None
        spine = next((source for source in linkage.sources if source.spine), None)
        if spine is None or spine.practice is None:
            raise ProgrammeError(
                "whose patients the listed people are is not known: there is no spine, or it names no practice column; "
                "give the spine practice=, or name the provider's source"
            )
        code = pl.col(spine.practice).cast(pl.String).str.strip_chars().str.to_uppercase().alias("practice")
        practices = read_linked(linkage, spine, [spine.practice], [code])
        return practices.hstack([linkage.links_of(spine.name)["person_id"]])

    def _in_source(self, source: str) -> pl.Series:
        assert self._linkage is not None
        return self._numbers(self._linkage.links_of(source)["person_id"])

    def _numbers(self, person_ids: pl.Series) -> pl.Series:
        assert self._linkage is not None
        # A person's id is its position in PERSONS.
        return self._linkage.persons["nhs_number"][person_ids.unique()].drop_nulls()
