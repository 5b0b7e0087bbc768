"""Opt-outs: who has objected, as lists or as dated statements, and in whose name that stands on a given day."""

import datetime as dt
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

import polars as pl

from linkcore.errors import ProgrammeError, RefusedError, SourceError
from linkcore.governance.withholding.linked_rows import as_number, stage_of
from linkcore.identifiers import birth_date
from linkcore.identifiers.text import as_text, by_dtype, compact
from linkcore.pseudonyms.stage_one import StageOne
from linkcore.sources.source import Source

__all__ = ["STATEMENTS", "OptOuts", "current_numbers", "read_statements"]

STATEMENTS: Final = pl.Schema({"nhs_number": pl.Int64(), "date": pl.Date(), "objects": pl.Boolean()})
"""One statement a row: whose, when (null where no date can be read), and whether it objects or takes that back."""

_OBJECTION: Final = "OBJECTION"
_WITHDRAWAL: Final = "WITHDRAWAL"


@dataclass(frozen=True, eq=False, repr=False)
class OptOuts:
    """What is known of one kind of opt-out: the programme's own, Type 1, the national one, or people to leave out.

    Parameters
    ----------
    statements : polars.DataFrame
        STATEMENTS. It holds identifiers, and stays with the trusted team.
    as_of : datetime.date
        The day on which it was true: when the list was drawn, or the national service answered.
    described : str
        What it was read from, in words, for the manifest and the report.
    unreadable : int
        How many opt-outs have no NHS Number that can be read, so that nobody would be withheld by them.
    asked : polars.Series, optional
        The NHS Numbers (Int64) of which alone this can say anything; None where it is of everybody.
    coded : bool
        Whether people are named by stage-1 codes and not by NHS Numbers.

    Raises
    ------
    ProgrammeError
        If the statements do not have the columns of STATEMENTS.

    Examples
    --------
    >>> listed = OptOuts.from_list(pl.DataFrame({"nhs_number": ["401 023 2137"]}), as_of=dt.date(2026, 3, 1))
    >>> listed
    OptOuts(as of 2026-03-01)
    >>> listed.in_force(dt.date(2026, 3, 2)).to_list()
    [4010232137]
    """

    statements: pl.DataFrame
    as_of: dt.date
    described: str = "a list of those who opted out"
    unreadable: int = 0
    asked: pl.Series | None = field(default=None)
    coded: bool = False

    def __post_init__(self) -> None:
        if self.statements.schema != STATEMENTS:
            raise ProgrammeError("opt-outs are made by OptOuts.from_list, OptOuts.from_statements and the like")

    def __repr__(self) -> str:
        """Tell neither whose nor how many, which a notebook would keep."""
        return f"OptOuts(as of {self.as_of})"

    @classmethod
    def from_list(cls, data: Any, *, as_of: dt.date, stage_one: StageOne | None = None) -> Self:
        """Read a list of the people who opted out.

        Parameters
        ----------
        data : path, polars frame or Arrow PyCapsule object
            Whatever a Source reads, with the column ``nhs_number`` in any written form; every row opts out.
        as_of : datetime.date
            The day on which the list was true.
        stage_one : StageOne, optional
            Says that the list has stage-1 codes in place of NHS Numbers, and how they are written.

        Returns
        -------
        OptOuts

        Raises
        ------
        SourceError
            If the data cannot be read, or have no such column.
        """
        source = Source("opt-outs", data, columns={"nhs_number": "nhs_number"})
        with source.reading():
            numbers = source.scan(["nhs_number"]).select(_number(stage_one)).collect()
        listed = numbers.drop_nulls().select(
            "nhs_number", pl.lit(None, pl.Date).alias("date"), pl.lit(True).alias("objects")
        )
        return cls(listed, as_of, unreadable=numbers["nhs_number"].null_count(), coded=stage_one is not None)

    @classmethod
    def from_statements(cls, data: Any, *, as_of: dt.date, stage_one: StageOne | None = None) -> Self:
        """Read dated objections and their withdrawals.

        Parameters
        ----------
        data : path, polars frame or Arrow PyCapsule object
            Whatever a Source reads, with the columns ``nhs_number``, ``date`` and ``statement``: ``objection`` or
            ``withdrawal``.
        as_of : datetime.date
            The day on which the register was true.
        stage_one : StageOne, optional
            Says that the register has stage-1 codes in place of NHS Numbers, and how they are written.

        Returns
        -------
        OptOuts

        Raises
        ------
        SourceError
            If the data cannot be read, or hold another statement than those two.

        Examples
        --------
        >>> register = {"nhs_number": ["4010232137"] * 2, "date": ["2026-01-05", "2026-02-01"]}
        >>> register["statement"] = ["objection", "withdrawal"]
        >>> opt_outs = OptOuts.from_statements(pl.DataFrame(register), as_of=dt.date(2026, 3, 1))
        >>> opt_outs.in_force(dt.date(2026, 1, 31)).to_list(), opt_outs.in_force(dt.date(2026, 3, 1)).to_list()
        ([4010232137], [])
        """
        statements, unreadable, others = read_statements(
            "objections",
            data,
            as_of,
            says="statement",
            written=compact,
            objects={_OBJECTION},
            withdraws={_WITHDRAWAL},
            stage_one=stage_one,
        )
        if others:
            raise SourceError(
                f"objections: the statement of {others} rows is neither 'objection' nor 'withdrawal'; say which it is"
            )
        described = "a register of dated objections and their withdrawals"
        return cls(statements, as_of, described, unreadable, coded=stage_one is not None)

    def in_force(self, on: dt.date, superseded: pl.DataFrame | pl.LazyFrame | None = None) -> pl.Series:
        """Give the people whose opt-out stands on a day: the latest statement of each counts.

        Wherever it is in doubt, the opt-out stands: an objection and a withdrawal of the same day leave it standing; a
        withdrawal counts only if it has a date and that is not after ``on``; an objection counts though it has no
        date, or one that is still to come, and no withdrawal comes after one without a date.

        Parameters
        ----------
        on : datetime.date
            The day.
        superseded : polars.DataFrame, optional
            ``old`` and ``new``, as ``Exact.superseded`` keeps them: what was said under either number is of one person.

        Returns
        -------
        polars.Series
            Their current NHS Numbers (Int64), sorted, each once.
        """
        each = self.statements.with_columns(current_numbers(self.statements["nhs_number"], superseded))
        withdrawn = each.filter(~pl.col("objects") & (pl.col("date") <= on))
        last = withdrawn.group_by("nhs_number").agg(pl.col("date").max().alias("last"))
        standing = (pl.col("date") >= pl.col("last")) | pl.col("last").is_null() | pl.col("date").is_null()
        objected = each.filter("objects").join(last, on="nhs_number", how="left")
        return objected.filter(standing)["nhs_number"].unique().sort()

    def check(self, what: str, *, on: dt.date, max_age_days: int, accept_unreadable: bool = False) -> None:
        """Refuse what cannot be relied on for a release.

        Parameters
        ----------
        what : str
            Which opt-outs these are, for the error.
        on : datetime.date
            The day of release.
        max_age_days : int
            How many days old it may be. NHS England: a cached answer of the national service is good for 7.
        accept_unreadable : bool
            Whether opt-outs without a number that can be read are accepted.

        Raises
        ------
        RefusedError
            If it is too old, is of a later day, or holds an opt-out that nobody could be withheld by.
        """
        age = (on - self.as_of).days
        if age < 0:
            raise RefusedError(
                f"{what}: they are as of {self.as_of}, after the day of release, {on}; correct the dates"
            )
        if age > max_age_days:
            raise RefusedError(
                f"{what}: they are as of {self.as_of}, {age} days before the release; at most {max_age_days} are "
                "allowed, so get them anew"
            )
        if self.unreadable and not accept_unreadable:
            raise RefusedError(
                f"{what}: {self.unreadable} of them have no NHS Number that can be read, so nobody would be withheld "
                "by them; mend them, or accept that in the policy"
            )

    def refuse_another_stage(self, what: str, sources: Sequence[Source]) -> None:
        """Refuse NHS Numbers where people are known by stage-1 codes, and the other way round: nobody would be found.

        Parameters
        ----------
        what : str
            Which opt-outs these are, for the error.
        sources : sequence of Source
            What was linked.

        Raises
        ------
        RefusedError
            If they name people otherwise than the sources do.
        """
        if self.coded != (stage_of(sources) is not None):
            named, known = ("stage-1 codes", "NHS Numbers") if self.coded else ("NHS Numbers", "stage-1 codes")
            raise RefusedError(
                f"{what}: they are by {named}, and the sources know people by {known}; have the holder of the stage-1 "
                "key bring both to the same stage"
            )


def read_statements(
    name: str,
    data: Any,
    as_of: dt.date,
    *,
    says: str,
    written: Callable[[pl.Expr], pl.Expr],
    objects: Collection[str],
    withdraws: Collection[str],
    stage_one: StageOne | None = None,
) -> tuple[pl.DataFrame, int, int]:
    """Read dated statements, told apart by what stands in one column."""
    source = Source(name, data, columns={"nhs_number": "nhs_number", "birth_date": "date", "local_patient_id": says})
    word = by_dtype(pl.col(says), lambda column, dtype: written(as_text(column, dtype)))
    with source.reading():
        read = (
            source.scan(["nhs_number", "date", says])
            .select(
                _number(stage_one),
                birth_date.standardise(pl.col("date"), reference_date=as_of).struct.field("value").alias("date"),
                pl.when(word.is_in(list(objects)))
                .then(pl.lit(True))
                .when(word.is_in(list(withdraws)))
                .then(pl.lit(False))
                .alias("objects"),
            )
            .collect(engine="streaming")
        )
    said = read.drop_nulls("objects")
    unreadable = said.filter(pl.col("nhs_number").is_null() & pl.col("objects")).height
    return said.drop_nulls("nhs_number"), unreadable, read.height - said.height


def current_numbers(numbers: pl.Series, superseded: pl.DataFrame | pl.LazyFrame | None) -> pl.Series:
    """Replace NHS Numbers that were superseded by those that took their place.

    ``superseded``: ``old`` and ``new`` (Int64).

    Examples
    --------
    >>> superseded = pl.DataFrame({"old": [4000000012], "new": [4010232137]})
    >>> current_numbers(pl.Series([4000000012, 4000000020, None]), superseded).to_list()
    [4010232137, 4000000020, None]
    """
    if superseded is None:
        return numbers
    beside = pl.LazyFrame({"old": numbers}).join(superseded.lazy(), on="old", how="left", maintain_order="left")
    return beside.select(pl.coalesce("new", "old")).collect().to_series().alias(numbers.name)


def _number(stage_one: StageOne | None) -> pl.Expr:
    return as_number(pl.col("nhs_number"), stage_one).alias("nhs_number")
