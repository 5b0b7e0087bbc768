"""Split a whole name, written in one column, into given names and a family name."""

from typing import Final

import polars as pl

from linkcore.identifiers import names
from linkcore.identifiers.text import as_text, by_dtype, on_present

__all__ = ["PARTICLES", "STATUS", "SUFFIXES", "TITLES", "looks_whole", "standardise"]

STATUS: Final = pl.Enum(["valid", "missing", "non_name", "unclear"])
"""Statuses of a whole name. The name is ``unclear``, but kept, where the order of its words is a guess."""

TITLES: Final = (*names.TITLES, "LADY", "LORD", "CAPT", "CAPTAIN", "COL", "COLONEL", "CLLR")
"""Titles before a whole name, or after it and a comma."""

SUFFIXES: Final = (
    *("JR", "JNR", "SR", "SNR", "ESQ", "II", "III", "IV", "OBE", "MBE", "CBE", "KBE", "DBE", "PHD", "BSC", "MSC"),
    *("MBBS", "FRCS", "FRCP", "QC", "KC", "JP"),
)
"""What may follow a name and is no part of it. MA, BA and MD are not listed, since they are names of real people."""

PARTICLES: Final = (
    *("VAN", "VON", "VOM", "ZU", "ZUM", "DE", "DEL", "DELLA", "DI", "DA", "DAL", "DOS", "DAS", "DU", "DES", "LA", "LE"),
    *("DER", "DEN", "TEN", "TER", "BIN", "IBN", "BINT", "BINTI", "AL", "EL", "UL", "ABU", "AP", "ST", "SAINT"),
    *("MAC", "MC", "O", "O'", "O’", "D'", "D’", "FITZ", "NI", "NIC"),
)
"""Words with which a family name of several words begins, if they are not the first word of the whole name."""

_TITLE: Final = f"(?:{'|'.join(TITLES)})"
_SUFFIX: Final = f"(?:{'|'.join(SUFFIXES)})"

_ASIDES: Final = r"[(\[{][^)\]}]*[)\]}]?"
_KNOWN_AS: Final = r"(?i)^ *KNOWN AS "
_ALSO_CALLED: Final = r"(?i)[ ,]+(?:KNOWN AS|AKA|A\.K\.A\.?|N[ÉE]E) .*$"
_LEADING_TITLES: Final = rf"(?i)^(?:{_TITLE} )+(\p{{L}})"
_TRAILING_TITLE: Final = rf"(?i) ?, ?{_TITLE}$"
_TITLE_AT_THE_END: Final = rf"(?i) {_TITLE}$"
_TRAILING_SUFFIXES: Final = rf"(?i)(\p{{L}}[^ ,]*)(?:[ ,]+{_SUFFIX})+[ ,]*$"

# Words in capitals before words that are not: SMITH Anna, VAN DER BERG Anna. Two capitals may be initials: AJ Smith.
_IN_CAPITALS: Final = (
    r"^((?:[\p{Lu}'’-]+ )*[\p{Lu}'’-]*\p{Lu}[\p{Lu}'’-]*\p{Lu}[\p{Lu}'’-]*\p{Lu}[\p{Lu}'’-]*)"
    r"((?: [^ ]*\p{Ll}[^ ]*)+)$"
)
# Nobody's family name is one letter: SMITH A J.
_BEFORE_INITIALS: Final = r"^([^ ]*\p{L}{2}[^ ]*(?: [^ ]*\p{L}{2}[^ ]*)*)((?: \p{L})+)$"
_FROM_PARTICLE: Final = rf"(?i)^([^ ].*?)( (?:{'|'.join(PARTICLES)}) .+)$"
_LAST_WORD: Final = r"^(.+)( [^ ]+)$"

_PARTICLE_FIRST: Final = rf"(?i)^(?:{'|'.join(PARTICLES)}) "

# After one word and a comma, these are initials: SMITH, JP. After several words they are an honour: John Smith, JP.
_INITIALS: Final = r"(?i)^[^ ,]+ ?, ?(?:QC|KC|JP)$"

_WITH_COMMA: Final = r"\p{L}{2}[^,]*, *\p{L}"
_WITH_TITLE: Final = rf"(?i)^ *{_TITLE}[. ]+[^ ,]+ +[^ ,]"


def standardise(column: pl.Expr) -> pl.Expr:
    """Split whole names: a struct of ``value``, ``given``, ``family`` (String) and ``status``.

    ``value`` is both parts together; it is null where neither can be used.

    - Titles (Mrs, Dr, Lord) and suffixes (Jr, OBE) are dropped.
    - A comma ends the family name. Without one, the family name is the last word, or begins at a particle (van, bin).
    - Words in capitals before other words, and words before initials, are the family name. A single word is too.
    - A name is ``unclear`` where what comes first is a guess: such a name, and, without a title, a single word, a name
      all in capitals, and one that begins with a particle.
    - The two parts are then read as :func:`linkcore.identifiers.names.standardise` reads them.

    Examples
    --------
    >>> whole = ["SMITH, Anna Jane", "Mrs A Smith", "Dr Anna-Marie van der Berg", "SMITH Anna", "Not known"]
    >>> for row in pl.DataFrame({"name": whole}).select(standardise(pl.col("name"))).unnest("name").rows():
    ...     print(row[1:])
    ('ANNA JANE', 'SMITH', 'valid')
    ('A', 'SMITH', 'valid')
    ('ANNA MARIE', 'VAN DER BERG', 'valid')
    ('ANNA', 'SMITH', 'unclear')
    (None, None, 'non_name')
    """
    return by_dtype(column, _standardise)


def _standardise(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Split whole names of a known dtype."""
    text, plain, untitled, name, ordered = map(pl.field, ("text", "plain", "untitled", "name", "ordered"))
    found, given, family, status = map(pl.field, ("found", "given", "family", "status"))
    words_of = {kind: pl.field(f"{kind}_words") for kind in ("given", "family")}
    return (
        pl.struct(text=as_text(column, dtype))
        .struct.with_fields(plain=_without_asides(text))
        .struct.with_fields(
            untitled=plain.str.replace(_TRAILING_TITLE, "").str.replace(_LEADING_TITLES, "${1}"),
        )
        .struct.with_fields(
            name=pl.when(untitled.str.contains(_INITIALS))
            .then(untitled)
            .otherwise(untitled.str.replace(_TRAILING_SUFFIXES, "${1}"))
        )
        .struct.with_fields(ordered=name.str.contains(",", literal=True))
        .struct.with_fields(guess=pl.when(~ordered).then(pl.coalesce(_split(name, _IN_CAPITALS, _BEFORE_INITIALS))))
        .struct.with_fields(
            family_words=pl.when(ordered)
            .then(name.str.replace(",.*$", "").str.replace(_TRAILING_SUFFIXES, "${1}"))
            .when(pl.field("guess").is_not_null())
            .then(pl.field("guess").list.first())
            .otherwise(pl.coalesce(name.str.extract(_FROM_PARTICLE, 2), name.str.extract(_LAST_WORD, 2), name)),
            given_words=pl.when(ordered)
            .then(name.str.replace("^[^,]*,", "").str.replace_all("[, ]+", " ").str.replace(_TITLE_AT_THE_END, ""))
            .when(pl.field("guess").is_not_null())
            .then(pl.field("guess").list.last())
            .otherwise(pl.coalesce(name.str.extract(_FROM_PARTICLE, 1), name.str.extract(_LAST_WORD, 1))),
        )
        .struct.with_fields(
            found=names.standardise_text(text, "family"),
            given=names.standardise_text(words_of["given"], "given"),
            family=names.standardise_text(words_of["family"], "family"),
        )
        .struct.with_fields(
            status=pl.when(found.struct.field("status") != "valid")
            .then(found.struct.field("status").cast(pl.String))
            .when(given.struct.field("value").is_null() & family.struct.field("value").is_null())
            .then(pl.lit("non_name"))
            .when(pl.field("guess").is_not_null() | (~ordered & (plain == untitled) & _could_be_turned_round(name)))
            .then(pl.lit("unclear"))
            .otherwise(pl.lit("valid"))
            .cast(STATUS)
        )
        .struct.with_fields(
            given=pl.when(status.is_in(["valid", "unclear"])).then(given.struct.field("value")),
            family=pl.when(status.is_in(["valid", "unclear"])).then(family.struct.field("value")),
        )
        .struct.with_fields(value=pl.when(given.is_not_null() | family.is_not_null()).then(_joined(given, family)))
        .struct.eval(pl.field("value"), given, family, status)
    )


def _could_be_turned_round(name: pl.Expr) -> pl.Expr:
    """Return whether a name may begin with the family name: one word, one all in capitals, or with a particle first."""
    in_capitals = name.str.contains(r"\p{Lu}") & ~name.str.contains(r"\p{Ll}")
    return ~name.str.contains(" ", literal=True) | in_capitals | name.str.contains(_PARTICLE_FIRST)


def _without_asides(text: pl.Expr) -> pl.Expr:
    """Take away what is in brackets, other names, full stops and needless spaces."""
    return (
        text.str.replace_all(r"\s+", " ")
        .str.replace_all(_ASIDES, " ")
        .str.replace(_KNOWN_AS, "")
        .str.replace(_ALSO_CALLED, "")
        .str.replace_all(".", " ", literal=True)
        .str.replace_all("，", ",", literal=True)
        .str.replace_all(" +", " ")
        .str.strip_chars(" ")
    )


def _split(name: pl.Expr, *patterns: str) -> list[pl.Expr]:
    """Return, for each pattern, the list of its family name and given names; null where it does not match."""
    return [
        pl.when(name.str.contains(pattern)).then(pl.concat_list(name.str.extract(pattern, group) for group in (1, 2)))
        for pattern in patterns
    ]


def _joined(given: pl.Expr, family: pl.Expr) -> pl.Expr:
    return pl.concat_str(given, family, separator=" ", ignore_nulls=True)


def looks_whole(column: pl.Expr) -> pl.Expr:
    """Return whether each value looks like a whole name: with a comma inside, or with a title and two more words.

    Examples
    --------
    >>> frame = pl.DataFrame({"name": ["SMITH, Anna", "Mrs Anna Smith", "Smith", "Mrs Smith", "Anna Jane", None]})
    >>> frame.select(looks_whole(pl.col("name"))).to_series().to_list()
    [True, True, False, False, False, False]
    """
    return by_dtype(column, _looks_whole)


def _looks_whole(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    text = as_text(column, dtype)
    # Most names are one word.
    several = pl.when(text.str.contains(" ", literal=True) | text.str.contains(",", literal=True)).then(text)
    return on_present(several, _has_comma_or_title, pl.Boolean).fill_null(False)


def _has_comma_or_title(text: pl.Expr) -> pl.Expr:
    return text.str.contains(_WITH_COMMA) | text.str.contains(_WITH_TITLE)
