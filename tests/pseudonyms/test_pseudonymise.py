"""`pseudonymise` gives the results of `hmac` everywhere in Polars, and never shows the key."""

import hashlib
import io
import pickle
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkcore.errors import ProgrammeError, SourceError
from linkcore.keys.key import Key
from linkcore.pseudonyms import columns
from linkcore.pseudonyms.pseudonymise import pseudonymise
from tests.pseudonyms import traces
from tests.pseudonyms.reference import pseudonym

MATERIAL = hashlib.sha384(b"material that nobody shall see").digest()[:36]
OTHER = hashlib.sha384(b"another key of the tests").digest()[:40]
KEY, SECOND = Key.from_bytes("first", MATERIAL), Key.from_bytes("second", OTHER)

VALUES = [
    "9434765919",
    None,
    "",
    "é" * 6,
    "é" * 7,
    "linkcore:person:" + "0123456789abcdef" * 2,
    "x" * 300,
    "9434765919",
]
FRAME = pl.DataFrame({"group": [1, 1, 2, 2, 3, 3, 3, 1], "nhs_number": VALUES})


def expected(values: list[str | None], *keys: bytes, bits: int = 128) -> list[str | None]:
    return [None if value is None else pseudonym(value, *keys, bits=bits) for value in values]


# --- Pseudonyms ------------------------------------------------------------------------------------------------------


def test_a_series_a_name_and_an_expression_give_the_same_pseudonyms() -> None:
    answer = expected(VALUES, MATERIAL)
    series = pseudonymise(FRAME["nhs_number"], KEY)
    assert series.name == "nhs_number"
    assert series.dtype == pl.String
    assert series.to_list() == answer
    assert FRAME.select(pseudonymise("nhs_number", KEY)).to_series().to_list() == answer
    assert FRAME.select(pseudonymise(pl.col("nhs_number"), KEY).alias("p"))["p"].to_list() == answer


def test_two_and_three_stages_hash_the_hex_digits_of_the_stage_before() -> None:
    series = FRAME["nhs_number"]
    once = pseudonymise(series, KEY)
    assert pseudonymise(series, KEY, SECOND).to_list() == expected(VALUES, MATERIAL, OTHER)
    assert pseudonymise(series, KEY, SECOND).equals(pseudonymise(once, SECOND))
    assert pseudonymise(series, KEY, SECOND, KEY).to_list() == expected(VALUES, MATERIAL, OTHER, MATERIAL)


@pytest.mark.parametrize("length", range(64, 257, 8))
def test_length_and_output_change_only_the_last_stage(length: int) -> None:
    answer = expected(VALUES, MATERIAL, OTHER, bits=length)
    spelled = pseudonymise(FRAME["nhs_number"], KEY, SECOND, length=length)
    raw = pseudonymise(FRAME["nhs_number"], KEY, SECOND, length=length, output="binary")
    assert spelled.to_list() == answer
    assert raw.dtype == pl.Binary
    assert raw.bin.encode("hex").to_list() == answer


@settings(deadline=None)
@given(st.lists(st.lists(st.none() | st.text(max_size=40), max_size=20), min_size=1, max_size=5), st.data())
def test_chunks_and_slices_make_no_difference(chunks: list[list[str | None]], data: st.DataObject) -> None:
    series = pl.concat([pl.Series("a", chunk, pl.String) for chunk in chunks], rechunk=False)
    start = data.draw(st.integers(0, len(series)))
    series = series.slice(start, data.draw(st.integers(0, len(series) - start)))
    assert pseudonymise(series, KEY).to_list() == expected(series.to_list(), MATERIAL)
    assert series.to_frame().lazy().select(pseudonymise("a", KEY)).collect().to_series().to_list() == expected(
        series.to_list(), MATERIAL
    )


def test_a_column_longer_than_one_array_is_hashed_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "MOST_ROWS", 3)
    assert pseudonymise(FRAME["nhs_number"], KEY).to_list() == expected(VALUES, MATERIAL)


@pytest.mark.parametrize(
    "dtype", [pl.Int8, pl.Int32, pl.Int64, pl.Int128, pl.UInt8, pl.UInt16, pl.UInt64], ids=lambda dtype: dtype.__name__
)
def test_whole_numbers_are_hashed_as_ten_digits(dtype: Any) -> None:
    most = min(9_999_999_999, int(pl.select(dtype.max()).item()))
    numbers = pl.Series("n", [0, 7, None, most], dtype=dtype)
    assert pseudonymise(numbers, KEY).to_list() == expected(["0000000000", "0000000007", None, f"{most:010}"], MATERIAL)


@pytest.mark.parametrize("dtype", [pl.Categorical(), pl.Enum(sorted({value for value in VALUES if value is not None}))])
def test_categories_are_hashed_as_their_text(dtype: Any) -> None:
    assert pseudonymise(FRAME["nhs_number"].cast(dtype), KEY).to_list() == expected(VALUES, MATERIAL)


def test_empty_and_null_columns_stay_empty_and_null() -> None:
    assert pseudonymise(pl.Series([None, None]), KEY).to_list() == [None, None]
    for dtype in (pl.String, pl.Int64, pl.Null):
        empty = pseudonymise(pl.Series("a", [], dtype), KEY)
        assert empty.equals(pl.Series("a", [], pl.String), check_dtypes=True, check_names=True)


# --- Inside Polars ---------------------------------------------------------------------------------------------------


def test_lazy_frames_and_sinks_give_the_same_pseudonyms(tmp_path: Path) -> None:
    lazy = FRAME.lazy().with_columns(pseudonymise("nhs_number", KEY, SECOND))
    answer = expected(VALUES, MATERIAL, OTHER)
    assert lazy.collect_schema()["nhs_number"] == pl.String
    assert lazy.collect(engine="in-memory")["nhs_number"].to_list() == answer
    assert lazy.collect(engine="streaming")["nhs_number"].to_list() == answer
    lazy.sink_parquet(tmp_path / "out.parquet")
    assert pl.read_parquet(tmp_path / "out.parquet")["nhs_number"].to_list() == answer
    lazy.sink_ipc(tmp_path / "out.arrow")
    assert pl.read_ipc(tmp_path / "out.arrow")["nhs_number"].to_list() == answer


def test_the_streaming_engine_gives_the_same_pseudonyms() -> None:
    numbers = pl.Series("n", range(9_000_000_000, 9_000_500_000))
    streamed = numbers.to_frame().lazy().select(pseudonymise("n", KEY)).collect(engine="streaming").to_series()
    assert streamed.to_list() == expected([str(number) for number in numbers], MATERIAL)


def test_groups_windows_filters_and_joins_give_the_same_pseudonyms() -> None:
    by_value = dict(zip(VALUES, expected(VALUES, MATERIAL), strict=True))
    grouped = FRAME.group_by("group", maintain_order=True).agg(
        pseudonymise("nhs_number", KEY).alias("all"),
        pseudonymise(pl.col("nhs_number").first(), KEY).alias("first"),
        pl.col("nhs_number").alias("given"),
    )
    for row in grouped.iter_rows(named=True):
        assert row["all"] == [by_value[value] for value in row["given"]]
        assert row["first"] == by_value[row["given"][0]]
    over = FRAME.select(pseudonymise("nhs_number", KEY).over("group")).to_series()
    assert over.to_list() == [by_value[value] for value in VALUES]
    kept = FRAME.lazy().filter(pseudonymise("nhs_number", KEY) == by_value["9434765919"]).collect()
    assert kept["nhs_number"].to_list() == ["9434765919"] * 2


def test_a_literal_is_hashed_for_every_row() -> None:
    spread = FRAME.select("group", pseudonymise(pl.lit("9434765919"), KEY).alias("p"))
    assert spread["p"].to_list() == [pseudonym("9434765919", MATERIAL)] * len(VALUES)


def test_many_threads_at_once_give_the_same_pseudonyms() -> None:
    series = pl.Series([str(number) for number in range(9_000_000_000, 9_000_020_000)])
    answers = {key.id: expected(series.to_list(), material) for key, material in ((KEY, MATERIAL), (SECOND, OTHER))}

    def task(number: int) -> bool:
        key = (KEY, SECOND)[number % 2]
        part = slice(number * 100, number * 100 + 10_000)
        return pseudonymise(series[part], key).to_list() == answers[key.id][part]

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(task, range(64)))


# --- Refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "series",
    [
        pl.Series("n", [1.0]),
        pl.Series("n", [True]),
        pl.Series("n", [b"9434765919"]),
        pl.Series("n", [["9434765919"]]),
        pl.Series("n", ["2020-01-01"]).str.to_date(),
    ],
    ids=lambda series: str(series.dtype),
)
def test_other_dtypes_are_refused(series: pl.Series) -> None:
    with pytest.raises(ProgrammeError, match="column 'n' is"):
        pseudonymise(series, KEY)
    for engine in ("in-memory", "streaming"):
        with pytest.raises(ProgrammeError, match="column 'n' is"):
            series.to_frame().lazy().select(pseudonymise("n", KEY)).collect(engine=engine)


@pytest.mark.parametrize("number", [-1, 10_000_000_000, 2**62])
def test_numbers_that_are_not_ten_digits_are_refused_and_not_shown(number: int) -> None:
    with pytest.raises(SourceError, match="column 'n' has 1 numbers") as caught:
        pseudonymise(pl.Series("n", [9434765919, number, None]), KEY)
    assert str(number) not in str(caught.value)


@pytest.mark.parametrize("length", [0, 56, 63, 65, 127, 264, -128, 128.0, "128", None])
def test_other_lengths_are_refused(length: Any) -> None:
    with pytest.raises(ProgrammeError, match="multiple of 8"):
        pseudonymise("n", KEY, length=length)


def test_other_outputs_are_refused() -> None:
    with pytest.raises(ProgrammeError, match="binary"):
        pseudonymise("n", KEY, output="base64")  # type: ignore[call-overload]


def test_anything_but_a_key_is_refused_and_not_shown() -> None:
    with pytest.raises(ProgrammeError, match="one key or more"):
        pseudonymise("n")
    with pytest.raises(ProgrammeError) as caught:
        pseudonymise("n", MATERIAL)  # type: ignore[call-overload]
    assert not shows(str(caught.value))


# --- Secrecy of keys -------------------------------------------------------------------------------------------------


def shows(content: str | bytes) -> bool:
    return traces.shows(content, MATERIAL)


EXPRESSION = pseudonymise("nhs_number", KEY, SECOND)
LAZY = FRAME.lazy().with_columns(EXPRESSION)
PLANS: list[Callable[[], object]] = [
    LAZY.serialize,
    EXPRESSION.meta.serialize,
    lambda: EXPRESSION.meta.serialize(format="json"),
    lambda: pickle.dumps(EXPRESSION),
    lambda: pickle.dumps(LAZY),
]


@pytest.mark.parametrize("plan", PLANS)
def test_a_plan_with_a_key_cannot_be_serialised(plan: Callable[[], object]) -> None:
    with pytest.raises(Exception, match="a key does not leave its process") as caught:
        plan()
    report = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert not shows("".join(report.format()))


def test_a_plan_without_a_key_can_be_serialised() -> None:
    """This shows that the plan above is refused because of the key, and not because of the function."""
    plain = FRAME.lazy().with_columns(pl.col("nhs_number").map_batches(len, pl.String()))
    assert plain.serialize()


def test_no_plan_shows_the_key() -> None:
    shown = [
        LAZY.explain(),
        LAZY.explain(optimized=False),
        LAZY.explain(engine="streaming"),
        repr(LAZY),
        str(EXPRESSION),
    ]
    shown += [
        repr(EXPRESSION),
        EXPRESSION.meta.tree_format(return_as_string=True, schema=FRAME.schema),
        LAZY.show_graph(raw_output=True),
    ]
    assert not any(map(shows, shown))


def test_no_output_holds_the_key(tmp_path: Path) -> None:
    frame = LAZY.collect()
    for write in (frame.write_parquet, frame.write_ipc, frame.write_csv):
        write(tmp_path / "out")
        assert not shows((tmp_path / "out").read_bytes())
    held = io.BytesIO()
    pickle.dump(frame, held)
    assert not shows(held.getvalue())


def test_no_traceback_shows_the_key() -> None:
    wrong = pl.DataFrame({"nhs_number": [1.5]})
    failures: list[Callable[[], object]] = [
        lambda: pseudonymise(wrong["nhs_number"], KEY),
        lambda: wrong.select(EXPRESSION),
        lambda: wrong.lazy().select(EXPRESSION).collect(engine="streaming"),
        lambda: FRAME.select(pseudonymise("missing", KEY)),
        lambda: pseudonymise("nhs_number", KEY, length=7),
    ]
    for fail in failures:
        with pytest.raises(Exception) as caught:  # noqa: PT011 -- ours or Polars'
            fail()
        report = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
        assert not shows("".join(report.format()))
