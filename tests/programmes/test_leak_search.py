"""The search for leaks finds planted values in every kind of file and in every form."""

import base64
import datetime as dt
import hashlib
import logging
import os
import struct
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from tests.programmes.leaks import leaks, wanted
from tests.programmes.listening import listening
from tests.programmes.running import material

SENTINEL = {
    "nhs_number": "9990000018",
    "birth_date": "1931-02-11",
    "given_name": "QUENBYX",
    "family_name": "XANTHWICK",
    "postcode": "TQ90 7QZ",
    "address": "701 Quintain Wynd, Thrapsdale",
    "local_patient_id": "LQX0K7391",
    "record_id": "RQX0Z",
}


PLANTED = {
    "number": "9990000018",
    "number, spaced": "999 000 0018",
    "number, hyphens": "999-000-0018",
    "number, unkeyed sha256": hashlib.sha256(b"9990000018").hexdigest(),
    "number, unkeyed md5": hashlib.md5(b"9990000018", usedforsecurity=False).hexdigest(),
    "number, backwards": "x8100000999y",
    "number, in hexadecimal": f"0x{9990000018:X}",
    "number, in other digits": "".join(chr(0xFF10 + int(digit)) for digit in "9990000018"),
    "number, packed, in base64": base64.b64encode(b"x" + (9990000018).to_bytes(8, "little")).decode(),
    "number in base64, off its beat": "PHg+OTk5MDAwMDAxODwveD4=",
    "number in hex": b"9990000018".hex(),
    "date": "1931-02-11",
    "date, British": "11/02/1931",
    "date, written": "11-Feb-1931",
    "date, Julian": "1931042",
    "name": "quenbyx",
    "name, within": "mr Xanthwick, seen today",
    "postcode": "tq907qz",
    "address": "701 QUINTAIN WYND, THRAPSDALE",
    "record id": "RQX0ZGP17",
    "local id": "LQX0K7391",
    "key": material("k").hex(),
    "another's number": "9990000026",
    "another's number, spaced": "999 000 0026",
}


def _parquet(file: Path, value: str) -> None:
    pl.DataFrame({"a": ["x", value]}).write_parquet(file)


def _csv(file: Path, value: str) -> None:
    pl.DataFrame({"a": ["x", value]}).write_csv(file)


def _json(file: Path, value: str) -> None:
    escaped = "".join(f"\\u{ord(one):04x}" for one in value)
    file.write_text(f'{{"a": ["{escaped}"]}}', "utf-8")


def _html(file: Path, value: str) -> None:
    file.write_text("".join(f"&#{ord(one)};" for one in value), "utf-8")


def _log(file: Path, value: str) -> None:
    file.write_text(f"WARNING: row {value} cannot be read\n", "utf-8")


@pytest.mark.parametrize(
    ("suffix", "write"),
    [(".parquet", _parquet), (".csv", _csv), (".json", _json), (".html", _html), (".txt", _log), (".nbc", _log)],
)
def test_the_search_finds_planted_values(tmp_path: Path, suffix: str, write: Callable[[Path, str], None]) -> None:
    for at, value in enumerate(PLANTED.values()):
        write(tmp_path / f"{at}{suffix}", value)
    write(tmp_path / f"nobody{suffix}", "nothing of anybody")
    found = leaks(sorted(tmp_path.iterdir()), wanted([SENTINEL], [material("k")], ["9990000026"]))
    assert {line.split(" ")[0] for line in found} == {f"{at}{suffix}" for at in range(len(PLANTED))}


def test_the_search_finds_planted_values_in_a_database(tmp_path: Path) -> None:
    import duckdb

    with duckdb.connect(tmp_path / "a.duckdb") as connection:
        for at, value in enumerate(PLANTED.values()):
            connection.execute(f'CREATE TABLE "t{at}" AS SELECT ? AS "column {at}"', [value])
        connection.execute("CREATE TABLE nobody AS SELECT 'nothing of anybody' AS other")
    found = leaks([tmp_path / "a.duckdb"], wanted([SENTINEL], [material("k")], ["9990000026"]))
    views = {line.split("(")[1].split(")")[0] for line in found} - {"bytes"}
    assert views == {f"column {at}" for at in range(len(PLANTED))}


@pytest.mark.parametrize(
    "raw",
    [
        struct.pack("<q", 9990000018),
        struct.pack(">q", 9990000018),
        struct.pack("<d", 9990000018),
        hashlib.sha256(b"9990000018").digest(),
        material("k"),
        "Quenbyx".encode("utf-16-le"),
        "999 000 0018".encode("utf-16-be"),
    ],
)
def test_the_search_finds_planted_bytes(tmp_path: Path, raw: bytes) -> None:
    sought = wanted([SENTINEL], [material("k")])
    (tmp_path / "a.nbc").write_bytes(b"\x00\x01" + raw + b"\x02")
    pl.DataFrame({"a": [b"\x00" + raw]}).write_parquet(tmp_path / "b.parquet")
    assert {line.split(" ")[0] for line in leaks(sorted(tmp_path.iterdir()), sought)} == {"a.nbc", "b.parquet"}


def test_the_search_finds_numbers_and_dates_in_typed_columns(tmp_path: Path) -> None:
    pl.DataFrame({"a": [9990000018]}).write_parquet(tmp_path / "a.parquet")
    pl.DataFrame({"a": [dt.date(1931, 2, 11)]}).write_parquet(tmp_path / "b.parquet")
    pl.DataFrame({"a": [[{"b": "QUENBYX"}]]}).write_parquet(tmp_path / "c.parquet")
    pl.DataFrame({"QUENBYX": [1]}).write_parquet(tmp_path / "d.parquet")
    found = leaks(sorted(tmp_path.iterdir()), wanted([SENTINEL], []))
    assert {line.split(" ")[0] for line in found} == {"a.parquet", "b.parquet", "c.parquet", "d.parquet"}


@pytest.mark.parametrize(
    "say",
    [
        pytest.param(lambda: sys.stdout.write("seen: 999 000 0018"), id="printed"),
        pytest.param(lambda: sys.stderr.write("seen: 999 000 0018"), id="stderr"),
        pytest.param(lambda: os.write(2, b"seen: 999 000 0018\n"), id="descriptor"),
        pytest.param(lambda: logging.getLogger("some.library").debug("seen: 999 000 0018"), id="log"),
        pytest.param(lambda: Path(tempfile.mkdtemp(), "left.csv").write_text("999 000 0018"), id="temporary file"),
    ],
)
def test_everything_printed_or_logged_is_kept(tmp_path: Path, say: Callable[[], object]) -> None:
    with listening(tmp_path):
        say()
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert leaks(files, wanted([SENTINEL], [])) != []
