"""CSV files: faults that a lenient reader overlooks are reported with their row."""

import csv
import io
import time
from pathlib import Path
from unittest import mock

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkcore.errors import SourceError
from linkcore.sources.formats import csv_files
from linkcore.sources.formats.csv_files import CsvFile, looks_like_record


def csv_file(folder: Path, content: bytes, **settings: str) -> CsvFile:
    path = folder / "a.csv"
    path.write_bytes(content)
    return CsvFile("east", path, **settings)


def read(file: CsvFile, *columns: str) -> pl.DataFrame:
    return pl.concat(file.batches(columns))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"A,B,C\n1,2,3\n4,5,6,SECRET\n", "row 2: not as many values"),
        (b"A,B,C\n1,2,3\nSECRET,5\n", "row 2: not as many values"),
        (b'A,B\n1,2\n3,"SECRET\n5,6\n', "line 3: a quotation mark that never closes"),
        (b"A,B\n1,SECRET\xe9\n", "line 2: not utf-8 text"),
        (b'A,B\n1,"' + b"SECRET" * 30_000 + b'"\xe9\n', "line 2: not utf-8 text"),
        (b"A,B,A\n1,2,3\n", "repeats names, in columns 1, 3"),
        (b"SECRET,SECRET\n1,2\n", "repeats names, in columns 1, 2"),
        (b"SECRET,SECRET,3 Feb 1980\n", "the first line looks like a record"),
        (b'"SECRET,B\n1,2\n', "line 1: a quotation mark that never closes"),
        (b"SECRET" * 30_000, "cannot be read"),
    ],
)
def test_a_bad_row_is_reported_by_number_and_never_quoted(tmp_path: Path, content: bytes, says: str) -> None:
    file = csv_file(tmp_path, content)
    with pytest.raises(SourceError, match=says) as caught:
        read(file, "A", "B")
    assert "'east'" in str(caught.value)
    assert str(file.path) in str(caught.value)
    assert "SECRET" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_bytes_that_windows_1252_does_not_know_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="not windows-1252 text"):
        read(csv_file(tmp_path, b"A,B\n1,\x81\n", encoding="windows-1252"), "B")


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "the file is empty"), (b"\xff\xfe", "line 1: not utf-8")],
)
def test_an_empty_or_unreadable_header_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    with pytest.raises(SourceError, match=says):
        csv_file(tmp_path, content).header()


def test_a_header_of_too_many_columns_is_refused_at_once(tmp_path: Path) -> None:
    file = tmp_path / "wide.csv"
    file.write_text(",".join(f"c{number}" for number in range(30_000)) + "\n")
    begun = time.process_time()
    with pytest.raises(SourceError, match=r"30,000 columns.*at most 10,000"):
        CsvFile("gp", file).header()
    assert time.process_time() - begun < 5
    file.write_text(",".join(f"c{number}" for number in range(10_000)) + "\n")
    assert len(CsvFile("gp", file).header()) == 10_000


def test_a_file_with_only_a_header_is_an_empty_table(tmp_path: Path) -> None:
    file = csv_file(tmp_path, b"\xef\xbb\xbfA,B\r\n")
    assert file.header() == ("A", "B")
    assert file.scan().collect().equals(pl.DataFrame(schema={"A": pl.String, "B": pl.String}))


def test_the_lazy_scan_counts_filters_and_limits(tmp_path: Path) -> None:
    file = csv_file(tmp_path, b"A;B\n1;x\n2;y\n3;x\n", separator=";")
    scan = file.scan()
    assert scan.select(pl.len()).collect().item() == 3
    assert scan.filter(pl.col("B") == "x").collect()["A"].to_list() == ["1", "3"]
    assert scan.head(2).collect()["A"].to_list() == ["1", "2"]


# No lone surrogates, which are no text; no carriage returns and NUL, which Python's csv module changes or refuses.
_values = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), max_size=8)


@given(
    st.lists(st.tuples(_values, _values.filter(bool)), min_size=1, max_size=20),
    st.sampled_from([8, 50, csv_files._BLOCK_BYTES]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_files_of_pythons_csv_module_are_read_back_for_any_block_size(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], block_bytes: int, encoding: str
) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([("A", "B"), *rows])
    stated = "utf-8" if encoding == "utf-8-sig" else encoding
    file = csv_file(tmp_path_factory.mktemp("csv"), text.getvalue().encode(encoding), encoding=stated)
    with mock.patch.object(csv_files, "_BLOCK_BYTES", block_bytes):
        assert read(file, "A", "B").rows() == [(a or None, b) for a, b in rows]


@pytest.mark.parametrize("bad", range(1, 40, 7))
def test_rows_and_lines_are_counted_across_blocks(tmp_path: Path, bad: int) -> None:
    rows = [b'%d,"two\nlines"' % i for i in range(1, 41)]
    with mock.patch.object(csv_files, "_BLOCK_BYTES", 30):
        surplus = [*rows[: bad - 1], b"x,y,z", *rows[bad:]]
        with pytest.raises(SourceError, match=f"row {bad}: not as many"):
            read(csv_file(tmp_path, b"\n".join([b"A,B", *surplus])), "A")
        opened = rows[: bad - 1] + [b'x,"y'] + [b"1,2"] * 9
        with pytest.raises(SourceError, match=f"line {2 * bad}: a quotation mark"):
            read(csv_file(tmp_path, b"\n".join([b"A,B", *opened])), "A")


def test_a_row_that_never_ends_does_not_fill_the_memory(tmp_path: Path) -> None:
    endless = b'A,B\n1,"' + b"x\n" * 100_000
    with mock.patch.multiple(csv_files, _BLOCK_BYTES=100, _LONGEST_ROW_BYTES=1000):
        file = csv_file(tmp_path, endless)
        with pytest.raises(SourceError, match="line 2: a quotation mark"):
            read(file, "A")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "shift_jis", "windows-1252"])
@pytest.mark.parametrize("block_bytes", [7, 64, 1 << 20])
def test_a_byte_that_is_wrong_in_the_encoding_is_reported_by_line(
    tmp_path: Path, encoding: str, block_bytes: int
) -> None:
    # A lone low surrogate, a byte that ends no pair, a byte that windows-1252 does not have.
    wrong = {"utf-16": b"\x00\xdc", "utf-16-be": b"\xdc\x00", "shift_jis": b"\xff", "windows-1252": b"\x81"}.get(
        encoding, b"\xe9"
    )
    content = (
        "A,B\n1,2\n1,2\n1,".encode(encoding) + wrong + "\n3,4\n".encode("utf-16-be" if "16" in encoding else "utf-8")
    )
    stated = encoding.removesuffix("-sig")
    with mock.patch.object(csv_files, "_BLOCK_BYTES", block_bytes), pytest.raises(SourceError, match="line 4: not"):
        read(csv_file(tmp_path, content, encoding=stated), "A")


def test_a_missing_file_is_refused_without_pythons_message(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="check that it is still there") as caught:
        CsvFile("east", tmp_path / "none.csv").header()
    assert caught.value.__context__ is None


@given(st.binary().map(lambda text: bytes(b'"\nx'[byte % 3] for byte in text)), st.booleans())
def test_rows_end_where_a_forward_search_finds_their_ends(text: bytes, inside: bool) -> None:
    last, open_ = 0, inside
    for position, byte in enumerate(text):
        open_ ^= byte == ord('"')
        if byte == ord("\n") and not open_:
            last = position + 1
    assert csv_files._end_of_rows(text, inside) == last


@pytest.mark.parametrize("row", [b"1,2\n", b'"1","2"\n'])
def test_the_time_for_a_stray_quotation_mark_is_linear_in_the_rows(tmp_path: Path, row: bytes) -> None:
    def seconds(rows: int) -> float:
        file = csv_file(tmp_path, b'A,B\n1,"2\n' + row * rows)
        begun = time.perf_counter()
        with pytest.raises(SourceError, match="quotation mark that never closes"):
            read(file, "A")
        return time.perf_counter() - begun

    with mock.patch.object(csv_files, "_BLOCK_BYTES", 1 << 14):
        few = min(seconds(5_000) for _ in range(3))
        many = min(seconds(80_000) for _ in range(3))
    # There are 16 times the rows; quadratic time would be 256 times as long.
    assert many < 64 * few


def test_a_file_without_line_ends_does_not_fill_the_memory(tmp_path: Path) -> None:
    file = csv_file(tmp_path, b"A,B\r" + b"1,2\r" * 1000)
    short = mock.patch.multiple(csv_files, _BLOCK_BYTES=100, _LONGEST_ROW_BYTES=1000)
    with short, pytest.raises(SourceError, match="line 1: a row that never ends"):
        read(file, "A")


@pytest.mark.parametrize(
    ("names", "record"),
    [
        (["NHS_NO", "SURNAME", "DOB", "Address line 1", "ICD10"], False),
        (["AREA", "2019", "2020", "Jan 2021"], False),
        (["NHS_NO", ""], True),
        (["9990000018", "Smith"], True),
        (["999 000 0018", "Smith"], True),
        (["Smith", "1980-02-03"], True),
        (["Smith", "3 Feb 80"], True),
        (["Smith", "EX1 2AB"], True),
    ],
)
def test_a_record_is_distinguished_from_a_header(names: list[str], record: bool) -> None:
    assert looks_like_record(names) is record


def test_an_empty_line_is_a_record_only_in_a_file_with_one_column(tmp_path: Path) -> None:
    assert read(csv_file(tmp_path, b"A\n1\n\n2\n"), "A")["A"].to_list() == ["1", None, "2"]
    assert read(csv_file(tmp_path, b"A,B\n1,x\n\n2,y\n"), "A")["A"].to_list() == ["1", "2"]
