"""Type 1 opt-outs: coded in the GP record, they hold for GP data alone, and such rows should never have been sent."""

import datetime as dt
from collections.abc import Collection
from dataclasses import replace
from typing import Any, Final

import polars as pl

from linkcore.errors import ProgrammeError
from linkcore.governance.withholding.linked_rows import own_number
from linkcore.governance.withholding.opt_outs import OptOuts, read_statements
from linkcore.pseudonyms.stage_one import StageOne
from linkcore.sources.source import Source

__all__ = ["TYPE_ONE_DISSENTS", "TYPE_ONE_WITHDRAWALS", "type_one_opt_outs", "without_type_one"]

# [?] No source was found for the SNOMED CT codes; a programme may give its own.
TYPE_ONE_DISSENTS: Final = ("9Nu0", "XaZ89", "827241000000103")
"""Codes by which a person dissents: Read version 2, CTV3, SNOMED CT."""

# [?] Likewise; no CTV3 code of the withdrawal was found, so one that is coded so leaves the opt-out standing.
TYPE_ONE_WITHDRAWALS: Final = ("9Nu1", "827261000000102")
"""Codes by which a person takes it back: Read version 2, SNOMED CT."""

# A Read code of fewer than five characters is filled with dots, and may be followed by two digits of its term.
_FILL: Final = r"\.+(?:[0-9]{2})?$"

# No source's own column can be called so.
_OPTED_OUT: Final = "linkcore:opted_out"


def type_one_opt_outs(
    data: Any,
    *,
    as_of: dt.date,
    dissents: Collection[str] = TYPE_ONE_DISSENTS,
    withdrawals: Collection[str] = TYPE_ONE_WITHDRAWALS,
    stage_one: StageOne | None = None,
) -> OptOuts:
    """Read Type 1 opt-outs from dated codes of GP records; the latest of each person wins.

    Codes are compared as they are written, for Read codes tell upper from lower case. Other codes are passed over, so a
    whole extract of coded entries may be given.

    Parameters
    ----------
    data : path, polars frame or Arrow PyCapsule object
        Whatever a Source reads, with the columns ``nhs_number``, ``date`` and ``code``.
    as_of : datetime.date
        The day on which the codes were drawn.
    dissents, withdrawals : collection of str
        The codes that opt out, and that take it back.
    stage_one : StageOne, optional
        Says that ``nhs_number`` holds stage-1 codes of NHS Numbers, and how they are written.

    Returns
    -------
    OptOuts

    Raises
    ------
    SourceError
        If the data cannot be read, or lack a column.
    ProgrammeError
        If a code is of both.

    Examples
    --------
    >>> coded = {"nhs_number": ["4010232137"] * 2, "date": ["2024-05-01", "2025-01-01"], "code": ["9Nu0.", "9Nu1."]}
    >>> type_one_opt_outs(pl.DataFrame(coded), as_of=dt.date(2026, 3, 1)).in_force(dt.date(2026, 3, 1)).to_list()
    []
    """
    if isinstance(dissents, str) or isinstance(withdrawals, str) or set(dissents) & set(withdrawals):
        raise ProgrammeError("Type 1: give the codes as two lists that share none: those that opt out, and those back")

    def written(code: pl.Expr) -> pl.Expr:
        return code.str.strip_chars().str.replace(_FILL, "")

    statements, unreadable, _ = read_statements(
        "type_1",
        data,
        as_of,
        says="code",
        written=written,
        objects=dissents,
        withdraws=withdrawals,
        stage_one=stage_one,
    )
    return OptOuts(statements, as_of, "dated codes of GP records", unreadable, coded=stage_one is not None)


def without_type_one(
    source: Source,
    type_one: OptOuts,
    *,
    on: dt.date,
    superseded: pl.DataFrame | None = None,
    reference_date: dt.date | None = None,
) -> tuple[Source, pl.DataFrame]:
    """Leave out of a GP source the rows of people with a Type 1 opt-out, before it is linked.

    Only a row's own number is known yet; that a row without one is of such a person is found when it is linked, and
    :func:`~linkcore.governance.withholding.withholding.withhold` keeps it back.

    Parameters
    ----------
    source : Source
        Of GP data.
    type_one : OptOuts
        The Type 1 opt-outs.
    on : datetime.date
        The day for which they stand.
    superseded : polars.DataFrame, optional
        ``old`` and ``new``, as ``Exact.superseded`` keeps them.
    reference_date : datetime.date, optional
        As of the linkage.

    Returns
    -------
    tuple of Source, polars.DataFrame
        The source without those rows, which are left out each time that it is read. And how many they are, to be
        reported back: ``practice`` (String, null where the source names none), ``rows`` (UInt32), a row a practice that
        has any.

    Examples
    --------
    >>> gp = Source("gp", pl.DataFrame({"nhs_number": ["4010232137", "4000000012"], "at": "A1"}), practice="at")
    >>> listed = OptOuts.from_list(pl.DataFrame({"nhs_number": ["4010232137"]}), as_of=dt.date(2026, 3, 1))
    >>> left, counts = without_type_one(gp, listed, on=dt.date(2026, 3, 1))
    >>> counts.rows(), left.scan(["nhs_number"]).collect().to_series().to_list()
    ([('A1', 1)], ['4000000012'])
    """
    nobody = pl.DataFrame(schema={"practice": pl.String, "rows": pl.UInt32})
    if "nhs_number" not in source.identifier_columns:
        return source, nobody
    type_one.refuse_another_stage("opt-outs (type_1)", [source])
    gone = type_one.in_force(on, superseded)
    if superseded is not None:
        gone = pl.concat([gone, superseded.filter(pl.col("new").is_in(gone.implode()))["old"]])
    opted_out = own_number(source, reference_date).is_in(gone.implode()).fill_null(False).alias(_OPTED_OUT)
    practice = pl.lit(None, pl.String) if source.practice is None else pl.col(source.practice).cast(pl.String)
    with source.reading():
        # As a column of its own: Polars would push it down to the statistics of a Parquet file, and fail there.
        rows = source.scan(source.column_names).with_columns(opted_out)
        counts = (
            rows.filter(_OPTED_OUT)
            .group_by(practice.alias("practice"))
            .agg(pl.len().cast(pl.UInt32).alias("rows"))
            # Where no practice is named, nothing at all makes a group, too.
            .filter(pl.col("rows") > 0)
            .collect(engine="streaming")
        )
    kept = rows.filter(~pl.col(_OPTED_OUT)).drop(_OPTED_OUT)
    return replace(source, data=kept), pl.concat([nobody, counts.sort("practice")])
