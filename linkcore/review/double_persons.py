"""Write the persons who are probably one to a CSV file, for the trusted team to look into: nothing is joined here."""

from pathlib import Path
from typing import Final

import polars as pl

from linkcore.errors import ProgrammeError, RefusedError
from linkcore.files import begins_like, new_file
from linkcore.linkage.model.model import Model
from linkcore.linkage.possibly_same import double_persons
from linkcore.linkage.result import LinkageResult
from linkcore.pseudonyms.persons import person_name
from linkcore.review.clerical_review import shown_values
from linkcore.spreadsheets import guarded

__all__ = ["write_double_persons"]

_SIDES: Final = {"a": "first", "b": "second"}


def write_double_persons(
    linkage: LinkageResult, path: str | Path, *, identifiable: bool = False, least: float = 0.9
) -> int:
    """Write persons who are probably one to a file; see :meth:`linkcore.link.Linkage.double_persons`."""
    if not identifiable:
        raise RefusedError(
            "the file of persons who are probably one shows NHS Numbers, names, birth dates and addresses; if you may "
            "see them, ask with identifiable=True"
        )
    if not 0 < least <= 1:
        raise ProgrammeError(f"least is {least}; give a probability above 0 and at most 1")
    pairs = double_persons(linkage, least=least)
    content = _table(linkage, pairs).write_csv(quote_style="always", include_bom=True).encode("utf-8")
    header = content.partition(b"\n")[0]
    with new_file(Path(path), ours=begins_like(header)) as file:
        file.write_bytes(content)
    return pairs.height


def _table(linkage: LinkageResult, pairs: pl.DataFrame) -> pl.DataFrame:
    """Return one row a pair: how probable it is, what both are, side by side, and how well each identifier agrees."""
    records = linkage.links.group_by("person_id").len("records")
    sides = {}
    for side, name in _SIDES.items():
        persons = linkage.persons[pairs[side]].join(records, on="person_id", how="left", maintain_order="left")
        # A spreadsheet would turn numbers and ids into what no longer identifies anybody.
        number = pl.when(pl.col("nhs_number").is_not_null()).then("'" + person_name())
        sides[name] = persons.select(
            guarded(pl.col("source")).alias(f"{name}_source"),
            ("'" + pl.col("record_id")).alias(f"{name}_record_id"),
            pl.col("records").cast(pl.String).alias(f"{name}_records"),
            number.alias(f"{name}_nhs_number"),
        ).hstack(shown_values(persons, name).select(guarded(pl.all())))
    first, second = sides.values()
    beside = [column for both in zip(first.iter_columns(), second.iter_columns(), strict=True) for column in both]
    odds = pairs.select(
        pl.int_range(1, pl.len() + 1).cast(pl.String).alias("pair"),
        pl.col("probability").round(4).cast(pl.String),
        pl.col("weight").round(2).cast(pl.String).alias("match_weight"),
    )
    assert linkage.probabilistic is not None
    assert linkage.probabilistic.model is not None
    return odds.hstack(beside).hstack(_agreement(pairs, linkage.probabilistic.model))


def _agreement(pairs: pl.DataFrame, model: Model) -> pl.DataFrame:
    """Return, for each comparison, the level on which each pair stands, in words, and what it adds to the weight."""
    return pairs.select(
        guarded(
            pl.col(each.gamma).replace_strict(
                {
                    number: f"{level.label} ({level.bits:+.1f} bits)"
                    for number, level in zip(each.numbers, each.levels, strict=True)
                },
                return_dtype=pl.String,
            )
        ).alias(f"agreement_{each.name}")
        for each in model.comparisons
    )
