"""How common values are among the persons: a shared value is worth the more the rarer it is."""

from collections.abc import Mapping

import polars as pl

from linkcore.linkage.engine.tables import PeopleTable
from linkcore.linkage.model.model import Model

__all__ = ["frequencies_among", "frequencies_of_codes", "frequencies_of_people", "make_frequency_tables"]


def make_frequency_tables(people: PeopleTable, model: Model) -> dict[str, str]:
    """Make, for each column that the model adjusts for, a table of how common its values are; return their names.

    A few persons do not show how common a value is that one of them has. So as many persons are added as there would be
    values if all were as common as the average one, and each of these persons has one of them. With ``count`` of N
    persons, that is (count-1 + 1) / (N-1 + 1/u): the person that is compared does not count, and u is the chance that
    two persons agree. A value that only records have counts as if one person had it.
    """
    tables = {}
    everyone = f"unique_id < {people.listed}" if people.persons else "TRUE"
    for column, share in model.average_frequencies.items():
        tables[column] = f"frequency_of_{column}"
        people.connection.execute(
            f"""
            CREATE OR REPLACE TABLE "{tables[column]}" AS
            SELECT "{column}", greatest(count(*) FILTER ({everyone}), 1) / (
                (SELECT greatest(count("{column}"), 1) - 1 FROM people WHERE {everyone}) + {1 / share}::DOUBLE
            ) AS "tf_{column}"
            FROM people WHERE "{column}" IS NOT NULL GROUP BY "{column}"
            """
        )
    return tables


def frequencies_of_people(people: PeopleTable, tables: Mapping[str, str]) -> dict[str, pl.Series]:
    """Return, by column, how common the value of each person and record is; null where it is missing."""
    return {
        column: people.connection.sql(
            f'SELECT "tf_{column}" FROM people LEFT JOIN "{table}" USING ("{column}") ORDER BY unique_id'
        ).pl()[f"tf_{column}"]
        for column, table in tables.items()
    }


def frequencies_of_codes(people: PeopleTable, model: Model) -> dict[str, pl.Series]:
    """Return the same by the codes of persons and records, as :func:`make_frequency_tables` counts."""
    import numpy as np

    everyone = people.listed if people.persons else people.records
    found = {}
    for column, share in model.average_frequencies.items():
        codes = people.coded.column(column).codes
        counts = np.bincount(codes[:everyone], minlength=int(codes.max(initial=0)) + 1)
        among = max(int(counts[1:].sum()), 1) - 1 + 1 / share
        of_value = np.maximum(counts, 1) / among
        of_value[0] = np.nan  # a missing value
        found[column] = pl.Series(f"tf_{column}", of_value[codes]).fill_nan(None)
    return found


def frequencies_among(everyone: pl.DataFrame, some: pl.Series, model: Model) -> dict[str, pl.Series]:
    """Return, by column, how common the value of some rows is among everyone, as :func:`make_frequency_tables` counts.

    ``everyone``: comparable columns of persons; ``some``: rows of it.

    Examples
    --------
    >>> from linkcore.linkage.model.model import OTHERWISE, Comparison, Level, TermFrequency
    >>> agrees = Level("name_l = name_r", "Agrees", m=0.8, u=0.5, term_frequency=TermFrequency("name"))
    >>> model = Model((Comparison("name", (agrees, Level(OTHERWISE, "Differs", m=0.2, u=0.5))),), prior=0.001)
    >>> everyone = pl.DataFrame({"name": ["NG", "NG", "ORR", None]})
    >>> frequencies_among(everyone, pl.Series([0, 2, 3]), model)["name"].to_list()
    [0.5, 0.25, None]
    """
    found = {}
    for column, share in model.average_frequencies.items():
        values = everyone.select(column)
        counts = values.drop_nulls().group_by(column).len()
        among = max(int(counts["len"].sum()), 1) - 1 + 1 / share
        beside = values[some].join(counts, on=column, how="left", maintain_order="left")
        found[column] = beside["len"] / among
    return found
