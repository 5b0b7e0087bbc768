"""Recognition: which records of this linkage are records of an earlier one, by their ids or by their identifiers."""

from typing import Final, NamedTuple

import polars as pl

from linkcore.linkage.enough_identifiers import new_person_or_unlinked
from linkcore.linkage.stable_persons.identifier_hashes import HASHED

__all__ = ["OVERLAP", "Side", "recognise"]

OVERLAP: Final = pl.Schema({"before": pl.UInt32(), "now": pl.UInt32(), "records": pl.UInt32()})
"""An earlier person, a person of now, and how many records of the one are recognised among those of the other."""

_IDS: Final = ["source", "extract", "record_id"]
_LEAST_AGREEING: Final = 2


class Side(NamedTuple):
    """The records of one linkage, and what is known of its persons, by their position.

    Parameters
    ----------
    records : polars.DataFrame
        KNOWN_RECORDS.
    unsettled : polars.Series
        Boolean: whether nobody on the other side has the person's NHS Number.
    numbered : polars.Series
        Boolean: whether the person has an NHS Number.
    """

    records: pl.DataFrame
    unsettled: pl.Series
    numbered: pl.Series


def recognise(before: Side, now: Side) -> tuple[pl.DataFrame, int]:
    """Return the OVERLAP of unsettled persons with all persons of the other side, and how many contents are ambiguous.

    A record is recognised by its id, if nothing contradicts or two identifiers agree: ids are used again for others. It
    must not be recognised as records of two earlier persons. Any other record is recognised by its identifiers, if they
    are enough to recognise somebody and one person alone has them on either side. Two NHS Numbers contradict that.
    """
    earlier, current = _prepared(before), _prepared(now)
    by_id = _by_id(earlier, current)
    found, ambiguous = _by_content(earlier, current, by_id["row_now"])
    overlap = pl.concat([by_id.select("before", "now"), found]).group_by("before", "now").agg(pl.len().alias("records"))
    unsettled = before.unsettled.gather(overlap["before"]) | now.unsettled.gather(overlap["now"])
    return overlap.filter(unsettled).cast(OVERLAP), ambiguous


def _prepared(side: Side) -> pl.DataFrame:
    """Add the ``row``, the ``content`` (null if too little is known) and what is known of the person."""
    person = side.records["person"]
    # Polars' own hash: it is compared in this process only.
    content = pl.when(new_person_or_unlinked() == "new_person").then(pl.struct("source", *HASHED).hash(0))
    return side.records.with_columns(
        content.alias("content"),
        side.unsettled.gather(person).alias("unsettled"),
        side.numbered.gather(person).alias("numbered"),
    ).with_row_index("row")


def _by_id(earlier: pl.DataFrame, current: pl.DataFrame) -> pl.DataFrame:
    """Return ``row_now``, ``before`` and ``now`` of the records that are recognised by their ids, as one person's each.

    Where an id was used again, the records of two earlier persons have it: the one that left, and the one that came.
    """
    ids = pl.concat([side.filter("unsettled").select(_IDS) for side in (earlier, current)]).unique()
    pairs = earlier.join(ids, on=_IDS, how="semi").join(current, on=_IDS, suffix="_now")
    agree = pl.sum_horizontal((pl.col(name) == pl.col(f"{name}_now")).fill_null(False) for name in HASHED)
    contradicts = pl.any_horizontal((pl.col(name) != pl.col(f"{name}_now")).fill_null(False) for name in HASHED)
    known = pairs.filter((agree >= _LEAST_AGREEING) | ~contradicts)
    return known.filter(pl.len().over("row_now") == 1).select(
        "row_now", pl.col("person").alias("before"), pl.col("person_now").alias("now")
    )


def _by_content(earlier: pl.DataFrame, current: pl.DataFrame, recognised: pl.Series) -> tuple[pl.DataFrame, int]:
    open_contents = (
        pl.concat([side.filter("unsettled")["content"] for side in (earlier, current)]).drop_nulls().unique()
    )
    holders = _holders(earlier, open_contents).join(_holders(current, open_contents), on="content", suffix="_now")
    sole = pl.col("sole") & pl.col("sole_now")
    others = current.join(recognised.to_frame("row"), on="row", how="anti")
    pairs = holders.filter(sole, ~(pl.col("numbered") & pl.col("numbered_now"))).join(
        others.select("content"), on="content"
    )
    ambiguous = others.join(holders.filter(~sole), on="content", how="semi")["content"].n_unique()
    return pairs.select(pl.col("person").alias("before"), pl.col("person_now").alias("now")), ambiguous


def _holders(side: pl.DataFrame, contents: pl.Series) -> pl.DataFrame:
    """Return, for each content, one person who has it, whether nobody else has, and whether it has a number."""
    return (
        side.join(contents.to_frame(), on="content", how="semi")
        .group_by("content")
        .agg(pl.col("person").min(), (pl.col("person").n_unique() == 1).alias("sole"), pl.col("numbered").first())
    )
