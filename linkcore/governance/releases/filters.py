"""Filters: conditions on rows, in a small language that is translated into Polars expressions.

It looks like Python, and Python's own parser reads it, but nothing is ever run. A short list of the parser's nodes is
translated, and everything else is refused. ::

    age >= 18 and LSOA in ("E01000001", "E01000002") and not (practice == "L83001")
    DISCHARGED is None or date(DISCHARGED) >= "2026-01-01"
    number(COST) > 100 and column("Main specialty") != "300"

Names are columns. ``column("...")`` names a column with spaces in its name. ``number(...)`` and ``date(...)`` read
text, because all columns of a CSV file are text. As in SQL, a condition on a value that is missing, or cannot be read,
is neither true nor false. A row is left out unless its condition is true.
"""

import ast
import datetime as dt
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, Final, NamedTuple

import polars as pl

from linkcore.errors import ProgrammeError

__all__ = ["Filter"]

_LONGEST: Final = 20_000
_COMPARISONS: Final[Mapping[type[ast.cmpop], Callable[[Any, Any], pl.Expr]]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_MIRRORED: Final[Mapping[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Eq: ast.Eq,
    ast.NotEq: ast.NotEq,
    ast.Lt: ast.Gt,
    ast.LtE: ast.GtE,
    ast.Gt: ast.Lt,
    ast.GtE: ast.LtE,
}
_ALLOWED: Final = (
    "a filter has columns, texts and numbers; ==, !=, <, <=, >, >=, in (...), not in (...), is None, is not None; "
    "and, or, not; column(...), number(...) and date(...)"
)


class _Operand(NamedTuple):
    """A column as an expression, its kind, and its name."""

    value: pl.Expr
    kind: str
    name: str
    is_whole: bool = False


@dataclass(frozen=True)
class Filter:
    """A condition on rows.

    Parameters
    ----------
    text : str
        The condition, as it was written.

    Raises
    ------
    ProgrammeError
        If it cannot be read, or uses anything that is not in the language.

    Examples
    --------
    >>> adults = Filter('age >= 18 and not SEX in ("9", "X")')
    >>> adults.names
    ('SEX', 'age')
    >>> rows = pl.DataFrame({"age": [17, 40, None], "SEX": ["1", "2", "1"]})
    >>> rows.filter(adults.expression(rows.schema)).rows()
    [(40, '2')]
    >>> Filter("__import__('os').remove('gp.csv')")
    Traceback (most recent call last):
    linkcore.errors.ProgrammeError: filter, character 1: ... is not allowed; a filter has columns, ...
    """

    text: str
    _tree: ast.expr = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.text, str) or not self.text.strip() or len(self.text) > _LONGEST:
            raise ProgrammeError(f"filter: it is 1 to {_LONGEST} characters of text, as in age >= 18")
        try:
            # In brackets, so that it may span several lines.
            tree = ast.parse(f"({self.text}\n)", mode="eval").body
        except SyntaxError as error:
            where = f", character {error.offset - 1}" if error.offset and error.lineno == 1 else ""
            raise ProgrammeError(f"filter{where}: it cannot be read; {_ALLOWED}") from None
        except (ValueError, RecursionError, MemoryError):
            raise ProgrammeError(f"filter: it cannot be read; {_ALLOWED}") from None
        object.__setattr__(self, "_tree", tree)
        try:
            # Without a schema, every column fits: what is not in the language is found before a source is known.
            _condition(tree, None)
        except RecursionError:
            raise ProgrammeError("filter: it is nested too deeply; name many values with in (...)") from None

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that it names, sorted."""
        nodes = list(ast.walk(self._tree))
        functions = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
        plain = {node.id for node in nodes if isinstance(node, ast.Name) and id(node) not in functions}
        return tuple(sorted(plain | {_column_of(node) for node in nodes if _is_call(node, "column")}))

    def expression(self, schema: Mapping[str, pl.DataType]) -> pl.Expr:
        """Translate the filter for rows of a schema."""
        return _condition(self._tree, schema)


def _condition(node: ast.expr, schema: Mapping[str, pl.DataType] | None) -> pl.Expr:
    if isinstance(node, ast.BoolOp):
        join = operator.and_ if isinstance(node.op, ast.And) else operator.or_
        return reduce(join, (_condition(each, schema) for each in node.values))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return ~_condition(node.operand, schema)
    if isinstance(node, ast.Compare):
        sides = [node.left, *node.comparators]
        pairs = zip(sides, node.ops, sides[1:], strict=False)
        return reduce(operator.and_, (_comparison(left, op, right, schema) for left, op, right in pairs))
    column = _operand(node, schema)
    if column.kind not in ("truth value", "any"):
        raise _error(node, f"{column.name!r} is a {column.kind} and no condition; compare it with something")
    return column.value


def _comparison(left: ast.expr, op: ast.cmpop, right: ast.expr, schema: Mapping[str, pl.DataType] | None) -> pl.Expr:
    if isinstance(op, ast.Is | ast.IsNot):
        if not (isinstance(right, ast.Constant) and right.value is None):
            raise _error(right, "'is' stands before None only")
        value = _operand(left, schema).value
        return value.is_null() if isinstance(op, ast.Is) else value.is_not_null()
    if isinstance(op, ast.In | ast.NotIn):
        if not isinstance(right, ast.Tuple | ast.List | ast.Set) or not right.elts:
            raise _error(right, 'after \'in\' comes a list of values in brackets, as in ("a", "b")')
        column = _operand(left, schema)
        found = _is_among(column, right.elts)
        return found if isinstance(op, ast.In) else ~found
    if _is_constant(left):
        if _is_constant(right):
            raise _error(left, "one side of a comparison is a column")
        left, right, op = right, left, _MIRRORED[type(op)]()
    column = _operand(left, schema)
    if _is_constant(right):
        return _COMPARISONS[type(op)](column.value, pl.lit(_constant(right, column)))
    other = _operand(right, schema)
    if other.kind != column.kind and "any" not in (other.kind, column.kind):
        raise _error(right, f"{column.name!r} is a {column.kind}, {other.name!r} a {other.kind}; compare equals")
    return _COMPARISONS[type(op)](column.value, other.value)


def _operand(node: ast.expr, schema: Mapping[str, pl.DataType] | None) -> _Operand:
    if isinstance(node, ast.Name) or _is_call(node, "column"):
        return _named(node, node.id if isinstance(node, ast.Name) else _column_of(node), schema)
    if _is_call(node, "number"):
        inner = _operand(node.args[0], schema)  # type: ignore[attr-defined]
        return _Operand(inner.value.cast(pl.Float64, strict=False), "number", inner.name)
    if _is_call(node, "date"):
        inner = _operand(node.args[0], schema)  # type: ignore[attr-defined]
        text = inner.kind == "text"
        value = inner.value.str.to_date("%Y-%m-%d", strict=False) if text else inner.value.cast(pl.Date)
        return _Operand(value, "date", inner.name)
    raise _error(node, f"{type(node).__name__} is not allowed; {_ALLOWED}")


def _named(node: ast.expr, name: str, schema: Mapping[str, pl.DataType] | None) -> _Operand:
    if schema is None:
        return _Operand(pl.col(name), "any", name)
    if name not in schema:
        raise _error(node, f"there is no column {name!r}; there are {', '.join(schema)}")
    dtype = schema[name]
    if dtype.is_numeric():
        return _Operand(pl.col(name), "number", name, is_whole=dtype.is_integer())
    if dtype == pl.Date:
        return _Operand(pl.col(name), "date", name)
    if dtype == pl.Datetime:
        return _Operand(pl.col(name).dt.date(), "date", name)
    if dtype == pl.Boolean:
        return _Operand(pl.col(name), "truth value", name)
    if dtype in (pl.String, pl.Categorical, pl.Enum, pl.Null):
        return _Operand(pl.col(name).cast(pl.String), "text", name)
    raise _error(node, f"column {name!r} is {dtype}, which no filter can compare")


def _constant(node: ast.expr, column: _Operand) -> object:
    """Return the value that a column is compared with; refuse one of another kind."""
    negative = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)
    inner = node.operand if isinstance(node, ast.UnaryOp) and negative else node
    value = inner.value if isinstance(inner, ast.Constant) else None
    given = {bool: "truth value", int: "number", float: "number", str: "text"}.get(type(value))
    if given is None or (negative and given != "number"):
        raise _error(node, f"a text, a number, True or False must stand here; {_ALLOWED}")
    if isinstance(value, int) and abs(value) >= 1 << 63:
        raise _error(node, "a number has at most 18 digits")
    if column.kind == "date" and isinstance(value, str):
        try:
            return dt.date.fromisoformat(value)
        except ValueError:
            raise _error(node, f'{column.name!r} is a date; write the day as "2026-04-01"') from None
    if column.kind not in ("any", given):
        hint = f"; write number({column.name}) to read it as one" if (column.kind, given) == ("text", "number") else ""
        raise _error(node, f"{column.name!r} is a {column.kind}, and is compared with a {given}{hint}")
    return -value if negative and isinstance(value, int | float) else value


def _is_among(column: _Operand, nodes: Sequence[ast.expr]) -> pl.Expr:
    values = [_constant(node, column) for node in nodes]
    if all(type(value) in (int, float) for value in values):
        # A float cannot hold a code of 18 digits exactly.
        whole = column.is_whole and all(isinstance(value, int) for value in values)
        dtype = pl.Int64() if whole else pl.Float64()
        return column.value.cast(dtype, strict=False).is_in(pl.Series(values, dtype=dtype, strict=False).implode())
    others = [node for node, value in zip(nodes, values, strict=True) if type(value) is not type(values[0])]
    if others:
        raise _error(others[0], "the values of a list are of one kind")
    return column.value.is_in(pl.Series(values).implode())


def _is_constant(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) or (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub))


def _is_call(node: ast.AST, name: str) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == name
        and len(node.args) == 1
        and not node.keywords
    )


def _column_of(node: ast.AST) -> str:
    assert isinstance(node, ast.Call)
    named = node.args[0]
    if not isinstance(named, ast.Constant) or not isinstance(named.value, str):
        raise _error(node, 'column(...) takes the name of a column as text, as in column("Main specialty")')
    return named.value


def _error(node: ast.AST, what: str) -> ProgrammeError:
    # On the first line, the bracket that was added counts as one character.
    line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
    where = f"character {column}" if line == 1 else f"line {line}, character {column + 1}"
    return ProgrammeError(f"filter, {where}: {what}")
