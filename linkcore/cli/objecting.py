"""Commands on opt-outs: the file for the national service, and the pseudonyms that recipients must remove."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from linkcore.cli import options
from linkcore.cli.opening import held_keys, linkage_of, now, recorded_request
from linkcore.cli.saying import say
from linkcore.errors import ProgrammeError

if TYPE_CHECKING:
    from linkcore.cli.options import Commands

__all__ = ["add"]


def add(commands: "Commands") -> None:
    """Add ``opt-outs export`` and ``withdrawals``."""
    actions = commands.add_parser("opt-outs", help="the national opt-out check").add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    export = options.command(
        actions, "export", _export, "write the file of NHS Numbers for the national opt-out service"
    )
    options.programme(export)
    options.linkage(export)
    options.occasion(export)
    export.add_argument("--out", type=Path, required=True, metavar="FILE.dat", help="file to write (mode 0600)")

    withdrawals = options.command(
        commands,
        "withdrawals",
        _withdrawals,
        "write, for each recipient, the pseudonyms that it must remove because people have objected",
    )
    options.programme(withdrawals)
    options.linkage(withdrawals)
    options.day(withdrawals)
    withdrawals.add_argument(
        "--release",
        type=Path,
        action="append",
        required=True,
        metavar="DIR",
        help="release that a recipient still holds; give every one",
    )
    options.held_keys(withdrawals)
    options.occasion(withdrawals)
    withdrawals.add_argument("--out", type=Path, required=True, help="folder to write")


def _export(arguments: argparse.Namespace) -> None:
    from linkcore.governance.withholding.national_check import export_national_check

    with recorded_request(arguments, "opt_outs_export", on=now().date()) as (programme, occasion):
        count = export_national_check(linkage_of(arguments, programme), arguments.out, occasion=occasion)
    arguments.result = {"file": arguments.out, "numbers": count}
    say(f"{count:,} NHS Numbers: {arguments.out} (send it to the national service only)")


def _withdrawals(arguments: argparse.Namespace) -> None:
    from linkcore.governance.exits.withdrawals import withdrawals
    from linkcore.text_table import as_text

    with recorded_request(arguments, "withdrawals", on=arguments.on) as (programme, occasion):
        objections = programme.opt_out_lists().objections
        if objections is None or programme.opt_outs is None:
            raise ProgrammeError(
                "the programme file states no [opt_outs.objections], so there is nothing to withdraw; state it"
            )
        keys = held_keys(arguments, [agreement.key for agreement in programme.agreements()])
        # Linked as for a release on this day, so that the same records belong to the same persons.
        counts = withdrawals(
            linkage_of(arguments, programme, on=arguments.on),
            objections,
            arguments.release,
            keys,
            arguments.out,
            on=arguments.on,
            occasion=occasion,
            max_age_days=programme.opt_outs.max_age_days,
        )
    arguments.result = {"folder": arguments.out, "counts": counts.rows(named=True)}
    say(*as_text(counts).splitlines())
    say(f"send each file to its recipient only: {arguments.out}")
