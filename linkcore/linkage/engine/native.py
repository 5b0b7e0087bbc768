"""linkcore's own engine: it compares codes, and sums the weights of the levels that it finds.

The weights are those of Splink's model. In every run of some size, Splink weighs some of the pairs as well
(:mod:`linkcore.linkage.fallback.check_weights`).
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING

import polars as pl

from linkcore.linkage.blocking import LARGEST_BLOCK_OF_ONE, Rule
from linkcore.linkage.codes.blocks import Blocks, make_blocks
from linkcore.linkage.codes.coded import CodedPeople
from linkcore.linkage.codes.compared import ComparedPeople
from linkcore.linkage.engine.engine import LabelledCounts, Learned, RandomCounts
from linkcore.linkage.engine.frequencies import frequencies_of_codes
from linkcore.linkage.engine.pair_engine import (
    PERSONS_WITH_RELATIVES,
    RANDOM_PAIRS,
    RECORDS_AT_A_TIME,
    PairEngine,
    Proposed,
)
from linkcore.linkage.engine.tables import fingerprints_of
from linkcore.linkage.learning.relatives import RelativeCounts, with_others_of_the_household
from linkcore.linkage.model.by_source import shifted
from linkcore.linkage.model.model import Comparison, Model
from linkcore.linkage.model.weights import match_weight
from linkcore.sampling import draw
from linkcore.schema import OTHER

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Ids = NDArray[np.uint32]
    _Pairs = tuple[Ids, Ids, NDArray[np.int64]]

__all__ = ["NativeEngine"]

_HOUSEHOLD = Rule((("family_name", "family_name"), ("postcode", "postcode")))


class NativeEngine(PairEngine):
    """Compares persons and records as codes."""

    @cached_property
    def _compared(self) -> ComparedPeople:
        return ComparedPeople(self.people.coded, self.comparisons, self.people.threads)

    @cached_property
    def _by_model(self) -> dict[tuple[str, ...], ComparedPeople]:
        """The people as models compare them, by the names and conditions of the model."""
        return {_conditions(self.comparisons): self._compared}

    def _score(self, learned: Learned, pairs: pl.DataFrame) -> pl.DataFrame:
        compared = learned.model.comparisons
        # A given model may compare less than there is, or more.
        people = self._by_model.setdefault(_conditions(compared), replace(self._compared, comparisons=compared))
        found = pairs.hstack(people.levels(pairs["a"].to_numpy(), pairs["b"].to_numpy()))
        # A billionth of a bit is more than what the order of a sum can change.
        return found.insert_column(2, match_weight(found, compared, learned.frequencies).round(9))

    def _score_by_source(self, learned: Learned, pairs: pl.DataFrame) -> pl.DataFrame:
        scored = self._score(learned, pairs)
        source = self.people.source_of_record[scored["b"] - self.people.persons].alias("source")
        shift = shifted(scored.select(source, "^gamma_.*$"), learned.shifts)
        return scored.with_columns((pl.col("weight") + shift).round(9), of_all="weight")

    def frequencies(self, model: Model) -> Mapping[str, pl.Series]:
        """Return, by column that the model adjusts for, how common the value of each person and record is."""
        return frequencies_of_codes(self.people, model)

    def _propose_with_persons(self) -> Proposed:
        first, height = self.people.persons, self.people.coded.height
        blocks = self._blocks(_ids(0, first), _ids(first, height))
        return Proposed(blocks.left_out, _pairs_of(blocks))

    def _propose_among(self, ids: pl.Series, apart: Sequence[tuple[int, int]]) -> Proposed:
        chosen = ids.sort().to_numpy()
        blocks = self._blocks(chosen, chosen)
        one, other = pl.min_horizontal("a", "b"), pl.max_horizontal("a", "b")
        kept = pl.col("a") != pl.col("b")
        for start, end in apart:
            kept &= ~(pl.col("a").is_between(start, end) & pl.col("b").is_between(start, end))
        pairs = (found.filter(kept).select(a=one, b=other).unique() for found in _pairs_of(blocks))
        return Proposed(blocks.left_out, pairs)

    def _blocks(self, left: "Ids", right: "Ids") -> Blocks:
        rules = [rule for rule in self.rules if isinstance(rule, Rule)]
        assert len(rules) == len(self.rules), "choose_engine gives other rules to Splink's engine"
        return make_blocks(self.people.coded, rules, left, right, threads=self.people.threads)

    def count_labelled(self, labelled: pl.DataFrame, seed: int) -> LabelledCounts:
        """Count levels of records beside their own persons, and of random pairs."""
        # A record would always agree with an alternative that only it has taught. So each person is compared as it is
        # without its record: with the alternatives that stand beside the record.
        frame, people, size = self.people.coded.frame, self.people, math.isqrt(RANDOM_PAIRS)
        own = frame[labelled["label"]].drop(pl.selectors.starts_with(OTHER))
        own = own.hstack(labelled.select(pl.selectors.starts_with(OTHER)))
        persons = draw(people.fingerprints[: people.listed], size, seed=seed, purpose="random persons")
        records = draw(fingerprints_of(labelled), size, seed=seed, purpose="random records")
        coded = CodedPeople.of(own, labelled, frame[persons])
        compared = ComparedPeople(coded, self.comparisons, people.threads)
        left, right = _ids(0, own.height), _ids(own.height, 2 * own.height)
        known = labelled["source_index"].is_not_null().to_numpy()
        source = labelled["source_index"].fill_null(0).cast(pl.Int64).to_numpy()
        one_person = compared.count([lambda: (left[known], right[known], source[known])])
        drawn = _ids(2 * own.height, coded.height), right[records.to_numpy()]
        every = compared.count(_all_pairs(*drawn))
        # Those of a record and its own person are counted with the others, and taken out.
        both = (
            pl.DataFrame({"label": persons})
            .with_row_index("a")
            .join(labelled.select("label")[records].with_row_index("b"), on="label")
        )
        of_own = compared.count([lambda: _ungrouped(drawn[0][both["a"].to_numpy()], drawn[1][both["b"].to_numpy()])])
        return LabelledCounts(one_person, pl.concat([every, of_own.with_columns(-pl.col("pairs"))]))

    def count_random(self, seed: int) -> RandomCounts:
        """Count levels of random pairs of records and persons or, without persons, of records."""
        people, size = self.people, math.isqrt(RANDOM_PAIRS)
        of_records = draw(people.fingerprints[people.persons :], size, seed=seed, purpose="random records")
        left = right = (of_records + people.persons).cast(pl.UInt32).to_numpy()
        if people.persons:
            left = draw(people.fingerprints[: people.listed], size, seed=seed, purpose="random persons").to_numpy()
        all_pairs = self._compared.count(_all_pairs(left, right, each_once=not people.persons))
        names = [comparison for comparison in self.comparisons if comparison.name == "name"]
        one_name = self._compared.count([partial(self._of_one_family_name, left, right)], names)
        return RandomCounts(all_pairs, one_name)

    def _of_one_family_name(self, left: "Ids", right: "Ids") -> "_Pairs":
        """Return the pairs that share a family name; of pairs of one side, each once."""
        names = self.people.coded.column("family_name").codes
        sides = [pl.DataFrame({"id": ids, "name": names[ids]}).filter(pl.col("name") != 0) for ids in (left, right)]
        pairs = sides[0].join(sides[1], on="name")
        if not self.people.persons:
            pairs = pairs.filter(pl.col("id") < pl.col("id_right"))
        return _ungrouped(pairs["id"].to_numpy(), pairs["id_right"].to_numpy())

    def count_relatives(self, comparisons: Sequence[Comparison], seed: int) -> RelativeCounts:
        """Count levels of random persons beside those who may be their relatives."""
        people = self.people
        some = draw(
            people.fingerprints[: people.listed], PERSONS_WITH_RELATIVES, seed=seed, purpose="persons with relatives"
        )
        blocks = make_blocks(
            people.coded, [_HOUSEHOLD], _ids(0, people.listed), some.to_numpy(), largest=LARGEST_BLOCK_OF_ONE
        )
        other, one = blocks.pairs(0, some.len())
        given, born = (people.coded.column(name).codes for name in ("given_name", "birth_date"))
        same_birth_date = born[one] == born[other]
        # Two of one name, birth date and home are one person who is listed twice.
        same_name = (given[one] == given[other]) | (given[one] == 0) | (given[other] == 0)
        kept = (one != other) & (born[one] != 0) & (born[other] != 0) & ~(same_birth_date & same_name)
        group = same_birth_date.astype("int64")
        counts = self._compared.count(
            [lambda: (one[kept], other[kept], group[kept])], with_others_of_the_household(comparisons)
        )
        return RelativeCounts(counts, some.len(), people.listed)


def _conditions(comparisons: Sequence[Comparison]) -> tuple[str, ...]:
    return tuple(text for each in comparisons for text in (each.name, *(level.condition for level in each.levels)))


def _ids(start: int, end: int) -> "Ids":
    import numpy as np

    return np.arange(start, end, dtype=np.uint32)


def _ungrouped(left: "Ids", right: "Ids") -> "_Pairs":
    import numpy as np

    return left, right, np.zeros(left.size, np.int64)


def _pairs_of(blocks: Blocks) -> Iterator[pl.DataFrame]:
    """Return the pairs for some of the right rows at a time."""
    for start in range(0, max(blocks.right.size, 1), RECORDS_AT_A_TIME):
        left, right = blocks.pairs(start, min(start + RECORDS_AT_A_TIME, blocks.right.size))
        yield pl.DataFrame({"a": left, "b": right}, schema={"a": pl.UInt32, "b": pl.UInt32})


def _all_pairs(left: "Ids", right: "Ids", *, each_once: bool = False) -> "list[Callable[[], _Pairs]]":
    """Return functions that return all pairs of two sides, some at a time; ``each_once``: with the lower row left."""
    import numpy as np

    at_a_time = max(2**18 // max(right.size, 1), 1)

    def some(start: int) -> "_Pairs":
        part = left[start : start + at_a_time]
        one, other = np.repeat(part, right.size), np.tile(right, part.size)
        kept = one < other if each_once else slice(None)
        return _ungrouped(one[kept], other[kept])

    return [partial(some, start) for start in range(0, left.size, at_a_time)]
