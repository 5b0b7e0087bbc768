"""The quality of the fallback in a terminal."""

from typing import Final

import polars as pl

from linkcore.quality.measures import FallbackQuality
from linkcore.report.page.words import model_use_in_words
from linkcore.schema import ALL
from linkcore.text_table import as_text

__all__ = ["fallback_in_terminal"]

_NOT_TESTED: Final = (
    "Records without a usable NHS Number, by source. No source has NHS Numbers to test the links with, so a record\n"
    "was linked where that is more likely right than wrong:"
)
_TESTED: Final = (
    "Records without a usable NHS Number, by source: the number linked, the lowest probability of a link (accept),\n"
    "the share of these links that is wrong, and the share of possible links that is missed. The shares are estimated\n"
    "on records that have a number, with the number hidden (95 % intervals):"
)


def fallback_in_terminal(fallback: FallbackQuality) -> str:
    """Return plain text: how many records the fallback linked, and how many links are wrong or missed.

    Examples
    --------
    >>> from linkcore.quality.tables import FALLBACK_TABLES
    >>> empty = {name: pl.DataFrame(schema=schema) for name, schema in FALLBACK_TABLES.items()}
    >>> print(fallback_in_terminal(FallbackQuality(**empty, counts={})).splitlines()[1])
    was linked where that is more likely right than wrong:
    """
    explanation = _NOT_TESTED if fallback.rates.is_empty() else _TESTED
    used = model_use_in_words(fallback.model_use)
    return f"{explanation}\n\n{as_text(_sources_with_rates(fallback))}" + (f"\n\n{used}" if used else "")


def _sources_with_rates(fallback: FallbackQuality) -> pl.DataFrame:
    """Return ``sources`` of the quality, then the rate of false and of missed links with its interval."""
    table = fallback.sources
    if fallback.rates.is_empty():
        return table
    by_source = fallback.rates.filter(dimension=ALL)
    for measure in ("false links", "missed links"):
        name = measure.replace(" ", "_")
        rates = by_source.filter(measure=measure).select(
            "source",
            pl.col("rate").alias(name),
            pl.col("low").alias(f"{name}_low"),
            pl.col("high").alias(f"{name}_high"),
        )
        table = table.join(rates, on="source", how="left", maintain_order="left")
    return table
