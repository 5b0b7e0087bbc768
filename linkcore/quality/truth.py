"""Compare a linkage with the known truth: which links are wrong, and which are missing."""

from dataclasses import replace
from typing import Final

import polars as pl

from linkcore.errors import ProgrammeError
from linkcore.linkage.result import LinkageResult
from linkcore.quality.measured_linkage import MeasuredLinkage
from linkcore.quality.measures import Quality
from linkcore.quality.tables import QUALITY_TABLES
from linkcore.schema import ALL

__all__ = ["compare_with_truth", "conflicts_found", "estimates_beside_truth", "with_truth"]

_RECORD: Final = ("source", "record_id")


def compare_with_truth(linkage: LinkageResult, truth: pl.DataFrame) -> pl.DataFrame:
    """Count right, wrong and missed links by source and method.

    A person has the entity of the record that defines it. For precision, a record is *linked* if another record defines
    its person, and *right* if that person has the record's entity. A record that defines its person is not a link. For
    recall, each entity has one reference record: its record on the spine, or else its first by source and record id.
    Its other records are *findable*; they are *found* if their person has their entity and is the reference's person.

    ``truth``: ``source``, ``record_id`` and ``entity`` of every record; other rows are ignored.
    Returns one row for each source and method: ``records``, ``linked``, ``right``, ``findable``, ``found`` (UInt32).
    Precision is right / linked, recall is found / findable.

    Examples
    --------
    >>> import polars as pl
    >>> from linkcore.link import link
    >>> from linkcore.sources.source import Source
    >>> gp = Source("gp", pl.DataFrame({"nhs_number": ["4010232137"]}), spine=True)
    >>> seen = Source("seen", pl.DataFrame({"nhs_number": ["4010232137", None]}))
    >>> truth = pl.DataFrame({"source": ["gp", "seen", "seen"], "record_id": ["0", "0", "1"], "entity": [7, 7, 7]})
    >>> compare_with_truth(link([gp, seen]), truth).rows()
    [('gp', 'spine', 1, 0, 0, 0, 0), ('seen', 'nhs_number', 1, 1, 1, 1, 1), ('seen', 'unlinked', 1, 0, 0, 1, 0)]
    """
    judged = _beside_truth(linkage, truth)
    spine = [source.name for source in linkage.sources if source.spine]
    references = (
        judged.with_row_index("position")
        .sort(~pl.col("source").is_in(spine), "position")
        .unique("entity", keep="first", maintain_order=True)
        .select("entity", "position", pl.col("person_id").alias("person_of_reference"))
    )
    judged = judged.with_row_index().join(references, on="entity", how="left", maintain_order="left")
    linked = ~pl.col("defines")
    right_person = pl.col("entity") == pl.col("person_entity")
    findable = pl.col("index") != pl.col("position")
    found = findable & right_person & (pl.col("person_id") == pl.col("person_of_reference"))
    return (
        judged.group_by("source", "method", maintain_order=True)
        .agg(
            pl.len().alias("records"),
            linked.sum().alias("linked"),
            (linked & right_person).sum().alias("right"),
            findable.sum().alias("findable"),
            found.sum().alias("found"),
        )
        .with_columns(pl.exclude("source", "method").cast(pl.UInt32))
    )


def conflicts_found(linkage: LinkageResult, truth: pl.DataFrame) -> pl.DataFrame:
    """Count by source how many wrong NHS Numbers were flagged as conflicts, and how many right ones.

    ``truth``: ``source``, ``record_id``, ``entity`` and ``number_wrong`` (Boolean: the record's NHS Number is not its
    entity's) of every record.
    Returns one row for each source (UInt32). ``wrong`` counts records whose number is somebody else's and leads, or
    would have led, to another person; ``found`` counts those that are flagged as conflicts. ``true`` counts records
    whose number leads, or would have led, to their own person; ``false_alarms`` counts those that are flagged. Records
    that define their person are not counted.

    Examples
    --------
    >>> import polars as pl
    >>> from linkcore.link import link
    >>> from linkcore.sources.source import Source
    >>> people = pl.DataFrame({"nhs_number": ["4010232137"] * 2, "given_name": ["ANNA", "PETER"],
    ...                        "family_name": ["SMITH", "OKAFOR"], "birth_date": ["1980-02-03", "2011-07-28"]})
    >>> truth = pl.DataFrame({"source": ["gp", "seen", "seen"], "record_id": ["0", "0", "1"], "entity": [7, 7, 8],
    ...                       "number_wrong": [False, False, True]})
    >>> conflicts_found(link([Source("gp", people[:1], spine=True), Source("seen", people)]), truth).rows()
    [('gp', 0, 0, 0, 0), ('seen', 1, 1, 1, 0)]
    """
    judged = _beside_truth(linkage, truth, "number_wrong")
    right_person = pl.col("entity") == pl.col("person_entity")
    by_number = (pl.col("method") == "nhs_number") & ~pl.col("defines")
    wrong = pl.col("number_wrong") & (pl.col("conflict") | (by_number & ~right_person))
    true = ~pl.col("number_wrong") & (pl.col("conflict") | (by_number & right_person))
    return (
        judged.group_by("source", maintain_order=True)
        .agg(
            wrong.sum().alias("wrong"),
            (wrong & pl.col("conflict")).sum().alias("found"),
            true.sum().alias("true"),
            (true & pl.col("conflict")).sum().alias("false_alarms"),
        )
        .with_columns(pl.exclude("source").cast(pl.UInt32))
    )


def with_truth(linkage: MeasuredLinkage, truth: pl.DataFrame) -> Quality:
    """Return the quality of a linkage with ``truth``: the true rates of its fallback beside the estimated ones.

    ``truth``: ``source``, ``record_id`` and ``entity`` of every record; other rows are ignored.
    """
    return replace(linkage.quality, truth=estimates_beside_truth(linkage, truth))


def estimates_beside_truth(linkage: MeasuredLinkage, truth: pl.DataFrame) -> pl.DataFrame:
    """Compare the rates that the fallback estimated with the true rates of the same links and records.

    Both rates are about records without a usable NHS Number that the exact linkage left open. *False links* is the
    share of probabilistic links that lead to the wrong person. *Missed links* is the share of records that are not
    linked to the right person, among those whose person has another record on the spine or with the person's number.

    ``truth``: ``source``, ``record_id`` and ``entity`` of every record; other rows are ignored.
    Returns ``truth`` of :mod:`linkcore.quality.tables`, with rows for each source that has such records and for all.

    Examples
    --------
    >>> from linkcore.link import link
    >>> from linkcore.sources.source import Source
    >>> gp = Source("gp", pl.DataFrame({"nhs_number": ["4010232137"]}), spine=True)
    >>> seen = Source("seen", pl.DataFrame({"nhs_number": ["4010232137", None]}))
    >>> truth = pl.DataFrame({"source": ["gp", "seen", "seen"], "record_id": ["0", "0", "1"], "entity": [7, 7, 7]})
    >>> linked = link([gp, seen])
    >>> estimates_beside_truth(linked, truth).select("source", "measure", "true", "cases", "of").rows()[2:]
    [('seen', 'false links', None, 0, 0), ('seen', 'missed links', 1.0, 1, 1)]
    """
    judged = _beside_truth(linkage, truth)
    by_number = judged.filter(pl.col("method").is_in(["spine", "nhs_number"]))["person_id"].unique()
    known = judged.filter("defines", pl.col("person_id").is_in(by_number.implode()))["entity"].unique()
    left_open = judged.filter(
        pl.col("method").is_in(["probabilistic", "new_person", "unlinked"]),
        ~pl.col("nhs_number_status").is_in(list(linkage.exact.usable)),
    )
    linked, right_person = pl.col("method") == "probabilistic", pl.col("entity") == pl.col("person_entity")
    listed = pl.col("entity").is_in(known.implode())
    counted = {
        "false links": ((linked & ~right_person).sum().alias("cases"), linked.sum().alias("of")),
        "missed links": ((listed & ~(linked & right_person)).sum().alias("cases"), listed.sum().alias("of")),
    }
    order = {name: position for position, name in enumerate([ALL, *(source.name for source in linkage.sources)])}
    both = pl.concat([left_open.with_columns(pl.lit(ALL).alias("source")), left_open])
    rates = pl.concat(
        both.group_by("source").agg(*counts).with_columns(pl.lit(measure).alias("measure"))
        for measure, counts in counted.items()
    )
    return (
        rates.join(_estimates(linkage.quality), on=["source", "measure"], how="left")
        .sort(pl.col("source").replace_strict(order, return_dtype=pl.Int64), "measure")
        .with_columns(pl.when(pl.col("of") > 0).then(pl.col("cases") / pl.col("of")).alias("true"))
        .select(pl.col(name).cast(dtype) for name, dtype in QUALITY_TABLES["truth"].items())
    )


def _estimates(quality: Quality) -> pl.DataFrame:
    columns = ("source", "measure", pl.col("rate").alias("estimated"), "low", "high")
    if quality.fallback is None or quality.fallback.rates.is_empty():
        return pl.DataFrame(schema=QUALITY_TABLES["truth"]).select("source", "measure", "estimated", "low", "high")
    return quality.fallback.rates.filter(dimension=ALL, weighting="reweighted").select(*columns)


def _beside_truth(linkage: LinkageResult, truth: pl.DataFrame, *further: str) -> pl.DataFrame:
    """Add to each link the entity of its record and of its person, and whether the record defines its person."""
    links = linkage.links.select(*_RECORD, "person_id", "method", "nhs_number_status", "conflict")
    links = links.join(_checked(truth, "entity", *further), on=_RECORD, how="left", maintain_order="left")
    unknown = links.select(pl.any_horizontal(pl.col("entity", *further).is_null()).sum()).item()
    if unknown:
        raise ProgrammeError(f"the truth lacks {unknown} records of the linkage; is it of the same sources?")
    defining = linkage.persons.select("person_id", *_RECORD).join(
        links.select(*_RECORD, pl.col("entity").alias("person_entity")), on=_RECORD
    )
    links = links.join(defining.select("person_id", "person_entity"), on="person_id", how="left", maintain_order="left")
    defines = defining.select(*_RECORD, pl.lit(True).alias("defines"))
    return links.join(defines, on=_RECORD, how="left", maintain_order="left").with_columns(
        pl.col("defines").fill_null(False)
    )


def _checked(truth: pl.DataFrame, *columns: str) -> pl.DataFrame:
    missing = [name for name in (*_RECORD, *columns) if name not in truth.columns]
    if missing:
        raise ProgrammeError(f"the truth lacks the columns {', '.join(missing)}; it has {', '.join(truth.columns)}")
    # Record ids of the linkage are text; in the truth they may be row numbers.
    truth = truth.select(pl.col(_RECORD).cast(pl.String), *columns)
    repeated = truth.select(pl.struct(_RECORD).is_duplicated().sum()).item()
    if repeated:
        raise ProgrammeError(f"the truth: {repeated} of its rows share a source and record id; give one row a record")
    return truth
