"""A model as Splink saves it: what linkcore scores by, saves and takes back, and what an analyst opens in Splink."""

from collections.abc import Mapping
from typing import Any, Final

__all__ = ["as_splink_saves"]

# What Splink writes where nothing else is asked for.
_DEFAULTS: Final[Mapping[str, Any]] = {
    "link_type": "link_and_dedupe",
    "probability_two_random_records_match": 0.0001,
    "retain_matching_columns": False,
    "retain_intermediate_calculation_columns": False,
    "additional_columns_to_retain": [],
    "sql_dialect": "duckdb",
    # Splink's own would be random, and the model never the same.
    "linker_uid": "linkcore",
    "em_convergence": 0.0001,
    "max_iterations": 25,
}
# What our columns are called, whatever they were called where the model comes from.
_NAMES: Final[Mapping[str, Any]] = {
    "match_weight_column_prefix": "mw_",
    "term_frequency_adjustment_column_prefix": "tf_",
    "comparison_vector_value_column_prefix": "gamma_",
    "unique_id_column_name": "unique_id",
    "source_dataset_column_name": "source_dataset",
}
_LEVEL: Final = (
    "sql_condition",
    "label_for_charts",
    "m_probability",
    "u_probability",
    "fix_m_probability",
    "fix_u_probability",
    "tf_adjustment_column",
    "tf_adjustment_weight",
    "tf_minimum_u_value",
    "is_null_level",
    "disable_tf_exact_match_detection",
)


def as_splink_saves(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Write settings out in full, as Splink's ``save_model_to_json`` does (a test holds that); Splink is not loaded.

    Examples
    --------
    >>> level = {"sql_condition": "name_l = name_r", "m_probability": 0.9, "u_probability": 0.1}
    >>> saved = as_splink_saves({"comparisons": [{"output_column_name": "name", "comparison_levels": [level]}]})
    >>> saved["comparisons"][0]["comparison_levels"][0]["fix_m_probability"], saved["sql_dialect"]
    (False, 'duckdb')
    """
    rules = [
        dict(rule) if isinstance(rule, Mapping) else {"blocking_rule": rule, "sql_dialect": "duckdb"}
        for rule in settings.get("blocking_rules_to_generate_predictions", ())
    ]
    comparisons = [
        {
            "output_column_name": comparison["output_column_name"],
            "comparison_levels": [_level(level) for level in comparison["comparison_levels"]],
            "comparison_description": comparison.get("comparison_description", "CustomComparison"),
        }
        for comparison in settings["comparisons"]
    ]
    stated = {name: settings.get(name, default) for name, default in _DEFAULTS.items()}
    return {**stated, **_NAMES, "blocking_rules_to_generate_predictions": rules, "comparisons": comparisons}


def _level(level: Mapping[str, Any]) -> dict[str, Any]:
    written = {"label_for_charts": level["sql_condition"], "fix_m_probability": False, "fix_u_probability": False}
    written |= {name: value for name, value in level.items() if name in _LEVEL}
    if "tf_adjustment_column" in written:
        written.setdefault("tf_adjustment_weight", 1.0)
    return {name: written[name] for name in _LEVEL if name in written}
