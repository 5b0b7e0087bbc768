"""The JSON Schema of the programme file, by which editors complete keys, explain them, and mark faults.

The tables give the keys and their types. What a key means is written once: in the docstring of what is built from it.
"""

import inspect
import re
from typing import Any, Final

from linkcore.governance.exits.requesters import Requester
from linkcore.governance.releases.agreements import Agreement
from linkcore.governance.releases.cohorts import Cohort
from linkcore.governance.releases.derived import Derived
from linkcore.governance.releases.encryption import Encryption
from linkcore.governance.releases.terms import Terms
from linkcore.governance.withholding.opt_out_policy import Exemption, OptOutPolicy
from linkcore.governance.withholding.sensitive import SensitiveRule
from linkcore.linkage.settings import Fallback
from linkcore.programme import tables as tables_module
from linkcore.programme.programme import Programme
from linkcore.pseudonyms.stage_one import StageOne
from linkcore.sources.source import Source

__all__ = ["json_schema"]

_EXPLAINED_BY: Final[dict[str, type]] = {
    "SourceTable": Source,
    "LinkageTable": Fallback,
    "RecipientTable": Agreement,
    "CohortTable": Cohort,
    "DerivedTable": Derived,
    "EncryptionTable": Encryption,
    "OptOutsTable": OptOutPolicy,
    "ExemptionTable": Exemption,
    "SensitiveTable": SensitiveRule,
    "Terms": Terms,
    "Requester": Requester,
    "StageOne": StageOne,
}
# What else may stand in the place of a table.
_SHORT: Final[dict[str, dict[str, Any]]] = {
    "CohortTable": {"type": "string"},
    "EncryptionTable": {"type": "array", "items": {"type": "string"}},
}
_NULL: Final = {"type": "null"}


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a programme file, which is shipped as ``programme.schema.json``.

    Examples
    --------
    >>> json_schema()["$defs"]["SourceTable"]["properties"]["spine"]["description"]
    'Whether this source defines who exists. At most one source is the spine.'
    """
    schema: dict[str, Any] = _in_toml(Programme.model_json_schema())
    del schema["properties"]["folder"]
    tables = schema["$defs"]
    for name, table in tables.items():
        table["description"] = _plain(table["description"].partition("\n\n")[0])
        explained = {
            key: text
            for documented in (_EXPLAINED_BY.get(name, object), *getattr(tables_module, name, object).__mro__)
            for key, text in _parameters(documented).items()
        }
        for key, stated in table["properties"].items():
            if key in explained:
                stated["description"] = explained[key]
    _take_out_code(tables["Requester"])
    for name, short in (_SHORT | {"DerivedTable": tables["DerivedTable"]["properties"]["kind"]}).items():
        tables[name] = {"anyOf": [short, tables[name]]}
    about = {"title": "linkcore programme file", "description": "What is linked and released for one ICS."}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema | about


def _in_toml(schema: Any) -> Any:
    """Take out what TOML has not: nulls; and titles, which only repeat the key."""
    if isinstance(schema, list):
        return [_in_toml(each) for each in schema if each != _NULL]
    if not isinstance(schema, dict):
        return schema
    kept = {
        key: _in_toml(value)
        for key, value in schema.items()
        if not (key == "title" and isinstance(value, str)) and not (key == "default" and value is None)
    }
    choices = kept.get("anyOf", [])
    return {key: value for key, value in kept.items() if key != "anyOf"} | choices[0] if len(choices) == 1 else kept


def _take_out_code(requester: dict[str, Any]) -> None:
    """Take out the code of a requester, which is the name of its table."""
    del requester["properties"]["code"]
    requester["required"] = [key for key in requester.get("required", []) if key != "code"]


def _parameters(documented: type) -> dict[str, str]:
    """Return what the docstring of a class says about each parameter."""
    doc = inspect.cleandoc(vars(documented).get("__doc__") or "")
    section = re.search(r"Parameters\n-+\n(.*?)(?=\n\n\w+\n-+\n|\Z)", doc, re.DOTALL)
    found = re.findall(r"^([\w, ]+) : .*\n((?:    .*\n?|\n)+)", section[1] if section else "", re.MULTILINE)
    return {name: _plain(text) for names, text in found for name in names.split(", ")}


def _plain(text: str) -> str:
    """Write a text of a docstring on one line, without its marks."""
    return re.sub(r":\w+:`~?([^`]+)`", r"\1", " ".join(text.split())).replace("``", "")
