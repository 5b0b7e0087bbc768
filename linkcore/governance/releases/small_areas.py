"""Small areas: how many people live in each, so that no look-up gives every postcode an area of its own."""

from collections.abc import Sequence
from typing import Final

import polars as pl

from linkcore.errors import RefusedError
from linkcore.sources.source import Source

__all__ = ["FEWEST_PEOPLE", "LEAST_PEOPLE", "POSTCODE", "of_enough_people", "people_by_postcode"]

POSTCODE: Final = "linkcore:postcode"
"""The column with a postcode in standard form; no source's own column has such a name."""

LEAST_PEOPLE: Final = 100
"""How many people must live in a small area, unless the programme states it. A postcode has about 40, and a Lower-layer
Super Output Area 1,000 to 3,000."""

FEWEST_PEOPLE: Final = 10
"""The least that a programme may state. Among fewer people, one can be found."""

# At the edge of an ICS, some of its people live in areas that mostly belong to the next one.
_LEFT_EMPTY: Final = 0.1


def people_by_postcode(persons: pl.DataFrame, sources: Sequence[Source]) -> pl.DataFrame:
    """Count the people on the spine, or all persons where there is none, by `POSTCODE`.

    Examples
    --------
    >>> persons = pl.DataFrame({"source": ["gp", "gp", "er"], "postcode": ["EX1 2AB", None, "EX1 2AB"]})
    >>> gp = Source("gp", pl.DataFrame({"nhs_number": [None]}), spine=True)
    >>> people_by_postcode(persons, [gp]).rows()
    [('EX1 2AB', 1)]
    """
    spine = [source.name for source in sources if source.spine]
    of_spine = persons.filter(pl.col("source").is_in(spine)) if spine else persons
    found = of_spine.select(pl.col("postcode").alias(POSTCODE)).drop_nulls()
    return found.group_by(POSTCODE).len("people")


def of_enough_people(areas: pl.DataFrame, people: pl.DataFrame, least: int, where: str) -> pl.DataFrame:
    """Leave out the areas of fewer than ``least`` people; refuse a look-up that has too many of these.

    ``areas``: `POSTCODE` and ``area``. ``people``: `POSTCODE` and how many ``people`` live there.

    Examples
    --------
    >>> areas = pl.DataFrame({POSTCODE: ["EX1 2AB", "EX1 2AD", "EX1 2AE", "EX1 2AF"], "area": ["1", "1", "2", "3"]})
    >>> people = pl.DataFrame({POSTCODE: areas[POSTCODE], "people": [600, 500, 60, 50]})
    >>> of_enough_people(areas, people, 100, "look-up").rows()
    [('EX1 2AB', '1'), ('EX1 2AD', '1')]
    """
    if people.is_empty():
        raise RefusedError(
            f"{where}: nobody on the spine has a postcode, so it is not known how many people live in an area; map the "
            "postcode of the spine"
        )
    counts = areas.drop_nulls("area").join(people, on=POSTCODE).group_by("area").agg(pl.col("people").sum())
    counts = counts.sort("people", "area")
    # Those whose area is left empty are a group too: if they are few, the next larger area is left empty with theirs.
    before = pl.col("people").cum_sum().shift(fill_value=0)
    few = (pl.col("people") < least) | before.is_between(1, least - 1)
    counts = counts.with_columns(few.alias("few"))
    if int(counts.filter("few")["people"].sum()) > _LEFT_EMPTY * int(counts["people"].sum()):
        raise RefusedError(
            f"{where}: it is nearly one to one: more than 1 in 10 people of the spine live in areas of fewer than "
            f"{least} people; take larger areas, or, for a programme of few people, state fewer in least_people "
            f"({FEWEST_PEOPLE} or more)"
        )
    return areas.join(counts.filter(~pl.col("few")), on="area", how="semi", maintain_order="left")
