"""The command line: one function a command; results on stdout or in files, progress on stderr for a person only."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from linkcore import __version__
from linkcore.errors import LinkcoreError, ProgrammeError
from linkcore.progress import Progress, silent

if TYPE_CHECKING:
    from linkcore.governance.programme import Programme
    from linkcore.linkage.link import Linkage

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : sequence of str, optional
        By default those of the process.

    Returns
    -------
    int
        The exit code: 0 done; 2 wrong usage or programme file; 3 input data cannot be used; 4 refused.
    """
    chosen = _parser().parse_args(arguments)
    try:
        chosen.run(chosen)
    except LinkcoreError as error:
        print(f"linkcore {chosen.command}: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        # Whoever read our output has seen enough.
        sys.stderr.close()
        return 0
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="linkcore", description="Record linkage and pseudonymisation for NHS ICSs.")
    parser.add_argument("--version", action="version", version=f"linkcore {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="a synthetic ICS: made, linked, released and judged")
    _population(demo)
    demo.add_argument("--out", type=Path, default=Path("linkcore-demo"), help="folder to write (linkcore-demo)")
    demo.set_defaults(run=_demo)

    synthesise = commands.add_parser("synthesise", help="write a synthetic ICS, its truth and its programme file")
    _population(synthesise)
    synthesise.add_argument("--out", type=Path, required=True, help="folder to write")
    synthesise.set_defaults(run=_synthesise)

    check = commands.add_parser("check", help="check a programme file and its sources, without linking")
    _programme(check)
    check.set_defaults(run=_check)

    link = commands.add_parser("link", help="link a programme's sources")
    _programme(link)
    link.add_argument("--out", type=Path, required=True, help="private folder for links.parquet")
    link.set_defaults(run=_link)

    release = commands.add_parser("release", help="link, and write what one recipient may have")
    _programme(release)
    release.add_argument("--recipient", required=True, help="its name in the programme file")
    release.add_argument("--key-file", type=Path, required=True, help="the recipient's key (mode 0600)")
    release.add_argument("--out", type=Path, required=True, help="folder to write")
    release.set_defaults(run=_release)

    pseudonymise = commands.add_parser("pseudonymise", help="turn a file's NHS Numbers into pseudonyms")
    pseudonymise.add_argument("file", type=Path, metavar="FILE", help="CSV, Parquet or Arrow IPC")
    pseudonymise.add_argument("--column", required=True, help="the column with NHS Numbers")
    pseudonymise.add_argument("--keep", action="append", default=[], metavar="COLUMN", help="carry this column along")
    pseudonymise.add_argument("--key-file", type=Path, required=True, help="the key (mode 0600)")
    pseudonymise.add_argument("--out", type=Path, required=True, help="Parquet file to write")
    pseudonymise.add_argument("--encoding", default="utf-8", help="of a CSV file (utf-8)")
    pseudonymise.add_argument("--test-numbers", action="store_true", help="the data are synthetic: take test numbers")
    pseudonymise.set_defaults(run=_pseudonymise)

    keys = commands.add_parser("keys", help="make the key of a recipient")
    actions = keys.add_subparsers(dest="action", required=True, metavar="ACTION")
    new = actions.add_parser("new", help="write a new random key to a file that only you may read")
    new.add_argument("id", metavar="ID", help="names the key, as in the programme file")
    new.add_argument("--out", type=Path, required=True, help="file to write; never overwritten")
    new.set_defaults(run=_new_key)
    return parser


def _population(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--people", type=_positive, default=50_000, help="how many people (50000)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same bytes (1)")


def _programme(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("programme", type=Path, metavar="PROGRAMME", help="programme file, or the folder it lies in")


def _positive(text: str) -> int:
    if not text.isascii() or not text.replace("_", "").isdigit() or not int(text):
        raise argparse.ArgumentTypeError("give a whole number above 0")
    return int(text)


def _demo(chosen: argparse.Namespace) -> None:
    from linkcore.demo import run_demo

    with _progress() as tell:
        outcome = run_demo(chosen.out, people=chosen.people, seed=chosen.seed, progress=tell)
    print(outcome.text())


def _synthesise(chosen: argparse.Namespace) -> None:
    from linkcore.synthetic import synthesise

    with _progress() as tell:
        made = synthesise(chosen.out, people=chosen.people, seed=chosen.seed, progress=tell)
    print(f"{sum(made.records.values()):,} records of {len(made.records)} sources; programme: {made.programme}")


def _check(chosen: argparse.Namespace) -> None:
    programme = _load(chosen.programme)
    sources, agreements = programme.sources(), programme.agreements()
    programme.exact()
    print(f"programme: {programme.programme.name}{' (synthetic)' if programme.programme.synthetic else ''}")
    for source in sources:
        identifiers = ", ".join([*source.identifier_columns, *(source.further or ())])
        print(f"source {source.name}{' (spine)' if source.spine else ''}: {len(source.files)} files; {identifiers}")
    for agreement in agreements:
        agreement.check(sources)
        print(f"recipient {agreement.recipient} (key {agreement.key}): {agreement.purpose or 'no purpose stated'}")
        for name, columns in agreement.columns.items():
            print(f"  {name}: {', '.join(columns)}")
    print("nothing is wrong with the programme file or the columns of its sources")


def _link(chosen: argparse.Namespace) -> None:
    from linkcore.files import new_folder
    from linkcore.quality.text import as_text

    linkage = _linkage(_load(chosen.programme))
    with new_folder(chosen.out) as folder:
        linkage.links.write_parquet(folder / "links.parquet")
        (folder / "links.parquet").chmod(0o600)
    print(as_text(linkage.quality.by_method()))
    print(f"links: {chosen.out / 'links.parquet'} (record ids: keep it within the trusted team)")


def _release(chosen: argparse.Namespace) -> None:
    from linkcore.governance.release import release
    from linkcore.pseudonyms.keys import Key

    programme = _load(chosen.programme)
    agreements = {agreement.recipient: agreement for agreement in programme.agreements()}
    if chosen.recipient not in agreements:
        raise ProgrammeError(
            f"no recipient {chosen.recipient!r} in the programme file; it names {', '.join(agreements) or 'none'}"
        )
    # Everything that can be refused is refused before the work begins.
    agreement, key = agreements[chosen.recipient], Key.read(chosen.key_file)
    agreement.check(programme.sources())
    released = release(_linkage(programme), agreement, key, chosen.out)
    for source, rows in released.rows.items():
        print(f"{source}: {rows:,} rows")
    print(f"released to {agreement.recipient}: {released.folder}")


def _pseudonymise(chosen: argparse.Namespace) -> None:
    import polars as pl

    from linkcore.files import new_file
    from linkcore.identifiers.nhs_number import nhs_number
    from linkcore.linkage.sources import Source
    from linkcore.pseudonyms.keys import Key
    from linkcore.pseudonyms.pseudonymise import pseudonymise
    from linkcore.schema import USABLE_STATUSES

    key = Key.read(chosen.key_file)
    source = Source("file", chosen.file, columns={"nhs_number": chosen.column}, encoding=chosen.encoding)
    missing = [column for column in chosen.keep if column not in source.column_names]
    if missing or chosen.column in chosen.keep or "pseudonym" in chosen.keep:
        raise ProgrammeError(
            f"--keep: {missing or chosen.keep} cannot be carried along; name other columns of the file"
        )
    usable = (*USABLE_STATUSES, *(["test"] if chosen.test_numbers else []))
    pseudonym = pseudonymise(nhs_number(chosen.column, usable=usable), key).alias("pseudonym")
    with source.reading(), new_file(chosen.out) as file:
        source.scan([chosen.column, *chosen.keep]).select(pseudonym, *chosen.keep).sink_parquet(file)
        counts = pl.scan_parquet(file).select(pl.len(), pl.col("pseudonym").null_count().alias("none")).collect().row(0)
    print(f"{counts[0]:,} rows, {counts[1]:,} of them with no usable number and so no pseudonym: {chosen.out}")


def _new_key(chosen: argparse.Namespace) -> None:
    from linkcore.pseudonyms.keys import Key

    Key.generate(chosen.id).write(chosen.out)
    print(f"key {chosen.id}: {chosen.out} (whoever has it can reverse its pseudonyms: keep it apart from the data)")


def _load(place: Path) -> "Programme":
    from linkcore.governance.programme import Programme

    return Programme.load(place / "programme.toml" if place.is_dir() else place)


def _linkage(programme: "Programme") -> "Linkage":
    with _progress() as tell:
        return programme.link(progress=tell)


@contextmanager
def _progress() -> Iterator[Progress]:
    """Show the step under way, on stderr, if a person is looking."""
    if not sys.stderr.isatty():
        yield silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description:<40}"), BarColumn(), TimeElapsedColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda step, done, steps: bar.update(task, description=step, completed=done, total=steps)
