"""Misspell names: mistyped at a keyboard, misheard on the telephone, or misread from paper."""

from typing import Final

import numpy as np
import polars as pl

__all__ = ["misheard", "misread", "mistyped"]

# The neighbours of each key on a British keyboard.
_NEIGHBOURS: Final = {
    **{"Q": "WA", "W": "QESA", "E": "WRDS", "R": "ETFD", "T": "RYGF", "Y": "TUHG", "U": "YIJH", "I": "UOKJ"},
    **{"O": "IPLK", "P": "OL", "A": "QSZ", "S": "ADWXZ", "D": "SFEXC", "F": "DGRCV", "G": "FHTVB", "H": "GJYBN"},
    **{"J": "HKUNM", "K": "JLIM", "L": "KOP", "Z": "ASX", "X": "ZCSD", "C": "XVDF", "V": "CBFG", "B": "VNGH"},
    **{"N": "BMHJ", "M": "NJK"},
}
# fmt: off
_SOUNDS: Final = (
    ("PH", "F"), ("F", "PH"), ("CK", "K"), ("KS", "X"), ("X", "KS"), ("SCH", "SH"), ("CH", "K"), ("TH", "T"),
    ("GH", ""), ("IE", "Y"), ("EY", "Y"), ("Y", "I"), ("Y", "IE"), ("I", "Y"), ("EI", "IE"), ("IE", "EI"),
    ("EA", "EE"), ("EE", "EA"), ("AI", "AY"), ("AY", "AI"), ("OU", "OO"), ("OO", "U"), ("AU", "AW"), ("AW", "OR"),
    ("LL", "L"), ("L", "LL"), ("TT", "T"), ("T", "TT"), ("NN", "N"), ("N", "NN"), ("SS", "S"), ("S", "SS"),
    ("S", "Z"), ("Z", "S"), ("C", "S"), ("C", "K"), ("K", "C"), ("QU", "KW"), ("WR", "R"), ("KN", "N"), ("E", "A"),
    ("A", "E"), ("ER", "AR"), ("OR", "ER"), ("ON", "EN"), ("EN", "ON"), ("AN", "EN"), ("WH", "W"), ("J", "G"),
    ("G", "J"), ("MC", "MAC"), ("OE", "O"), ("AH", "A"), ("NE", "N"), ("N", "NE"), ("KE", "K"), ("B", "P"), ("D", "T"),
)
_SHAPES: Final = (
    ("M", "RN"), ("RN", "M"), ("O", "0"), ("I", "1"), ("L", "1"), ("S", "5"), ("B", "8"), ("CL", "D"), ("D", "CL"),
    ("G", "6"), ("W", "VV"), ("E", "F"), ("F", "E"), ("H", "N"), ("U", "V"), ("Y", "V"), ("C", "G"), ("Z", "2"),
)
# fmt: on


def mistyped(rng: np.random.Generator, texts: pl.Series) -> pl.Series:
    """Make one typing error in each text: a wrong key, a letter missing or typed twice, or two letters swapped.

    Examples
    --------
    >>> import numpy as np
    >>> mistyped(np.random.default_rng(3), pl.Series(["LUSCOMBE", "LI"])).to_list()
    ['LUSCOME', 'LII']
    """
    count = len(texts)
    frame = pl.DataFrame(
        {"text": texts, "slip": rng.random(count), "where": rng.random(count), "key": rng.random(count)}
    )
    text, length = pl.col("text"), pl.col("text").str.len_chars()
    # The first letter is wrong less often than the others.
    place = ((pl.col("where") ** 0.7 * length).floor().cast(pl.UInt32)).clip(0, length - 1)
    before, letter, after = text.str.slice(0, place), text.str.slice(place, 1), text.str.slice(place + 1)
    beside = letter.replace_strict(_NEIGHBOURS, default="E")
    wrong = beside.str.slice((pl.col("key") * beside.str.len_chars()).floor().cast(pl.Int64), 1)
    typed = frame.select(
        text,
        pl.when((pl.col("slip") < 0.25) & (length > 2))
        .then(before + after)
        .when(pl.col("slip") < 0.45)
        .then(before + letter + letter + after)
        .when((pl.col("slip") < 0.62) & (after != ""))
        .then(before + after.str.slice(0, 1) + letter + after.str.slice(1))
        .otherwise(before + wrong + after)
        .alias("typed"),
    )
    # Two equal letters swapped, or E typed for E, change nothing: then the last letter is doubled.
    return typed.select(
        pl.when(pl.col("typed") == text).then(text + text.str.slice(-1)).otherwise("typed").alias(texts.name)
    ).to_series()


def misheard(rng: np.random.Generator, texts: pl.Series) -> pl.Series:
    """Spell one sound of each text another way; mistype a text without such a sound."""
    return _exchanged(rng, texts, _SOUNDS)


def misread(rng: np.random.Generator, texts: pl.Series) -> pl.Series:
    """Replace one letter of each text by one of similar shape, as a scanner does; mistype a text that has none."""
    return _exchanged(rng, texts, _SHAPES)


def _exchanged(rng: np.random.Generator, texts: pl.Series, pairs: tuple[tuple[str, str], ...]) -> pl.Series:
    """Draw one of the pairs that occur in each text, and exchange it once."""
    best = np.zeros(len(texts))
    chosen = np.full(len(texts), -1)
    for number, (given, _) in enumerate(pairs):
        # Longer patterns are more likely: people make these errors more often.
        priority = rng.random(len(texts)) * len(given) * texts.str.contains(given, literal=True).to_numpy()
        better = priority > best
        best[better], chosen[better] = priority[better], number
    # If the pattern occurs twice, the last is as likely as the first: it is the first in the reversed text.
    backwards = pl.Series(rng.random(len(texts)) < 0.5)
    frame = pl.DataFrame({"text": texts, "pair": chosen, "backwards": backwards})
    result = text = pl.when("backwards").then(pl.col("text").str.reverse()).otherwise("text")
    for number in np.unique(chosen[chosen >= 0]):
        given, instead = pairs[number]
        forth = text.str.replace(given, instead, literal=True)
        back = text.str.replace(given[::-1], instead[::-1], literal=True)
        result = (
            pl.when(pl.col("pair") == number).then(pl.when("backwards").then(back).otherwise(forth)).otherwise(result)
        )
    result = pl.when("backwards").then(result.str.reverse()).otherwise(result)
    spelt = frame.select(result.alias(texts.name)).to_series()
    same = np.flatnonzero((spelt == texts) | (spelt == ""))
    return spelt.scatter(same, mistyped(rng, texts[same])) if len(same) else spelt
