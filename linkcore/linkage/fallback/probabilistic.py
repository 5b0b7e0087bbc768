"""Probabilistic linkage of what the exact linkage leaves open: to the persons there are, then among itself.

Each open record is compared with those persons with whom it shares enough (:mod:`~linkcore.linkage.blocking`), on all
identifiers (:mod:`~linkcore.linkage.comparisons.comparisons`), by weights that the exact links have taught
(:mod:`~linkcore.linkage.learning.labels`, :mod:`~linkcore.linkage.engine.engine`); then it is decided whose it is
(:mod:`~linkcore.linkage.decisions.persons`). What is nobody's is compared with each other, and makes new persons.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from linkcore.linkage.engine.native import NativeEngine
from linkcore.linkage.engine.tables import PeopleTable, with_people_table
from linkcore.linkage.exact.link_exactly import Exact
from linkcore.linkage.fallback.open_records import further_kinds, make_persons, open_records, place, tells_enough
from linkcore.linkage.fallback.rounds import ENOUGH_LABELS, NO_CANDIDATES, Rounds
from linkcore.linkage.learning.relatives import Relatives
from linkcore.linkage.model.model import Model
from linkcore.linkage.placement import Placement
from linkcore.linkage.self_test.hidden_numbers import HiddenNumbers, hide_numbers
from linkcore.linkage.self_test.outcomes import Outcomes
from linkcore.linkage.self_test.thresholds import Threshold
from linkcore.linkage.settings import Fallback
from linkcore.progress import Progress, silent
from linkcore.schema import METHOD
from linkcore.sources.records import Records

__all__ = ["Probabilistic", "link_probabilistically"]

_STEPS: Final = 4

# A candidate of whom this much is left is one to think of: an opt-out of that person withholds the record.
_THINKABLE: Final = 0.001


@dataclass(frozen=True, eq=False, repr=False)
class Findings:
    """What the rounds of a fallback found, from which its quality is measured.

    Parameters
    ----------
    open_records : polars.DataFrame
        All open records, with ``order``.
    comparable : polars.Series
        Boolean: which of them say enough to be compared.
    accepted : polars.Series
        Which of the comparable ones (by position among them) were linked.
    hidden : HiddenNumbers
        The records of the self-test.
    outcomes : Outcomes, optional
        What became of them; None where there were none.
    proposed : polars.DataFrame
        ``record``, ``person``: hidden records whose own person blocking has proposed.
    left_out : mapping of str to int
        By rule, how many persons stood in blocks that were too large.
    departures : polars.DataFrame
        Of :func:`linkcore.linkage.learning.departures.departures`.
    """

    open_records: pl.DataFrame
    comparable: pl.Series
    accepted: pl.Series
    hidden: HiddenNumbers
    outcomes: Outcomes | None
    proposed: pl.DataFrame
    left_out: Mapping[str, int]
    departures: pl.DataFrame


@dataclass(frozen=True, eq=False)
class Probabilistic:
    """What the probabilistic linkage did.

    Parameters
    ----------
    placement : Placement
        With the records that it placed, and the new persons that several records make.
    model : Model, optional
        The model by which it compared; None where nothing was open.
    learned_from : str
        ``"labels"``, ``"expectation maximisation"``, ``"given"``, or ``"nothing"``.
    thresholds : mapping of str to Threshold
        By source: the probability from which it linked, and how that was chosen.
    pi : mapping of str to float
        By source: the chance that the person of an open record is among the persons.
    candidates : polars.DataFrame
        ``source``, ``record_id``, ``person_id``, ``match_weight``, ``match_probability`` of everyone an open record may
        be of, accepted or not. It stays with the trusted team.
    counts : mapping of str to int
        ``open`` records and the ``compared`` of them, ``labels`` (and, where people gave any, the ``labels_lost`` whose
        record or person is not there or not open any more), ``hidden`` records, ``pairs_with_persons``,
        ``pairs_among_records``, ``left_out`` (how many times a person was in a block too large to be looked at).
    records : polars.DataFrame
        RECORDS of the open records that were compared, ``source`` (String), and ``unseen`` (Float64: the chance that
        its person, being listed, is none of its candidates).
    source_models : mapping of str to Model
        By source: the model with m of its own.
    relatives : Relatives
        What it learned of how relatives differ.
    listed : int
        How many persons there were before it made new ones: those with whom open records were compared.
    findings : Findings, optional
        What its quality is measured from; None where nothing was open, and once it has been measured.
    """

    placement: Placement
    model: Model | None = field(repr=False)
    learned_from: str
    thresholds: Mapping[str, Threshold]
    pi: Mapping[str, float]
    candidates: pl.DataFrame = field(repr=False)
    counts: Mapping[str, int]
    records: pl.DataFrame = field(repr=False)
    findings: Findings | None = field(default=None, repr=False)
    source_models: Mapping[str, Model] = field(default_factory=dict, repr=False)
    relatives: Relatives = field(default_factory=Relatives, repr=False)
    listed: int = 0


def link_probabilistically(
    sources: Sequence[Records],
    placement: Placement,
    fallback: Fallback,
    *,
    exact: Exact | None = None,
    seed: int,
    progress: Progress = silent,
) -> Probabilistic:
    """Link what the exact linkage left open, conflicts too, first to the persons there are, then among itself.

    A conflict may come back to the person whose number it carries: only if everything else says so in spite of the name
    and birth date that made it one, and more than for anybody else.

    Examples
    --------
    >>> from linkcore.linkage.exact.link_exactly import Exact, link_exactly
    >>> from linkcore.sources.source import Source
    >>> from linkcore.sources.records import standardise
    >>> columns = ["given_name", "family_name", "birth_date", "postcode"]
    >>> people = [["ANNA", "NG", "1980-02-03", "EX1 2AB"], ["JOHN", "OKORO", "1975-11-30", "PL4 8AA"]]
    >>> here, there = (pl.DataFrame(people, schema=columns, orient="row") for _ in range(2))
    >>> sources = [standardise(Source(name, frame)) for name, frame in (("here", here), ("there", there))]
    >>> linked = link_probabilistically(sources, link_exactly(sources, Exact()), Fallback(), seed=0)
    >>> linked.placement.links["there"].select("person_id", "method").rows()
    [(0, 'new_person'), (1, 'new_person')]
    """
    every = open_records(sources, placement)
    told = tells_enough(every)
    unknown = every.filter(told)
    counts = {"open": every.height, "compared": unknown.height}
    if unknown.is_empty():
        named = _named(sources, unknown, NO_CANDIDATES, 0.0)
        return Probabilistic(placement, None, "nothing", {}, {}, named, counts, _with_source(sources, unknown))
    tested = [
        order
        for order in sorted(every["order"].unique())
        if not sources[order].source.spine and placement.persons.height
    ]
    # Also where a model is given and nothing is learned: the thresholds are then those of the run that learned it.
    hidden = hide_numbers(sources, placement, exact or Exact(), tested=tested, keep=ENOUGH_LABELS, seed=seed)

    def run(people: PeopleTable) -> Probabilistic:
        rounds = Rounds(
            NativeEngine.of(people, kinds), sources, placement, fallback, every=every, told=told, hidden=hidden
        )
        progress("learn how records of one person differ", 0, _STEPS)
        learned = rounds.learn(fallback.model, seed)
        progress("compare open records with persons", 1, _STEPS)
        found = rounds.find_persons()
        progress("compare open records with each other", 2, _STEPS)
        groups = rounds.find_groups(found.accepted["record"])
        linked = place(sources, placement, _placed(unknown, found.accepted, learned.model.prior_weight))
        progress("estimate false and missed links", 3, _STEPS)
        names = [each.source.name for each in sources]
        return Probabilistic(
            placement=make_persons(sources, linked, unknown, groups),
            model=learned.model,
            learned_from=learned.learned_from,
            thresholds={names[order]: threshold for order, threshold in rounds.thresholds.items()},
            pi={names[order]: share for order, share in found.pi.items()},
            candidates=_named(sources, unknown, found.candidates, learned.model.prior_weight),
            counts=counts | rounds.counts,
            records=_with_source(sources, unknown).with_columns(rounds.unseen),
            findings=Findings(
                open_records=every,
                comparable=told,
                accepted=found.accepted["record"],
                hidden=hidden,
                outcomes=rounds.outcomes,
                proposed=rounds.proposed,
                left_out=rounds.left_out,
                departures=rounds.departures(found.pi),
            ),
            source_models={names[order]: model for order, model in learned.source_models.items()},
            relatives=learned.relatives,
            listed=placement.persons.height,
        )

    persons = pl.concat([placement.persons, hidden.stand_ins], how="diagonal")
    compared = pl.concat([unknown, hidden.records.filter(tells_enough(hidden.records))], how="diagonal")
    kinds = further_kinds(sources)
    return with_people_table(fallback, persons, compared, run, listed=placement.persons.height)


def _with_source(sources: Sequence[Records], records: pl.DataFrame) -> pl.DataFrame:
    names = dict(enumerate(each.source.name for each in sources))
    return records.with_columns(
        pl.col("order").replace_strict(names, return_dtype=pl.String).alias("source"), pl.lit(0.0).alias("unseen")
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
