"""k-anonymity equals what a person would count."""

from collections import Counter, defaultdict

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from linkcore.governance.releases.anonymity import Anonymity, QuasiIdentifiers
from linkcore.governance.releases.rows import RANK

ROWS = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from([40, 41, None]), st.sampled_from(["EX", "TQ"])), max_size=12
)
BATCHES = st.lists(st.tuples(st.sampled_from(["gp", "hospital"]), ROWS), max_size=4)


@given(BATCHES)
def test_the_figure_is_the_smallest_group_of_persons_with_the_same_values(
    batches: list[tuple[str, list[tuple[int, int | None, str]]]],
) -> None:
    known = QuasiIdentifiers()
    values: dict[int, set[object]] = defaultdict(set)
    for source, rows in batches:
        schema = {RANK: pl.UInt32, "age": pl.Int32, "area": pl.String}
        known.add(source, pl.DataFrame(rows, schema=schema, orient="row"), ["age", "area"])
        for person, age, area in rows:
            values[person] |= {("age", age), ("area", area)}
    sizes = Counter(frozenset(each) for each in values.values()).values()
    alone = sum(size == 1 for size in sizes)
    assert known.anonymity() == Anonymity(min(sizes, default=None), len(values), len(sizes), alone)


def test_a_source_is_counted_by_itself_too() -> None:
    known = QuasiIdentifiers()
    known.add("gp", pl.DataFrame({RANK: [0, 1], "age": [40, 40]}), ["age"])
    known.add("hospital", pl.DataFrame({RANK: [1], "ward": ["A"]}), ["ward"])
    assert known.anonymity("gp").k == 2
    assert known.anonymity("hospital").k == 1
    assert known.anonymity().k == 1
    assert known.anonymity("none").k is None


def test_a_category_is_compared_by_name_across_batches() -> None:
    known = QuasiIdentifiers()
    for categories in (["a", "b"], ["b", "a"]):
        rows = pl.DataFrame({RANK: [0, 1] if categories[0] == "a" else [2, 3]})
        known.add("gp", rows.with_columns(pl.Series("x", categories, pl.Enum(categories))), ["x"])
    assert known.anonymity() == Anonymity(2, 4, 2, 0)
