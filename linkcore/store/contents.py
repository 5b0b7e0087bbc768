"""What a store holds: everything of a linkage, as tables and texts, and back."""

import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import cache, partial
from typing import Any, Final, TypeVar

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
from linkcore.store.when_used import read_when_used

__all__ = ["is_of_a_store", "quality_of", "read_contents", "tables_of", "texts_of"]

_L = TypeVar("_L", bound=MeasuredLinkage)

_ABOUT: Final = "linkage.json"
_MODEL: Final = "model.json"
_LINKED: Final = ("links", "persons", "rows", "left_out", "decisions")
_FALLBACK: Final = ("candidates", "records", "alternatives", "tested", "relatives")
_LEARNED_ON: Final = {name: f"learned_{name}" for name in ("records", "departures", "unseen")}
_HISTORY: Final = ("hashes", "names_superseded", "absent_persons", "absent_records", "absent_superseded")
_TABLES: Final = frozenset({*_HISTORY, *_LINKED, *_FALLBACK, *_LEARNED_ON.values(), "superseded", "texts"})

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
            tables |= {table: getattr(on, name) for name, table in _LEARNED_ON.items()}
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
        "sources": describe_sources(linkage.sources, linkage.digests),
        "rows": {name: rows.height for name, rows in linkage.rows.items()},
        "polars": pl.__version__,
        "history": dict(linkage.history.counts),
        "history_by_source": {name: dict(counts) for name, counts in linkage.history.by_source.items()},
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


def read_contents(store: Store, sources: Sequence[Source] | None, linkage: type[_L]) -> _L:
    """Return the linkage of a store; refuse sources that are not those that were linked.

    What every command checks is read now. Each large table is read, and checked, when it is first used. Without
    sources, nothing is checked against them: the linkage then has none, and a later one can follow it.
    """
    texts = store.texts()
    about, models = json.loads(texts[_ABOUT]), _models(texts, authentic=store.lock is not None)
    if sources is not None and about["polars"] != pl.__version__:
        raise ProgrammeError(
            f"{store.place} was written with Polars {about['polars']}, and this is Polars {pl.__version__}, by which "
            "rows are recognised otherwise; use that version, or link again with `linkcore link`"
        )
    rows = cache(partial(_rows, store, about["rows"]))
    left_out = {
        str(name): frame["row"] for (name,), frame in store.table("left_out").group_by("source", maintain_order=True)
    }
    quality, date = from_json(texts[QUALITY_FILE]), about["reference_date"]
    superseded = store.table("superseded") if store.holds("superseded") else None
    known = {
        "decisions": store.table("decisions"),
        "history": _history(store, about),
        "sources": () if sources is None else as_linked(sources, about["sources"], rows, left_out),
        "store_digest": store.digest,
        "digests": {
            name: stated["digest"] for name, stated in about["sources"].items() if stated["digest"] is not None
        },
        "probabilistic": about["probabilistic"] and _probabilistic(about["probabilistic"], store, models),
        "exact": Exact(**about["exact"], superseded=superseded),
        "fallback": None if about["fallback"] is None else Fallback(**about["fallback"]),
        "reference_date": None if date is None else dt.date.fromisoformat(date),
        "run": quality.run,
        "synthetic": about["synthetic"],
        "quality": quality,
    }
    columns: dict[str, Callable[[], Any]] = {
        "person_ids": partial(store.column, "links", "person_id"),
        "person_of_record": partial(store.table, "links", ["person_id", "source", "record_id"]),
        "person_numbers": partial(store.column, "persons", "nhs_number"),
    }
    return read_when_used(linkage, known, {"rows": rows, **_each_when_used(store, "links", "persons"), **columns})


def _each_when_used(store: Store, *names: str) -> dict[str, Callable[[], pl.DataFrame]]:
    return {name: partial(store.table, name) for name in names}


def _rows(store: Store, heights: Mapping[str, int]) -> dict[str, pl.DataFrame]:
    whole, rows, start = store.table("rows"), {}, 0
    for name, height in heights.items():
        rows[name] = whole[start : start + height]
        start += height
    return rows


def _history(store: Store, about: Mapping[str, Any]) -> PersonHistory:
    def absent() -> KnownPersons:
        return KnownPersons(*(store.table(f"absent_{name}") for name in ("persons", "records", "superseded")))

    later = {"hashes": partial(store.table, "hashes"), "superseded": partial(store.table, "names_superseded")}
    # An earlier version did not count by source.
    counts = {"counts": about["history"], "by_source": about.get("history_by_source", {})}
    return read_when_used(PersonHistory, counts, {**later, "absent": absent})


def _probabilistic(about: dict[str, Any], store: Store, models: Mapping[str | None, Model]) -> Probabilistic:
    checked, relatives, shifts = about["weights_checked"], about["relatives"], store.table("relatives")
    by_kind: dict[str, dict[str, pl.DataFrame]] = {
        kind: {each: shifts.filter(kind=kind, comparison=each).drop("kind", "comparison") for each in comparisons}
        for kind, comparisons in relatives["kinds"].items()
    }
    known = {
        **{name: about[name] for name in ("learned_from", "pi", "counts", "listed", "engine", "own_model")},
        "model": models.get(None),
        "source_models": {name: model for name, model in models.items() if name is not None},
        "thresholds": {source: Threshold(**threshold) for source, threshold in about["thresholds"].items()},
        "relatives": Relatives(relatives["per_pair"], by_kind),
        "weights_checked": None if checked is None else WeightCheck(**checked),
        "model_use": ModelUse(**about.get("model_use", {})),
        "learned_on": _learned_on(about.get("learned_on"), store),
    }

    def placement() -> Placement:
        """Return the persons alone: the links hold the rest."""
        return Placement(store.table("persons"), {})

    later = _each_when_used(store, *(name for name in _FALLBACK if name != "relatives"))
    return read_when_used(Probabilistic, known, {**later, "placement": placement})


def _learned_on(about: dict[str, Any] | None, store: Store) -> LearnedOn | None:
    """Return what the model was learned on; None in a store of a version that did not keep it."""
    if about is None:
        return None
    later = {name: partial(store.table, table) for name, table in _LEARNED_ON.items()}
    return read_when_used(LearnedOn, {"date": about["date"], "settings": about["settings"]}, later)


def _models(texts: Mapping[str, str], *, authentic: bool) -> dict[str | None, Model]:
    """Read the model of all sources, under None, and those of single sources."""
    stated: dict[str | None, Any] = {
        file.removeprefix("model.").removesuffix("json").removesuffix(".") or None: json.loads(text)
        for file, text in texts.items()
        if file.startswith("model.")
    }
    return saved_models(stated, authentic=authentic)
