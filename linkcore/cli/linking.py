"""Commands that synthesise data, check a programme, link it, and report how good the links are."""

import argparse
import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from linkcore.cli import options
from linkcore.cli.first_hour import say_profile
from linkcore.cli.opening import (
    given_keys,
    keyring_of_linkage,
    keyring_with,
    linkage_of,
    live_programme,
    previous_linkage,
)
from linkcore.cli.reporting import progress
from linkcore.cli.saying import say
from linkcore.errors import LinkcoreError, ProgrammeError, RefusedError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    from linkcore.cli.options import Commands
    from linkcore.governance.withholding.withholding import Withholding
    from linkcore.link import Linkage
    from linkcore.programme.programme import Programme
    from linkcore.quality.measures import Quality

__all__ = ["add", "print_rows_not_read"]


def add(commands: "Commands") -> None:
    """Add ``demo``, ``synthesise``, ``check``, ``schema``, ``link`` and ``report``."""
    demo = options.command(
        commands, "demo", _demo, "make a synthetic ICS, link it, release it, and compare the links with the truth"
    )
    _population(demo)
    demo.add_argument("--out", type=Path, default=Path("linkcore-demo"), help="folder to write (linkcore-demo)")

    synthesise = options.command(
        commands, "synthesise", _synthesise, "write a synthetic ICS: its sources, the truth, and a programme file"
    )
    _population(synthesise)
    synthesise.add_argument(
        "--months",
        type=options.positive,
        default=1,
        metavar="N",
        help="number of months, each in a folder of its own: people are born, move, marry and die, and providers add, "
        "correct and delete records (1)",
    )
    synthesise.add_argument("--out", type=Path, required=True, help="folder to write")

    check = options.command(
        commands, "check", _check, "check a programme and describe what it would do, without linking"
    )
    options.programme(check)
    options.day(check)
    options.held_keys(check, required=False)
    check.add_argument("--data", action="store_true", help="read its data too, and profile them as `profile` does")

    options.command(commands, "schema", _schema, "print the JSON Schema of the programme file, for editors")

    link = options.command(commands, "link", _link, "link the sources of a programme")
    options.programme(link)
    options.day(link)
    link.add_argument(
        "--out",
        type=Path,
        help="private folder to write, for --linkage of other commands (linkage.store of the programme file)",
    )
    link.add_argument(
        "--linkage-key",
        metavar="ID",
        help="key under which the linkage is encrypted (linkage.store_key of the programme file); only a synthetic "
        "programme needs none",
    )
    options.linkage_keyring(link)
    before = link.add_mutually_exclusive_group()
    options.previous_linkage(before)
    before.add_argument(
        "--anew",
        action="store_true",
        help="follow no linkage before: people without an NHS Number get new pseudonyms. By default, the linkage that "
        "is replaced is followed",
    )

    report = options.command(commands, "report", _report, "write the linkage-quality report")
    report.add_argument(
        "place", type=Path, metavar="PLACE", help="folder that `link` wrote, or a programme, which is then linked"
    )
    options.day(report)
    options.linkage(report)
    report.add_argument("--out", type=Path, required=True, help="folder to write: report.html and quality.json")
    report.add_argument("--previous", type=Path, metavar="FILE", help="quality.json of an earlier run to compare with")
    report.add_argument("--trusted", action="store_true", help="show true counts, for the trusted team only")


def _population(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--people", type=options.positive, default=50_000, help="number of people (50000)")
    parser.add_argument(
        "--seed", type=int, default=1, help="seed of every random choice: the same seed gives the same files (1)"
    )


def _demo(arguments: argparse.Namespace) -> None:
    from linkcore.cli.demo import run_demo

    with progress(arguments) as show:
        outcome = run_demo(arguments.out, people=arguments.people, seed=arguments.seed, progress=show)
    say(*outcome.text().splitlines())


def _synthesise(arguments: argparse.Namespace) -> None:
    from linkcore.synthetic import synthesise, synthesise_months

    with progress(arguments) as show:
        stated = {"people": arguments.people, "seed": arguments.seed, "progress": show}
        if arguments.months == 1:
            made = [synthesise(arguments.out, **stated)]
        else:
            made = list(synthesise_months(arguments.out, months=arguments.months, **stated))
    for month in made:
        say(f"{sum(month.records.values()):,} records of {len(month.records)} sources; programme: {month.programme}")
    arguments.result = [
        {"programme": month.programme, "people": month.people, "records": dict(month.records)} for month in made
    ]


def _check(arguments: argparse.Namespace) -> None:
    from linkcore.programme.plan import plan
    from linkcore.programme.verdict import judge

    programme = live_programme(arguments.programme)
    verdict = judge(programme, arguments.on, keys=given_keys(arguments))
    # What cannot be checked is not described either: the verdict says why.
    with suppress(LinkcoreError):
        say(*plan(programme, arguments.on).splitlines())
    say(*verdict.text())
    arguments.result = verdict.described()
    verdict.raise_all()
    say("the programme file, its lists and the columns of its sources are all right")
    if arguments.data:
        say("")
        say_profile(arguments, programme)


def _schema(arguments: argparse.Namespace) -> None:
    from linkcore.toml_schema import schema_text

    arguments.result = json.loads(schema_text())
    say(*schema_text().splitlines())


def _link(arguments: argparse.Namespace) -> None:
    from linkcore.report.terminal import fallback_in_terminal
    from linkcore.store.folder import refuse_unencrypted
    from linkcore.text_table import as_text

    programme = live_programme(arguments.programme, arguments.on)
    programme = programme.anew() if arguments.anew else programme
    programme.check()
    out = arguments.out or programme.store()
    if out is None:
        raise ProgrammeError("--out: give the folder to write, or state linkage.store in the programme file")
    # Everything that can be refused is refused before the work begins.
    name = arguments.linkage_key or programme.linkage.store_key
    key = None if name is None else keyring_with(arguments, name)[name]
    refuse_unencrypted(synthetic=programme.programme.synthetic, key=key)
    previous = None if arguments.anew else _previous(arguments, programme, replaced=out)
    with progress(arguments) as show:
        linkage = programme.link(on=arguments.on, previous=previous, progress=show)
    linkage.save(out, key=key)
    print_rows_not_read(linkage.quality)
    say(*as_text(linkage.quality.by_method()).splitlines())
    for state, number in linkage.decisions.group_by("state").len().sort("state").iter_rows():
        say(f"decisions, {state}: {number:,}")
    if linkage.quality.fallback is not None:
        say("", *fallback_in_terminal(linkage.quality.fallback).splitlines(), "")
    for line in _persons_before(linkage):
        say(line)
    encrypted = "not encrypted: synthetic" if key is None else f"encrypted under key {key.id}"
    arguments.result = {
        "linkage": out,
        "key": None if key is None else key.id,
        "persons": linkage.persons.height,
        "by_method": linkage.quality.by_method().rows(named=True),
        "earlier_persons": dict(linkage.history.counts),
    }
    say(f"linkage: {out} ({encrypted}; it has identifiers: keep it within the trusted team)")


def _previous(arguments: argparse.Namespace, programme: "Programme", *, replaced: Path) -> "Linkage | None":
    """Read the persons of the linkage before: the one that is named, or else the one that is replaced.

    A pipeline that forgets to name it would give people new pseudonyms each month. So it is followed, or refused.
    """
    from linkcore.store.folder import holds_linkage

    if arguments.previous_linkage is not None or programme.previous() is not None:
        return previous_linkage(arguments, programme)
    if not holds_linkage(replaced):
        return None
    try:
        return programme.previous_linkage(replaced, key=keyring_of_linkage(arguments, replaced))
    except LinkcoreError as error:
        raise type(error)(
            f"{error} -- the linkage in {replaced} would be replaced, and without it people who have no NHS Number get "
            "new pseudonyms: give --anew if that is meant"
        ) from None


def _persons_before(linkage: "Linkage") -> "Iterator[str]":
    """Say which linkage was the one before, and what became of its persons."""
    from linkcore.linkage.run import PREVIOUS_LINKAGE

    counts, before = linkage.history.counts, linkage.run.settings.get(PREVIOUS_LINKAGE)
    if before is None:
        yield "previous linkage: none, so people without an NHS Number have new pseudonyms"
        return
    yield f"previous linkage: {before}; people in it keep their pseudonyms"
    told = ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in counts.items() if count)
    yield f"persons: {told}"


def _withholding(programme: "Programme", linkage: "Linkage", on: "dt.date") -> "Iterator[Withholding]":
    """Find what would be withheld on the day for each purpose; print a line for a purpose where this is refused."""
    for purpose in dict.fromkeys(agreement.purpose for agreement in programme.agreements()):
        try:
            withholding = programme.withhold(linkage, on=on, purpose=purpose)
        except RefusedError as error:
            say(f"withheld records are not in the report: {error}")
            continue
        if withholding is not None:
            yield withholding


def print_rows_not_read(quality: "Quality") -> None:
    """Print the true counts of GP rows that should never have been sent, to be reported back to the practices."""
    from linkcore.schema import ALL

    counts = quality.not_read.select("source", "practice", "records")
    for source, practice, count in counts.iter_rows():
        if practice != ALL:
            say(f"{source}, practice {practice}: {count:,} rows left out, Type 1 (report this back)")


def _report(arguments: argparse.Namespace) -> None:
    from linkcore.report.notebook import in_terminal
    from linkcore.report.quality_file import read_quality
    from linkcore.report.write import QUALITY_FILE, with_withholding, write_report
    from linkcore.store.contents import quality_of
    from linkcore.store.folder import HEADER, Store

    linked = arguments.place / QUALITY_FILE
    written = arguments.out / QUALITY_FILE
    for read in (linked, arguments.previous):
        if read is not None and read.resolve() == written.resolve():
            raise ProgrammeError(f"--out: {written} is read and would be replaced; choose another folder")
    if arguments.linkage is None and linked.is_file():
        quality = read_quality(linked)
    elif arguments.linkage is None and (arguments.place / HEADER).is_file():
        quality = quality_of(Store.open(arguments.place, keyring_of_linkage(arguments, arguments.place)))
    else:
        programme = live_programme(arguments.place, arguments.on)
        programme.check()
        linkage = linkage_of(arguments, programme, on=arguments.on)
        quality = with_withholding(linkage.quality, _withholding(programme, linkage, arguments.on))
    place = arguments.out / "report.html"
    write_report(quality, place, previous=arguments.previous, trusted=arguments.trusted)
    arguments.result = {"report": place, "quality": written, "true_counts": arguments.trusted}
    say(*in_terminal(read_quality(written)).splitlines(), "")
    say(f"report: {place}{' (true counts: keep it within the trusted team)' if arguments.trusted else ''}")
