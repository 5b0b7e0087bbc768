"""SQL in a model: each condition and each blocking rule must be one expression over columns of two records.

A model file is data and not a program. DuckDB runs its expressions, so DuckDB's own parser reads them here, and nothing
is run. Only what is listed here may stand in an expression: no query inside it, no file, no setting, no statement after
it. Beside that, the database that runs it can reach nothing outside itself (:mod:`linkcore.private_database`).
"""

import json
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from linkcore.errors import ProgrammeError
from linkcore.private_database import private_connection

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["Equality", "ParsedRule", "check_conditions", "parse_rules"]

# What an expression may be made of, as DuckDB's parser calls it. Among what is missing: SUBQUERY, STAR, WINDOW,
# PARAMETER.
_PARTS: Final = frozenset(
    {"BETWEEN", "CASE", "CAST", "COLUMN_REF", "COMPARISON", "CONJUNCTION", "CONSTANT", "FUNCTION", "LAMBDA", "OPERATOR"}
    | {"TYPE"}
)

# An expression of more terms on one level is a program.
_MOST_TERMS: Final = 1_000

# Functions of values alone: they read no file and no setting, and draw nothing at random. They may still ask for more
# time and memory than there is.
_NAMES_OF_FUNCTIONS: Final = """
+ - * / // % || ** ^ ~~ !~~ ~~* !~~* ~ ^@ & | << >> !
levenshtein damerau_levenshtein editdist3 hamming mismatches jaccard jaro_similarity jaro_winkler_similarity
lower lcase upper ucase trim ltrim rtrim strip_accents nfc_normalize reverse replace translate regexp_replace
substr substring left right split_part string_split str_split string_split_regex regexp_extract regexp_extract_all
regexp_matches regexp_full_match contains starts_with ends_with prefix suffix instr strpos position like_escape
concat concat_ws length len strlen char_length ascii ord unicode chr hash md5
year month day dayofmonth dayofyear quarter week decade century date_part datepart date_trunc datetrunc date_diff
datediff date_sub datesub epoch epoch_ms julian make_date strptime try_strptime strftime
to_years to_months to_weeks to_days to_hours to_minutes to_seconds
abs sign greatest least round floor ceil ceiling trunc mod fmod divide multiply add subtract sqrt cbrt pow power exp
ln log log2 log10 radians degrees sin cos tan asin acos atan atan2 pi isnan isfinite
coalesce ifnull nullif if isnull
list_value list_pack list_contains list_has array_contains array_has list_has_any array_has_any list_has_all
array_has_all list_intersect array_intersect list_position list_concat list_distinct array_distinct list_unique
array_unique list_sort array_sort list_reverse array_reverse list_slice array_slice list_extract list_element
array_extract array_length array_concat array_transform array_filter list_transform list_apply list_filter
list_reduce array_reduce list_max array_max list_min array_min list_sum list_avg list_count list_any_value
list_first list_last list_bool_or list_bool_and flatten list_zip array_zip row struct_pack struct_extract
list_cosine_similarity list_cosine_distance list_dot_product list_inner_product list_distance
array_cosine_similarity array_cosine_distance array_inner_product array_distance
"""
_FUNCTIONS: Final = frozenset(_NAMES_OF_FUNCTIONS.split())


_TYPES: Final = frozenset(
    {"bigint", "boolean", "char", "date", "decimal", "double", "float", "hugeint", "int", "integer", "interval", "list"}
    | {"numeric", "real", "smallint", "string", "text", "time", "timestamp", "tinyint", "ubigint", "uinteger"}
    | {"varchar"}
)


@dataclass(frozen=True)
class Equality:
    """What must be equal in two records: SQL of the left one and SQL of the right one, without ``l.`` and ``r.``."""

    left: str
    right: str


@dataclass(frozen=True)
class ParsedRule:
    """A blocking rule, taken apart into what can be looked up and what must be tested for each pair.

    Parameters
    ----------
    sql : str
        The rule as it was written.
    equal : tuple of Equality
        What must be equal; at least one.
    of_left, of_right : tuple of str
        SQL of conditions on one of the two records alone, without ``l.`` and ``r.``.
    of_both : tuple of str
        SQL of all other conditions, with ``l.`` and ``r.``.
    columns : frozenset of str
        The columns that the rule looks at.
    """

    sql: str
    equal: tuple[Equality, ...]
    of_left: tuple[str, ...] = ()
    of_right: tuple[str, ...] = ()
    of_both: tuple[str, ...] = ()
    columns: frozenset[str] = field(default=frozenset())


def check_conditions(conditions: Sequence[tuple[str, str]]) -> None:
    """Refuse conditions of levels that are anything but one expression over columns ``x_l`` and ``x_r``.

    ``conditions``: of each, where it stands, for the error, and its SQL.

    Examples
    --------
    >>> check_conditions([("comparison 'name'", "levenshtein(given_name_l, given_name_r) <= 2")])
    >>> check_conditions([("comparison 'name'", "given_name_l = (SELECT 'ANNA')")])
    Traceback (most recent call last):
    linkcore.errors.ProgrammeError: model: comparison 'name' holds a query; ...
    """
    with private_connection("64MB", 1) as connection:
        for where, sql in conditions:
            for names in _columns(_parse(connection, sql, where), where):
                if len(names) != 1 or not names[0].endswith(("_l", "_r")):
                    raise _refused(where, f"looks at {'.'.join(names)!r}", "the values of a column x are x_l and x_r")


def parse_rules(rules: Sequence[str]) -> list[ParsedRule]:
    """Take blocking rules apart; refuse all that is not one expression over columns ``l.x`` and ``r.x``.

    Examples
    --------
    >>> (rule,) = parse_rules(["l.birth_date = r.birth_date AND substr(l.postcode, 1, 3) = substr(r.postcode, 1, 3)"])
    >>> rule.equal[1]
    Equality(left='substr(postcode, 1, 3)', right='substr(postcode, 1, 3)')
    """
    with private_connection("64MB", 1) as connection:
        return [_parse_rule(connection, sql, f"blocking rule {number}") for number, sql in enumerate(rules, 1)]


def _parse_rule(connection: "DuckDBPyConnection", sql: str, where: str) -> ParsedRule:
    tree = _parse(connection, sql, where)
    equal: list[Equality] = []
    alone: dict[str, list[str]] = {"l": [], "r": []}
    both: list[str] = []
    columns: set[str] = set()
    for part in _conjuncts(tree):
        sides = _sides(part, where, columns)
        if part["type"] == "COMPARE_EQUAL":
            one, other = _sides(part["left"], where), _sides(part["right"], where)
            left, right = (part["left"], part["right"]) if one == {"l"} else (part["right"], part["left"])
            if (one, other) in (({"l"}, {"r"}), ({"r"}, {"l"})):
                equal.append(Equality(_unqualified(connection, left), _unqualified(connection, right)))
                continue
        if len(sides) == 1:
            alone[min(sides)].append(_unqualified(connection, part))
        else:
            both.append(_written(connection, part))
    if not equal:
        raise _refused(
            where,
            "asks for no equality of the two records, so that each would be compared with all",
            "add one, as in l.birth_date = r.birth_date; write alternatives (OR) as rules of their own",
        )
    return ParsedRule(sql, tuple(equal), tuple(alone["l"]), tuple(alone["r"]), tuple(both), frozenset(columns))


def _conjuncts(tree: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if tree["type"] == "CONJUNCTION_AND":
        for child in tree["children"]:
            yield from _conjuncts(child)
    else:
        yield tree


def _sides(tree: dict[str, Any], where: str, columns: set[str] | None = None) -> set[str]:
    """Return of which records an expression looks at columns; add the columns to ``columns``."""
    sides = set()
    for names in _columns(tree, where):
        if len(names) != 2 or names[0].lower() not in ("l", "r"):
            raise _refused(where, f"looks at {'.'.join(names)!r}", "the values of a column x are l.x and r.x")
        sides.add(names[0].lower())
        if columns is not None:
            columns.add(names[1])
    return sides


def _parse(connection: "DuckDBPyConnection", sql: str, where: str) -> dict[str, Any]:
    """Parse one expression. What stands in an expression of its own reads the same in any query."""
    if not isinstance(sql, str) or not sql.strip():
        raise _refused(where, "holds no SQL", "write one expression")
    if "--" in sql or "/*" in sql:
        raise _refused(where, "holds a comment", "leave comments out")
    if not all(mark.isprintable() or mark in "\n\r\t" for mark in sql):
        raise _refused(where, "holds a character that cannot be seen", "leave it out")
    parsed = _serialised(connection, sql)
    statements = parsed.get("statements", [])
    if parsed["error"] or len(statements) != 1 or not _is_one_expression(statements[0]["node"]):
        raise _refused(
            where, "is not one expression that DuckDB can read", "write one expression, and nothing after it"
        )
    tree: dict[str, Any] = statements[0]["node"]["select_list"][0]
    if tree.get("function_name") == "row":
        raise _refused(where, "is a list of expressions", "write one expression")
    return tree


def _serialised(connection: "DuckDBPyConnection", sql: str) -> dict[str, Any]:
    """Return what DuckDB's parser makes of an expression; one too long or too deep is none."""
    import duckdb

    try:
        ((text,),) = connection.execute("SELECT json_serialize_sql(?)", [f"SELECT (\n{sql}\n)"]).fetchall()
        parsed: dict[str, Any] = json.loads(text)
        _depth(parsed)
    except (duckdb.Error, RecursionError, ValueError):
        return {"error": True}
    return parsed


def _depth(tree: Any) -> None:
    """Walk through all of an expression, as all that reads it does; one too deep ends in a RecursionError."""
    if isinstance(tree, dict | list):
        for each in tree.values() if isinstance(tree, dict) else tree:
            _depth(each)
    if isinstance(tree, dict):
        for each in tree.values():
            if isinstance(each, list) and len(each) > _MOST_TERMS:
                raise RecursionError


def _is_one_expression(node: dict[str, Any]) -> bool:
    """Whether a query asks for one expression and for nothing else: no table, no condition, no second query."""
    plain = node.get("type") == "SELECT_NODE" and node["from_table"]["type"] == "EMPTY"
    clauses = ("modifiers", "where_clause", "group_expressions", "group_sets", "having", "sample", "qualify")
    nothing_else = plain and not any(node[clause] for clause in clauses) and not node["cte_map"]["map"]
    return nothing_else and len(node["select_list"]) == 1 and not node["select_list"][0]["alias"]


def _columns(tree: Any, where: str, bound: Set[str] = frozenset()) -> Iterator[list[str]]:
    """Yield the columns of an expression, each as its names; refuse what no expression may hold."""
    if isinstance(tree, list):
        for each in tree:
            yield from _columns(each, where, bound)
        return
    if not isinstance(tree, dict):
        return
    part = tree.get("class")
    if part is not None and part not in _PARTS:
        what = {"SUBQUERY": "holds a query", "STAR": "names all columns"}.get(part, f"holds {part.lower()}")
        raise _refused(where, what, "write one expression over columns of the two records")
    if part == "FUNCTION":
        _check_function(tree, where)
    if part == "TYPE" and (tree["schema"] or tree["catalog"] or tree["type_name"].lower() not in _TYPES):
        raise _refused(where, f"names a type {tree['type_name']!r}", "use types of text, numbers and dates")
    if part == "COLUMN_REF":
        if tree["column_names"][0] not in bound:
            yield tree["column_names"]
    elif part == "LAMBDA":
        parameters = {*_parameters(tree["lhs"], where)}
        yield from _columns(tree["expr"], where, bound | parameters)
    else:
        for each in tree.values():
            yield from _columns(each, where, bound)


def _parameters(tree: dict[str, Any], where: str) -> Iterator[str]:
    """Yield the names that a lambda gives to the values of a list; refuse names by which columns could hide."""
    several = tree["class"] == "FUNCTION" and tree["function_name"] == "row"
    for each in [argument["expression"] for argument in tree["arguments"]] if several else [tree]:
        name = each["column_names"][0] if each["class"] == "COLUMN_REF" and len(each["column_names"]) == 1 else "l"
        if name.lower() in ("l", "r") or name.lower().endswith(("_l", "_r")):
            raise _refused(
                where, "holds an arrow that is no lambda of a list", "name what a lambda takes, as in x -> x"
            )
        yield name


def _check_function(tree: dict[str, Any], where: str) -> None:
    name = tree["function_name"]
    plain = not tree["schema"] and not tree["catalog"] and not tree["filter"] and not tree["distinct"]
    if name.lower() not in _FUNCTIONS or not plain or tree["order_bys"]["orders"]:
        raise _refused(where, f"calls {name!r}", "use functions of text, numbers, dates and lists")


def _written(connection: "DuckDBPyConnection", tree: dict[str, Any]) -> str:
    """Write a parsed expression as SQL again."""
    ((template,),) = connection.execute("SELECT json_serialize_sql('SELECT 1')").fetchall()
    statement = json.loads(template)
    statement["statements"][0]["node"]["select_list"] = [tree]
    ((sql,),) = connection.execute("SELECT json_deserialize_sql(?::JSON)", [json.dumps(statement)]).fetchall()
    return str(sql).removeprefix("SELECT ")


def _unqualified(connection: "DuckDBPyConnection", tree: dict[str, Any]) -> str:
    """Write an expression on one record without ``l.`` or ``r.``."""

    def strip(each: Any) -> Any:
        if isinstance(each, list):
            return [strip(item) for item in each]
        if not isinstance(each, dict):
            return each
        if each.get("class") == "COLUMN_REF" and each["column_names"][0].lower() in ("l", "r"):
            return {**each, "column_names": each["column_names"][1:]}
        return {name: strip(value) for name, value in each.items()}

    return _written(connection, strip(tree))


def _refused(where: str, what: str, instead: str) -> ProgrammeError:
    return ProgrammeError(f"model: {where} {what}; {instead}")
