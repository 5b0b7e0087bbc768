"""Random columns of text for the parsers: the values of sources, taken apart and put together again."""

from collections.abc import Sequence

import polars as pl
from hypothesis import strategies as st

# Letters that have a capital only in a later version of Unicode than Python's are left out: Polars knows it already.
ANY_TEXT = st.text(st.characters(max_codepoint=0xA6FF, exclude_categories=["Cs", "Cn"], exclude_characters="ƛɤ"))
STRANGE = [
    *("\u00a0", "\u2009", "\u200b", "\u0301", "\n", "\x1c", "´", "’", "—", "−"),
    *("٣", "３", "²", "½", "ß", "ŉ", "ﬁ", "İ", "ı"),
]


def columns(fragments: Sequence[str], size: int = 60) -> st.SearchStrategy[list[str | None]]:
    """Columns of ``fragments`` in any order with some strange characters, and columns of any text."""
    fragment = st.sampled_from([*fragments, "", " "])
    mixed = st.lists(fragment | fragment | st.sampled_from(STRANGE), max_size=6).map("".join)
    plain = st.lists(fragment, max_size=6).map("".join)
    return st.lists(plain | mixed | ANY_TEXT | st.none(), min_size=size // 3, max_size=size)


def parsed(values: Sequence[object], expression: pl.Expr, **others: pl.Series) -> list[tuple[object, ...]]:
    """Read values through an expression over column ``x``; return a tuple of fields for each."""
    text = all(isinstance(value, str | None) for value in values)
    x = pl.Series("x", values, dtype=pl.String if text else None)
    return [tuple(fields.values()) for fields in pl.DataFrame({"x": x, **others}).select(expression).to_series()]
