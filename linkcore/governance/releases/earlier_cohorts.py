"""The cohorts of earlier releases under one key: kept beside the audit log, so that a later one is compared with them.

What is kept is how each cohort was chosen, and not whom it had: its filter, or its list of pseudonyms, which the
recipient has too. So new data and new opt-outs, which change whom a cohort has, are told from a new choice.
"""

import datetime as dt
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import polars as pl

from linkcore.errors import RefusedError
from linkcore.files import anything, locked, new_file
from linkcore.governance.audit.audit import Audit
from linkcore.governance.manifest import digest_of
from linkcore.governance.releases.cohorts import Cohort
from linkcore.governance.releases.derived import Derived
from linkcore.keys.key import Key

__all__ = ["FOLDER_SUFFIX", "EarlierCohorts"]

FOLDER_SUFFIX: Final = ".cohorts"
"""Ends the name of the folder beside an audit log that holds the cohorts."""


class EarlierCohorts:
    """The cohorts of the releases under one key that an audit log records.

    Each is a file, named after its digest; the audit log has the digest too, so that none is lost unnoticed.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     log = Audit(Path(folder, "audit.jsonl"))
    ...     earlier = EarlierCohorts(log, Key.generate("partner-2026"))
    ...     _ = earlier.keep(Cohort("AGE_GROUP == '65+'"), known={})
    ...     [cohort.where for cohort in earlier.read().values()]
    ["AGE_GROUP == '65+'"]
    """

    def __init__(self, audit: Audit, key: Key) -> None:
        self._log = audit.path
        self._key = key
        self._fingerprint = key.fingerprint
        self._folder = audit.path.with_name(audit.path.name + FOLDER_SUFFIX) / self._fingerprint

    def read(self) -> dict[str, Cohort | None]:
        """Return each cohort by its digest; None is everybody."""
        cohorts = {}
        for file in sorted(self._folder.glob("*.json")):
            content = file.read_bytes()
            if _digest(content) != file.stem:
                raise RefusedError(f"{file} was altered; put the file back that the release wrote. {self._remedy}")
            cohorts[file.stem] = self._cohort(json.loads(content))
        lost = sorted(self._named() - cohorts.keys())
        if lost:
            raise RefusedError(
                f"the audit log names an earlier cohort whose file {self._folder / lost[0]}.json is missing; put it "
                f"back. {self._remedy}"
            )
        return cohorts

    def keep(self, cohort: Cohort | None, *, known: Mapping[str, Cohort | None]) -> str:
        """Keep the cohort of a release that was compared with the ``known`` ones; return its name for the audit log."""
        content = json.dumps(self._described(cohort), sort_keys=True).encode()
        digest = _digest(content)
        for folder in (self._folder.parent, self._folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(self._folder, optional=True):
            there = {file.stem for file in self._folder.glob("*.json")}
            if there - known.keys() - {digest}:
                raise RefusedError(
                    f"another release under key {self._key.id!r} was made at the same time, and was not compared with "
                    "this one; release again"
                )
            if digest not in there:
                with new_file(self._folder / f"{digest}.json", ours=anything) as file:
                    file.write_bytes(content)
        return self._fingerprint + digest

    @property
    def _remedy(self) -> str:
        return f"If that cannot be done, make the recipient of key {self._key.id!r} a new key"

    def _named(self) -> set[str]:
        """Return the digests of the cohorts that the audit log names for the key."""
        lines = self._log.read_text("utf-8").splitlines() if self._log.exists() else []
        named = [json.loads(line).get("details", {}).get("cohort", "") for line in lines if '"cohort": "' in line]
        return {name.removeprefix(self._fingerprint) for name in named if name.startswith(self._fingerprint)}

    def _described(self, cohort: Cohort | None) -> dict[str, Any]:
        if cohort is None:
            return {}
        derived = {name: asdict(column) for name, column in cohort.derived.items()}
        for column in derived.values():
            column["at"] = None if column["at"] is None else str(column["at"])
            if column["look_up"] is not None:
                # A relative path is found again when the folder of the programme has moved.
                column["sha256"] = digest_of(Path(column["look_up"]))
                column["look_up"] = os.path.relpath(column["look_up"], self._log.parent)
        listed = cohort.listed()
        pseudonyms = None if listed is None else listed.unique().sort().to_list()
        return {"where": cohort.where, "source": cohort.source, "derived": derived, "pseudonyms": pseudonyms}

    def _cohort(self, stated: dict[str, Any]) -> Cohort | None:
        if not stated:
            return None
        for column in stated["derived"].values():
            column["at"] = column["at"] and dt.date.fromisoformat(column["at"])
            if column["look_up"] is not None:
                column["look_up"] = self._log.parent / column["look_up"]
                if not column["look_up"].is_file() or digest_of(column["look_up"]) != column.pop("sha256"):
                    raise RefusedError(
                        f"an earlier cohort was chosen by another look-up {column['look_up']}; put that one back, and "
                        f"give a new one another name. {self._remedy}"
                    )
        derived = {name: Derived(**column) for name, column in stated["derived"].items()}
        listed = stated["pseudonyms"]
        pseudonyms = None if listed is None else pl.Series(listed, dtype=pl.String)
        return Cohort(stated["where"], stated["source"], derived, pseudonyms)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
