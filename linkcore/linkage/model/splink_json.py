"""A model in Splink's own JSON: reading and writing it. Only this module knows what Splink calls things.

An analyst opens the JSON in Splink, and a model that Splink has learned is read here. Splink itself is not loaded.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from linkcore.errors import ProgrammeError
from linkcore.linkage.model.model import Comparison, Level, Model, TermFrequency

__all__ = ["model_json", "read_models", "settings_of_one_table", "to_splink"]

# What Splink writes where nothing else is asked for.
_DEFAULTS: Final[Mapping[str, Any]] = {
    "retain_matching_columns": False,
    "retain_intermediate_calculation_columns": False,
    "additional_columns_to_retain": [],
    "sql_dialect": "duckdb",
    # Splink's own would be random, and the model never the same.
    "linker_uid": "linkcore",
    "em_convergence": 0.0001,
    "max_iterations": 25,
}
_COLUMN_NAMES: Final[Mapping[str, Any]] = {
    "match_weight_column_prefix": "mw_",
    "term_frequency_adjustment_column_prefix": "tf_",
    "comparison_vector_value_column_prefix": "gamma_",
    "unique_id_column_name": "unique_id",
    "source_dataset_column_name": "source_dataset",
}


_PLAIN_RULE: Final = {"sql_dialect": "duckdb"}


def to_splink(model: Model) -> dict[str, Any]:
    """Write a model as Splink's ``save_model_to_json`` does (a test holds that).

    What a model file stated and linkcore does not use is written as it was.

    Examples
    --------
    >>> name = Comparison("name", (Level("name_l = name_r", "Agrees", m=0.9, u=0.1),))
    >>> saved = to_splink(Model((name,), prior=0.001))
    >>> saved["comparisons"][0]["comparison_levels"][0]["m_probability"], saved["sql_dialect"]
    (0.9, 'duckdb')
    """
    comparisons = []
    for comparison in model.comparisons:
        levels = [{**_level_fields(level), **level.extra} for level in comparison.levels]
        comparisons.append({**_comparison_fields(comparison), "comparison_levels": levels, **comparison.extra})
    return {**_model_fields(model), "comparisons": comparisons, **model.extra}


def model_json(model: Model) -> str:
    """Write a model as the text of a file."""
    return json.dumps(to_splink(model), indent=2) + "\n"


def settings_of_one_table(model: Model) -> dict[str, Any]:
    """Write the settings by which Splink weighs given pairs of one table, and keeps all that it has computed."""
    return _model_fields(model) | {
        "link_type": "dedupe_only",
        "retain_matching_columns": True,
        "retain_intermediate_calculation_columns": True,
    }


def _model_fields(model: Model) -> dict[str, Any]:
    return {
        "link_type": model.link_type,
        "probability_two_random_records_match": model.prior,
        **_DEFAULTS,
        **_COLUMN_NAMES,
        "blocking_rules_to_generate_predictions": [
            {"blocking_rule": rule} | _PLAIN_RULE for rule in model.blocking_rules
        ],
        "comparisons": [_comparison_fields(comparison) for comparison in model.comparisons],
    }


def _comparison_fields(comparison: Comparison) -> dict[str, Any]:
    return {
        "output_column_name": comparison.name,
        "comparison_levels": [_level_fields(level) for level in comparison.levels],
        "comparison_description": "CustomComparison",
    }


def _level_fields(level: Level) -> dict[str, Any]:
    common = level.term_frequency
    fields = {
        "sql_condition": level.condition,
        "label_for_charts": level.label,
        "m_probability": level.m,
        "u_probability": level.u,
        "fix_m_probability": False,
        "fix_u_probability": False,
        "tf_adjustment_column": common and common.column,
        "tf_adjustment_weight": common and common.weight,
        "tf_minimum_u_value": common and (common.minimum_u or None),
        "is_null_level": level.is_null or None,
        "disable_tf_exact_match_detection": common and (not common.of_exact_match or None),
    }
    return {name: value for name, value in fields.items() if value is not None}


def read_models(model: Path | str | Model | Mapping[Any, Any]) -> dict[str | None, Model]:
    """Read a model that was learned before, and those of single sources with it.

    ``model``: a file, what it states, or a Model. Beside the file ``model.json`` those of sources are
    ``model.SOURCE.json``; in a mapping of models they are under their names, and that of all is under None.

    Examples
    --------
    >>> read_models({"comparisons": []})
    Traceback (most recent call last):
    linkcore.errors.ProgrammeError: model: the mapping given is not a trained model; give one as Splink saves it, ...
    """
    if isinstance(model, Model):
        return {None: model}
    if isinstance(model, Mapping):
        given = model if None in model else {None: model}
        return {name: each if isinstance(each, Model) else _read_model(each) for name, each in given.items()}
    path = Path(model)
    of_sources = sorted(path.parent.glob(f"{path.stem}.*.json"))
    prefix = f"{path.stem}."
    return {None: _read_model(path)} | {
        file.name.removeprefix(prefix).removesuffix(".json"): _read_model(file) for file in of_sources
    }


def _read_model(model: Path | str | Mapping[str, Any]) -> Model:
    what = "the mapping given" if isinstance(model, Mapping) else str(model)
    try:
        text = json.dumps(dict(model)) if isinstance(model, Mapping) else Path(model).read_text("utf-8")
        return _from_splink(json.loads(text))
    except (ProgrammeError, OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    raise ProgrammeError(f"model: {what} is not a trained model; give one as Splink saves it, with every m and u")


def _from_splink(stated: Mapping[str, Any]) -> Model:
    rules = [
        {"blocking_rule": rule} | _PLAIN_RULE if isinstance(rule, str) else rule
        for rule in stated.get("blocking_rules_to_generate_predictions", ())
    ]
    model = Model(
        comparisons=tuple(_comparison(comparison) for comparison in stated["comparisons"]),
        prior=stated["probability_two_random_records_match"],
        blocking_rules=tuple(rule["blocking_rule"] for rule in rules),
        link_type=stated.get("link_type", "link_and_dedupe"),
    )
    stated = {**stated, "blocking_rules_to_generate_predictions": rules}
    return replace(model, extra=_unused(stated, _model_fields(model), but="comparisons"))


def _comparison(stated: Mapping[str, Any]) -> Comparison:
    levels = tuple(_level(level) for level in stated["comparison_levels"])
    comparison = Comparison(stated["output_column_name"], levels)
    return replace(comparison, extra=_unused(stated, _comparison_fields(comparison), but="comparison_levels"))


def _level(stated: Mapping[str, Any]) -> Level:
    condition, column, term_frequency = stated["sql_condition"], stated.get("tf_adjustment_column"), None
    if column:
        term_frequency = TermFrequency(
            column,
            weight=stated.get("tf_adjustment_weight", 1.0),
            minimum_u=stated.get("tf_minimum_u_value", 0.0),
            of_exact_match=not stated.get("disable_tf_exact_match_detection", False),
        )
    level = Level(
        condition,
        stated.get("label_for_charts", condition),
        m=stated.get("m_probability"),
        u=stated.get("u_probability"),
        is_null=bool(stated.get("is_null_level", False)),
        term_frequency=term_frequency,
    )
    return replace(level, extra=_unused(stated, _level_fields(level)))


def _unused(stated: Mapping[str, Any], written: Mapping[str, Any], *, but: str | None = None) -> dict[str, Any]:
    """Keep what a file states beyond, or other than, what is written without it."""
    return {
        name: value for name, value in stated.items() if name != but and (name not in written or written[name] != value)
    }
