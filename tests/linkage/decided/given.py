"""Small linkages and decisions for tests, drawn by Hypothesis or written down."""

import datetime as dt
from collections.abc import Sequence

import polars as pl
from hypothesis import strategies as st

import linkcore as lc
from linkcore.schema import DECISIONS
from tests.naive_decisions import Name, Said
from tests.naive_linkage import numbers

NUMBERS = numbers(4)
WHO = ("Ann", "Bo")
DAY = dt.datetime(2026, 4, 1, tzinfo=dt.UTC)


def as_frame(said: Sequence[Said]) -> pl.DataFrame:
    rows = [
        (*each.record, *each.person, each.decision, each.who, DAY + dt.timedelta(hours=each.when), "seen the notes")
        for each in said
    ]
    return pl.DataFrame(rows, schema=DECISIONS, orient="row")


def sources(records: dict[Name, str | None], spine: str | None, **columns: Sequence[str | None]) -> list[lc.Source]:
    """One source for each that the records name; ``columns``: further identifiers, in the order of the records."""
    names = [name for name in ("gp", "seen") if any(source == name for source, _ in records)]
    frame = pl.DataFrame(
        [(source, record_id, number) for (source, record_id), number in records.items()],
        schema={"source": pl.String, "id": pl.String, "nhs_number": pl.String},
        orient="row",
    ).with_columns(pl.Series(name, values, pl.String) for name, values in columns.items())
    mapped = {name: name for name in ("nhs_number", *columns)}
    return [
        lc.Source(name, frame.filter(source=name).drop("source"), record_id="id", spine=name == spine, columns=mapped)
        for name in names
    ]


@st.composite
def records(draw: st.DrawFn) -> dict[Name, str | None]:
    """Records of a spine, whose numbers differ, and of another source."""
    listed = draw(st.lists(st.sampled_from(NUMBERS), unique=True, max_size=3))
    spine: list[str | None] = [*listed, *draw(st.lists(st.none(), max_size=1))]
    seen = draw(st.lists(st.sampled_from([None, *NUMBERS]), min_size=1, max_size=6))
    return {("gp", str(index)): number for index, number in enumerate(spine)} | {
        ("seen", str(index)): number for index, number in enumerate(seen)
    }


@st.composite
def decisions(draw: st.DrawFn, of: Sequence[Name]) -> list[Said]:
    """Decisions about these records, and about one that is not there."""
    names = st.sampled_from([*of, ("seen", "lost")])
    said = st.builds(
        Said,
        names,
        names,
        st.sampled_from(["same", "same", "not the same", "undecided"]),
        st.sampled_from(WHO),
        st.integers(0, 2),
    )
    return draw(st.lists(said.filter(lambda each: each.record != each.person), max_size=8))
