"""The search for leaks: whether any file holds something of a person or of a key, in any form."""

import base64
import contextlib
import datetime as dt
import hashlib
import html
import json
import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from linkcore.keys.key import midstates
from linkcore.keys.secret import Secret


@dataclass
class Wanted:
    """What is looked for: byte strings by what they are, and whole words."""

    patterns: dict[bytes, str] = field(default_factory=dict)
    words: set[bytes] = field(default_factory=set)

    def add_text(self, what: str, text: str) -> None:
        for form in {text, text.upper(), text.lower(), text.title()}:
            self._add_bytes(what, form.encode())
            self.patterns[form.encode("utf-16-le")] = f"{what}, UTF-16"
            self.patterns[form.encode("utf-16-be")] = f"{what}, UTF-16"

    def add_number(self, number: str) -> None:
        spaced = f"{number[:3]} {number[3:6]} {number[6:]}"
        for form in (number, spaced, spaced.replace(" ", "-"), spaced.replace(" ", "\N{NO-BREAK SPACE}")):
            self.add_text("number", form)
        self.add_text("number, backwards", number[::-1])
        self.add_text("number, in hexadecimal", f"{int(number):x}")
        for script in (0xFF10, 0x0660):  # full-width and Arabic digits
            self.add_text("number, other digits", "".join(chr(script + int(digit)) for digit in number))
        for order in ("big", "little"):
            self._add_bytes(f"number, {order}-endian in five bytes", int(number).to_bytes(5, order))
        for kind in ("<q", ">q", "<d", ">d"):
            self._add_bytes(f"number, {kind}", struct.pack(kind, int(number)))
        for name in ("sha256", "sha1", "md5", "sha512"):
            self._add_digest(
                f"number, unkeyed {name}", hashlib.new(name, number.encode(), usedforsecurity=False).digest()
            )

    def add_date(self, date: dt.date) -> None:
        for form in ("%Y-%m-%d", "%d/%m/%Y", "%d-%m-%Y", "%Y%m%d", "%d-%b-%Y", "%d%m%Y", "%d/%m/%y", "%d %B %Y"):
            self.add_text("birth date", date.strftime(form))
        # Julian dates of seven digits; shorter numbers, such as counts of days, would be found by chance.
        self.add_text("birth date", date.strftime("%Y%j"))

    def add_key(self, key: bytes) -> None:
        self._add_bytes("key", key)
        # The state of SHA-256 after the padded key is as secret as the key.
        inner_and_outer = midstates(Secret(key)).reveal()
        for half in (inner_and_outer[:4], inner_and_outer[8:12]):
            for order in ("<4I", ">4I"):
                self.patterns[struct.pack(order, *half)] = "key, midstate"
            self._add_bytes("key, midstate", ", ".join(map(str, half)).encode())

    def _add_bytes(self, what: str, raw: bytes) -> None:
        self.patterns[raw] = what
        self._add_digest(what, raw)

    def _add_digest(self, what: str, raw: bytes) -> None:
        """In hex, and in base64 wherever it may begin in a longer text."""
        self.patterns[raw.hex().encode()] = f"{what}, hex"
        self.patterns[raw.hex().upper().encode()] = f"{what}, hex"
        self.patterns[raw] = what
        for before in range(3):
            for encode in (base64.b64encode, base64.urlsafe_b64encode):
                encoded = encode(bytes(before) + raw)
                # Only the characters that hang on nothing but the value.
                first, last = -(-before * 4 // 3), (before + len(raw)) * 8 // 6
                if last - first >= 8:
                    self.patterns[encoded[first:last]] = f"{what}, base64"


def wanted(
    sentinels: Iterable[Mapping[str, str]], keys: Iterable[bytes], words: Iterable[str] = (), codes: Iterable[str] = ()
) -> Wanted:
    """Say what is looked for: each sentinel in all forms, keys, and other people's numbers and ids as whole words."""
    found = Wanted()
    for sentinel in sentinels:
        found.add_number(sentinel["nhs_number"])
        found.add_date(dt.date.fromisoformat(sentinel["birth_date"]))
        for name in ("given_name", "family_name", "postcode", "address", "local_patient_id", "record_id"):
            found.add_text(name, sentinel[name])
        found.add_text("postcode", sentinel["postcode"].replace(" ", ""))
        found.add_text("full name", f"{sentinel['given_name']} {sentinel['family_name']}")
    for key in keys:
        found.add_key(key)
    for code in codes:
        found.add_text("stage-1 code", code)
        found._add_bytes("stage-1 code", bytes.fromhex(code))
    found.words |= {word.encode() for word in words}
    return found


def leaks(files: Iterable[Path], looked_for: Wanted) -> list[str]:
    """Say what was found in which file, as ``NAME: what``; never the value."""
    found = []
    for file in files:
        for view, content in _views(file):
            for pattern, what in looked_for.patterns.items():
                if pattern in content:
                    found.append(f"{file.name} ({view}): {what}")
            tokens = set(re.findall(rb"[A-Za-z0-9_]{6,}", content))
            tokens |= {a + b + c for a, b, c in re.findall(rb"(\d{3})[ -](\d{3})[ -](\d{4})", content)}
            if tokens & looked_for.words:
                found.append(f"{file.name} ({view}): somebody else's number or id")
    return found


def _views(file: Path) -> Iterator[tuple[str, bytes]]:
    """Give a file as it lies there, and decoded in every way that its kind allows."""
    raw = file.read_bytes()
    yield "bytes", raw
    if file.suffix == ".parquet":
        yield from _of_frame(pl.read_parquet(file))
        yield "metadata", repr(pl.read_parquet_metadata(file)).encode()
        for name, value in pl.read_parquet_metadata(file).items():  # the schema of Arrow has the categories
            with contextlib.suppress(ValueError):
                yield f"metadata {name}", base64.b64decode(value, validate=True)
    elif file.suffix in (".arrow", ".ipc"):
        yield from _of_frame(pl.read_ipc(file))
    elif file.suffix == ".duckdb":
        import duckdb

        with duckdb.connect(file, read_only=True) as connection:
            for (table,) in connection.sql("SELECT table_name FROM information_schema.tables").fetchall():
                yield from _of_frame(connection.sql(f'SELECT * FROM "{table}"').pl())
    elif file.suffix in (".json", ".jsonl", ".head", ".sig"):
        yield from _of_json(raw)
    elif file.suffix in (".html", ".svg", ".txt"):
        yield "unescaped", html.unescape(raw.decode("utf-8", "replace")).encode()


def _of_frame(frame: pl.DataFrame) -> Iterator[tuple[str, bytes]]:
    yield "names", "\n".join(frame.columns).encode()
    for name, column in zip(frame.columns, frame.get_columns(), strict=True):
        if column.dtype == pl.Binary:
            yield name, b"\n".join(value for value in column if value is not None)
        else:
            yield name, "\n".join(map(_plain, column.to_list())).encode()


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)


def _of_json(raw: bytes) -> Iterator[tuple[str, bytes]]:
    for line in [raw, *raw.splitlines()]:
        try:
            yield "JSON", json.dumps(json.loads(line), ensure_ascii=False).encode()
        except ValueError:
            continue
