"""Certificates of destruction: one for each provider, signed, to be read by people and by programs.

``PROVIDER.json`` is what is signed, ``PROVIDER.json.sig`` its Ed25519 signature, and ``PROVIDER.html`` the same to be
printed, with the digest and the signature on it.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from linkcore.errors import ProgrammeError
from linkcore.files import new_file
from linkcore.governance.destruction.mark import Mark
from linkcore.keys.signing import SigningKey, VerifyKey

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
"""The folder of certificates, in the programme's."""

CHECKED: Final = (
    "Each file and folder named above is no longer at its place.",
    "Each key named above is marked as destroyed in its keyring, whose file was written anew and read back without its "
    "material; using the key to pseudonymise or to re-identify fails.",
    "The programme is marked as destroyed, and refuses to run.",
    "Each step was written to the audit log before it was done.",
)
"""What was checked before a certificate was written."""

NOT_PROVED: Final = (
    "Files were removed from the file system, and not overwritten. What was in them may lie in blocks of the storage "
    "until those are used again; on solid-state and network storage nobody can tell.",
    "Backups, snapshots and replicas that were made of the machine or its storage are not reached from here.",
    "That the key of a pseudonym is gone is shown for the keyrings and key files named, and for no copy of them.",
    "What others hold is not known: the recipients' statements are theirs.",
)
"""What a certificate cannot prove, in every one."""

SURVIVORS: Final = (
    "Keys that were made elsewhere and imported: whoever made them may hold them still.",
    "Older copies of a keyring's file: sealed still, and opened by their passphrase; destroy that, too.",
    "Files that say which pseudonym under an old key is which under a new one, where they were copied elsewhere.",
    "Saved tables of persons, where they were copied elsewhere.",
    "Old blocks of the storage, and the memory that the system wrote to it (swap).",
    "Backups, snapshots and replicas.",
    "The copies of recipients, until they have attested that they destroyed them.",
    "The providers' own records, of which the extracts were made: they are not touched.",
)
"""What may survive any destruction."""

_PROVIDER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def certificate(mark: Mark, provider: str, verify_key: VerifyKey) -> dict[str, Any]:
    """Say what was destroyed of one provider's data, how that is known, and what is not known."""
    own = [file for file in mark.files if file.provider == provider and not file.is_folder]
    others = [file for file in mark.files if file.kind != "data" and not file.is_folder]
    places = [named.pattern for named in mark.named if named.provider == provider]
    said = {
        recipient: [
            {"by": one.by, "received": one.received, "statement": one.statement}
            for one in mark.attestations
            if one.recipient == recipient
        ]
        for recipient in mark.recipients
    }
    return {
        "what": "certificate of destruction",
        "format": 1,
        "programme": mark.programme,
        "provider": provider,
        "begun": mark.begun,
        "finished": mark.finished,
        "by": mark.actor,
        "reason": mark.reason,
        "places": places,
        "files": [{"file": file.path, "bytes": file.size} for file in own],
        "work_files": sum(file.kind == "work" for file in others),
        "key_files": sum(file.kind == "key" for file in others),
        "keys": [{"id": key.id, "version": key.version} for key in mark.keys],
        "checked": list(CHECKED),
        "may_survive": [*SURVIVORS, *mark.known_copies, *mark.other_names],
        "not_proved": list(NOT_PROVED),
        "recipients": [{"recipient": recipient, "attested": attested} for recipient, attested in said.items()],
        "verify_key": verify_key.id,
    }


def write_certificates(mark: Mark, folder: Path, signing_key: SigningKey) -> Mapping[str, Path]:
    """Write a certificate for each provider, as JSON with its signature and as a page to print."""
    template = _template()
    written = {}
    for provider in mark.providers:
        stated = certificate(mark, provider, signing_key.verify_key)
        content = (json.dumps(stated, indent=2, ensure_ascii=False) + "\n").encode()
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
            with new_file(name) as file:
                file.write_bytes(text)
        written[provider] = place
    return written


def checked_provider(name: str) -> str:
    """Refuse a provider's name that cannot name a file.

    Examples
    --------
    >>> checked_provider("RH8")
    'RH8'
    """
    if not _PROVIDER.fullmatch(name):
        raise ProgrammeError(f"provider {name!r}: its name becomes that of a file; use letters, digits, '_' and '-'")
    return name


def verify_certificate(path: str | Path, verify_key: VerifyKey) -> dict[str, Any]:
    """Read a certificate, and refuse it if it is not as it was signed.

    Parameters
    ----------
    path : path
        Its JSON; the signature lies beside it.
    verify_key : VerifyKey
        The trusted team's public key, had from it by another way.

    Returns
    -------
    dict
        What it says.

    Raises
    ------
    ProgrammeError
        It cannot be read.
    RefusedError
        It was altered, or another key signed it.
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


def _template() -> "Template":
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["time"] = lambda text: f"{text[:10]} {text[11:19]} UTC"
    text = (files("linkcore.governance.destruction") / "certificate.html.j2").read_text("utf-8")
    return environment.from_string(text)
