"""The JSON Schema that is shipped for editors, and the line by which a programme file names it."""

from importlib.resources import files
from pathlib import Path
from typing import Final

__all__ = ["SCHEMA_FILE", "SCHEMA_LINE", "schema_text", "write_schema", "write_with_schema"]

SCHEMA_FILE: Final = "programme.schema.json"
"""Name of the schema, in the package and beside each programme file that is generated."""

SCHEMA_LINE: Final = f"#:schema ./{SCHEMA_FILE}\n"
"""First line of a generated programme file. Editors that know Taplo, such as Even Better TOML, read it."""


def schema_text() -> str:
    """Return the schema of the programme file as JSON."""
    return files("linkcore").joinpath("programme", SCHEMA_FILE).read_text("utf-8")


def write_schema(folder: Path) -> None:
    """Write the schema beside a generated programme file: an editor finds it there without a network."""
    (folder / SCHEMA_FILE).write_text(schema_text(), "utf-8", newline="\n")


def write_with_schema(programme: Path, text: str) -> None:
    """Write a generated programme file, which names the schema in its first line, and the schema beside it."""
    programme.write_text(SCHEMA_LINE + text, "utf-8", newline="\n")
    write_schema(programme.parent)
