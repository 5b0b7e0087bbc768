"""Samples by hash: against the xxhash library, one value at a time, and with the rows in another order."""

import random

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from xxhash import xxh64_intdigest

from linkcore.sampling import draw, fingerprints_by_source, hashes, person_fingerprints, record_fingerprints

NUMBERS = st.lists(st.integers(0, 2**64 - 1), unique=True, max_size=40)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=80)), st.text("abc_", min_size=1))
def test_fingerprints_are_xxh64_of_source_and_record_id(ids: list[str], source: str) -> None:
    expected = [xxh64_intdigest(each.encode(), xxh64_intdigest(source.encode())) for each in ids]
    assert record_fingerprints(source, pl.Series(ids, dtype=pl.String)).to_list() == expected
    several = fingerprints_by_source(pl.Series([source] * len(ids), dtype=pl.String), pl.Series(ids, dtype=pl.String))
    assert several.to_list() == expected


@pytest.mark.parametrize("size", [*range(70), 1000])
def test_texts_of_any_length_are_hashed_as_xxhash_does(size: int) -> None:
    text = "".join(random.Random(size).choices("abcdefghij", k=size))
    expected = xxh64_intdigest(text.encode(), xxh64_intdigest(b"gp"))
    assert record_fingerprints("gp", pl.Series(["x", text, "y"]))[1] == expected


@given(NUMBERS, st.integers(0, 2**40))
def test_hashes_are_xxh64_of_the_fingerprint_under_seed_and_purpose(numbers: list[int], seed: int) -> None:
    expected = [
        xxh64_intdigest(each.to_bytes(8, "little"), xxh64_intdigest(f"{seed}/labels".encode())) for each in numbers
    ]
    assert hashes(pl.Series(numbers, dtype=pl.UInt64), seed=seed, purpose="labels").to_list() == expected


@given(NUMBERS, st.integers(0, 45), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_change_what_is_drawn(numbers: list[int], size: int, chance: random.Random) -> None:
    shuffled = chance.sample(numbers, len(numbers))
    one, other = (pl.Series(each, dtype=pl.UInt64) for each in (numbers, shuffled))
    drawn = draw(one, size, seed=1, purpose="labels")
    assert drawn.is_sorted()
    lowest = sorted(numbers, key=dict(zip(numbers, hashes(one, seed=1, purpose="labels"), strict=True)).__getitem__)
    assert set(one[drawn]) == set(lowest[:size])
    assert set(other[draw(other, size, seed=1, purpose="labels")]) == set(lowest[:size])


def test_two_purposes_and_two_seeds_draw_independently() -> None:
    names = pl.int_range(10_000, dtype=pl.UInt64, eager=True)
    drawn = [set(draw(names, 1_000, seed=seed, purpose=purpose)) for seed, purpose in [(0, "a"), (0, "b"), (1, "a")]]
    # A hundred are expected in both, give or take thirty (three standard deviations of 9.5).
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert 70 <= len(drawn[one] & drawn[other]) <= 130


def test_a_person_is_named_by_number_or_else_by_the_record_that_defines_it() -> None:
    persons = pl.DataFrame(
        {"nhs_number": [4010232137, None, None], "source": ["gp", "gp", "seen"], "record_id": ["1", "2", "2"]}
    )
    number = xxh64_intdigest((4010232137).to_bytes(8, "little"), xxh64_intdigest(b"nhs_number"))
    others = [xxh64_intdigest(b"2", xxh64_intdigest(source.encode())) for source in ("gp", "seen")]
    assert person_fingerprints(persons).to_list() == [number, *others]


def test_a_sample_is_in_order_and_of_its_size() -> None:
    drawn = draw(pl.int_range(1000, dtype=pl.UInt64, eager=True), 100, seed=0, purpose="labels")
    assert drawn.len() == drawn.n_unique() == 100
    assert drawn.is_sorted()
