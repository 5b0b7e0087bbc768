"""The JSON Schema of ``quality.json``: what stands where, and what each value means."""

from collections.abc import Mapping
from typing import Any, Final

import polars as pl

from linkcore.disclosure.suppression import ROUND_TO, SMALLEST_COUNT
from linkcore.quality.tables import FALLBACK_TABLES, QUALITY_TABLES

__all__ = ["SCHEMA", "SUPPRESSED", "json_schema"]

SCHEMA: Final = "linkcore.quality/1"
"""Names the form of the file, and its version: one that readers of this one would misread has another number."""

SUPPRESSED: Final = "*"
"""Stands for a count that is not shown."""

_TABLES: Final[Mapping[str, str]] = {
    "records": "Every record by its source and by how it came to its person.",
    "numbers": "Every record by its source and by what its NHS Number turned out to be.",
    "conflicts": "Records whose NHS Number is, by name and birth date, somebody else's.",
    "set_aside": "Every value of every identifier, by what it turned out to be.",
    "flow": "Every record in one row: from its source through what its NHS Number leads to, to its person.",
    "completeness": "Of each identifier of a source, how many records have a value, and one that can be compared.",
    "match_weights": "Pairs of a record and a person that it may be of, by match weight in bits.",
    "groups": "How many of the records of each group of people are linked, and how the linked differ from the others.",
    "cluster_sizes": "Persons by how many records they have.",
    "implausible": "Links of what can hardly have happened to one person.",
    "withheld": "By purpose of release, every record: may it leave, or why not. Empty where no release is told of.",
    "withheld_basis": "By which list, policy or exemption records were withheld, or not.",
    "not_read": "Rows of people with a Type 1 opt-out, left out when their source was read; in no other table.",
    "truth": "Where it is known who is who: true rates beside those that were estimated. Null otherwise.",
    "drift": "This run against an earlier one. Null where there is none to compare with.",
    "totals": "Only where small counts are suppressed: sums that can then not be had by adding up.",
    "sources": "What the probabilistic linkage did with each source's records without a usable number.",
    "rates": "Estimated shares of wrong and of missed links, with 95 % intervals.",
    "calibration": "Predicted probabilities against how often they were right.",
    "curve": "Estimated shares of wrong and of missed links at other thresholds.",
    "candidates": "How many records with a known person were compared with that person at all.",
    "left_out": "Persons in blocks that were too large to be looked at.",
    "model": "What was learned of each level of agreement.",
    "departures": "How records without a number differ from what was learned of those with one.",
}

_COLUMNS: Final[Mapping[str, str]] = {
    "source": "Name of the source; 'all' for all of them together.",
    "method": "How the records came to their person.",
    "records": "Number of records.",
    "nhs_number_status": "What the NHS Number turned out to be.",
    "conflicts": "Number of records.",
    "identifier": "The identifier, by its standard name or the source's own.",
    "status": "What the value turned out to be.",
    "number": "What the NHS Number leads to: its person (usable), somebody else (conflict), or nobody (not usable).",
    "present": "Number of records with a value.",
    "usable": "Number of records with a value that can be compared.",
    "outcome": "Whether the pair became a link (accepted) or not (rejected).",
    "low": "Lower end: of the interval in which the rate lies with 95 % confidence, or of match weights, in bits.",
    "high": "Upper end: of the interval in which the rate lies with 95 % confidence, or of match weights, in bits.",
    "pairs": "Number of pairs of a record and a person.",
    "dimension": "What people are grouped by; 'all' where they are not.",
    "group": "The group; 'unknown' where the record does not say, 'other' for small ones together.",
    "linked": "Number of records that are linked: whose person has a record on the spine, or in another source.",
    "rate": "The share.",
    "standardised_difference": "Of the group's share of linked and of other records; below 0 it is linked less often.",
    "flagged": "Whether the difference is so large that it must be looked at.",
    "size": "Records a person has.",
    "persons": "Number of persons.",
    "finding": "What is implausible.",
    "links": "Number of links with the finding.",
    "of": "Number of records or links that the share is of.",
    "purpose": "What the release is for.",
    "reason": "Why it is withheld, the first that holds; 'not withheld'; 'any reason' for all reasons together.",
    "on": "The day of release, as of which the status of every opt-out counts, YYYY-MM-DD.",
    "kind": "The kind of opt-out, or of sensitive record.",
    "practice": "Code of the practice; 'all' for all of them together.",
    "measure": "What the rate is of.",
    "estimated": "The rate that the linkage's own test estimated.",
    "true": "The rate that really is: cases / of.",
    "cases": "Number of cases; of an estimate, how many tested records it comes from.",
    "previous": "Value in the earlier run.",
    "current": "Value in this run.",
    "change": "Current less previous.",
    "what": "What is counted: records, conflicts, or those of one method or status of the NHS Number.",
    "count": "Number of records.",
    "open": "Number of records that the exact linkage left open.",
    "compared": "Number of them that say enough to be compared.",
    "pi": "Estimated share of them whose person is among the persons.",
    "accept": "Probability from which a record was linked.",
    "basis": "How that threshold was chosen; of what is withheld, by which list, policy or exemption.",
    "hidden": "Number of records that were tested with their number hidden.",
    "weighting": "Whether tested records count alike (raw), or as records without a number are (reweighted).",
    "from": "Lower end of the predicted probabilities.",
    "to": "Upper end of the predicted probabilities.",
    "predicted": "Their mean.",
    "observed": "Share of them that was right.",
    "threshold": "Probability from which a record would be linked.",
    "chosen": "Whether it is the one in use.",
    "false_links": "Estimated share of the links that is wrong.",
    "missed_links": "Estimated share of those there are that is missed.",
    "usable_identifiers": "How many identifiers the records have.",
    "found": "Number of records that were compared with their person.",
    "recall": "found / records.",
    "rule": "The blocking rule.",
    "comparison": "The identifiers compared.",
    "level": "How far they agree.",
    "m": "Probability of the level among pairs of one person.",
    "u": "Probability of the level among pairs of two persons.",
    "weight": "log2(m / u), in bits.",
    "m_learned": "m as learned of records with a number.",
    "m_open": "m as estimated of those without.",
}


def json_schema() -> dict[str, Any]:
    """Give the JSON Schema (draft 2020-12) of ``quality.json``; the file ``quality.schema.json`` is this.

    Examples
    --------
    >>> json_schema()["properties"]["schema"]
    {'const': 'linkcore.quality/1'}
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:linkcore:quality:1",
        "title": "Quality of a linkage",
        "description": (
            f"Counts are true, unless disclosed: then those from 1 to {SMALLEST_COUNT - 1} are '{SUPPRESSED}', and so "
            f"are others that would give them away; the rest is rounded to the nearest {ROUND_TO}."
        ),
        "type": "object",
        "additionalProperties": False,
        "required": ["schema", "disclosed", "run", "persons", "tables", "fallback"],
        "properties": {
            "schema": {"const": SCHEMA},
            "disclosed": {"type": "boolean", "description": "Whether disclosure control was applied."},
            "run": _RUN,
            "persons": {"$ref": "#/$defs/count", "description": "How many persons there are."},
            "tables": _tables(QUALITY_TABLES, optional=("truth", "drift")),
            "fallback": {
                "description": "The probabilistic linkage and its test of itself; null where there was none.",
                "anyOf": [
                    {"type": "null"},
                    {
                        "type": "object",
                        "additionalProperties": False,
                        "required": ["tables", "counts"],
                        "properties": {
                            "tables": _tables(FALLBACK_TABLES),
                            "counts": {
                                "type": "object",
                                "description": "What was compared, and how much was learned from.",
                                "additionalProperties": {"$ref": "#/$defs/count"},
                            },
                        },
                    },
                ],
            },
        },
        "$defs": {"count": {"anyOf": [{"type": "integer", "minimum": 0}, {"const": SUPPRESSED}]}},
    }


_RUN: Final[Mapping[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["version", "libraries", "seed", "reference_date", "settings", "seconds", "previous"],
    "properties": {
        "version": {"type": "string", "description": "Of linkcore."},
        "libraries": {"type": "object", "additionalProperties": {"type": "string"}, "description": "Their versions."},
        "seed": {"type": "integer", "description": "Of whatever was sampled."},
        "reference_date": {"type": ["string", "null"], "description": "The date by which ages were judged."},
        "settings": {"type": "object", "description": "Of the sources and of each step."},
        "seconds": {"type": "object", "additionalProperties": {"type": "number"}, "description": "By step."},
        "previous": {"type": ["string", "null"], "description": "What this run is compared with."},
    },
}


def _tables(schemas: Mapping[str, pl.Schema], *, optional: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(schemas),
        "properties": {name: _table(name, schema, name in optional) for name, schema in schemas.items()},
    }


def _table(name: str, schema: pl.Schema, optional: bool) -> dict[str, Any]:
    row = {
        "type": "object",
        "additionalProperties": False,
        "required": list(schema),
        "properties": {column: _value(dtype) | {"description": _COLUMNS[column]} for column, dtype in schema.items()},
    }
    return {"description": _TABLES[name], "type": ["array", "null"] if optional else "array", "items": row}


def _value(dtype: pl.DataType) -> dict[str, Any]:
    if isinstance(dtype, pl.Enum):
        return {"enum": dtype.categories.to_list()}
    if dtype == pl.Int64:
        return {"$ref": "#/$defs/count"}
    kinds: dict[pl.DataType, str] = {pl.Float64(): "number", pl.Boolean(): "boolean"}
    return {"type": [kinds[dtype], "null"]} if dtype in kinds else {"type": ["string", "null"]}
