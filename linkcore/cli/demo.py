"""The demonstration: a synthetic ICS is made, linked, released, compared with the truth and reported."""

import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from linkcore.governance.releases.release import Release, release
from linkcore.keys.key import Key
from linkcore.link import Linkage
from linkcore.programme.programme import Programme
from linkcore.progress import Progress, silent
from linkcore.quality.truth import compare_groups_with_truth, compare_with_truth, conflicts_found
from linkcore.report.terminal import fallback_in_terminal
from linkcore.report.write import write_report
from linkcore.synthetic import synthesise
from linkcore.text_table import as_text

__all__ = ["Demonstration", "run_demo"]


_LEFT_TO_THE_FALLBACK: Final = ("probabilistic", "new_person", "unlinked")


@dataclass(frozen=True, eq=False)
class Demonstration:
    """Result of the demonstration.

    ``judged`` is the result of :func:`linkcore.quality.truth.compare_with_truth`, ``groups`` that of
    :func:`linkcore.quality.truth.compare_groups_with_truth`, ``conflicts`` that of
    :func:`linkcore.quality.truth.conflicts_found`. ``seconds`` holds the time of each step, ``peak_bytes`` the most
    memory that the process used.
    """

    folder: Path
    linkage: Linkage
    released: Release
    report: Path
    judged: pl.DataFrame
    groups: pl.DataFrame
    conflicts: pl.DataFrame
    seconds: dict[str, float]
    peak_bytes: int

    def text(self) -> str:
        """Describe the result in plain text."""
        records, persons = self.linkage.links.height, self.linkage.persons.height
        fallback = self.linkage.quality.fallback
        times = pl.DataFrame({"step": list(self.seconds), "seconds": list(self.seconds.values())})
        return "\n\n".join(
            [
                f"{records:,} records in, {persons:,} persons. How records were linked to persons:",
                as_text(self.linkage.quality.by_method()),
                "Compared with the truth (precision: the share of linked records that are linked to the right person; "
                "recall: the share of records with another record of the same person that are linked to it):",
                as_text(accuracy(self.judged)),
                "The part of these for the fallback (records without a usable number, and conflicts):",
                as_text(accuracy(self.judged.filter(pl.col("method").is_in(_LEFT_TO_THE_FALLBACK)))),
                "Records that were put together, compared with the truth (over pairs of records; and over records, B³: "
                "how much of a record's person is right, and how much of its true person is there, on average):",
                as_text(self.groups),
                _conflicts_text(self.conflicts),
                "" if fallback is None else fallback_in_terminal(fallback),
                as_text(times, decimals=1) + f"\n\npeak memory: {self.peak_bytes / 2**30:.2f} GiB",
                f"sources and programme file  {self.folder / 'ics'}\n"
                f"released data and manifest  {self.released.folder}\n"
                f"linkage-quality report      {self.report}\n"
                f"the recipient's key         {self.folder / 'keys'}",
            ]
        )


def accuracy(judged: pl.DataFrame) -> pl.DataFrame:
    """Return precision and recall for each source and for all: ``source``, counts, ``precision``, ``recall``."""
    counts = judged.group_by("source", maintain_order=True).agg(pl.exclude("method").sum())
    counts = pl.concat([counts, counts.select(pl.lit("all").alias("source"), pl.exclude("source").sum())])
    return counts.with_columns(
        (pl.col("linked") - pl.col("right")).alias("wrong"),
        _share("right", "linked").alias("precision"),
        _share("found", "findable").alias("recall"),
    )


def _share(part: str, whole: str) -> pl.Expr:
    return pl.when(pl.col(whole) > 0).then(pl.col(part) / pl.col(whole))


def _conflicts_text(conflicts: pl.DataFrame) -> str:
    wrong, found, true, alarms = conflicts.select(pl.col("wrong", "found", "true", "false_alarms").sum()).row(0)
    return (
        f"Conflicts: {found:,} of {wrong:,} records with another person's NHS Number were found. {alarms:,} of "
        f"{true:,} links by number to the right person were called a conflict by mistake."
    )


def run_demo(folder: Path, *, people: int = 50_000, seed: int = 1, progress: Progress = silent) -> Demonstration:
    """Make a synthetic ICS, link it, release it to one recipient, compare it with the truth, and write its report."""
    seconds: dict[str, float] = {}

    with _timed(seconds, "synthesise"):
        made = synthesise(folder / "ics", people=people, seed=seed, progress=progress)
    with _timed(seconds, "link"):
        programme = Programme.load(made.programme)
        linkage = programme.link(progress=progress)
    (agreement,) = programme.agreements()
    key = _key(folder / "keys" / f"{agreement.key}.json")
    progress("release", 0, 1)
    with _timed(seconds, "release"):
        released = release(linkage, agreement, key, folder / "release" / agreement.recipient)
    progress("judge", 0, 1)
    with _timed(seconds, "judge"):
        truth = pl.read_parquet(made.truth)
        judged, conflicts = compare_with_truth(linkage, truth), conflicts_found(linkage, truth)
        groups = compare_groups_with_truth(linkage, truth)
    report = folder / "report" / "report.html"
    progress("report", 0, 1)
    with _timed(seconds, "report"):
        write_report(linkage, report, truth=truth)
    return Demonstration(folder, linkage, released, report, judged, groups, conflicts, seconds, _peak_bytes())


def _key(file: Path) -> Key:
    """Return the key of an earlier demonstration, which then gives the same pseudonyms, or a new key."""
    if file.exists():
        return Key.read(file)
    key = Key.generate(file.stem)
    key.write(file)
    return key


@contextmanager
def _timed(seconds: dict[str, float], step: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    seconds[step] = time.perf_counter() - began


def _peak_bytes() -> int:
    # Linux counts in KiB, macOS in bytes.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
