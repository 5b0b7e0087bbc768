"""Write the files of a synthetic ICS: the sources as their providers send them, and the programme file."""

import json
import shutil
from datetime import date
from pathlib import Path
from typing import Literal

import polars as pl

from linkcore.synthetic.provider import Provider
from linkcore.synthetic.providers import PROVIDERS

__all__ = ["Encoding", "programme_text", "write_source"]

Encoding = Literal["utf-8", "windows-1252"]
"""Encoding of CSV files."""


def write_source(folder: Path, provider: Provider, frame: pl.DataFrame, encoding: Encoding) -> None:
    """Write one source, split into as many files as its provider sends."""
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
    """Recode a UTF-8 file to another encoding, one part at a time."""
    if encoding == "utf-8":
        return
    recoded = file.with_suffix(".recoded")
    with file.open(encoding="utf-8", newline="") as source, recoded.open("w", encoding=encoding, newline="") as target:
        shutil.copyfileobj(source, target, 1 << 20)
    recoded.replace(file)


def programme_text(usable: list[str], encoding: Encoding, reference_date: date) -> str:
    """Return the text of the programme file that links the sources."""
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
    lines += [f"usable = {json.dumps(usable)}", "", "[linkage]", 'conflicts = "fallback"', ""]
    for provider in PROVIDERS.values():
        lines += [*_source_lines(provider, encoding), ""]
    lines += [
        "[[recipient]]",
        'name = "analytics-partner"',
        'key = "analytics-partner-2026"',
        'purpose = "Planning of services for the people of the area"',
        "",
        "# The payload that it may have; identifiers are never among it.",
        "[recipient.columns]",
    ]
    for provider in PROVIDERS.values():
        allowed = [name for name in provider.payload if name not in provider.withheld]
        lines.append(f"{provider.name} = {json.dumps(allowed)}")
    return "\n".join(lines) + "\n"


def _source_lines(provider: Provider, encoding: Encoding) -> list[str]:
    """Return the lines that describe one source."""
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
    lines += [f"{standard} = {json.dumps(own)}" for standard, own in provider.columns.items()]
    attributes = {"ethnic_group": provider.ethnic_group, "deprivation": provider.deprivation}
    if any(attributes.values()):
        lines.append("[source.attributes]")
        lines += [f"{name} = {json.dumps(own)}" for name, own in attributes.items() if own]
    if provider.events:
        lines.append("[source.events]")
        lines += [f"{name} = {json.dumps(own)}" for name, own in provider.events.items()]
    return lines
