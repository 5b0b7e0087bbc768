"""What the supersession table says of earlier names, compared with a slow and obvious walk."""

import datetime as dt

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from linkcore.linkage.stable_persons.names_before import earlier_names
from linkcore.schema import SUPERSEDED

NAMES = "abcdefg"
REASONS = ("joined", "number_found", "split")
DAYS = [dt.date(2026, month, 1) for month in (1, 2, 3)]

Row = tuple[str, str, str, dt.date]


def walked(rows: list[Row], name: str) -> list[str]:
    """The name, and all to which it leads; a split leads nowhere, because the old name is in use still."""
    later = [new for old, new, reason, _ in rows if old == name and reason != "split"]
    return [name, *(each for new in later for each in walked(rows, new))]


def said_of(rows: list[Row], name: str) -> tuple[set[str], str | None, dt.date | None]:
    """Who has the name now, why and since when."""
    way = set(walked(rows, name))
    heirs = {each for each in way if not any(old == each and reason != "split" for old, _, reason, _ in rows)}
    told = [row for row in rows if row[0] in way]
    reasons = {reason for *_, reason, _ in told} | ({"split"} if len(heirs) > 1 else set())
    return heirs, ", ".join(sorted(reasons)) or None, max((date for *_, date in told), default=None)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(NAMES), st.sampled_from(NAMES), st.sampled_from(REASONS), st.sampled_from(DAYS)
        ).filter(lambda row: row[0] < row[1]),
        max_size=8,
    ),
    st.sets(st.sampled_from(NAMES), min_size=1),
)
@settings(max_examples=60, deadline=None)
def test_earlier_names_are_those_of_a_walk_from_each_of_them(rows: list[Row], now: set[str]) -> None:
    found = earlier_names(pl.DataFrame(rows, schema=SUPERSEDED, orient="row"), pl.Series(sorted(now), dtype=pl.String))
    named = {name for row in rows for name in row[:2]}
    expected = []
    for old in sorted(named):
        heirs, why, since = said_of(rows, old)
        expected += [(old, heir, why, since, len(heirs) > 1) for heir in sorted(heirs & now & named)]
    assert found.rows() == expected
