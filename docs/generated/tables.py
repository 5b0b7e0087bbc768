"""The columns of tables and files: what is written beside them in the code."""

import io
import re
import tokenize
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from generated.markdown import sentence, table

__all__ = ["audit_fields", "quality_json", "tables"]

AUDIT_FIELDS: Final = Path(__file__).with_name("audit_fields.toml")
"""What each detail of a line of the audit log means."""

_COLUMNS: Final = Path(__file__).with_name("columns.toml")


def tables() -> str:
    """Describe the columns of the tables in ``linkcore/schema.py``, with what it says beside each."""
    from linkcore import schema

    source = Path(schema.__file__).read_text("utf-8")
    usual: dict[str, str] = tomllib.loads(_COLUMNS.read_text("utf-8"))
    parts = []
    for name in ("LINKS", "PERSONS", "RECORDS", "SET_ASIDE", "LABELS", "DECISIONS", "SUPERSEDED"):
        said = usual | _said_beside(source, name)
        rows = [
            [f"`{column}`", _dtype(dtype), sentence(said.get(column, ""))]
            for column, dtype in getattr(schema, name).items()
        ]
        parts.append(
            "\n".join([f"## {name}", "", _docstring_of(source, name), "", *table(["column", "type", "meaning"], rows)])
        )
    for name in ("METHOD", "NHS_NUMBER_STATUS", "DECISION", "SUPERSESSION"):
        said = _said_beside(source, name)
        rows = [[f"`{value}`", sentence(said.get(value, ""))] for value in getattr(schema, name).categories]
        parts.append("\n".join([f"## {name}", "", _docstring_of(source, name), "", *table(["value", "meaning"], rows)]))
    return "\n\n".join(parts)


def _dtype(dtype: Any) -> str:
    return "Enum" if str(dtype).startswith("Enum") else str(dtype)


def _definition(source: str, name: str) -> tuple[str, str]:
    """Return the text that defines a name of a module, and the docstring below it."""
    found = re.search(rf'^{name}: Final = (.*?)^\)\n"""(.*?)"""', source, re.MULTILINE | re.DOTALL)
    assert found, name
    return found[1], found[2]


def _docstring_of(source: str, name: str) -> str:
    """Return the docstring below a definition."""
    return _definition(source, name)[1].replace("``", "`")


def _said_beside(source: str, name: str) -> dict[str, str]:
    """Return the comment on or above the line of each text that begins a line of a definition."""
    said: dict[str, str] = {}
    above, first = "", None
    for token in tokenize.generate_tokens(io.StringIO(_definition(source, name)[0] + ")\n").readline):
        if token.type == tokenize.COMMENT:
            comment = token.string.lstrip("# ")
            if first is None:
                above = comment
            else:
                said[first] = comment
        elif token.type == tokenize.STRING and first is None:
            first = token.string.strip('"')
            if above:
                said[first], above = above, ""
        elif token.type == tokenize.NL:
            first = None
    return said


def quality_json() -> str:
    """Describe each table of ``quality.json`` and its columns, from its JSON Schema."""
    from linkcore.report.file_schema import json_schema

    schema = json_schema()
    usual = {"schema": "Name and version of this form.", "run": "About the run.", "tables": "The tables below."}
    top = [[f"`{name}`", each.get("description") or usual[name]] for name, each in schema["properties"].items()]
    run = [
        [f"`run.{name}`", each.get("description", "")]
        for name, each in schema["properties"]["run"]["properties"].items()
    ]
    parts = ["\n".join([schema["description"], "", *table(["member", "meaning"], top + run)])]
    fallback = schema["properties"]["fallback"]["anyOf"][1]["properties"]
    weights = [[f"`{name}`", each["description"]] for name, each in fallback["weights"]["properties"].items()]
    for prefix, found in (("tables", schema["properties"]["tables"]), ("fallback.tables", fallback["tables"])):
        for name, columns in found["properties"].items():
            described = columns["items"]["properties"].items()
            rows = [[f"`{column}`", _json_kind(each), each["description"]] for column, each in described]
            parts.append(
                "\n".join(
                    [
                        f"## {prefix}.{name}",
                        "",
                        columns["description"],
                        "",
                        *table(["column", "value", "meaning"], rows),
                    ]
                )
            )
    parts.append(
        "\n".join(
            ["## fallback.weights", "", fallback["weights"]["description"], "", *table(["member", "meaning"], weights)]
        )
    )
    return "\n\n".join(parts)


def _json_kind(value: Mapping[str, Any]) -> str:
    if "enum" in value:
        return ", ".join(f"`{each}`" for each in value["enum"])
    if "$ref" in value:
        return "count, or `*`"
    return " or ".join(value["type"]) if isinstance(value["type"], list) else str(value["type"])


def audit_fields() -> str:
    """Describe the details that a line of the audit log may hold."""
    meanings = tomllib.loads(AUDIT_FIELDS.read_text("utf-8"))
    return "\n".join(table(["detail", "meaning"], [[f"`{name}`", text] for name, text in meanings.items()]))
