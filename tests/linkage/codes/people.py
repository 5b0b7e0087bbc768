"""Random people who agree on much: few values of each identifier, many that are alike, and many that are missing."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import duckdb
import numpy as np
import polars as pl

from linkcore.linkage.comparisons.comparable import comparable
from linkcore.private_database import make_table
from linkcore.schema import RECORDS
from linkcore.sources.source import FurtherKind

GIVEN = ["ANNA", "ANNE", "ANNA MARIA", "BOB", "ROBERT", "JO", "JOHN", "JON", "NG", "SMITH", "ИВАН", "A" * 70, None]
FAMILY = ["NG", "MARIA NG", "SMITH", "SMYTH", "SMITH JONES", "JONES", "ANNA", "OKAFOR", "B" * 66 + "C", "ИВАНОВ", None]
POSTCODES = ["EX1 2AB", "EX1 2AD", "EX1 3AB", "EX12 2AB", "PL4 8AA", "PL4 8BA", "DT1 1AA", None]
ADDRESSES = ["1 HIGH STREET", "11 HIGH STREET", "1 HIGH ST", "THE OLD MILL", "FLAT 2 " + "X" * 64, None]
DATES = [dt.date(1980, 2, 3), dt.date(1980, 3, 2), dt.date(1980, 2, 13), dt.date(1981, 2, 3), dt.date(1999, 12, 31)]
FURTHER: dict[str, FurtherKind] = {"ward": "exact", "notes": "text", "height": "number", "seen": "date"}


def people(size: int, seed: int) -> pl.DataFrame:
    generator = np.random.default_rng(seed)

    def some(values: Sequence[Any], share: float = 1.0) -> list[Any]:
        return [value if generator.random() < share else None for value in generator.choice(np.array(values), size)]

    def lists(values: Sequence[Any]) -> pl.Series:
        held = [[v for v in generator.choice(np.array(values), 2) if v is not None] or None for _ in range(size)]
        return pl.Series([each if generator.random() < 0.4 else None for each in held], dtype=pl.List(pl.String))

    date = generator.choice(np.array([0, 1, 2, 3, 4]), size)
    kinds = generator.choice(np.array(["whole", "partial", "missing"]), size, p=[0.7, 0.2, 0.1])
    partial = generator.choice(np.array(["1980-02", "1980", "1981", "0000-02-03", "1979-12"]), size)
    frame = pl.DataFrame(
        {
            "given_name": some([*GIVEN]),
            "family_name": some([*FAMILY]),
            "birth_date": [DATES[d] if kind == "whole" else None for d, kind in zip(date, kinds, strict=True)],
            "birth_date_text": [p if kind == "partial" else None for p, kind in zip(partial, kinds, strict=True)],
            "gender": some(["male", "female", None]),
            "postcode": some(POSTCODES),
            "address": some(ADDRESSES),
        },
        schema_overrides=dict(RECORDS),
    )
    return frame.with_columns(
        other_given_name=lists(GIVEN),
        other_family_name=lists(FAMILY),
        other_postcode=lists(POSTCODES),
        other_address=lists(ADDRESSES),
        further_ward=pl.Series(some(["W1", "W2", "w1 2", "ŁW", ""], 0.8), dtype=pl.String),
        further_notes=pl.Series(some(["OLD SCARS", "OLD SCAR", "NONE AT ALL"], 0.8), dtype=pl.String),
        further_height=pl.Series(some([1.7, 1.71, 1.8, 0.0, -1.7, float("nan"), float("inf")], 0.9), dtype=pl.Float64),
        further_seen=pl.Series([DATES[d] if d else None for d in generator.integers(0, 5, size)], dtype=pl.Date),
    )


def table_of(frame: pl.DataFrame) -> duckdb.DuckDBPyConnection:
    """The same people as the database of Splink's engine has them."""
    connection = duckdb.connect(config={"threads": 1})
    make_table(connection, "people", comparable(frame).with_row_index("unique_id"))
    return connection
