"""Which engine weighs the pairs of a run: linkcore's own or Splink, for its own comparisons or those of a model."""

from collections.abc import Mapping, Sequence

from linkcore.errors import ProgrammeError
from linkcore.linkage.blocking import BlockingRule, GivenRule, blocking_rules
from linkcore.linkage.comparisons.comparisons import known_conditions
from linkcore.linkage.engine.database_engine import DatabaseEngine
from linkcore.linkage.engine.native import NativeEngine
from linkcore.linkage.engine.splink import SplinkEngine
from linkcore.linkage.engine.tables import PeopleTable
from linkcore.linkage.model.expressions import ParsedRule, parse_rules
from linkcore.linkage.model.model import Model, UntrainedModel
from linkcore.linkage.settings import EngineName, Fallback
from linkcore.sources.source import FurtherKind

__all__ = ["make_engine"]


def make_engine(people: PeopleTable, settings: Fallback, further: Mapping[str, FurtherKind]) -> DatabaseEngine:
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
    for each in models.values():
        _check_columns(each, people.columns)
    rules = _rules_of(model, people)
    unknown = _unknown_to_native(list(models.values()), rules, further)
    if settings.engine == "native" and unknown:
        raise ProgrammeError(
            f"model: {unknown} is not one of linkcore's own, and engine 'native' knows no other; leave engine out, or "
            "set it to 'splink'"
        )
    name: EngineName = settings.engine or ("splink" if unknown else "native")
    return (SplinkEngine if name == "splink" else NativeEngine)(people, model.comparisons, rules)


def _rules_of(model: Model | UntrainedModel, people: PeopleTable) -> Sequence[BlockingRule]:
    """Return the rules of a model; linkcore's, if it has none or has been saved with linkcore's."""
    own = {rule.sql for rule in blocking_rules(people.columns)}
    if set(model.blocking_rules) <= own:
        return blocking_rules(people.present)
    return [GivenRule(parsed) for parsed in parse_rules(model.blocking_rules)]


def _unknown_to_native(
    models: Sequence[Model | UntrainedModel], rules: Sequence[BlockingRule], further: Mapping[str, FurtherKind]
) -> str | None:
    """Name the first part of a model that linkcore would not have written; None if there is none."""
    known = known_conditions(further)
    for model in models:
        for comparison in model.comparisons:
            if any(level.condition not in known for level in comparison.levels):
                return f"comparison {comparison.name!r}"
    given = [number for number, rule in enumerate(rules, 1) if isinstance(rule, GivenRule)]
    return f"blocking rule {given[0]}" if given else None


def _check_columns(model: Model | UntrainedModel, columns: Sequence[str]) -> None:
    """Refuse a model that looks at a column that is not there."""
    parsed: list[ParsedRule] = parse_rules(model.blocking_rules)
    asked = [(f"comparison {each.name!r}", each.columns) for each in model.comparisons]
    asked += [(f"blocking rule {number}", set(rule.columns)) for number, rule in enumerate(parsed, 1)]
    for what, names in asked:
        absent = sorted(names - set(columns))
        if absent:
            raise ProgrammeError(
                f"model: {what} looks at column {absent[0]!r}, which no source has; there are "
                f"{', '.join(sorted(columns))}"
            )
