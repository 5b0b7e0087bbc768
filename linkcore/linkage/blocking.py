"""Blocking: which pairs of records are looked at, by equality on a few keys, and never by more than a bounded many.

A rule is a conjunction of equalities; a record that lacks one of its columns is not in any of its blocks (a null never
equals), and another rule, of other columns, must find it. So the rules are many and narrow, each asking for two
identifiers that seldom go wrong together, and their union is what is looked at. A record that lacks names, birth date
or place has fewer of them; wider rules are for such records only.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Final

from linkcore.schema import FURTHER

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["LARGEST_BLOCK", "Rule", "blocking_rules", "make_blocks", "pairs_sql"]

LARGEST_BLOCK: Final = 100
"""A key that more records than this share is not used: with many such candidates, a record is no nearer to being told
from others, and every block that is left out so has narrower ones of other rules beside it. It bounds the work for a
record whatever the data: a default date, a prison's postcode and a name that thousands share cost nothing."""

LARGEST_BLOCK_OF_ONE: Final = 10
"""The same for rules that ask for one identifier only: that is enough where hardly anyone else has it."""


@dataclass(frozen=True)
class Rule:
    """Two records are looked at if they agree on all of these.

    Parameters
    ----------
    equal : tuple of (str, str)
        Pairs of columns of :func:`comparable`, of the one record and of the other.
    lacking : tuple of str
        Columns that the other record must be without.

    Examples
    --------
    >>> Rule((("birth_date", "birth_date"), ("given_name", "family_name"))).sql
    'l."birth_date" = r."birth_date" AND l."given_name" = r."family_name"'
    """

    equal: tuple[tuple[str, str], ...]
    lacking: tuple[str, ...] = ()

    @property
    def largest_block(self) -> int:
        """How many records may share a key that is used."""
        return LARGEST_BLOCK_OF_ONE if len(self.equal) == 1 else LARGEST_BLOCK

    @property
    def sql(self) -> str:
        """The rule as Splink writes one."""
        equal = [f'l."{left}" = r."{right}"' for left, right in self.equal]
        return " AND ".join(equal + [f'r."{column}" IS NULL' for column in self.lacking])

    def key(self, side: int) -> str:
        """Give SQL of a number for each block of one side (0 or 1); null where a column is.

        Two blocks that share a number by chance are one block: that costs a comparison, and loses nothing.
        """
        columns = [f'"{pair[side]}"' for pair in self.equal]
        there = " AND ".join(
            [f"{column} IS NOT NULL" for column in columns]
            + [f'"{column}" IS NULL' for column in self.lacking if side == 1]
        )
        return f"CASE WHEN {there} THEN hash({', '.join(columns)}) END"


def blocking_rules(present: Sequence[str]) -> list[Rule]:
    """Give the rules that the identifiers that are there allow.

    Examples
    --------
    >>> for rule in blocking_rules(["birth_date", "postcode"]):
    ...     print(rule.sql)
    l."birth_date" = r."birth_date" AND l."postcode" = r."postcode"
    l."birth_date" = r."birth_date"
    l."postcode" = r."postcode"
    """
    there = set(present)
    further = [name for name in present if name.startswith(FURTHER)]
    rules = [*_all_rules(further), *(_rules_of_partial_dates(further) if "partial_birth_date" in there else [])]
    return [rule for rule in rules if {column for pair in rule.equal for column in pair} <= there]


def _all_rules(further: Sequence[str]) -> Iterator[Rule]:
    given_is_family, family_is_given = ("given_sound", "family_sound"), ("family_sound", "given_sound")
    # A name that is misspelt sounds the same mostly; a name that is right sounds the same always.
    sounds = ("family_sound", "given_sound")
    # The birth date is right; of names and place one part is, or the names begin as they should, or they are swapped.
    for other in (*sounds, "initials", "postcode", "address", *further):
        yield _same("birth_date", other)
    yield Rule((("birth_date", "birth_date"), given_is_family))
    # The place is right, and one name is, or both begin as they should; the birth date may be missing.
    for where in ("postcode", "address", *further):
        for name in (*sounds, "initials"):
            yield _same(where, name)
    # Two identifiers that are neither names nor dates are right. Who shares an address line shares its postcode.
    for pair in combinations(("postcode", "address", *further), 2):
        if pair != ("postcode", "address"):
            yield _same(*pair)
    # Both names are right, or are misspelt or swapped, and part of the birth date is right.
    yield _same(*sounds, "birth_year")
    yield _same(*sounds, "birth_month", "birth_day")
    yield Rule((given_is_family, family_is_given))
    # Without a birth date or a place the names must do, or one of them and two parts of the birth date; without names
    # the birth date must.
    place = ("postcode", "address")
    yield _same(*sounds, lacking=("birth_date",))
    yield _same(*sounds, lacking=place)
    for name in sounds:
        for parts in (("birth_year", "birth_month"), ("birth_year", "birth_day"), ("birth_month", "birth_day")):
            yield _same(name, *parts, lacking=place)
    yield _same("birth_date", "gender", lacking=("given_name", "family_name"))
    # Then what is right whatever else is wrong.
    for name in ("full_name", "birth_date", "postcode", "address", *further):
        yield _same(name)


def _rules_of_partial_dates(further: Sequence[str]) -> Iterator[Rule]:
    """Rules for records whose birth date lacks its day, or its month as well; other rules use the year, too."""
    for name in ("family_sound", "given_sound"):
        yield _same(name, "birth_year", "birth_month", lacking=("birth_date",))
    for where in ("postcode", "address", *further):
        yield _same(where, "birth_year", lacking=("birth_date",))


def _same(*columns: str, lacking: tuple[str, ...] = ()) -> Rule:
    return Rule(tuple((column, column) for column in columns), lacking)


def make_blocks(connection: "DuckDBPyConnection", rules: Sequence[Rule], left: str, right: str) -> Mapping[str, int]:
    """Put the records of the left table into those blocks that the right table has records for.

    Returns By rule, how many records of ``left`` stood in blocks that were too large.
    """
    too_many = {}
    for number, rule in enumerate(rules):
        connection.execute(
            f"""
            CREATE OR REPLACE TABLE block_{number} AS
            WITH wanted AS (SELECT {rule.key(1)} AS key FROM {right}),
            keyed AS (SELECT unique_id, {rule.key(0)} AS key FROM {left})
            SELECT unique_id, key FROM keyed SEMI JOIN wanted USING (key)
            """
        )
        connection.execute(
            f"CREATE OR REPLACE TABLE too_large AS SELECT key, count(*) AS size FROM block_{number} GROUP BY key "
            f"HAVING count(*) > {rule.largest_block}"
        )
        (dropped,) = connection.execute("SELECT sum(size) FROM too_large").fetchall()[0]
        if dropped:
            connection.execute(f"DELETE FROM block_{number} WHERE key IN (SELECT key FROM too_large)")
            too_many[rule.sql] = int(dropped)
    return too_many


def pairs_sql(rules: Sequence[Rule], right: str, where: str = "TRUE", *, ordered: bool = False) -> str:
    """Give SQL of the pairs that any rule finds, each once.

    Returns A query of ``unique_id_l`` and ``unique_id_r``.
    """
    ends = ("least(l.unique_id, r.unique_id)", "greatest(l.unique_id, r.unique_id)")
    first, second = ends if ordered else ("l.unique_id", "r.unique_id")
    queries = [
        f"SELECT {first} AS unique_id_l, {second} AS unique_id_r FROM block_{number} AS l "
        f"JOIN (SELECT *, {rule.key(1)} AS key FROM {right}) AS r ON l.key = r.key WHERE {where}"
        for number, rule in enumerate(rules)
    ]
    return f"SELECT DISTINCT * FROM ({' UNION ALL '.join(queries)})"
