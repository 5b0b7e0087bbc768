"""The JSON Schema of ``quality.json``: where each value is, and what it means."""

from collections.abc import Mapping
from typing import Any, Final

import polars as pl

from linkcore.disclosure.suppression import ROUND_TO, SMALLEST_COUNT
from linkcore.quality.tables import FALLBACK_TABLES, QUALITY_TABLES

__all__ = ["SCHEMA", "SUPPRESSED", "json_schema"]

SCHEMA: Final = "linkcore.quality/2"
"""Name and version of the file's form. The version changes if readers of this one would misread the file."""

SUPPRESSED: Final = "*"
"""Written in place of a suppressed count."""

_TABLES: Final[Mapping[str, str]] = {
    "records": "Every record, by its source and by how it was linked.",
    "numbers": "Every record, by its source and by the status of its NHS Number.",
    "conflicts": "Records whose name and birth date show that their NHS Number belongs to someone else.",
    "number_faults": "Records whose NHS Number was superseded, or stands on two entries of the source.",
    "set_aside": "Every value of every identifier, by its status.",
    "flow": "Every record in one row: its source, what its NHS Number leads to, and how it was linked.",
    "completeness": "For each identifier of a source: how many records have a value, and a value that can be compared.",
    "match_weights": "Pairs of a record and a candidate person, by match weight in bits.",
    "groups": "How many records of each group of people are linked, and how linked records differ from the others.",
    "cluster_sizes": "Persons, by number of records.",
    "earlier_persons": "What became of the persons of earlier linkages: who kept a name, and so its pseudonyms.",
    "implausible": "Links between records that can hardly belong to one person.",
    "withheld": "For each purpose of release, every record: whether it may leave, or why not. Empty without releases.",
    "withheld_basis": "The list, policy or exemption by which records were withheld, or not.",
    "not_read": "Rows of people with a Type 1 opt-out, dropped when their source was read. They are in no other table.",
    "truth": "True rates beside the estimated ones, where the truth is known. Null otherwise.",
    "drift": "This run compared with an earlier one. Null where none was given.",
    "totals": "Only where small counts are suppressed: totals, which cannot be calculated from suppressed parts.",
    "sources": "What the probabilistic linkage did with each source's records without a usable number.",
    "rates": "Estimated shares of wrong links and of missed links, with 95 % intervals.",
    "calibration": "Predicted probabilities, and how often they were right.",
    "curve": "Estimated shares of wrong links and of missed links at other thresholds.",
    "candidates": "How many records with a known person were compared with that person.",
    "blocking": "Estimated share of records that were compared with their person, of those whose person is listed.",
    "left_out": "Persons and records in blocks that were too large to compare.",
    "model": "The learned probabilities of each level of agreement.",
    "departures": "How records without a number differ from those with one, from which the model was learned.",
}

_COLUMNS: Final[Mapping[str, str]] = {
    "source": "Name of the source; 'all' for all of them together.",
    "method": "How the records were linked.",
    "records": "Number of records.",
    "nhs_number_status": "Status of the NHS Number.",
    "conflicts": "Number of records.",
    "identifier": "The identifier, by its standard name or the source's own.",
    "status": "Status of the value.",
    "number": "What the NHS Number leads to: its person (usable), someone else (conflict), or nobody (not usable).",
    "fault": "What is wrong with the NHS Number.",
    "present": "Number of records with a value.",
    "usable": "Number of records with a value that can be compared.",
    "outcome": "Whether the pair became a link (accepted) or not (rejected).",
    "low": "Lower end: of the interval in which the rate lies with 95 % confidence, or of match weights, in bits.",
    "high": "Upper end: of the interval in which the rate lies with 95 % confidence, or of match weights, in bits.",
    "pairs": "Number of pairs of a record and a person.",
    "dimension": "What people are grouped by; 'all' without groups.",
    "group": "The group; 'unknown' if the record does not say, 'other' for small groups together.",
    "linked": "Number of linked records: their person has a record on the spine, or in another source.",
    "rate": "The share.",
    "standardised_difference": "Group's share of linked against other records; below 0 the group is linked less often.",
    "flagged": "Whether the difference is so large that it needs checking.",
    "size": "Number of records of a person.",
    "persons": "Number of persons.",
    "became": "What became of persons: kept, new, absent, the reasons of a supersession; or how they were recognised.",
    "times": "How often; of a source, persons without an NHS Number whom its records define.",
    "finding": "What is implausible.",
    "links": "Number of links with the finding.",
    "of": "Number of records or links in the denominator of the share.",
    "purpose": "Purpose of the release.",
    "reason": "First reason that applies; 'not withheld'; 'any reason' for all reasons together.",
    "on": "Day of release, YYYY-MM-DD. Opt-outs count as they stand on it.",
    "kind": "The kind of opt-out, or of sensitive record.",
    "practice": "Code of the practice; 'all' for all of them together.",
    "measure": "What is measured.",
    "estimated": "The rate estimated by the self-test.",
    "true": "The true rate: cases / of.",
    "cases": "Number of cases; for an estimate, the number of tested records behind it.",
    "previous": "Value in the earlier run.",
    "current": "Value in this run.",
    "change": "Current minus previous.",
    "what": "What is counted: records, conflicts, or those of one method or status of the NHS Number.",
    "count": "Number of records.",
    "open": "Number of records that the exact linkage left open.",
    "compared": "Number of them with enough identifiers to be compared.",
    "pi": "Estimated share of them whose person is listed.",
    "accept": "Probability from which a record was linked.",
    "basis": "How the threshold was chosen; for withheld records, the list, policy or exemption.",
    "hidden": "Number of records that were tested with their number hidden.",
    "fewest": "The fewest wrong or missed links to expect in this run: the lower end of a 95 % range.",
    "most": "The most wrong or missed links to expect in this run: the upper end of a 95 % range.",
    "from": "Lower end of the predicted probabilities.",
    "to": "Upper end of the predicted probabilities.",
    "predicted": "Mean predicted probability.",
    "observed": "Observed share of right links.",
    "threshold": "Probability from which a record would be linked.",
    "chosen": "Whether it is the threshold in use.",
    "false_links": "Estimated share of links that are wrong.",
    "missed_links": "Estimated share of links that are missed.",
    "usable_identifiers": "How many identifiers the records have.",
    "found": "Number of records that were compared with their person.",
    "recall": "found / records.",
    "rule": "The blocking rule.",
    "comparison": "The identifiers compared.",
    "level": "How far they agree.",
    "m": "Probability of the level among pairs of one person.",
    "u": "Probability of the level among pairs of two persons.",
    "weight": "log2(m / u), in bits.",
    "m_learned": "m learned from records with a number.",
    "m_open": "m estimated on records without a number.",
}


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of ``quality.json``, which is shipped as ``quality.schema.json``.

    Examples
    --------
    >>> json_schema()["properties"]["schema"]
    {'const': 'linkcore.quality/2'}
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:linkcore:quality:2",
        "title": "Quality of a linkage",
        "description": (
            f"Counts are true, unless disclosed. Then counts from 1 to {SMALLEST_COUNT - 1}, and counts that would "
            f"reveal them, are '{SUPPRESSED}'; other counts are rounded to the nearest {ROUND_TO}."
        ),
        "type": "object",
        "additionalProperties": False,
        "required": ["schema", "disclosed", "run", "persons", "tables", "fallback"],
        "properties": {
            "schema": {"const": SCHEMA},
            "disclosed": {"type": "boolean", "description": "Whether disclosure control was applied."},
            "run": _RUN,
            "persons": {"$ref": "#/$defs/count", "description": "Number of persons."},
            "tables": _tables(QUALITY_TABLES, optional=("truth", "drift")),
            "fallback": {
                "description": "The probabilistic linkage and its self-test; null without one.",
                "anyOf": [
                    {"type": "null"},
                    {
                        "type": "object",
                        "additionalProperties": False,
                        "required": ["tables", "counts", "weights", "model_use"],
                        "properties": {
                            "tables": _tables(FALLBACK_TABLES),
                            "counts": {
                                "type": "object",
                                "description": "How much was compared, and how much was learned from.",
                                "additionalProperties": {"$ref": "#/$defs/count"},
                            },
                            "weights": _WEIGHTS,
                            "model_use": _MODEL_USE,
                        },
                    },
                ],
            },
        },
        "$defs": {"count": {"anyOf": [{"type": "integer", "minimum": 0}, {"const": SUPPRESSED}]}},
    }


_WEIGHTS: Final[Mapping[str, Any]] = {
    "type": "object",
    "description": "What weighed the pairs, and whether Splink checked the weights.",
    "additionalProperties": False,
    "required": ["engine", "splink", "checked", "largest_difference", "own_model"],
    "properties": {
        "engine": {"enum": ["native", "splink"], "description": "linkcore's kernel, or Splink."},
        "splink": {"type": ["string", "null"], "description": "Version of Splink, if it weighed or checked pairs."},
        "checked": {
            "type": ["integer", "null"],
            "minimum": 0,
            "description": "Pairs that Splink weighed as well; null if none, or suppressed.",
        },
        "largest_difference": {
            "type": ["number", "null"],
            "description": "Largest difference between the two weights of a pair, in bits.",
        },
        "own_model": {"type": "boolean", "description": "Whether all comparisons are linkcore's own."},
    },
}

_MODEL_USE: Final[Mapping[str, Any]] = {
    "type": "object",
    "description": "Whether the model, the thresholds and the self-test are those of an earlier run.",
    "additionalProperties": False,
    "required": ["kept", "why", "learned_on", "new_records", "drift"],
    "properties": {
        "kept": {"type": "boolean", "description": "Whether they were kept; otherwise they are of this run."},
        "why": {"type": "string", "description": "Why they were kept, or learned."},
        "learned_on": {"type": ["string", "null"], "description": "Reference date of the run that learned them."},
        "new_records": {
            "type": ["number", "null"],
            "description": "Share of the compared records that is new since then; null where no model could be kept.",
        },
        "drift": {
            "type": "object",
            "description": "By comparison, the share of pairs of one person that stand on other levels than then.",
            "additionalProperties": {"type": "number"},
        },
    },
}

_RUN: Final[Mapping[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["version", "libraries", "seed", "reference_date", "settings", "seconds", "previous"],
    "properties": {
        "version": {"type": "string", "description": "Version of linkcore."},
        "libraries": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": "Versions of libraries.",
        },
        "seed": {"type": "integer", "description": "Seed of every random sample."},
        "reference_date": {"type": ["string", "null"], "description": "The date at which ages were calculated."},
        "settings": {"type": "object", "description": "Settings of the sources and of each step."},
        "seconds": {
            "type": "object",
            "additionalProperties": {"type": "number"},
            "description": "Seconds of each step.",
        },
        "previous": {"type": ["string", "null"], "description": "The run that this one is compared with."},
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
