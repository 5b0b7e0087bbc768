"""Write the files of a synthetic ICS: sources in the formats of their providers, and the programme file."""

import json
import shutil
from datetime import date
from pathlib import Path
from typing import Final, Literal

import polars as pl

from linkcore.synthetic.provider import Provider
from linkcore.synthetic.providers import PROVIDERS

__all__ = ["OPT_OUT_FILES", "SUPERSEDED_FILE", "Encoding", "programme_text", "write_source"]

Encoding = Literal["utf-8", "windows-1252"]
"""Encoding of CSV files."""

SUPERSEDED_FILE: Final = "superseded.csv"
OPT_OUT_FILES: Final = {"national": "national.csv", "type_one": "type_one.csv", "objections": "objections.csv"}
"""The lists of a month, beside its sources."""


def write_source(folder: Path, provider: Provider, frame: pl.DataFrame, encoding: Encoding) -> None:
    """Write one source, split into the number of files that its provider sends."""
    path = folder / provider.data
    path.parent.mkdir(exist_ok=True)
    size = -(-len(frame) // provider.files)
    for part in range(provider.files):
        rows = frame.slice(part * size, size)
        file = path if provider.files == 1 else path.with_name(f"part-{part + 1}{path.suffix}")
        match path.suffix:
            case ".parquet":
                rows.write_parquet(file)
            case ".arrow":
                rows.write_ipc(file, compression="zstd")
            case _:
                rows.write_csv(file)
                _recode(file, encoding)


def _recode(file: Path, encoding: Encoding) -> None:
    """Rewrite a UTF-8 file in another encoding, a part at a time."""
    if encoding == "utf-8":
        return
    recoded = file.with_suffix(".recoded")
    with file.open(encoding="utf-8", newline="") as source, recoded.open("w", encoding=encoding, newline="") as target:
        shutil.copyfileobj(source, target, 1 << 20)
    recoded.replace(file)


def programme_text(usable: list[str], encoding: Encoding, reference_date: date, *, month: bool = False) -> str:
    """Return the text of the programme file that links the sources.

    That of a ``month`` has opt-outs, a table of superseded numbers and a second recipient too.
    """
    lines = [
        "# A synthetic ICS: nobody in it exists.",
        "[programme]",
        'name = "Synthetic ICS"',
        "synthetic = true",
        f"reference_date = {reference_date.isoformat()}",
        "seed = 0",
        "",
        "[numbers]",
    ]
    if "test" in usable:
        lines.append(
            "# These people have numbers from a range set aside for testing. Real sources never count such numbers."
        )
    lines.append(f"usable = {json.dumps(usable)}")
    if month:
        lines.append(f'superseded = "{SUPERSEDED_FILE}"')
    lines += ["", "[linkage]", 'conflicts = "fallback"', ""]
    for provider in PROVIDERS.values():
        lines += [*_source_lines(provider, encoding), ""]
    if month:
        lines += _opt_out_lines(reference_date)
    lines += _recipient_lines("analytics-partner", "Planning of services for the people of the area")
    if month:
        lines += ["", *_recipient_lines("university", "Research into the use of services")]
    return "\n".join(lines) + "\n"


def _opt_out_lines(day: date) -> list[str]:
    """Return the lines of the tables of opt-outs, by the kinds of :mod:`~linkcore.synthetic.opt_outs`."""
    lines = []
    for kind, file in OPT_OUT_FILES.items():
        key = "statements" if kind == "objections" else "list"
        lines += [f"[opt_outs.{kind}]", f'{key} = "{file}"', f"as_of = {day.isoformat()}", ""]
    return lines


def _recipient_lines(name: str, purpose: str) -> list[str]:
    """Return the lines of a recipient that may have all payload that is not withheld."""
    lines = [
        "[[recipient]]",
        f'name = "{name}"',
        f'key = "{name}-2026"',
        f'purpose = "{purpose}"',
        "",
        "# The payload that it may have; identifiers are never among it.",
        "[recipient.columns]",
    ]
    for provider in PROVIDERS.values():
        allowed = [name for name in provider.payload if name not in provider.withheld]
        lines.append(f"{provider.name} = {json.dumps(allowed)}")
    return lines


def _source_lines(provider: Provider, encoding: Encoding) -> list[str]:
    """Return the lines of one source's tables."""
    lines = [f"# {provider.note}"] if provider.note else []
    lines += ["[[source]]", f'name = "{provider.name}"', f'data = "{provider.data}"']
    if provider.spine:
        lines += ["spine = true", "one_record_per_person = true"]
    if provider.record_id:
        lines.append(f"record_id = {json.dumps(provider.record_id)}")
    if provider.data.endswith(".csv"):
        lines.append(f'encoding = "{encoding}"')
    if provider.practice:
        lines.append(f"practice = {json.dumps(provider.practice)}")
    lines.append("[source.columns]")
    lines += [f"{standard} = {json.dumps(column)}" for standard, column in provider.columns.items()]
    attributes = {"ethnic_group": provider.ethnic_group, "deprivation": provider.deprivation}
    if any(attributes.values()):
        lines.append("[source.attributes]")
        lines += [f"{name} = {json.dumps(column)}" for name, column in attributes.items() if column]
    if provider.events:
        lines.append("[source.events]")
        lines += [f"{name} = {json.dumps(column)}" for name, column in provider.events.items()]
    return lines
