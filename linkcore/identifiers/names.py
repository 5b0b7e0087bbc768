"""Standardise names to upper-case A to Z and single spaces without titles, and recognise values that are not names."""

from functools import partial
from typing import Final, Literal

import polars as pl

from linkcore.identifiers.text import as_text, by_dtype, folded, on_distinct, on_present, own_script

__all__ = [
    "MISSING_WORDS",
    "NON_NAMES",
    "NON_NAMES_GIVEN",
    "STATUS",
    "TITLES",
    "Kind",
    "standardise",
    "standardise_text",
]

Kind = Literal["given", "family"]
"""Whether a name is a PERSON GIVEN NAME or a PERSON FAMILY NAME."""

STATUS: Final = pl.Enum(["valid", "missing", "non_name"])
"""Statuses of a name; a ``non_name`` is a word that was entered because the name was not known."""

MISSING_WORDS: Final = ("", "NULL", "NONE", "NIL", "NA", "N A")
"""Words that stand for a missing value. Some people are called Null, but NULL far more often means missing."""

NON_NAMES: Final = (
    *("UNKNOWN", "UNK", "NOT KNOWN", "NOT GIVEN", "NOT STATED", "NOT RECORDED", "NOT PROVIDED", "NOT AVAILABLE"),
    *(
        "NAME UNKNOWN",
        "NAME NOT KNOWN",
        "NO NAME",
        "UNNAMED",
        "UNIDENTIFIED",
        "ANON",
        "ANONYMOUS",
        "REFUSED",
        "WITHHELD",
    ),
    *("FEMALE", "UNKNOWN MALE", "UNKNOWN FEMALE", "MALE INFANT", "FEMALE INFANT", "MALE BABY", "FEMALE BABY"),
    *("BABY OF", "BABY BOY", "BABY GIRL", "BABY MALE", "BABY FEMALE", "KNOWN AS", "AKA"),
    *("TEST", "TESTING", "TEST PATIENT", "TESTPATIENT", "DUMMY", "DO NOT USE"),
    *(letter * times for letter in "XZ" for times in range(2, 11)),
)
"""Whole values that are neither a given name nor a family name.

MALE, BOY, CHILD, PATIENT, BABY and TWIN are not listed, since they are family names of real people.
"""

NON_NAMES_GIVEN: Final = (
    *("BABY", "INFANT", "NEWBORN", "NEONATE", "STILLBORN", "CHILD", "BOY", "GIRL", "MALE", "TWIN", "TRIPLET"),
    *("MOTHER", "FATHER", "PATIENT"),
)
"""Whole values that are not a given name."""

TITLES: Final = (
    *("MR", "MRS", "MISS", "MS", "MX", "MASTER", "DR", "DOCTOR", "PROF", "PROFESSOR"),
    *("REV", "REVD", "REVEREND", "SIR", "DAME"),
)
"""Titles are dropped before a name, or after a name and a comma; a title alone is not a name."""

_DTYPE: Final = pl.Struct({"value": pl.String(), "status": STATUS})

_MISSING_SPELLINGS: Final = ("nan", "NaN")
"""Not a number, as programs write it; in any other spelling Nan is a name."""

_TEST_PATIENT: Final = "^(?:XX|ZZ)[XZ]*TEST"
"""How the names of the NHS's test patients begin."""

_BABY_OF: Final = r"^(?:BABY|INFANT|NEWBORN|CHILD|SON|DAUGHTER)(?: BOY| GIRL)? OF\b"
_BABY_GIVEN: Final = (
    r"^(?:TWIN|TRIPLET) |^(?:BABY|INFANT|NEWBORN) (?:BOY|GIRL|MALE|FEMALE|TWIN|ONE|TWO|THREE|[A-C]|I+)\b"
)
"""BABY OF SMITH, TWIN ONE, BABY GIRL TWO: placeholders in the first records of a child, with any text after them."""

_A_TITLE: Final = f"(?:{'|'.join(TITLES)})"
_BEFORE_NAME: Final = r"^\P{L}+"
_BRACKET: Final = r"[(\[{][^)\]}]*[)\]}]?"
_KNOWN_AS: Final = r"^KNOWN AS +(\p{L})"
_ALSO_CALLED: Final = r"[ ,]+(?:KNOWN AS|AKA|A\.K\.A\.?|NEE) .*$"
_TRAILING_TITLE: Final = rf", *{_A_TITLE}\.? *$"
_LEADING_TITLES: Final = rf"^(?:{_A_TITLE}(?:\. *| +))+(\p{{L}})"
_SPLIT_PREFIX: Final = r"^(O|MC|MAC) ([A-Z]{2})"


def standardise(column: pl.Expr, *, kind: Kind) -> pl.Expr:
    """Standardise names for comparison: a struct of ``value`` (String, null unless valid) and ``status``.

    - Apostrophes are dropped, and O, MC or MAC is joined to the family name: O'BRIEN, O BRIEN and OBRIEN agree.
    - A hyphen becomes a space, so that SMITH-JONES agrees with SMITH JONES and can be compared with JONES.
    - Digits, text in brackets, and anything after "known as" or "née" are dropped.
    - A name without any letter that can be spelt in A to Z stays in its own script.

    Examples
    --------
    >>> frame = pl.DataFrame({"name": ["Dr. Zoë O’Brien-Jones", "baby girl", " "]})
    >>> frame.select(standardise(pl.col("name"), kind="given")).unnest("name").rows()
    [('ZOE OBRIEN JONES', 'valid'), (None, 'non_name'), (None, 'missing')]
    """
    return by_dtype(column, partial(_standardise, kind=kind))


def _standardise(column: pl.Expr, dtype: pl.DataType, kind: Kind) -> pl.Expr:
    """Standardise names of a known dtype."""
    return standardise_text(as_text(column, dtype), kind)


def standardise_text(text: pl.Expr, kind: Kind) -> pl.Expr:
    """Standardise names that are text, each distinct name once."""
    return on_distinct(text, partial(_read, kind=kind), _DTYPE)


def _read(column: pl.Expr, kind: Kind) -> pl.Expr:
    """Read names: most are one word of ASCII letters; only the others need :func:`_words`."""
    text, plain, name, status = map(pl.field, ("text", "plain", "name", "status"))
    simple = text.str.contains("^[A-Za-z]+$") & text.is_in(_MISSING_SPELLINGS).not_()
    non_names = (*NON_NAMES, *TITLES, *(NON_NAMES_GIVEN if kind == "given" else ()))
    status_of_name = (
        pl.when(name.is_null() | name.is_in(MISSING_WORDS))
        .then(_status("missing"))
        .when(name.is_in(non_names) | name.str.contains(_TEST_PATIENT))
        .then(_status("non_name"))
        .otherwise(_status("valid"))
    )
    return (
        pl.struct(text=column)
        .struct.with_fields(plain=pl.when(simple).then(text))
        .struct.with_fields(rest=pl.when(plain.is_null()).then(text))
        .struct.with_fields(others=on_present(pl.field("rest"), partial(_words, kind=kind), pl.String))
        .struct.with_fields(name=pl.coalesce(plain.str.to_uppercase(), pl.field("others")))
        .struct.with_fields(status=status_of_name)
        .struct.with_fields(value=pl.when(status == _status("valid")).then(name))
        .struct.eval(pl.field("value"), status)
    )


def _words(text: pl.Expr, kind: Kind) -> pl.Expr:
    """Read the words of a name; a value that is not a name becomes one of NON_NAMES or MISSING_WORDS."""
    original, words, other_script = map(pl.field, ("original", "words", "other_script"))
    non_name = words.str.contains(_BABY_OF)
    if kind == "given":
        non_name = non_name | words.str.contains(_BABY_GIVEN)
    return (
        pl.struct(original=text, words=_latin_words(text, kind))
        .struct.with_fields(other_script=on_present(pl.when(words == "").then(original), _own_script_name, pl.String))
        .struct.with_fields(
            found=pl.when(original.str.strip_chars().is_in(_MISSING_SPELLINGS))
            .then(pl.lit("NULL"))
            .when(non_name | ((words == "") & other_script.is_null() & original.str.contains(r"\p{N}")))
            .then(pl.lit("UNKNOWN"))
            .otherwise(pl.coalesce(other_script, words))
        )
        .struct.field("found")
    )


def _latin_words(text: pl.Expr, kind: Kind) -> pl.Expr:
    """Spell a name in A to Z and spaces, without titles, brackets and aliases."""
    name = (
        folded(text.str.replace_all(r"\s+", " "))
        .str.replace(_BEFORE_NAME, "")
        .str.replace_all(_BRACKET, " ")
        .str.replace(_KNOWN_AS, "${1}")
        .str.replace(_ALSO_CALLED, "")
        .str.replace(_TRAILING_TITLE, "")
        .str.replace(_LEADING_TITLES, "${1}")
        .str.replace_all("[0-9]+", "")
        .str.replace_all("[^A-Z]+", " ")
        .str.strip_chars(" ")
    )
    return name.str.replace(_SPLIT_PREFIX, "${1}${2}") if kind == "family" else name


def _own_script_name(text: pl.Expr) -> pl.Expr:
    """Keep a name in its own script, without digits."""
    return own_script(text.str.replace_all(r"\p{N}+", ""))


def _status(name: str) -> pl.Expr:
    return pl.lit(name, dtype=STATUS)
