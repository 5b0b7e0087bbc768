"""What is wrong in a programme file, in the words of TOML: what is allowed, and what was probably meant."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from linkcore.programme.key_lines import Location
from linkcore.schema import IDENTIFIERS

__all__ = ["faults_of", "meant"]

# What people call our keys who know other tools, or guess.
_GUESSED: Final = {
    "separator": ("delimiter", "delim", "sep", "field_separator"),
    "data": ("file", "files", "path", "paths", "location", "url", "input"),
    "file": ("path", "log", "filename"),
    "record_id": ("id", "unique_id", "record_key", "primary_key", "row_id"),
    "encoding": ("charset", "codec", "codepage"),
    "day_first": ("dayfirst", "date_format", "date_order"),
    "columns": ("identifiers", "mapping", "map", "fields", "cols"),
    "spine": ("is_spine", "master", "index", "primary"),
    "nhs_number": ("nhs", "nhs_no", "nhsno", "nhsnumber", "new_nhs_no"),
    "birth_date": ("dob", "date_of_birth", "birthdate", "birthday", "born"),
    "given_name": ("forename", "first_name", "firstname", "christian_name", "forenames"),
    "family_name": ("surname", "last_name", "lastname"),
    "full_name": ("name", "patient_name", "whole_name"),
    "gender": ("sex", "gender_code"),
    "postcode": ("post_code", "postal_code", "zip", "zip_code"),
    "address": ("address_line_1", "street", "home_address"),
    "local_patient_id": ("mrn", "hospital_number", "patient_id", "pas_number"),
    "key": ("key_id", "secret"),
    "reference_date": ("date", "as_at", "extract_date"),
    "ends": ("end", "end_date", "until"),
    "as_of": ("date", "as_at", "day"),
    "usable": ("statuses", "status"),
    "accept": ("threshold", "match_threshold", "cutoff"),
    "recipient": ("recipients", "release", "agreement"),
    "source": ("sources", "extract", "provider"),
    "opt_outs": ("opt_out", "optouts", "opt-outs"),
}

_REASONS: Final = {
    "missing": "is required",
    "model_type": "must be a table of keys",
    "dataclass_type": "must be a table of keys",
    "dict_type": "must be a table of keys",
    "mapping_type": "must be a table of keys",
    "string_type": "must be a text in quotation marks",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false, without quotation marks",
    "bool_parsing": "must be true or false, without quotation marks",
    "date_type": "must be a date, such as 2026-04-01",
    "date_parsing": "must be a date, such as 2026-04-01",
    "date_from_datetime_parsing": "must be a date, such as 2026-04-01",
    "date_from_datetime_inexact": "must be a date, such as 2026-04-01",
    "tuple_type": 'must be a list, such as ["a", "b"]',
    "list_type": 'must be a list, such as ["a", "b"]',
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be more than {gt}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
}


def faults_of(error: ValidationError, model: type[BaseModel], stated: object) -> Iterator[tuple[Location, str]]:
    """Yield the place of each fault, and what is wrong there.

    Where a value may have one of several types, none of which it has, its place is yielded once.
    """
    found: dict[Location, list[str]] = {}
    for fault in error.errors():
        place = _in_file(fault, stated)
        found.setdefault(place, []).append(_reason(fault, place, model))
    for place, reasons in found.items():
        yield place, ", or ".join(dict.fromkeys(reasons))


def meant(stated: str, allowed: Mapping[str, object] | tuple[str, ...]) -> str:
    """Return ``; did you mean x?`` if a name is near one that is allowed, or is what people often write for it.

    Examples
    --------
    >>> meant("dob", ("postcode", "birth_date")), meant("postcod", ("postcode", "birth_date")), meant("x", ("name",))
    ('; did you mean birth_date?', '; did you mean postcode?', '')
    """
    by_name = {each.lower(): each for each in allowed}
    guessed = [by_name[ours] for ours, others in _GUESSED.items() if stated.lower() in others and ours in by_name]
    near = [by_name[each] for each in get_close_matches(stated.lower(), by_name, n=1)]
    found = next(iter(guessed + near), None)
    return "" if found is None else f"; did you mean {found}?"


def _in_file(fault: ErrorDetails, stated: object) -> Location:
    """Return the place of a fault without the parts that only name a type, as of ``int | tuple``."""
    location = fault["loc"]
    if fault["type"] in ("missing", "extra_forbidden", "unexpected_keyword_argument"):
        return location
    for length, part in enumerate(location):
        try:
            stated = stated[part]  # type: ignore[index]
        except (LookupError, TypeError):
            # A text may stand for a table, which then has the fault.
            return location[:length] if "[" in str(part) or str(part) in ("int", "float", "str") else location
    return location


def _reason(fault: ErrorDetails, place: Location, model: type[BaseModel]) -> str:
    kind, about = fault["type"], fault.get("ctx", {})
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        return _no_such_key(str(place[-1]), _keys_at(model, place[:-1]))
    if kind == "value_error":
        # One of our errors, without the words that pydantic puts before it.
        return str(about["error"])
    if kind == "literal_error":
        allowed = tuple(about["expected"].replace("' or '", "', '").strip("'").split("', '"))
        if fault["loc"][-1] == "[key]":
            return _no_such_key(str(fault["input"]), allowed)
        said = meant(fault["input"], allowed) if isinstance(fault["input"], str) else ""
        return f"must be {' or '.join(map(_quoted, allowed))}{said}"
    return _REASONS[kind].format(**about) if kind in _REASONS else fault["msg"]


def _quoted(text: str) -> str:
    return f'"{text}"'


def _no_such_key(key: str, allowed: tuple[str, ...]) -> str:
    said = meant(key, allowed)
    if not said and key in IDENTIFIERS and "columns" in allowed:
        said = f"; did you mean columns.{key}?"
    listed = f"; there are {', '.join(allowed)}" if allowed and not said else ""
    return f"no such key{said}{listed}"


def _keys_at(model: Any, place: Location) -> tuple[str, ...]:
    """Return the keys that the table at a place may have."""
    for part in place:
        if isinstance(part, str) and _own_keys(model).keys() >= {part}:
            model = _own_keys(model)[part]
        model = _table_in(model)
    return tuple(name for name in _own_keys(model) if name != "folder")


def _own_keys(model: Any) -> dict[str, Any]:
    if isinstance(model, type) and issubclass(model, BaseModel):
        return {name: each.annotation for name, each in model.model_fields.items()}
    return {each.name: each.type for each in fields(model)} if is_dataclass(model) else {}


def _table_in(annotation: Any) -> Any:
    """Return the table that an annotation holds, as of a list, a table of tables, or a table that may be missing."""
    inner = [annotation, *map(_table_in, get_args(annotation))]
    return next((each for each in inner if _own_keys(each)), annotation)
