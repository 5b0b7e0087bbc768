"""Outcomes of the self-test: hidden records, decided once with their person listed and once without."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

import polars as pl

from linkcore.linkage.decisions.persons import Evidence, probabilities, weigh
from linkcore.linkage.enough_identifiers import fields_present
from linkcore.linkage.self_test.hidden_numbers import HiddenNumbers
from linkcore.linkage.self_test.reweighting import rake

__all__ = ["Outcomes", "Trial", "best_candidates"]

# Bands of the best candidate's probability, for re-weighting: what is accepted, what might be, and what is not.
_BANDS: Final = (0.01, 0.5, 0.9, 0.99, 0.999)
_NO_CANDIDATE: Final = -2


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What became of the records whose numbers were hidden.

    Parameters
    ----------
    rows : polars.DataFrame
        ``record`` (UInt32); ``true_person`` (UInt32), the person of its number; ``source`` (Int32); ``chooses``
        (Boolean); ``listed`` (Boolean), whether that person was among the persons; ``probability`` (Float64) of the
        best candidate, 0 without one; ``right`` (Boolean), whether the best candidate is that person; ``doubtful``
        (Boolean), whether the number itself is in doubt; ``weight`` and ``reweighted`` (Float64), for how many records
        of the source without a number the row stands.
    """

    rows: pl.DataFrame = field(repr=False)

    @classmethod
    def none(cls) -> "Outcomes":
        """Return the outcomes of a test without records."""
        flags = pl.DataFrame(schema=dict.fromkeys(("chooses", "listed", "right", "doubtful"), pl.Boolean))
        numbers = pl.DataFrame(schema=dict.fromkeys(("probability", "weight", "reweighted"), pl.Float64))
        records = pl.DataFrame(schema={"record": pl.UInt32, "true_person": pl.UInt32, "source": pl.Int32})
        return cls(pl.concat([records, flags, numbers], how="horizontal"))

    def half(self, *, chooses: bool) -> pl.DataFrame:
        """Return the rows of the half that chooses thresholds, or of the half that reports."""
        return self.rows.filter(pl.col("chooses") == chooses)

    def weights_of_listed(self, records: int) -> pl.Series:
        """Return the new weight of each hidden record with its person listed; 1 where it has no such row."""
        rows = self.rows.filter(pl.col("listed") & (pl.col("record") < records))
        return pl.repeat(1.0, records, eager=True).scatter(rows["record"], rows["reweighted"])


@dataclass(frozen=True, eq=False)
class Trial:
    """Hidden records and their candidates, about which the fallback decides as about records without a number.

    Parameters
    ----------
    hidden : HiddenNumbers
        The records.
    candidates : polars.DataFrame
        ``record`` (position among the hidden records), ``person``, ``weight``, ``relative`` and ``gamma_*``.
    persons : int
        Number of persons listed.
    taken : polars.DataFrame
        ``source`` and ``person``: persons who already have a record in a source of one record a person.
    same_person : callable
        Returns of pairs of persons, ``true_person`` and ``person``, whether the two are one person who is listed twice
        because of a wrong number. Such a person is taken out of the list too, and finding it is right.
    """

    hidden: HiddenNumbers
    candidates: pl.DataFrame = field(repr=False)
    persons: int
    taken: pl.DataFrame = field(repr=False)
    same_person: Callable[[pl.DataFrame], pl.Series]

    def true_pairs(self, pi: Mapping[int, float], unseen: pl.Series) -> pl.DataFrame:
        """Return ``record`` and ``person`` of each hidden record and its person, whether that is listed once or twice.

        ``pi`` and ``unseen``: as of :meth:`outcomes`.
        """
        true_pairs = self._records.select("record", person="true_person")
        first = self._decided(true_pairs, pi, unseen)
        another = (pl.col("probability") > 0.5) & (pl.col("person") != pl.col("true_person"))
        found = first.filter(another).select("record", "true_person", "person").unique(maintain_order=True)
        return pl.concat([true_pairs, found.filter(self.same_person(found)).select("record", "person")])

    def outcomes(
        self,
        open_records: pl.DataFrame,
        best_of_open: pl.DataFrame,
        true_pairs: pl.DataFrame,
        *,
        pi: Mapping[int, float],
        unseen: pl.Series,
    ) -> Outcomes:
        """Decide about every hidden record, and weight the decisions to stand for the records without a number.

        Each record has two rows. In one its person is listed; these rows together weigh π of the source. In the other
        its person is taken out of the list; these rows weigh 1-π. So they are mixed as they are among the records
        without a number. Then the rows of each half of each source are weighted again, until they are distributed as
        the records without a number are: over the fields that are present, over the levels of agreement with the best
        candidate, and over its probability. A record without a number whose fields no hidden record has cannot be
        represented. It stands for itself, by the probabilities that it was given.

        ``open_records``: RECORDS and ``source_index``.
        ``best_of_open``: :func:`best_candidates` of the open records, a row for each; and ``listed``, the chance that
        its person is listed.
        ``pi``: by source; ``unseen``: by hidden record, the chance that its person, being listed, is no candidate.
        """
        rows = self._decided(true_pairs, pi, unseen)
        rows = rows.join(
            true_pairs.with_columns(is_true=True), on=["record", "person"], how="left", maintain_order="left"
        ).with_columns(
            (pl.col("listed") & pl.col("is_true").fill_null(False)).alias("right"), _mixed(pi).alias("weight")
        )
        rows = rows.with_columns(_doubtful(rows, self.persons).alias("doubtful"))
        # A conflict has a number: the hidden records do not stand for it.
        numberless = open_records["nhs_number"].is_null()
        target, best = open_records.filter(numberless), best_of_open.filter(numberless)
        unlike = self._unlike(target)
        reweighted = _reweighted(rows, self.hidden.records, target, best, unlike)
        columns = ["record", "true_person", "source", "chooses", "listed", "probability", "right", "doubtful", "weight"]
        rows = pl.concat([rows.select(*columns, reweighted), self._stand_for_themselves(target, best, unlike)])
        return Outcomes(rows.sort("record", "listed", "right", descending=[False, True, True]))

    def _unlike(self, target: pl.DataFrame) -> pl.DataFrame:
        """Return the records (by position) with fields that no hidden record of their source and half has, by half."""
        fields = fields_present(target).with_columns(target["source_index"]).with_row_index("position")
        tested = fields_present(self.hidden.records).hstack(self.hidden.records.select("source_index", "chooses"))
        halves = fields.select("source_index").unique().join(pl.DataFrame({"chooses": [True, False]}), how="cross")
        # A source or half of which nothing was tested has no outcomes.
        halves = halves.join(
            tested.select("source_index", "chooses").unique(), on=["source_index", "chooses"], how="semi"
        )
        compared = [name for name in fields.columns if name != "position"] + ["chooses"]
        return (
            fields.join(halves, on="source_index")
            .join(tested.unique(), on=compared, how="anti")
            .select("position", "source_index", "chooses")
            .sort("chooses", "position")
        )

    def _stand_for_themselves(self, target: pl.DataFrame, best: pl.DataFrame, unlike: pl.DataFrame) -> pl.DataFrame:
        """Return the rows of records that no hidden record is like: right, another person, nobody listed."""
        # They are measured as their half is, whose hidden records stand for all records of the source without a number.
        tested = self._records.group_by("source", "chooses").len("tested")
        sizes = target.group_by(pl.col("source_index").alias("source")).len("numberless")
        found = best.select("probability", "listed")[unlike["position"]]
        alone = (
            unlike.rename({"source_index": "source"})
            .hstack(found)
            .join(tested, on=["source", "chooses"], how="left", maintain_order="left")
            .join(sizes, on="source", how="left", maintain_order="left")
        )
        parts = [
            (True, True, pl.col("probability")),
            (True, False, (pl.col("chance_listed") - pl.col("probability")).clip(0.0)),
            (False, False, 1 - pl.col("chance_listed")),
        ]
        first, persons = self.hidden.records.height, self.persons
        return pl.concat(
            alone.rename({"listed": "chance_listed"}).select(
                (pl.col("position") + first).cast(pl.UInt32).alias("record"),
                (pl.col("position") + persons).cast(pl.UInt32).alias("true_person"),
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
        weight_of_true = self.candidates.select("record", true_person="person", weight_of_true="weight")
        return self.hidden.records.select(
            pl.int_range(pl.len(), dtype=pl.UInt32).alias("record"),
            pl.col("source_index").alias("source"),
            "true_person",
            "conflict",
            "chooses",
        ).join(weight_of_true, on=["record", "true_person"], how="left", maintain_order="left")

    @cached_property
    def _evidence(self) -> Evidence:
        records = self._records
        # In a source of one record a person, it was the hidden record itself by which its person was taken.
        taken = self.taken.filter(pl.col("source").is_in(records["source"].unique().implode()))
        others = taken.join(records.select("source", person="true_person"), on=["source", "person"], how="anti")
        return weigh(self.candidates, records, persons=self.persons, taken=others)

    def _decided(self, true_pairs: pl.DataFrame, pi: Mapping[int, float], unseen: pl.Series) -> pl.DataFrame:
        """Return each record with its best candidate: first with its person listed, then without ``true_pairs``."""
        others = self._evidence.candidates.join(true_pairs, on=["record", "person"], how="anti", maintain_order="left")
        without_person = replace(self._evidence, candidates=others)
        # A person who would not exist without the record cannot be found.
        possible = self._records.filter(~pl.col("true_person").is_in(self.hidden.removed_persons.implode()))
        shares = {source: pi.get(source, 0.5) for source in self._records["source"].unique()}
        decided = []
        for records, evidence, listed in ((possible, self._evidence, True), (self._records, without_person, False)):
            candidates = evidence.candidates.with_columns(
                probabilities(evidence, shares, unseen), pl.col("weight").alias("bits")
            )
            best = best_candidates(candidates, records["record"])
            decided.append(records.hstack(best.drop("record")).with_columns(pl.lit(listed).alias("listed")))
        return pl.concat(decided)


def best_candidates(candidates: pl.DataFrame, records: pl.Series) -> pl.DataFrame:
    """Return the best candidate of each record, and how it compares; of equals, the first.

    ``candidates``: ``record``, ``person``, ``probability``, ``gamma_*``, and ``bits`` where there are any; in order of
    record and person.
    Returns one row a record: ``record``, ``person`` (null without a candidate), ``probability`` (then 0), ``gamma_*``
    (then -2) and ``bits``.
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
    """Return which rows are no proof that a wrong person was found, because the number itself may be wrong.

    A record that was found to be of j carries the number of i. Its number is wrong with probability w, and is then the
    number of i with probability 1/N. So j is likelier than i if BF_j / BF_i > N·(1-w)/w. The share of conflicts
    estimates w. A number that name and birth date contradict is no proof either.
    """
    # However many conflicts were seen, half a conflict more might be among the records.
    wrong = (pl.col("conflict").sum().over("source") + 0.5) / (pl.len().over("source") + 1)
    bar = math.log2(max(persons, 1)) + ((1 - wrong) / wrong).log(2)
    # A pair that was not scored has negligible odds: no better than those of a stranger.
    outweighed = pl.col("bits") - pl.col("weight_of_true").fill_null(0.0) > bar
    return rows.select(
        (~pl.col("right") & pl.col("person").is_not_null() & (pl.col("conflict") | outweighed.fill_null(False))).alias(
            "doubtful"
        )
    ).to_series()


def _mixed(pi: Mapping[int, float]) -> pl.Expr:
    """Weights by which, in each half of a source, the rows with the person listed weigh π and the others 1-π."""
    share = pl.col("source").replace_strict(dict(pi), default=0.5, return_dtype=pl.Float64)
    part = pl.when("listed").then(share).otherwise(1 - share)
    half = pl.col("record").n_unique().over("source", "chooses")
    return part * half / pl.len().over("source", "chooses", "listed")


def _reweighted(
    rows: pl.DataFrame, hidden: pl.DataFrame, target: pl.DataFrame, best: pl.DataFrame, unlike: pl.DataFrame
) -> pl.Series:
    """Return the weights that make the rows of each half like the records of its source without a number."""
    halves = rows.select("source", "chooses").unique(maintain_order=True).with_row_index("half")
    half = rows.join(halves, on=["source", "chooses"], how="left", maintain_order="left")["half"]
    of_source = target.select(pl.int_range(pl.len(), dtype=pl.UInt32).alias("position"), source="source_index")
    # Records that stand for themselves are not represented by others.
    represented = of_source.join(halves, on="source").join(
        unlike.rename({"source_index": "source"}), on=["position", "source", "chooses"], how="anti"
    )
    weights = rake(
        _pattern(rows, hidden[rows["record"]]),
        rows["weight"].to_numpy(),
        _pattern(best, target)[represented["position"]],
        rows["listed"],
        (half, represented["half"]),
    )
    counts = halves.join(of_source.group_by("source").len("all"), on="source", how="left").join(
        represented.group_by("half").len("alike"), on="half", how="left"
    )
    shares = counts.sort("half").select((pl.col("alike") / pl.col("all")).fill_null(0.0)).to_series()
    return (pl.Series("reweighted", weights) * shares[half]).alias("reweighted")


def _pattern(best: pl.DataFrame, records: pl.DataFrame) -> pl.DataFrame:
    """Return the columns in which two sets of records must be alike: fields, agreement, and band of probability."""
    present = fields_present(records)
    band = pl.sum_horizontal((pl.col("probability") >= edge).cast(pl.Int64) for edge in _BANDS)
    # The two together too: records of some fields are recognised less often than others.
    pattern = present.select(
        pl.sum_horizontal(pl.col(name).cast(pl.Int64) * 2**bit for bit, name in enumerate(present.columns))
    )
    both = best.select(band.alias("band")).with_columns(
        (pl.col("band") + (len(_BANDS) + 1) * pattern.to_series()).alias("fields_and_band")
    )
    return pl.concat([present, both, best.select("^gamma_.*$")], how="horizontal")
