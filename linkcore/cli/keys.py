"""Commands on keys: the keys for pseudonyms, in keyrings, and the key with which the trusted team signs."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from linkcore.cli import options
from linkcore.cli.opening import keyring, now, record
from linkcore.cli.saying import say
from linkcore.errors import ProgrammeError

if TYPE_CHECKING:
    from linkcore.cli.options import Commands
    from linkcore.keys.key import Key

__all__ = ["add"]


def add(commands: "Commands") -> None:
    """Add ``keys`` and its actions."""
    actions = commands.add_parser("keys", help="make and keep keys").add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    new = options.command(actions, "new", _new, "make a random key, and its keyring if that does not exist")
    place = new.add_mutually_exclusive_group(required=True)
    place.add_argument("--keyring", type=Path, help="encrypted file for the keys of one role (mode 0600)")
    place.add_argument("--out", type=Path, help="file for this key only, not encrypted (mode 0600)")
    imported = options.command(
        actions, "import", _import, "import a key that somebody else made, and make its keyring if that does not exist"
    )
    imported.add_argument("--file", type=Path, required=True, help="file with the key and nothing else (mode 0600)")
    imported.add_argument(
        "--encoding", choices=["hex", "base64", "binary"], required=True, help="encoding of this file"
    )
    imported.add_argument(
        "--apart-from",
        type=Path,
        action="append",
        default=[],
        metavar="KEYRING",
        help="keyring that must not have the key either; its passphrase is asked for next; can be given several times",
    )
    new.set_defaults(apart_from=())
    for parser in (new, imported):
        parser.add_argument("--purpose", default="", help="what the key is for")
        parser.add_argument("--recipient", default="", help="who receives the pseudonyms made under the key")
    listed = options.command(actions, "list", _list, "list the versions of all keys, without their secrets")
    rotate = options.command(
        actions, "rotate", _rotate, "make the next version of a key, and retire the active version"
    )
    retire = options.command(actions, "retire", _retire, "retire the active version of a key, without a next version")
    destroy = options.command(actions, "destroy", _destroy, "remove a retired version from the keyring for good")
    destroy.add_argument("--version", type=options.positive, required=True, help="version to remove")
    for parser in (new, imported, rotate, retire, destroy):
        parser.add_argument("id", metavar="ID", help="id of the key, as in the programme file")
        options.optional_occasion(parser)
    for parser in (imported, listed, rotate, retire, destroy):
        parser.add_argument("--keyring", type=Path, required=True, help="encrypted file with the keys of one role")
    for parser in (new, imported, listed, rotate, retire, destroy):
        options.passphrase(parser)
    _signing(actions)


def _signing(actions: "Commands") -> None:
    signing = actions.add_parser("signing", help="the trusted team's signing key").add_subparsers(
        dest="signing", required=True, metavar="ACTION"
    )
    new = options.command(signing, "new", _new_signing, "make a random signing key (Ed25519)")
    new.add_argument("--out", type=Path, required=True, help="file to write, not encrypted (mode 0600)")
    options.optional_occasion(new)
    public = options.command(signing, "public", _public, "print the public key, for recipients and providers")
    public.add_argument("file", type=Path, metavar="FILE", help="file with the signing key")


def _new(arguments: argparse.Namespace) -> None:
    from linkcore.keys.key import Key

    if arguments.keyring:
        _add(arguments, Key.generate(arguments.id), "key_creation")
        return
    if arguments.purpose or arguments.recipient:
        raise ProgrammeError("--purpose and --recipient are stored in a keyring only: use --keyring, not --out")
    key = Key.generate(arguments.id)
    record(arguments, "key_creation", key)
    key.write(arguments.out)
    say(f"key {arguments.id}: {arguments.out} (its holder can reverse its pseudonyms: keep it away from the data)")


def _import(arguments: argparse.Namespace) -> None:
    from linkcore.keys.key import Key

    _add(arguments, Key.read_raw(arguments.id, arguments.file, encoding=arguments.encoding), "key_import")
    say(f"{arguments.file} holds the key in clear: open the keyring to check it, then remove the file")


def _add(arguments: argparse.Namespace, key: "Key", action: str) -> None:
    opened = keyring(arguments, may_be_new=True)
    others = [keyring(arguments, place) for place in arguments.apart_from]
    record(arguments, action, key, purpose=arguments.purpose, recipient=arguments.recipient)
    opened.add(key, at=now(), purpose=arguments.purpose, recipient=arguments.recipient, apart_from=others)
    say(
        f"key {key.id}: {arguments.keyring} (without this file and its passphrase the key is lost: keep a copy of both)"
    )


def _list(arguments: argparse.Namespace) -> None:
    import polars as pl

    from linkcore.text_table import as_text

    versions = keyring(arguments).versions
    if versions:
        table = pl.DataFrame(versions).with_columns(pl.col("created", "changed").dt.strftime("%Y-%m-%d %H:%M"))
        arguments.result = table.rows(named=True)
        say(*as_text(table).splitlines())


def _rotate(arguments: argparse.Namespace) -> None:
    opened = keyring(arguments)
    record(arguments, "key_rotation", opened[arguments.id])
    key = opened.rotate(arguments.id, at=now())
    arguments.result = {"key": key.id, "version": key.version}
    say(f"key {key.id}: version {key.version} is active; use earlier versions with --key-version")


def _retire(arguments: argparse.Namespace) -> None:
    opened = keyring(arguments)
    record(arguments, "key_retirement", opened[arguments.id])
    opened.retire(arguments.id, at=now())
    say(f"key {arguments.id}: no version is active")


def _destroy(arguments: argparse.Namespace) -> None:
    opened = keyring(arguments)
    record(arguments, "key_destruction", opened.key(arguments.id, arguments.version))
    opened.destroy(arguments.id, arguments.version, at=now())
    say(
        f"key {arguments.id}: version {arguments.version} was removed from {arguments.keyring}; destroy copies of this "
        "file too"
    )


def _new_signing(arguments: argparse.Namespace) -> None:
    from linkcore.keys.signing import SigningKey

    key = SigningKey.generate()
    record(arguments, "signing_key_creation", verify_key=key.id)
    key.write(arguments.out)
    say(f"signing key {key.id}: {arguments.out} (its holder can sign in your name)")


def _public(arguments: argparse.Namespace) -> None:
    from linkcore.keys.signing import SigningKey

    say(*SigningKey.read(arguments.file).verify_key.text.splitlines())
