"""Superseded NHS Numbers: each old number with the current one that it was merged into."""

from collections.abc import Sequence
from typing import Final

import polars as pl

from linkcore.errors import ProgrammeError
from linkcore.identifiers.nhs_number import standardise

__all__ = ["current_numbers"]

# A longer chain of supersessions than this is a circle.
_LONGEST_CHAIN: Final = 16


def current_numbers(superseded: pl.DataFrame | pl.LazyFrame, usable: Sequence[str]) -> pl.DataFrame:
    """Return ``old`` and ``new`` as integers, every chain of supersessions followed to its end.

    Examples
    --------
    >>> merged = pl.DataFrame({"old": ["401 023 2137", "4010232145"], "new": ["4010232145", "4010232153"]})
    >>> current_numbers(merged, ["valid"]).rows()
    [(4010232137, 4010232153), (4010232145, 4010232153)]
    """
    if not isinstance(superseded, pl.DataFrame | pl.LazyFrame):
        raise ProgrammeError(f"superseded is a {type(superseded).__name__}; give a Polars frame")
    try:
        superseded = superseded.lazy().collect()
    except pl.exceptions.PolarsError:
        raise ProgrammeError("superseded cannot be read; give a frame that can be collected") from None
    if set(superseded.columns) != {"old", "new"}:
        raise ProgrammeError(f"superseded must have the columns old and new; it has {', '.join(superseded.columns)}")
    parsed = superseded.select(standardise(pl.col(side)).alias(side) for side in ("old", "new"))
    numbers = parsed.select(pl.col("old", "new").struct.field("value").name.keep())
    no_number = numbers.select(pl.any_horizontal(pl.all().is_null())).to_series()
    _refuse_rows(no_number, "hold something that is no NHS Number")
    # The status of a new number is not checked again: a record that links by it has the status of its old number.
    not_usable = ~parsed["new"].struct.field("status").is_in(usable)
    _refuse_rows(not_usable, f"have a new number that is not {' or '.join(usable)}")
    numbers = numbers.unique(maintain_order=True)
    if numbers["old"].is_duplicated().any():
        raise ProgrammeError("superseded: a number is superseded by two different ones; keep one of them")
    for _ in range(_LONGEST_CHAIN):
        onward = numbers.join(
            numbers.rename({"old": "new", "new": "newer"}), on="new", how="left", maintain_order="left"
        )
        if onward["newer"].null_count() == onward.height:
            return numbers
        numbers = onward.select("old", pl.coalesce("newer", "new").alias("new"))
    raise ProgrammeError("superseded: numbers supersede each other in a circle; take one of them out")


def _refuse_rows(wrong: pl.Series, fault: str) -> None:
    if wrong.any():
        first = wrong.arg_true()[0] + 1
        raise ProgrammeError(f"superseded: {wrong.sum()} rows {fault}, the first in row {first}; take them out")
