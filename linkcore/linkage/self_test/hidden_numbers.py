"""Records with a known person, whose numbers are hidden for the self-test; and the persons as they are without them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import polars as pl

from linkcore.linkage.exact.alternatives import listed_by_person, taught_by_records, unless_taught_by, with_entries
from linkcore.linkage.exact.link_exactly import persons_of, with_current_numbers
from linkcore.linkage.exact.number_index import NumberIndex
from linkcore.linkage.placement import Placement
from linkcore.linkage.settings import Exact
from linkcore.sampling import hashes, person_fingerprints, record_fingerprints
from linkcore.schema import PERSONS
from linkcore.sources.records import Records

__all__ = ["HiddenNumbers", "hide_numbers", "nothing_hidden"]

_MOST_OF_A_SOURCE: Final = 8_000
"""To certify 0.2 % takes 1,920 accepted links without an error (3.84 / 0.002) in each half. More are drawn, because not
all are accepted, and re-weighted links do not count in full."""

# Half of all hashes are lower.
_HALF: Final = 2**63


@dataclass(frozen=True, eq=False)
class HiddenNumbers:
    """Records whose numbers are hidden.

    Parameters
    ----------
    records : polars.DataFrame
        RECORDS, ``source_index`` (Int32), ``position`` (UInt32, the position in the RECORDS of that source),
        ``true_person`` (UInt32, the person with the number), ``conflict`` (Boolean) and ``chooses`` (Boolean: whether
        it is in the half that chooses the threshold; the other half reports). One record a person and source; all
        records of a person are in the same half.
    stand_ins : polars.DataFrame
        PERSONS as they would be without these records, where that changes them or their alternatives, with the lists of
        these (``other_*``). ``person_id`` is the person for whom each stands in.
    removed_persons : polars.Series
        UInt32: persons who would not exist without these records.
    """

    records: pl.DataFrame = field(repr=False)
    stand_ins: pl.DataFrame = field(repr=False)
    removed_persons: pl.Series = field(repr=False)


def nothing_hidden(records: pl.DataFrame, persons: pl.DataFrame) -> HiddenNumbers:
    """Return no hidden records; ``records`` and ``persons`` say which columns there would be."""
    flags = (pl.lit(False).alias(name) for name in ("conflict", "chooses"))
    nobody = records.clear().with_columns(pl.lit(None, pl.UInt32).alias("true_person"), *flags)
    return HiddenNumbers(nobody, persons.clear(), pl.Series("person_id", dtype=pl.UInt32))


def hide_numbers(
    sources: Sequence[Records],
    placement: Placement,
    exact: Exact,
    *,
    tested: Sequence[int],
    keep: int,
    seed: int,
    taught: pl.DataFrame,
) -> HiddenNumbers:
    """Draw records that carry a usable number, and work out what PERSONS would be without them.

    Conflicts are drawn like all other records. Without them, the records with the worst identifiers would be missing.
    Records are drawn by hash, so that the order of rows does not matter.

    ``tested``: positions of the sources to draw from. ``keep``: number of persons whose records must not all be drawn.
    ``taught``: what records teach of all persons: :func:`linkcore.linkage.exact.alternatives.taught_by_numbers`.

    Examples
    --------
    >>> from linkcore.linkage.exact.alternatives import taught_by_numbers
    >>> from linkcore.linkage.exact.link_exactly import link_exactly
    >>> from linkcore.sources.source import Source
    >>> from linkcore.sources.records import standardise
    >>> frames = [pl.DataFrame({"nhs_number": ["4010232137"], "family_name": [name]}) for name in ("SMITH", "SMYTH")]
    >>> sources = [standardise(Source(f"{name}", frame)) for name, frame in zip("ab", frames)]
    >>> placement = link_exactly(sources, Exact())
    >>> taught = taught_by_numbers(sources, placement)
    >>> hidden = hide_numbers(sources, placement, Exact(), tested=[0], keep=2, seed=0, taught=taught)
    >>> hidden.records.select("family_name", "true_person").rows()
    [('SMITH', 0)]
    >>> hidden.stand_ins.select("person_id", "family_name").rows()
    [(0, 'SMYTH')]
    """
    # A superseded number links by the current number that it stands for.
    current = [with_current_numbers(records, exact) for records in sources]
    known = _known(current, placement, tested)
    persons = known["true_person"].n_unique()
    share = 1.0 if persons < keep else min(0.5, 1 - keep / max(persons, 1))
    # The halves are of persons, not of records: what two sources know of one person is no independent proof.
    chooses = hashes(person_fingerprints(placement.persons), seed=seed, purpose="half that chooses") < _HALF
    drawn = [known.clear().with_columns(pl.lit(False).alias("chooses"))]
    for source_index in tested:
        of_source = known.filter(pl.col("source_index") == source_index)
        record_ids = sources[source_index].frame["record_id"][of_source["position"]]
        fingerprints = record_fingerprints(sources[source_index].source.name, record_ids)
        shuffled = hashes(fingerprints, seed=seed, purpose="self-test").arg_sort()
        first_of_person = of_source["true_person"][shuffled].arg_unique().sort()
        size = min(_MOST_OF_A_SOURCE, int(first_of_person.len() * share))
        of_source = of_source[shuffled[first_of_person[:size]]]
        drawn.append(of_source.with_columns(chooses[of_source["true_person"]].alias("chooses")))
    taken = pl.concat(drawn)
    records = pl.concat(
        [_rows_of(each, source_index, taken) for source_index, each in enumerate(current)], how="diagonal"
    )
    stand_ins, removed_persons = _without(current, placement.persons, records, taught)
    return HiddenNumbers(records, stand_ins, removed_persons)


def _known(sources: Sequence[Records], placement: Placement, tested: Sequence[int]) -> pl.DataFrame:
    """Return all records with a number: ``position``, ``conflict``, ``true_person`` and ``source_index``."""
    # A person's id is its position in PERSONS.
    of_number = NumberIndex(placement.persons["nhs_number"])
    known = [
        pl.DataFrame(
            schema={"position": pl.UInt32, "conflict": pl.Boolean, "true_person": pl.UInt32, "source_index": pl.Int32}
        )
    ]
    for source_index in tested:
        records = sources[source_index]
        conflicts = placement.links[records.source.name]["conflict"]
        known.append(
            conflicts.alias("conflict")
            .to_frame()
            .with_row_index("position")
            .with_columns(
                of_number.find(records.frame["nhs_number"]).alias("true_person"),
                source_index=pl.lit(source_index, pl.Int32),
            )
            .filter(pl.col("true_person").is_not_null())
            .select("position", "conflict", "true_person", "source_index")
        )
    return pl.concat(known)


def _rows_of(records: Records, source_index: int, taken: pl.DataFrame) -> pl.DataFrame:
    of_source = taken.filter(pl.col("source_index") == source_index).sort("position")
    rows = records.frame[of_source["position"]]
    return rows.hstack(of_source.select("source_index", "position", "true_person", "conflict", "chooses"))


def _without(
    sources: Sequence[Records], persons: pl.DataFrame, hidden: pl.DataFrame, taught: pl.DataFrame
) -> tuple[pl.DataFrame, pl.Series]:
    """Return the persons whom the other records of the same numbers define differently, and those whom none defines.

    A person is also different if only hidden records, or copies of their entries, have taught one of its alternatives.
    """
    affected = hidden.select("nhs_number").unique()
    numbers, remaining = NumberIndex(affected["nhs_number"]), []
    for source_index, records in enumerate(sources):
        hidden_rows = hidden.filter(pl.col("source_index") == source_index)["position"]
        unhidden = numbers.find(records.frame["nhs_number"]).is_not_null().scatter(hidden_rows, False)
        remaining.append(replace(records, frame=records.frame.filter(unhidden)))
    as_they_were = persons.join(affected, on="nhs_number", how="semi", maintain_order="left")
    others = persons.join(affected, on="nhs_number", how="anti")
    without = persons_of(remaining)
    identified = [name for name in persons.columns if name not in {"person_id", "token"} and name in without.columns]
    changed = without.filter(pl.col("nhs_number").is_not_null()).join(
        as_they_were.select(identified), on=identified, how="anti", nulls_equal=True, maintain_order="left"
    )
    true_person = as_they_were.select("nhs_number", "person_id")
    own = with_entries(hidden.select(pl.col("true_person").alias("person_id"), "source_index", "position"), sources)
    everyone = pl.concat([each.select("given_name", "family_name", "birth_date") for each in (others, without)])
    alternatives = _alternatives_without(
        remaining, taught, own=own, changed=changed, true_person=true_person, everyone=everyone
    )
    differing = pl.concat([changed.select("nhs_number"), alternatives.select("nhs_number")])
    stand_ins = (
        without.drop("person_id")
        .join(differing, on="nhs_number", how="semi", maintain_order="left")
        .join(true_person, on="nhs_number", maintain_order="left")
        .select(name for name in persons.columns if name in without.columns or name in PERSONS)
        .join(alternatives, on="nhs_number", how="left", maintain_order="left")
    )
    removed_persons = as_they_were.join(without, on="nhs_number", how="anti", maintain_order="left")["person_id"]
    return stand_ins, removed_persons


def _alternatives_without(
    remaining: Sequence[Records],
    taught: pl.DataFrame,
    *,
    own: pl.DataFrame,
    changed: pl.DataFrame,
    true_person: pl.DataFrame,
    everyone: pl.DataFrame,
) -> pl.DataFrame:
    """Return the alternatives that others than the hidden records have taught, where that makes a difference.

    ``remaining``: the other records of the same numbers. ``own``: the entries of the hidden records.
    ``changed``: the persons whom the other records define differently. ``true_person``: ``nhs_number`` and
    ``person_id`` of all persons with hidden records. ``everyone``: names and birth dates of all who are listed.
    Returns ``nhs_number`` and ``other_*``; also of those who are left without any.
    """
    value = ["person_id", "identifier", "value"]
    before = taught.join(true_person, on="person_id", how="semi")
    after = unless_taught_by(before, own)
    lost = before.join(after, on=value, how="anti").select("person_id").unique()
    lost = lost.join(true_person, on="person_id").filter(~pl.col("nhs_number").is_in(changed["nhs_number"].implode()))
    unchanged = lost.join(listed_by_person(after.join(lost, on="person_id", how="semi")), on="person_id", how="left")
    # Whoever is defined differently has other values of its own, so what others teach is worked out anew.
    of_number = NumberIndex(changed["nhs_number"])
    person_ids = [of_number.find(records.frame["nhs_number"]) for records in remaining]
    anew = taught_by_records(remaining, person_ids, changed, everyone=everyone)
    true_ids = changed.select("nhs_number").join(true_person, on="nhs_number", maintain_order="left")
    anew = anew.with_columns(true_ids["person_id"].gather(anew["person_id"]))
    lists = listed_by_person(unless_taught_by(anew, own)).join(true_ids, on="person_id", maintain_order="left")
    return pl.concat([unchanged, lists], how="diagonal").drop("person_id")
