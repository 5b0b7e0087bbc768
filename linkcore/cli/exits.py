"""Commands that identify people, each for those who may know: every one is recorded before it answers."""

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
    now,
    recorded_request,
    refuse_own_files,
)
from linkcore.cli.saying import say
from linkcore.errors import KeyMaterialError, ProgrammeError

if TYPE_CHECKING:
    from linkcore.cli.options import Commands
    from linkcore.governance.exits.own_patients import PatientList
    from linkcore.keys.key import Key
    from linkcore.programme.programme import Programme

__all__ = ["add"]


def add(commands: "Commands") -> None:
    """Add ``reidentify``, ``return``, ``subject-access`` and ``feedback``."""
    _add_reidentify(commands)
    _add_return(commands)
    _add_subject_access(commands)
    _add_feedback(commands)


def _add_reidentify(commands: "Commands") -> None:
    reidentify = options.command(
        commands, "reidentify", _reidentify, "find which of a requester's own patients some pseudonyms stand for"
    )
    _lookup_options(reidentify)
    reidentify.add_argument(
        "--pseudonyms", type=Path, required=True, metavar="FILE", help="file with the pseudonyms to look up"
    )
    reidentify.add_argument(
        "--requester", required=True, metavar="ODS", help="ODS code of a requester that the programme file states"
    )
    reidentify.add_argument(
        "--list", type=Path, required=True, metavar="FILE", help="file with the requester's own patient list"
    )
    reidentify.add_argument("--out", type=Path, required=True, metavar="FILE", help="CSV file to write (mode 0600)")


def _add_return(commands: "Commands") -> None:
    back = options.command(
        commands,
        "return",
        _return,
        "write a recipient's scores for the practices and providers whose patients were scored",
    )
    _lookup_options(back)
    back.add_argument(
        "--scores", type=Path, required=True, metavar="FILE", help="file with the scores that the recipient sent"
    )
    back.add_argument(
        "--score",
        action="append",
        required=True,
        metavar="COLUMN",
        help="column to return; can be given several times",
    )
    back.add_argument(
        "--lists",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder of patient lists, each file named by the ODS code of a requester",
    )
    back.add_argument("--out", type=Path, required=True, help="folder to write")


def _add_subject_access(commands: "Commands") -> None:
    subject = options.command(
        commands,
        "subject-access",
        _subject_access,
        "write everything that is held about one person, whose NHS Number is read from stdin",
    )
    options.programme(subject)
    options.linkage(subject)
    subject.add_argument(
        "--release",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="release to search; can be given several times",
    )
    options.held_keys(subject, required=False)
    options.occasion(subject)
    subject.add_argument("--out", type=Path, required=True, metavar="FILE", help="JSON file to write (mode 0600)")


def _add_feedback(commands: "Commands") -> None:
    feedback = options.command(
        commands, "feedback", _feedback, "write which of its own records a provider can mend, for that provider alone"
    )
    options.programme(feedback)
    options.linkage(feedback)
    feedback.add_argument(
        "--provider",
        required=True,
        metavar="NAME",
        help="ODS code of a requester that the programme file states, name of a provider's own source, or code of a "
        "practice on the spine",
    )
    options.occasion(feedback)
    feedback.add_argument("--out", type=Path, required=True, metavar="FILE", help="CSV file to write (mode 0600)")


def _lookup_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for looking up pseudonyms in patient lists."""
    options.programme(parser)
    options.linkage(parser)
    parser.add_argument("--recipient", required=True, help="recipient under whose key the pseudonyms were made")
    options.held_keys(parser)
    parser.add_argument(
        "--pseudonym-column", default="pseudonym", metavar="COLUMN", help="column of pseudonyms (pseudonym)"
    )
    parser.add_argument(
        "--list-column", default="nhs_number", metavar="COLUMN", help="column of NHS Numbers in the lists (nhs_number)"
    )
    options.occasion(parser)


def _reidentify(arguments: argparse.Namespace) -> None:
    from linkcore.files import begins_like, check_place, new_file
    from linkcore.governance.exits.own_patients import PatientList
    from linkcore.governance.exits.reidentification import reidentify

    request = recorded_request(arguments, "reidentification", on=now().date(), requester=arguments.requester)
    is_answer = begins_like(b"pseudonym,nhs_number")
    with request as (programme, occasion):
        refuse_own_files(arguments, programme)
        check_place(arguments.out, ours=is_answer)
        keys = _keys(arguments, programme)
        pseudonyms = column_of("pseudonyms", arguments.pseudonyms, arguments.pseudonym_column)
        patients = PatientList(arguments.requester, column_of("list", arguments.list, arguments.list_column))
        linkage = linkage_of(arguments, programme)
    answer = reidentify(
        pseudonyms,
        patients,
        keys,
        requesters=programme.requesters.values(),
        linkage=linkage,
        occasion=occasion,
    )
    with new_file(arguments.out, ours=is_answer) as file:
        answer.write_csv(file)
    own = answer.height - answer["nhs_number"].null_count()
    say(f"{own:,} of the requester's own patients: {arguments.out} (for {arguments.requester} only)")


def _return(arguments: argparse.Namespace) -> None:
    import polars as pl

    from linkcore.governance.exits.returns import return_scores
    from linkcore.sources.source import Source

    column = arguments.pseudonym_column
    with recorded_request(arguments, "score_return", on=now().date()) as (programme, occasion):
        refuse_own_files(arguments, programme)
        keys = _keys(arguments, programme)
        source = Source("scores", arguments.scores, columns={"nhs_number": column})
        with source.reading():
            read = source.scan(source.column_names).collect()
        lists = _patient_lists(arguments)
        linkage = linkage_of(arguments, programme)
    returned = return_scores(
        read.select(pl.col(column).alias("pseudonym"), pl.exclude(column, "pseudonym")),
        lists,
        keys,
        arguments.out,
        columns=arguments.score,
        requesters=programme.requesters.values(),
        linkage=linkage,
        occasion=occasion,
    )
    for code, rows in returned.rows.items():
        say(f"{code}: {rows:,} rows")
    say(f"{returned.of_nobody:,} of {returned.pseudonyms:,} pseudonyms stand for nobody on the lists")
    say(f"send each file to its organisation only: {returned.folder}")


def _patient_lists(arguments: argparse.Namespace) -> "list[PatientList]":
    from linkcore.governance.exits.own_patients import PatientList

    if not arguments.lists.is_dir():
        raise ProgrammeError(
            f"--lists: {arguments.lists} is not a folder; put one file for each organisation there, such as A81001.csv"
        )
    files = sorted(file for file in arguments.lists.iterdir() if file.is_file() and not file.name.startswith("."))
    if len({file.stem for file in files}) < len(files):
        raise ProgrammeError(f"--lists: two files in {arguments.lists} have the same ODS code; keep one of them")
    return [PatientList(file.stem, column_of("list", file, arguments.list_column)) for file in files]


def _keys(arguments: argparse.Namespace, programme: "Programme") -> "list[Key]":
    agreement = agreement_of(programme, arguments.recipient)
    keys = held_keys(arguments, [agreement.key])
    if not keys:
        raise KeyMaterialError(
            f"key {agreement.key!r} was not given, or was destroyed: its pseudonyms cannot be re-identified"
        )
    return keys


def _subject_access(arguments: argparse.Namespace) -> None:
    from linkcore.governance.exits.subject_access import subject_access
    from linkcore.governance.manifest import read_manifest

    request = recorded_request(arguments, "subject_access", releases=len(arguments.release))
    with request as (programme, occasion):
        refuse_own_files(arguments, programme)
        keys = held_keys(arguments, {str(read_manifest(folder).get("key")) for folder in arguments.release})
        linkage, opt_outs = linkage_of(arguments, programme), programme.opt_out_lists()
    # Never an argument: other users of the machine and the history of the shell would show it.
    if sys.stdin.isatty():
        sys.stderr.write("NHS Number: ")
        sys.stderr.flush()
    nhs_number = sys.stdin.readline().strip()
    subject_access(
        linkage,
        nhs_number,
        arguments.out,
        occasion=occasion,
        releases=arguments.release,
        keys=keys,
        opt_outs=opt_outs,
    )
    # No counts: they would tell whoever sees the terminal whether anything is held about the person.
    say(f"everything that is held about this person: {arguments.out} (read it before you give it to anybody)")


def _feedback(arguments: argparse.Namespace) -> None:
    from linkcore.governance.exits.feedback import feedback
    from linkcore.text_table import as_text

    with recorded_request(arguments, "feedback", on=now().date(), provider=arguments.provider) as (programme, occasion):
        linkage = linkage_of(arguments, programme)
    counts = feedback(
        linkage,
        arguments.provider,
        arguments.out,
        requesters=programme.requesters.values(),
        of_several=programme.of_several_providers,
        occasion=occasion,
    )
    if counts.height:
        say(*as_text(counts).splitlines())
    say(f"{counts['records'].sum():,} rows: {arguments.out} (for {arguments.provider} only)")
