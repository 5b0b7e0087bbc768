"""Commands that make data up, check a programme, link it, and say how good the links are."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from linkcore.cli import options
from linkcore.cli.opening import linkage_of, live_programme, progress
from linkcore.errors import ProgrammeError, RefusedError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    import polars as pl

    from linkcore.cli.options import Commands
    from linkcore.governance.withholding.withholding import Withholding
    from linkcore.link import Linkage
    from linkcore.programme.programme import Programme

__all__ = ["add", "say_type_one"]


def add(commands: "Commands") -> None:
    """Add ``demo``, ``synthesise``, ``check``, ``link`` and ``report``."""
    demo = options.command(commands, "demo", _demo, "a synthetic ICS: made, linked, released and judged")
    _population(demo)
    demo.add_argument("--out", type=Path, default=Path("linkcore-demo"), help="folder to write (linkcore-demo)")

    synthesise = options.command(
        commands, "synthesise", _synthesise, "write a synthetic ICS, its truth and its programme file"
    )
    _population(synthesise)
    synthesise.add_argument("--out", type=Path, required=True, help="folder to write")

    check = options.command(commands, "check", _check, "say what a programme would do, without reading its data")
    options.programme(check)
    options.day(check)

    link = options.command(commands, "link", _link, "link a programme's sources")
    options.programme(link)
    options.day(link)
    link.add_argument("--out", type=Path, required=True, help="private folder for links.parquet and quality.json")

    report = options.command(commands, "report", _report, "write the linkage-quality report")
    report.add_argument(
        "place", type=Path, metavar="PLACE", help="folder that link has written; or a programme, which is then linked"
    )
    options.day(report)
    report.add_argument("--out", type=Path, required=True, help="folder for report.html and quality.json")
    report.add_argument("--previous", type=Path, metavar="FILE", help="quality.json of an earlier run, to compare with")
    report.add_argument("--trusted", action="store_true", help="true counts, for the trusted team's own eyes")


def _population(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--people", type=options.positive, default=50_000, help="how many people (50000)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same bytes (1)")


def _demo(chosen: argparse.Namespace) -> None:
    from linkcore.cli.demo import run_demo

    with progress() as tell:
        outcome = run_demo(chosen.out, people=chosen.people, seed=chosen.seed, progress=tell)
    print(outcome.text())


def _synthesise(chosen: argparse.Namespace) -> None:
    from linkcore.synthetic import synthesise

    with progress() as tell:
        made = synthesise(chosen.out, people=chosen.people, seed=chosen.seed, progress=tell)
    print(f"{sum(made.records.values()):,} records of {len(made.records)} sources; programme: {made.programme}")


def _check(chosen: argparse.Namespace) -> None:
    programme = live_programme(chosen.programme)
    print(programme.plan(chosen.on))
    programme.check(chosen.on)
    print("nothing is wrong with the programme file, its lists or the columns of its sources")


def _link(chosen: argparse.Namespace) -> None:
    from dataclasses import replace

    from linkcore.link import LINKS_FILE
    from linkcore.report.write import with_withholding
    from linkcore.text_table import as_text

    programme = live_programme(chosen.programme, chosen.on)
    programme.check()
    sources, type_one = programme.sources_without_type_one(chosen.on)
    linkage = linkage_of(programme, on=chosen.on, sources=sources)
    replace(linkage, quality=with_withholding(linkage.quality, (), type_one)).save(chosen.out)
    say_type_one(type_one)
    print(as_text(linkage.quality.by_method()))
    if linkage.quality.fallback is not None:
        print("\n" + linkage.quality.fallback.text() + "\n")
    print(f"links: {chosen.out / LINKS_FILE} (record ids: keep it within the trusted team)")


def _withholding(programme: "Programme", linkage: "Linkage", on: "dt.date") -> "Iterator[Withholding]":
    """Find what would be withheld on the day for each purpose, and say so where that cannot be told."""
    for purpose in dict.fromkeys(agreement.purpose for agreement in programme.agreements()):
        try:
            withholding = programme.withhold(linkage, on=on, purpose=purpose)
        except RefusedError as error:
            print(f"not told of in the report, what is withheld: {error}")
            continue
        if withholding is not None:
            yield withholding


def say_type_one(rows: "pl.DataFrame") -> None:
    """Say how many rows of GP data should never have been sent: true counts, to be reported back to the practices."""
    for source, practice, count in rows.select("source", "practice", "rows").iter_rows():
        print(f"{source}, practice {practice or 'not named'}: {count:,} rows left out, Type 1 (report this back)")


def _report(chosen: argparse.Namespace) -> None:
    from linkcore.report.notebook import in_terminal
    from linkcore.report.quality_file import read_quality
    from linkcore.report.write import QUALITY_FILE, with_withholding, write_report

    linked = chosen.place / QUALITY_FILE
    written = chosen.out / QUALITY_FILE
    for read in (linked, chosen.previous):
        if read is not None and read.resolve() == written.resolve():
            raise ProgrammeError(f"--out: {written} is read, and would be replaced; choose another folder")
    if linked.is_file():
        quality = read_quality(linked)
    else:
        programme = live_programme(chosen.place, chosen.on)
        programme.check()
        sources, type_one = programme.sources_without_type_one(chosen.on)
        linkage = linkage_of(programme, on=chosen.on, sources=sources)
        quality = with_withholding(linkage.quality, _withholding(programme, linkage, chosen.on), type_one)
    place = chosen.out / "report.html"
    write_report(quality, place, previous=chosen.previous, trusted=chosen.trusted)
    print(in_terminal(read_quality(written)))
    print(f"\nreport: {place}{' (true counts: keep it within the trusted team)' if chosen.trusted else ''}")
