"""Type 1 opt-outs: they are coded in the GP record and apply to GP data only; such rows should never be sent."""

import datetime as dt
import re
from collections.abc import Collection
from dataclasses import replace
from functools import partial
from typing import Any, Final

import polars as pl

from linkcore.errors import ProgrammeError, SourceError
from linkcore.governance.withholding.doubts import Expected
from linkcore.governance.withholding.linked_rows import own_number
from linkcore.governance.withholding.opt_outs import OptOuts, read_statements
from linkcore.pseudonyms.stage_one import StageOne
from linkcore.sources.source import Source

__all__ = ["TYPE_ONE_DISSENTS", "TYPE_ONE_WITHDRAWALS", "type_one_opt_outs", "without_type_one"]

# [?] No source was found for the SNOMED CT codes. A programme can state its own codes.
TYPE_ONE_DISSENTS: Final = ("9Nu0", "XaZ89", "827241000000103")
"""Codes of a dissent: Read version 2, CTV3, SNOMED CT."""

# [?] Likewise. No CTV3 code for the withdrawal was found, so a withdrawal coded in CTV3 leaves the opt-out in force.
TYPE_ONE_WITHDRAWALS: Final = ("9Nu1", "827261000000102")
"""Codes of the withdrawal of a dissent: Read version 2, SNOMED CT."""

# Dots fill a Read code of fewer than five characters, and the two digits of its term may follow.
_FILL: Final = r"\.+(?:[0-9]{2})?$"

# What a spreadsheet writes before a text, and what follows a code: its term, behind a space, a bar or a bracket.
_BEFORE: Final = r"^['\u2018\u2019=\"\s]+"
_TERM: Final = r"[\s|(;,\"].*$"
_DECIMALS: Final = r"^([0-9]+)\.0+$"
_GROUPS: Final = r"^[0-9]{1,3}([ \u00a0,][0-9]{3})+$"

# A number as a spreadsheet shortens it: only its first digits are left.
_SHORTENED: Final = r"^[0-9](\.[0-9]+)?[eE]\+?[0-9]{1,2}$"

# Letters and digits that look alike, as they are mistyped or misread.
_LOOK_ALIKES: Final = {"o": "0", "O": "0", "l": "1", "I": "1", "i": "1"}

# No column of a source can have these names.
_OPTED_OUT: Final = "linkcore:opted_out"
_ROW: Final = "linkcore:row"


def type_one_opt_outs(
    data: Any,
    *,
    as_of: dt.date,
    dissents: Collection[str] = TYPE_ONE_DISSENTS,
    withdrawals: Collection[str] = TYPE_ONE_WITHDRAWALS,
    stage_one: StageOne | None = None,
    expected: Expected | None = None,
) -> OptOuts:
    """Read Type 1 opt-outs from dated codes of GP records; the latest code of each person counts.

    What a spreadsheet adds to a code is taken off: an apostrophe, ``.0``, spaces between digits; and so is the term
    behind it. What is nearly one of the codes is refused, since nobody can tell: ``8.27241E+14``, or other letters of
    the same look, as upper and lower case differ in Read codes. Other codes are counted and ignored, so ``data`` may be
    a whole extract of coded entries. A file in which no code is known is refused, unless nobody is expected in it.

    Parameters
    ----------
    data : path, polars frame or Arrow PyCapsule object
        Anything that a Source reads, with the columns ``nhs_number``, ``date`` and ``code``.
    as_of : datetime.date
        The day on which the codes were drawn.
    dissents, withdrawals : collection of str
        The codes of a dissent, and of its withdrawal.
    stage_one : StageOne, optional
        How stage-1 codes are written, if ``nhs_number`` holds these instead of NHS Numbers.
    expected : int or tuple of int, optional
        How many people must have opted out by these codes on the day on which they were drawn.

    Returns
    -------
    OptOuts

    Raises
    ------
    SourceError
        If the data cannot be read or lack a column, if codes are nearly those of an opt-out or none is, if a date is
        after ``as_of``, or if not the people expected have opted out.
    ProgrammeError
        If a code is in both ``dissents`` and ``withdrawals``.

    Examples
    --------
    >>> coded = {"nhs_number": ["4010232137"] * 2, "date": ["2024-05-01", "2025-01-01"], "code": ["9Nu0.", "9Nu1."]}
    >>> type_one_opt_outs(pl.DataFrame(coded), as_of=dt.date(2026, 3, 1)).in_force(dt.date(2026, 3, 1)).to_list()
    []
    """
    if isinstance(dissents, str) or isinstance(withdrawals, str) or set(dissents) & set(withdrawals):
        raise ProgrammeError("Type 1: give dissents and withdrawals as two lists that share no code")

    codes = frozenset(dissents) | frozenset(withdrawals)
    statements, unreadable, others = read_statements(
        "type_1",
        data,
        as_of,
        says="code",
        written=_as_code,
        objects=dissents,
        withdraws=withdrawals,
        stage_one=stage_one,
        check_others=partial(_refuse_near_codes, codes),
    )
    if not statements.height and not unreadable and expected is None:
        raise SourceError(
            f"type_1: none of {others:,} rows has a code of an opt-out or its withdrawal ({', '.join(sorted(codes))}); "
            "give the file of Type 1 codes, or state the codes that it has; if nobody has opted out, expected is 0"
        )
    made = OptOuts(
        statements,
        as_of,
        "dated codes of GP records",
        unreadable,
        coded=stage_one is not None,
        other_codes=others,
    )
    return made.vouched_for("type_1", [data], expected)


def _as_code(text: pl.Expr) -> pl.Expr:
    """Take off a code what a spreadsheet has added, its term, and the dots that fill it."""
    bare = text.str.replace(_BEFORE, "").str.strip_chars()
    bare = pl.when(bare.str.contains(_GROUPS)).then(bare.str.replace_all(r"[ \u00a0,]", "")).otherwise(bare)
    return bare.str.replace(_TERM, "").str.replace(_DECIMALS, "${1}").str.replace(_FILL, "")


def _refuse_near_codes(codes: frozenset[str], others: pl.Series) -> None:
    """Refuse what may have been one of the codes, and is none: nobody can tell whether somebody has opted out."""
    alike = {_look(code) for code in codes}
    distinct = others.unique().to_list()
    near = [each for each in distinct if _look(each) in alike or _may_be_shortened(each, codes)]
    rows = int(others.is_in(near).sum())
    if rows:
        raise SourceError(
            f"type_1: {rows:,} codes are nearly those of an opt-out, as {near[0]!r}; a spreadsheet has changed them, "
            "or they are mistyped: get the file as it was exported, with codes as text"
        )


def _look(code: str) -> str:
    return "".join(_LOOK_ALIKES.get(each, each.lower()) for each in code)


def _may_be_shortened(written: str, codes: frozenset[str]) -> bool:
    """Whether a number such as 8.27241E+14 may have been one of the codes."""
    if not re.match(_SHORTENED, written):
        return False
    shown = re.split("[eE]", written)[0]
    decimals = len(shown.partition(".")[2])
    long = [code for code in codes if code.isdecimal() and len(code) > 6]
    return any(f"{float(code):.{decimals}e}" == f"{float(written):.{decimals}e}" for code in long)


def without_type_one(
    source: Source,
    type_one: OptOuts,
    *,
    on: dt.date,
    superseded: pl.DataFrame | None = None,
    reference_date: dt.date | None = None,
) -> tuple[Source, pl.DataFrame]:
    """Remove the rows of people with a Type 1 opt-out from a source of GP data, before it is linked.

    Before linkage, only a row's own number is known. A row without a number is found to belong to such a person when it
    is linked; :func:`~linkcore.governance.withholding.withholding.withhold` then withholds it.

    Parameters
    ----------
    source : Source
        The source of GP data.
    type_one : OptOuts
        The Type 1 opt-outs.
    on : datetime.date
        The day on which the opt-outs must be in force.
    superseded : polars.DataFrame, optional
        ``old`` and ``new``, as in ``Exact.superseded``.
    reference_date : datetime.date, optional
        The reference date of the linkage.

    Returns
    -------
    tuple of Source, polars.DataFrame
        The source without these rows, which are removed each time it is read; and how many were removed, to be reported
        back to the practices: ``practice`` (String, null if the source has no such column) and ``rows`` (UInt32), one
        row for each practice with removed rows.

    Examples
    --------
    >>> gp = Source("gp", pl.DataFrame({"nhs_number": ["4010232137", "4000000012"], "at": "A1"}), practice="at")
    >>> listed = OptOuts.from_list(pl.DataFrame({"nhs_number": ["4010232137"]}), as_of=dt.date(2026, 3, 1))
    >>> left, counts = without_type_one(gp, listed, on=dt.date(2026, 3, 1))
    >>> counts.rows(), left.scan(["nhs_number"]).collect().to_series().to_list()
    ([('A1', 1)], ['4000000012'])
    """
    none = pl.DataFrame(schema={"practice": pl.String, "rows": pl.UInt32})
    if "nhs_number" not in source.identifier_columns:
        return source, none
    type_one.refuse_another_stage("opt-outs (type_1)", [source])
    objectors = type_one.in_force(on, superseded)
    if superseded is not None:
        objectors = pl.concat([objectors, superseded.filter(pl.col("new").is_in(objectors.implode()))["old"]])
    opted_out = own_number(source, reference_date).is_in(objectors.implode()).fill_null(False).alias(_OPTED_OUT)
    practice = pl.lit(None, pl.String) if source.practice is None else pl.col(source.practice).cast(pl.String)
    before = pl.Series(_ROW, [], pl.UInt32) if source.without_rows is None else source.without_rows.alias(_ROW)
    whole = replace(source, without_rows=None)
    with source.reading():
        # A column, not a filter expression: Polars would apply that to the statistics of a Parquet file, and fail.
        rows = whole.scan(source.column_names).with_columns(opted_out).with_row_index(_ROW)
        found = rows.filter(_OPTED_OUT).select(_ROW, practice.alias("practice")).collect(engine="streaming")
    removed = found.filter(~pl.col(_ROW).is_in(before.implode()))
    counts = removed.group_by("practice").agg(pl.len().cast(pl.UInt32).alias("rows")).sort("practice")
    if removed.height:
        source = replace(source, without_rows=pl.concat([before, removed[_ROW]]).sort())
    return source, pl.concat([none, counts])
