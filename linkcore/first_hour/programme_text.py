"""Write the programme file of a proposal, with comments for whoever checks it."""

import glob
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from linkcore.first_hour.columns import Doubt
from linkcore.plain_text import escaped
from linkcore.schema import USABLE_STATUSES

__all__ = ["SourceText", "programme_text"]

_LONGEST_COMMENT: Final = 110


@dataclass(frozen=True)
class SourceText:
    """What a ``[[source]]`` states; ``left`` names the columns that are not mapped."""

    name: str
    data: str
    is_literal: bool
    file: str
    spine: bool
    one_record_per_person: bool
    record_id: str | None
    encoding: str
    separator: str
    day_first: bool
    practice: str | None
    not_compared: tuple[str, ...]
    columns: Mapping[str, str]
    attributes: Mapping[str, str]
    events: Mapping[str, str]
    left: tuple[str, ...]


def programme_text(
    folder: Path, sources: Sequence[SourceText], *, synthetic: bool, doubts: Sequence[Doubt] = ()
) -> str:
    """Return the text of a programme file in a folder."""
    lines = [
        "# Written by `linkcore init` from what the files hold. Read it through: whoever knows the data knows better.",
        "# `linkcore profile` shows what each mapped column holds, and what cannot be right; `linkcore check` says",
        "# what the programme would do; `linkcore link` links.",
        "",
        "[programme]",
        f"name = {_text(folder.name or 'programme')}",
        f"synthetic = {_truth(synthetic)}",
        *_comments("programme", doubts),
        "",
    ]
    if synthetic:
        usable = ", ".join(map(_text, (*USABLE_STATUSES, "test")))
        lines += ["# Numbers of the test range count only in synthetic data.", "[numbers]", f"usable = [{usable}]", ""]
    lines += ["[linkage]", "# Where `linkcore link` keeps the linkage, with identifiers."]
    if synthetic:
        lines += ['store = "linkage"', ""]
    else:
        lines += [
            "# That of real people is encrypted: make a keyring with `linkcore keys`, then state both.",
            '# store = "linkage"',
            '# store_key = "linkage-2026"',
            "",
        ]
    for source in sources:
        lines += [*_source(source, folder, doubts), ""]
    return "\n".join([*lines, *_recipient(sources)]) + "\n"


def _recipient(sources: Sequence[SourceText]) -> Iterator[str]:
    """Return a recipient as an example: who may have which columns is for those to say who answer for it."""
    yield "# Who may have which columns: take the marks away, and leave only what the recipient needs."
    yield "# Then `linkcore run` releases, with --synthetic while the data are synthetic."
    yield "# [[recipient]]"
    yield '# name = "analysts"'
    yield '# key = "analysts-2026"'
    yield '# purpose = "Planning of services"'
    yield "# [recipient.columns]"
    for source in sources:
        payload = [name for name in source.left if name not in (source.record_id, source.practice)]
        if payload:
            yield f"# {source.name} = [{', '.join(map(_text, payload))}]"


def _source(source: SourceText, folder: Path, doubts: Sequence[Doubt]) -> Iterator[str]:
    yield "[[source]]"
    yield f"name = {_text(source.name)}"
    yield f"data = {_text(_data(source, folder))}"
    if source.spine:
        yield "# The spine defines who exists; at most one source is it."
        yield "spine = true"
        yield f"one_record_per_person = {_truth(source.one_record_per_person)}"
    if source.record_id is None:
        yield "# No column is known to name records, so each is named by its row number."
    else:
        yield f"record_id = {_text(source.record_id)}"
    if source.encoding != "utf-8":
        yield f"encoding = {_text(source.encoding)}"
    if source.separator != ",":
        yield f"separator = {_text(source.separator)}"
    if not source.day_first:
        yield "# Months come before days, as in 03/14/2001."
        yield "day_first = false"
    if source.practice is not None:
        yield f"practice = {_text(source.practice)}"
    if source.not_compared:
        yield f"not_compared = [{', '.join(map(_text, source.not_compared))}]"
    yield from _comments(source.name, doubts)
    yield "[source.columns]"
    yield from (f"{identifier} = {_text(column)}" for identifier, column in source.columns.items())
    if source.attributes:
        yield "[source.attributes]"
        yield from (f"{name} = {_text(column)}" for name, column in source.attributes.items())
    if source.events:
        yield "[source.events]"
        yield from (f"{name} = {_text(column)}" for name, column in source.events.items())
    if source.left:
        yield "# Not read to link, and released only to whom a [[recipient]] says:"
        yield from _wrapped(source.left)


def _data(source: SourceText, folder: Path) -> str:
    """Return the file or pattern relative to the folder, if it lies in it; a pattern as the programme reads it."""
    base = folder.absolute()
    if not Path(source.file).is_relative_to(base):
        return source.file if source.is_literal else source.data
    if source.is_literal:
        return os.path.relpath(source.file, base)
    return source.data.removeprefix(glob.escape(str(base)) + os.sep)


def _comments(source: str, doubts: Sequence[Doubt]) -> Iterator[str]:
    return (f"# CHECK {doubt.key}: {escaped(doubt.text)}" for doubt in doubts if doubt.source == source)


def _wrapped(columns: Sequence[str]) -> Iterator[str]:
    line = "#"
    for column in map(escaped, columns):
        if len(line) + len(column) > _LONGEST_COMMENT and line != "#":
            yield line
            line = "#"
        line += f" {column}," if column != escaped(columns[-1]) else f" {column}"
    yield line


def _truth(value: bool) -> str:
    return "true" if value else "false"


def _text(value: str) -> str:
    r"""Write a TOML string.

    Examples
    --------
    >>> print(_text('a "b" \\ c\n'))
    "a \"b\" \\ c\u000a"
    """
    return '"' + "".join(_character(each) for each in value) + '"'


def _character(each: str) -> str:
    if each in '"\\':
        return f"\\{each}"
    return each if each.isprintable() else f"\\U{ord(each):08x}" if ord(each) > 0xFFFF else f"\\u{ord(each):04x}"
