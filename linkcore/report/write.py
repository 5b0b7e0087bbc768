"""The linkage-quality report as files, under disclosure control."""

import datetime as dt
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

import polars as pl

from linkcore.disclosure.disclosed import disclosed
from linkcore.errors import ProgrammeError
from linkcore.files import begins_like, new_file
from linkcore.quality.measured import MeasuredLinkage
from linkcore.quality.measures import Quality
from linkcore.quality.truth import with_truth
from linkcore.quality.withheld import with_not_read, with_withheld
from linkcore.report.drift import compared
from linkcore.report.page.render import render
from linkcore.report.quality_file import QUALITY_FILE, read_quality, to_json

__all__ = ["QUALITY_FILE", "Withheld", "with_withholding", "write_report"]


class Withheld(Protocol):
    """What is withheld from releases for one purpose: :class:`linkcore.Withholding`."""

    @property
    def purpose(self) -> str:
        """The purpose of the releases."""

    @property
    def on(self) -> dt.date:
        """The day of release."""

    @property
    def kept(self) -> Mapping[str, pl.Series]:
        """For each source, Boolean: which rows may leave."""

    @property
    def counts(self) -> pl.DataFrame:
        """``source``, ``reason``, ``records``."""

    @property
    def basis(self) -> Mapping[str, str]:
        """For each kind of opt-out: by which list, policy or exemption."""


def write_report(
    linkage: MeasuredLinkage | Quality,
    path: str | Path,
    *,
    previous: Quality | str | Path | None = None,
    truth: pl.DataFrame | None = None,
    withholding: Iterable[Withheld] = (),
    type_one: pl.DataFrame | None = None,
    trusted: bool = False,
) -> None:
    """Write the linkage-quality report: one HTML file that needs no network, and its measures as ``quality.json``.

    Disclosure control is applied: counts from 1 to 7 are suppressed, other counts are rounded to 5, and every count
    that would reveal a small one is suppressed too. No report shows an identifier or a pseudonym.

    Parameters
    ----------
    linkage : Linkage or Quality
        The linkage, or its quality.
    path : path
        The HTML file to write; ``quality.json`` is written into its folder. Only their owner can read them.
    previous : Quality or path, optional
        An earlier run, as a Quality or as its ``quality.json``. The report shows what changed since.
    truth : polars.DataFrame, optional
        ``source``, ``record_id`` and ``entity`` of every record, where the truth is known. The report shows the true
        rates beside the estimated ones.
    withholding : iterable of Withholding
        What is withheld from releases, one for each purpose. The report shows how many records, why, and on what
        basis.
    type_one : polars.DataFrame, optional
        ``source``, ``practice``, ``rows``: those left out when they were read, as
        ``Programme.sources_without_type_one`` counts them.
    trusted : bool
        Show true counts, and mark the report as for the trusted team only.

    Raises
    ------
    ProgrammeError
        If a file cannot be written or read; if the truth or a withholding belongs to another linkage; if the truth is
        given with a Quality; or if true counts are needed and only disclosed ones are there.

    Examples
    --------
    >>> import tempfile
    >>> from linkcore.link import link
    >>> from linkcore.sources.source import Source
    >>> linkage = link([Source("gp", pl.DataFrame({"nhs_number": ["4010232137"]}), spine=True)])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_report(linkage, Path(folder) / "report.html")
    ...     sorted(path.name for path in Path(folder).iterdir())
    ['quality.json', 'report.html']
    """
    path = Path(path)
    if path.name == QUALITY_FILE:
        raise ProgrammeError(
            f"{path}: {QUALITY_FILE} is the file of measures beside the report; give the report another name"
        )
    quality = with_withholding(_of(linkage, truth), withholding, type_one)
    if trusted and quality.disclosed:
        raise ProgrammeError("this Quality has only disclosed counts: a report for the trusted team needs true counts")
    if not trusted:
        quality = disclosed(quality)
    if previous is not None:
        before = previous if isinstance(previous, Quality) else read_quality(previous)
        if before.disclosed and not quality.disclosed:
            raise ProgrammeError(
                "the earlier run has only disclosed counts: a report for the trusted team needs true counts"
            )
        quality = compared(quality, before)
    for place, text in ((path, render(quality)), (path.with_name(QUALITY_FILE), to_json(quality))):
        with new_file(place, ours=begins_like(text.encode())) as file:
            file.write_text(text, "utf-8")


def with_withholding(
    quality: Quality, withholding: Iterable[Withheld], type_one: pl.DataFrame | None = None
) -> Quality:
    """Add to a Quality what is withheld from releases, and what was dropped when read.

    ``type_one``: ``source``, ``practice``, ``rows``: those left out when they were read.
    """
    for each in withholding:
        quality = with_withheld(quality, each.purpose, on=each.on, kept=each.kept, counts=each.counts, basis=each.basis)
    return quality if type_one is None or type_one.is_empty() else with_not_read(quality, type_one)


def _of(linkage: MeasuredLinkage | Quality, truth: pl.DataFrame | None) -> Quality:
    if isinstance(linkage, Quality):
        if truth is not None:
            raise ProgrammeError("the truth is compared with links: give the linkage, not its quality")
        return linkage
    return linkage.quality if truth is None else with_truth(linkage, truth)
