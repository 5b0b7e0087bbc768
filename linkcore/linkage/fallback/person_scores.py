"""Scores of open and hidden records with the persons: the tables that the engine compares, and what it found."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from linkcore.linkage.engine.engine import Engine, Learned
from linkcore.linkage.exact.alternatives import with_alternatives
from linkcore.linkage.fallback.check_weights import PAIRS_CHECKED
from linkcore.linkage.fallback.inputs import FallbackInputs
from linkcore.sampling import person_fingerprints

__all__ = ["PersonScores", "engine_tables", "same_person", "score_with_persons", "without_replaced"]


@dataclass(frozen=True, eq=False, repr=False)
class PersonScores:
    """Scored pairs of records and persons.

    Parameters
    ----------
    candidates : polars.DataFrame
        ``record``, ``person``, ``weight``, ``relative`` and ``gamma_*`` of the open records.
    hidden_candidates : polars.DataFrame
        The same of the hidden records, by their position among the hidden records.
    proposed : polars.DataFrame
        ``record`` and ``person``: hidden records whose true person some blocking rule proposed.
    compared : int
        Number of pairs that were scored.
    left_out : mapping of str to int
        By blocking rule, how many times a person was in a block too large to be compared.
    sampled : polars.DataFrame
        Some of all scored pairs, by which Splink checks the weights.
    """

    candidates: pl.DataFrame
    hidden_candidates: pl.DataFrame
    proposed: pl.DataFrame
    compared: int
    left_out: Mapping[str, int]
    sampled: pl.DataFrame


def engine_tables(inputs: FallbackInputs) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the persons, with their alternatives, and the records that the engine compares.

    Persons as they would be without the hidden records follow the persons listed; hidden records follow the open ones.
    By their ``fingerprint``, some of them are drawn.
    """
    hidden = inputs.hidden
    listed = with_alternatives(inputs.placement.persons, inputs.alternatives)
    persons = pl.concat([listed, hidden.stand_ins], how="diagonal")
    records = pl.concat([inputs.compared, hidden.records.filter(inputs.hidden_comparable)], how="diagonal")
    return (
        persons.with_columns(person_fingerprints(persons)),
        records.with_columns(inputs.record_fingerprints(records)),
    )


def score_with_persons(engine: Engine, learned: Learned, inputs: FallbackInputs) -> PersonScores:
    """Score open records with the persons, and hidden records with the persons as they would be without them."""
    hidden, first_hidden = inputs.hidden, inputs.compared.height
    hidden_position = inputs.hidden_comparable.arg_true()
    stood_in = hidden.stand_ins["person_id"].cast(pl.UInt32)
    # By the engine's id of a person: a stand-in has an id of its own.
    person_of = pl.concat([pl.int_range(inputs.persons, dtype=pl.UInt32, eager=True), stood_in])

    def of_hidden(pairs: pl.DataFrame) -> pl.DataFrame:
        found = without_replaced(inputs, pairs.filter(pl.col("record") >= first_hidden))
        return found.with_columns(
            person_of[found["person"]].alias("person"), hidden_position[found["record"] - first_hidden].alias("record")
        )

    scored = engine.score_with_persons(learned, _true_pairs(inputs, person_of), sample=PAIRS_CHECKED)
    return PersonScores(
        candidates=scored.pairs.filter((pl.col("record") < first_hidden) & (pl.col("person") < inputs.persons)),
        hidden_candidates=of_hidden(scored.pairs),
        proposed=of_hidden(scored.proposed),
        compared=scored.compared,
        left_out=scored.left_out,
        sampled=scored.sampled,
    )


def without_replaced(inputs: FallbackInputs, pairs: pl.DataFrame) -> pl.DataFrame:
    """Leave out pairs of a hidden record and a person who is listed otherwise, or not at all, without it."""
    hidden = inputs.hidden
    replaced = pl.concat([hidden.stand_ins["person_id"].cast(pl.UInt32), hidden.removed_persons.cast(pl.UInt32)])
    is_hidden = pl.col("record") >= inputs.compared.height
    return pairs.filter(~(is_hidden & pl.col("person").is_in(replaced.implode())))


def _true_pairs(inputs: FallbackInputs, person_of: pl.Series) -> pl.DataFrame:
    """Return each comparable hidden record with its true person, by the engine's ids: ``record`` and ``person``."""
    true_person = inputs.hidden.records["true_person"].filter(inputs.hidden_comparable)
    first = inputs.compared.height
    pairs = pl.DataFrame(
        {"record": pl.int_range(first, first + true_person.len(), eager=True), "true_person": true_person},
        schema={"record": pl.UInt32, "true_person": pl.UInt32},
    )
    ids = pl.DataFrame({"true_person": person_of}).with_row_index("person")
    return pairs.join(ids, on="true_person", how="left").select("record", "person")


def same_person(engine: Engine, learned: Learned, inputs: FallbackInputs, pairs: pl.DataFrame) -> pl.Series:
    """Return whether ``true_person`` and ``person`` of each pair are one person who is listed twice.

    Two persons of the spine never are, because it lists each person once.
    """
    persons = inputs.placement.persons
    spines = [records.source.name for records in inputs.sources if records.source.spine]
    of_spine = persons["source"].is_in(spines)
    possible = ~(of_spine[pairs["true_person"]] & of_spine[pairs["person"]])
    scored = engine.score_persons(learned, pairs.filter(possible).select(a="true_person", b="person"))
    # As if one of the two were a record whose person is listed with even odds.
    size = math.log2(persons.height)
    unlisted = (1 + 2.0 ** pl.col("relative").clip(None, 1000)).log(2)
    same = scored.select("a", "b", (pl.col("weight") - size - unlisted > 0).alias("same"))
    a, b = pl.min_horizontal("true_person", "person"), pl.max_horizontal("true_person", "person")
    found = pairs.select(a.alias("a"), b.alias("b")).join(same, on=["a", "b"], how="left", maintain_order="left")
    return found["same"].fill_null(False) & possible
