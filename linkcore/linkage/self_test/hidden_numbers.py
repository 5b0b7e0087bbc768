"""Records of which the person is known, to be linked with their numbers hidden, and the persons as if they had none."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import polars as pl

from linkcore.linkage.exact.link_exactly import Exact, persons_of, with_current_numbers
from linkcore.linkage.exact.number_index import NumberIndex
from linkcore.linkage.placement import Placement
from linkcore.schema import PERSONS
from linkcore.sources.records import Records

__all__ = ["HiddenNumbers", "hide_numbers"]

_MOST_OF_A_SOURCE: Final = 8_000
"""To certify 0.2 % takes 1,920 accepted links without an error (3.84 / 0.002), in each half; and not all are accepted,
nor does each count in full once they are re-weighted."""


@dataclass(frozen=True, eq=False)
class HiddenNumbers:
    """Records whose numbers are hidden.

    Parameters
    ----------
    records : polars.DataFrame
        RECORDS, ``order`` (Int32, of the source), ``at`` (UInt32, the position in its RECORDS), ``own`` (UInt32, the
        person of the number), ``conflict`` (Boolean) and ``chooses`` (Boolean: of the half that chooses the threshold;
        the other half reports). One record a person and source; all of a person are of the same half.
    stand_ins : polars.DataFrame
        PERSONS as they would be without these records, of those whom that changes. ``person_id`` is that of the person
        for whom each stands in.
    gone : polars.Series
        UInt32: persons who would not be there at all without these records.
    """

    records: pl.DataFrame = field(repr=False)
    stand_ins: pl.DataFrame = field(repr=False)
    gone: pl.Series = field(repr=False)


def hide_numbers(
    sources: Sequence[Records],
    placement: Placement,
    exact: Exact,
    *,
    tested: Sequence[int],
    keep: int,
    seed: int,
) -> HiddenNumbers:
    """Draw records that carry a usable number, and say what PERSONS would be without them.

    Conflicts are drawn like all others: to leave them out would leave out the records whose other identifiers are the
    worst.

    Examples
    --------
    >>> from linkcore.linkage.exact.link_exactly import link_exactly
    >>> from linkcore.sources.source import Source
    >>> from linkcore.sources.records import standardise
    >>> frames = [pl.DataFrame({"nhs_number": ["4010232137"], "family_name": [name]}) for name in ("SMITH", "SMYTH")]
    >>> sources = [standardise(Source(f"{name}", frame)) for name, frame in zip("ab", frames)]
    >>> hidden = hide_numbers(sources, link_exactly(sources, Exact()), Exact(), tested=[0], keep=2, seed=0)
    >>> hidden.records.select("family_name", "own").rows(), hidden.stand_ins.select("person_id", "family_name").rows()
    ([('SMITH', 0)], [(0, 'SMYTH')])
    """
    import numpy as np

    generator = np.random.default_rng(seed)
    # The numbers that superseded ones stand for are the ones that link.
    current = [with_current_numbers(records, exact) for records in sources]
    known = _known(current, placement, tested)
    persons = known["own"].n_unique()
    share = 1.0 if persons < keep else min(0.5, 1 - keep / max(persons, 1))
    # Persons, not records, choose or report: what two sources know of one person is no independent proof.
    chooses = generator.random(placement.persons.height) < 0.5
    drawn = [known.clear().with_columns(pl.lit(False).alias("chooses"))]
    for order in tested:
        of_source = known.filter(pl.col("order") == order)
        shuffled = generator.permutation(of_source.height)
        first_of_person = of_source["own"][shuffled].arg_unique().sort()
        size = min(_MOST_OF_A_SOURCE, int(first_of_person.len() * share))
        of_source = of_source[shuffled[first_of_person[:size].to_numpy()]]
        drawn.append(of_source.with_columns(pl.Series("chooses", chooses[of_source["own"]])))
    taken = pl.concat(drawn)
    records = pl.concat([_rows_of(each, order, taken) for order, each in enumerate(current)], how="diagonal")
    stand_ins, gone = _without(current, placement.persons, records)
    return HiddenNumbers(records, stand_ins, gone)


def _known(sources: Sequence[Records], placement: Placement, tested: Sequence[int]) -> pl.DataFrame:
    """All records with a number: ``order``, ``at``, ``own``, ``conflict``."""
    # A person's id is its position in PERSONS.
    of_number = NumberIndex(placement.persons["nhs_number"])
    known = [pl.DataFrame(schema={"at": pl.UInt32, "conflict": pl.Boolean, "own": pl.UInt32, "order": pl.Int32})]
    for order in tested:
        records = sources[order]
        conflicts = placement.links[records.source.name]["conflict"]
        known.append(
            conflicts.alias("conflict")
            .to_frame()
            .with_row_index("at")
            .with_columns(of_number.find(records.frame["nhs_number"]).alias("own"), order=pl.lit(order, pl.Int32))
            .filter(pl.col("own").is_not_null())
            .select("at", "conflict", "own", "order")
        )
    return pl.concat(known)


def _rows_of(records: Records, order: int, taken: pl.DataFrame) -> pl.DataFrame:
    of_source = taken.filter(pl.col("order") == order).sort("at")
    rows = records.frame[of_source["at"]]
    return rows.hstack(of_source.select("order", "at", "own", "conflict", "chooses"))


def _without(sources: Sequence[Records], persons: pl.DataFrame, hidden: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """Give whom the other records of the same numbers make other than they are, and whom not at all."""
    affected = hidden.select("nhs_number").unique()
    numbers, left = NumberIndex(affected["nhs_number"]), []
    for order, records in enumerate(sources):
        at = hidden.filter(pl.col("order") == order)["at"]
        others = numbers.find(records.frame["nhs_number"]).is_not_null().scatter(at, False)
        left.append(replace(records, frame=records.frame.filter(others)))
    as_they_were = persons.join(affected, on="nhs_number", how="semi", maintain_order="left")
    without = persons_of(left)
    identified = [name for name in persons.columns if name not in {"person_id", "token"} and name in without.columns]
    changed = without.filter(pl.col("nhs_number").is_not_null()).join(
        as_they_were.select(identified), on=identified, how="anti", nulls_equal=True, maintain_order="left"
    )
    stand_ins = (
        changed.drop("person_id")
        .join(as_they_were.select("nhs_number", "person_id"), on="nhs_number", maintain_order="left")
        .select(name for name in persons.columns if name in without.columns or name in PERSONS)
    )
    gone = as_they_were.join(without, on="nhs_number", how="anti", maintain_order="left")["person_id"]
    return stand_ins, gone
