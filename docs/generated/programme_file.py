"""The tables and keys of the programme file, from the classes that read it and that it makes."""

import dataclasses
import datetime as dt
import inspect
import re
import tomllib
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel

from generated.markdown import table

__all__ = ["Key", "programme_keys", "programme_tables"]

_MEANINGS: Final = Path(__file__).with_name("programme_keys.toml")


def programme_keys() -> str:
    """Describe every table and key of the programme file."""
    about = tomllib.loads(_MEANINGS.read_text("utf-8"))
    parts = []
    for name, keys in programme_tables().items():
        rows = [[f"`{each.name}`", each.value, each.default, each.meaning] for each in keys]
        head = [f"## {name}", "", about[name]["about"], ""]
        parts.append("\n".join(head + table(["key", "value", "default", "meaning"], rows)))
    return "\n\n".join(parts)


class Key(NamedTuple):
    """A key of the programme file."""

    name: str
    value: str
    default: str
    meaning: str


def programme_tables() -> dict[str, list[Key]]:
    """Return the keys of each table of the programme file.

    What a key means is in ``programme_keys.toml``, or else in the docstring of the class that the table makes.
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
        "[recipient.encryption]": (of.EncryptionTable, lc.Encryption),
        "[recipient.derived.SOURCE]": (of.DerivedTable, lc.Derived),
        "[recipient.terms]": (lc.Terms, lc.Terms),
        "[requesters.ODS]": (lc.Requester, lc.Requester),
        "[audit]": (of.AuditTable,),
        "[destruction]": (of.DestructionTable,),
    }
    said = tomllib.loads(_MEANINGS.read_text("utf-8"))
    found = {}
    for name, (reads, *makes) in stated.items():
        meanings: dict[str, str] = {}
        for made in makes:
            meanings |= _parameters_of(made)
        meanings |= said[name]
        # The code of a requester is the name of its table.
        keys = [key for key in _keys(reads) if (name, key[0]) != ("[requesters.ODS]", "code")]
        found[name] = [Key(*key, meanings.get(key[0], "")) for key in keys]
    return found


def _parameters_of(described: type) -> dict[str, str]:
    """Return what a NumPy docstring says of each parameter, in Markdown."""
    section = re.search(
        r"^Parameters\n-+\n(.*?)(?=^\w+\n-+$|\Z)", inspect.getdoc(described) or "", re.MULTILINE | re.DOTALL
    )
    said: dict[str, str] = {}
    for names, text in re.findall(
        r"^(\w[\w, ]*) : .*\n((?:(?: .*)?\n)*)", section[1] + "\n" if section else "", re.MULTILINE
    ):
        words = re.sub(r":\w+:`(?:~?[\w.]*?\.)?(\w+)`", r"`\1`", " ".join(text.split()).replace("``", "`"))
        said |= dict.fromkeys(names.split(", "), words)
    return said


def _keys(reads: type) -> Iterator[tuple[str, str, str]]:
    if issubclass(reads, BaseModel):
        for name, field in reads.model_fields.items():
            default = "required" if field.is_required() else _shown(field.get_default(call_default_factory=True))
            yield name, _kind(field.annotation), default
        return
    assert dataclasses.is_dataclass(reads)
    hints = get_type_hints(reads)
    for each in dataclasses.fields(reads):
        if each.init:
            required = each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING
            yield each.name, _kind(hints[each.name]), "required" if required else _shown(each.default)


def _shown(default: object) -> str:
    if default is None or default in ((), "") or isinstance(default, dict):
        return ""
    text = str(default).lower() if isinstance(default, bool) else str(default)
    return ", ".join(f"`{each}`" for each in default) if isinstance(default, tuple) else f"`{text}`"


_WORDS: Final[Mapping[Any, str]] = {
    str: "text",
    bool: "`true` or `false`",
    int: "whole number",
    float: "number",
    dt.date: "date",
}


def _kind(annotation: Any) -> str:
    """Say in words what value a key takes."""
    origin, of = get_origin(annotation), get_args(annotation)
    if origin is None:
        return _WORDS.get(annotation, "table")
    if origin is Annotated:
        return _kind(of[0])
    if origin is Literal:
        return ", ".join(f"`{each}`" for each in of)
    if origin in (Union, types.UnionType):
        return " or ".join(_kind(each) for each in of if each is not type(None))
    return _kind_of_several(origin, of)


def _kind_of_several(origin: Any, of: tuple[Any, ...]) -> str:
    if hasattr(origin, "keys"):
        return f"table of {_kind(of[1])}"
    return f"list of {_kind(of[0])}" if origin is not tuple or of[-1] is ... else f"{len(of)} of: {_kind(of[0])}"
