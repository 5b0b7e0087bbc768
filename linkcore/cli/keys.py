"""Commands on keys: those of pseudonyms, in keyrings, and the one by which the trusted team signs."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from linkcore.cli import options
from linkcore.cli.opening import keyring, now, write_down
from linkcore.errors import ProgrammeError

if TYPE_CHECKING:
    from linkcore.cli.options import Commands
    from linkcore.keys.key import Key

__all__ = ["add"]


def add(commands: "Commands") -> None:
    """Add ``keys`` and its actions."""
    actions = commands.add_parser("keys", help="make and keep the keys of one role").add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    new = options.command(actions, "new", _new, "make a random key, and its keyring if there is none")
    place = new.add_mutually_exclusive_group(required=True)
    place.add_argument("--keyring", type=Path, help="encrypted file of the keys of one role (mode 0600)")
    place.add_argument("--out", type=Path, help="file for this key alone, not encrypted (mode 0600)")
    imported = options.command(
        actions, "import", _import, "take in a key that somebody else made, and make a keyring if need be"
    )
    imported.add_argument(
        "--file", type=Path, required=True, help="file that holds the key and nothing else (mode 0600)"
    )
    imported.add_argument("--encoding", choices=["hex", "base64", "binary"], required=True, help="of that file")
    for made in (new, imported):
        made.add_argument("--purpose", default="", help="what it is for")
        made.add_argument("--recipient", default="", help="who receives what is pseudonymised under it")
    listed = options.command(actions, "list", _list, "list the versions of all keys, with nothing secret")
    rotate = options.command(actions, "rotate", _rotate, "make the next version of a key, and retire the active one")
    retire = options.command(actions, "retire", _retire, "retire the active version of a key, with none to follow")
    destroy = options.command(actions, "destroy", _destroy, "take a retired version out of the keyring, for good")
    destroy.add_argument("--version", type=options.positive, required=True, help="which version")
    for one in (new, imported, rotate, retire, destroy):
        one.add_argument("id", metavar="ID", help="names the key, as in the programme file")
        options.audited(one)
    for one in (imported, listed, rotate, retire, destroy):
        one.add_argument("--keyring", type=Path, required=True, help="encrypted file of the keys of one role")
    for one in (new, imported, listed, rotate, retire, destroy):
        options.passphrase(one)
    _signing(actions)


def _signing(actions: "Commands") -> None:
    signing = actions.add_parser("signing", help="the key by which the trusted team signs").add_subparsers(
        dest="signing", required=True, metavar="ACTION"
    )
    new = options.command(signing, "new", _new_signing, "make a random signing key (Ed25519)")
    new.add_argument("--out", type=Path, required=True, help="file to write, not encrypted (mode 0600)")
    options.audited(new)
    public = options.command(signing, "public", _public, "print the public key, to be given to recipients")
    public.add_argument("file", type=Path, metavar="FILE", help="the signing key")


def _new(chosen: argparse.Namespace) -> None:
    from linkcore.keys.key import Key

    if chosen.keyring:
        _add(chosen, Key.generate(chosen.id), "key_creation")
        return
    if chosen.purpose or chosen.recipient:
        raise ProgrammeError("--purpose and --recipient are kept in a keyring: make the key with --keyring, not --out")
    key = Key.generate(chosen.id)
    write_down(chosen, "key_creation", key)
    key.write(chosen.out)
    print(f"key {chosen.id}: {chosen.out} (whoever has it can reverse its pseudonyms: keep it apart from the data)")


def _import(chosen: argparse.Namespace) -> None:
    from linkcore.keys.key import Key

    _add(chosen, Key.read_raw(chosen.id, chosen.file, encoding=chosen.encoding), "key_import")
    print(f"{chosen.file} holds the key in clear: remove it when you have seen that the keyring opens")


def _add(chosen: argparse.Namespace, key: "Key", action: str) -> None:
    opened = keyring(chosen, may_be_new=True)
    write_down(chosen, action, key, purpose=chosen.purpose, recipient=chosen.recipient)
    opened.add(key, at=now(), purpose=chosen.purpose, recipient=chosen.recipient)
    print(f"key {key.id}: {chosen.keyring} (lose the file or its passphrase, and the key is lost: keep a copy)")


def _list(chosen: argparse.Namespace) -> None:
    import polars as pl

    from linkcore.text_table import as_text

    versions = keyring(chosen).versions
    if versions:
        print(as_text(pl.DataFrame(versions).with_columns(pl.col("created", "changed").dt.strftime("%Y-%m-%d %H:%M"))))


def _rotate(chosen: argparse.Namespace) -> None:
    opened = keyring(chosen)
    write_down(chosen, "key_rotation", opened[chosen.id])
    key = opened.rotate(chosen.id, at=now())
    print(f"key {key.id}: version {key.version} is active; --key-version gives the earlier ones")


def _retire(chosen: argparse.Namespace) -> None:
    opened = keyring(chosen)
    write_down(chosen, "key_retirement", opened[chosen.id])
    opened.retire(chosen.id, at=now())
    print(f"key {chosen.id}: no version is active")


def _destroy(chosen: argparse.Namespace) -> None:
    opened = keyring(chosen)
    write_down(chosen, "key_destruction", opened.key(chosen.id, chosen.version))
    opened.destroy(chosen.id, chosen.version, at=now())
    print(
        f"key {chosen.id}: version {chosen.version} is gone from {chosen.keyring}; destroy the copies of the file too"
    )


def _new_signing(chosen: argparse.Namespace) -> None:
    from linkcore.keys.signing import SigningKey

    key = SigningKey.generate()
    write_down(chosen, "signing_key_creation", verify_key=key.id)
    key.write(chosen.out)
    print(f"signing key {key.id}: {chosen.out} (whoever has it can sign in your name)")


def _public(chosen: argparse.Namespace) -> None:
    from linkcore.keys.signing import SigningKey

    print(SigningKey.read(chosen.file).verify_key.text, end="")
