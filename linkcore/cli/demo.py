"""The demonstration: a synthetic ICS, made, linked, released to one recipient, judged by its truth and reported."""

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
from linkcore.quality.truth import compare_with_truth, conflicts_found
from linkcore.report.write import write_report
from linkcore.synthetic import synthesise
from linkcore.text_table import as_text

__all__ = ["Demonstration", "run_demo"]


_LEFT_TO_THE_FALLBACK: Final = ("probabilistic", "new_person", "unlinked")


@dataclass(frozen=True, eq=False)
class Demonstration:
    """What the demonstration did.

    Parameters
    ----------
    folder : pathlib.Path
        Where everything is.
    linkage : Linkage
        Of the twelve sources.
    released : Release
        To the one recipient.
    report : pathlib.Path
        The linkage-quality report.
    judged : polars.DataFrame
        What :func:`linkcore.quality.truth.compare_with_truth` found.
    conflicts : polars.DataFrame
        What :func:`linkcore.quality.truth.conflicts_found` found.
    seconds : dict of str to float
        By step.
    peak_bytes : int
        The most memory the process ever held.
    """

    folder: Path
    linkage: Linkage
    released: Release
    report: Path
    judged: pl.DataFrame
    conflicts: pl.DataFrame
    seconds: dict[str, float]
    peak_bytes: int

    def text(self) -> str:
        """Say it all in plain text."""
        records, persons = self.linkage.links.height, self.linkage.persons.height
        times = pl.DataFrame({"step": list(self.seconds), "seconds": list(self.seconds.values())})
        return "\n\n".join(
            [
                f"{records:,} records in, {persons:,} persons. How each record came to its person:",
                as_text(self.linkage.quality.by_method()),
                "Against the truth (precision: linked to the right person, of those linked; recall: of those that have "
                "another record to be linked to):",
                as_text(accuracy(self.judged)),
                "Of these, what was left to the fallback: records without a usable number, and conflicts:",
                as_text(accuracy(self.judged.filter(pl.col("method").is_in(_LEFT_TO_THE_FALLBACK)))),
                _of_conflicts(self.conflicts),
                "" if self.linkage.quality.fallback is None else self.linkage.quality.fallback.text(),
                as_text(times, decimals=1) + f"\n\npeak memory: {self.peak_bytes / 2**30:.2f} GiB",
                f"sources and programme file  {self.folder / 'ics'}\n"
                f"released data and manifest  {self.released.folder}\n"
                f"linkage-quality report      {self.report}\n"
                f"the recipient's key         {self.folder / 'keys'}",
            ]
        )


def accuracy(judged: pl.DataFrame) -> pl.DataFrame:
    """Turn counts of right and wrong links into precision and recall, by source and in all.

    Returns ``source``, the counts, ``precision`` and ``recall``.
    """
    counts = judged.group_by("source", maintain_order=True).agg(pl.exclude("method").sum())
    counts = pl.concat([counts, counts.select(pl.lit("all").alias("source"), pl.exclude("source").sum())])
    return counts.with_columns(
        (pl.col("linked") - pl.col("right")).alias("wrong"),
        _share("right", "linked").alias("precision"),
        _share("found", "findable").alias("recall"),
    )


def _share(part: str, whole: str) -> pl.Expr:
    return pl.when(pl.col(whole) > 0).then(pl.col(part) / pl.col(whole))


def _of_conflicts(conflicts: pl.DataFrame) -> str:
    wrong, found, true, alarms = conflicts.select(pl.col("wrong", "found", "true", "false_alarms").sum()).row(0)
    return (
        f"Conflicts: of {wrong:,} records that carry another person's NHS Number {found:,} were found out; of {true:,} "
        f"links by number to the right person {alarms:,} were called a conflict."
    )


def run_demo(folder: Path, *, people: int = 50_000, seed: int = 1, progress: Progress = silent) -> Demonstration:
    """Make a synthetic ICS, link it, release it to one recipient, judge it and write its report."""
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
    report = folder / "report" / "report.html"
    progress("report", 0, 1)
    with _timed(seconds, "report"):
        write_report(linkage, report, truth=truth)
    return Demonstration(folder, linkage, released, report, judged, conflicts, seconds, _peak_bytes())


def _key(file: Path) -> Key:
    """Give the key of an earlier demonstration, so that a second one releases the same pseudonyms, or a new one."""
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
