"""Settings, versions and times of a run, as plain values for the report."""

import datetime as dt
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, Final

import polars as pl

from linkcore.linkage.model.model import Model
from linkcore.linkage.settings import Exact, Fallback
from linkcore.sources.source import Source

__all__ = ["PREVIOUS_LINKAGE", "Run", "describe_run"]

PREVIOUS_LINKAGE: Final = "previous_linkage"
"""The setting that says which linkage was the one before: the digest of its store."""

# Links and quality values depend on the versions of these.
_LIBRARIES: Final = ("polars", "splink", "duckdb", "numpy")


@dataclass(frozen=True)
class Run:
    """Settings, versions and times of the run that a Quality describes.

    Parameters
    ----------
    version : str
        Version of linkcore.
    libraries : mapping of str to str
        Versions of Python and of the libraries on which the links depend.
    seed : int
        Seed of every random sample.
    reference_date : str, optional
        The date on which ages were calculated, as YYYY-MM-DD.
    settings : mapping of str to JSON value
        Settings of the sources and of each step. They name columns and hold no value of any column.
    seconds : mapping of str to float
        Seconds that each step took, in order.
    previous : str, optional
        The run that this run is compared with, in words.
    """

    version: str = ""
    libraries: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    reference_date: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    previous: str | None = None


def describe_run(
    sources: Sequence[Source],
    exact: Exact,
    fallback: Fallback | None,
    *,
    seed: int,
    reference_date: dt.date | None,
    decisions: pl.DataFrame | None = None,
    previous: str | None = None,
) -> Run:
    """Describe the settings and versions with which sources are linked.

    ``previous``: the digest of the store of the linkage before, empty if it was in none.

    Examples
    --------
    >>> import polars as pl
    >>> gp = Source("gp", pl.DataFrame({"nhs_number": ["4010232137"]}), spine=True)
    >>> run = describe_run([gp], Exact(), None, seed=7, reference_date=dt.date(2026, 3, 31))
    >>> run.reference_date, run.settings["probabilistic"], run.settings["sources"]["gp"]["spine"]
    ('2026-03-31', None, True)
    """
    return Run(
        version=version("linkcore"),
        libraries={"python": platform.python_version(), **{name: version(name) for name in _LIBRARIES}},
        seed=seed,
        reference_date=None if reference_date is None else reference_date.isoformat(),
        settings={
            "exact": {
                "usable": list(exact.usable),
                "conflicts": exact.conflicts,
                "superseded": 0 if exact.superseded is None else exact.superseded.lazy().collect().height,
            },
            "probabilistic": None if fallback is None else _fallback_settings(fallback),
            "sources": {source.name: _source_settings(source) for source in sources},
            **({} if decisions is None or decisions.is_empty() else {"decisions": _states(decisions)}),
            **({} if previous is None else {PREVIOUS_LINKAGE: previous or "not from a store"}),
        },
    )


def _states(decisions: pl.DataFrame) -> dict[str, int]:
    """Count decisions by what has become of them."""
    return dict(decisions.group_by("state").len().sort("state").iter_rows())


def _fallback_settings(fallback: Fallback) -> dict[str, Any]:
    return {
        "max_false_link_rate": fallback.max_false_link_rate,
        "accept": fallback.accept,
        "model": _model_setting(fallback),
        "labels": 0 if fallback.labels is None else fallback.labels.height,
        "memory": fallback.memory,
        "threads": fallback.threads,
        "engine": fallback.engine,
        "check": fallback.check,
        "relearn": fallback.relearn,
    }


def _model_setting(fallback: Fallback) -> str:
    model = fallback.models.get(None)
    return (
        "learned" if model is None else "given" if isinstance(model, Model) else "given, and learned where not stated"
    )


def _source_settings(source: Source) -> dict[str, Any]:
    return {
        "spine": source.spine,
        "one_record_per_person": source.one_record_per_person,
        "columns": dict(source.identifier_columns),
        "record_id": source.record_id_column,
        "further": dict(source.further or {}),
        "attributes": dict(source.attributes or {}),
        "events": dict(source.events or {}),
        "not_compared": list(source.not_compared),
        "day_first": source.day_first,
    }
