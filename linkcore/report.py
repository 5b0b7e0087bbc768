"""The linkage-quality report as files: of a linkage, beside another run or the truth, with disclosure control."""

from pathlib import Path
from typing import Final

import polars as pl

from linkcore.errors import ProgrammeError
from linkcore.files import new_file
from linkcore.linkage.evaluation import with_truth
from linkcore.linkage.link import Linkage
from linkcore.quality.disclosure.disclosed import disclosed
from linkcore.quality.drift import compared
from linkcore.quality.measures import Quality
from linkcore.quality.page.render import render
from linkcore.quality.quality_file import read_quality, to_json

__all__ = ["QUALITY_FILE", "write_report"]

QUALITY_FILE: Final = "quality.json"
"""The name of the file with a linkage's measures, beside its links and beside its report."""


def write_report(
    linkage: Linkage | Quality,
    path: str | Path,
    *,
    previous: Quality | str | Path | None = None,
    truth: pl.DataFrame | None = None,
    trusted: bool = False,
) -> None:
    """Write the linkage-quality report, one HTML file that needs no network, and the same measures as ``quality.json``.

    Disclosure control is applied: counts from 1 to 7 are suppressed, others rounded to 5, and whatever would give a
    small count away is suppressed too. No report shows an identifier or a pseudonym.

    Parameters
    ----------
    linkage : Linkage or Quality
        What it is of.
    path : path
        The HTML file to write; ``quality.json`` is written into its folder. Only their owner can read them.
    previous : Quality or path, optional
        Of an earlier run, or its ``quality.json``: the report says what has changed since.
    truth : polars.DataFrame, optional
        ``source``, ``record_id`` and ``entity`` of every record, where it is known who is who: the report shows the
        true rates beside the estimated ones.
    trusted : bool
        For the trusted team's own eyes: true counts, and the report is marked as such.

    Raises
    ------
    ProgrammeError
        If a place cannot be written or read, the truth is not of this linkage or is given with a Quality, or true
        counts are asked for where only disclosed ones are to be had.

    Examples
    --------
    >>> import tempfile
    >>> from linkcore.linkage.link import link
    >>> from linkcore.linkage.sources import Source
    >>> linkage = link([Source("gp", pl.DataFrame({"nhs_number": ["4010232137"]}), spine=True)])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_report(linkage, Path(folder) / "report.html")
    ...     sorted(path.name for path in Path(folder).iterdir())
    ['quality.json', 'report.html']
    """
    path = Path(path)
    if path.name == QUALITY_FILE:
        raise ProgrammeError(f"{path}: {QUALITY_FILE} is written beside the report; call the report something else")
    quality = _of(linkage, truth)
    if trusted and quality.disclosed:
        raise ProgrammeError("these are disclosed counts: a report for the trusted team needs true ones")
    if not trusted:
        quality = disclosed(quality)
    if previous is not None:
        before = previous if isinstance(previous, Quality) else read_quality(previous)
        if before.disclosed and not quality.disclosed:
            raise ProgrammeError(
                "the earlier run has only disclosed counts: a report for the trusted team needs true ones"
            )
        quality = compared(quality, before)
    for place, text in ((path, render(quality)), (path.with_name(QUALITY_FILE), to_json(quality))):
        with new_file(place) as file:
            file.write_text(text, "utf-8")


def _of(linkage: Linkage | Quality, truth: pl.DataFrame | None) -> Quality:
    if isinstance(linkage, Quality):
        if truth is not None:
            raise ProgrammeError("the truth is held against links: give the linkage itself, and not its quality")
        return linkage
    return linkage.quality if truth is None else with_truth(linkage, truth)
