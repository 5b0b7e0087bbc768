"""Row hashes are HMAC of the row, and sorting in parts equals sorting the whole."""

import datetime as dt
import hashlib
import hmac
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkcore.governance.releases.rows import RANK, Buckets, can_be_hashed, keyed_row_hash
from linkcore.keys.key import Key

MATERIAL = hashlib.sha256(b"a key of the tests").digest()
KEY = Key.from_bytes("partner", MATERIAL)


def test_a_row_hash_is_hmac_of_a_hash_of_the_row() -> None:
    frame = pl.DataFrame({"a": [1, None], "b": ["x", "é"], "e": [b"\xff", b""]})
    hashes = frame.select(pl.struct(pl.all()).hash(0)).to_series()
    for of_row, got in zip(hashes, keyed_row_hash(frame, frame.columns, KEY), strict=True):
        digest = hmac.digest(MATERIAL, f"linkcore:row:{of_row}".encode(), "sha256")
        assert got == int.from_bytes(digest[:8], "little")


@pytest.mark.parametrize(
    "values",
    [
        pl.Series([None, float("nan"), float("inf"), -float("inf"), 0.0, -0.0, 1.5]),
        pl.Series([None, float("nan"), 0.0, -0.0], dtype=pl.Float32),
        pl.Series([None, [], [None], [0.0], [-0.0], [float("nan")], [1.5, 2.0]]),
        pl.Series([None, {"x": None}, {"x": 0.0}, {"x": -0.0}]),
        pl.Series(["", None, "a", "ab", "\x00"]),
        pl.Series([b"", None, b"a", b"\x00"]),
    ],
    ids=lambda values: str(values.dtype),
)
def test_values_that_are_written_differently_hash_differently(values: pl.Series) -> None:
    frame = pl.DataFrame({"x": values})
    assert keyed_row_hash(frame, ["x"], KEY).n_unique() == len(values)


def test_the_hash_depends_on_which_column_holds_a_value() -> None:
    frame = pl.DataFrame({"x": ["a", None, "ab", "", "a"], "y": [None, "a", "", "ab", "a"]})
    assert keyed_row_hash(frame, ["x", "y"], KEY).n_unique() == 5
    assert keyed_row_hash(frame, ["x", "y"], KEY).to_list() != keyed_row_hash(frame, ["y", "x"], KEY).to_list()


@given(st.lists(st.tuples(st.none() | st.text(max_size=3), st.none() | st.integers(-3, 3)), unique=True))
def test_different_rows_hash_differently_in_any_order(rows: list[tuple[str | None, int | None]]) -> None:
    frame = pl.DataFrame(rows, schema={"x": pl.String, "y": pl.Int8}, orient="row")
    hashes = keyed_row_hash(frame, ["x", "y"], KEY)
    assert hashes.n_unique() == len(rows)
    assert keyed_row_hash(frame.reverse(), ["x", "y"], KEY).reverse().equals(hashes)


EVERY_DTYPE = pl.DataFrame(
    {
        "boolean": [True, None],
        "date": [dt.date(2026, 1, 2), None],
        "datetime": [dt.datetime(2026, 1, 2, 3, 4, 5), None],
        "time": [dt.time(3, 4, 5), None],
        "duration": [dt.timedelta(seconds=1), None],
        "decimal": pl.Series(["1.50", None]).cast(pl.Decimal(10, 2)),
        "categorical": pl.Series(["a", None]).cast(pl.Categorical()),
        "enum": pl.Series(["a", None]).cast(pl.Enum(["a"])),
        "struct": [{"x": 1.5, "y": ["a"]}, None],
        "array": pl.Series([[1.0, 2.0], None], dtype=pl.Array(pl.Float64, 2)),
        "nothing": [None, None],
    }
)


@pytest.mark.parametrize("column", EVERY_DTYPE.columns)
def test_every_dtype_can_be_hashed(column: str) -> None:
    assert can_be_hashed(EVERY_DTYPE.schema[column])
    hashes = keyed_row_hash(EVERY_DTYPE, [column], KEY)
    assert hashes.null_count() == 0
    assert hashes.n_unique() == (1 if column == "nothing" else 2)


@pytest.mark.parametrize("dtype", [pl.Object(), pl.List(pl.Binary), pl.Struct({"x": pl.List(pl.Binary)})])
def test_a_dtype_that_cannot_be_hashed_is_recognised(dtype: pl.DataType) -> None:
    assert not can_be_hashed(dtype)


@given(st.lists(st.lists(st.tuples(st.integers(0, 99), st.text(max_size=3)), max_size=9), max_size=6))
def test_sorted_in_parts_equals_sorted_whole(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[tuple[int, str]]]
) -> None:
    frames = [pl.DataFrame(rows, schema={RANK: pl.UInt32, "x": pl.String}, orient="row") for rows in batches]
    rows = sum(frame.height for frame in frames)
    folder = tmp_path_factory.mktemp("buckets") / "work"
    expected = pl.concat(frames).sort(RANK, "x") if frames else None
    for bucket_bytes in (40, 1 << 30):
        with Buckets(folder, rows, 100, bucket_bytes=bucket_bytes) as buckets:
            for frame in frames:
                buckets.add(frame)
            if expected is not None:
                assert buckets.sorted(RANK, "x").collect().equals(expected)
        assert not folder.exists()


def test_bucket_files_are_private_and_removed_after_an_error(tmp_path: Path) -> None:
    rows = pl.DataFrame({RANK: pl.Series([1, 2, 3], dtype=pl.UInt32)})

    def fail(buckets: Buckets) -> None:
        with buckets:
            buckets.add(rows)
            assert oct((tmp_path / "work").stat().st_mode)[-3:] == "700"
            assert list((tmp_path / "work").iterdir())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail(Buckets(tmp_path / "work", 3, 4, bucket_bytes=1))
    assert not (tmp_path / "work").exists()
