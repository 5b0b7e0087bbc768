"""How fast NHS Numbers are read, and how much time the cheap first step saves.

Nearly every number arrives as ten plain digits, so linkcore tries that before it looks for separators, other digits and
floats. The benches compare it with the same expressions without that step, and with a loop over records. Read the
ratios: each is the median of pairs measured one after the other, so a busy machine slows both. They are printed
(``pytest benches -s``) and stored in the benchmark's ``extra_info``.
"""

import statistics
import time
from collections.abc import Callable

import polars as pl
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from linkcore.identifiers import nhs_number
from linkcore.identifiers.text import on_present
from tests import naive

PAIRS = 5
LOOPED = 20_000  # records for the loop, whose time for a record does not depend on their number
NUMBER = pl.col("number")


@pytest.fixture(scope="module")
def plain(request: pytest.FixtureRequest) -> pl.DataFrame:
    """Return numbers in England's ranges, one in eleven valid; only a few if nothing is timed."""
    records = LOOPED if request.config.getoption("benchmark_disable") else 5_000_000
    return pl.select(number=(pl.int_range(records) * 191 + 4_000_000_000).cast(pl.String))


def as_sent(plain: pl.DataFrame, form: str) -> pl.DataFrame:
    spaced = pl.format("{} {} {}", NUMBER.str.head(3), NUMBER.str.slice(3, 3), NUMBER.str.tail(4))
    row = pl.int_range(pl.len())
    mixed = pl.when(row % 100 == 0).then(pl.lit("not known")).when(row % 25 == 0).then(spaced).otherwise(NUMBER)
    forms = {"plain": NUMBER, "spaced": spaced, "mixed": mixed, "integers": NUMBER.cast(pl.Int64)}
    return plain.select(forms[form].alias("number"))


def read(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.lazy().select(nhs_number.standardise(NUMBER)).collect(engine="streaming")


def without_the_first_step(frame: pl.DataFrame) -> pl.DataFrame:
    found, text = pl.field("found"), NUMBER.cast(pl.String)
    numbers = (
        pl.struct(text=text, found=on_present(text, nhs_number._find_digits_in_rare_form, pl.String))
        .struct.with_fields(number=found.cast(pl.Int64, strict=False))
        .struct.with_fields(
            ten_digits=found.str.len_bytes() == 10,
            nine_digits=found.str.len_bytes() == 9,
            missing=pl.field("text").is_null() | (found == ""),
        )
    )
    judged = nhs_number._with_status(numbers, birth_date=None).alias("number")
    return frame.lazy().select(judged).collect(engine="streaming")


def loop_over_records(frame: pl.DataFrame) -> pl.DataFrame:
    fields = [naive.nhs_number(str(number)) for number in frame["number"].head(LOOPED)]
    return pl.DataFrame(fields, schema=["value", "status"], orient="row")


def seconds_a_record(way: Callable[[pl.DataFrame], pl.DataFrame], frame: pl.DataFrame) -> float:
    start = time.perf_counter()
    records = way(frame).height
    return (time.perf_counter() - start) / records


@pytest.mark.parametrize("peer", [without_the_first_step, loop_over_records])
@pytest.mark.parametrize("form", ["plain", "spaced", "mixed", "integers"])
def test_read(
    benchmark: BenchmarkFixture, plain: pl.DataFrame, form: str, peer: Callable[[pl.DataFrame], pl.DataFrame]
) -> None:
    frame = as_sent(plain, form)
    ours, theirs = read(frame).unnest("number"), peer(frame)
    theirs = theirs.unnest("number") if theirs.width == 1 else theirs
    assert ours.head(theirs.height).rows() == theirs.rows()
    pairs = [(seconds_a_record(peer, frame), seconds_a_record(read, frame)) for _ in range(PAIRS)]
    faster = statistics.median(theirs / ours for theirs, ours in pairs)
    millions = 1e-6 / min(ours for _, ours in pairs)
    benchmark.extra_info.update({f"times as fast as {peer.__name__}": faster, "millions a second": millions})
    print(f"{form}: {millions:.1f} million a second, {faster:.1f} times as fast as {peer.__name__}")  # noqa: T201
    benchmark.pedantic(read, (frame,), rounds=PAIRS)  # type: ignore[no-untyped-call]
