"""What a model is: comparisons, each a ladder of levels, and the probabilities of those levels.

It is the Fellegi-Sunter model, as Splink has it. ``m`` is the probability that two records of one person stand on a
level, ``u`` that two records of different people do; the level adds log2(m/u) to the weight of a pair.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from linkcore.errors import ProgrammeError

__all__ = [
    "OTHERWISE",
    "Comparison",
    "Level",
    "Model",
    "TermFrequency",
    "UntrainedModel",
    "columns_of",
    "compared_columns",
]

OTHERWISE: Final = "ELSE"
"""The condition of the last level, which holds where no other does."""


@dataclass(frozen=True, slots=True)
class TermFrequency:
    """How the weight of a level follows how common the shared value is: a rare value is worth more.

    Parameters
    ----------
    column : str
        The column whose values are counted.
    weight : float
        How much of the adjustment is applied: 1 for all of it.
    minimum_u : float
        The least frequency that is used, whatever was counted.
    of_exact_match : bool
        Whether the average frequency is u of the level on which just this column agrees. If not, it is u of this level.
    """

    column: str
    weight: float = 1.0
    minimum_u: float = 0.0
    of_exact_match: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.weight <= 100 or not 0 <= self.minimum_u <= 1:
            raise ProgrammeError(
                f"term frequency of {self.column!r}: the weight is {self.weight} and the least frequency "
                f"{self.minimum_u}; the one is above 0, at most 100, and the other from 0 to 1"
            )


@dataclass(frozen=True, slots=True)
class Level:
    """One rung of a comparison.

    Parameters
    ----------
    condition : str
        SQL that holds for the pairs on this level, or ``OTHERWISE``. The values of a column ``x`` are ``x_l``, ``x_r``.
    label : str
        What the level means, in words.
    m, u : float, optional
        The probabilities of the level, for records of one person and of two; None until they are learned.
    is_null : bool
        Whether a value is missing here: such a level is evidence of nothing.
    term_frequency : TermFrequency, optional
        How the weight follows how common the shared value is.
    extra : mapping
        What else a model file says of the level; linkcore does not use it, and writes it back.

    Raises
    ------
    ProgrammeError
        If m or u is not a probability above 0.
    """

    condition: str
    label: str
    m: float | None = None
    u: float | None = None
    is_null: bool = False
    term_frequency: TermFrequency | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.is_null:
            return
        for name, probability in (("m", self.m), ("u", self.u)):
            if probability is not None and not 0 < probability <= 1:
                raise ProgrammeError(f"{name} of a level is {probability}; it is a probability above 0 and at most 1")

    @property
    def is_learned(self) -> bool:
        """Whether the level needs no m and u, or has both."""
        return self.is_null or (self.m is not None and self.u is not None)

    @property
    def bits(self) -> float:
        """What the level adds to the weight of a pair: log2(m/u); 0 where a value is missing."""
        if self.is_null or self.m is None or self.u is None:
            return 0.0
        return math.log2(self.m / self.u)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A ladder of levels: a pair stands on the first whose condition holds.

    Parameters
    ----------
    name : str
        What is compared.
    levels : tuple of Level
        From the first that is asked to the last.
    extra : mapping
        What else a model file says of the comparison.

    Raises
    ------
    ProgrammeError
        If there is no level, or one stands after the level that takes all other pairs.

    Examples
    --------
    >>> Comparison("gender", (Level("gender_l = gender_r", "Agrees"), Level(OTHERWISE, "Differs"))).case_sql([1, 0])
    'CASE WHEN gender_l = gender_r THEN 1 ELSE 0 END'
    """

    name: str
    levels: tuple[Level, ...]
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.levels:
            raise ProgrammeError(f"comparison {self.name!r} has no levels; give it at least one")
        if any(level.condition == OTHERWISE for level in self.levels[:-1]):
            raise ProgrammeError(f"comparison {self.name!r} has levels after {OTHERWISE}; put {OTHERWISE} last")

    @property
    def judging(self) -> list[tuple[int, Level]]:
        """The levels that are evidence, each with its position; not those where a value is missing."""
        return [(position, level) for position, level in enumerate(self.levels) if not level.is_null]

    @property
    def numbers(self) -> tuple[int, ...]:
        """Splink's number of each level: -1 where a value is missing, and 0 for the last of the others.

        Examples
        --------
        >>> null, levels = Level("x_l IS NULL", "Missing", is_null=True), [Level(f"x_l = {x}", "") for x in range(3)]
        >>> Comparison("x", (null, *levels)).numbers
        (-1, 2, 1, 0)
        """
        left, numbers = sum(not level.is_null for level in self.levels), []
        for level in self.levels:
            left -= not level.is_null
            numbers.append(-1 if level.is_null else left)
        return tuple(numbers)

    @property
    def m_by_position(self) -> dict[int, float]:
        """The m of each judging level, by its position."""
        return {position: level.m for position, level in self.judging if level.m is not None}

    @property
    def gamma(self) -> str:
        """The column that holds, for each pair, Splink's number of its level."""
        return f"gamma_{self.name}"

    @property
    def columns(self) -> set[str]:
        """The columns that the conditions look at, and those whose values are counted."""
        counted = {level.term_frequency.column for level in self.levels if level.term_frequency is not None}
        return counted | {column for level in self.levels for column in re.findall(r"\b(\w+)_[lr]\b", level.condition)}

    @property
    def average_frequencies(self) -> dict[str, float]:
        """How likely two people are to agree on each column whose common values weigh less than rare ones.

        Examples
        --------
        >>> agrees = Level("name_l = name_r", "Agrees", m=0.9, u=0.04, term_frequency=TermFrequency("name"))
        >>> Comparison("name", (agrees,)).average_frequencies
        {'name': 0.04}
        """
        frequencies: dict[str, float | None] = {}
        for level in self.levels:
            if level.term_frequency is None:
                continue
            term, column = level.term_frequency, level.term_frequency.column
            agrees = re.sub(r'[\s"]', "", level.condition) == f"{column}_l={column}_r"
            if frequencies.get(column) is None:
                frequencies[column] = level.u if agrees or not term.of_exact_match else None
        unknown = sorted(column for column, share in frequencies.items() if share is None)
        if unknown:
            raise ProgrammeError(
                f"comparison {self.name!r} of the model adjusts for how common values of {', '.join(unknown)} are, and "
                "has no level on which just that agrees; add one"
            )
        return {column: share for column, share in frequencies.items() if share is not None}

    def case_sql(self, values: Sequence[int]) -> str:
        """Write SQL that gives, for a pair, the value of the level it stands on; ``values`` are in order of levels."""
        rungs = [
            f"ELSE {value}" if level.condition == OTHERWISE else f"WHEN {level.condition} THEN {value}"
            for level, value in zip(self.levels, values, strict=True)
        ]
        return f"CASE {' '.join(rungs)} END"

    def by_number(self, by_position: Mapping[int, float], missing: float = 0.0) -> list[float]:
        """Order what is known of the levels, by position, by Splink's numbers; levels that are not there get a value.

        Examples
        --------
        >>> Comparison("x", (Level("x_l = x_r", "Agrees"), Level(OTHERWISE, "Differs"))).by_number({0: 0.9})
        [0.0, 0.9]
        """
        ordered = sorted((self.numbers[position], position) for position, _ in self.judging)
        return [by_position.get(position, missing) for _, position in ordered]

    def with_m(self, by_position: Mapping[int, float]) -> "Comparison":
        """Give levels another m, by position; a level that is not named stays as it is."""
        levels = (
            replace(level, m=by_position[position]) if position in by_position else level
            for position, level in enumerate(self.levels)
        )
        return replace(self, levels=tuple(levels))


def compared_columns(comparisons: Sequence[Comparison]) -> set[str]:
    """Collect the columns that comparisons look at."""
    return {column for comparison in comparisons for column in comparison.columns}


@dataclass(frozen=True, slots=True)
class Model:
    """Comparisons whose m and u have been learned, and the prior: everything by which pairs are weighed.

    Parameters
    ----------
    comparisons : tuple of Comparison
        What is compared; every level but those of missing values has m and u.
    prior : float
        The probability that two records, drawn at random, are of one person.
    blocking_rules : tuple of str
        SQL of the rules by which pairs were proposed.
    link_type : str
        Splink's word for what is linked: ``"link_and_dedupe"``, ``"dedupe_only"`` or ``"link_only"``.
    extra : mapping
        What else a model file says.

    Raises
    ------
    ProgrammeError
        If something has not been learned, or two comparisons share a name.
    """

    comparisons: tuple[Comparison, ...]
    prior: float
    blocking_rules: tuple[str, ...] = ()
    link_type: str = "link_and_dedupe"
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_comparisons(self.comparisons)
        unlearned = [each.name for each in self.comparisons if not all(level.is_learned for level in each.levels)]
        if unlearned:
            raise ProgrammeError(f"comparison {unlearned[0]!r} of the model has levels without m and u; learn them")
        if not 0 < self.prior < 1:
            raise ProgrammeError(f"the prior of the model is {self.prior}; it is a probability above 0 and below 1")

    @property
    def prior_weight(self) -> float:
        """What the prior adds to the weight of a pair: log2 of its odds."""
        return math.log2(self.prior / (1 - self.prior))

    @property
    def average_frequencies(self) -> dict[str, float]:
        """How likely two people are to agree on each column whose common values weigh less than rare ones."""
        return {column: share for each in self.comparisons for column, share in each.average_frequencies.items()}


@dataclass(frozen=True, slots=True)
class UntrainedModel:
    """Comparisons of which some m or u are not known yet; the run learns those, and keeps what is known.

    Parameters
    ----------
    comparisons : tuple of Comparison
        What is compared.
    prior : float, optional
        The probability that two records, drawn at random, are of one person; None if the run shall set it.
    blocking_rules : tuple of str
        SQL of the rules by which pairs are proposed.
    link_type : str
        Splink's word for what is linked.
    extra : mapping
        What else a model file says.

    Raises
    ------
    ProgrammeError
        If two comparisons share a name, or nothing is compared.
    """

    comparisons: tuple[Comparison, ...]
    prior: float | None = None
    blocking_rules: tuple[str, ...] = ()
    link_type: str = "link_and_dedupe"
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_comparisons(self.comparisons)

    def as_learned(self, learned: Model) -> Model:
        """Give a model that was learned from these comparisons what else this one states."""
        prior = learned.prior if self.prior is None else self.prior
        return replace(learned, prior=prior, extra=self.extra, link_type=self.link_type)


def _check_comparisons(comparisons: Sequence[Comparison]) -> None:
    names = [comparison.name for comparison in comparisons]
    if len({name.lower() for name in names}) < len(names):
        raise ProgrammeError(f"two comparisons of the model share a name; there are {', '.join(names)}")
    if not any(comparison.judging for comparison in comparisons):
        raise ProgrammeError("the model compares nothing; give it a comparison")


def columns_of(model: Model | UntrainedModel) -> set[str]:
    """Collect the columns that a model looks at, to compare pairs or to propose them."""
    of_rules = {column for rule in model.blocking_rules for column in re.findall(r'\b[lrLR]\."?(\w+)', rule)}
    return compared_columns(model.comparisons) | of_rules
