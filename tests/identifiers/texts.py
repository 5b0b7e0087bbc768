"""Random columns of text for the parsers, built from fragments of the values that sources hold."""

from collections.abc import Sequence

import polars as pl
from hypothesis import strategies as st

# Without letters whose capitals are in a later version of Unicode than Python's: Polars already knows them.
ANY_TEXT = st.text(st.characters(max_codepoint=0xA6FF, exclude_categories=["Cs", "Cn"], exclude_characters="ƛɤ"))
UNUSUAL = [
    *("\u00a0", "\u2009", "\u200b", "\u0301", "\n", "\x1c", "´", "’", "—", "−"),
    *("٣", "３", "²", "½", "ß", "ŉ", "ﬁ", "İ", "ı"),
]


def columns(fragments: Sequence[str], size: int = 60) -> st.SearchStrategy[list[str | None]]:
    """Generate columns of ``fragments`` in any order, with unusual characters, and of arbitrary text."""
    fragment = st.sampled_from([*fragments, "", " "])
    mixed = st.lists(fragment | fragment | st.sampled_from(UNUSUAL), max_size=6).map("".join)
    plain = st.lists(fragment, max_size=6).map("".join)
    return st.lists(plain | mixed | ANY_TEXT | st.none(), min_size=size // 3, max_size=size)


def parsed(values: Sequence[object], expression: pl.Expr, **others: pl.Series) -> list[tuple[object, ...]]:
    """Evaluate an expression over a column ``x`` of the values; return the fields of each result as a tuple."""
    all_text = all(isinstance(value, str | None) for value in values)
    x = pl.Series("x", values, dtype=pl.String if all_text else None)
    return [tuple(fields.values()) for fields in pl.DataFrame({"x": x, **others}).select(expression).to_series()]
