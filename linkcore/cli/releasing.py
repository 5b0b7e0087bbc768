"""Commands by which de-identified data leave, and the one by which their recipient checks them."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from linkcore.cli import options
from linkcore.cli.linking import say_type_one
from linkcore.cli.opening import (
    agreement_of,
    audit_log,
    keyring,
    linkage_of,
    live_programme,
    now,
    one_key,
    progress,
    signing_key,
)
from linkcore.errors import ProgrammeError, RefusedError

if TYPE_CHECKING:
    from linkcore.cli.options import Commands
    from linkcore.keys.keyring import Keyring

__all__ = ["add"]


def add(commands: "Commands") -> None:
    """Add ``run``, ``release`` and ``verify``."""
    run = options.command(commands, "run", _run, "do all that a programme states: link, withhold, release to each")
    options.programme(run)
    options.day(run)
    place = options.held_keys(run)
    place.add_argument("--synthetic", action="store_true", help="make keys for this run; for synthetic programmes only")
    options.signing(run)
    options.accountable(run, reason=False)
    run.add_argument("--out", type=Path, required=True, help="folder to write: releases, report, summary")

    release = options.command(commands, "release", _release, "link, and write what one recipient may have")
    options.programme(release)
    release.add_argument("--recipient", required=True, help="its name in the programme file")
    options.day(release)
    options.one_key(release)
    options.signing(release)
    options.accountable(release, reason=False)
    release.add_argument(
        "--apart-from",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="release to another recipient, that must be under another key; may be given several times",
    )
    release.add_argument("--out", type=Path, required=True, help="folder to write")

    verify = options.command(
        commands, "verify", _verify, "check that a release, or a certificate, is as it was written"
    )
    verify.add_argument(
        "place", type=Path, metavar="PLACE", help="folder of a release, or JSON of a certificate of destruction"
    )
    verify.add_argument(
        "--verify-key", type=Path, metavar="FILE", help="the trusted team's public key, had by another way"
    )


def _run(chosen: argparse.Namespace) -> None:
    from linkcore.keys.key import Key
    from linkcore.programme.run import run_programme, synthetic_keys

    programme = live_programme(chosen.programme, chosen.on)
    keys: Mapping[str, Key] | Keyring
    if chosen.synthetic:
        keys = synthetic_keys(programme)
    elif chosen.keyring:
        keys = keyring(chosen)
    else:
        keys = {key.id: key for key in map(Key.read, chosen.key_file)}
    with progress() as tell:
        run = run_programme(
            programme,
            chosen.out,
            keys=keys,
            on=chosen.on,
            at=now(),
            actor=chosen.actor,
            signing_key=signing_key(chosen),
            audit=audit_log(chosen, programme),
            progress=tell,
        )
    print(run.text(), end="")
    print(f"all of it: {run.folder}")
    if run.refused:
        raise RefusedError(f"{len(run.refused)} of {len(programme.recipient)} recipients got nothing; see why above")


def _release(chosen: argparse.Namespace) -> None:
    from linkcore.governance.audit.occasion import Occasion
    from linkcore.governance.releases.checks import refuse_shared_keys, refuse_unless_signed_and_audited
    from linkcore.governance.releases.release import release

    programme = live_programme(chosen.programme, chosen.on)
    agreement = agreement_of(programme, chosen.recipient)
    # Everything that can be refused is refused before the work begins.
    audit, signed_by = audit_log(chosen, programme), signing_key(chosen)
    refuse_unless_signed_and_audited(synthetic=programme.programme.synthetic, signing_key=signed_by, audit=audit)
    programme.check(chosen.on)
    if agreement.terms is not None:
        agreement.terms.refuse_unless_in_force(agreement.recipient, chosen.on)
    key = one_key(chosen, agreement.key)
    refuse_shared_keys({agreement.recipient: key}, releases=chosen.apart_from)
    sources, type_one = programme.sources_without_type_one(chosen.on)
    linkage = linkage_of(programme, on=chosen.on, sources=sources)
    released = release(
        linkage,
        agreement,
        key,
        chosen.out,
        on=chosen.on,
        withholding=programme.withhold(linkage, on=chosen.on, purpose=agreement.purpose),
        signing_key=signed_by,
        occasion=None if audit is None else Occasion(chosen.actor, now(), audit),
    )
    say_type_one(type_one)
    for counts in released.counts.iter_rows(named=True):
        print("{source}: {released:,} rows; {withheld:,} withheld, {outside:,} outside the cohort".format(**counts))
    print(f"released to {agreement.recipient}: {released.folder}")


def _verify(chosen: argparse.Namespace) -> None:
    from linkcore.governance.destruction.certificates import verify_certificate
    from linkcore.governance.manifest import verify_release
    from linkcore.keys.signing import VerifyKey

    key = None if chosen.verify_key is None else VerifyKey.read(chosen.verify_key)
    if chosen.place.is_file():
        if key is None:
            raise ProgrammeError("--verify-key: a certificate is worth only its signature; give the public key")
        stated = verify_certificate(chosen.place, key)
        print(f"{stated['what']} of programme {stated['programme']} to {stated['provider']}, signed by key {key.id}")
        return
    manifest = verify_release(chosen.place, key)
    for file in manifest["files"]:
        print(f"{file['file']}, {file['source']}: {file['rows']:,} rows")
    signed = "who wrote it was not checked (--verify-key)" if key is None else f"signed by key {key.id}"
    print(f"release to {manifest['recipient']}: whole; {signed}")
