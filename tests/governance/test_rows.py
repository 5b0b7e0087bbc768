"""Rows: a hash that is HMAC of the row, and a sort in parts that equals the sort of the whole."""

import hmac
import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkcore.governance.rows import Buckets, keyed_row_hash
from linkcore.pseudonyms.keys import Key

MATERIAL = bytes(range(32))
KEY = Key.from_bytes("partner", MATERIAL)


def test_a_row_hash_is_hmac_of_the_row_as_json() -> None:
    frame = pl.DataFrame({"a": [1, None], "b": ["x", "é"], "c": [[1.5], []]})
    for row, got in zip(
        frame.rows(named=True), frame.select(keyed_row_hash(["a", "b", "c"], KEY)).to_series(), strict=True
    ):
        text = "linkcore:row:" + json.dumps(row, separators=(",", ":"), ensure_ascii=False)
        assert got == hmac.digest(MATERIAL, text.encode(), "sha256")[:16]


def test_without_columns_every_row_has_the_same_hash() -> None:
    frame = pl.DataFrame({"rank": [2, 1, 3]}).with_columns(keyed_row_hash([], KEY).alias("row_hash"))
    assert frame["row_hash"].n_unique() == 1


@given(st.lists(st.lists(st.tuples(st.integers(0, 99), st.text(max_size=3)), max_size=9), max_size=6))
def test_sorted_in_parts_equals_sorted_whole(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[tuple[int, str]]]
) -> None:
    frames = [pl.DataFrame(rows, schema={"rank": pl.UInt32, "x": pl.String}, orient="row") for rows in batches]
    rows = sum(frame.height for frame in frames)
    folder = tmp_path_factory.mktemp("buckets") / "work"
    expected = pl.concat(frames).sort("rank", "x") if frames else None
    for bucket_bytes in (40, 1 << 30):
        with Buckets(folder, rows, 100, bucket_bytes=bucket_bytes) as buckets:
            for frame in frames:
                buckets.add(frame)
            if expected is not None:
                assert buckets.sorted("rank", "x").collect().equals(expected)
        assert not folder.exists()


def test_the_spill_is_private_and_gone_after_an_error(tmp_path: Path) -> None:
    rows = pl.DataFrame({"rank": pl.Series([1, 2, 3], dtype=pl.UInt32)})

    def fail(buckets: Buckets) -> None:
        with buckets:
            buckets.add(rows)
            assert oct((tmp_path / "work").stat().st_mode)[-3:] == "700"
            assert list((tmp_path / "work").iterdir())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail(Buckets(tmp_path / "work", 3, 4, bucket_bytes=1))
    assert not (tmp_path / "work").exists()
