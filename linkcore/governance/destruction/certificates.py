"""Certificates of destruction: a signed one for each provider, for people and for programs.

``PROVIDER.json`` is the signed file, ``PROVIDER.json.sig`` its Ed25519 signature, and ``PROVIDER.html`` a page to print
with the same content, the digest and the signature.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from linkcore.errors import ProgrammeError
from linkcore.files import anything, new_file
from linkcore.governance.destruction.mark import Mark
from linkcore.keys.signing import SigningKey, VerifyKey
from linkcore.plain_text import escaped

if TYPE_CHECKING:
    from jinja2 import Template

__all__ = [
    "CERTIFICATES",
    "CHECKED",
    "NOT_PROVED",
    "SURVIVORS",
    "certificate",
    "verify_certificate",
    "write_certificates",
]

CERTIFICATES: Final = "certificates"
"""Name of the folder of certificates, in the programme's folder."""

_KEYS_CHECKED: Final = (
    "Each key named above is marked as destroyed in its keyring. The keyring file was written again without the key, "
    "and read back; the key can no longer be used to pseudonymise or to re-identify."
)

CHECKED: Final = (
    "Each file and folder named above is no longer at its place.",
    _KEYS_CHECKED,
    "The programme is marked as destroyed, and linkcore refuses to use its folder. It also refuses another folder of a "
    "programme of this name that keeps the same audit log.",
    "Each step was written to the audit log before it was done.",
)
"""What is checked before a certificate is written; of keys only if any were destroyed."""

STAYS: Final = (
    "The programme file, the audit log, the keyrings that were given, without the destroyed keys, the mark of the "
    "destruction and the certificates."
)
"""What stays in every programme's folder."""

NOT_PROVED: Final = (
    "Files were removed from the file system, not overwritten. Their content may stay in blocks of the storage until "
    "these are used again; on solid-state and network storage this cannot be known.",
    "Backups, snapshots and replicas of the machine or its storage cannot be reached from here.",
    "The keys are gone from the keyrings and key files named here; nothing is shown for copies of these files.",
    "A copy of the programme's folder that was made before is not known: with an audit log and keys of its own, it can "
    "be used.",
    "What others hold is not known: the recipients' statements are their own.",
)
"""What no certificate can prove: stated in every certificate."""

SURVIVORS: Final = (
    "Keys that were made elsewhere and imported: whoever made them may still hold them.",
    "Older copies of a keyring file: still encrypted, and opened by their passphrase; destroy the passphrase too.",
    "Files that map pseudonyms under an old key to those under a new key, if they were copied elsewhere.",
    "Saved tables of persons, if they were copied elsewhere.",
    "Old blocks of the storage, and memory that the system wrote to the storage (swap).",
    "Backups, snapshots and replicas.",
    "The recipients' copies, until the recipients have attested that they destroyed them.",
    "The providers' own records, from which the extracts were made: they are not touched.",
)
"""What may survive every destruction."""

_PROVIDER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def certificate(mark: Mark, provider: str, verify_key: VerifyKey) -> dict[str, Any]:
    """Return the content of a provider's certificate: what was destroyed, how that is known, and what is not known."""
    own = [file for file in mark.files if file.provider == provider and not file.is_folder]
    others = [file for file in mark.files if file.kind != "data" and not file.is_folder]
    places = [named.pattern for named in mark.named if named.provider == provider]
    attested = {
        recipient: [
            {"by": attestation.by, "received": attestation.received, "statement": attestation.statement}
            for attestation in mark.attestations
            if attestation.recipient == recipient
        ]
        for recipient in mark.recipients
    }
    return {
        "what": "certificate of destruction",
        "format": 2,
        "programme": mark.programme,
        "provider": provider,
        "begun": mark.begun,
        "finished": mark.finished,
        "by": mark.actor,
        "reason": mark.reason,
        "places": places,
        "nothing_found_at": [place.pattern for place in mark.not_found if place.provider == provider],
        "files": [{"file": file.path, "bytes": file.size} for file in own],
        "work_files": sum(file.kind == "work" for file in others),
        "key_files": sum(file.kind == "key" for file in others),
        "keys": [{"id": key.id, "version": key.version} for key in mark.keys],
        "keys_not_destroyed": [asdict(key) for key in mark.kept_keys],
        "remains": [STAYS, *mark.remains],
        "checked": [line for line in CHECKED if mark.keys or line != _KEYS_CHECKED],
        "may_survive": [*SURVIVORS, *mark.known_copies, *mark.other_names],
        "not_proved": list(NOT_PROVED),
        "recipients": [{"recipient": recipient, "attested": attested[recipient]} for recipient in attested],
        "verify_key": verify_key.id,
    }


def write_certificates(mark: Mark, folder: Path, signing_key: SigningKey) -> Mapping[str, Path]:
    """Write each provider's certificate, as JSON with its signature and as a page to print; return the JSON files."""
    template = _template()
    written = {}
    for provider in mark.providers:
        stated = certificate(mark, provider, signing_key.verify_key)
        content = (json.dumps(stated, indent=2) + "\n").encode()
        signature = signing_key.sign(content)
        place = folder / CERTIFICATES / f"{checked_provider(provider)}.json"
        page = template.render(
            stated=stated,
            total=sum(file["bytes"] for file in stated["files"]),
            sha256=hashlib.sha256(content).hexdigest(),
            signature=signature.hex(),
            verify_key=signing_key.verify_key.text.strip(),
        ).encode()
        for name, text in ((place, content), (_signature_of(place), signature), (place.with_suffix(".html"), page)):
            with new_file(name, ours=anything) as file:
                file.write_bytes(text)
        written[provider] = place
    return written


def checked_provider(name: str) -> str:
    """Return a provider's name, or refuse it if it cannot be the name of a file.

    Examples
    --------
    >>> checked_provider("RH8")
    'RH8'
    """
    if not _PROVIDER.fullmatch(name):
        raise ProgrammeError(f"provider {name!r}: its certificate is named after it; use letters, digits, '_' and '-'")
    return name


def verify_certificate(path: str | Path, verify_key: VerifyKey) -> dict[str, Any]:
    """Read a certificate of destruction, and refuse it if its signature does not fit.

    Parameters
    ----------
    path : path
        The JSON file of the certificate. Its signature is beside it.
    verify_key : VerifyKey
        The trusted team's public key, received in another way than the certificate.

    Returns
    -------
    dict
        The content of the certificate.

    Raises
    ------
    ProgrammeError
        If the certificate or its signature cannot be read.
    RefusedError
        If the certificate was altered, or another key signed it.
    """
    place = Path(path)
    try:
        content, signature = place.read_bytes(), _signature_of(place).read_bytes()
    except OSError as error:
        raise ProgrammeError(f"{place} and its signature cannot be read: {error.strerror}; check the path") from None
    verify_key.verify(content, signature)
    stated: dict[str, Any] = json.loads(content)
    return stated


def _signature_of(place: Path) -> Path:
    return place.with_name(f"{place.name}.sig")


def _plain(value: object) -> object:
    """Show what is not plain text as escapes, but keep lines: a statement has several."""
    return "\n".join(map(escaped, value.split("\n"))) if isinstance(value, str) else value


def _template() -> "Template":
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_plain
    )
    environment.filters["time"] = lambda text: f"{text[:10]} {text[11:19]} UTC"
    text = (files("linkcore.governance.destruction") / "certificate.html.j2").read_text("utf-8")
    return environment.from_string(text)
