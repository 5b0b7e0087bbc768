"""What the fallback did: the placement and the model for everybody above, and what its quality is measured from."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from linkcore.linkage.learning.relatives import Relatives
from linkcore.linkage.model.model import Model
from linkcore.linkage.placement import Placement
from linkcore.linkage.self_test.hidden_numbers import HiddenNumbers
from linkcore.linkage.self_test.outcomes import Outcomes
from linkcore.linkage.self_test.thresholds import Threshold

__all__ = ["Probabilistic", "QualityInputs"]


@dataclass(frozen=True, eq=False, repr=False)
class QualityInputs:
    """What the quality of a fallback is measured from.

    Parameters
    ----------
    open_records : polars.DataFrame
        All open records, with ``source_index``, the position of their source.
    comparable : polars.Series
        Boolean: which of them have enough identifiers to be compared.
    accepted : polars.Series
        UInt32: which of the compared records, by position among them, were linked.
    hidden : HiddenNumbers
        The records of the self-test.
    outcomes : Outcomes, optional
        What became of the hidden records; None without any.
    proposed : polars.DataFrame
        ``record`` and ``person``: hidden records whose true person some blocking rule proposed.
    left_out : mapping of str to int
        By blocking rule, how many times a person was in a block too large to be compared.
    departures : polars.DataFrame
        How the open records differ from what was learned: :func:`linkcore.linkage.learning.departures.departures`.
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
        The placement with the records that the fallback placed, and with the new persons that it made of groups.
    model : Model, optional
        The model that compared records; None where nothing was open.
    learned_from : str
        ``"labels"``, ``"expectation maximisation"``, ``"given"``, or ``"nothing"``.
    thresholds : mapping of str to Threshold
        By source, the probability from which it was linked, and how that was chosen.
    pi : mapping of str to float
        By source, the chance that the person of an open record is listed.
    candidates : polars.DataFrame
        ``source``, ``record_id``, ``person_id``, ``match_weight`` and ``match_probability``: every person that an open
        record may be of, linked or not. It stays with the trusted team.
    counts : mapping of str to int
        ``open`` records, and those ``compared``; ``labels``, and those of reviewers that were lost, ``labels_lost``,
        because their record is not open any more or their person not listed; ``hidden`` records;
        ``pairs_with_persons`` and ``pairs_among_records``; ``left_out``, how many times a person was in a block too
        large to be compared.
    records : polars.DataFrame
        RECORDS of the open records that were compared, ``source`` (String), and ``unseen`` (Float64: the chance that
        the person of the record, being listed, is none of its candidates).
    quality_inputs : QualityInputs, optional
        What its quality is measured from; None where nothing was open, and once the quality has been measured.
    source_models : mapping of str to Model
        By source, the model with m of its own.
    relatives : Relatives
        What was learned of how relatives differ.
    listed : int
        Number of persons with whom open records were compared: those of the exact linkage.
    """

    placement: Placement
    model: Model | None = field(repr=False)
    learned_from: str
    thresholds: Mapping[str, Threshold]
    pi: Mapping[str, float]
    candidates: pl.DataFrame = field(repr=False)
    counts: Mapping[str, int]
    records: pl.DataFrame = field(repr=False)
    quality_inputs: QualityInputs | None = field(default=None, repr=False)
    source_models: Mapping[str, Model] = field(default_factory=dict, repr=False)
    relatives: Relatives = field(default_factory=Relatives, repr=False)
    listed: int = 0
