"""Read the README and the pages of docs/: their paths, and the examples of a section."""

import doctest
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"
DOCS = README.parent / "docs"
PIPELINES = DOCS / "how_to" / "pipelines.md"
PASSPHRASE = "four words of nobody's"
"""Passphrase of the keyring in their examples."""


def section(title: str) -> list[doctest.Example]:
    """Return the examples of the README below a heading, in order."""
    (text,) = [part for part in README.read_text("utf-8").split("\n## ") if part.startswith(f"{title}\n")]
    return doctest.DocTestParser().get_examples(text, README.name)


def examples(page: Path) -> list[doctest.Example]:
    """Return the examples of a page, in order."""
    return doctest.DocTestParser().get_examples(page.read_text("utf-8"), page.name)
