"""A requester's own patients: a GP practice or a provider is told about these, and about nobody else."""

from dataclasses import dataclass
from functools import cached_property

import polars as pl

from linkcore.governance.exits.requesters import Requester, ods_code
from linkcore.governance.withholding.linked_rows import read_linked, stage_of
from linkcore.governance.withholding.opt_outs import current_numbers
from linkcore.identifiers import nhs_number
from linkcore.link import Linkage
from linkcore.linkage.stable_persons.names_before import earlier_names
from linkcore.pseudonyms.stage_one import StageOne

__all__ = ["OwnPatients", "PatientList", "Relationships"]


@dataclass(frozen=True, eq=False, repr=False)
class PatientList:
    """The patient list that a GP practice or a provider brings with its request.

    Parameters
    ----------
    requester : str
        ODS code of the practice or provider.
    numbers : polars.Series
        The NHS Numbers on the list, in any written form; in a two-stage programme, stage-1 codes.

    Raises
    ------
    ProgrammeError
        If ``requester`` is not an ODS code.

    Examples
    --------
    >>> PatientList("a81001", pl.Series(["401 023 2137"]))
    PatientList('A81001')
    """

    requester: str
    numbers: pl.Series

    def __post_init__(self) -> None:
        object.__setattr__(self, "requester", ods_code(self.requester))

    def __repr__(self) -> str:
        """Show the requester, and no patient."""
        return f"PatientList({self.requester!r})"


@dataclass(frozen=True, eq=False, repr=False)
class OwnPatients:
    """The part of a patient list that the linkage confirms: the requester's own patients.

    ``numbers`` has the columns ``nhs_number``, ten digits as listed, and ``pseudonymised``, what the person's pseudonym
    may stand for: the listed number, the number that superseded it, the numbers it superseded, and the person's names
    in earlier linkages. ``current`` is the person's name now; ``why`` and ``since`` say what has become of
    ``pseudonymised``, and ``several`` whether its records are of several persons now.
    ``listed`` counts the readable NHS Numbers of the list, ``not_own`` those of other requesters' patients: the audit
    log records this count, and the requester is not told. ``checked`` names what the list was checked against:
    ``registered practice`` or ``source NAME``.
    """

    numbers: pl.DataFrame
    listed: int
    not_own: int
    checked: str

    def __repr__(self) -> str:
        """Show counts, and no patient."""
        return f"OwnPatients({self.listed} listed, {self.not_own} left out)"


class Relationships:
    """Which people are a requester's patients, according to a linkage: patient lists are checked against it.

    A GP practice's patients are the people whose record on the spine names the practice: they were registered there on
    the day of that extract. A provider's patients are the people with a record in its source.

    Examples
    --------
    >>> from linkcore.link import link
    >>> from linkcore.sources.source import Source
    >>> everybody = pl.DataFrame({"nhs_number": ["4010232137", "4000000012"], "gp": ["A81001", "B82002"]})
    >>> linkage = link([Source("gp", everybody, spine=True, practice="gp")], fallback=None)
    >>> practice = Requester("A81001", practice="A81001")
    >>> own = Relationships(linkage).own_patients(PatientList("A81001", everybody["nhs_number"]), practice)
    >>> own.numbers["nhs_number"].to_list(), own
    (['4010232137'], OwnPatients(2 listed, 1 left out))
    """

    def __init__(self, linkage: Linkage) -> None:
        self._linkage = linkage

    def own_patients(self, patients: PatientList, requester: Requester) -> OwnPatients:
        """Read a patient list, and leave out the people who are not the requester's patients."""
        requester.check(self._linkage.sources)
        stage_one = stage_of(self._linkage.sources)
        if stage_one is not None:
            return self._by_stage_one_codes(patients, requester, stage_one)
        number = nhs_number.standardise(pl.col("listed")).struct.field("value").alias("listed")
        numbers = pl.DataFrame({"listed": patients.numbers}).select(number).drop_nulls().unique(maintain_order=True)
        superseded = self._linkage.exact.superseded
        numbers = numbers.with_columns(current_numbers(numbers["listed"], superseded).alias("current"))
        own = numbers.filter(pl.col("current").is_in(self._numbers_of(requester).implode()))
        by_list = [own.select("listed", "current", pl.col(column).alias("number")) for column in ("current", "listed")]
        if superseded is not None:  # an earlier release has the person under the number that was superseded since
            earlier = superseded.lazy().collect().rename({"new": "current", "old": "number"})
            by_list.append(own.join(earlier, on="current", maintain_order="left").select("listed", "current", "number"))
        listed = pl.concat(by_list).select(
            nhs_number.digits(pl.col("listed")).alias("nhs_number"),
            nhs_number.digits(pl.col("number")).alias("pseudonymised"),
            nhs_number.digits(pl.col("current")).alias("current"),
        )
        texts = _with_earlier_names(listed, self._linkage.superseded)
        return OwnPatients(texts, numbers.height, numbers.height - own.height, requester.checked_against)

    def _by_stage_one_codes(self, patients: PatientList, requester: Requester, stage_one: StageOne) -> OwnPatients:
        """Read a list of stage-1 codes: a code is never superseded, and a pseudonym is the second stage over it."""
        read = pl.DataFrame({"listed": patients.numbers}).select(stage_one.read(pl.col("listed"))).unnest("listed")
        codes = read.drop_nulls("code").unique("code", maintain_order=True)
        own = codes.filter(pl.col("value").is_in(self._numbers_of(requester).implode()))
        names = ("nhs_number", "pseudonymised", "current")
        texts = _with_earlier_names(own.select(pl.col("code").alias(name) for name in names), self._linkage.superseded)
        return OwnPatients(texts, codes.height, codes.height - own.height, requester.checked_against)

    def _numbers_of(self, requester: Requester) -> pl.Series:
        """Return the NHS Numbers of all the requester's patients, listed or not."""
        if requester.source is None:
            person_ids = self._registrations.filter(pl.col("practice") == requester.practice)["person_id"]
        else:
            person_ids = self._linkage.person_ids_of(requester.source)
        # A person's id is its row in PERSONS.
        return self._linkage.person_numbers[person_ids.unique()].drop_nulls()

    @cached_property
    def _registrations(self) -> pl.DataFrame:
        """``practice`` (String, in capitals) and ``person_id`` of every record of the spine."""
        linkage = self._linkage
        spine = next((source for source in linkage.sources if source.spine), None)
        # The requester was checked.
        assert spine is not None
        assert spine.practice is not None
        code = pl.col(spine.practice).cast(pl.String).str.strip_chars().str.to_uppercase().alias("practice")
        practices = read_linked(linkage, spine, [spine.practice], [code])
        return practices.hstack([linkage.person_ids_of(spine.name)])


def _with_earlier_names(listed: pl.DataFrame, superseded: pl.DataFrame) -> pl.DataFrame:
    """Add what each person was called by earlier linkages, and say of each name what has become of it."""
    earlier = earlier_names(superseded, listed["current"]).rename({"old": "pseudonymised", "new": "current"})
    of_person = listed.select("nhs_number", "current").unique(maintain_order=True)
    named = of_person.join(earlier, on="current", maintain_order="left_right")
    by_list = pl.when(pl.col("pseudonymised") != pl.col("current")).then(pl.lit("number_superseded"))
    others = listed.with_columns(by_list.alias("why"), pl.lit(None, pl.Date).alias("since"), several=pl.lit(False))
    # What an earlier linkage told has its date, so it goes first.
    both = pl.concat([named.select(others.columns), others])
    return both.unique(["nhs_number", "pseudonymised"], keep="first", maintain_order=True)
