"""Commands that tell who people are, each to whom may know: written down before anything is told."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from linkcore.cli import options
from linkcore.cli.opening import (
    agreement_of,
    column_of,
    held_keys,
    linkage_of,
    live_programme,
    now,
    wanted_audit_log,
)
from linkcore.errors import KeyMaterialError, ProgrammeError

if TYPE_CHECKING:
    from linkcore.cli.options import Commands
    from linkcore.keys.key import Key
    from linkcore.programme.programme import Programme

__all__ = ["add"]


def add(commands: "Commands") -> None:
    """Add ``reidentify``, ``return`` and ``subject-access``."""
    reidentify = options.command(
        commands, "reidentify", _reidentify, "say which of a requester's own patients some pseudonyms are"
    )
    _of_recipient(reidentify)
    reidentify.add_argument("--pseudonyms", type=Path, required=True, metavar="FILE", help="what is asked about")
    reidentify.add_argument("--requester", required=True, metavar="ODS", help="ODS code of who asks")
    reidentify.add_argument("--list", type=Path, required=True, metavar="FILE", help="the requester's own patient list")
    reidentify.add_argument("--source", help="a provider's own source; without it the requester is a GP practice")
    reidentify.add_argument("--out", type=Path, required=True, metavar="FILE", help="CSV file to write (mode 0600)")

    back = options.command(
        commands,
        "return",
        _return,
        "write a recipient's scores for the practices and providers whose patients they are",
    )
    _of_recipient(back)
    back.add_argument("--scores", type=Path, required=True, metavar="FILE", help="what the recipient sent")
    back.add_argument(
        "--score",
        action="append",
        required=True,
        metavar="COLUMN",
        help="hand this column on; may be given several times",
    )
    back.add_argument(
        "--lists", type=Path, required=True, metavar="DIR", help="patient lists, each file named by its ODS code"
    )
    back.add_argument(
        "--provider",
        type=options.pair,
        action="append",
        default=[],
        metavar="ODS=SOURCE",
        help="this list is of a provider, with its own source; all others are of GP practices",
    )
    back.add_argument("--out", type=Path, required=True, help="folder to write")

    subject = options.command(
        commands, "subject-access", _subject_access, "write all that is held about one person; NHS Number from stdin"
    )
    options.programme(subject)
    subject.add_argument(
        "--release", type=Path, action="append", default=[], metavar="DIR", help="look into this release too"
    )
    options.held_keys(subject, required=False)
    options.accountable(subject)
    subject.add_argument("--out", type=Path, required=True, metavar="FILE", help="JSON file to write (mode 0600)")


def _of_recipient(parser: argparse.ArgumentParser) -> None:
    """Ask whose pseudonyms are to be looked up, and in which lists."""
    options.programme(parser)
    parser.add_argument("--recipient", required=True, help="under whose key the pseudonyms are")
    options.held_keys(parser)
    parser.add_argument("--pseudonym-column", default="pseudonym", metavar="COLUMN", help="of pseudonyms (pseudonym)")
    parser.add_argument("--list-column", default="nhs_number", metavar="COLUMN", help="of the lists (nhs_number)")
    parser.add_argument("--limit", type=options.positive, required=True, help="at most so many pseudonyms at once")
    options.accountable(parser)


def _reidentify(chosen: argparse.Namespace) -> None:
    from linkcore.files import new_file
    from linkcore.governance.exits.reidentification import reidentify

    at = now()
    programme = live_programme(chosen.programme, at.date())
    audit = wanted_audit_log(chosen, programme)
    keys = _keys(chosen, programme)
    answer = reidentify(
        column_of("pseudonyms", chosen.pseudonyms, chosen.pseudonym_column),
        column_of("list", chosen.list, chosen.list_column),
        keys,
        requester=chosen.requester,
        reason=chosen.reason,
        limit=chosen.limit,
        audit=audit,
        at=at,
        actor=chosen.actor,
        linkage=linkage_of(programme),
        source=chosen.source,
    )
    with new_file(chosen.out) as file:
        answer.write_csv(file)
    print(f"{answer.height:,} of the requester's own patients: {chosen.out} (for {chosen.requester} alone)")


def _return(chosen: argparse.Namespace) -> None:
    from linkcore.governance.exits.returns import return_scores
    from linkcore.sources.source import Source

    at = now()
    programme = live_programme(chosen.programme, at.date())
    audit = wanted_audit_log(chosen, programme)
    keys = _keys(chosen, programme)
    source = Source("scores", chosen.scores, columns={"nhs_number": chosen.pseudonym_column})
    with source.reading():
        scores = source.scan(source.column_names).collect()
    if not chosen.lists.is_dir():
        raise ProgrammeError(
            f"--lists: {chosen.lists} is no folder; put a file an organisation there, such as A81001.csv"
        )
    files = sorted(file for file in chosen.lists.iterdir() if file.is_file() and not file.name.startswith("."))
    if len({file.stem for file in files}) < len(files):
        raise ProgrammeError(f"--lists: two files of {chosen.lists} are of one ODS code; leave one of them there")
    returned = return_scores(
        scores,
        {file.stem: column_of("list", file, chosen.list_column) for file in files},
        keys,
        chosen.out,
        columns=chosen.score,
        reason=chosen.reason,
        limit=chosen.limit,
        audit=audit,
        at=at,
        actor=chosen.actor,
        linkage=linkage_of(programme),
        sources=dict(chosen.provider),
        pseudonym=chosen.pseudonym_column,
    )
    for code, rows in returned.rows.items():
        print(f"{code}: {rows:,} rows")
    print(f"of {returned.pseudonyms:,} pseudonyms {returned.of_nobody:,} are on nobody's list")
    print(f"to be sent, each to its organisation alone: {returned.folder}")


def _keys(chosen: argparse.Namespace, programme: "Programme") -> "list[Key]":
    agreement = agreement_of(programme, chosen.recipient)
    keys = held_keys(chosen, [agreement.key])
    if not keys:
        raise KeyMaterialError(
            f"key {agreement.key!r} is not there, or was destroyed: nobody can be told whose its pseudonyms are"
        )
    return keys


def _subject_access(chosen: argparse.Namespace) -> None:
    from linkcore.governance.exits.subject_access import subject_access
    from linkcore.governance.manifest import read_manifest

    programme = live_programme(chosen.programme)
    audit = wanted_audit_log(chosen, programme)
    keys = held_keys(chosen, {str(read_manifest(folder).get("key")) for folder in chosen.release})
    # Never an argument, which other users of the machine and the shell's history would see.
    if sys.stdin.isatty():
        print("NHS Number: ", end="", file=sys.stderr, flush=True)
    nhs_number = sys.stdin.readline().strip()
    found = subject_access(
        linkage_of(programme),
        nhs_number,
        chosen.out,
        reason=chosen.reason,
        audit=audit,
        at=now(),
        actor=chosen.actor,
        releases=chosen.release,
        keys=keys,
        opt_outs={kind: each for kind, each in programme.opt_out_lists().items() if each is not None},
    )
    for source, records in found.records.items():
        others = found.elsewhere[source]
        print(f"{source}: {records:,} records" + (f"; {others:,} more may be of this person" if others else ""))
    print(f"{found.released:,} rows of releases; all of it: {chosen.out} (read it before anybody is given it)")
