"""Columns of a source beside its links: they are read again, and refused if they are not what was linked."""

import datetime as dt
from collections.abc import Sequence

import polars as pl

from linkcore.identifiers import birth_date, nhs_number
from linkcore.link import Linkage
from linkcore.pseudonyms.stage_one import StageOne
from linkcore.sources.payload import payload_beside_links
from linkcore.sources.source import Source

__all__ = ["as_number", "own_number", "read_linked", "stage_of"]


def read_linked(
    linkage: Linkage, source: Source, columns: Sequence[str], expressions: Sequence[pl.Expr]
) -> pl.DataFrame:
    """Evaluate expressions on every row of a source, which is read again, in the order of ``linkage.links_of``.

    Examples
    --------
    >>> from linkcore.link import link
    >>> gp = Source("gp", pl.DataFrame({"nhs_number": ["4010232137"], "cost": [3]}), spine=True)
    >>> read_linked(link([gp], fallback=None), gp, ["cost"], [pl.col("cost") * 2]).rows()
    [(6,)]
    """
    links = linkage.rows[source.name].sort("row")
    names = [expression.meta.output_name() for expression in expressions]
    batches = payload_beside_links(source, list(dict.fromkeys(columns)), links, linkage.digests.get(source.name))
    return pl.concat([batch.with_columns(expressions).select(names) for batch in batches])


def own_number(source: Source, reference_date: dt.date | None) -> pl.Expr:
    """Return an expression for the NHS Number of each row of a source, whether or not its status is usable.

    It gives ``nhs_number`` (Int64), null where there is no number, for a frame with the source's own columns.

    Examples
    --------
    >>> gp = Source("gp", pl.DataFrame({"nhs_number": ["401 023 2137", "999 999 9999"]}))
    >>> gp.scan(["nhs_number"]).select(own_number(gp, None)).collect().to_series().to_list()
    [4010232137, None]
    """
    column, born = (source.identifier_columns.get(name) for name in ("nhs_number", "birth_date"))
    if column is None:
        return pl.lit(None, pl.Int64).alias("nhs_number")
    date = None
    if born is not None:
        read = birth_date.standardise(pl.col(born), reference_date=reference_date, day_first=source.day_first)
        date = read.struct.field("value")
    return as_number(pl.col(column), source.stage_one, birth_date=date).alias("nhs_number")


def as_number(column: pl.Expr, stage_one: StageOne | None, *, birth_date: pl.Expr | None = None) -> pl.Expr:
    """Return an expression for the integers by which a linkage knows people: NHS Numbers, or stage-1 codes of them."""
    if stage_one is not None:
        return stage_one.read(column).struct.field("value")
    return nhs_number.standardise(column, birth_date=birth_date).struct.field("value")


def stage_of(sources: Sequence[Source]) -> StageOne | None:
    """Return how the stage-1 codes of linked sources are written, or None if the sources have NHS Numbers."""
    return next((source.stage_one for source in sources if source.stage_one is not None), None)
