"""The encoding and the separator of a text file are found from what it holds."""

import gzip
from pathlib import Path

import pytest

from linkcore.first_hour.text_files import TextForm, sniff

ROWS = ["nhs_no{0}name{0}address", '1{0}Zoë{0}"1 High St, Ely"', '2{0}Ann{0}"2 High St, Ely; up"']


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "windows-1252"])
def test_encoding_and_separator_are_found(tmp_path: Path, separator: str, encoding: str) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes("\r\n".join(row.format(separator) for row in ROWS).encode(encoding))
    assert sniff(file) == TextForm(encoding.removesuffix("-sig"), separator)


def test_an_accent_at_the_end_of_a_large_file_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(b"a,b\n" + b"1,2\n" * 1_200_000 + b"1,\xe9\n")
    assert sniff(file).encoding == "windows-1252"


def test_a_compressed_file_is_unpacked(tmp_path: Path) -> None:
    file = tmp_path / "a.csv.gz"
    file.write_bytes(gzip.compress("a;b\n1;é\n".encode("windows-1252")))
    assert sniff(file) == TextForm("windows-1252", ";")


def test_an_empty_file_has_the_usual_form(tmp_path: Path) -> None:
    (tmp_path / "a.csv").touch()
    assert sniff(tmp_path / "a.csv") == TextForm()
