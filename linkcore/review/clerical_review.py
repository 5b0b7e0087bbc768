"""Write the least certain records to a CSV file for clerical review."""

from pathlib import Path
from typing import Final

import polars as pl

from linkcore.errors import ProgrammeError, RefusedError
from linkcore.files import begins_like, new_file
from linkcore.linkage.fallback.result import Probabilistic
from linkcore.linkage.result import LinkageResult
from linkcore.review.answers import PAIR
from linkcore.schema import FURTHER
from linkcore.spreadsheets import guarded

__all__ = ["clerical_review", "shown_values"]


# Entropy in bits of a candidate with a probability of 0.99 or 0.01. More certain records need no review.
_UNCERTAIN: Final = 0.08

# With more than ten candidates, reviewers guess.
_MOST_CANDIDATES: Final = 10


def clerical_review(linkage: LinkageResult, path: str | Path, *, identifiable: bool = False, records: int = 200) -> int:
    """Write the most uncertain records to a file; see :meth:`linkcore.link.Linkage.clerical_review`."""
    if not identifiable:
        raise RefusedError(
            "the file for clerical review shows names, birth dates and addresses of records and of their candidates; "
            "if you may see them, ask with identifiable=True"
        )
    if records < 1:
        raise ProgrammeError(f"records is {records}; give 1 or more")
    if linkage.probabilistic is None:
        raise ProgrammeError("there is nothing to review: this linkage has no probabilistic part (fallback=None)")
    asked = _most_uncertain(linkage.probabilistic, [each.name for each in linkage.sources], records)
    text = _pairs(linkage, linkage.probabilistic, asked).write_csv(quote_style="always", include_bom=True)
    header, _, _ = text.partition("\n")
    with new_file(Path(path), ours=begins_like(header.encode())) as file:
        file.write_bytes(text.encode("utf-8"))
    return asked.height


def _most_uncertain(probabilistic: Probabilistic, names: list[str], records: int) -> pl.DataFrame:
    """Choose the most uncertain records, stratified by source: ``source``, ``record_id``, ``review_id``.

    Records are shared among sources by Sainte-Laguë's method, in proportion to the square root of each source's number
    of uncertain records. The first record of every source comes before all second ones.
    """
    uncertain = _entropy(probabilistic.candidates).filter(pl.col("entropy") >= _UNCERTAIN)
    positions = {name: position for position, name in enumerate(names)}
    turn = pl.int_range(1, pl.len() + 1).over("source")
    return (
        uncertain.sort("entropy", "record_id", descending=[True, False])
        .with_columns(turn.alias("turn"), pl.len().over("source").sqrt().alias("share"))
        .with_columns(
            (pl.col("share") / (2 * pl.col("turn") - 1)).alias("claim"),
            pl.col("source").replace_strict(positions, return_dtype=pl.Int64).alias("source_index"),
            (pl.col("turn") > 1).alias("is_later_turn"),
        )
        .sort("is_later_turn", "claim", "source_index", "turn", descending=[False, True, False, False])
        .head(records)
        .select("source", "record_id", pl.int_range(1, pl.len() + 1).alias("review_id"))
    )


def _entropy(candidates: pl.DataFrame) -> pl.DataFrame:
    """Return the Shannon entropy, in bits, over the candidates of each record and nobody."""
    probability = pl.col("match_probability")
    nobody = (1 - probability.sum()).clip(0, 1)
    bits = [-(p * p.log(2)).fill_nan(0.0) for p in (probability, nobody)]
    return candidates.group_by("source", "record_id", maintain_order=True).agg(
        # Rounded, so that the order of addition cannot change the ranking.
        (bits[0].sum() + bits[1]).round(9).alias("entropy")
    )


def _pairs(linkage: LinkageResult, probabilistic: Probabilistic, asked: pl.DataFrame) -> pl.DataFrame:
    """Return one row for each record and candidate, with their values side by side."""
    persons = linkage.persons.select("person_id", person_source="source", person_record_id="record_id")
    pairs = (
        probabilistic.candidates.join(asked, on=["source", "record_id"])
        .sort("review_id", "match_probability", "match_weight", "person_id", descending=[False, True, True, False])
        .filter(pl.int_range(pl.len()).over("review_id") < _MOST_CANDIDATES)
        .join(persons, on="person_id", how="left", maintain_order="left")
    )
    record = shown_values(probabilistic.records, "record").hstack(probabilistic.records.select("source", "record_id"))
    person = shown_values(linkage.persons, "person").hstack(linkage.persons.select("person_id"))
    beside = pairs.join(record, on=["source", "record_id"], how="left", maintain_order="left").join(
        person, on="person_id", how="left", maintain_order="left"
    )
    fields = [name.removeprefix("record_") for name in record.columns if name not in PAIR]
    sides = [f"{side}_{name}" for name in fields for side in ("record", "person") if f"{side}_{name}" in beside.columns]
    return beside.select(
        pl.col("review_id").cast(pl.String),
        *(guarded(pl.col(name)) for name in ("source", "person_source")),
        # A spreadsheet would turn ids into numbers and dates, which would no longer identify a record.
        *(("'" + pl.col(name)).alias(name) for name in ("record_id", "person_record_id")),
        *(guarded(pl.col(name)) for name in sides),
        pl.lit("").alias("answer"),
    ).select("review_id", *PAIR, *sides, "answer")


def shown_values(frame: pl.DataFrame, side: str) -> pl.DataFrame:
    """Return the values that a reviewer compares, each as ``SIDE_NAME``; the NHS Number is none of them."""
    date = pl.coalesce(pl.col("birth_date").dt.to_string("%Y-%m-%d"), "birth_date_text").alias("birth_date")
    names = ["gender", "postcode", "address", *(name for name in frame.columns if name.startswith(FURTHER))]
    values = frame.select("given_name", "family_name", date, *(pl.col(name).cast(pl.String) for name in names))
    return values.rename({name: f"{side}_{name}" for name in values.columns})
