"""Commands at the end of a programme: destroy its data and keys, and record what recipients attest."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from linkcore.cli import options
from linkcore.cli.opening import load, opened_keyring, required_occasion
from linkcore.cli.saying import say
from linkcore.errors import ProgrammeError

if TYPE_CHECKING:
    from linkcore.cli.options import Commands
    from linkcore.keys.keyring import Keyring

__all__ = ["add"]


def add(commands: "Commands") -> None:
    """Add ``destroy`` and ``attest``."""
    destroy = options.command(
        commands, "destroy", _destroy, "destroy a programme's data and keys, and write a certificate for each provider"
    )
    options.programme(destroy)
    destroy.add_argument(
        "--confirm",
        required=True,
        metavar="NAME",
        help="name of the programme, to confirm: nothing can be restored",
    )
    destroy.add_argument(
        "--keyring",
        type=Path,
        action="append",
        default=[],
        help="keyring whose keys for the programme's recipients are destroyed; can be given several times",
    )
    destroy.add_argument(
        "--key",
        action="append",
        default=[],
        metavar="ID",
        help="another key of a keyring to destroy; can be given several times",
    )
    destroy.add_argument(
        "--outside",
        type=Path,
        action="append",
        default=[],
        metavar="PATH",
        help="file or folder outside the programme's folder that the programme file names and that is truly to be "
        "removed; can be given several times",
    )
    options.passphrase(destroy)
    options.signing_key(destroy, required=True)
    options.occasion(destroy)

    attest = options.command(
        commands, "attest", _attest, "add a recipient's attestation about its copies to the certificates"
    )
    options.programme(attest)
    attest.add_argument("--recipient", required=True, help="name of the recipient in the programme file")
    attest.add_argument("--by", required=True, metavar="NAME", help="person who signed the attestation")
    attest.add_argument(
        "--statement", required=True, metavar="TEXT", help="the recipient's statement, in its own words"
    )
    attest.add_argument(
        "--keyring",
        type=Path,
        action="append",
        default=[],
        help="keyring in which to check that the keys are still destroyed; can be given several times",
    )
    options.passphrase(attest)
    options.signing_key(attest, required=True)
    options.occasion(attest, reason=False)


def _destroy(arguments: argparse.Namespace) -> None:
    from linkcore.governance.destruction.destroy import destroy
    from linkcore.keys.signing import SigningKey

    programme = load(arguments.programme)
    if arguments.confirm != programme.programme.name:
        raise ProgrammeError(
            f"--confirm: the name of the programme is {programme.programme.name!r}; nothing was destroyed"
        )
    keyrings = _keyrings(arguments)
    occasion = required_occasion(arguments, programme, may_be_over=True)
    signing_key = SigningKey.read(arguments.signing_key)
    held = {about.id for keyring in keyrings for about in keyring.versions}
    inventory = programme.to_destroy()
    done = destroy(
        programme.folder,
        inventory,
        keyrings=keyrings,
        key_ids={*arguments.key, *(name for name in inventory.keys if name in held)},
        outside=arguments.outside,
        signing_key=signing_key,
        occasion=occasion,
    )
    arguments.result = {
        "files": done.files,
        "keys": done.keys,
        "kept_keys": [{"key": key.id, "version": key.version, "why": key.why} for key in done.kept_keys],
        "certificates": dict(done.certificates),
    }
    say(f"{done.files:,} files removed, {done.keys:,} key versions destroyed")
    for key in done.kept_keys:
        say(f"NOT DESTROYED: key {key.id}{f' version {key.version}' if key.version else ''}: {key.why}")
    for place in done.not_found:
        say(f"check: nothing was found at {place.pattern}, named for {place.provider}: are the data elsewhere?")
    for left in done.remains:
        say(f"check: {left}")
    for provider, certificate in done.certificates.items():
        say(f"certificate for {provider}: {certificate}")


def _keyrings(arguments: argparse.Namespace) -> "list[Keyring]":
    if arguments.passphrase_fd is not None and len(arguments.keyring) > 1:
        raise ProgrammeError("--passphrase-fd gives one passphrase, but there are several keyrings; take it away")
    return [opened_keyring(arguments, path) for path in arguments.keyring]


def _attest(arguments: argparse.Namespace) -> None:
    from linkcore.governance.destruction.destroy import attest
    from linkcore.keys.signing import SigningKey

    programme = load(arguments.programme)
    attest(
        programme.folder,
        recipient=arguments.recipient,
        by=arguments.by,
        statement=arguments.statement,
        signing_key=SigningKey.read(arguments.signing_key),
        occasion=required_occasion(arguments, programme, may_be_over=True),
        keyrings=_keyrings(arguments),
    )
    say(f"attestation of {arguments.recipient} added; the certificates were written again")
