"""Compare a linkage with the truth, as known for synthetic data: right, false and missed links."""

from dataclasses import replace
from typing import Final

import polars as pl

from linkcore.errors import ProgrammeError
from linkcore.linkage.result import LinkageResult
from linkcore.quality.measured import MeasuredLinkage
from linkcore.quality.measures import Quality
from linkcore.quality.tables import QUALITY_TABLES
from linkcore.schema import ALL

__all__ = [
    "compare_groups_with_truth",
    "compare_with_truth",
    "conflicts_found",
    "estimates_beside_truth",
    "judge_groups",
    "with_truth",
]

_RECORD: Final = ("source", "record_id")
_RIGHT_PERSON: Final = pl.col("entity") == pl.col("person_entity")


def compare_with_truth(linkage: LinkageResult, truth: pl.DataFrame) -> pl.DataFrame:
    """Count right, false and missed links by source and method.

    An entity is a human being, as the truth knows them. The entity of a person is that of the record that defines it.
    For precision, a record is *linked* if another record defines its person, and *right* if that person has the
    record's entity. For recall, each entity has a reference record: its record on the spine, or else its first record
    in order of sources and record ids. All its other records are *findable*. They are *found* if their person has their
    entity and is the person of the reference record.

    ``truth``: ``source``, ``record_id`` and ``entity`` of every record; further rows are ignored.
    Returns one row a source and method: ``records``, ``linked``, ``right``, ``findable``, ``found`` (UInt32). Precision
    is right / linked, recall found / findable.

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
    links = _links_with_truth(linkage, truth).with_row_index("row")
    spine = [source.name for source in linkage.sources if source.spine]
    references = (
        links.sort(~pl.col("source").is_in(spine), "row")
        .unique("entity", keep="first", maintain_order=True)
        .select("entity", reference_row="row", reference_person="person_id")
    )
    links = links.join(references, on="entity", how="left", maintain_order="left")
    linked = ~pl.col("defines")
    findable = pl.col("row") != pl.col("reference_row")
    found = findable & _RIGHT_PERSON & (pl.col("person_id") == pl.col("reference_person"))
    return (
        links.group_by("source", "method", maintain_order=True)
        .agg(
            pl.len().alias("records"),
            linked.sum().alias("linked"),
            (linked & _RIGHT_PERSON).sum().alias("right"),
            findable.sum().alias("findable"),
            found.sum().alias("found"),
        )
        .with_columns(pl.exclude("source", "method").cast(pl.UInt32))
    )


def compare_groups_with_truth(linkage: LinkageResult, truth: pl.DataFrame) -> pl.DataFrame:
    """Judge which records a linkage puts together, by pairs of records and by records.

    ``truth``: ``source``, ``record_id`` and ``entity`` of every record; further rows are ignored.
    Returns the result of :func:`judge_groups` over all records.

    Examples
    --------
    >>> import polars as pl
    >>> from linkcore.link import link
    >>> from linkcore.sources.source import Source
    >>> gp = Source("gp", pl.DataFrame({"nhs_number": ["4010232137"]}), spine=True)
    >>> seen = Source("seen", pl.DataFrame({"nhs_number": ["4010232137", None]}))
    >>> truth = pl.DataFrame({"source": ["gp", "seen", "seen"], "record_id": ["0", "0", "1"], "entity": [7, 7, 7]})
    >>> compare_groups_with_truth(link([gp, seen]), truth).with_columns(pl.exclude("over").round(3)).rows()
    [('pairs', 1.0, 0.333, 0.5), ('records', 1.0, 0.556, 0.714)]
    """
    return judge_groups(_links_with_truth(linkage, truth))


def judge_groups(records: pl.DataFrame) -> pl.DataFrame:
    """Judge groups of records by the entities that the records are of.

    Over *pairs*, precision is the share of the pairs in one group that are of one entity, and recall the share of the
    pairs of one entity that are in one group. An entity of many records has most of the pairs. Over *records*, each
    record counts once: precision is the share of its group that is of its entity, recall the share of its entity that
    is in its group, and the mean over all records is taken (B³: Bagga and Baldwin 1998, "Algorithms for scoring
    coreference chains"). F1 is the harmonic mean of the two.

    ``records``: ``person_id`` (its group) and ``entity`` of each record.
    Returns ``over`` (``pairs``, ``records``), ``precision``, ``recall``, ``f1`` (Float64; null without a pair).

    Examples
    --------
    >>> records = pl.DataFrame({"person_id": [0, 0, 1, 1], "entity": [7, 7, 7, 8]})
    >>> judge_groups(records).rows()
    [('pairs', 0.5, 0.3333333333333333, 0.4), ('records', 0.75, 0.6666666666666666, 0.7058823529411765)]
    """
    size = pl.len().cast(pl.Int64)
    both = records.group_by("person_id", "entity").agg(size.alias("both"))
    of_person = records.group_by("person_id").agg(size.alias("grouped"))
    of_entity = records.group_by("entity").agg(size.alias("true"))
    right, found, true = (
        int((sizes * (sizes - 1) // 2).sum()) for sizes in (both["both"], of_person["grouped"], of_entity["true"])
    )
    shared = both.join(of_person, on="person_id").join(of_entity, on="entity").sort("person_id", "entity")
    squared = (pl.col("both") ** 2).cast(pl.Float64)
    precision, recall = shared.select((squared / pl.col(of)).sum().alias(of) for of in ("grouped", "true")).row(0)
    rates = pl.DataFrame(
        {
            "over": ["pairs", "records"],
            "precision": [right / found if found else None, precision / max(records.height, 1)],
            "recall": [right / true if true else None, recall / max(records.height, 1)],
        },
        schema={"over": pl.String, "precision": pl.Float64, "recall": pl.Float64},
    )
    both_rates = pl.col("precision") + pl.col("recall")
    f1 = pl.when(both_rates > 0).then(2 * pl.col("precision") * pl.col("recall") / both_rates)
    return rates.with_columns(f1.alias("f1"))


def conflicts_found(linkage: LinkageResult, truth: pl.DataFrame) -> pl.DataFrame:
    """Count by source how many wrong and how many true NHS Numbers were flagged as conflicts.

    ``truth``: ``source``, ``record_id``, ``entity`` and ``number_wrong`` (Boolean: the record's NHS Number is another
    entity's) of every record.
    Returns one row a source (UInt32): ``wrong``, the records whose wrong number leads to another person, and ``found``,
    those of them that are flagged; ``true``, the records whose true number leads to their person, and ``false_alarms``,
    those of them that are flagged. A record that defines its person is not counted.

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
    links = _links_with_truth(linkage, truth, "number_wrong")
    linked_by_number = (pl.col("method") == "nhs_number") & ~pl.col("defines")
    wrong = pl.col("number_wrong") & (pl.col("conflict") | (linked_by_number & ~_RIGHT_PERSON))
    true = ~pl.col("number_wrong") & (pl.col("conflict") | (linked_by_number & _RIGHT_PERSON))
    return (
        links.group_by("source", maintain_order=True)
        .agg(
            wrong.sum().alias("wrong"),
            (wrong & pl.col("conflict")).sum().alias("found"),
            true.sum().alias("true"),
            (true & pl.col("conflict")).sum().alias("false_alarms"),
        )
        .with_columns(pl.exclude("source").cast(pl.UInt32))
    )


def with_truth(linkage: MeasuredLinkage, truth: pl.DataFrame) -> Quality:
    """Return the quality of a linkage with the true rates of its fallback beside the estimated ones.

    ``truth``: ``source``, ``record_id`` and ``entity`` of every record; further rows are ignored.
    """
    return replace(linkage.quality, truth=estimates_beside_truth(linkage, truth))


def estimates_beside_truth(linkage: MeasuredLinkage, truth: pl.DataFrame) -> pl.DataFrame:
    """Compare the estimated rates of the fallback with the true ones.

    The rates are of the records without a usable NHS Number that the exact linkage left open. *False links* is the
    share of their probabilistic links that lead to the wrong person. *Missed links* is the share of records without a
    link to the right person, among the records whose person is listed: another record of the person is on the spine or
    has the person's number.

    ``truth``: ``source``, ``record_id`` and ``entity`` of every record; further rows are ignored.
    Returns ``truth`` of :data:`linkcore.quality.tables.QUALITY_TABLES`: one row a measure, for each source with such
    records and for all sources.

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
    links = _links_with_truth(linkage, truth)
    exact_persons = links.filter(pl.col("method").is_in(["spine", "nhs_number"]))["person_id"].unique()
    listed_entities = links.filter("defines", pl.col("person_id").is_in(exact_persons.implode()))["entity"].unique()
    open_links = links.filter(
        pl.col("method").is_in(["probabilistic", "new_person", "unlinked"]),
        ~pl.col("nhs_number_status").is_in(list(linkage.exact.usable)),
    )
    linked = pl.col("method") == "probabilistic"
    listed = pl.col("entity").is_in(listed_entities.implode())
    counts = {
        "false links": ((linked & ~_RIGHT_PERSON).sum().alias("cases"), linked.sum().alias("of")),
        "missed links": ((listed & ~(linked & _RIGHT_PERSON)).sum().alias("cases"), listed.sum().alias("of")),
    }
    with_all = pl.concat([open_links.with_columns(pl.lit(ALL).alias("source")), open_links])
    rates = pl.concat(
        with_all.group_by("source").agg(*cases_and_total).with_columns(pl.lit(measure).alias("measure"))
        for measure, cases_and_total in counts.items()
    )
    position = {name: index for index, name in enumerate([ALL, *(source.name for source in linkage.sources)])}
    return (
        rates.join(_estimates(linkage.quality), on=["source", "measure"], how="left")
        .sort(pl.col("source").replace_strict(position, return_dtype=pl.Int64), "measure")
        .with_columns(pl.when(pl.col("of") > 0).then(pl.col("cases") / pl.col("of")).alias("true"))
        .select(pl.col(name).cast(dtype) for name, dtype in QUALITY_TABLES["truth"].items())
    )


def _estimates(quality: Quality) -> pl.DataFrame:
    columns = ("source", "measure", pl.col("rate").alias("estimated"), "low", "high")
    if quality.fallback is None or quality.fallback.rates.is_empty():
        return pl.DataFrame(schema=QUALITY_TABLES["truth"]).select("source", "measure", "estimated", "low", "high")
    return quality.fallback.rates.filter(dimension=ALL).select(*columns)


def _links_with_truth(linkage: LinkageResult, truth: pl.DataFrame, *columns: str) -> pl.DataFrame:
    """Return the links with their ``entity``, ``columns`` of the truth, ``person_entity`` and ``defines``."""
    links = linkage.links.select(*_RECORD, "person_id", "method", "nhs_number_status", "conflict")
    links = links.join(_checked(truth, "entity", *columns), on=_RECORD, how="left", maintain_order="left")
    unknown = links.select(pl.any_horizontal(pl.col("entity", *columns).is_null()).sum()).item()
    if unknown:
        raise ProgrammeError(f"the truth lacks {unknown} records of the linkage; give the truth of the same sources")
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
        raise ProgrammeError(
            f"the truth lacks the columns {', '.join(missing)}; it has {', '.join(truth.columns)}; add what is missing"
        )
    # The linkage has record ids as text; the truth may have them as row numbers.
    truth = truth.select(pl.col(_RECORD).cast(pl.String), *columns)
    repeated = truth.select(pl.struct(_RECORD).is_duplicated().sum()).item()
    if repeated:
        raise ProgrammeError(
            f"the truth has {repeated} rows that share a source and record id; give each record one row"
        )
    return truth
