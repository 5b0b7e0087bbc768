"""Read the README: its path, and the examples of a section."""

import doctest
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"
PASSPHRASE = "four words of nobody's"
"""Passphrase of the keyring in its examples."""


def section(title: str) -> list[doctest.Example]:
    """Return the examples below a heading, in order."""
    (text,) = [part for part in README.read_text("utf-8").split("\n## ") if part.startswith(f"{title}\n")]
    return doctest.DocTestParser().get_examples(text, README.name)
