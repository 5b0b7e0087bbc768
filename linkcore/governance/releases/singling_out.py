"""Cohorts that single persons out: by being small, or by what differs from an earlier cohort of the same recipient.

All cohorts are compared on the data and the opt-outs of this release: what they would have now differs only by how they
were chosen. By its earlier cohorts, a recipient tells groups of persons apart, because a person has one pseudonym under
a key. A new cohort divides such a group into those whom it has and those whom it has not: neither part may be small. A
group that it does not divide tells nothing new, however small opt-outs have left it.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

import polars as pl

from linkcore.errors import LinkcoreError, RefusedError
from linkcore.governance.releases.agreements import Agreement
from linkcore.governance.releases.cohorts import Cohort, as_now, persons_of
from linkcore.governance.releases.leaving import LeavingRecords
from linkcore.governance.releases.terms import LEAST_COHORT

__all__ = ["CohortSizes", "refuse_singling_out"]

_SEEN: Final = "seen"
_SURE: Final = "sure"
_NEW: Final = "new"


class CohortSizes(NamedTuple):
    """How many persons of a cohort have a record that leaves, and the fewest whom it tells apart from earlier ones."""

    persons: int
    difference: int | None

    def for_the_audit_log(self) -> dict[str, int]:
        """Return the counts that are known."""
        return {name: count for name, count in self._asdict().items() if count is not None}


def refuse_singling_out(
    leaving: LeavingRecords, agreement: Agreement, earlier: Mapping[str, Cohort | None]
) -> CohortSizes:
    """Refuse a cohort that is smaller than the least size, or differs from an earlier one by fewer persons.

    ``earlier``: the cohorts of earlier releases under the key, by name; None is everybody.
    """
    where = f"agreement with {agreement.recipient!r}"
    least = LEAST_COHORT if agreement.terms is None else agreement.terms.least_cohort
    persons = _who_leaves(leaving, list(agreement.columns))
    everybody = pl.repeat(True, persons.height, eager=True)
    persons = persons.with_columns((everybody if leaving.in_cohort is None else leaving.in_cohort).alias(_NEW))
    size = int(persons.filter(_SEEN, _SURE, _NEW).height)
    if agreement.cohort is not None and size < least:
        raise RefusedError(
            f"{where}: fewer than {least} persons of the cohort have a record that leaves; choose a larger cohort"
        )
    before = [_persons_of(cohort, leaving, where).alias(name) for name, cohort in earlier.items()]
    smallest = _smallest_part(persons.with_columns(before), list(earlier))
    if smallest is not None and smallest < least:
        raise RefusedError(
            f"{where}: this cohort and earlier ones of the recipient together tell fewer than {least} persons apart "
            "from all others; choose the same cohort as before, or one that differs by more persons, or make the "
            "recipient a new key, under which its releases cannot be joined with the earlier ones"
        )
    return CohortSizes(size, smallest)


def _who_leaves(leaving: LeavingRecords, sources: list[str]) -> pl.DataFrame:
    """Return whether each person has a record in these sources that is not withheld, and one that is surely a person's.

    Several unlinked records may be of one human being, so they do not count as persons.
    """
    found = {name: pl.repeat(False, leaving.persons.height, eager=True) for name in (_SEEN, _SURE)}
    for source in sources:
        links = leaving.linkage.links_of(source)
        if leaving.not_withheld is not None:
            links = links.filter(leaving.not_withheld[source])
        found[_SEEN] = found[_SEEN].scatter(links["person_id"], values=True)
        found[_SURE] = found[_SURE].scatter(links.filter(pl.col("method") != "unlinked")["person_id"], values=True)
    return pl.DataFrame(found)


def _persons_of(cohort: Cohort | None, leaving: LeavingRecords, where: str) -> pl.Series:
    """Return whether each person would be in an earlier cohort now."""
    pseudonyms = leaving.persons["pseudonym"]
    if cohort is None:
        return pl.repeat(True, pseudonyms.len(), eager=True)
    listed = cohort.listed()
    if listed is not None and not pseudonyms.is_in(as_now(listed, leaving.renamed).implode()).any():
        return pl.repeat(False, pseudonyms.len(), eager=True)
    try:
        return persons_of(cohort, leaving.linkage, pseudonyms, renamed=leaving.renamed, kept=leaving.not_withheld)
    except LinkcoreError as error:
        raise RefusedError(
            f"{where}: an earlier cohort of the recipient cannot be compared with this one: {error}; or make the "
            "recipient a new key"
        ) from None


def _smallest_part(persons: pl.DataFrame, earlier: list[str]) -> int | None:
    """Count the persons of the smallest part into which the new cohort divides those whom earlier ones tell apart.

    Those whom the recipient never had are a group too; of them, only the part that it would get now counts.
    """
    if not earlier:
        return None
    parts = persons.filter(_SEEN).group_by(*earlier, _NEW).agg(pl.col(_SURE).sum())
    known = pl.any_horizontal(earlier)
    divided = pl.len().over(earlier) == 2
    told = parts.filter(pl.when(known).then(divided).otherwise(_NEW))[_SURE]
    return None if told.is_empty() else int(told.to_numpy().min())
