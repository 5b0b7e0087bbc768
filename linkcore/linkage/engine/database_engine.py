"""Counting levels and proposing pairs in a private database, by any SQL of a model: what Splink's engine builds on."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import polars as pl

from linkcore.linkage.blocking import make_blocks, pairs_sql
from linkcore.linkage.comparisons.comparable import comparable
from linkcore.linkage.engine.engine import LabelledCounts, RandomCounts
from linkcore.linkage.engine.frequencies import frequencies_of_people, make_frequency_tables
from linkcore.linkage.engine.pair_engine import (
    PERSONS_WITH_RELATIVES,
    RANDOM_PAIRS,
    RECORDS_AT_A_TIME,
    PairEngine,
    Proposed,
)
from linkcore.linkage.engine.tables import draw_rows, fingerprints_of
from linkcore.linkage.learning.levels import counts_of_levels
from linkcore.linkage.learning.relatives import RelativeCounts, count_relatives
from linkcore.linkage.model.model import Comparison, Model
from linkcore.private_database import make_table
from linkcore.sampling import draw
from linkcore.schema import FURTHER, OTHER

__all__ = ["DatabaseEngine"]

# The blocks of a given model's rules may be of any size.
_RECORDS_OF_GIVEN_RULES: Final = 10_000


class DatabaseEngine(PairEngine):
    """Counts levels and proposes pairs in a database."""

    def count_labelled(self, labelled: pl.DataFrame, seed: int) -> LabelledCounts:
        """Count levels of records beside their own persons, and of random pairs."""
        records = comparable(labelled).with_columns(labelled["label"], labelled["source_index"])
        # A further identifier may be among the columns by its plain name as well.
        absent = [
            pl.col(FURTHER + name).alias(name) if FURTHER + name in records.columns else pl.lit(None).alias(name)
            for name in self.columns
            if name not in records.columns
        ]
        make_table(self.people.connection, "labelled", records.with_columns(absent).with_row_index("unique_id"))
        # A record would always agree with an alternative that only it has taught. So each person is compared as it is
        # without its record: with the alternatives that stand beside the record.
        others = ", ".join(f'r."{name}" AS "{name}"' for name in self.columns if name.startswith(OTHER))
        own_persons = f"(SELECT l.* REPLACE ({others}) FROM people AS l JOIN labelled AS r ON l.unique_id = r.label)"
        one_person = self._count(own_persons, "labelled", "l.unique_id = r.label", group="r.source_index")
        size = math.isqrt(RANDOM_PAIRS)
        self.people.draw("some_people", (0, self.listed), size, seed=seed, purpose="random persons")
        drawn = draw(fingerprints_of(labelled), size, seed=seed, purpose="random records")
        draw_rows(self.people.connection, "some_records", table="labelled", ids=drawn)
        # DuckDB compares one row with many at once if all pairs are wanted. With a condition that is an inequality it
        # goes from pair to pair, and takes twice as long. So the pairs that are not wanted are counted, and taken out.
        every = self._count("some_people", "some_records", "TRUE")
        own = self._count("some_people", "some_records", "l.unique_id = r.label").with_columns(-pl.col("pairs"))
        return LabelledCounts(one_person, two_persons=pl.concat([every, own]))

    def count_random(self, seed: int) -> RandomCounts:
        """Count levels of random pairs of records and persons or, without persons, of records."""
        people, size = self.people, math.isqrt(RANDOM_PAIRS)
        all_records = (people.persons, people.persons + people.records)
        people.draw("some_records", all_records, size, seed=seed, purpose="random records")
        if people.persons:
            people.draw("some_people", (0, people.listed), size, seed=seed, purpose="random persons")
            all_pairs = self._count("some_people", "some_records", "TRUE")
            others, each_once = "some_people", ""
        else:
            all_pairs = self._count("some_records", "some_records", "l.unique_id < r.unique_id")
            others, each_once = "some_records", " AND l.unique_id < r.unique_id"
        names = [comparison for comparison in self.comparisons if comparison.name == "name"]
        one_name = self._count("some_records", others, f"l.family_name = r.family_name{each_once}", compared=names)
        return RandomCounts(all_pairs, one_name)

    def count_relatives(self, comparisons: Sequence[Comparison], seed: int) -> RelativeCounts:
        """Count levels of random persons beside those who may be their relatives."""
        size = PERSONS_WITH_RELATIVES
        self.people.draw("some_people", (0, self.listed), size, seed=seed, purpose="persons with relatives")
        return count_relatives(
            self.people.connection,
            comparisons,
            self.columns,
            some_people="some_people",
            people=self.people.listed_people,
        )

    def _count(
        self, left: str, right: str, on: str, *, group: str = "0", compared: Sequence[Comparison] | None = None
    ) -> pl.DataFrame:
        compared = self.comparisons if compared is None else compared
        return counts_of_levels(
            self.people.connection, compared, self.columns, left=left, right=right, on=on, group=group
        )

    def frequencies(self, model: Model) -> Mapping[str, pl.Series]:
        """Return, by column that the model adjusts for, how common the value of each person and record is."""
        return frequencies_of_people(self.people, make_frequency_tables(self.people, model))

    def _propose_with_persons(self) -> Proposed:
        first = self.people.persons
        persons, records = (f"(SELECT * FROM people WHERE unique_id {side} {first})" for side in ("<", ">="))
        left_out = make_blocks(self.people.connection, self.rules, persons, records)
        return Proposed(left_out, self._pairs_of_blocks(records, "TRUE"))

    def _propose_among(self, ids: pl.Series, apart: Sequence[tuple[int, int]]) -> Proposed:
        make_table(self.people.connection, "chosen", ids.alias("unique_id").to_frame())
        chosen = "(SELECT * FROM people SEMI JOIN chosen USING (unique_id))"
        conditions = ["l.unique_id <> r.unique_id"]
        for start, end in apart:
            within = f"BETWEEN {start} AND {end}"
            conditions.append(f"NOT (l.unique_id {within} AND r.unique_id {within})")
        left_out = make_blocks(self.people.connection, self.rules, chosen, chosen)
        return Proposed(left_out, self._pairs_of_blocks(chosen, " AND ".join(conditions)))

    def _pairs_of_blocks(self, right: str, where: str) -> Iterator[pl.DataFrame]:
        """Return the pairs in the blocks, for some records of the right side at a time."""
        connection = self.people.connection
        ids = connection.sql(f"SELECT unique_id FROM {right} ORDER BY unique_id").pl()["unique_id"]
        limited = all(rule.largest_block is not None for rule in self.rules)
        size = RECORDS_AT_A_TIME if limited else _RECORDS_OF_GIVEN_RULES
        for start in range(0, max(ids.len(), 1), size):
            chunk = ids[start : start + size]
            between = f"BETWEEN {chunk[0]} AND {chunk[-1]}" if chunk.len() else "IS NULL"
            some = f"(SELECT * FROM {right} WHERE unique_id {between})"
            yield connection.sql(
                "SELECT unique_id_l::UINTEGER AS a, unique_id_r::UINTEGER AS b "
                f"FROM ({pairs_sql(self.rules, some, where, ordered=True)})"
            ).pl()
