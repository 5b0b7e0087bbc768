"""A short view of a linkage's quality: in a terminal and in a notebook."""

from dataclasses import replace

import polars as pl

from linkcore.disclosure.disclosed import ROUND_TO, SMALLEST_COUNT, disclosed
from linkcore.quality.measures import FallbackQuality, Quality
from linkcore.report.page.headline import concerns, headline
from linkcore.report.page.sections import table
from linkcore.report.page.templates import fill
from linkcore.report.page.words import METHODS
from linkcore.schema import ALL
from linkcore.text_table import as_text

__all__ = ["fallback_in_terminal", "in_notebook", "in_terminal"]


def in_terminal(quality: Quality) -> str:
    """Return plain text: what was linked, how well, and what to check.

    Examples
    --------
    >>> import polars as pl
    >>> from linkcore.quality.measures import measure
    >>> from linkcore.schema import LINKS, SET_ASIDE
    >>> link = {"source": "gp", "record_id": "1", "person_id": 0, "method": "spine", "nhs_number_status": "valid",
    ...         "conflict": False}
    >>> quality = measure(pl.DataFrame([link], schema=LINKS), pl.DataFrame(schema=SET_ASIDE), 1, sources=["gp"])
    >>> print(in_terminal(quality))
    1 records from 1 sources belong to 1 people.
    100 % define a person on the spine. No record was linked to another.
    <BLANKLINE>
    source   spine   records   conflicts
    ────────────────────────────────────
    gp           1         1           0
    all          1         1           0
    """
    checks = concerns(quality)
    parts = [*headline(quality), ""]
    if checks:
        parts += ["What to check:", *(f"- {check}" for check in checks), ""]
    return "\n".join([*parts, as_text(quality.by_method(), missing="*")])


def fallback_in_terminal(fallback: FallbackQuality) -> str:
    """Return plain text: how many records the fallback linked in each source, and how many of its links are wrong.

    Examples
    --------
    >>> from linkcore.quality.tables import FALLBACK_TABLES
    >>> tables = {name: pl.DataFrame(schema=schema) for name, schema in FALLBACK_TABLES.items()}
    >>> source = {"source": "seen", "open": 9, "compared": 9, "linked": 5, "accept": 0.5, "basis": "no labels"}
    >>> tables["sources"] = pl.DataFrame([source], schema=FALLBACK_TABLES["sources"])
    >>> print(fallback_in_terminal(FallbackQuality(**tables, counts={})))
    Records without a usable NHS Number, by source. No record has an NHS Number to test the links with, so a link was
    accepted where it is more likely right than wrong.
    <BLANKLINE>
    source   open   compared   linked   pi   accept   basis       hidden
    ────────────────────────────────────────────────────────────────────
    seen        9          9        5    –   0.5000   no labels        –
    """
    if fallback.rates.is_empty():
        return (
            "Records without a usable NHS Number, by source. No record has an NHS Number to test the links with, so a "
            f"link was\naccepted where it is more likely right than wrong.\n\n{as_text(fallback.sources)}"
        )
    return (
        "Records without a usable NHS Number, by source: how many were linked, and the lowest accepted probability\n"
        "(accept). False links are the share of these links that is wrong. Missed links are the share of the links\n"
        "that should have been made and were not. Both are estimated on records that have an NHS Number, with the\n"
        f"number hidden (95 % intervals).\n\n{as_text(_with_rates(fallback))}"
    )


def _with_rates(fallback: FallbackQuality) -> pl.DataFrame:
    """Add to each source its rates of false and missed links, with their intervals."""
    table = fallback.sources
    of_sources = fallback.rates.filter(dimension=ALL, weighting="reweighted")
    for measure in ("false links", "missed links"):
        name = measure.replace(" ", "_")
        rates = of_sources.filter(measure=measure).select(
            "source",
            pl.col("rate").alias(name),
            pl.col("low").alias(f"{name}_low"),
            pl.col("high").alias(f"{name}_high"),
        )
        table = table.join(rates, on="source", how="left", maintain_order="left")
    return table


def in_notebook(quality: Quality) -> str:
    """Return the same as HTML, under disclosure control, because a notebook stores what it shows."""
    # A comparison with true counts of another run is dropped: the difference would reveal them.
    quality = quality if quality.disclosed else disclosed(replace(quality, drift=None))
    return fill(
        "notebook.html.j2",
        smallest=SMALLEST_COUNT,
        round_to=ROUND_TO,
        headline=headline(quality),
        concerns=concerns(quality),
        table=table(quality.by_method(), "Records by source and method", heads=dict(METHODS)),
    )
