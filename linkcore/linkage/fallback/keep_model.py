"""Whether the model of an earlier linkage is kept, by an explicit rule; and what is kept with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import polars as pl

from linkcore.errors import ProgrammeError
from linkcore.linkage.engine.engine import Engine, Learned
from linkcore.linkage.fallback.model_use import DRIFT_LIMIT, NEW_RECORDS_LIMIT, LearnedOn, ModelUse
from linkcore.linkage.fallback.result import Probabilistic
from linkcore.linkage.model.model import Comparison, Model
from linkcore.linkage.self_test.thresholds import Threshold
from linkcore.linkage.settings import Exact, Fallback
from linkcore.sampling import fingerprints_by_source
from linkcore.schema import FURTHER
from linkcore.sources.source import Source

__all__ = [
    "KeptModel",
    "drift",
    "identifier_fingerprints",
    "model_to_keep",
    "refuse_never",
    "settings_of_learning",
]

_IDENTIFIERS: Final = (
    *("given_name", "family_name", "birth_date", "birth_date_text", "gender", "postcode", "address"),
    *("local_patient_id", "nhs_number"),
)


@dataclass(frozen=True, eq=False, repr=False)
class KeptModel:
    """What an earlier linkage learned and this one keeps: the model, how relatives differ, thresholds and estimates.

    How common values are is counted anew, and so is the share of records whose person is listed.

    Parameters
    ----------
    found : Probabilistic
        The fallback of the earlier linkage.
    model : Model
        Its model.
    on : LearnedOn
        What the model was learned on.
    """

    found: Probabilistic
    model: Model
    on: LearnedOn

    @property
    def labels(self) -> Mapping[str, int]:
        """How many labels the model was learned from."""
        return {name: count for name, count in self.found.counts.items() if name == "labels"}

    def learned(self, engine: Engine, names: Sequence[str]) -> Learned:
        """Return everything by which pairs are scored; ``names``: of the sources, in order."""
        of_source = self.found.source_models
        return Learned(
            model=self.model,
            frequencies=engine.frequencies(self.model),
            learned_from="given" if self.found.learned_from == "nothing" else self.found.learned_from,
            source_models={index: of_source[name] for index, name in enumerate(names) if name in of_source},
            relatives=self.found.relatives.for_sources(range(len(names))),
        )

    def thresholds(self, names: Sequence[str]) -> dict[int, Threshold]:
        """Return the threshold of each source that had open records."""
        found = self.found.thresholds
        return {index: found[name] for index, name in enumerate(names) if name in found}

    def unseen(self, names: Sequence[str]) -> pl.DataFrame:
        """Return how often the person of a record is unseen: :func:`linkcore.linkage.self_test.unseen.learn_unseen`."""
        index = pl.col("source").replace_strict({name: i for i, name in enumerate(names)}, default=-1)
        known = pl.when(pl.col("source").is_not_null()).then(index).cast(pl.Int32).alias("source_index")
        return self.on.unseen.select(known, pl.exclude("source"))

    def unfit(self, comparisons: Sequence[Comparison]) -> str | None:
        """Say why the model does not fit what is compared now; None if it fits."""
        if [_conditions(each) for each in comparisons] == [_conditions(each) for each in self.model.comparisons]:
            return None
        return "other identifiers are compared than when the model was learned"

    def judged(self, use: ModelUse, found: Probabilistic | str, fallback: Fallback) -> ModelUse:
        """Decide whether the model is kept after all, by what the run that kept it found, or why it found nothing."""
        if isinstance(found, str):
            refuse_never(fallback, found)
            return ModelUse(why=found, new_records=use.new_records)
        now = LearnedOn() if found.learned_on is None else found.learned_on
        use = replace(use, drift=drift(self.on.departures, now.departures))
        furthest, share = use.furthest
        if fallback.relearn == "never" or share <= DRIFT_LIMIT:
            return use
        return replace(
            use,
            kept=False,
            why=f"records of one person agree on {furthest} otherwise than when it was learned",
            learned_on=None,
        )


def model_to_keep(
    earlier: Probabilistic | None,
    fallback: Fallback,
    now: LearnedOn,
    *,
    names: Sequence[str],
) -> tuple[KeptModel | None, ModelUse]:
    """Return the model to keep; None if it must be learned. Drift is known only when records have been compared.

    ``now``: the settings and the records of now, on which the model would be learned.
    ``names``: the sources of the open records.
    """
    if earlier is None:
        return None, ModelUse()
    if earlier.model is None or earlier.learned_on is None:
        return None, ModelUse(why="the earlier linkage has no model to keep")
    if fallback.models:
        return None, ModelUse(why="a model was given")
    on = earlier.learned_on
    new = now.records.join(on.records, on="hash", how="anti").height
    use = ModelUse(new_records=round(new / now.records.height, 6))
    why = "the settings ask for it" if fallback.relearn == "always" else _unfit_for(on, now.settings, earlier, names)
    if why and fallback.relearn != "always":
        refuse_never(fallback, why)
    if why is None and fallback.relearn == "when_changed":
        why = _outdated(use, fallback)
    if why is not None:
        return None, replace(use, why=why)
    why = "the settings ask for it" if fallback.relearn == "never" else "the records still are like those of then"
    return KeptModel(earlier, earlier.model, on), replace(use, kept=True, why=why, learned_on=on.date)


def _outdated(use: ModelUse, fallback: Fallback) -> str | None:
    """Say why a model that fits is better learned anew; None if it is not."""
    if fallback.labels is not None:
        return "reviewers' answers are given, which teach the model"
    if (use.new_records or 0.0) > NEW_RECORDS_LIMIT:
        return f"more than {NEW_RECORDS_LIMIT:.0%} of the compared records are new since it was learned"
    return None


def _unfit_for(on: LearnedOn, settings: Mapping[str, Any], earlier: Probabilistic, names: Sequence[str]) -> str | None:
    """Say why a model cannot be kept, whatever is wished; None if it can."""
    changed = [name for name, value in settings.items() if name in on.settings and on.settings[name] != value]
    if changed:
        return f"{changed[0]} is set otherwise than when the model was learned"
    unknown = [name for name in names if earlier.thresholds and name not in earlier.thresholds]
    if unknown:
        return f"source {unknown[0]!r} had no open records when the model was learned"
    return None


def refuse_never(fallback: Fallback, why: str) -> None:
    """Refuse to learn where the settings forbid it."""
    if fallback.relearn == "never":
        raise ProgrammeError(
            f"relearn is 'never', but the model of the earlier linkage cannot be kept: {why}; set relearn to "
            "'when_changed' for this run"
        )


def settings_of_learning(sources: Sequence[Source], exact: Exact, fallback: Fallback) -> dict[str, Any]:
    """Return the settings on which depends what is learned, as JSON values.

    Examples
    --------
    >>> gp = Source("gp", pl.DataFrame({"family_name": ["Ng"]}))
    >>> settings_of_learning([gp], Exact(), Fallback(accept=0.9))["accept"]
    0.9
    """
    return {
        "max_false_link_rate": fallback.max_false_link_rate,
        "accept": fallback.accept,
        "model": "given" if fallback.models else "learned",
        "usable": list(exact.usable),
        "conflicts": exact.conflicts,
    } | {
        f"source {source.name!r}": {
            "identifiers": sorted(source.identifier_columns),
            "further": dict(source.further or {}),
            "not_compared": sorted(source.not_compared),
            "spine": source.spine,
            "one_record_per_person": source.one_record_per_person,
            "day_first": source.day_first,
        }
        for source in sources
    }


def identifier_fingerprints(sources: pl.Series, records: pl.DataFrame) -> pl.Series:
    """Hash the standardised identifiers of records: a record that is corrected is another one.

    ``sources``: the name of the source of each record.

    Examples
    --------
    >>> ng = pl.DataFrame({"family_name": ["NG", "NG", None], "given_name": [None, None, "NG"]})
    >>> identifier_fingerprints(pl.Series(["gp"] * 3), ng).n_unique()
    2
    """
    further = sorted(name for name in records.columns if name.startswith(FURTHER))
    named = [name for name in (*_IDENTIFIERS, *further) if name in records.columns]
    # No identifier in standard form has these characters.
    values = [pl.col(name).cast(pl.String).fill_null("\0") for name in named]
    texts = records.select(pl.concat_str(values, separator="\n"))
    return fingerprints_by_source(sources, texts.to_series())


def drift(then: pl.DataFrame, now: pl.DataFrame) -> dict[str, float]:
    """Return by comparison the share of the pairs of one person that stand on other levels now than then.

    Half the sum of the differences between the levels' shares: the total variation distance of the two distributions.

    ``then``, ``now``: of :func:`linkcore.linkage.learning.departures.departures`, by one model.

    Examples
    --------
    >>> rows = [("gender", "Agrees", 0.9, 0.9), ("gender", "Differs", 0.1, 0.1)]
    >>> then = pl.DataFrame(rows, schema=["comparison", "level", "m_learned", "m_open"], orient="row")
    >>> drift(then, then.with_columns(m_open=pl.Series([0.7, 0.3])))
    {'gender': 0.2}
    """
    if then.is_empty() or now.is_empty():
        return {}
    both = then.join(now, on=["comparison", "level"], how="full", coalesce=True, suffix="_now")
    apart = (pl.col("m_open").fill_null(0.0) - pl.col("m_open_now").fill_null(0.0)).abs().sum() / 2
    by_comparison = both.group_by("comparison").agg(apart.round(6).alias("drift"))
    # In the order of the model.
    return dict(now.select("comparison").unique(maintain_order=True).join(by_comparison, on="comparison").iter_rows())


def _conditions(comparison: Comparison) -> tuple[str, list[str]]:
    return comparison.name, [level.condition for level in comparison.levels]
