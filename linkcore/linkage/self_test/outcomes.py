"""What the fallback makes of records whose numbers are hidden: each once with its person listed, and once without."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

import polars as pl

from linkcore.linkage.decisions.persons import Evidence, probabilities, weigh
from linkcore.linkage.self_test.hidden_numbers import HiddenNumbers
from linkcore.linkage.self_test.reweighting import rake
from linkcore.linkage.self_test.unseen import fields_present

__all__ = ["Outcomes", "Trial", "best_candidates"]

# Where a best candidate's probability is sorted in, for re-weighting: what is accepted, what might be, what is not.
_BANDS: Final = (0.01, 0.5, 0.9, 0.99, 0.999)
_NO_CANDIDATE: Final = -2


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What became of the records whose numbers were hidden.

    Parameters
    ----------
    rows : polars.DataFrame
        ``record`` (UInt32), ``own`` (UInt32, its person), ``source`` (Int32), ``chooses`` (Boolean), ``listed``
        (Boolean: the record's person was among the persons), ``probability`` (Float64, of its best candidate; 0 without
        one), ``right`` (Boolean: that is its person), ``doubtful`` (Boolean: its number is doubtful itself), ``weight``
        and ``reweighted`` (Float64: of how many number-less records of the source the row stands).
    """

    rows: pl.DataFrame = field(repr=False)

    @classmethod
    def none(cls) -> "Outcomes":
        """Give the outcomes of a test without records."""
        flags = pl.DataFrame(schema=dict.fromkeys(("chooses", "listed", "right", "doubtful"), pl.Boolean))
        numbers = pl.DataFrame(schema=dict.fromkeys(("probability", "weight", "reweighted"), pl.Float64))
        records = pl.DataFrame(schema={"record": pl.UInt32, "own": pl.UInt32, "source": pl.Int32})
        return cls(pl.concat([records, flags, numbers], how="horizontal"))

    def half(self, *, chooses: bool) -> pl.DataFrame:
        """Give the rows of the half that chooses thresholds, or of the one that reports."""
        return self.rows.filter(pl.col("chooses") == chooses)


@dataclass(frozen=True, eq=False)
class Trial:
    """Lets the fallback decide about hidden records as it does about those without a number.

    Parameters
    ----------
    hidden : HiddenNumbers
        The records.
    candidates : polars.DataFrame
        ``record`` (position among the hidden records), ``person``, ``weight``, ``relative`` and ``gamma_*``.
    persons : int
        How many there are.
    exclusive : frozenset of int
        Sources in which no two records are of one person.
    taken : polars.DataFrame
        ``source`` and ``person``: who has a record there already.
    same_person : callable
        Says of pairs of persons, ``own`` and ``person``, whether they are one person who is listed twice: somebody of
        whom a wrong number has made another. Such a one is taken out of the list too, and who finds it is right.
    """

    hidden: HiddenNumbers
    candidates: pl.DataFrame = field(repr=False)
    persons: int
    exclusive: frozenset[int]
    taken: pl.DataFrame = field(repr=False)
    same_person: Callable[[pl.DataFrame], pl.Series]
    _own: list[tuple[pl.DataFrame, Evidence]] = field(default_factory=list, init=False, repr=False)

    def outcomes(
        self, unknown: pl.DataFrame, best_of_unknown: pl.DataFrame, *, pi: Mapping[int, float], unseen: pl.Series
    ) -> Outcomes:
        """Decide.

        Each record stands in two rows: with its person listed, which weighs π of its source, and with its person taken
        out of the list, which weighs 1-π: so they are mixed as they are among the records without a number. Then the
        rows of each half of each source are weighted again, until they are distributed over fields that are there, over
        levels of agreement with the best candidate and over its probability as the records without a number are. Where
        nobody among them has just the fields that a record without a number has, nothing can be seen of its like: it
        stands for itself, by the probabilities that it was given.

        ``unknown``: RECORDS and ``order`` of the open records.
        ``best_of_unknown``: of :func:`best_candidates`, with a row for each of them; and ``listed``, the chance that
        its person is.
        """
        if not self._own:
            of_own = self._of_own(pi, unseen)
            self._own.append((of_own, self._without(of_own)))
        ((of_own, without_own),) = self._own
        rows = self._decided(self._evidence, without_own, pi, unseen)
        rows = rows.join(
            of_own.with_columns(is_own=True), on=["record", "person"], how="left", maintain_order="left"
        ).with_columns(
            (pl.col("listed") & pl.col("is_own").fill_null(False)).alias("right"), _mixed(pi).alias("weight")
        )
        rows = rows.with_columns(_doubtful(rows, self.persons).alias("doubtful"))
        # A conflict has a number: it is not what these stand for.
        numberless = unknown["nhs_number"].is_null()
        target, best = unknown.filter(numberless), best_of_unknown.filter(numberless)
        unlike = self._unlike(target)
        reweighted = _reweighted(rows, self.hidden.records, target, best, unlike)
        kept = ["record", "own", "source", "chooses", "listed", "probability", "right", "doubtful", "weight"]
        rows = pl.concat([rows.select(*kept, reweighted), self._stand_for_themselves(target, best, unlike)])
        return Outcomes(rows.sort("record", "listed", "right", descending=[False, True, True]))

    def _unlike(self, target: pl.DataFrame) -> pl.DataFrame:
        """For each half, records (by position) whose fields no hidden record of their source and that half has."""
        fields = fields_present(target).with_columns(target["order"]).with_row_index("at")
        tested = fields_present(self.hidden.records).hstack(self.hidden.records.select("order", "chooses"))
        halves = fields.select("order").unique().join(pl.DataFrame({"chooses": [True, False]}), how="cross")
        # A source or half of which nothing was tested has no outcomes.
        halves = halves.join(tested.select("order", "chooses").unique(), on=["order", "chooses"], how="semi")
        return (
            fields.join(halves, on="order")
            .join(tested.unique(), on=[name for name in fields.columns if name != "at"] + ["chooses"], how="anti")
            .select("at", "order", "chooses")
            .sort("chooses", "at")
        )

    def _stand_for_themselves(self, target: pl.DataFrame, best: pl.DataFrame, unlike: pl.DataFrame) -> pl.DataFrame:
        # In the measure of a half: its hidden records stand for all records without a number of their source.
        tested = self._records.group_by("source", "chooses").len("tested")
        sizes = target.group_by(pl.col("order").alias("source")).len("numberless")
        found = best.select("probability", "listed")[unlike["at"]]
        alone = (
            unlike.rename({"order": "source"})
            .hstack(found)
            .join(tested, on=["source", "chooses"], how="left", maintain_order="left")
            .join(sizes, on="source", how="left", maintain_order="left")
        )
        parts = [
            (True, True, pl.col("probability")),
            (True, False, (pl.col("of_listed") - pl.col("probability")).clip(0.0)),
            (False, False, 1 - pl.col("of_listed")),
        ]
        first, persons = self.hidden.records.height, self.persons
        return pl.concat(
            alone.rename({"listed": "of_listed"}).select(
                (pl.col("at") + first).cast(pl.UInt32).alias("record"),
                (pl.col("at") + persons).cast(pl.UInt32).alias("own"),
                "source",
                "chooses",
                pl.lit(listed).alias("listed"),
                "probability",
                pl.lit(right).alias("right"),
                pl.lit(False).alias("doubtful"),
                pl.lit(0.0).alias("weight"),
                (share * pl.col("tested") / pl.col("numberless")).alias("reweighted"),
            )
            for listed, right, share in parts
        )

    @cached_property
    def _records(self) -> pl.DataFrame:
        of_own = self.candidates.select("record", own="person", of_own="weight")
        return self.hidden.records.select(
            pl.int_range(pl.len(), dtype=pl.UInt32).alias("record"),
            pl.col("order").alias("source"),
            "own",
            "conflict",
            "chooses",
        ).join(of_own, on=["record", "own"], how="left", maintain_order="left")

    @cached_property
    def _evidence(self) -> Evidence:
        records = self._records
        # Of a source with one record a person, it was the hidden record itself by which its own person was taken.
        taken = self.taken.filter(pl.col("source").is_in(records["source"].unique().implode()))
        others = taken.join(records.select("source", person="own"), on=["source", "person"], how="anti")
        return weigh(self.candidates, records, persons=self.persons, taken=others)

    def _without(self, of_own: pl.DataFrame) -> Evidence:
        """Take the person out of the list."""
        candidates = self._evidence.candidates
        others = candidates.join(of_own, on=["record", "person"], how="anti", maintain_order="left")
        return replace(self._evidence, candidates=others)

    def _of_own(self, pi: Mapping[int, float], unseen: pl.Series) -> pl.DataFrame:
        """Pairs of a record and a person who is its own, once or twice listed."""
        own = self._records.select("record", person="own")
        first = self._decided(self._evidence, self._without(own), pi, unseen)
        found = first.filter((pl.col("probability") > 0.5) & (pl.col("person") != pl.col("own")))
        found = found.select("record", "own", "person").unique(maintain_order=True)
        return pl.concat([own, found.filter(self.same_person(found)).select("record", "person")])

    def _decided(
        self, listed: Evidence, without_own: Evidence, pi: Mapping[int, float], unseen: pl.Series
    ) -> pl.DataFrame:
        """Give each record with its best candidate: where its person is listed, then where it is not."""
        # Who is not there without the record cannot be found.
        tried = self._records.filter(~pl.col("own").is_in(self.hidden.gone.implode()))
        shares = {source: pi.get(source, 0.5) for source in self._records["source"].unique()}
        decided = []
        for records, evidence, is_listed in ((tried, listed, True), (self._records, without_own, False)):
            candidates = evidence.candidates.with_columns(
                probabilities(evidence, shares, unseen), pl.col("weight").alias("bits")
            )
            best = best_candidates(candidates, records["record"])
            decided.append(records.hstack(best.drop("record")).with_columns(pl.lit(is_listed).alias("listed")))
        return pl.concat(decided)


def best_candidates(candidates: pl.DataFrame, records: pl.Series) -> pl.DataFrame:
    """Give the best candidate of each record, and how it compares.

    ``candidates``: ``record``, ``person``, ``probability``, ``gamma_*``, and perhaps ``bits``; in order of record and
    person.
    Returns ``record``, ``person`` (null without a candidate), ``probability`` (then 0), ``gamma_*`` (then -2) and
    ``bits``, one row a record.
    """
    best = (
        candidates.select("record", "person", "probability", "^gamma_.*$", "^bits$")
        .filter(pl.col("probability") == pl.col("probability").max().over("record"))
        .unique("record", keep="first", maintain_order=True)
    )
    return (
        records.alias("record")
        .to_frame()
        .join(best, on="record", how="left", maintain_order="left")
        .with_columns(pl.col("probability").fill_null(0.0), pl.col("^gamma_.*$").fill_null(_NO_CANDIDATE))
    )


def _doubtful(rows: pl.DataFrame, persons: int) -> pl.Series:
    """Say whose number is no proof against the person who was found.

    A record that was found to be of j carries the number of i. Its number is wrong with probability w, and then i's
    with probability 1/N; so j is the likelier if BF_j / BF_i > N·(1-w)/w. It is for w that conflicts are counted. And
    what name and birth date contradict is no proof either.
    """
    # Of n records, half a conflict more might be.
    wrong = (pl.col("conflict").sum().over("source") + 0.5) / (pl.len().over("source") + 1)
    bar = math.log2(max(persons, 1)) + ((1 - wrong) / wrong).log(2)
    # A pair that is not there is of negligible odds: no better than a stranger's.
    outweighed = pl.col("bits") - pl.col("of_own").fill_null(0.0) > bar
    return rows.select(
        (~pl.col("right") & pl.col("person").is_not_null() & (pl.col("conflict") | outweighed.fill_null(False))).alias(
            "doubtful"
        )
    ).to_series()


def _mixed(pi: Mapping[int, float]) -> pl.Expr:
    """π of the source to all its rows with the person listed together, 1-π to those without, for each half."""
    share = pl.col("source").replace_strict(dict(pi), default=0.5, return_dtype=pl.Float64)
    part = pl.when("listed").then(share).otherwise(1 - share)
    half = pl.col("record").n_unique().over("source", "chooses")
    return part * half / pl.len().over("source", "chooses", "listed")


def _reweighted(
    rows: pl.DataFrame, hidden: pl.DataFrame, target: pl.DataFrame, best: pl.DataFrame, unlike: pl.DataFrame
) -> pl.Series:
    halves = rows.select("source", "chooses").unique(maintain_order=True).with_row_index("half")
    half = rows.join(halves, on=["source", "chooses"], how="left", maintain_order="left")["half"]
    of_source = target.select(pl.int_range(pl.len(), dtype=pl.UInt32).alias("at"), source="order")
    # What stands for itself is not stood for.
    stood_for = of_source.join(halves, on="source").join(
        unlike.rename({"order": "source"}), on=["at", "source", "chooses"], how="anti"
    )
    weights = rake(
        _pattern(rows, hidden[rows["record"]]),
        rows["weight"].to_numpy(),
        _pattern(best, target)[stood_for["at"]],
        rows["listed"],
        (half, stood_for["half"]),
    )
    counts = halves.join(of_source.group_by("source").len("all"), on="source", how="left").join(
        stood_for.group_by("half").len("alike"), on="half", how="left"
    )
    shares = counts.sort("half").select((pl.col("alike") / pl.col("all")).fill_null(0.0)).to_series()
    return (pl.Series("reweighted", weights) * shares[half]).alias("reweighted")


def _pattern(best: pl.DataFrame, records: pl.DataFrame) -> pl.DataFrame:
    """Give what two sets of records must be alike in: fields that are there, agreement, and how sure it makes."""
    there = fields_present(records)
    band = pl.sum_horizontal((pl.col("probability") >= edge).cast(pl.Int64) for edge in _BANDS)
    # The two together: of which records it is that so many are not recognised.
    pattern = there.select(
        pl.sum_horizontal(pl.col(name).cast(pl.Int64) * 2**at for at, name in enumerate(there.columns))
    )
    both = best.select(band.alias("band")).with_columns(
        (pl.col("band") + (len(_BANDS) + 1) * pattern.to_series()).alias("fields_and_band")
    )
    return pl.concat([there, both, best.select("^gamma_.*$")], how="horizontal")
