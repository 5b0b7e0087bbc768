"""Commands for the first hour with one's own files: propose a programme, and profile what its sources hold."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from linkcore.cli import options
from linkcore.cli.opening import live_programme
from linkcore.cli.saying import say
from linkcore.errors import SourceError
from linkcore.plain_text import escaped

if TYPE_CHECKING:
    from linkcore.cli.options import Commands
    from linkcore.programme.programme import Programme

__all__ = ["add", "ask", "say_profile"]

# How the page of an earlier run begins.
_PAGE = b"<!DOCTYPE html>\n<!-- linkcore profile -->"


def add(commands: "Commands") -> None:
    """Add ``init`` and ``profile``."""
    init = options.command(
        commands, "init", _init, "look at files, guess what they hold, and write the programme that links them"
    )
    init.add_argument("files", nargs="+", metavar="FILES", help="files of the sources, or folders with such files")
    init.add_argument(
        "--out", type=Path, default=Path("programme.toml"), help="programme file to write (programme.toml)"
    )
    profile = options.command(
        commands,
        "profile",
        _profile,
        "read the sources of a programme, and say what each mapped column holds and what cannot be right",
    )
    options.programme(profile)
    profile.add_argument("--json", action="store_true", help="print the profile as one JSON document")
    profile.add_argument("--out", type=Path, metavar="FILE", help="HTML page to write as well, with true counts")


def _init(arguments: argparse.Namespace) -> None:
    from linkcore.files import check_place, new_file
    from linkcore.first_hour.propose import propose

    place = check_place(arguments.out)
    asked = ask if sys.stdin.isatty() and sys.stderr.isatty() else None
    proposal = propose(arguments.files, folder=place.parent, ask=asked)
    with new_file(place, mode=0o644) as file:
        file.write_text(proposal.text, "utf-8")
    say(*proposal.sources)
    for skipped in proposal.skipped:
        say(f"not read: {skipped.file}: {skipped.why}")
    for doubt in proposal.doubts:
        say(f"please check: {doubt.source}, {doubt.key}: {doubt.text}")
    say(f"programme: {arguments.out}; next: linkcore profile {arguments.out}")


def ask(text: str, answers: Sequence[str], default: str) -> str:
    """Ask somebody at a terminal, until the answer is one of the answers; no answer is the default."""
    while True:
        sys.stderr.write(escaped(f"{text} [{' / '.join(answers)}; Enter: {default}] "))
        sys.stderr.flush()
        line = sys.stdin.readline()
        answer = line.strip() or default
        if answer in answers or not line:
            return answer if answer in answers else default


def _profile(arguments: argparse.Namespace) -> None:
    say_profile(live_programme(arguments.programme), as_json=arguments.json, page=arguments.out)


def say_profile(programme: "Programme", *, as_json: bool = False, page: Path | None = None) -> None:
    """Print the profile of a programme's sources, and refuse what cannot be right."""
    from linkcore.files import begins_like, new_file
    from linkcore.profile.profile import profile_sources
    from linkcore.profile.words import profile_as_page, profile_in_words

    profile = profile_sources(
        programme.sources(), usable=programme.numbers.usable, reference_date=programme.programme.reference_date
    )
    if page is not None:
        with new_file(page, ours=begins_like(_PAGE)) as file:
            file.write_text(profile_as_page(profile), "utf-8")
    if as_json:
        print(json.dumps(profile.as_dict(), indent=2))
    else:
        say(*profile_in_words(profile).splitlines())
    if not profile.linkable:
        wrong = ", ".join(f"{fault.identifier} of {fault.source}" for fault in profile.faults if fault.certain)
        raise SourceError(f"what is mapped cannot be right, so nothing can be linked: {wrong}")
