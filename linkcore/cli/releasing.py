"""Commands that release de-identified data, and the command with which a recipient checks a release."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from linkcore.cli import options
from linkcore.cli.linking import print_rows_not_read
from linkcore.cli.opening import (
    agreement_of,
    kept_linkage,
    keyring,
    linkage_of,
    live_programme,
    occasion,
    one_key,
    previous_linkage,
    progress,
    signing_key,
)
from linkcore.cli.saying import say
from linkcore.errors import ProgrammeError, RefusedError

if TYPE_CHECKING:
    from linkcore.cli.options import Commands
    from linkcore.keys.age import AgeIdentity
    from linkcore.keys.keyring import Keyring

__all__ = ["add"]


def add(commands: "Commands") -> None:
    """Add ``run``, ``release`` and ``verify``."""
    run = options.command(
        commands, "run", _run, "do everything that a programme states: link, withhold, and release to each recipient"
    )
    options.programme(run)
    options.linkage(run)
    options.previous_linkage(run)
    options.day(run)
    place = options.held_keys(run)
    place.add_argument("--synthetic", action="store_true", help="make keys for this run (synthetic programmes only)")
    options.signing_key(run)
    options.occasion(run, reason=False)
    run.add_argument("--out", type=Path, required=True, help="folder to write: releases, report, summary")

    release = options.command(
        commands, "release", _release, "link the sources, and release to one recipient what it may have"
    )
    options.programme(release)
    options.linkage(release)
    options.previous_linkage(release)
    release.add_argument("--recipient", required=True, help="name of the recipient in the programme file")
    options.day(release)
    options.one_key(release)
    options.signing_key(release)
    options.occasion(release, reason=False)
    release.add_argument(
        "--apart-from",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="release to another recipient, which must have another key; can be given several times",
    )
    release.add_argument("--out", type=Path, required=True, help="folder to write")

    verify = options.command(
        commands, "verify", _verify, "check that a release or a certificate is complete and unchanged"
    )
    verify.add_argument(
        "place", type=Path, metavar="PLACE", help="folder of a release, or JSON file of a certificate of destruction"
    )
    verify.add_argument(
        "--verify-key", type=Path, metavar="FILE", help="the trusted team's public key, received in another way"
    )
    verify.add_argument(
        "--identity",
        type=Path,
        metavar="FILE",
        help="secret key of age that opens an encrypted release, to check what is inside; if it is itself encrypted, "
        "its passphrase is the value of LINKCORE_PASSPHRASE, or else you are asked",
    )


def _run(arguments: argparse.Namespace) -> None:
    from linkcore.keys.key import Key
    from linkcore.programme.run import run_programme, synthetic_keys

    programme = live_programme(arguments.programme, arguments.on)
    keys: Mapping[str, Key] | Keyring
    if arguments.synthetic:
        keys = synthetic_keys(programme)
    elif arguments.keyring:
        keys = keyring(arguments)
    else:
        keys = {key.id: key for key in map(Key.read, arguments.key_file)}
    linkage = kept_linkage(arguments, programme, on=arguments.on)
    previous = previous_linkage(arguments, programme) if linkage is None else None
    with progress() as show:
        run = run_programme(
            programme,
            arguments.out,
            keys=keys,
            on=arguments.on,
            occasion=occasion(arguments, programme),
            signing_key=signing_key(arguments),
            linkage=linkage,
            previous=previous,
            progress=show,
        )
    say(*run.text().splitlines())
    say(f"all of it: {run.folder}")
    if run.refused:
        raise RefusedError(
            f"{len(run.refused)} of {len(programme.recipient)} recipients got nothing: the reasons are listed above"
        )


def _release(arguments: argparse.Namespace) -> None:
    from linkcore.governance.releases.checks import refuse_shared_keys, refuse_unless_signed_and_audited
    from linkcore.governance.releases.release import release

    programme = live_programme(arguments.programme, arguments.on)
    agreement = agreement_of(programme, arguments.recipient)
    agreement.refuse_without_passphrase()
    # Everything that can be refused is refused before the work begins.
    releasing, signed_by = occasion(arguments, programme), signing_key(arguments)
    refuse_unless_signed_and_audited(synthetic=programme.programme.synthetic, signing_key=signed_by, occasion=releasing)
    programme.check(arguments.on)
    if agreement.terms is not None:
        agreement.terms.refuse_unless_in_force(agreement.recipient, arguments.on)
    key = one_key(arguments, agreement.key)
    refuse_shared_keys(
        {agreement.recipient: key},
        releases=arguments.apart_from,
        audit=None if releasing is None else releasing.audit,
    )
    linkage = linkage_of(arguments, programme, on=arguments.on)
    released = release(
        linkage,
        agreement,
        key,
        arguments.out,
        on=arguments.on,
        withholding=programme.withhold(linkage, on=arguments.on, purpose=agreement.purpose),
        signing_key=signed_by,
        occasion=releasing,
    )
    say("true counts, for the trusted team only:")
    print_rows_not_read(linkage.quality)
    for counts in released.counts.iter_rows(named=True):
        say("{source}: {released:,} rows; {withheld:,} withheld, {outside:,} outside the cohort".format(**counts))
    say(f"released to {agreement.recipient}: {released.folder}")


def _verify(arguments: argparse.Namespace) -> None:
    from linkcore.governance.destruction.certificates import verify_certificate
    from linkcore.governance.manifest import as_opened, verify_release
    from linkcore.governance.releases.formats import count_rows
    from linkcore.keys.signing import VerifyKey

    key = None if arguments.verify_key is None else VerifyKey.read(arguments.verify_key)
    if arguments.place.is_file():
        if key is None:
            raise ProgrammeError(
                "--verify-key: a certificate proves nothing without its signature; give the public key"
            )
        stated = verify_certificate(arguments.place, key)
        say(f"{stated['what']} of programme {stated['programme']} for {stated['provider']}, signed by key {key.id}")
        return
    manifest = verify_release(arguments.place, key, identity=_identity(arguments))
    for file in manifest["files"]:
        plain = as_opened(arguments.place, file)
        if plain is not None:
            say(f"{plain.name}, {file['source']}: {count_rows(plain, file['source']):,} rows")
        else:
            inside = "its rows were not looked at" if arguments.identity is None else "opens to what was released"
            say(f"{file['file']}, {file['source']}: encrypted; {inside}")
    signed = "its signature was not checked (--verify-key)" if key is None else f"signed by key {key.id}"
    say(f"release to {manifest['recipient']}: whole; {signed}")


def _identity(arguments: argparse.Namespace) -> "AgeIdentity | None":
    from linkcore.keys.age import AgeIdentity
    from linkcore.keys.passphrase import read_passphrase

    file = arguments.identity
    if file is None:
        return None
    return AgeIdentity.read(file, read_passphrase(f"the identity {file}") if AgeIdentity.is_encrypted(file) else None)
