r"""Text from elsewhere, made plain: what a terminal or an editor would obey is shown as an escape such as ``\x1b``.

A supplier chooses the names of columns and the codes of practices. With control characters in them it could clear a
terminal or set its title, with Unicode's formatting characters turn text around or hide it, with a line end forge a
line of a report.
"""

import unicodedata
from typing import Final

__all__ = ["ends_a_line", "escaped", "without_escapes"]

# Control and formatting characters (among them those that change direction), halves of pairs, and line ends.
_NOT_PLAIN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def escaped(text: str) -> str:
    r"""Show every character that is not plain as an escape.

    Examples
    --------
    >>> print(escaped("A81001\x1b[2J\n\u202e"))
    A81001\x1b[2J\n\u202e
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(each if _is_plain(each) else each.encode("unicode_escape").decode("ascii") for each in text)


def without_escapes(text: str) -> str:
    r"""Leave out every character that is not plain: what a reader would see of the text.

    Examples
    --------
    >>> without_escapes("943\u200b476\u200b5919")
    '9434765919'
    """
    return "".join(filter(_is_plain, text))


def _is_plain(character: str) -> bool:
    return unicodedata.category(character) not in _NOT_PLAIN


def ends_a_line(text: str) -> bool:
    r"""Whether a text has a line end anywhere, as Unicode defines line ends.

    Examples
    --------
    >>> ends_a_line("one\u2028two"), ends_a_line("one two")
    (True, False)
    """
    return "".join(text.splitlines()) != text
