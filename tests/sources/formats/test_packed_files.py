"""Packed CSV files are unpacked part by part: a damaged one is refused, and a bomb is found while it is read."""

import gzip
import subprocess
import sys
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from linkcore.errors import SourceError
from linkcore.sources.records import standardise
from linkcore.sources.source import Source

ROWS = pl.DataFrame({"nhs_number": ["9990000018", "9990000026"] * 3, "note": ["SECRET", None] * 3})


def packed(file: Path, content: bytes) -> Path:
    whole = gzip.compress(content) if file.suffix.lower() == ".gz" else pa.compress(content, "zstd", asbytes=True)
    file.write_bytes(whole)
    return file


@pytest.mark.parametrize("suffix", [".csv.gz", ".CSV.GZ", ".txt.gz", ".csv.zst", ".txt.zst"])
def test_a_packed_file_gives_the_rows_of_the_file(tmp_path: Path, suffix: str) -> None:
    source = Source("calls", packed(tmp_path / f"calls{suffix}", ROWS.write_csv(separator=";").encode()))
    assert source.scan(ROWS.columns).collect().equals(ROWS)
    assert source.place_of_row(5) == f"{tmp_path / f'calls{suffix}'}, row 6"


@pytest.mark.parametrize("suffix", [".csv.gz", ".csv.zst"])
def test_parts_that_were_packed_one_after_the_other_are_all_read(tmp_path: Path, suffix: str) -> None:
    content, file = ROWS.write_csv().encode(), tmp_path / f"calls{suffix}"
    halves = [packed(file, half).read_bytes() for half in (content[:40], content[40:])]
    file.write_bytes(b"".join(halves))
    assert Source("calls", file).scan(ROWS.columns).collect().equals(ROWS)


# Zstandard as pyarrow writes it has no checksum.
@pytest.mark.parametrize(
    ("suffix", "damage"),
    [
        (".csv.gz", "short"),
        (".csv.gz", "changed"),
        (".csv.gz", "not packed"),
        (".csv.zst", "short"),
        (".csv.zst", "not packed"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, suffix: str, damage: str) -> None:
    content = "nhs_number,note\n" + "".join(f"999{row:07},SECRET{row}\n" for row in range(50_000))
    whole = packed(tmp_path / f"calls{suffix}", content.encode()).read_bytes()
    middle = len(whole) // 2
    changed = whole[:middle] + bytes(255 - byte for byte in whole[middle : middle + 9]) + whole[middle + 9 :]
    damaged = {"short": whole[:-20], "changed": changed, "not packed": content.encode()}
    file = tmp_path / f"damaged{suffix}"
    file.write_bytes(damaged[damage])
    with pytest.raises(SourceError, match=f"'calls', .*damaged{suffix}: cannot be read; .* whole") as caught:
        standardise(Source("calls", file))
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".csv.gz", ".csv.zst"])
def test_reading_a_bomb_ends_at_max_bytes(tmp_path: Path, suffix: str) -> None:
    """Some kilobytes unpack to 40 MB; no more than a few blocks are ever in memory."""
    line = "9990000018,x\n"
    file = packed(tmp_path / f"bomb{suffix}", ("nhs_number,note\n" + line * (40_000_000 // len(line))).encode())
    assert file.stat().st_size < 500_000
    source = Source("calls", file, max_bytes=10_000_000)
    with pytest.raises(SourceError, match=r"more than 10,000,000 bytes, unpacked, .* raise max_bytes if it is"):
        standardise(source)
    endless = packed(tmp_path / f"endless{suffix}", b"x" * 70_000_000)
    with pytest.raises(SourceError, match="a row that never ends"):
        Source("calls", endless)


@pytest.mark.parametrize("suffix", [".csv.gz", ".csv.zst"])
def test_a_packed_file_is_read_in_little_memory(tmp_path: Path, suffix: str) -> None:
    line = "9990000018,x\n"
    file = packed(tmp_path / f"long{suffix}", ("nhs_number,note\n" + line * (50_000_000 // len(line))).encode())
    code = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from linkcore.sources.formats.csv_files import CsvFile\n"
        "file = CsvFile('calls', Path(sys.argv[1]))\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "rows = sum(batch.height for batch in file.batches(['note']))\n"
        "print(rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code, file], capture_output=True, text=True, check=True)
    rows, kibibytes = map(int, ran.stdout.split())
    assert rows == 50_000_000 // len(line)
    assert kibibytes < 45_000
