"""Whether data are synthetic, as their NHS Numbers show: a declaration that they contradict is not believed."""

import polars as pl

from linkcore.identifiers.nhs_number import PLACEHOLDERS, RANGES
from linkcore.identifiers.text import as_text, ascii_digits
from linkcore.linkage.result import LinkageResult
from linkcore.schema import USABLE_STATUSES
from linkcore.sources.source import Source

__all__ = ["has_test_numbers", "sources_with_real_numbers"]


def sources_with_real_numbers(linkage: LinkageResult) -> list[str]:
    """Name the sources with a number in a range that is issued to patients, whether or not its check digit is right.

    Of stage-1 codes, nothing is known.

    Examples
    --------
    >>> from linkcore.link import link
    >>> gp = Source("gp", pl.DataFrame({"nhs_number": ["9990000018", "401 023 2138"]}))
    >>> sources_with_real_numbers(link([gp], fallback=None))
    ['gp']
    """
    with_codes = [source.name for source in linkage.sources if source.stage_one is not None]
    usable = pl.col("nhs_number_status").is_in(list(USABLE_STATUSES)) & ~pl.col("source").is_in(with_codes)
    found = linkage.links.filter(usable)["source"].unique(maintain_order=True).to_list()
    # Reading a column again takes time, and data of real people are recognised by their links.
    return found or [source.name for source in linkage.sources if _writes_a_real_number(source)]


def _writes_a_real_number(source: Source) -> bool:
    column = source.identifier_columns.get("nhs_number")
    if column is None or source.stage_one is not None:
        return False
    with source.reading():
        written = source.scan([column])
        text = as_text(pl.col(column), written.collect_schema()[column])
        number = ascii_digits(text).str.replace_all("[^0-9]", "").alias("number")
        ten = written.select(number).filter(pl.col("number").str.len_bytes() == 10).cast(pl.Int64)
        leading = pl.col("number") // 10_000_000
        real = pl.any_horizontal(leading.is_between(first, last) for first, last, name in RANGES if name != "test")
        rows = ten.select((real & ~pl.col("number").is_in(PLACEHOLDERS)).any()).collect(engine="streaming")
    return bool(rows.item())


def has_test_numbers(linkage: LinkageResult) -> bool:
    """Whether most records have a test number, and a source where most have none is beside a spine where most have one.

    Examples
    --------
    >>> from linkcore.link import link
    >>> gp = Source("gp", pl.DataFrame({"nhs_number": ["9990000018", None]}))
    >>> has_test_numbers(link([gp], fallback=None))
    True
    """
    test = pl.col("nhs_number_status") == "test"
    counts = linkage.links.group_by("source").agg(pl.len().alias("records"), test.sum().alias("test"))
    mostly = {name: 2 * numbered >= records for name, records, numbered in counts.iter_rows()}
    by_spine = any(mostly.get(source.name, False) for source in linkage.sources if source.spine)
    return 2 * counts["test"].sum() >= counts["records"].sum() and (by_spine or all(mostly.values()))
