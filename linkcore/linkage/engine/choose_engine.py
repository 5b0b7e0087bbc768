"""Which engine weighs the pairs of a run: linkcore's own or Splink, for its own comparisons or those of a model."""

from collections.abc import Mapping, Sequence

import polars as pl

from linkcore.errors import ProgrammeError
from linkcore.linkage.blocking import BlockingRule, GivenRule, blocking_rules
from linkcore.linkage.comparisons.comparisons import known_conditions
from linkcore.linkage.engine.native import NativeEngine
from linkcore.linkage.engine.pair_engine import PairEngine
from linkcore.linkage.engine.splink import SplinkEngine
from linkcore.linkage.engine.tables import PeopleTable
from linkcore.linkage.model.expressions import parse_rules
from linkcore.linkage.model.model import Comparison, Model, UntrainedModel
from linkcore.linkage.model.splink_json import is_by_linkcore
from linkcore.linkage.settings import EngineName, Fallback
from linkcore.sources.source import FurtherKind

__all__ = ["is_own", "make_engine"]


def make_engine(people: PeopleTable, settings: Fallback, further: Mapping[str, FurtherKind]) -> PairEngine:
    """Make the engine that the settings ask for; ``further`` says how further identifiers are compared.

    The model that the settings give, if any, says what is compared and by which rules pairs are proposed.

    Raises
    ------
    ProgrammeError
        If the model looks at a column that no source has, or linkcore's engine is asked for and does not know it.
    """
    models = settings.models
    model = models.get(None)
    if model is None:
        return (SplinkEngine if settings.engine == "splink" else NativeEngine).of(people, further)
    rules = _rules_of(model, people)
    for each in models.values():
        _check_columns(each, rules, people)
        _check_types(each, people)
    unknown = _unknown_to_native(list(models.values()), rules, further)
    if settings.engine == "native" and unknown:
        raise ProgrammeError(
            f"model: {unknown} is not one of linkcore's own, and engine 'native' knows no other; leave engine out, or "
            "set it to 'splink'"
        )
    name: EngineName = settings.engine or ("splink" if unknown else "native")
    return (SplinkEngine if name == "splink" else NativeEngine)(people, model.comparisons, rules)


def is_own(comparisons: Sequence[Comparison], further: Mapping[str, FurtherKind]) -> bool:
    """Whether comparisons hold no condition that linkcore would not have written."""
    known = known_conditions(further)
    return all(level.condition in known for comparison in comparisons for level in comparison.levels)


def _rules_of(model: Model | UntrainedModel, people: PeopleTable) -> Sequence[BlockingRule]:
    """Return the rules of a model; linkcore's, if it states none or linkcore has saved it with its own."""
    own = {rule.sql for rule in blocking_rules(people.columns)}
    if not model.blocking_rules or (is_by_linkcore(model) and set(model.blocking_rules) <= own):
        return blocking_rules(people.present)
    return [GivenRule(parsed) for parsed in parse_rules(model.blocking_rules)]


def _unknown_to_native(
    models: Sequence[Model | UntrainedModel], rules: Sequence[BlockingRule], further: Mapping[str, FurtherKind]
) -> str | None:
    """Name the first part of a model that linkcore would not have written; None if there is none."""
    for comparison in (each for model in models for each in model.comparisons):
        if not is_own([comparison], further):
            return f"comparison {comparison.name!r}"
    given = [number for number, rule in enumerate(rules, 1) if isinstance(rule, GivenRule)]
    return f"blocking rule {given[0]}" if given else None


def _check_columns(model: Model | UntrainedModel, rules: Sequence[BlockingRule], people: PeopleTable) -> None:
    """Refuse a model that looks at a column that is not there, or that has no values to learn from or to block on."""
    known = people.columns if isinstance(model, Model) else people.present
    asked = [(f"comparison {each.name!r}", each.columns, known) for each in model.comparisons]
    for number, rule in enumerate(rules, 1):
        if isinstance(rule, GivenRule):
            asked.append((f"blocking rule {number}", set(rule.parsed.columns), people.present))
    for what, names, there in asked:
        absent = sorted(names - set(there))
        if absent:
            raise ProgrammeError(
                f"model: {what} looks at column {absent[0]!r}, which no source has; there are "
                f"{', '.join(sorted(people.present))}"
            )


def _check_types(model: Model | UntrainedModel, people: PeopleTable) -> None:
    """Refuse a comparison that DuckDB cannot compute of columns of these types."""
    import duckdb

    sides = ", ".join(f'{side}."{name}" AS "{name}_{side}"' for name in people.columns for side in ("l", "r"))
    nobody = f"(SELECT {sides} FROM people AS l, people AS r)"
    # The types are those of everybody.
    connection = people.only(pl.Series(dtype=pl.UInt32)).connection
    for comparison in model.comparisons:
        try:
            connection.sql(f"SELECT {comparison.case_sql(comparison.numbers)} FROM {nobody}").fetchall()
            continue
        except duckdb.Error:
            pass
        raise ProgrammeError(
            f"model: DuckDB cannot compute comparison {comparison.name!r}; look at the types of the columns in "
            "docs/MODELS.md"
        )
