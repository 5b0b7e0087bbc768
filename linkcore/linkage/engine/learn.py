"""Learning from what an engine counts: from labels, without labels, or only of relatives, if a model is given."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import polars as pl

from linkcore.errors import ProgrammeError
from linkcore.linkage.comparisons.birth_date import own_birth_dates
from linkcore.linkage.engine.engine import Engine, Learned, Scored
from linkcore.linkage.learning.expectation_maximisation import Estimate, begin, maximise
from linkcore.linkage.learning.levels import Shares, shares_of_levels, with_probabilities
from linkcore.linkage.learning.mixture import ONE_PERSON
from linkcore.linkage.learning.patterns import CountedPairs, Patterns
from linkcore.linkage.learning.relatives import (
    NEEDED,
    OTHER_BIRTH_DATE,
    SAME_BIRTH_DATE,
    Relatives,
    relatives_of_counts,
    relatives_of_shares,
)
from linkcore.linkage.model.by_source import source_models
from linkcore.linkage.model.model import Comparison, Model, compared_columns
from linkcore.linkage.model.significant_digits import significant

__all__ = ["learn_from_labels", "learn_without_labels", "use_given_models"]

# If fewer than one record in a hundred has a relative among the others, there are no households in the data. What looks
# like relatives is then records of one person that differ in much.
_FEWEST_RELATED: Final = 0.01

# If a larger share of the pairs with one family name agree on both names, most of these pairs are of one person. Then
# relatives would be described as one person is, and the estimate could settle on either.
_MOSTLY_ONE_PERSON: Final = 0.5

# u and m are learned in turn until no level's u changes by more than a hundredth of a bit: less than any decision
# depends on. That takes four to ten rounds; in large data the random pairs hold so few of one person that the first u
# is enough. After so many rounds learning gives up, and the quality of the linkage says so.
_ROUNDS: Final = 50
_SETTLED: Final = 0.01


def use_given_models(engine: Engine, model: Model, of_sources: Mapping[int, Model], seed: int) -> Learned:
    """Use models that were learned before, of all sources and of each; only relatives are learned, from the persons."""
    absent = sorted(compared_columns(model.comparisons) - set(engine.columns))
    if absent:
        raise ProgrammeError(f"the model compares {', '.join(absent)}, which no source has")
    for each in of_sources.values():
        if _but_for_m(each) != _but_for_m(model):
            raise ProgrammeError(
                "model: that of a source differs from that of all in more than m; give those of one run"
            )
    return Learned(
        model=model,
        frequencies=engine.frequencies(model),
        learned_from="given",
        source_models=of_sources,
        relatives=_relatives_of_persons(engine, model, seed),
    )


def learn_from_labels(engine: Engine, labelled: pl.DataFrame, seed: int) -> Learned:
    """Learn m from records and their persons, of all sources and of each; u from random pairs of such records.

    ``labelled``: RECORDS, ``label``, the person, and ``source_index``, the source.
    """
    counts = engine.count_labelled(labelled, seed)
    m = shares_of_levels(engine.comparisons, counts.one_person)
    u = shares_of_levels(engine.comparisons, counts.two_persons)
    model = _model(engine, with_probabilities(engine.comparisons, m=m, u=u))
    return Learned(
        model=model,
        frequencies=engine.frequencies(model),
        learned_from="labels",
        source_models=source_models(model, _of_learned_m(engine.comparisons, counts.one_person), engine.sources),
        relatives=_relatives_of_persons(engine, model, seed),
    )


def _of_learned_m(comparisons: Sequence[Comparison], counts: pl.DataFrame) -> pl.DataFrame:
    """Leave out counts of comparisons whose m was given: it is given for every source."""
    given = [each.name for each in comparisons if any(level.m is not None for level in each.levels)]
    return counts.filter(~pl.col("comparison").is_in(given))


def learn_without_labels(
    engine: Engine, apart: Sequence[tuple[int, int]], seed: int, usable: Callable[[pl.DataFrame], pl.DataFrame]
) -> tuple[Learned, Scored | None]:
    """Learn u from random pairs, and m from all pairs that the blocking rules propose.

    Some of the random pairs are of one person. Where agreement is rare, as on a birth date, they may be most of those
    that agree. They are taken out of u as far as they are found, and with the better u more of them are found. So both
    are learned in turn until u settles.

    ``apart``: first and last record of each range of records of which no two are of one person.
    ``usable``: returns those of the pairs with persons that may be learned from.
    Returns what was learned and, where there are no persons, all pairs among the records, from which it was.
    """
    counts = engine.count_random(seed)
    u = shares_of_levels(engine.comparisons, counts.all_pairs)
    model = _model(engine, with_probabilities(engine.comparisons, m=begin(engine.comparisons), u=u))
    start = Learned(model, engine.frequencies(model), "expectation maximisation")
    everybody = pl.int_range(engine.records, dtype=pl.UInt32, eager=True)
    among_records = None if engine.listed else engine.score_among_records(start, everybody, apart, all_pairs=True)
    if among_records is None:
        pairs = usable(engine.score_with_persons(start, all_pairs=True).pairs)
    else:
        pairs = among_records.pairs
    patterns, weights = Patterns.of(pairs, engine.comparisons), pairs["weight"]
    all_pairs = max(engine.listed * engine.records or engine.records * (engine.records - 1) // 2, 2)
    names = shares_of_levels(engine.comparisons, counts.one_family_name).get("name")
    known = _known_of_relatives(engine, names, u)
    for _ in range(_ROUNDS):
        estimate = _estimate(engine, patterns.counted(weights), model, all_pairs, known)
        compared = with_probabilities(engine.comparisons, m=estimate.m, u=u, matches=estimate.matches / all_pairs)
        before, model = model, _model(engine, compared)
        frequencies = engine.frequencies(model)
        settled = _largest_change_of_u(before, model) < _SETTLED
        if settled:
            break
        weights = engine.weigh(replace(start, model=model, frequencies=frequencies), pairs)
    per_pair = {kind: significant(size / all_pairs) for kind, size in estimate.kin_pairs.items()}
    learned = Learned(
        model=model,
        frequencies=frequencies,
        learned_from="expectation maximisation",
        relatives=relatives_of_shares(model, estimate.kin, per_pair, engine.sources),
        unsettled_pairs=0 if settled and estimate.converged else pairs.height,
    )
    return learned, among_records


def _largest_change_of_u(before: Model, after: Model) -> float:
    """Return by how many bits u of any level has changed."""
    changes = (
        abs(math.log2(level.u / old.u))
        for comparison, earlier in zip(after.comparisons, before.comparisons, strict=True)
        for level, old in zip(comparison.levels, earlier.levels, strict=True)
        if level.u and old.u
    )
    return max(changes, default=0.0)


def _but_for_m(model: Model) -> list[Comparison]:
    return [
        replace(each, levels=tuple(replace(level, m=level.m and 1.0) for level in each.levels), extra={})
        for each in model.comparisons
    ]


def _model(engine: Engine, learned: Sequence[Comparison]) -> Model:
    return Model(
        comparisons=tuple(learned),
        prior=significant(1 / max(engine.listed, engine.records, 2)),
        blocking_rules=tuple(rule.sql for rule in engine.rules),
        link_type="link_and_dedupe" if engine.listed else "dedupe_only",
    )


def _relatives_of_persons(engine: Engine, model: Model, seed: int) -> Relatives:
    """Learn from the persons how two of one household differ."""
    if not engine.listed or not set(NEEDED) <= set(engine.present):
        return Relatives()
    return relatives_of_counts(model, engine.count_relatives(model.comparisons, seed), engine.sources)


def _estimate(
    engine: Engine,
    pairs: CountedPairs,
    begun: Model,
    all_pairs: int,
    known: Mapping[str, Mapping[str, Mapping[int, float]]],
) -> Estimate:
    """Estimate m, with relatives as a class of their own where there are any; m that a model states is given."""
    stated = {
        each.name: each.m_by_position
        for each in engine.comparisons
        if all(level.m is not None for _, level in each.judging)
    }
    known = {**known, ONE_PERSON: stated} if stated else known
    estimate = maximise(pairs, begun, all_pairs, known)
    if OTHER_BIRTH_DATE in known and estimate.kin_pairs[OTHER_BIRTH_DATE] < _FEWEST_RELATED * engine.records:
        known = {ONE_PERSON: stated} if stated else {}
        estimate = maximise(pairs, begun, all_pairs, known)
    born = {name: estimate.m[name] for name in own_birth_dates(engine.comparisons) if name in estimate.m}
    # Records of one person seldom differ in the birth date. If most pairs that were found differ in it, they are not of
    # one person: there are too few such pairs to find. Then m of birth dates is given, and not learned.
    if _share_far_apart(engine.comparisons, born) > 0.5:
        one_person = {name: shares.of_level for name, shares in begin(engine.comparisons).items() if name in born}
        estimate = maximise(pairs, begun, all_pairs, {**known, ONE_PERSON: {**one_person, **stated}})
    return estimate


def _known_of_relatives(
    engine: Engine, names: Shares | None, u: Mapping[str, Shares]
) -> dict[str, dict[str, Mapping[int, float]]]:
    """Return what is known of relatives beforehand: they share a family name, and differ as any two people do.

    Only gender distinguishes twins from records of one person; without gender, there is no class of twins.

    ``names``: of pairs that share a family name.
    """
    if not set(NEEDED) - {"postcode"} <= set(engine.present) or names is None or not names.pairs:
        return {}
    (both_agree, _), *_ = next(each for each in engine.comparisons if each.name == "name").judging
    if names.of_level.get(both_agree, 0.0) > _MOSTLY_ONE_PERSON:
        return {}
    born = [name for name in own_birth_dates(engine.comparisons) if name in u]
    kinds = {OTHER_BIRTH_DATE: {"name": names.of_level} | {name: u[name].of_level for name in born}}
    if "gender" in u:
        begun = begin(engine.comparisons)
        one = {name: begun[name].of_level for name in born}
        kinds[SAME_BIRTH_DATE] = {"name": names.of_level, **one, "gender": u["gender"].of_level}
    return kinds


def _share_far_apart(comparisons: Sequence[Comparison], born: Mapping[str, Shares]) -> float:
    """Return the share of pairs on the last two levels of birth dates: within a year, or nearly, and further apart."""
    levels = {comparison.name: len(comparison.levels) for comparison in comparisons}
    far = sum(
        shares.pairs * sum(shares.of_level.get(levels[name] - last, 0.0) for last in (1, 2))
        for name, shares in born.items()
    )
    return far / max(sum(shares.pairs for shares in born.values()), 1.0)
