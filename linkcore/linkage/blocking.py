"""Blocking: which pairs of records are compared. They agree on a few keys, and few records share each key.

A rule asks for equality on all of its columns. A record that lacks one of them is in no block of the rule, because a
null never equals, and a rule on other columns must find it. So the rules are many and narrow. Each asks for two
identifiers that seldom go wrong together, and pairs that any rule proposes are compared. A record that lacks names,
birth date or place meets fewer rules; wider rules are for such records only.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Final

from linkcore.errors import ProgrammeError
from linkcore.linkage.model.expressions import ParsedRule
from linkcore.schema import FURTHER

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["LARGEST_BLOCK", "BlockingRule", "GivenRule", "Rule", "blocking_rules", "make_blocks", "pairs_sql"]

LARGEST_BLOCK: Final = 100
"""A key that more records share is not used: so many candidates hardly narrow down who a record is, and narrower blocks
of other rules remain. This bounds the work for a record whatever the data: a default date, a prison's postcode and a
name that thousands share cost nothing."""

LARGEST_BLOCK_OF_ONE: Final = 10
"""The same for rules that ask for one identifier only, which is enough only if hardly anyone else has it."""

MOST_PAIRS_OF_A_RULE: Final = 2_000_000_000
"""A rule of a given model that proposes more pairs is refused: it would run for days."""


@dataclass(frozen=True)
class Rule:
    """Columns on which two records must agree to be compared.

    Parameters
    ----------
    equal : tuple of (str, str)
        Pairs of comparable columns: of the first record, and of the second.
    lacking : tuple of str
        Columns that the second record must be without.

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

    @property
    def pairs_must(self) -> str:
        """SQL that the pairs of a block must meet as well."""
        return "TRUE"

    def key(self, side: int) -> str:
        """Write SQL that numbers the block of a record of one side (0 or 1); null where a column is.

        Two blocks that share a number by chance are one block, which costs a comparison and loses nothing.
        """
        columns = [f'"{pair[side]}"' for pair in self.equal]
        is_in_a_block = " AND ".join(
            [f"{column} IS NOT NULL" for column in columns]
            + [f'"{column}" IS NULL' for column in self.lacking if side == 1]
        )
        return f"CASE WHEN {is_in_a_block} THEN hash({', '.join(columns)}) END"


@dataclass(frozen=True)
class GivenRule:
    """A blocking rule of a given model. It proposes what it says, however many records share a key.

    Parameters
    ----------
    parsed : ParsedRule
        The rule, taken apart.

    Examples
    --------
    >>> from linkcore.linkage.model.expressions import parse_rules
    >>> GivenRule(*parse_rules(["l.postcode = r.postcode AND r.address IS NULL"])).key(1)
    'CASE WHEN (postcode) IS NOT NULL AND (address IS NULL) THEN row(postcode) END'
    """

    parsed: ParsedRule

    @property
    def largest_block(self) -> None:
        """There is no limit."""

    @property
    def sql(self) -> str:
        """The rule as it was written."""
        return self.parsed.sql

    @property
    def pairs_must(self) -> str:
        """SQL that the pairs of a block must meet as well."""
        return " AND ".join(self.parsed.of_both) or "TRUE"

    def key(self, side: int) -> str:
        """Write SQL of what must be equal in a record of one side (0 or 1); null where the record is in no block.

        The values themselves are compared, as they are in SQL: a whole number may equal a decimal one.
        """
        keys = [equal.right if side else equal.left for equal in self.parsed.equal]
        alone = self.parsed.of_right if side else self.parsed.of_left
        is_in_a_block = " AND ".join([*(f"({key}) IS NOT NULL" for key in keys), *alone])
        return f"CASE WHEN {is_in_a_block} THEN row({', '.join(keys)}) END"


BlockingRule = Rule | GivenRule


def blocking_rules(present: Sequence[str]) -> list[Rule]:
    """Return the rules on the comparable columns that have values.

    Examples
    --------
    >>> for rule in blocking_rules(["birth_date", "postcode"]):
    ...     print(rule.sql)
    l."birth_date" = r."birth_date" AND l."postcode" = r."postcode"
    l."birth_date" = r."birth_date"
    l."postcode" = r."postcode"
    """
    columns = set(present)
    further = [name for name in present if name.startswith(FURTHER)]
    rules = [*_all_rules(further), *(_rules_of_partial_dates(further) if "partial_birth_date" in columns else [])]
    return [rule for rule in rules if {column for pair in rule.equal for column in pair} <= columns]


def _all_rules(further: Sequence[str]) -> Iterator[Rule]:
    given_is_family, family_is_given = ("given_sound", "family_sound"), ("family_sound", "given_sound")
    # A misspelt name mostly sounds the same; a right name always does.
    sounds = ("family_sound", "given_sound")
    # The birth date is right, and so is a part of the names or the place, or the initials; or the names are swapped.
    for other in (*sounds, "initials", "postcode", "address", *further):
        yield _same("birth_date", other)
    yield Rule((("birth_date", "birth_date"), given_is_family))
    # The place is right, and so is one name, or the initials; the birth date may be missing.
    for where in ("postcode", "address", *further):
        for name in (*sounds, "initials"):
            yield _same(where, name)
    # Two identifiers that are neither names nor dates are right. A postcode and an address line are a home: few people
    # share one, whatever is wrong of the names and the birth date.
    for pair in combinations(("postcode", "address", *further), 2):
        yield _same(*pair)
    # Both names are right, or are misspelt or swapped, and part of the birth date is right.
    yield _same(*sounds, "birth_year")
    yield _same(*sounds, "birth_month", "birth_day")
    yield Rule((given_is_family, family_is_given))
    # Without a birth date or a place, both names are enough, or one name and two parts of the birth date.
    # Without names, the birth date and the gender are enough; or the postcode, and part of the birth date is right.
    place, names = ("postcode", "address"), ("given_name", "family_name")
    yield _same(*sounds, lacking=("birth_date",))
    yield _same(*sounds, lacking=place)
    for name in sounds:
        for parts in (("birth_year", "birth_month"), ("birth_year", "birth_day"), ("birth_month", "birth_day")):
            yield _same(name, *parts, lacking=place)
    yield _same("birth_date", "gender", lacking=names)
    yield _same("postcode", "birth_month", "birth_day", lacking=names)
    yield _same("postcode", "birth_year", "gender", lacking=names)
    # In a large area the blocks of two of these rules are too large: narrower ones find who moved.
    yield _same("full_name", "gender", lacking=("birth_date",))
    yield _same("birth_date", "postcode_district", lacking=names)
    # One identifier is right, whatever else is wrong.
    for name in ("full_name", "birth_date", "postcode", "address", *further):
        yield _same(name)


def _rules_of_partial_dates(further: Sequence[str]) -> Iterator[Rule]:
    """Rules for records whose birth date lacks its day, or its month as well; other rules use the year too."""
    for name in ("family_sound", "given_sound"):
        yield _same(name, "birth_year", "birth_month", lacking=("birth_date",))
    for where in ("postcode", "address", *further):
        yield _same(where, "birth_year", lacking=("birth_date",))


def _same(*columns: str, lacking: tuple[str, ...] = ()) -> Rule:
    return Rule(tuple((column, column) for column in columns), lacking)


def make_blocks(
    connection: "DuckDBPyConnection", rules: Sequence[BlockingRule], left: str, right: str
) -> Mapping[str, int]:
    """Put the records of the left table into the blocks for which the right table has records.

    Returns, by rule, how many records of ``left`` were in blocks that were too large.
    """
    left_out = {}
    for number, rule in enumerate(rules):
        connection.execute(
            f"""
            CREATE OR REPLACE TABLE block_{number} AS
            WITH wanted AS (SELECT {rule.key(1)} AS key FROM {right}),
            keyed AS (SELECT unique_id, {rule.key(0)} AS key FROM {left})
            SELECT unique_id, key FROM keyed SEMI JOIN wanted USING (key)
            """
        )
        if rule.largest_block is None:
            _check_pairs(connection, number, rule, right)
            continue
        connection.execute(
            f"CREATE OR REPLACE TABLE too_large AS SELECT key, count(*) AS size FROM block_{number} GROUP BY key "
            f"HAVING count(*) > {rule.largest_block}"
        )
        (dropped,) = connection.execute("SELECT sum(size) FROM too_large").fetchall()[0]
        if dropped:
            connection.execute(f"DELETE FROM block_{number} WHERE key IN (SELECT key FROM too_large)")
            left_out[rule.sql] = int(dropped)
    return left_out


def _check_pairs(connection: "DuckDBPyConnection", number: int, rule: BlockingRule, right: str) -> None:
    """Refuse a rule that proposes more pairs than can be compared."""
    ((pairs,),) = connection.execute(
        f"SELECT sum(size) FROM (SELECT key, count(*) AS size FROM block_{number} GROUP BY key) "
        f"JOIN (SELECT {rule.key(1)} AS key FROM {right}) USING (key)"
    ).fetchall()
    if pairs and pairs > MOST_PAIRS_OF_A_RULE:
        raise ProgrammeError(
            f"model: blocking rule {number + 1} proposes {int(pairs):,} pairs; narrow it to at most "
            f"{MOST_PAIRS_OF_A_RULE:,}"
        )


def pairs_sql(rules: Sequence[BlockingRule], right: str, where: str = "TRUE", *, ordered: bool = False) -> str:
    """Write a query of ``unique_id_l`` and ``unique_id_r``: the pairs that any rule proposes, each once.

    ``where``: SQL that the pairs must meet. ``ordered``: whether the lower id comes first.
    """
    ends = ("least(l.unique_id, r.unique_id)", "greatest(l.unique_id, r.unique_id)")
    first, second = ends if ordered else ("l.unique_id", "r.unique_id")
    queries = []
    for number, rule in enumerate(rules):
        # Only a given rule asks for more than a common key, and looks at the columns of both for that.
        left = f"block_{number}"
        if rule.pairs_must != "TRUE":
            left = f"(SELECT people.*, key FROM {left} JOIN people USING (unique_id))"
        queries.append(
            f"SELECT {first} AS unique_id_l, {second} AS unique_id_r FROM {left} AS l "
            f"JOIN (SELECT *, {rule.key(1)} AS key FROM {right}) AS r ON l.key = r.key "
            f"WHERE ({where}) AND {rule.pairs_must}"
        )
    return f"SELECT DISTINCT * FROM ({' UNION ALL '.join(queries)})"
