"""Some hundred people for the tests of engines, and records of a quarter of them, some of which lack a postcode."""

from collections.abc import Callable
from typing import TypeVar

import polars as pl

from linkcore.linkage.engine.engine import Learned
from linkcore.linkage.engine.learn import learn_from_labels
from linkcore.linkage.engine.native import NativeEngine
from linkcore.linkage.engine.tables import with_people_table
from linkcore.linkage.settings import Fallback
from linkcore.schema import RECORDS

Result = TypeVar("Result")

GIVEN = ["ANNA", "PETER", "CHIKE", "OLWEN", "MARIA", "JOHN", "AISHA", "TOMASZ"]
FAMILY = ["SMITH", "OKAFOR", "NG", "REES", "KHAN", "NOWAK", "JONES"]


def people(count: int, *, year: int = 1950) -> pl.DataFrame:
    rows = [
        {
            "record_id": str(i),
            "given_name": GIVEN[i % len(GIVEN)],
            "family_name": FAMILY[i // 8 % len(FAMILY)],
            "gender": "female" if i % 2 else "male",
            "postcode": f"EX{1 + i % 9} {1 + i // 9 % 9}AB",
        }
        for i in range(count)
    ]
    dates = pl.date_range(pl.date(year, 1, 1), pl.date(year + 99, 1, 1), "13d", eager=True)[:count]
    return pl.DataFrame(rows, schema=RECORDS).with_columns(dates.alias("birth_date"))


PERSONS = people(400)
UNKNOWN = PERSONS[::4].with_columns(pl.when(pl.col("record_id").str.ends_with("8")).then("postcode").alias("postcode"))


def learned(engine: NativeEngine) -> Learned:
    """What another quarter of the records teaches."""
    labelled = PERSONS[1::4].with_columns(
        pl.int_range(1, 400, 4, dtype=pl.UInt32, eager=True).alias("label"), pl.lit(0, pl.Int32).alias("source_index")
    )
    return learn_from_labels(engine, labelled, seed=0)


def with_engine(
    run: Callable[[NativeEngine], Result], *, records: pl.DataFrame = UNKNOWN, fallback: Fallback | None = None
) -> Result:
    """Do something with an engine of these people."""
    return with_people_table(fallback or Fallback(), PERSONS, records, lambda people: run(NativeEngine.of(people, {})))
