"""Commands at the end of a programme: destroy its data and keys, and take in what recipients attest."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from linkcore.cli import options
from linkcore.cli.opening import load, now, wanted_audit_log
from linkcore.errors import ProgrammeError

if TYPE_CHECKING:
    from linkcore.cli.options import Commands
    from linkcore.keys.keyring import Keyring

__all__ = ["add"]


def add(commands: "Commands") -> None:
    """Add ``destroy`` and ``attest``."""
    destroy = options.command(commands, "destroy", _destroy, "destroy a programme's data and keys, and certify it")
    options.programme(destroy)
    destroy.add_argument(
        "--confirm",
        required=True,
        metavar="NAME",
        help="the programme's name, to show that you mean it: nothing comes back",
    )
    destroy.add_argument(
        "--keyring",
        type=Path,
        action="append",
        default=[],
        help="holds keys of the programme's recipients, which are destroyed; may be given several times",
    )
    destroy.add_argument("--key", action="append", default=[], metavar="ID", help="destroy this key of a keyring, too")
    options.passphrase(destroy)
    options.signing(destroy, required=True)
    options.accountable(destroy)

    attest = options.command(
        commands, "attest", _attest, "add to the certificates what a recipient did with its copies"
    )
    options.programme(attest)
    attest.add_argument("--recipient", required=True, help="its name in the programme file")
    attest.add_argument("--by", required=True, metavar="NAME", help="which person attests it")
    attest.add_argument("--statement", required=True, metavar="TEXT", help="what it says, in its words")
    options.signing(attest, required=True)
    options.accountable(attest, reason=False)


def _destroy(chosen: argparse.Namespace) -> None:
    from linkcore.governance.destruction.destroy import destroy
    from linkcore.keys.signing import SigningKey

    programme = load(chosen.programme)
    if chosen.confirm != programme.programme.name:
        raise ProgrammeError(f"--confirm: the programme is called {programme.programme.name!r}; nothing was destroyed")
    audit = wanted_audit_log(chosen, programme)
    signing_key = SigningKey.read(chosen.signing_key)
    keyrings = _keyrings(chosen)
    held = {about.id for keyring in keyrings for about in keyring.versions}
    of_recipients = [agreement.key for agreement in programme.agreements()]
    done = destroy(
        programme.folder,
        **programme.to_destroy(),
        keyrings=keyrings,
        key_ids={*chosen.key, *(name for name in of_recipients if name in held)},
        signing_key=signing_key,
        audit=audit,
        at=now(),
        actor=chosen.actor,
        reason=chosen.reason,
    )
    print(f"{done.files:,} files removed, {done.keys:,} versions of keys destroyed")
    for name in of_recipients:
        if name not in held:
            print(f"key {name} is in no keyring given: if there is one, destroy it where it is")
    for left in done.remains:
        print(f"look at: {left}")
    for provider, certificate in done.certificates.items():
        print(f"certificate to {provider}: {certificate}")


def _keyrings(chosen: argparse.Namespace) -> "list[Keyring]":
    from linkcore.keys.keyring import Keyring
    from linkcore.keys.passphrase import read_passphrase

    if chosen.passphrase_fd is not None and len(chosen.keyring) > 1:
        raise ProgrammeError("--passphrase-fd: it gives one passphrase, and there are several keyrings; take it away")
    return [
        Keyring.open(path, read_passphrase(f"the keyring {path}", descriptor=chosen.passphrase_fd).reveal())
        for path in chosen.keyring
    ]


def _attest(chosen: argparse.Namespace) -> None:
    from linkcore.governance.destruction.destroy import attest
    from linkcore.keys.signing import SigningKey

    programme = load(chosen.programme)
    attest(
        programme.folder,
        recipient=chosen.recipient,
        by=chosen.by,
        statement=chosen.statement,
        signing_key=SigningKey.read(chosen.signing_key),
        audit=wanted_audit_log(chosen, programme),
        at=now(),
        actor=chosen.actor,
    )
    print(f"{chosen.recipient}: attested; the certificates were written anew")
