"""A short view of a linkage's quality: in a terminal and in a notebook."""

from dataclasses import replace

from linkcore.disclosure.disclosed import ROUND_TO, SMALLEST_COUNT, disclosed
from linkcore.quality.measures import Quality
from linkcore.report.page.concerns import concerns
from linkcore.report.page.headline import headline
from linkcore.report.page.sections import table
from linkcore.report.page.templates import fill
from linkcore.report.page.words import METHODS
from linkcore.text_table import as_text

__all__ = ["in_notebook", "in_terminal"]


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
