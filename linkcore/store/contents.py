"""What a store holds: everything of a linkage, as tables and texts, and back."""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

import polars as pl

from linkcore.errors import ProgrammeError
from linkcore.linkage.fallback.check_weights import WeightCheck
from linkcore.linkage.fallback.model_use import LearnedOn, ModelUse
from linkcore.linkage.fallback.result import Probabilistic
from linkcore.linkage.learning.relatives import Relatives
from linkcore.linkage.model.by_source import shift_frame
from linkcore.linkage.model.model import Model
from linkcore.linkage.model.splink_json import model_json, saved_models
from linkcore.linkage.placement import Placement
from linkcore.linkage.self_test.thresholds import Threshold
from linkcore.linkage.settings import Exact, Fallback
from linkcore.linkage.stable_persons.keep_names import PersonHistory
from linkcore.linkage.stable_persons.known_persons import KnownPersons
from linkcore.quality.measured import MeasuredLinkage
from linkcore.quality.measures import Quality
from linkcore.report.quality_file import QUALITY_FILE, from_json, to_json
from linkcore.sources.source import Source
from linkcore.store.folder import Store
from linkcore.store.sources import as_linked, describe_sources

__all__ = ["is_of_a_store", "quality_of", "read_contents", "tables_of", "texts_of"]

_ABOUT: Final = "linkage.json"
_MODEL: Final = "model.json"
_LINKED: Final = ("links", "persons", "rows", "left_out", "decisions")
_FALLBACK: Final = ("candidates", "records", "alternatives", "tested", "relatives")
_LEARNED_ON: Final = ("learned_records", "learned_departures", "learned_unseen")
_HISTORY: Final = ("hashes", "names_superseded", "absent_persons", "absent_records", "absent_superseded")
_TABLES: Final = frozenset({*_HISTORY, *_LINKED, *_FALLBACK, *_LEARNED_ON, "superseded", "texts"})

# Settings of the fallback that later commands use. What only linking needed, a given model and answers, is not kept.
_SETTINGS: Final = ("max_false_link_rate", "accept", "engine", "check", "memory", "threads")


def is_of_a_store(name: str) -> bool:
    """Whether a store has a file of this name."""
    is_model = name.startswith("model.") and name.endswith(".json")
    is_table = name.endswith(".parquet") and name.removesuffix(".parquet") in _TABLES
    return is_model or is_table or name in (_ABOUT, QUALITY_FILE, "store.json")


# --- From a linkage --------------------------------------------------------------------------------------------------


def tables_of(linkage: MeasuredLinkage) -> dict[str, pl.DataFrame]:
    """Return the tables of a linkage, by name."""
    schema = {"row": pl.UInt32, "raw_row_hash": pl.UInt64}
    left_out = {source.name: source.without_rows for source in linkage.sources if source.without_rows is not None}
    tables = {
        "links": linkage.links,
        "persons": linkage.persons,
        "decisions": linkage.decisions,
        "rows": pl.concat([pl.DataFrame(schema=schema), *linkage.rows.values()]),
        "left_out": pl.concat(
            [
                pl.DataFrame(schema={"source": pl.String, "row": pl.UInt32}),
                *(
                    rows.alias("row").to_frame().select(pl.lit(name).alias("source"), "row")
                    for name, rows in left_out.items()
                ),
            ]
        ),
    }
    absent = linkage.history.absent
    kept = (linkage.history.hashes, linkage.superseded, absent.persons, absent.records, absent.superseded)
    tables |= dict(zip(_HISTORY, kept, strict=True))
    if linkage.exact.superseded is not None:
        tables["superseded"] = linkage.exact.superseded.lazy().collect()
    if linkage.probabilistic is not None:
        tables |= {name: getattr(linkage.probabilistic, name) for name in _FALLBACK if name != "relatives"}
        tables["relatives"] = _relatives(linkage.probabilistic.relatives)
        if (on := linkage.probabilistic.learned_on) is not None:
            tables |= dict(zip(_LEARNED_ON, (on.records, on.departures, on.unseen), strict=True))
    return tables


def _relatives(relatives: Relatives) -> pl.DataFrame:
    named = [
        shifts.select(pl.lit(kind).alias("kind"), pl.lit(comparison).alias("comparison"), *shifts.columns)
        for kind, by_comparison in relatives.shifts.items()
        for comparison, shifts in by_comparison.items()
    ]
    none = shift_frame([]).select(pl.lit("").alias("kind"), pl.lit("").alias("comparison"), *shift_frame([]).columns)
    return pl.concat([none.clear(), *named])


def texts_of(linkage: MeasuredLinkage) -> dict[str, str]:
    """Return the texts of a linkage, by file name: what is no table, its quality, and its models."""
    about: dict[str, Any] = {
        "synthetic": linkage.synthetic,
        "reference_date": None if linkage.reference_date is None else linkage.reference_date.isoformat(),
        "exact": {"usable": list(linkage.exact.usable), "conflicts": linkage.exact.conflicts},
        "fallback": linkage.fallback and {name: getattr(linkage.fallback, name) for name in _SETTINGS},
        "sources": describe_sources(linkage.sources),
        "rows": {name: rows.height for name, rows in linkage.rows.items()},
        "polars": pl.__version__,
        "history": dict(linkage.history.counts),
        "probabilistic": None,
    }
    texts = {QUALITY_FILE: to_json(linkage.quality)}
    if (found := linkage.probabilistic) is not None:
        about["probabilistic"] = _about_fallback(found)
        models = {} if found.model is None else {_MODEL: found.model}
        models |= {f"model.{source}.json": model for source, model in found.source_models.items()}
        texts |= {file: model_json(model) for file, model in models.items()}
    return {_ABOUT: json.dumps(about, indent=1) + "\n", **texts}


def _about_fallback(found: Probabilistic) -> dict[str, Any]:
    return {
        "learned_from": found.learned_from,
        "thresholds": {source: asdict(threshold) for source, threshold in found.thresholds.items()},
        "pi": dict(found.pi),
        "counts": dict(found.counts),
        "relatives": {
            "per_pair": dict(found.relatives.per_pair),
            "kinds": {kind: list(shifts) for kind, shifts in found.relatives.shifts.items()},
        },
        "listed": found.listed,
        "engine": found.engine,
        "own_model": found.own_model,
        "weights_checked": found.weights_checked and asdict(found.weights_checked),
        "model_use": asdict(found.model_use),
        "learned_on": found.learned_on and {"date": found.learned_on.date, "settings": found.learned_on.settings},
    }


# --- And back --------------------------------------------------------------------------------------------------------


def quality_of(store: Store) -> Quality:
    """Return the quality of a stored linkage, without reading its tables."""
    return from_json(store.texts()[QUALITY_FILE])


def read_contents(store: Store, sources: Sequence[Source] | None) -> dict[str, Any]:
    """Return what a Linkage is made of; refuse sources that are not those that were linked.

    Without sources, nothing is checked against them: the linkage then has none, and a later one can follow it.
    """
    texts = store.texts()
    about, models = json.loads(texts[_ABOUT]), _models(texts, authentic=store.lock is not None)
    if sources is not None and about["polars"] != pl.__version__:
        raise ProgrammeError(
            f"{store.place} was written with Polars {about['polars']}, and this is Polars {pl.__version__}, by which "
            "rows are recognised otherwise; use that version, or link again with `linkcore link`"
        )
    names = [*_LINKED, *_HISTORY, *(_FALLBACK if about["probabilistic"] is not None else ())]
    tables = store.tables([*names, *(name for name in (*_LEARNED_ON, "superseded") if store.holds(name))])
    rows, start = {}, 0
    for name, height in about["rows"].items():
        rows[name] = tables["rows"][start : start + height]
        start += height
    left_out = {
        str(name): frame["row"] for (name,), frame in tables["left_out"].group_by("source", maintain_order=True)
    }
    quality, date = from_json(texts[QUALITY_FILE]), about["reference_date"]
    return {
        "links": tables["links"],
        "persons": tables["persons"],
        "decisions": tables["decisions"],
        "history": PersonHistory(
            tables["hashes"],
            tables["names_superseded"],
            KnownPersons(tables["absent_persons"], tables["absent_records"], tables["absent_superseded"]),
            about["history"],
        ),
        "rows": rows,
        "sources": () if sources is None else as_linked(sources, about["sources"], rows, left_out),
        "probabilistic": about["probabilistic"] and _probabilistic(about["probabilistic"], tables, models),
        "exact": Exact(**about["exact"], superseded=tables.get("superseded")),
        "fallback": None if about["fallback"] is None else Fallback(**about["fallback"]),
        "reference_date": None if date is None else dt.date.fromisoformat(date),
        "run": quality.run,
        "synthetic": about["synthetic"],
        "quality": quality,
    }


def _probabilistic(
    about: dict[str, Any], tables: Mapping[str, pl.DataFrame], models: Mapping[str | None, Model]
) -> Probabilistic:
    checked, relatives = about["weights_checked"], about["relatives"]
    shifts: dict[str, dict[str, pl.DataFrame]] = {
        kind: {
            each: tables["relatives"].filter(kind=kind, comparison=each).drop("kind", "comparison")
            for each in comparisons
        }
        for kind, comparisons in relatives["kinds"].items()
    }
    kept: dict[str, Any] = {name: tables[name] for name in _FALLBACK if name != "relatives"}
    return Probabilistic(
        **kept,
        **{name: about[name] for name in ("learned_from", "pi", "counts", "listed", "engine", "own_model")},
        # The links hold the same; nothing else of it is asked for.
        placement=Placement(tables["persons"], {}),
        model=models.get(None),
        source_models={name: model for name, model in models.items() if name is not None},
        thresholds={source: Threshold(**threshold) for source, threshold in about["thresholds"].items()},
        relatives=Relatives(relatives["per_pair"], shifts),
        weights_checked=None if checked is None else WeightCheck(**checked),
        model_use=ModelUse(**about.get("model_use", {})),
        learned_on=_learned_on(about.get("learned_on"), tables),
    )


def _learned_on(about: dict[str, Any] | None, tables: Mapping[str, pl.DataFrame]) -> LearnedOn | None:
    """Return what the model was learned on; None in a store of a version that did not keep it."""
    if about is None:
        return None
    return LearnedOn(about["date"], about["settings"], *(tables[name] for name in _LEARNED_ON))


def _models(texts: Mapping[str, str], *, authentic: bool) -> dict[str | None, Model]:
    """Read the model of all sources, under None, and those of single sources."""
    stated: dict[str | None, Any] = {
        file.removeprefix("model.").removesuffix("json").removesuffix(".") or None: json.loads(text)
        for file, text in texts.items()
        if file.startswith("model.")
    }
    return saved_models(stated, authentic=authentic)
