"""The result of the fallback: the links and the model for its callers, and the data to measure its quality."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import polars as pl

from linkcore.linkage.engine.engine import LearnedFrom
from linkcore.linkage.exact.alternatives import NO_ALTERNATIVES
from linkcore.linkage.fallback.check_weights import WeightCheck
from linkcore.linkage.fallback.model_use import LearnedOn, ModelUse
from linkcore.linkage.learning.relatives import Relatives
from linkcore.linkage.model.model import Model
from linkcore.linkage.placement import Placement
from linkcore.linkage.self_test.hidden_numbers import HiddenNumbers
from linkcore.linkage.self_test.outcomes import Outcomes
from linkcore.linkage.self_test.thresholds import Threshold
from linkcore.linkage.settings import EngineName

__all__ = ["Probabilistic", "QualityInputs"]


@dataclass(frozen=True, eq=False, repr=False)
class QualityInputs:
    """The data from which the quality of a fallback is measured.

    Parameters
    ----------
    open_records : polars.DataFrame
        All open records, with ``source_index``, the position of their source.
    comparable : polars.Series
        Boolean, one value for each open record: whether it has enough identifiers to be compared.
    listed : polars.Series
        Float64, one value for each open record: the chance that its person is listed.
    accepted : polars.Series
        UInt32: the positions, among the compared records, of those that were linked.
    hidden : HiddenNumbers
        The records of the self-test: their person is known, and their NHS Numbers were hidden.
    outcomes : Outcomes, optional
        What became of the hidden records; None if no record was hidden.
    proposed : polars.DataFrame
        ``record`` and ``person``: the hidden records for which a blocking rule proposed the true person.
    left_out : mapping of str to int
        For each blocking rule, how many times a person was in a block too large to be compared.
    left_out_among_records : mapping of str to int
        For each blocking rule, the same of records that were compared with each other.
    departures : polars.DataFrame
        How the open records differ from those that the model learned from; see
        :func:`linkcore.linkage.learning.departures.departures`.
    """

    open_records: pl.DataFrame
    comparable: pl.Series
    listed: pl.Series
    accepted: pl.Series
    hidden: HiddenNumbers
    outcomes: Outcomes | None
    proposed: pl.DataFrame
    left_out: Mapping[str, int]
    left_out_among_records: Mapping[str, int]
    departures: pl.DataFrame


@dataclass(frozen=True, eq=False)
class Probabilistic:
    """The result of the probabilistic linkage.

    Parameters
    ----------
    placement : Placement
        The placement of all records, with the links of the fallback and the new persons that it made from groups.
    model : Model, optional
        The model that compared records; None if no record could be compared.
    learned_from : str
        ``"labels"``, ``"expectation maximisation"``, ``"given"``, or ``"nothing"``.
    thresholds : mapping of str to Threshold
        For each source, the probability from which its records were linked, and how that threshold was chosen.
    pi : mapping of str to float
        For each source, the chance that the person of an open record is listed, that is, known from the exact linkage.
    candidates : polars.DataFrame
        ``source``, ``record_id``, ``person_id``, ``match_weight`` and ``match_probability``: every person that an open
        record may be of, linked or not. It stays with the trusted team.
    counts : mapping of str to int
        Number of ``open`` records, of those that were ``compared``, and of ``hidden`` records. Number of ``labels``;
        and of ``labels_lost``, which reviewers gave, but whose record is not open any more or whose person is not
        listed. ``unsettled_pairs``: from how many pairs the model was learned, if it did not converge. Number of
        ``pairs_with_persons`` and ``pairs_among_records``. ``left_out``: how many times a person, or
        a record that was compared with other records, was in a block too large to be compared.
    records : polars.DataFrame
        The open records that were compared: the columns of RECORDS, ``source`` (String), and ``unseen`` (Float64). If
        the person of a record is listed, ``unseen`` is the chance that none of its candidates is that person.
    quality_inputs : QualityInputs, optional
        The data to measure its quality; None if no record could be compared, and after the quality was measured.
    source_models : mapping of str to Model
        For each source, the model with the m probabilities of that source.
    relatives : Relatives
        What was learned about how the records of relatives differ.
    listed : int
        Number of listed persons: those of the exact linkage, with whom open records were compared.
    alternatives : polars.DataFrame
        Other names and addresses with which open records were compared, of the persons who have some: ``person_id``,
        and a list of each kind, ``other_*``. It stays with the trusted team.
    tested : polars.DataFrame
        Records of the self-test without which their persons would be listed as they are: the columns of RECORDS,
        ``source`` and ``true_person``. It stays with the trusted team.
    engine : {"native", "splink"}
        What weighed the pairs.
    own_model : bool
        Whether all comparisons are linkcore's own.
    weights_checked : WeightCheck, optional
        The check of weights against Splink; None if there was none.
    model_use : ModelUse
        Whether the model was learned in this run or kept, and why.
    learned_on : LearnedOn, optional
        What the model was learned on, in this run or an earlier one. It stays with the trusted team. None where nothing
        was learned.
    """

    placement: Placement
    model: Model | None = field(repr=False)
    learned_from: LearnedFrom | Literal["nothing"]
    thresholds: Mapping[str, Threshold]
    pi: Mapping[str, float]
    candidates: pl.DataFrame = field(repr=False)
    counts: Mapping[str, int]
    records: pl.DataFrame = field(repr=False)
    quality_inputs: QualityInputs | None = field(default=None, repr=False)
    source_models: Mapping[str, Model] = field(default_factory=dict, repr=False)
    relatives: Relatives = field(default_factory=Relatives, repr=False)
    listed: int = 0
    alternatives: pl.DataFrame = field(default_factory=NO_ALTERNATIVES.clone, repr=False)
    tested: pl.DataFrame = field(default_factory=pl.DataFrame, repr=False)
    engine: EngineName = "native"
    own_model: bool = True
    weights_checked: WeightCheck | None = None
    model_use: ModelUse = field(default_factory=ModelUse)
    learned_on: LearnedOn | None = field(default=None, repr=False)
