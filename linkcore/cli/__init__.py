"""The command line: one function a command; results on stdout or in files, progress on stderr for a person only."""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from linkcore import __version__
from linkcore.errors import LinkcoreError, ProgrammeError, RefusedError
from linkcore.progress import Progress, silent

if TYPE_CHECKING:
    from linkcore.governance.programme import Programme
    from linkcore.linkage.link import Linkage
    from linkcore.pseudonyms.keyring import Keyring
    from linkcore.pseudonyms.keys import Key

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
    link.add_argument("--out", type=Path, required=True, help="private folder for links.parquet and quality.json")
    link.set_defaults(run=_link)

    report = commands.add_parser("report", help="write the linkage-quality report")
    report.add_argument(
        "place", type=Path, metavar="PLACE", help="folder that link has written; or a programme, which is then linked"
    )
    report.add_argument("--out", type=Path, required=True, help="folder for report.html and quality.json")
    report.add_argument("--previous", type=Path, metavar="FILE", help="quality.json of an earlier run, to compare with")
    report.add_argument("--trusted", action="store_true", help="true counts, for the trusted team's own eyes")
    report.set_defaults(run=_report)

    release = commands.add_parser("release", help="link, and write what one recipient may have")
    _programme(release)
    release.add_argument("--recipient", required=True, help="its name in the programme file")
    _key_options(release)
    release.add_argument("--out", type=Path, required=True, help="folder to write")
    release.set_defaults(run=_release)

    pseudonymise = commands.add_parser("pseudonymise", help="turn a file's NHS Numbers into pseudonyms")
    pseudonymise.add_argument("file", type=Path, metavar="FILE", help="CSV, Parquet or Arrow IPC")
    pseudonymise.add_argument("--column", required=True, help="the column with NHS Numbers")
    pseudonymise.add_argument("--keep", action="append", default=[], metavar="COLUMN", help="carry this column along")
    _key_options(pseudonymise)
    pseudonymise.add_argument("--key", metavar="ID", help="which key of the keyring")
    pseudonymise.add_argument("--out", type=Path, required=True, help="Parquet file to write")
    pseudonymise.add_argument("--encoding", default="utf-8", help="of a CSV file (utf-8)")
    pseudonymise.add_argument("--test-numbers", action="store_true", help="the data are synthetic: take test numbers")
    pseudonymise.set_defaults(run=_pseudonymise)

    _keys(commands.add_parser("keys", help="make and keep the keys of one role"))
    return parser


def _keys(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    def action(
        name: str,
        run: Callable[[argparse.Namespace], None],
        *,
        help: str,  # noqa: A002
        of_key: bool = True,
    ) -> argparse.ArgumentParser:
        added = actions.add_parser(name, help=help)
        if of_key:
            added.add_argument("id", metavar="ID", help="names the key, as in the programme file")
        added.set_defaults(run=run)
        return added

    new = action("new", _new_key, help="make a random key, and its keyring if there is none")
    place = new.add_mutually_exclusive_group(required=True)
    place.add_argument("--keyring", type=Path, help="encrypted file of the keys of one role (mode 0600)")
    place.add_argument("--out", type=Path, help="file for this key alone, not encrypted (mode 0600)")
    imported = action(
        "import", _import_key, help="take in a key that somebody else made, and make a keyring if need be"
    )
    imported.add_argument(
        "--file", type=Path, required=True, help="file that holds the key and nothing else (mode 0600)"
    )
    imported.add_argument("--encoding", choices=["hex", "base64", "binary"], required=True, help="of that file")
    for made in (new, imported):
        made.add_argument("--purpose", default="", help="what it is for")
        made.add_argument("--recipient", default="", help="who receives what is pseudonymised under it")
    keyed = [
        imported,
        action("list", _list_keys, of_key=False, help="list the versions of all keys, with nothing secret"),
        action("rotate", _rotate_key, help="make the next version of a key, and retire the active one"),
        action("retire", _retire_key, help="retire the active version of a key, with none to follow"),
        action("destroy", _destroy_key, help="take a retired version out of the keyring, for good"),
    ]
    keyed[-1].add_argument("--version", type=_positive, required=True, help="which version")
    for one in keyed:
        one.add_argument("--keyring", type=Path, required=True, help="encrypted file of the keys of one role")
    for one in (new, *keyed):
        _passphrase(one)


def _key_options(parser: argparse.ArgumentParser) -> None:
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--key-file", type=Path, help="file of one key, not encrypted (mode 0600)")
    place.add_argument("--keyring", type=Path, help="encrypted file of the keys of one role (mode 0600)")
    parser.add_argument("--key-version", type=_positive, metavar="N", help="of the keyring's key (the active one)")
    _passphrase(parser)


def _passphrase(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--passphrase-fd",
        type=_descriptor,
        metavar="N",
        help="where to read the keyring's passphrase; else from LINKCORE_PASSPHRASE, else you are asked",
    )


def _descriptor(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        # Not repeated: it may be the passphrase itself.
        raise argparse.ArgumentTypeError("give the number of an open file descriptor, never a passphrase")
    return int(text)


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
    sources = programme.check()
    print(f"programme: {programme.programme.name}{' (synthetic)' if programme.programme.synthetic else ''}")
    for source in sources:
        identifiers = ", ".join([*source.identifier_columns, *(source.further or ())])
        print(f"source {source.name}{' (spine)' if source.spine else ''}: {len(source.files)} files; {identifiers}")
    for agreement in programme.agreements():
        print(f"recipient {agreement.recipient} (key {agreement.key}): {agreement.purpose or 'no purpose stated'}")
        for name, columns in agreement.columns.items():
            print(f"  {name}: {', '.join(columns)}")
    print("nothing is wrong with the programme file or the columns of its sources")


def _link(chosen: argparse.Namespace) -> None:
    from linkcore.files import new_folder
    from linkcore.quality.quality_file import to_json
    from linkcore.quality.text import as_text
    from linkcore.report import QUALITY_FILE

    programme = _load(chosen.programme)
    programme.check()
    linkage = _linkage(programme)
    with new_folder(chosen.out, ours=_is_of_a_linkage) as folder:
        linkage.links.write_parquet(folder / "links.parquet")
        (folder / QUALITY_FILE).write_text(to_json(linkage.quality), "utf-8")
        if linkage.probabilistic is not None and linkage.probabilistic.model:
            linkage.save_model(folder / "model.json")
    print(as_text(linkage.quality.by_method()))
    if linkage.quality.fallback is not None:
        print("\n" + linkage.quality.fallback.text() + "\n")
    print(f"links: {chosen.out / 'links.parquet'} (record ids: keep it within the trusted team)")


def _is_of_a_linkage(entry: Path) -> bool:
    """Say whether a file is one that ``link`` writes: the links, their quality, and the models."""
    from linkcore.report import QUALITY_FILE

    models = entry.name.startswith("model.") and entry.suffix == ".json"
    return models or entry.name in ("links.parquet", QUALITY_FILE)


def _report(chosen: argparse.Namespace) -> None:
    from linkcore.quality.quality_file import read_quality
    from linkcore.quality.views import in_terminal
    from linkcore.report import QUALITY_FILE, write_report

    linked = chosen.place / QUALITY_FILE
    written = chosen.out / QUALITY_FILE
    for read in (linked, chosen.previous):
        if read is not None and read.resolve() == written.resolve():
            raise ProgrammeError(f"--out: {written} is read, and would be replaced; choose another folder")
    if linked.is_file():
        quality = read_quality(linked)
    else:
        programme = _load(chosen.place)
        programme.check()
        quality = _linkage(programme).quality
    place = chosen.out / "report.html"
    write_report(quality, place, previous=chosen.previous, trusted=chosen.trusted)
    print(in_terminal(read_quality(written)))
    print(f"\nreport: {place}{' (true counts: keep it within the trusted team)' if chosen.trusted else ''}")


def _release(chosen: argparse.Namespace) -> None:
    from linkcore.governance.release import release

    programme = _load(chosen.programme)
    agreements = {agreement.recipient: agreement for agreement in programme.agreements()}
    if chosen.recipient not in agreements:
        raise ProgrammeError(
            f"no recipient {chosen.recipient!r} in the programme file; it names {', '.join(agreements) or 'none'}"
        )
    # Everything that can be refused is refused before the work begins.
    if not programme.programme.synthetic:
        raise RefusedError("the programme does not say that it is synthetic, and no other can be released yet")
    agreement = agreements[chosen.recipient]
    key = _key(chosen, agreement.key)
    programme.check()
    released = release(_linkage(programme), agreement, key, chosen.out)
    for source, rows in released.rows.items():
        print(f"{source}: {rows:,} rows")
    print(f"released to {agreement.recipient}: {released.folder}")


def _pseudonymise(chosen: argparse.Namespace) -> None:
    import polars as pl

    from linkcore.files import new_file
    from linkcore.identifiers.nhs_number import nhs_number
    from linkcore.linkage.sources import Source
    from linkcore.pseudonyms.pseudonymise import pseudonymise
    from linkcore.schema import USABLE_STATUSES

    if bool(chosen.keyring) != bool(chosen.key):
        raise ProgrammeError("--keyring: say which of its keys with --key; a --key-file holds one key only")
    key = _key(chosen, chosen.key)
    source = Source("file", chosen.file, columns={"nhs_number": chosen.column}, encoding=chosen.encoding)
    if chosen.out.resolve() == chosen.file.resolve():
        raise ProgrammeError(f"--out: {chosen.out} is the file that is read; write to another")
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
    print("no agreement was applied and the order of rows is the file's: keep it where the key is")


def _key(chosen: argparse.Namespace, name: str) -> "Key":
    from linkcore.pseudonyms.keys import Key

    if chosen.key_file:
        if chosen.key_version:
            raise ProgrammeError("--key-version: a --key-file holds one version only; take it away")
        return Key.read(chosen.key_file)
    keyring = _keyring(chosen)
    return keyring.key(name, chosen.key_version) if chosen.key_version else keyring[name]


def _keyring(chosen: argparse.Namespace, *, may_be_new: bool = False) -> "Keyring":
    from linkcore.pseudonyms.keyring import Keyring
    from linkcore.pseudonyms.passphrase import read_passphrase

    is_new = may_be_new and not chosen.keyring.exists()
    passphrase = read_passphrase(f"the keyring {chosen.keyring}", descriptor=chosen.passphrase_fd, twice=is_new)
    return (Keyring.create if is_new else Keyring.open)(chosen.keyring, passphrase.reveal())


def _new_key(chosen: argparse.Namespace) -> None:
    from linkcore.pseudonyms.keys import Key

    if chosen.keyring:
        _add_key(chosen, Key.generate(chosen.id))
        return
    if chosen.purpose or chosen.recipient:
        raise ProgrammeError("--purpose and --recipient are kept in a keyring: make the key with --keyring, not --out")
    Key.generate(chosen.id).write(chosen.out)
    print(f"key {chosen.id}: {chosen.out} (whoever has it can reverse its pseudonyms: keep it apart from the data)")


def _import_key(chosen: argparse.Namespace) -> None:
    from linkcore.pseudonyms.keys import Key

    _add_key(chosen, Key.read_raw(chosen.id, chosen.file, encoding=chosen.encoding))
    print(f"{chosen.file} holds the key in clear: remove it when you have seen that the keyring opens")


def _add_key(chosen: argparse.Namespace, key: "Key") -> None:
    keyring = _keyring(chosen, may_be_new=True)
    keyring.add(key, at=_now(), purpose=chosen.purpose, recipient=chosen.recipient)
    print(f"key {key.id}: {chosen.keyring} (lose the file or its passphrase, and the key is lost: keep a copy)")


def _list_keys(chosen: argparse.Namespace) -> None:
    import polars as pl

    from linkcore.quality.text import as_text

    versions = _keyring(chosen).versions
    if versions:
        print(as_text(pl.DataFrame(versions).with_columns(pl.col("created", "changed").dt.strftime("%Y-%m-%d %H:%M"))))


def _rotate_key(chosen: argparse.Namespace) -> None:
    key = _keyring(chosen).rotate(chosen.id, at=_now())
    print(f"key {key.id}: version {key.version} is active; --key-version gives the earlier ones")


def _retire_key(chosen: argparse.Namespace) -> None:
    _keyring(chosen).retire(chosen.id, at=_now())
    print(f"key {chosen.id}: no version is active")


def _destroy_key(chosen: argparse.Namespace) -> None:
    _keyring(chosen).destroy(chosen.id, chosen.version, at=_now())
    print(
        f"key {chosen.id}: version {chosen.version} is gone from {chosen.keyring}; destroy the copies of the file too"
    )


def _now() -> datetime:
    return datetime.now(UTC)


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
        yield lambda step, done, steps: bar.update(task, description=step, completed=done, total=steps, refresh=True)
