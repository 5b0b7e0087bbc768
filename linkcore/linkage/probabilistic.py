"""Probabilistic linkage of what the exact linkage leaves open: to the persons there are, then among itself.

Each open record is compared with those persons with whom it shares enough (:mod:`~linkcore.linkage.blocking`), on all
identifiers (:mod:`~linkcore.linkage.comparisons`), by weights that the exact links have taught
(:mod:`~linkcore.linkage.training`, :mod:`~linkcore.linkage.scorer`); then it is decided whose it is
(:mod:`~linkcore.linkage.assignment`). What is nobody's is compared with each other, and makes new persons.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import polars as pl

from linkcore.linkage.assignment import Assignment, assign, components, group, pair_odds
from linkcore.linkage.fallback import Fallback
from linkcore.linkage.open_records import further_kinds, make_persons, open_records, place
from linkcore.linkage.placement import Placement
from linkcore.linkage.scorer import Scorer, with_scorer
from linkcore.linkage.standardise import Records
from linkcore.linkage.training import labelled_records
from linkcore.progress import Progress, silent
from linkcore.schema import FURTHER, METHOD

__all__ = ["Probabilistic", "link_probabilistically"]

_STEPS: Final = 3

_ACCEPT: Final = 0.9
_ACCEPT_WITHOUT_LABELS: Final = 0.5

# With fewer pairs, a level that one in a hundred stands on is not known to a third of itself.
_ENOUGH_LABELS: Final = 1_000

# A candidate of whom this much is left is one to think of: an opt-out of that person withholds the record.
_THINKABLE: Final = 0.001

# Beyond it, a cluster of links is not looked at pair by pair: what no rule has proposed counts as no evidence.
_LARGEST_COMPLETED: Final = 100


@dataclass(frozen=True, eq=False)
class Probabilistic:
    """What the probabilistic linkage did.

    Parameters
    ----------
    placement : Placement
        With the records that it placed, and the new persons that several records make.
    model : mapping
        By which it compared, as Splink saves it; empty where nothing was open.
    learned_from : str
        ``"labels"``, ``"expectation maximisation"``, ``"given"``, or ``"nothing"``.
    accept : float
        The probability from which it linked.
    pi : mapping of str to float
        By source: the chance that the person of an open record is among the persons.
    candidates : polars.DataFrame
        ``source``, ``record_id``, ``person_id``, ``match_weight``, ``match_probability`` of everyone an open record may
        be of, accepted or not. It stays with the trusted team.
    counts : mapping of str to int
        ``open`` records and the ``compared`` of them, ``labels``, ``pairs_with_persons``, ``pairs_among_records``,
        ``left_out`` (how many times a person was in a block too large to be looked at).
    """

    placement: Placement
    model: Mapping[str, Any] = field(repr=False)
    learned_from: str
    accept: float
    pi: Mapping[str, float]
    candidates: pl.DataFrame = field(repr=False)
    counts: Mapping[str, int]


def link_probabilistically(
    sources: Sequence[Records],
    placement: Placement,
    fallback: Fallback,
    *,
    seed: int,
    progress: Progress = silent,
) -> Probabilistic:
    """Link what the exact linkage left open, conflicts too, first to the persons there are, then among itself.

    A conflict may come back to the person whose number it carries: only if everything else says so in spite of the name
    and birth date that made it one, and more than for anybody else.

    Parameters
    ----------
    sources : sequence of Records
        RECORDS of each source.
    placement : Placement
        After the exact linkage.
    fallback : Fallback
        The settings.
    seed : int
        Of whatever is sampled.
    progress : Progress
        Told of each step.

    Returns
    -------
    Probabilistic
        The same for any number of threads. Records that are open still are nobody's and each other's: each is a person
        of its own.

    Raises
    ------
    ProgrammeError
        If two sources compare one further identifier differently, or the given model compares what no source has.
    LinkcoreError
        If memory or disk does not suffice.

    Examples
    --------
    >>> from linkcore.linkage.exact import Exact, link_exactly
    >>> from linkcore.linkage.sources import Source
    >>> from linkcore.linkage.standardise import standardise
    >>> columns = ["given_name", "family_name", "birth_date", "postcode"]
    >>> people = [["ANNA", "NG", "1980-02-03", "EX1 2AB"], ["JOHN", "OKORO", "1975-11-30", "PL4 8AA"]]
    >>> here, there = (pl.DataFrame(people, schema=columns, orient="row") for _ in range(2))
    >>> sources = [standardise(Source(name, frame)) for name, frame in (("here", here), ("there", there))]
    >>> linked = link_probabilistically(sources, link_exactly(sources, Exact()), Fallback(), seed=0)
    >>> linked.placement.links["there"].select("person_id", "method").rows()
    [(0, 'new_person'), (1, 'new_person')]
    """
    every = open_records(sources, placement)
    unknown = every.filter(_tells_enough(every))
    counts = {"open": every.height, "compared": unknown.height}
    if unknown.is_empty():
        return Probabilistic(
            placement,
            {},
            "nothing",
            fallback.accept or _ACCEPT,
            {},
            _named(sources, unknown, _no_candidates(), 0.0),
            counts,
        )

    def run(scorer: Scorer) -> Probabilistic:
        rounds = _Rounds(scorer, sources, placement, unknown, fallback.accept)
        progress("learn how records of one person differ", 0, _STEPS)
        learned_from = rounds.learn(fallback.model, seed)
        progress("compare open records with persons", 1, _STEPS)
        found = rounds.find_persons()
        progress("compare open records with each other", 2, _STEPS)
        groups = rounds.find_groups(found.accepted["record"])
        linked = place(sources, placement, _placed(unknown, found.accepted, scorer.prior_weight))
        return Probabilistic(
            placement=make_persons(sources, linked, unknown, groups),
            model=scorer.model,
            learned_from=learned_from,
            accept=rounds.accept,
            pi={sources[order].source.name: share for order, share in found.pi.items()},
            candidates=_named(sources, unknown, found.candidates, scorer.prior_weight),
            counts=counts | rounds.counts,
        )

    return with_scorer(fallback, placement.persons, unknown, further_kinds(sources), run)


def _tells_enough(records: pl.DataFrame) -> pl.Series:
    """Whether a record has two kinds of identifiers at least: no link, however rare the value, hangs on one alone."""
    kinds: list[tuple[str, ...]] = [
        ("given_name", "family_name"),
        ("birth_date", "birth_date_text"),
        ("postcode", "address"),
    ]
    kinds += [(name,) for name in records.columns if name.startswith(FURTHER)]
    given = [pl.any_horizontal(pl.col(*kind).is_not_null()).cast(pl.UInt8) for kind in kinds]
    return records.select(pl.sum_horizontal(given) >= 2).to_series()


def _no_candidates() -> pl.DataFrame:
    return pl.DataFrame(
        schema={"record": pl.UInt32, "person": pl.UInt32, "weight": pl.Float64, "probability": pl.Float64}
    )


def _placed(unknown: pl.DataFrame, accepted: pl.DataFrame, prior_weight: float) -> pl.DataFrame:
    return unknown[accepted["record"]].select(
        "order",
        "at",
        accepted["person"].alias("person_id"),
        pl.lit("probabilistic", METHOD).alias("method"),
        (accepted["weight"] + prior_weight).round(9).alias("match_weight"),
        accepted["probability"].alias("match_probability"),
    )


def _named(
    sources: Sequence[Records], unknown: pl.DataFrame, candidates: pl.DataFrame, prior_weight: float
) -> pl.DataFrame:
    thinkable = candidates.filter(pl.col("probability") >= _THINKABLE)
    records = unknown[thinkable["record"]]
    names = dict(enumerate(each.source.name for each in sources))
    return records.select(
        pl.col("order").replace_strict(names, return_dtype=pl.String).alias("source"),
        "record_id",
        thinkable["person"].alias("person_id"),
        (thinkable["weight"] + prior_weight).round(9).alias("match_weight"),
        thinkable["probability"].alias("match_probability"),
    )


class _Rounds:
    """The rounds of one linkage: learn, find the persons of the open records, group the rest."""

    def __init__(
        self,
        scorer: Scorer,
        sources: Sequence[Records],
        placement: Placement,
        unknown: pl.DataFrame,
        accept: float | None,
    ) -> None:
        self.scorer, self.sources, self.placement, self.unknown = scorer, sources, placement, unknown
        self.asked, self.accept = accept, accept or _ACCEPT
        self.records = unknown.select(
            pl.int_range(pl.len(), dtype=pl.UInt32).alias("record"), pl.col("order").alias("source")
        )
        # The spine is the list of who exists: each of its records is another person.
        self.exclusive = frozenset(
            order for order, each in enumerate(sources) if each.source.one_record_per_person or each.source.spine
        )
        self.counts: dict[str, int] = {}

    def learn(self, model: Any, seed: int) -> str:
        """Give the scorer its model; say what it was learned from."""
        if model is not None:
            self.scorer.use(model)
            return "given"
        labelled = labelled_records(self.sources, self.placement, self.unknown, seed)
        self.counts["labels"] = labelled.height
        if labelled.height >= _ENOUGH_LABELS:
            self.scorer.learn_from_labels(labelled, seed)
            return "labels"
        self.accept = self.asked or _ACCEPT_WITHOUT_LABELS
        self.scorer.learn_without_labels(seed)
        # How many of the random pairs are of one person after all is known only once pairs have been scored.
        self.scorer.correct(self._expected_matches())
        return "expectation maximisation"

    def _expected_matches(self) -> float:
        if self.placement.persons.height:
            return float(self.find_persons().candidates["probability"].sum())
        pairs = self.scorer.score_among(self.records["record"], self._ranges())
        odds, _ = pair_odds(pairs, self.records, exclusive=self.exclusive)
        return float(odds.select((1 / (1 + 2.0 ** (-pl.col("odds").clip(-1000)))).sum()).item())

    def find_persons(self) -> Assignment:
        """Compare the open records with the persons."""
        persons = self.placement.persons.height
        if not persons:
            return Assignment(_no_candidates(), _no_candidates(), {})
        candidates = self.scorer.score_with_persons()
        self.counts |= {"pairs_with_persons": self.scorer.compared, "left_out": self.scorer.left_out}
        return assign(
            candidates,
            self.records,
            persons=persons,
            accept=self.accept,
            exclusive=self.exclusive,
            taken=self._taken(),
        )

    def _taken(self) -> pl.DataFrame:
        """Persons who have a record already in a source that has one record a person."""
        taken = [pl.DataFrame(schema={"source": pl.Int32, "person": pl.UInt32})]
        for order in sorted(self.exclusive):
            links = self.placement.links[self.sources[order].source.name]
            taken.append(links.select(pl.lit(order, pl.Int32).alias("source"), person="person_id").drop_nulls())
        return pl.concat(taken)

    def find_groups(self, found: pl.Series) -> pl.DataFrame:
        """Compare those open records whose person was not found with each other."""
        alone = self.records.filter(~pl.col("record").is_in(found.implode()))
        if alone.height < 2:
            return pl.DataFrame(schema={"record": pl.UInt32, "group": pl.UInt32})
        pairs = self._completed(self.scorer.score_among(alone["record"], self._ranges()), alone)
        self.counts["pairs_among_records"] = self.scorer.compared
        odds, unknown = pair_odds(pairs, alone, exclusive=self.exclusive)
        kept_apart = alone.filter(pl.col("source").is_in(list(self.exclusive)))
        return group(odds, accept=self.accept, unknown=unknown, exclusive=kept_apart)

    def _completed(self, pairs: pl.DataFrame, alone: pl.DataFrame) -> pl.DataFrame:
        """Score those pairs, too, that no rule has proposed, but that links connect through other records."""
        odds, _ = pair_odds(pairs, alone, exclusive=self.exclusive)
        connected = components(odds.filter(pl.col("odds") >= 0)).join(alone, on="record")
        small = connected.filter(pl.len().over("component") <= _LARGEST_COMPLETED)
        apart = pl.col("source").is_in(list(self.exclusive)) & (pl.col("source") == pl.col("source_right"))
        within = (
            small.join(small, on="component")
            .filter((pl.col("record") < pl.col("record_right")) & ~apart)
            .select(pl.col("record").alias("a"), pl.col("record_right").alias("b"))
        )
        return pl.concat([pairs, self.scorer.score(within.join(pairs, on=["a", "b"], how="anti"))]).sort("a", "b")

    def _ranges(self) -> list[tuple[int, int]]:
        """First and last record of each source that has one record a person."""
        of = self.records.filter(pl.col("source").is_in(list(self.exclusive)))
        ends = of.group_by("source").agg(first=pl.col("record").min(), last=pl.col("record").max())
        return ends.sort("source").select("first", "last").rows()
