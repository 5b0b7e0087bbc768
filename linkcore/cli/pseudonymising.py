"""The command that replaces the NHS Numbers of a file by pseudonyms, for the holder of a key."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from linkcore.cli import options
from linkcore.cli.opening import one_key, record
from linkcore.cli.saying import say
from linkcore.errors import ProgrammeError

if TYPE_CHECKING:
    from linkcore.cli.options import Commands
    from linkcore.pseudonyms.stage_one import StageOne

__all__ = ["add"]

_CODE_OPTIONS = ("code_encoding", "code_bits", "code_text")


def add(commands: "Commands") -> None:
    """Add ``pseudonymise``."""
    parser = options.command(commands, "pseudonymise", _pseudonymise, "replace the NHS Numbers of a file by pseudonyms")
    parser.add_argument("file", type=Path, metavar="FILE", help="CSV, Parquet or Arrow IPC file")
    parser.add_argument("--column", required=True, help="column of NHS Numbers")
    parser.add_argument(
        "--keep", action="append", default=[], metavar="COLUMN", help="column to keep; can be given several times"
    )
    options.one_key(parser)
    parser.add_argument("--key", metavar="ID", help="id of the key in the keyring")
    parser.add_argument("--out", type=Path, required=True, help="Parquet file to write")
    parser.add_argument("--encoding", default="utf-8", help="encoding of a CSV file (utf-8)")
    parser.add_argument("--test-numbers", action="store_true", help="the data are synthetic: use test numbers")
    stage = parser.add_argument_group(
        "for suppliers of two-stage programmes", "stage-1 codes, written as the programme file states"
    )
    stage.add_argument(
        "--stage", type=int, choices=[1], help="replace the numbers by stage-1 codes, in the same column"
    )
    stage.add_argument("--code-encoding", choices=["hex", "base64"], help="how codes are written (hex)")
    stage.add_argument("--code-bits", type=options.positive, metavar="BITS", help="length of a code in bits (128)")
    stage.add_argument(
        "--code-text", choices=["digits", "spaced"], help='text that is hashed: "9434765919" or "943 476 5919" (digits)'
    )
    options.optional_occasion(parser)


def _pseudonymise(arguments: argparse.Namespace) -> None:
    import polars as pl

    from linkcore.files import check_place, new_file
    from linkcore.identifiers.nhs_number import nhs_number
    from linkcore.pseudonyms.pseudonymise import pseudonymise
    from linkcore.schema import USABLE_STATUSES
    from linkcore.sources.source import Source

    if bool(arguments.keyring) != bool(arguments.key):
        raise ProgrammeError(
            "--keyring needs --key, the id of the key; a --key-file holds one key only and takes no --key"
        )
    stage_one = _stage_one(arguments)
    key = one_key(arguments, arguments.key)
    source = Source("file", arguments.file, columns={"nhs_number": arguments.column}, encoding=arguments.encoding)
    if arguments.out.resolve() == arguments.file.resolve():
        raise ProgrammeError(f"--out: {arguments.out} is the file that is read; choose another file")
    name = "pseudonym" if stage_one is None else arguments.column
    missing = [column for column in arguments.keep if column not in source.column_names]
    if missing or arguments.column in arguments.keep or name in arguments.keep:
        raise ProgrammeError(f"--keep: {missing or arguments.keep} cannot be kept; name other columns of the file")
    usable = (*USABLE_STATUSES, *(["test"] if arguments.test_numbers else []))
    number = nhs_number(arguments.column, usable=usable)
    replaced = pseudonymise(number, key) if stage_one is None else stage_one.write(number, key)
    written = [name, *arguments.keep]
    check_place(arguments.out, ours=lambda place: _is_pseudonymised(place, written))
    record(arguments, "pseudonymisation", key, file=arguments.file.name, stage=arguments.stage or "")
    with source.reading(), new_file(arguments.out, ours=lambda place: _is_pseudonymised(place, written)) as file:
        source.scan([arguments.column, *arguments.keep]).select(replaced.alias(name), *arguments.keep).sink_parquet(
            file
        )
        counts = pl.scan_parquet(file).select(pl.len(), pl.col(name).null_count().alias("none")).collect().row(0)
    arguments.result = {"file": arguments.out, "rows": counts[0], "without_pseudonym": counts[1]}
    say(
        f"{counts[0]:,} rows, {counts[1]:,} of them without a usable number and so without a pseudonym: {arguments.out}"
    )
    if stage_one is None:
        say(
            "this is not a release: no agreement was applied, and the rows are in their old order; keep it with the key"
        )
    else:
        say("the holder of the stage-1 key can reverse these codes: never give the key to the trusted team")


def _is_pseudonymised(place: Path, columns: list[str]) -> bool:
    """Whether a file is an earlier output with these columns; one of stage-1 codes cannot be told from what is read."""
    import polars as pl

    try:
        return columns[0] == "pseudonym" and pl.read_parquet_schema(place).keys() == dict.fromkeys(columns).keys()
    except (OSError, pl.exceptions.PolarsError):
        return False


def _stage_one(arguments: argparse.Namespace) -> "StageOne | None":
    from linkcore.pseudonyms.stage_one import StageOne

    stated = {
        name.removeprefix("code_"): value for name in _CODE_OPTIONS if (value := getattr(arguments, name)) is not None
    }
    if arguments.stage is None and stated:
        raise ProgrammeError(f"--code-{next(iter(stated))} is for stage-1 codes; add --stage 1, or take it away")
    return None if arguments.stage is None else StageOne(**stated)
