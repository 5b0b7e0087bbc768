"""Opt-outs: lists or dated statements of people who opted out, and which opt-outs are in force on a day."""

import datetime as dt
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

import polars as pl

from linkcore.errors import ProgrammeError, RefusedError, SourceError
from linkcore.governance.withholding.doubts import Expected, as_range, check_count, has_checksum
from linkcore.governance.withholding.linked_rows import as_number, stage_of
from linkcore.identifiers import birth_date
from linkcore.identifiers.text import as_text, by_dtype, compact
from linkcore.pseudonyms.stage_one import StageOne
from linkcore.sources.source import Source

__all__ = ["STATEMENTS", "OptOuts", "current_numbers", "read_statements"]

STATEMENTS: Final = pl.Schema({"nhs_number": pl.Int64(), "date": pl.Date(), "objects": pl.Boolean()})
"""One row for each statement: NHS Number, date (null if unreadable), and whether it is an objection or a withdrawal."""

_OBJECTION: Final = "OBJECTION"
_WITHDRAWAL: Final = "WITHDRAWAL"


@dataclass(frozen=True, eq=False, repr=False)
class OptOuts:
    """Opt-outs of one kind: objections to the programme, Type 1, the National Data Opt-out, or excluded people.

    Parameters
    ----------
    statements : polars.DataFrame
        STATEMENTS. They hold identifiers, and stay with the trusted team.
    as_of : datetime.date
        The day on which the list was drawn, or the national service answered.
    described : str
        What the opt-outs were read from, in words, for the manifest and the report.
    unreadable : int
        Number of opt-outs without a readable NHS Number. They would withhold nobody.
    asked : polars.Series, optional
        The NHS Numbers (Int64) that the national service was asked about; nothing is known about others. None if the
        list covers everybody.
    coded : bool
        Whether people are named by stage-1 codes instead of NHS Numbers.
    vouched : bool
        Whether it is known how many people the file must hold, and it holds them.
    whole : bool
        Whether it is known by a checksum that the file is whole. It can still be another file than is meant.
    other_codes : int
        Number of rows with codes of something else.

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
    vouched: bool = False
    whole: bool = False
    other_codes: int = 0

    def __post_init__(self) -> None:
        if self.statements.schema != STATEMENTS:
            raise ProgrammeError(
                "statements: use OptOuts.from_list, OptOuts.from_statements, type_one_opt_outs or national_opt_outs"
            )

    def __repr__(self) -> str:
        """Show neither persons nor counts: a notebook would keep them."""
        return f"OptOuts(as of {self.as_of})"

    @classmethod
    def from_list(
        cls, data: Any, *, as_of: dt.date, stage_one: StageOne | None = None, expected: Expected | None = None
    ) -> Self:
        """Read a list of the people who opted out.

        Parameters
        ----------
        data : path, polars frame or Arrow PyCapsule object
            Anything that a Source reads. Its column ``nhs_number`` holds NHS Numbers in any written form, one row for
            each person who opted out.
        as_of : datetime.date
            The day on which the list was drawn.
        stage_one : StageOne, optional
            How stage-1 codes are written, if the list has these instead of NHS Numbers.
        expected : int or tuple of int, optional
            How many people the list must hold: a number, or the fewest and the most. A file can have a checksum beside
            it too, ``FILE.sha256``.

        Returns
        -------
        OptOuts

        Raises
        ------
        SourceError
            If the data cannot be read, have no such column, or do not hold the people expected.

        Examples
        --------
        >>> people = pl.DataFrame({"nhs_number": ["401 023 2137", "unknown"]})
        >>> OptOuts.from_list(people, as_of=dt.date(2026, 3, 1)).unreadable
        1
        """
        source = Source("opt-outs", data, columns={"nhs_number": "nhs_number"})
        with source.reading():
            numbers = source.scan(["nhs_number"]).select(_number(stage_one)).collect()
        listed = numbers.drop_nulls().select(
            "nhs_number", pl.lit(None, pl.Date).alias("date"), pl.lit(True).alias("objects")
        )
        unreadable = numbers["nhs_number"].null_count()
        made = cls(listed, as_of, unreadable=unreadable, coded=stage_one is not None)
        return made.vouched_for("opt-outs", [data], expected)

    def vouched_for(self, what: str, files: Sequence[Any], expected: Expected | None) -> Self:
        """Check that the files are whole: by how many people they must hold, and by the checksums beside them.

        Parameters
        ----------
        what : str
            Name of these opt-outs, for the error.
        files : sequence
            What they were read from; paths can have a checksum beside them.
        expected : int or tuple of int, optional
            How many people must have opted out by them.

        Returns
        -------
        OptOuts

        Raises
        ------
        SourceError
            If they are not whole.
        """
        wanted = as_range(expected, what)
        check_count(self.in_force(self.as_of).len() + self.unreadable, wanted, what)
        by_checksum = [has_checksum(file, what) for file in files]
        return replace(self, vouched=wanted is not None, whole=bool(by_checksum) and all(by_checksum))

    @classmethod
    def from_statements(
        cls, data: Any, *, as_of: dt.date, stage_one: StageOne | None = None, expected: Expected | None = None
    ) -> Self:
        """Read dated objections and their withdrawals.

        Parameters
        ----------
        data : path, polars frame or Arrow PyCapsule object
            Anything that a Source reads, with the columns ``nhs_number``, ``date`` and ``statement``. A statement is
            ``objection`` or ``withdrawal``.
        as_of : datetime.date
            The day on which the register was drawn.
        stage_one : StageOne, optional
            How stage-1 codes are written, if the register has these instead of NHS Numbers.
        expected : int or tuple of int, optional
            How many people must object by this register on the day that it was drawn.

        Returns
        -------
        OptOuts

        Raises
        ------
        SourceError
            If the data cannot be read, hold any other statement or a date after ``as_of``, or not the people expected.

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
                f"objections: the statement of {others} rows is neither 'objection' nor 'withdrawal'; correct them"
            )
        described = "a register of dated objections and their withdrawals"
        made = cls(statements, as_of, described, unreadable, coded=stage_one is not None)
        return made.vouched_for("objections", [data], expected)

    def in_force(self, on: dt.date, superseded: pl.DataFrame | pl.LazyFrame | None = None) -> pl.Series:
        """Return the people whose opt-out is in force on a day: the latest statement of each person counts.

        In case of doubt, the opt-out is in force. An objection outweighs a withdrawal of the same day. A withdrawal
        counts only if it has a date and this is not after ``on``. An objection counts even if it has no date or a later
        one, and no withdrawal ends an objection without a date.

        Parameters
        ----------
        on : datetime.date
            The day.
        superseded : polars.DataFrame, optional
            ``old`` and ``new``, as in ``Exact.superseded``. Statements under either number are one person's.

        Returns
        -------
        polars.Series
            The current NHS Numbers of these people (Int64), sorted, each once.
        """
        statements = self.statements.with_columns(current_numbers(self.statements["nhs_number"], superseded))
        withdrawn = statements.filter(~pl.col("objects") & (pl.col("date") <= on))
        last = withdrawn.group_by("nhs_number").agg(pl.col("date").max().alias("last"))
        standing = (pl.col("date") >= pl.col("last")) | pl.col("last").is_null() | pl.col("date").is_null()
        objected = statements.filter("objects").join(last, on="nhs_number", how="left")
        return objected.filter(standing)["nhs_number"].unique().sort()

    def check(self, what: str, *, on: dt.date, max_age_days: int, accept_unreadable: bool = False) -> None:
        """Refuse opt-outs that a release cannot rely on.

        Parameters
        ----------
        what : str
            Name of these opt-outs, for the error.
        on : datetime.date
            The day of release.
        max_age_days : int
            Largest age in days. NHS England: an answer of the national service may be used for 7 days.
        accept_unreadable : bool
            Whether opt-outs without a readable NHS Number are accepted.

        Raises
        ------
        RefusedError
            If the opt-outs are too old or of a later day, or if one has no readable NHS Number.
        """
        age = (on - self.as_of).days
        if age < 0:
            raise RefusedError(
                f"{what}: they are as of {self.as_of}, after the day of release, {on}; correct the dates"
            )
        if age > max_age_days:
            raise RefusedError(
                f"{what}: they are as of {self.as_of}, {age} days before the release; at most {max_age_days} are "
                "allowed, so get a new list"
            )
        if self.unreadable and not accept_unreadable:
            raise RefusedError(
                f"{what}: {self.unreadable} of them have no NHS Number that can be read, so they would withhold "
                "nobody; correct them, or accept this in the policy (accept_unreadable)"
            )

    def refuse_another_stage(self, what: str, sources: Sequence[Source]) -> None:
        """Refuse NHS Numbers where sources have stage-1 codes, and the reverse: such opt-outs would find nobody.

        Parameters
        ----------
        what : str
            Name of these opt-outs, for the error.
        sources : sequence of Source
            The sources that were linked.

        Raises
        ------
        RefusedError
            If the opt-outs and the sources do not name people in the same way.
        """
        if self.coded != (stage_of(sources) is not None):
            named, known = ("stage-1 codes", "NHS Numbers") if self.coded else ("NHS Numbers", "stage-1 codes")
            raise RefusedError(
                f"{what}: they are by {named}, and the sources know people by {known}; let the holder of the stage-1 "
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
    check_others: Callable[[pl.Series], None] | None = None,
) -> tuple[pl.DataFrame, int, int]:
    """Read dated statements; the words in the column ``says`` tell objections from withdrawals.

    ``check_others``: is called with the words that are neither, and may refuse them.
    Returns STATEMENTS, the number of objections without a readable number, and the number of rows with other words.
    """
    # No statement is from before 2000. So a year of two digits is of this century, and not of a person's birth.
    latest_year_of_two_digits = dt.date(2099, 12, 31)
    source = Source(name, data, columns={"nhs_number": "nhs_number", "birth_date": "date", "local_patient_id": says})
    word = by_dtype(pl.col(says), lambda column, dtype: written(as_text(column, dtype)))
    with source.reading():
        read = (
            source.scan(["nhs_number", "date", says])
            .select(
                _number(stage_one),
                birth_date.standardise(pl.col("date"), reference_date=latest_year_of_two_digits)
                .struct.field("value")
                .alias("date"),
                pl.when(word.is_in(list(objects)))
                .then(pl.lit(True))
                .when(word.is_in(list(withdraws)))
                .then(pl.lit(False))
                .alias("objects"),
                pl.when(~word.is_in([*objects, *withdraws])).then(word).alias("other"),
            )
            .collect(engine="streaming")
        )
    if check_others is not None:
        check_others(read["other"].drop_nulls())
    said = read.drop("other").drop_nulls("objects")
    later = said.filter(pl.col("date") > as_of).height
    if later:
        raise SourceError(
            f"{name}: {later} of the dates are after {as_of}, the day on which the data were drawn; correct the dates, "
            "or as_of"
        )
    unreadable = said.filter(pl.col("nhs_number").is_null() & pl.col("objects")).height
    return said.drop_nulls("nhs_number"), unreadable, read.height - said.height


def current_numbers(numbers: pl.Series, superseded: pl.DataFrame | pl.LazyFrame | None) -> pl.Series:
    """Replace superseded NHS Numbers by the numbers that superseded them; ``superseded``: ``old``, ``new`` (Int64).

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
