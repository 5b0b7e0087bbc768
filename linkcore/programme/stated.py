"""What a programme file states: its tables, and how they must fit together."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

from pydantic import Field, ValidationError, ValidationInfo, field_validator

from linkcore.errors import ProgrammeError
from linkcore.programme.faults import faults_of
from linkcore.programme.key_lines import key_in_words, key_lines, line_of
from linkcore.programme.tables import (
    AboutTable,
    AuditTable,
    DestructionTable,
    LinkageTable,
    NumbersTable,
    OptOutsTable,
    RecipientTable,
    RequesterTable,
    SensitiveTable,
    SourceTable,
    Table,
    TwoStage,
    stated_rightly,
)

__all__ = ["StatedProgramme"]

_KEY: Final = re.compile(r"(?P<key>(?P<table>[a-z_]+)(?:\[\d+\]|\.[\w-]+)*): ")


class StatedProgramme(Table):
    """A programme, as its file states it. Nothing that it names is opened."""

    programme: AboutTable
    numbers: NumbersTable = NumbersTable()
    linkage: LinkageTable = LinkageTable()
    source: tuple[SourceTable, ...]
    two_stage: TwoStage | None = None
    opt_outs: OptOutsTable | None = None
    sensitive: tuple[SensitiveTable, ...] = ()
    recipient: tuple[RecipientTable, ...] = ()
    audit: AuditTable | None = None
    destruction: DestructionTable = DestructionTable()
    requesters: Mapping[str, RequesterTable] = Field(default_factory=dict)
    folder: Path = Field(default=Path(), exclude=True)
    _file: Path | None = None
    _text: str = ""

    @field_validator("source")
    @classmethod
    def _is_not_empty(cls, source: tuple[SourceTable, ...]) -> tuple[SourceTable, ...]:
        if not source:
            raise ValueError("there is none; state at least one [[source]]")
        return source

    @field_validator("recipient")
    @classmethod
    def _have_own_names_and_keys(cls, recipient: tuple[RecipientTable, ...]) -> tuple[RecipientTable, ...]:
        """Refuse recipients with the same name or key: with one key they could join their releases."""
        for what in ("name", "key"):
            first: dict[str, int] = {}
            for number, table in enumerate(recipient, start=1):
                value = getattr(table, what)
                before = first.setdefault(value, number)
                if before != number:
                    raise ValueError(f"[{before}].{what} and [{number}].{what} are both {value!r}; each needs its own")
        return recipient

    @field_validator("requesters", mode="before")
    @classmethod
    def _have_their_codes(cls, requesters: Any) -> Any:
        """Give each requester the code that is the name of its table."""
        if not isinstance(requesters, dict):
            return requesters
        for code, table in requesters.items():
            if isinstance(table, dict) and "code" in table:
                raise ValueError(f"{code} states a code: the name of its table is the code")
        return {
            code: table | {"code": code} if isinstance(table, dict) else table for code, table in requesters.items()
        }

    @field_validator("requesters")
    @classmethod
    def _have_own_patients(
        cls, requesters: Mapping[str, RequesterTable], others: ValidationInfo
    ) -> Mapping[str, RequesterTable]:
        """Refuse requesters whose patients nobody can tell from those of others, or whose requests nobody counts."""
        of_several = _of_several_providers(others.data.get("destruction"), others.data.get("opt_outs"))
        if requesters and "audit" in others.data and others.data["audit"] is None:
            raise ValueError("their limits count from the audit log; state [audit] too")
        for code, requester in requesters.items():
            if code != requester.code:
                raise ValueError(f"write {code} as {requester.code}")
            if "source" in others.data:
                stated_rightly(others.data["source"], partial(requester.check, of_several=of_several))
        return requesters

    @property
    def of_several_providers(self) -> frozenset[str]:
        """The sources that hold the records of several providers, such as practices."""
        return _of_several_providers(self.destruction, self.opt_outs)

    @classmethod
    def load(cls, file: str | Path) -> Self:
        """Read and check a programme file.

        Parameters
        ----------
        file : path
            The TOML file. Paths in it are relative to its folder.

        Returns
        -------
        Programme

        Raises
        ------
        ProgrammeError
            If the file cannot be read, or keys are unknown, missing or have wrong values. The error names each key, its
            line, and what is allowed.
        """
        file = Path(file)
        try:
            text = file.read_text("utf-8-sig")
            stated = tomllib.loads(text)
        except OSError:
            raise ProgrammeError(f"{file}: no such programme file, or it cannot be read; check the path") from None
        except RecursionError:
            raise ProgrammeError(f"{file}: not a TOML file: its tables or lists are nested too deeply") from None
        except ValueError as error:  # also of a number with thousands of digits
            raise ProgrammeError(f"{file}: not a TOML file: {error}") from None
        if any("\0" in text for text in _texts(stated)):
            raise ProgrammeError(
                f"{file}: a text with the character U+0000, which no path and no name has; take it out"
            )
        if "folder" in stated:
            raise ProgrammeError(f"{file}, folder: no such key")
        try:
            programme = cls.model_validate(stated | {"folder": file.parent})
        except ValidationError as error:
            faults = list(faults_of(error, cls, stated))
        else:
            programme._file, programme._text = file, text
            return programme
        lines = key_lines(text)
        found = sorted((line_of(location, lines) or 0, key_in_words(location), wrong) for location, wrong in faults)
        raise ProgrammeError(*(f"{_line(file, line)}, {key}: {wrong}" for line, key, wrong in found))

    def placed(self, fault: str, key: str = "") -> str:
        """Say where in the file a fault is: at the key with which its message begins, or else at ``key``."""
        if self._file is None:
            return fault
        named = _KEY.match(fault)
        if named is not None and named["table"] in type(self).model_fields:
            key = named["key"]
        else:
            fault = f"{key}: {fault}" if key else fault
        location = tuple(
            int(part[1:-1]) - 1 if part.startswith("[") else part for part in re.findall(r"\[\d+\]|[^.\[]+", key)
        )
        return f"{_line(self._file, line_of(location, key_lines(self._text)) or 0)}, {fault}"


def _of_several_providers(destruction: DestructionTable | None, opt_outs: OptOutsTable | None) -> frozenset[str]:
    of_several = destruction.one_file_a_provider if destruction else ()
    return frozenset(of_several) | frozenset((opt_outs and opt_outs.gp_sources) or ())


def _line(file: Path, line: int) -> str:
    return f"{file}, line {line}" if line else f"{file}"


def _texts(stated: object) -> Iterator[str]:
    """Yield each text of a TOML file, and each key."""
    if isinstance(stated, str):
        yield stated
    elif isinstance(stated, list | dict):
        for each in stated:
            yield from _texts(each)
        if isinstance(stated, dict):
            yield from _texts(list(stated.values()))
