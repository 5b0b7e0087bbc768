"""A Quality at a glance: in a terminal, and in a notebook."""

from dataclasses import replace

from linkcore.disclosure.disclosed import ROUND_TO, SMALLEST_COUNT, disclosed
from linkcore.quality.measures import Quality
from linkcore.report.page.headline import concerns, headline
from linkcore.report.page.sections import table
from linkcore.report.page.templates import fill
from linkcore.report.page.words import METHODS
from linkcore.text_table import as_text

__all__ = ["in_notebook", "in_terminal"]


def in_terminal(quality: Quality) -> str:
    """Say in plain text what was linked, how well, and what to worry about.

    Examples
    --------
    >>> import polars as pl
    >>> from linkcore.quality.measures import measure
    >>> from linkcore.schema import LINKS, SET_ASIDE
    >>> link = {"source": "gp", "record_id": "1", "person_id": 0, "method": "spine", "nhs_number_status": "valid",
    ...         "conflict": False}
    >>> quality = measure(pl.DataFrame([link], schema=LINKS), pl.DataFrame(schema=SET_ASIDE), 1, sources=["gp"])
    >>> print(in_terminal(quality))
    1 records of 1 sources are of 1 people.
    100 % are the spine, the list of who exists. No record was linked to another.
    <BLANKLINE>
    source   spine   records   conflicts
    ────────────────────────────────────
    gp           1         1           0
    all          1         1           0
    """
    worries = concerns(quality)
    parts = [*headline(quality), ""]
    if worries:
        parts += ["What to worry about:", *(f"- {worry}" for worry in worries), ""]
    return "\n".join([*parts, as_text(quality.by_method(), missing="*")])


def in_notebook(quality: Quality) -> str:
    """Say the same as HTML, under disclosure control: a notebook keeps what it shows, and is handed on with it."""
    # What was compared with true counts of another run cannot be disclosed: the difference would give them away.
    quality = quality if quality.disclosed else disclosed(replace(quality, drift=None))
    return fill(
        "notebook.html.j2",
        smallest=SMALLEST_COUNT,
        round_to=ROUND_TO,
        headline=headline(quality),
        concerns=concerns(quality),
        table=table(quality.by_method(), "Records by source and method", heads=dict(METHODS)),
    )
