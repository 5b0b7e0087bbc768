"""Fill in the pages: a line ``<!-- generated: NAME -->`` is replaced by the part of that name."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from generated.commands import commands
from generated.programme_file import programme_keys
from generated.tables import audit_fields, quality_json, tables

__all__ = ["filled", "public_names"]

_MARK: Final = re.compile(r"^<!-- generated: (\w+) -->$", re.MULTILINE)


def filled(page: str, root: Path) -> str:
    """Return a page with its generated parts."""
    parts: Mapping[str, Callable[[], str]] = {
        "readme": lambda: _of_the_top(root / "README.md"),
        "changelog": lambda: _of_the_top(root / "CHANGELOG.md"),
        "commands": commands,
        "programme_keys": programme_keys,
        "tables": tables,
        "quality_json": quality_json,
        "public_names": public_names,
        "audit_fields": audit_fields,
    }
    return _MARK.sub(lambda found: parts[found[1]](), page)


def _of_the_top(file: Path) -> str:
    """Return a page from the top of the repository, with its links as they are below ``docs/``."""
    text = file.read_text("utf-8").replace("](docs/", "](").replace("](CHANGELOG.md", "](changes.md")
    return re.sub(r"\]\((LICENSE|benches/)", r"](../\1", text)


def public_names() -> str:
    """Describe every public class and function, by the docstrings."""
    import linkcore

    parts = []
    for name in sorted(linkcore.__all__, key=str.lower):
        if name.startswith("_"):
            continue
        is_class = isinstance(getattr(linkcore, name), type)
        directive = (
            f".. autoclass:: linkcore.{name}\n   :members:" if is_class else f".. autofunction:: linkcore.{name}"
        )
        parts.append(f"## {name}\n\n```{{eval-rst}}\n{directive}\n```")
    return "\n\n".join(parts)
