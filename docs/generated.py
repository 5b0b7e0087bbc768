"""What the pages take from the code: commands, keys of the programme file, columns. And from the repository: README, changelog.

A page says ``<!-- generated: NAME -->`` where the site has the text that the function ``NAME`` of ``PARTS`` returns.
"""

import argparse
import dataclasses
import datetime as dt
import inspect
import io
import re
import tokenize
import tomllib
import types
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel

MEANINGS: Final = Path(__file__).parent / "reference" / "programme_keys.toml"
"""What each key of the programme file means."""

AUDIT_FIELDS: Final = MEANINGS.with_name("audit_fields.toml")
"""What each detail of a line of the audit log means."""

COLUMNS: Final = MEANINGS.with_name("columns.toml")
"""What the columns of tables mean that ``linkcore/schema.py`` does not describe."""

_MARK: Final = re.compile(r"^<!-- generated: (\w+) -->$", re.MULTILINE)


def version() -> str:
    """Return the version of linkcore."""
    import linkcore

    return linkcore.__version__


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


def commands() -> str:
    """Describe every command and its options, as its own parser knows them."""
    from linkcore.cli import _parser

    return "\n\n".join(_command(parser, name) for name, parser in all_commands(_parser()))


def all_commands(parser: argparse.ArgumentParser, name: str = "") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Yield every command that runs something, with its full name."""
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not groups:
        yield name, parser
    for action in groups:
        for word, below in action.choices.items():
            yield from all_commands(below, f"{name} {word}".strip())


def _command(parser: argparse.ArgumentParser, name: str) -> str:
    rows = [_option(action) for action in parser._actions if not isinstance(action, argparse._HelpAction)]
    return "\n".join([f"## {name}", "", parser.description or "", "", *_table(["option", "meaning"], rows)])


def _option(action: argparse.Action) -> list[str]:
    value = "" if action.nargs == 0 else str(action.metavar or action.dest.upper())
    written = [f"`{f'{option} {value}'.strip()}`" for option in action.option_strings] or [f"`{value}`"]
    needed = " **Required.**" if action.required and action.option_strings else ""
    choices = f" One of: {', '.join(map(str, action.choices))}." if action.choices else ""
    meaning = (action.help or "") % {"default": action.default} if action.help else ""
    return [", ".join(written), _sentence(meaning) + choices + needed]


def programme_keys() -> str:
    """Describe every table and key of the programme file."""
    about = tomllib.loads(MEANINGS.read_text("utf-8"))
    parts = []
    for table, keys in programme_tables().items():
        rows = [[f"`{each.name}`", each.value, each.default, each.meaning] for each in keys]
        head = [f"## {table}", "", about[table]["about"], ""]
        parts.append("\n".join(head + _table(["key", "value", "default", "meaning"], rows)))
    return "\n\n".join(parts)


class Key(NamedTuple):
    """A key of the programme file."""

    name: str
    value: str
    default: str
    meaning: str


def programme_tables() -> dict[str, list[Key]]:
    """Return the keys of each table of the programme file.

    What a key means is in ``MEANINGS``, or else in the docstring of the class that the table makes.
    """
    import linkcore as lc
    from linkcore.programme import tables as of

    stated: Mapping[str, tuple[type, ...]] = {
        "[programme]": (of.AboutTable,),
        "[numbers]": (of.NumbersTable, lc.Exact),
        "[linkage]": (of.LinkageTable, lc.Exact, lc.Fallback),
        "[[source]]": (of.SourceTable, lc.Source),
        "[two_stage] and [source.stage_one]": (lc.StageOne, lc.StageOne),
        "[opt_outs]": (of.OptOutsTable, lc.OptOutPolicy),
        "[[opt_outs.exemption]]": (of.ExemptionTable, lc.Exemption),
        "[opt_outs.national]": (of.NationalTable,),
        "[opt_outs.type_one]": (of.TypeOneTable,),
        "[opt_outs.objections]": (of.ObjectionsTable,),
        "[opt_outs.excluded]": (of.ExcludedTable,),
        "[[sensitive]]": (of.SensitiveTable,),
        "[[recipient]]": (of.RecipientTable, lc.Agreement),
        "[recipient.cohort]": (of.CohortTable, lc.Cohort),
        "[recipient.derived.SOURCE]": (of.DerivedTable, lc.Derived),
        "[recipient.terms]": (lc.Terms, lc.Terms),
        "[requesters.ODS]": (lc.Requester, lc.Requester),
        "[audit]": (of.AuditTable,),
        "[destruction]": (of.DestructionTable,),
    }
    said = tomllib.loads(MEANINGS.read_text("utf-8"))
    found = {}
    for name, (table, *makes) in stated.items():
        meanings: dict[str, str] = {}
        for made in makes:
            meanings |= parameters_of(made)
        meanings |= said[name]
        # The code of a requester is the name of its table.
        keys = [key for key in _keys(table) if (name, key[0]) != ("[requesters.ODS]", "code")]
        found[name] = [Key(*key, meanings.get(key[0], "")) for key in keys]
    return found


def parameters_of(described: type) -> dict[str, str]:
    """Return what a NumPy docstring says of each parameter, in Markdown."""
    section = re.search(r"^Parameters\n-+\n(.*?)(?=^\w+\n-+$|\Z)", inspect.getdoc(described) or "", re.MULTILINE | re.DOTALL)
    said: dict[str, str] = {}
    for names, text in re.findall(r"^(\w[\w, ]*) : .*\n((?:(?: .*)?\n)*)", section[1] + "\n" if section else "", re.MULTILINE):
        words = re.sub(r":\w+:`(?:~?[\w.]*?\.)?(\w+)`", r"`\1`", " ".join(text.split()).replace("``", "`"))
        said |= dict.fromkeys(names.split(", "), words)
    return said


def _keys(table: type) -> Iterator[tuple[str, str, str]]:
    if issubclass(table, BaseModel):
        for name, field in table.model_fields.items():
            default = "required" if field.is_required() else _shown(field.get_default(call_default_factory=True))
            yield name, _kind(field.annotation), default
        return
    hints = get_type_hints(table)
    for each in dataclasses.fields(table):
        if each.init:
            required = each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING
            yield each.name, _kind(hints[each.name]), "required" if required else _shown(each.default)


def _shown(default: object) -> str:
    if default is None or default == () or default == {} or default == "":
        return ""
    text = str(default).lower() if isinstance(default, bool) else str(default)
    return ", ".join(f"`{each}`" for each in default) if isinstance(default, tuple) else f"`{text}`"


def _kind(annotation: Any) -> str:
    """Say in words what value a key takes."""
    origin, of = get_origin(annotation), get_args(annotation)
    words = {str: "text", bool: "`true` or `false`", int: "whole number", float: "number", dt.date: "date"}
    if annotation in words:
        return words[annotation]
    if origin is Literal:
        return ", ".join(f"`{each}`" for each in of)
    if origin is Annotated:
        return _kind(of[0])
    if origin in (Union, types.UnionType):
        return " or ".join(_kind(each) for each in of if each is not type(None))
    if origin is tuple and of[-1] is not ...:
        return f"{len(of)} of: {_kind(of[0])}"
    if origin is not None and of and hasattr(origin, "keys"):
        return f"table of {_kind(of[1])}"
    if origin is not None and of:
        return f"list of {_kind(of[0])}"
    return "table"


def tables() -> str:
    """Describe the columns of the tables in ``linkcore/schema.py``, with what it says beside each."""
    from linkcore import schema

    source = Path(schema.__file__).read_text("utf-8")
    usual: dict[str, str] = tomllib.loads(COLUMNS.read_text("utf-8"))
    parts = []
    for name in ("LINKS", "PERSONS", "RECORDS", "SET_ASIDE", "LABELS", "DECISIONS", "SUPERSEDED"):
        said = usual | said_beside(source, name)
        rows = [
            [f"`{column}`", _dtype(dtype), _sentence(said.get(column, ""))]
            for column, dtype in getattr(schema, name).items()
        ]
        parts.append("\n".join([f"## {name}", "", docstring_of(source, name), "", *_table(["column", "type", "meaning"], rows)]))
    for name in ("METHOD", "NHS_NUMBER_STATUS", "DECISION", "SUPERSESSION"):
        said = said_beside(source, name)
        rows = [[f"`{value}`", _sentence(said.get(value, ""))] for value in getattr(schema, name).categories]
        parts.append("\n".join([f"## {name}", "", docstring_of(source, name), "", *_table(["value", "meaning"], rows)]))
    return "\n\n".join(parts)


def _dtype(dtype: Any) -> str:
    return "Enum" if str(dtype).startswith("Enum") else str(dtype)


def _definition(source: str, name: str) -> tuple[str, str]:
    """Return the text that defines a name of a module, and the docstring below it."""
    found = re.search(rf'^{name}: Final = (.*?)^\)\n"""(.*?)"""', source, re.MULTILINE | re.DOTALL)
    assert found, name
    return found[1], found[2]


def docstring_of(source: str, name: str) -> str:
    """Return the docstring below a definition."""
    return _definition(source, name)[1].replace("``", "`")


def said_beside(source: str, name: str) -> dict[str, str]:
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
    top = [[f"`{name}`", _sentence(each.get("description", ""))] for name, each in schema["properties"].items()]
    run = [[f"`run.{name}`", each.get("description", "")] for name, each in schema["properties"]["run"]["properties"].items()]
    parts = ["\n".join([schema["description"], "", *_table(["member", "meaning"], top + run)])]
    fallback = schema["properties"]["fallback"]["anyOf"][1]["properties"]
    weights = [[f"`{name}`", each["description"]] for name, each in fallback["weights"]["properties"].items()]
    for prefix, found in (("tables", schema["properties"]["tables"]), ("fallback.tables", fallback["tables"])):
        for name, table in found["properties"].items():
            columns = table["items"]["properties"].items()
            rows = [[f"`{column}`", _json_kind(each), each["description"]] for column, each in columns]
            parts.append("\n".join([f"## {prefix}.{name}", "", table["description"], "", *_table(["column", "value", "meaning"], rows)]))
    parts.append("\n".join(["## fallback.weights", "", fallback["weights"]["description"], "", *_table(["member", "meaning"], weights)]))
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
    return "\n".join(_table(["detail", "meaning"], [[f"`{name}`", text] for name, text in meanings.items()]))


def public_names() -> str:
    """Describe every public class and function, by the docstrings."""
    import linkcore

    parts = []
    for name in sorted(linkcore.__all__, key=str.lower):
        if name.startswith("_"):
            continue
        is_class = isinstance(getattr(linkcore, name), type)
        directive = f".. autoclass:: linkcore.{name}\n   :members:" if is_class else f".. autofunction:: linkcore.{name}"
        parts.append(f"## {name}\n\n```{{eval-rst}}\n{directive}\n```")
    return "\n\n".join(parts)


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |" for line in lines]


def _sentence(text: str) -> str:
    """Begin a text with a capital and end it with a full stop, unless it begins with code."""
    text = text.replace("``", "`").strip()
    if not text:
        return ""
    return text[0].upper() + text[1:] + ("" if text.endswith((".", ")")) and text.endswith(".") else ".")
