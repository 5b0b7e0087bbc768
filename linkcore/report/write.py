"""The linkage-quality report as files: of a linkage, beside another run or the truth, with disclosure control."""

import datetime as dt
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

import polars as pl

from linkcore.disclosure.disclosed import disclosed
from linkcore.errors import ProgrammeError
from linkcore.files import new_file
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
    withholding : iterable of Withholding
        What is withheld from releases, one a purpose: the report tells how many records, why, and on what basis.
    type_one : polars.DataFrame, optional
        ``source``, ``practice``, ``rows``: those left out when they were read, as
        ``Programme.sources_without_type_one`` counts them.
    trusted : bool
        For the trusted team's own eyes: true counts, and the report is marked as such.

    Raises
    ------
    ProgrammeError
        If a place cannot be written or read, the truth or a withholding is not of this linkage, the truth is given with
        a Quality, or true counts are asked for, or needed, where only disclosed ones are to be had.

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
        raise ProgrammeError(f"{path}: {QUALITY_FILE} is written beside the report; call the report something else")
    quality = with_withholding(_of(linkage, truth), withholding, type_one)
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


def with_withholding(
    quality: Quality, withholding: Iterable[Withheld], type_one: pl.DataFrame | None = None
) -> Quality:
    """Tell in a Quality what is withheld from releases, and what was not even read.

    ``type_one``: ``source``, ``practice``, ``rows``: those left out when they were read.
    """
    for each in withholding:
        quality = with_withheld(quality, each.purpose, on=each.on, kept=each.kept, counts=each.counts, basis=each.basis)
    return quality if type_one is None or type_one.is_empty() else with_not_read(quality, type_one)


def _of(linkage: MeasuredLinkage | Quality, truth: pl.DataFrame | None) -> Quality:
    if isinstance(linkage, Quality):
        if truth is not None:
            raise ProgrammeError("the truth is held against links: give the linkage itself, and not its quality")
        return linkage
    return linkage.quality if truth is None else with_truth(linkage, truth)
