"""Commands about opt-outs: what the national service is asked, and what recipients must remove."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from linkcore.cli import options
from linkcore.cli.opening import held_keys, linkage_of, live_programme, now, wanted_audit_log
from linkcore.errors import ProgrammeError

if TYPE_CHECKING:
    from linkcore.cli.options import Commands

__all__ = ["add"]


def add(commands: "Commands") -> None:
    """Add ``opt-outs export`` and ``withdrawals``."""
    actions = commands.add_parser("opt-outs", help="the file for the national opt-out check").add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    export = options.command(
        actions, "export", _export, "write the NHS Numbers to be sent to the national service, and to nobody else"
    )
    options.programme(export)
    options.accountable(export)
    export.add_argument("--out", type=Path, required=True, metavar="FILE.dat", help="file to write (mode 0600)")

    withdrawals = options.command(
        commands, "withdrawals", _withdrawals, "write, for each recipient, the pseudonyms that it must remove"
    )
    options.programme(withdrawals)
    options.day(withdrawals)
    withdrawals.add_argument(
        "--release",
        type=Path,
        action="append",
        required=True,
        metavar="DIR",
        help="release that a recipient still holds; give all of them",
    )
    options.held_keys(withdrawals)
    options.accountable(withdrawals)
    withdrawals.add_argument("--out", type=Path, required=True, help="folder to write")


def _export(chosen: argparse.Namespace) -> None:
    from linkcore.governance.withholding.national_check import export_national_check

    at = now()
    programme = live_programme(chosen.programme, at.date())
    audit = wanted_audit_log(chosen, programme)
    linkage = linkage_of(programme)
    count = export_national_check(linkage, chosen.out, audit=audit, actor=chosen.actor, reason=chosen.reason, at=at)
    print(f"{count:,} NHS Numbers: {chosen.out} (send it to the national service alone)")


def _withdrawals(chosen: argparse.Namespace) -> None:
    from linkcore.governance.withholding.withdrawals import withdrawals
    from linkcore.text_table import as_text

    programme = live_programme(chosen.programme, chosen.on)
    audit = wanted_audit_log(chosen, programme)
    objections = programme.opt_out_lists()["objections"]
    if objections is None or programme.opt_outs is None:
        raise ProgrammeError("the programme file states no [opt_outs.objections], so there is nothing to withdraw")
    keys = held_keys(chosen, [agreement.key for agreement in programme.agreements()])
    # As for a release of that day, so that the same records are of the same persons.
    counts = withdrawals(
        linkage_of(programme, on=chosen.on),
        objections,
        chosen.release,
        keys,
        chosen.out,
        on=chosen.on,
        audit=audit,
        actor=chosen.actor,
        reason=chosen.reason,
        at=now(),
        max_age_days=programme.opt_outs.max_age_days,
    )
    print(as_text(counts))
    print(f"to be sent, each to its recipient alone: {chosen.out}")
