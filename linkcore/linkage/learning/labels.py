"""Which records teach: those whose person is known by an NHS Number, or by people who have looked at them."""

from collections.abc import Sequence
from typing import Final

import polars as pl

from linkcore.linkage.placement import Placement, defines_its_person, unplaced
from linkcore.sampling import draw, hashes, record_fingerprints
from linkcore.sources.records import Records

__all__ = ["decided_records", "labelled_records", "reviewed_records"]

# Labelled pairs beyond this many add nothing: a level that one pair in a thousand stands on is then known to a tenth.
_LARGEST_SAMPLE: Final = 100_000


def labelled_records(
    sources: Sequence[Records],
    placement: Placement,
    unknown: pl.DataFrame,
    seed: int,
    *,
    hidden: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Draw records whose person is known by its NHS Number, to learn how records of one person differ.

    At most one record a person is drawn, so that heavy users do not dominate. Sources are drawn from in proportion to
    the records that they leave open, so that what is learned holds for the sources on which it is used. Conflicts, and
    the records that define their persons, are not drawn.

    ``unknown``: ``source_index`` of each open record.
    ``hidden``: ``source_index`` and ``position`` of the records of the self-test, which are not learned from.
    Returns RECORDS, ``label`` (UInt32, the person), ``source_index`` (Int32), ``position`` (UInt32, in the RECORDS of
    that source) and ``fingerprint`` (UInt64), by which :mod:`linkcore.sampling` draws.
    """
    drawn = []
    for source_index, records in enumerate(sources):
        name = records.source.name
        share = round(_LARGEST_SAMPLE * (unknown["source_index"] == source_index).sum() / unknown.height)
        persons = placement.links[name]["person_id"]
        eligible = _eligible(records, placement)
        if hidden is not None:
            eligible = eligible.scatter(hidden.filter(pl.col("source_index") == source_index)["position"], False)
        rows = eligible.arg_true()
        fingerprints = record_fingerprints(name, records.frame["record_id"][rows])
        positions = draw(fingerprints, share, seed=seed, purpose="labels")
        rows, fingerprints = rows[positions], fingerprints[positions]
        of_source = pl.lit(source_index, pl.Int32).alias("source_index")
        position = rows.cast(pl.UInt32).alias("position")
        drawn.append(records.frame[rows].with_columns(persons[rows].alias("label"), of_source, position, fingerprints))
    labelled = pl.concat(drawn, how="diagonal")
    # Shuffled anew: where a person has records of several sources, any of them may stay.
    shuffled = hashes(labelled["fingerprint"], seed=seed, purpose="label of a person").arg_sort()
    return labelled[shuffled].unique("label", keep="first", maintain_order=True)


def _eligible(records: Records, placement: Placement) -> pl.Series:
    links = placement.links[records.source.name]
    by_number = (links["method"] == "nhs_number").fill_null(False) & ~links["conflict"]
    return by_number & ~defines_its_person(records, placement)


def reviewed_records(sources: Sequence[Records], placement: Placement, labels: pl.DataFrame) -> pl.DataFrame:
    """Return the open records whose person a reviewer has named.

    Returns the columns of :func:`labelled_records` but ``position``, each record once. A match counts if its record is
    still open and its person still exists.

    Examples
    --------
    >>> from linkcore.linkage.exact.link_exactly import link_exactly
    >>> from linkcore.linkage.settings import Exact
    >>> from linkcore.schema import LABELS
    >>> from linkcore.sources.source import Source
    >>> from linkcore.sources.records import standardise
    >>> gp = Source("gp", pl.DataFrame({"nhs_number": ["4010232137"]}), spine=True)
    >>> sources = [standardise(gp), standardise(Source("seen", pl.DataFrame({"family_name": ["NG", "OKORO"]})))]
    >>> labels = pl.DataFrame(
    ...     [("seen", "1", "gp", "0", True), ("seen", "9", "gp", "0", True)], schema=LABELS, orient="row")
    >>> found = reviewed_records(sources, link_exactly(sources, Exact()), labels)
    >>> found.select("family_name", "label", "source_index").rows()
    [('OKORO', 0, 1)]
    """
    matches = labels.filter("match").unique(["source", "record_id"], keep="first", maintain_order=True)
    persons = pl.concat(
        records.frame.select(pl.lit(records.source.name).alias("person_source"), person_record_id="record_id")
        .with_columns(placement.links[records.source.name]["person_id"].alias("label"))
        .join(matches, on=["person_source", "person_record_id"], how="inner")
        for records in sources
    ).filter(pl.col("label").is_not_null())
    found = [
        unplaced(records, placement)
        .drop("position")
        .join(persons.filter(pl.col("source") == records.source.name).select("record_id", "label"), on="record_id")
        .sort("record_id")
        .with_columns(pl.lit(source_index, pl.Int32).alias("source_index"))
        for source_index, records in enumerate(sources)
    ]
    return pl.concat(
        (
            rows.with_columns(record_fingerprints(records.source.name, rows["record_id"]))
            for records, rows in zip(sources, found, strict=True)
        ),
        how="diagonal",
    )


def decided_records(sources: Sequence[Records], placement: Placement) -> pl.DataFrame:
    """Return the records whose person a clerk has decided: the columns of :func:`labelled_records`."""
    found = []
    for source_index, records in enumerate(sources):
        links = placement.links[records.source.name]
        rows = ((links["method"] == "decided") & links["person_id"].is_not_null()).fill_null(False).arg_true()
        found.append(
            records.frame[rows].with_columns(
                links["person_id"][rows].alias("label"),
                pl.lit(source_index, pl.Int32).alias("source_index"),
                rows.cast(pl.UInt32).alias("position"),
                record_fingerprints(records.source.name, records.frame["record_id"][rows]),
            )
        )
    return pl.concat(found, how="diagonal")
