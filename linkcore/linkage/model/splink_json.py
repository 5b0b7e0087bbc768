"""A model in Splink's own JSON: reading and writing it. Only this module knows what Splink calls things.

An analyst opens the JSON in Splink. A model that Splink has learned, or settings that somebody wrote for Splink, are
read here, and what they hold of SQL is checked. Splink itself is not loaded.
"""

import glob
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Protocol

from linkcore.errors import ProgrammeError
from linkcore.linkage.model.expressions import check_conditions, parse_rules
from linkcore.linkage.model.model import OTHERWISE, Comparison, Level, Model, TermFrequency, UntrainedModel

__all__ = [
    "SplinkSettings",
    "is_by_linkcore",
    "model_json",
    "read_models",
    "saved_models",
    "settings_for_analysis",
    "settings_of_one_table",
    "to_splink",
]

_BY_LINKCORE: Final = "linkcore"

# What Splink writes where nothing else is asked for.
_DEFAULTS: Final[Mapping[str, Any]] = {
    "retain_matching_columns": False,
    "retain_intermediate_calculation_columns": False,
    "additional_columns_to_retain": [],
    "sql_dialect": "duckdb",
    # Splink's own would be random, and the model never the same.
    "linker_uid": _BY_LINKCORE,
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

# What Splink uses if settings do not state it: it was not chosen by anybody.
_DEFAULT_PRIOR: Final = 0.0001

_LEAST: Final = 1e-100
_MOST_LEVELS: Final = 100

# A name stands in SQL, and names a column.
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class SplinkSettings(Protocol):
    """Settings as somebody writes them for Splink: its ``SettingsCreator``."""

    def create_settings_dict(self, sql_dialect_str: str) -> dict[str, Any]:
        """Write the settings as a mapping."""


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
    return settings_for_analysis(model, tables=1) | {"blocking_rules_to_generate_predictions": []}


def settings_for_analysis(model: Model, *, tables: int) -> dict[str, Any]:
    """Write the settings of a linker for an analyst: of persons and records, or of records alone."""
    return _model_fields(model) | {
        "link_type": "link_only" if tables > 1 else "dedupe_only",
        "retain_matching_columns": True,
        "retain_intermediate_calculation_columns": True,
    }


def _model_fields(model: Model | UntrainedModel) -> dict[str, Any]:
    return {
        "link_type": model.link_type,
        "probability_two_random_records_match": _DEFAULT_PRIOR if model.prior is None else model.prior,
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


def read_models(
    model: "Path | str | Model | SplinkSettings | Mapping[Any, Any]",
) -> dict[str | None, Model | UntrainedModel]:
    """Read a model for the fallback, and those of single sources with it.

    ``model``: a file, what it states, Splink's ``SettingsCreator`` or a Model. Beside the file ``model.json`` those of
    sources are ``model.SOURCE.json``; in a mapping of models they are under their names, and that of all is under None.
    What has no m, no u or no prior, the run learns; models of single sources must have all.

    Examples
    --------
    >>> read_models({"comparisons": []})
    Traceback (most recent call last):
    linkcore.errors.ProgrammeError: the model compares nothing; give it a comparison
    """
    if isinstance(model, Mapping):
        given = model if None in model else {None: model}
        models = {name: _read_model(each, "the mapping given") for name, each in given.items()}
    elif isinstance(model, str | Path):
        path = Path(model)
        prefix = f"{path.stem}."
        models = {None: _read_file(path)} | {
            file.name.removeprefix(prefix).removesuffix(".json"): _read_file(file)
            for file in sorted(path.parent.glob(f"{glob.escape(path.stem)}.*.json"))
        }
    else:
        models = {None: _read_model(model, f"the {type(model).__name__} given")}
    untrained = sorted(str(name) for name, each in models.items() if name is not None and not isinstance(each, Model))
    if untrained:
        raise ProgrammeError(f"model: that of source {untrained[0]!r} is not trained; give all m and u, and the prior")
    if len(models) > 1 and not isinstance(models[None], Model):
        raise ProgrammeError("model: those of sources are trained, and that of all is not; give the models of one run")
    return models


def saved_models(stated: Mapping[str | None, Any], *, authentic: bool) -> dict[str | None, Model]:
    """Read models that :func:`model_json` wrote, by their names; their SQL is checked unless a key vouches for them.

    Examples
    --------
    >>> levels = Level("name_l = name_r", "Agrees", m=0.9, u=0.1), Level(OTHERWISE, "Differs", m=0.1, u=0.9)
    >>> model = Model((Comparison("name", levels),), prior=0.001)
    >>> saved_models({None: json.loads(model_json(model))}, authentic=True) == {None: model}
    True
    """
    models, checked = {}, set()
    for name, each in stated.items():
        model = _from_splink(each)
        if not isinstance(model, Model):
            raise ProgrammeError(f"model: that of source {name!r} is not trained; link again")
        # The models of sources differ in their probabilities only, and each check takes a second.
        sql = (model.blocking_rules, tuple(_conditions(model)), tuple(sorted(_counted(model))))
        if not authentic and sql not in checked:
            _check_sql(model)
            checked.add(sql)
        models[name] = model
    return models


def _read_file(path: Path) -> Model | UntrainedModel:
    try:
        stated = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        stated = None
    if stated is None:
        raise ProgrammeError(f"model: {path} cannot be read as JSON; give a file as Splink saves it")
    return _read_model(stated, str(path))


def _read_model(model: object, what: str) -> Model | UntrainedModel:
    try:
        # Splink's objects write themselves. So Splink need not be loaded to know them.
        stated = model.create_settings_dict("duckdb") if hasattr(model, "create_settings_dict") else model
        read = stated if isinstance(stated, Model | UntrainedModel) else _from_splink(stated)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        read = None
    if read is None:
        raise ProgrammeError(
            f"model: {what} is not a model; give settings of Splink, or a model as Splink saves it, with comparisons "
            "and their levels"
        )
    _check_sql(read)
    return read


def _from_splink(stated: Any) -> Model | UntrainedModel:
    rules = [
        {"blocking_rule": rule} | _PLAIN_RULE if isinstance(rule, str) else rule
        for rule in (
            each.create_blocking_rule_dict("duckdb") if hasattr(each, "create_blocking_rule_dict") else each
            for each in stated.get("blocking_rules_to_generate_predictions", ())
        )
    ]
    exploding = [number for number, rule in enumerate(rules, 1) if rule.get("arrays_to_explode")]
    if exploding:
        raise ProgrammeError(
            f"model: blocking rule {exploding[0]} takes lists apart (arrays_to_explode), which linkcore does not do; "
            "block on another column"
        )
    comparisons = tuple(_comparison(comparison) for comparison in stated["comparisons"])
    prior = stated.get("probability_two_random_records_match")
    texts = tuple(str(rule["blocking_rule"]) for rule in rules)
    link_type = stated.get("link_type", "link_and_dedupe")
    learned = all(level.is_learned for comparison in comparisons for level in comparison.levels)
    if learned and prior is not None:
        model: Model | UntrainedModel = Model(comparisons, float(prior), texts, link_type)
    else:
        chosen = None if prior in (None, _DEFAULT_PRIOR) else float(prior)
        model = UntrainedModel(comparisons, chosen, texts, link_type)
    # Who does not say that linkcore made the model has written it.
    stated = {"linker_uid": None} | {**stated, "blocking_rules_to_generate_predictions": rules}
    return replace(model, extra=_unused(stated, _model_fields(model), but="comparisons"))


def _comparison(stated: Any) -> Comparison:
    if hasattr(stated, "create_comparison_dict"):
        stated = stated.create_comparison_dict("duckdb")
    levels = tuple(_level(level) for level in stated["comparison_levels"])
    name = str(stated.get("output_column_name") or _usual_name(levels))
    if len(levels) > _MOST_LEVELS:
        raise ProgrammeError(
            f"model: comparison {name!r} has {len(levels)} levels; at most {_MOST_LEVELS} are possible"
        )
    if levels and (levels[-1].condition != OTHERWISE or levels[-1].is_null):
        raise ProgrammeError(f"model: comparison {name!r} has no level for all other pairs; end it with ELSE")
    comparison = Comparison(name, levels)
    return replace(comparison, extra=_unused(stated, _comparison_fields(comparison), but="comparison_levels"))


def is_by_linkcore(model: Model | UntrainedModel) -> bool:
    """Whether linkcore has learned or saved a model, and nobody else has written it."""
    return bool(model.extra.get("linker_uid", _BY_LINKCORE) == _BY_LINKCORE)


def _usual_name(levels: tuple[Level, ...]) -> str:
    """Name a comparison that has no name as Splink does, by its columns; in order, since Splink's order varies."""
    columns = sorted({column for level in levels for column in re.findall(r"\b(\w+)_[lr]\b", level.condition)})
    return "_".join(columns if len(columns) == 1 else ["custom", *columns])


def _level(stated: Any) -> Level:
    if hasattr(stated, "create_level_dict"):
        stated = stated.create_level_dict("duckdb")
    condition, column, term_frequency = stated["sql_condition"], stated.get("tf_adjustment_column"), None
    if column:
        term_frequency = TermFrequency(
            str(column),
            # Splink takes 0 for 1.
            weight=float(stated.get("tf_adjustment_weight") or 1.0),
            minimum_u=float(stated.get("tf_minimum_u_value") or 0.0),
            of_exact_match=not stated.get("disable_tf_exact_match_detection", False),
        )
    level = Level(
        # Splink takes any case of ELSE.
        OTHERWISE if str(condition).strip().upper() == OTHERWISE else condition,
        _label(stated.get("label_for_charts") or condition),
        m=_probability(stated.get("m_probability")),
        u=_probability(stated.get("u_probability")),
        is_null=bool(stated.get("is_null_level", False)),
        term_frequency=term_frequency,
    )
    # What Splink says in words where it has learned nothing is not written back over what is learned here.
    unlearned = {name for name in ("m_probability", "u_probability") if isinstance(stated.get(name), str)}
    extra = _unused(stated, _level_fields(level))
    return replace(level, extra={name: value for name, value in extra.items() if name not in unlearned})


def _label(stated: object) -> str:
    """Read a label, and show as escapes what is no text."""
    return str(stated).encode("utf-8", "backslashreplace").decode("utf-8")


def _probability(stated: object) -> float | None:
    """Read m or u; None where Splink has not learned it, and says so in words."""
    if stated is None or isinstance(stated, str):
        return None
    # Splink computes with logarithms of floats.
    if isinstance(stated, bool) or not isinstance(stated, int | float) or not _LEAST <= stated <= 1:
        raise ProgrammeError(f"model: m or u of a level is {stated!r}; it is a probability above 0 and at most 1")
    return stated


def _check_sql(model: Model | UntrainedModel) -> None:
    """Refuse SQL in a model that is more than a condition of its level, or a blocking rule."""
    for name in (comparison.name for comparison in model.comparisons):
        # Splink's column of a term frequency has the other prefix.
        if not _NAME.fullmatch(name) or name.lower().startswith("tf_adj_"):
            raise ProgrammeError(
                f"model: a comparison is named {name!r}; a name (output_column_name) is letters, digits and _, as in "
                "'first_name', and does not begin with tf_adj_"
            )
    check_conditions([*_conditions(model)])
    parse_rules(model.blocking_rules)
    wrong = sorted(column for column in _counted(model) if not _NAME.fullmatch(column))
    if wrong:
        raise ProgrammeError(f"model: {wrong[0]!r} is not the name of a column, whose values are to be counted")


def _counted(model: Model | UntrainedModel) -> set[str]:
    """Name the columns whose values are counted."""
    return {level.term_frequency.column for each in model.comparisons for level in each.levels if level.term_frequency}


def _conditions(model: Model | UntrainedModel) -> Iterator[tuple[str, str]]:
    for comparison in model.comparisons:
        for number, level in enumerate(comparison.levels, 1):
            if level.condition != OTHERWISE:
                yield f"level {number} of comparison {comparison.name!r}", level.condition


def _unused(stated: Mapping[str, Any], written: Mapping[str, Any], *, but: str | None = None) -> dict[str, Any]:
    """Keep what a file states beyond, or other than, what is written without it."""
    return {
        name: value for name, value in stated.items() if name != but and (name not in written or written[name] != value)
    }
