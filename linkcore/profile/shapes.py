"""The shapes of values: how a column is written, without any value of it."""

from typing import Final

import polars as pl

__all__ = ["LEAST_OF_SHAPE", "OTHER_SHAPES", "shape", "shapes"]

LEAST_OF_SHAPE: Final = 10
"""A shape of fewer values is not shown: a rare way to write a value may belong to one person."""

OTHER_SHAPES: Final = "other shapes"
"""Stands for all shapes that are not shown."""

_MOST_SHAPES: Final = 5
_LONGEST: Final = 40
_PUNCTUATION: Final = r"-/.,:'()+=_ "


def shape(text: pl.Expr) -> pl.Expr:
    """Return the shape of each text: a digit becomes 9, a capital A, another letter a.

    What follows three letters of a word, or forty characters, becomes "…". Any character but a letter, a digit and
    common punctuation becomes "?". Nothing of the value is left but where its digits, letters and punctuation stand.

    Examples
    --------
    >>> values = ["03/04/1980", "EX1 2AB", "O'Brien-Ng", "3-Feb-80", "a@b", " "]
    >>> pl.DataFrame({"value": values}).select(shape(pl.col("value"))).to_series().to_list()
    ['99/99/9999', 'AA9 9AA', "A'Aaa…-Aa", '9-Aaa-99', 'a?a', ' ']
    """
    plain = (
        text.str.replace_all(r"\s", " ")
        .str.replace_all(rf"[^\p{{L}}\p{{N}}{_PUNCTUATION.replace('-', '')}-]", "?")
        .str.replace_all(r"\p{N}", "9")
        .str.replace_all(r"[\p{L}--\p{Lu}]", "a")
        .str.replace_all(r"\p{Lu}", "A")
        .str.replace_all(r"([Aa]{3})[Aa]+", "${1}…")
    )
    return pl.when(plain.str.len_chars() > _LONGEST).then(plain.str.head(_LONGEST) + "…").otherwise(plain)


def shapes(found: pl.Series) -> list[tuple[str, int]]:
    """Count the shapes of a column, the commonest first; rare ones, and all after the fifth, are folded into one.

    Examples
    --------
    >>> shapes(pl.Series(["99/99/9999"] * 20 + ["9-Aaa-99"] * 2 + [None]))
    [('99/99/9999', 20), ('other shapes', 2)]
    """
    counts = (
        found.drop_nulls().alias("shape").value_counts(name="values").sort("values", "shape", descending=[True, False])
    )
    shown = counts.filter(pl.col("values") >= LEAST_OF_SHAPE).head(_MOST_SHAPES)
    others = int(counts["values"].sum()) - int(shown["values"].sum())
    listed = [(str(name), int(number)) for name, number in shown.iter_rows()]
    return [*listed, (OTHER_SHAPES, others)] if others else listed
