"""A source holds at most so many rows and bytes: a small file cannot fill the memory."""

from pathlib import Path

import polars as pl
import pytest
from pyarrow import parquet

from linkcore.errors import ProgrammeError, SourceError
from linkcore.programme.programme import Programme
from linkcore.sources.records import standardise
from linkcore.sources.source import MAX_ROWS, Source

ROWS = 30_000_000
MADE = pl.DataFrame({"nhs_number": ["9990000018", "9990000026", "9990000034"]})


@pytest.fixture(scope="module")
def bomb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Parquet file of some kilobytes with 30 million rows."""
    file = tmp_path_factory.mktemp("bomb") / "bomb.parquet"
    rows = pl.LazyFrame().select(pl.repeat("9990000018", ROWS).alias("nhs_number"))
    rows.sink_parquet(file, compression_level=9, row_group_size=ROWS // 10)
    assert file.stat().st_size < 200_000
    return file


def test_a_parquet_bomb_is_refused_before_it_is_read(bomb: Path) -> None:
    assert ROWS > MAX_ROWS
    says = r"source 'gp': its data hold 30,000,000 rows, and max_rows is 20,000,000; .* raise max_rows if they are"
    with pytest.raises(SourceError, match=says):
        Source("gp", bomb)
    Source("gp", bomb, max_rows=ROWS)


def test_the_limit_is_stated_in_the_programme(bomb: Path, tmp_path: Path) -> None:
    file = tmp_path / "programme.toml"
    stated = f'[programme]\nname = "Example"\n[[source]]\nname = "gp"\ndata = "{bomb}"\n'
    file.write_text(stated)
    with pytest.raises(SourceError, match="max_rows"):
        Programme.load(file).check()
    file.write_text(f"{stated}max_rows = {ROWS}\nmax_bytes = 1_000_000_000\n")
    (source,) = Programme.load(file).check()
    assert (source.max_rows, source.max_bytes) == (ROWS, 1_000_000_000)


def test_a_few_rows_that_unpack_to_many_bytes_are_refused_before_they_are_read(tmp_path: Path) -> None:
    file = tmp_path / "gp.parquet"
    long = pl.DataFrame({"nhs_number": ["9990000018"] * 9, "note": [f"{row}" * 1_000_000 for row in range(9)]})
    long.write_parquet(file)
    assert file.stat().st_size < 100_000
    with pytest.raises(SourceError, match=r"hold 9,\d{3},\d{3} bytes, and max_bytes is 8,000,000"):
        Source("gp", file, max_bytes=8_000_000)


def test_a_parquet_file_that_understates_its_rows_is_refused(tmp_path: Path) -> None:
    """Polars reads the rows that the row groups state, whatever the file as a whole states."""
    file, rows = tmp_path / "gp.parquet", 3_000_000
    pl.DataFrame({"nhs_number": ["9990000018"] * rows}).write_parquet(file, row_group_size=rows)
    whole, true = file.read_bytes(), varint(rows)
    footer = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    stated = whole.index(true, footer)  # the first is of the whole file
    file.write_bytes(whole[:stated] + varint(1000, len(true)) + whole[stated + len(true) :])
    assert parquet.read_metadata(file).num_rows == 1000
    assert pl.scan_parquet(file).collect().height == rows
    with pytest.raises(SourceError, match="hold 3,000,000 rows"):
        Source("gp", file, max_rows=rows - 1)


def varint(number: int, length: int = 0) -> bytes:
    """A number as the end of a Parquet file holds it (Thrift compact), filled up to a length."""
    parts: list[int] = []
    rest = 2 * number
    while rest or len(parts) < length:
        parts.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([*parts[:-1], parts[-1] & 0x7F])


@pytest.mark.parametrize("kind", ["parquet", "ipc", "csv", "frame", "lazy frame", "arrow"])
def test_every_kind_of_data_has_its_limit(tmp_path: Path, kind: str) -> None:
    files = [tmp_path / f"{part}.{kind}" for part in "ab"]
    for file in files:
        match kind:
            case "parquet":
                MADE.write_parquet(file)
            case "ipc":
                MADE.write_ipc(file, compression="zstd")
            case "csv":
                MADE.write_csv(file)
    twice = pl.concat([MADE, MADE])
    data = {"frame": twice, "lazy frame": twice.lazy(), "arrow": twice.to_arrow()}.get(kind, tmp_path / f"*.{kind}")
    assert standardise(Source("gp", data, max_rows=6)).frame.height == 6
    with pytest.raises(SourceError, match="max_rows is 5"):
        standardise(Source("gp", data, max_rows=5))


def test_reading_a_csv_file_ends_at_its_limit(tmp_path: Path) -> None:
    file = tmp_path / "gp.csv"
    with file.open("w") as out:
        out.write("nhs_number\n")
        for _ in range(400):
            out.write("9990000018\n" * 10_000)
    source = Source("gp", file, max_rows=1_000_000)
    batches = source._parts[0].batches(["nhs_number"])  # type: ignore[attr-defined]
    read: list[int] = []
    with pytest.raises(SourceError, match=r"gp\.csv: more than 1,000,000 rows, which is the max_rows of its source"):
        read.extend(batch.height for batch in batches)
    assert 0 < sum(read) <= 1_000_000
    with pytest.raises(SourceError, match="max_rows"), source.reading():
        source.scan(["nhs_number"]).select(pl.len()).collect()
    with pytest.raises(SourceError, match="44,000,011 bytes, and max_bytes is 1,000,000"):
        Source("gp", file, max_bytes=1_000_000)


@pytest.mark.parametrize("limit", ["max_rows", "max_bytes"])
@pytest.mark.parametrize("value", [0, -1, 1.5, True, "many"])
def test_a_limit_is_a_whole_number(limit: str, value: object) -> None:
    with pytest.raises(ProgrammeError, match=f"{limit} must be a whole number above 0"):
        Source("gp", MADE, **{limit: value})  # type: ignore[arg-type]
