"""Commands by which the trusted team looks at single links: identifiable, so asked for as such and written down."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from linkcore.cli import options
from linkcore.cli.opening import linkage_of, live_programme, now, wanted_audit_log
from linkcore.errors import RefusedError

if TYPE_CHECKING:
    from linkcore.cli.options import Commands
    from linkcore.governance.audit.audit import Audit
    from linkcore.programme.programme import Programme

__all__ = ["add"]


def add(commands: "Commands") -> None:
    """Add ``explain`` and ``clerical-review``."""
    explain = options.command(commands, "explain", _explain, "say why a record is of its person")
    _identifiable(explain)
    explain.add_argument("--source", required=True, help="the record's source")
    explain.add_argument("--record-id", required=True, metavar="ID", help="as in links.parquet")
    explain.add_argument("--waterfall", type=Path, metavar="FILE", help="HTML file to write of how the weights add up")
    explain.add_argument("--out", type=Path, required=True, metavar="FILE", help="text file to write (mode 0600)")

    review = options.command(
        commands, "clerical-review", _clerical_review, "write the most uncertain records, for a clerk to decide"
    )
    _identifiable(review)
    review.add_argument("--records", type=options.positive, default=200, help="how many at most (200)")
    review.add_argument("--out", type=Path, required=True, metavar="FILE", help="CSV file to write (mode 0600)")


def _identifiable(parser: argparse.ArgumentParser) -> None:
    options.programme(parser)
    options.day(parser)
    parser.add_argument("--identifiable", action="store_true", help="you may see names, birth dates and addresses")
    options.accountable(parser)


def _opened(chosen: argparse.Namespace) -> "tuple[Programme, Audit]":
    if not chosen.identifiable:
        raise RefusedError(
            "this shows names, birth dates and addresses of records and of whom they might be of; whoever may see them "
            "asks with --identifiable"
        )
    programme = live_programme(chosen.programme, chosen.on)
    return programme, wanted_audit_log(chosen, programme)


def _explain(chosen: argparse.Namespace) -> None:
    from linkcore.files import new_file
    from linkcore.text_table import as_text

    programme, audit = _opened(chosen)
    linkage = linkage_of(programme, on=chosen.on)
    audit.record("explanation", at=now(), actor=chosen.actor, reason=chosen.reason, source=chosen.source, records=1)
    explanation = linkage.explain(chosen.source, chosen.record_id, identifiable=True)
    tables = [as_text(table) for table in (explanation.candidates, explanation.fields) if table.height]
    with new_file(chosen.out) as file:
        file.write_text("\n\n".join([explanation.reason, *tables]) + "\n", "utf-8")
    if chosen.waterfall:
        explanation.save_waterfall(chosen.waterfall)
    print(
        f"{explanation.reason}\n{explanation.candidates.height} candidates: {chosen.out} (identifiers: keep it within "
        "the trusted team)"
    )


def _clerical_review(chosen: argparse.Namespace) -> None:
    programme, audit = _opened(chosen)
    linkage = linkage_of(programme, on=chosen.on)
    audit.record("clerical_review", at=now(), actor=chosen.actor, reason=chosen.reason, limit=chosen.records)
    records = linkage.clerical_review(chosen.out, identifiable=True, records=chosen.records)
    print(f"{records:,} records to decide: {chosen.out} (identifiers: keep it within the trusted team)")
