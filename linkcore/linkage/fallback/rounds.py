"""The rounds of one probabilistic linkage: learn, find the persons of the open records, group the rest."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Any, Final

import polars as pl

from linkcore.linkage.decisions.persons import (
    Assignment,
    Evidence,
    components,
    decide,
    group,
    pair_odds,
    probabilities,
    weigh,
)
from linkcore.linkage.engine.engine import Engine, Learned
from linkcore.linkage.engine.learn import learn_from_labels, learn_without_labels, use_given_models
from linkcore.linkage.fallback.open_records import tells_enough
from linkcore.linkage.learning.departures import departures
from linkcore.linkage.learning.labels import labelled_records, reviewed_records
from linkcore.linkage.placement import Placement
from linkcore.linkage.self_test.hidden_numbers import HiddenNumbers
from linkcore.linkage.self_test.outcomes import Outcomes, Trial, best_candidates
from linkcore.linkage.self_test.thresholds import Threshold, choose_thresholds
from linkcore.linkage.self_test.unseen import unseen_shares
from linkcore.linkage.settings import Fallback
from linkcore.sources.records import Records

__all__ = ["ENOUGH_LABELS", "NO_CANDIDATES", "Rounds"]

NO_CANDIDATES: Final = pl.DataFrame(
    schema={"record": pl.UInt32, "person": pl.UInt32, "weight": pl.Float64, "probability": pl.Float64}
)
"""The candidates of nobody."""

# Groups of records without a person are not tested, so with labels the bar for them is high.
_ACCEPT_IN_GROUPS: Final = 0.9
_ACCEPT_WITHOUT_LABELS: Final = 0.5

# With fewer pairs, a level that one in a hundred stands on is not known to a third of itself.
ENOUGH_LABELS: Final = 1_000
"""How many persons' records it takes to learn from labels."""

# How records differ is told by so many as well as by all: a level that one in a hundred stands on, to a twentieth.
_MANY_RECORDS: Final = 50_000

# Beyond it, a cluster of links is not looked at pair by pair: what no rule has proposed counts as no evidence.
_LARGEST_COMPLETED: Final = 100


class Rounds:
    """The rounds of one linkage: learn, find the persons of the open records, group the rest; in this order.

    Parameters
    ----------
    engine : Engine
        Of the persons, then of those who stand in for some of them, and of the open records, then the hidden ones.
    sources : sequence of Records
        RECORDS of each source.
    placement : Placement
        After the exact linkage.
    fallback : Fallback
        The settings.
    every : polars.DataFrame
        All open records, with ``order``.
    told : polars.Series
        Boolean: which of them say enough to be compared.
    hidden : HiddenNumbers
        The records of the self-test.

    Attributes
    ----------
    unknown : polars.DataFrame
        The open records that are compared: a record is named by its position among them.
    thresholds : dict of int to Threshold
        By source.
    outcomes : Outcomes or None
        What became of the hidden records.
    scored, proposed : polars.DataFrame
        All candidates of the open records; hidden records and their own persons, where some rule proposed them.
    unseen : polars.Series
        Float64, of each open record: the chance that its person, being listed, is none of its candidates.
    left_out, counts : mapping of str to int
        Of blocks that were too large, by rule; of what was compared.
    """

    def __init__(
        self,
        engine: Engine,
        sources: Sequence[Records],
        placement: Placement,
        fallback: Fallback,
        *,
        every: pl.DataFrame,
        told: pl.Series,
        hidden: HiddenNumbers,
    ) -> None:
        self.engine, self.sources, self.placement, self.fallback = engine, sources, placement, fallback
        self.every, self.told, self.hidden = every, told, hidden
        self.unknown = every.filter(told)
        self.records = self.unknown.select(
            pl.int_range(pl.len(), dtype=pl.UInt32).alias("record"), pl.col("order").alias("source")
        )
        # The spine is the list of who exists: each of its records is another person.
        self.exclusive = frozenset(
            order for order, each in enumerate(sources) if each.source.one_record_per_person or each.source.spine
        )
        self.counts: dict[str, int] = {"hidden": hidden.records.height}
        self.thresholds: dict[int, Threshold] = {}
        self.accept_in_groups = fallback.accept or _ACCEPT_IN_GROUPS
        self.outcomes: Outcomes | None = None
        self.scored = self.proposed = pl.DataFrame(schema={"record": pl.UInt32, "person": pl.UInt32})
        self.left_out: Mapping[str, int] = {}
        self.unseen = pl.repeat(0.0, self.unknown.height, eager=True).alias("unseen")

    def learn(self, model: Any, seed: int) -> Learned:
        """Learn, or take the model that is given."""
        self.learned = self._learned(model, seed)
        return self.learned

    def _learned(self, model: Any, seed: int) -> Learned:
        if model is not None:
            names = {each.source.name: order for order, each in enumerate(self.sources)}
            of_sources = {names[name]: own for name, own in model.items() if name in names}
            of_sources = dict.fromkeys(self._orders, model[None]) | of_sources
            return use_given_models(self.engine, model[None], of_sources, seed)
        labelled = labelled_records(self.sources, self.placement, self.unknown, seed, hidden=self.hidden.records)
        if self.fallback.labels is not None:
            labelled = self._with_reviewed(labelled, self.fallback.labels)
        self.counts["labels"] = labelled.height
        if labelled.height >= ENOUGH_LABELS:
            return learn_from_labels(self.engine, labelled, seed)
        self.accept_in_groups = self.fallback.accept or _ACCEPT_WITHOUT_LABELS
        return learn_without_labels(self.engine, self._ranges(), seed)

    def _with_reviewed(self, labelled: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
        """Put what people have said before what numbers say; still at most one record a person."""
        reviewed = reviewed_records(self.sources, self.placement, labels)
        self.counts["labels_lost"] = int(labels["match"].sum()) - reviewed.height
        both = pl.concat([reviewed, labelled], how="diagonal")
        return both.unique("label", keep="first", maintain_order=True)

    @cached_property
    def _orders(self) -> list[int]:
        return sorted(self.records["source"].unique())

    def find_persons(self) -> Assignment:
        """Compare the open records, and the hidden ones, with the persons; choose thresholds; decide."""
        if not self.placement.persons.height:
            return Assignment(NO_CANDIDATES, NO_CANDIDATES, {})
        of_hidden = self._score()
        self.counts |= {"left_out": sum(self.left_out.values())}
        trial = Trial(
            hidden=self.hidden,
            candidates=of_hidden,
            persons=self.placement.persons.height,
            exclusive=self.exclusive,
            taken=self._taken,
            same_person=self._same_person,
        )
        evidence = self._weighed(self.scored)
        # Twice, for how often listed persons are not seen at all is known only once the hidden records are weighted as
        # those without a number are; and they are mixed by what follows from it.
        for _ in range(2 if self.hidden.records.height else 1):
            unseen = self._unseen(of_hidden)
            found = decide(evidence, accept=0.5, exclusive=self.exclusive, unseen=self.unseen)
            if self.hidden.records.height:
                best = self._best(evidence, found)
                self.outcomes = trial.outcomes(self.every, best, pi=found.pi, unseen=unseen)
        self.thresholds = self._choose()
        accept = {order: threshold.accept for order, threshold in self.thresholds.items()}
        return decide(evidence, accept=accept, exclusive=self.exclusive, pi=found.pi, unseen=self.unseen)

    def _score(self) -> pl.DataFrame:
        """Score open records, and return what was found for the hidden ones."""
        asked = tells_enough(self.hidden.records).arg_true()
        first = self.unknown.height
        watched = pl.DataFrame(
            {
                "record": pl.int_range(first, first + asked.len(), eager=True),
                "person": self.hidden.records["own"][asked],
            },
            schema={"record": pl.UInt32, "person": pl.UInt32},
        )
        listed = self.placement.persons.height
        stood_in = self.hidden.stand_ins["person_id"]
        # Who is compared with a hidden record as somebody else stands in for, is found under the stand-in's id.
        names = pl.concat([pl.int_range(listed, dtype=pl.UInt32, eager=True), stood_in.cast(pl.UInt32)])
        ids = pl.DataFrame({"person": pl.int_range(names.len(), dtype=pl.UInt32, eager=True), "own": names})
        watched = watched.join(ids.rename({"own": "person", "person": "id"}), on="person", how="left").select(
            "record", person="id"
        )
        scored = self.engine.score_with_persons(self.learned, watched)
        self.left_out = scored.left_out
        self.counts["pairs_with_persons"] = scored.compared
        self.scored = scored.pairs.filter((pl.col("record") < first) & (pl.col("person") < listed))
        replaced = pl.concat([stood_in, self.hidden.gone]).cast(pl.UInt32).implode()

        def of_hidden(pairs: pl.DataFrame) -> pl.DataFrame:
            found = pairs.filter(pl.col("record") >= first, ~pl.col("person").is_in(replaced))
            return found.with_columns(
                names[found["person"]].alias("person"), asked[found["record"] - first].alias("record")
            )

        self.proposed = of_hidden(scored.proposed)
        return of_hidden(scored.pairs)

    def _unseen(self, of_hidden: pl.DataFrame) -> pl.Series:
        """Learn how often a listed person is no candidate; say so of the open records, and give it of the hidden."""
        records = self.hidden.records.with_row_index("record")
        own = of_hidden.select("record", own="person", found=True)
        found = records.join(own, on=["record", "own"], how="left", maintain_order="left")["found"].is_not_null()
        # The half that reports has no say in anything.
        listed = records["chooses"] & ~records["own"].is_in(self.hidden.gone.implode())
        weights = pl.repeat(1.0, records.height, eager=True)
        if self.outcomes is not None:
            rows = self.outcomes.rows.filter(pl.col("listed") & (pl.col("record") < records.height))
            weights = weights.scatter(rows["record"], rows["reweighted"])
        shares = partial(unseen_shares, records.filter(listed), weights.filter(listed), found.filter(listed))
        self.unseen = shares(self.unknown).alias("unseen")
        return shares(records)

    def _best(self, evidence: Evidence, found: Assignment) -> pl.DataFrame:
        """Give the best candidate of every open record."""
        at = self.told.arg_true().cast(pl.UInt32)
        candidates = evidence.candidates.with_columns(
            at[evidence.candidates["record"]].alias("record"), found.candidates["probability"]
        )
        best = best_candidates(candidates, pl.int_range(self.every.height, dtype=pl.UInt32, eager=True))
        # Of those that were not compared, as much is known as of their source.
        listed = self.every["order"].replace_strict(dict(found.pi), default=0.5, return_dtype=pl.Float64)
        return best.with_columns(listed.scatter(at[found.listed["record"]], found.listed["listed"]).alias("listed"))

    def _weighed(self, candidates: pl.DataFrame) -> Evidence:
        return weigh(candidates, self.records, persons=self.placement.persons.height, taken=self._taken)

    def _choose(self) -> dict[int, Threshold]:
        """Choose for each source from which probability it is linked."""
        numberless = self.every.group_by("order", maintain_order=True).agg(pl.col("nhs_number").is_null().sum())
        of_sources = {int(order): int(records) for order, records in numberless.iter_rows()}
        if self.fallback.accept is not None:
            return dict.fromkeys(of_sources, Threshold(self.fallback.accept, "given"))
        rows = self.outcomes.half(chooses=True) if self.outcomes else pl.DataFrame()
        return choose_thresholds(rows, of_sources, max_false_link_rate=self.fallback.max_false_link_rate)

    def _same_person(self, pairs: pl.DataFrame) -> pl.Series:
        """Say of persons whether they are one who is listed twice; never of two on the spine, which lists each once."""
        persons = self.placement.persons
        spines = [each.source.name for each in self.sources if each.source.spine]
        of_spine = persons["source"].is_in(spines)
        possible = ~(of_spine[pairs["own"]] & of_spine[pairs["person"]])
        scored = self.engine.score_persons(self.learned, pairs.filter(possible).select(a="own", b="person"))
        # As if the one were a record of which it is even odds that its person is listed.
        size = math.log2(persons.height)
        unlisted = (1 + 2.0 ** pl.col("relative").clip(None, 1000)).log(2)
        same = scored.select("a", "b", (pl.col("weight") - size - unlisted > 0).alias("same"))
        a, b = pl.min_horizontal("own", "person"), pl.max_horizontal("own", "person")
        beside = pairs.select(a.alias("a"), b.alias("b")).join(same, on=["a", "b"], how="left", maintain_order="left")
        return beside["same"].fill_null(False) & possible

    @cached_property
    def _taken(self) -> pl.DataFrame:
        """Persons who have a record already in a source that has one record a person."""
        taken = [pl.DataFrame(schema={"source": pl.Int32, "person": pl.UInt32})]
        for order in sorted(self.exclusive):
            links = self.placement.links[self.sources[order].source.name]
            taken.append(links.select(pl.lit(order, pl.Int32).alias("source"), person="person_id").drop_nulls())
        return pl.concat(taken)

    def departures(self, pi: Mapping[int, float]) -> pl.DataFrame:
        """Compare the open records that have no number with what was learned of those that have one."""
        models = self.learned.source_models or dict.fromkeys(self._orders, self.learned.model)
        numberless = self.unknown["nhs_number"].is_null().arg_true()
        some = numberless.gather_every(max(math.ceil(numberless.len() / _MANY_RECORDS), 1))
        evidence = self._weighed(self.scored.filter(pl.col("record").is_in(some.implode())))

        def weighed_anew(weights: pl.Series) -> pl.Series:
            candidates = evidence.candidates.with_columns(weights)
            return probabilities(replace(evidence, candidates=candidates), pi, self.unseen)

        return departures(evidence.candidates, self.records["source"], models, weighed_anew)

    def find_groups(self, found: pl.Series) -> pl.DataFrame:
        """Compare those open records whose person was not found with each other."""
        alone = self.records.filter(~pl.col("record").is_in(found.implode()))
        if alone.height < 2:
            return pl.DataFrame(schema={"record": pl.UInt32, "group": pl.UInt32})
        scored = self.engine.score_among_records(self.learned, alone["record"], self._ranges())
        pairs = self._completed(scored.pairs, alone)
        self.counts["pairs_among_records"] = scored.compared
        odds, unknown = pair_odds(pairs, alone, exclusive=self.exclusive)
        kept_apart = alone.filter(pl.col("source").is_in(list(self.exclusive)))
        return group(odds, accept=self.accept_in_groups, unknown=unknown, exclusive=kept_apart)

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
        return pl.concat(
            [pairs, self.engine.score_records(self.learned, within.join(pairs, on=["a", "b"], how="anti"))]
        ).sort("a", "b")

    def _ranges(self) -> list[tuple[int, int]]:
        """First and last record of each source that has one record a person."""
        of = self.records.filter(pl.col("source").is_in(list(self.exclusive)))
        ends = of.group_by("source").agg(first=pl.col("record").min(), last=pl.col("record").max())
        return ends.sort("source").select("first", "last").rows()
