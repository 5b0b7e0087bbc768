"""Commands on single links, for the trusted team: they show identifiers or decide, and are recorded."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from linkcore.cli import options
from linkcore.cli.opening import linkage_of, now, recorded_request
from linkcore.cli.saying import say
from linkcore.errors import ProgrammeError, RefusedError

if TYPE_CHECKING:
    from linkcore.cli.options import Commands

__all__ = ["add"]


def add(commands: "Commands") -> None:
    """Add ``explain``, ``clerical-review``, ``decide`` and ``double-persons``."""
    explain = options.command(commands, "explain", _explain, "explain why a record is linked to its person")
    _identifiable(explain)
    explain.add_argument("--source", required=True, help="source of the record")
    explain.add_argument("--record-id", required=True, metavar="ID", help="id of the record, as in links.parquet")
    explain.add_argument(
        "--waterfall", type=Path, metavar="FILE", help="HTML file to write with a chart of the weights"
    )
    explain.add_argument("--out", type=Path, required=True, metavar="FILE", help="text file to write (mode 0600)")

    review = options.command(
        commands, "clerical-review", _clerical_review, "write the least certain records to a CSV file for review"
    )
    _identifiable(review)
    review.add_argument("--records", type=options.positive, default=200, help="largest number of records (200)")
    review.add_argument("--out", type=Path, required=True, metavar="FILE", help="CSV file to write (mode 0600)")

    double = options.command(
        commands,
        "double-persons",
        _double_persons,
        "write the persons who are probably one to a CSV file, joining none",
    )
    _identifiable(double)
    double.add_argument("--out", type=Path, required=True, metavar="FILE", help="CSV file to write (mode 0600)")

    decide = options.command(
        commands, "decide", _decide, "add the answers of a clerical review to the programme's decisions"
    )
    options.programme(decide)
    decide.add_argument("review", type=Path, metavar="REVIEW", help="CSV file of a clerical review, with its answers")
    decide.add_argument(
        "--undo", action="store_true", help="take back what this clerk (--actor) has decided before about these pairs"
    )
    options.occasion(decide)


def _identifiable(parser: argparse.ArgumentParser) -> None:
    options.programme(parser)
    options.linkage(parser)
    options.day(parser)
    parser.add_argument(
        "--identifiable", action="store_true", help="confirm that you may see names, birth dates and addresses"
    )
    options.occasion(parser)


def _refuse_unless_identifiable(arguments: argparse.Namespace) -> None:
    if not arguments.identifiable:
        raise RefusedError(
            "this command shows names, birth dates and addresses of records and of the people they may belong to; if "
            "you may see them, add --identifiable"
        )


def _explain(arguments: argparse.Namespace) -> None:
    from linkcore.files import check_place, new_file
    from linkcore.text_table import as_text

    _refuse_unless_identifiable(arguments)
    with recorded_request(arguments, "explanation", on=arguments.on) as (programme, occasion):
        check_place(arguments.out)
        linkage = linkage_of(arguments, programme, on=arguments.on)
        occasion.record("explanation", source=arguments.source, records=1)
        explanation = linkage.explain(arguments.source, arguments.record_id, identifiable=True)
    tables = [as_text(table) for table in (explanation.candidates, explanation.fields) if table.height]
    with new_file(arguments.out) as file:
        file.write_text("\n\n".join([explanation.reason, *tables]) + "\n", "utf-8")
    if arguments.waterfall:
        explanation.save_waterfall(arguments.waterfall)
    say(
        explanation.reason,
        f"{explanation.candidates.height} candidates: {arguments.out} (identifiers: keep it within the trusted team)",
    )


def _clerical_review(arguments: argparse.Namespace) -> None:
    _refuse_unless_identifiable(arguments)
    with recorded_request(arguments, "clerical_review", on=arguments.on) as (programme, occasion):
        linkage = linkage_of(arguments, programme, on=arguments.on)
        occasion.record("clerical_review", limit=arguments.records)
        records = linkage.clerical_review(arguments.out, identifiable=True, records=arguments.records)
    arguments.result = {"file": arguments.out, "records": records}
    say(f"{records:,} records to review: {arguments.out} (identifiers: keep it within the trusted team)")


def _double_persons(arguments: argparse.Namespace) -> None:
    _refuse_unless_identifiable(arguments)
    with recorded_request(arguments, "double_persons", on=arguments.on) as (programme, occasion):
        linkage = linkage_of(arguments, programme, on=arguments.on)
        occasion.record("double_persons", persons=linkage.persons.height)
        pairs = linkage.double_persons(arguments.out, identifiable=True)
    arguments.result = {"file": arguments.out, "pairs": pairs}
    say(f"{pairs:,} pairs, none of them joined: {arguments.out} (identifiers: keep it within the trusted team)")


def _decide(arguments: argparse.Namespace) -> None:
    from linkcore.review.answers import read_review
    from linkcore.review.decisions import add_decisions

    with recorded_request(arguments, "decisions", on=now().date()) as (programme, occasion):
        if programme.linkage.decisions is None:
            raise ProgrammeError("the programme file states no file of decisions: state [linkage] decisions")
        file = programme.folder / programme.linkage.decisions
        added = add_decisions(
            file, read_review(arguments.review), sources=programme.sources(), occasion=occasion, undo=arguments.undo
        )
    arguments.result = {"file": file, "added": added}
    say(f"{added:,} decisions added: {file} (it has record ids: keep it within the trusted team)")
