"""``quality.json``: write a Quality to a file and read it back."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import polars as pl

from linkcore.errors import ProgrammeError
from linkcore.linkage.fallback.model_use import ModelUse
from linkcore.linkage.run import Run
from linkcore.quality.measures import FallbackQuality, Quality, Weights
from linkcore.quality.tables import FALLBACK_TABLES, QUALITY_TABLES
from linkcore.report.file_schema import SCHEMA, SUPPRESSED

__all__ = ["QUALITY_FILE", "from_json", "read_quality", "to_json"]

QUALITY_FILE: Final = "quality.json"
"""File name of the measures, beside the links and beside the report."""


def to_json(quality: Quality) -> str:
    """Write a Quality as JSON, in the form of ``quality.schema.json``.

    The same linkage gives the same text in every run, except for ``run.seconds``.

    Examples
    --------
    >>> from linkcore.quality.measures import measure
    >>> from linkcore.schema import LINKS, SET_ASIDE
    >>> quality = measure(pl.DataFrame(schema=LINKS), pl.DataFrame(schema=SET_ASIDE), 0, sources=["gp"])
    >>> from_json(to_json(quality)).conflicts.rows()
    [('gp', 0)]
    """
    fallback = quality.fallback
    stated = {
        "schema": SCHEMA,
        "disclosed": quality.disclosed,
        "run": asdict(quality.run),
        "persons": SUPPRESSED if quality.persons is None else quality.persons,
        "tables": {name: _rows(getattr(quality, name)) for name in QUALITY_TABLES},
        "fallback": None
        if fallback is None
        else {
            "tables": {name: _rows(getattr(fallback, name)) for name in FALLBACK_TABLES},
            "counts": {name: SUPPRESSED if count is None else count for name, count in fallback.counts.items()},
            "weights": asdict(fallback.weights),
            "model_use": asdict(fallback.model_use),
        },
    }
    return json.dumps(stated, allow_nan=False, indent=1) + "\n"


def read_quality(path: str | Path) -> Quality:
    """Read a Quality from its file."""
    try:
        text = Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        raise ProgrammeError(f"{path}: there is no such quality file, or it cannot be read; check the path") from None
    try:
        return from_json(text)
    except ProgrammeError as error:
        raise ProgrammeError(f"{path}: {error}") from None


def from_json(text: str) -> Quality:
    """Read a Quality from JSON.

    Examples
    --------
    >>> from_json('{"schema": "linkcore.quality/99"}')
    Traceback (most recent call last):
    linkcore.errors.ProgrammeError: not a quality file of the form linkcore.quality/2; ...
    """
    wrong = ProgrammeError(f"not a quality file of the form {SCHEMA}; write it again with this version of linkcore")
    try:
        stated = json.loads(text)
        if stated["schema"] != SCHEMA:
            raise wrong
        return _quality(stated)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError, pl.exceptions.PolarsError):
        raise wrong from None


def _quality(stated: Mapping[str, Any]) -> Quality:
    fallback = stated["fallback"]
    # A file of version 0.2.0 is read too, to compare with: it has not counted these.
    counted: Mapping[str, Any] = {"number_faults": [], "earlier_persons": []} | stated["tables"]
    tables: dict[str, Any] = _tables(counted, QUALITY_TABLES)
    tables_of_fallback: dict[str, Any] = {} if fallback is None else _tables(fallback["tables"], FALLBACK_TABLES)
    return Quality(
        **tables,
        persons=_count(stated["persons"]),
        fallback=None
        if fallback is None
        else FallbackQuality(
            **tables_of_fallback,
            counts={name: _count(count) for name, count in fallback["counts"].items()},
            weights=Weights(**fallback["weights"]),
            # A file of version 0.2.0 does not say: a model was always learned.
            model_use=ModelUse(**fallback.get("model_use", {})),
        ),
        run=Run(**stated["run"]),
        disclosed=stated["disclosed"],
    )


def _rows(frame: pl.DataFrame | None) -> list[dict[str, Any]] | None:
    if frame is None:
        return None
    counts = {name for name, dtype in frame.schema.items() if dtype.is_integer()}
    return [
        {name: SUPPRESSED if value is None and name in counts else _finite(value) for name, value in row.items()}
        for row in frame.iter_rows(named=True)
    ]


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _tables(stated: Mapping[str, Any], schemas: Mapping[str, pl.Schema]) -> dict[str, pl.DataFrame | None]:
    return {name: _table(stated[name], schema) for name, schema in schemas.items()}


def _table(rows: list[dict[str, Any]] | None, schema: pl.Schema) -> pl.DataFrame | None:
    if rows is None:
        return None
    if any(row.keys() != schema.keys() for row in rows):
        raise ValueError("the columns differ from those of this version")
    counts = {name for name, dtype in schema.items() if dtype.is_integer()}
    read = [{name: _count(value) if name in counts else value for name, value in row.items()} for row in rows]
    return pl.DataFrame(read, schema=schema, strict=True)


def _count(value: Any) -> int | None:
    if value == SUPPRESSED:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("not a count")
    return value
