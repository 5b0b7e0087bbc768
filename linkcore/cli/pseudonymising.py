"""The command that turns one file's NHS Numbers into pseudonyms, for the holder of a key."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from linkcore.cli import options
from linkcore.cli.opening import one_key, write_down
from linkcore.errors import ProgrammeError

if TYPE_CHECKING:
    from linkcore.cli.options import Commands
    from linkcore.pseudonyms.stage_one import StageOne

__all__ = ["add"]

_OF_CODES = ("code_encoding", "code_bits", "code_text")


def add(commands: "Commands") -> None:
    """Add ``pseudonymise``."""
    parser = options.command(commands, "pseudonymise", _pseudonymise, "turn a file's NHS Numbers into pseudonyms")
    parser.add_argument("file", type=Path, metavar="FILE", help="CSV, Parquet or Arrow IPC")
    parser.add_argument("--column", required=True, help="the column with NHS Numbers")
    parser.add_argument("--keep", action="append", default=[], metavar="COLUMN", help="carry this column along")
    options.one_key(parser)
    parser.add_argument("--key", metavar="ID", help="which key of the keyring")
    parser.add_argument("--out", type=Path, required=True, help="Parquet file to write")
    parser.add_argument("--encoding", default="utf-8", help="of a CSV file (utf-8)")
    parser.add_argument("--test-numbers", action="store_true", help="the data are synthetic: take test numbers")
    stage = parser.add_argument_group(
        "two-stage programmes: a supplier's codes, written as the programme declares them"
    )
    stage.add_argument(
        "--stage", type=int, choices=[1], help="put the suppliers' codes in place of the numbers, in the same column"
    )
    stage.add_argument("--code-encoding", choices=["hex", "base64"], help="how the bytes are written (hex)")
    stage.add_argument("--code-bits", type=options.positive, metavar="BITS", help="how long a code is (128)")
    stage.add_argument(
        "--code-text", choices=["digits", "spaced"], help='what is hashed: "9434765919", or "943 476 5919" (digits)'
    )
    options.audited(parser)


def _pseudonymise(chosen: argparse.Namespace) -> None:
    import polars as pl

    from linkcore.files import new_file
    from linkcore.identifiers.nhs_number import nhs_number
    from linkcore.pseudonyms.pseudonymise import pseudonymise
    from linkcore.schema import USABLE_STATUSES
    from linkcore.sources.source import Source

    if bool(chosen.keyring) != bool(chosen.key):
        raise ProgrammeError("--keyring: say which of its keys with --key; a --key-file holds one key only")
    stage_one = _stage_one(chosen)
    key = one_key(chosen, chosen.key)
    source = Source("file", chosen.file, columns={"nhs_number": chosen.column}, encoding=chosen.encoding)
    if chosen.out.resolve() == chosen.file.resolve():
        raise ProgrammeError(f"--out: {chosen.out} is the file that is read; write to another")
    name = "pseudonym" if stage_one is None else chosen.column
    missing = [column for column in chosen.keep if column not in source.column_names]
    if missing or chosen.column in chosen.keep or name in chosen.keep:
        raise ProgrammeError(
            f"--keep: {missing or chosen.keep} cannot be carried along; name other columns of the file"
        )
    usable = (*USABLE_STATUSES, *(["test"] if chosen.test_numbers else []))
    number = nhs_number(chosen.column, usable=usable)
    made = pseudonymise(number, key) if stage_one is None else stage_one.write(number, key)
    write_down(chosen, "pseudonymisation", key, file=chosen.file.name, stage=chosen.stage or "")
    with source.reading(), new_file(chosen.out) as file:
        source.scan([chosen.column, *chosen.keep]).select(made.alias(name), *chosen.keep).sink_parquet(file)
        counts = pl.scan_parquet(file).select(pl.len(), pl.col(name).null_count().alias("none")).collect().row(0)
    print(f"{counts[0]:,} rows, {counts[1]:,} of them with no usable number and so no pseudonym: {chosen.out}")
    if stage_one is None:
        print("no agreement was applied and the order of rows is the file's: keep it where the key is")
    else:
        print("whoever holds the stage-1 key can tell whose these codes are: never give it to the trusted team")


def _stage_one(chosen: argparse.Namespace) -> "StageOne | None":
    from linkcore.pseudonyms.stage_one import StageOne

    stated = {name.removeprefix("code_"): value for name in _OF_CODES if (value := getattr(chosen, name)) is not None}
    if chosen.stage is None and stated:
        raise ProgrammeError(
            f"--code-{next(iter(stated))}: it is of a supplier's codes; say --stage 1, or take it away"
        )
    return None if chosen.stage is None else StageOne(**stated)
