"""Clerical review: the records that linkcore is least certain of, as a file to fill in; and the answers, as labels."""

from pathlib import Path
from typing import Final

import polars as pl

from linkcore.errors import ProgrammeError, RefusedError, SourceError
from linkcore.files import new_file
from linkcore.linkage.fallback.result import Probabilistic
from linkcore.linkage.result import LinkageResult
from linkcore.schema import FURTHER
from linkcore.sources.formats.csv_files import CsvFile
from linkcore.spreadsheets import guarded, unguarded

__all__ = ["clerical_review", "read_review", "review_agreement"]

_NAMED_BY: Final = ("source", "record_id", "person_source", "person_record_id")
_ANSWERS: Final = ("match", "no", "unsure")

# In bits. It is that of a candidate with a probability of 0.99, or of 0.01: what is surer need not be asked.
_UNCERTAIN: Final = 0.08

# Who has more candidates to choose from does not compare, but guess.
_MOST_CANDIDATES: Final = 10


def clerical_review(linkage: LinkageResult, path: str | Path, *, identifiable: bool = False, records: int = 200) -> int:
    """Write the most uncertain records to a file; see :meth:`linkcore.link.Linkage.clerical_review`."""
    if not identifiable:
        raise RefusedError(
            "the file for clerical review shows names, birth dates and addresses of records and of whom they might be "
            "of; whoever may see them asks with identifiable=True"
        )
    if records < 1:
        raise ProgrammeError(f"records is {records}; it is 1 or more")
    if linkage.probabilistic is None:
        raise ProgrammeError("there is nothing to review: the probabilistic linkage was left out")
    chosen = _chosen(linkage.probabilistic, [each.name for each in linkage.sources], records)
    text = _pairs(linkage, linkage.probabilistic, chosen).write_csv(quote_style="always", include_bom=True)
    with new_file(Path(path)) as file:
        file.write_bytes(text.encode("utf-8"))
    return chosen.height


def _chosen(probabilistic: Probabilistic, names: list[str], records: int) -> pl.DataFrame:
    """Choose the most uncertain records, stratified by source: ``source``, ``record_id``, ``review_id``.

    A source's turns are those of Sainte-Laguë's method, for seats in proportion to the square root of how many of its
    records are uncertain; but the first turn of every source comes before all others.
    """
    uncertain = _entropy(probabilistic.candidates).filter(pl.col("entropy") >= _UNCERTAIN)
    orders = {name: order for order, name in enumerate(names)}
    turn = pl.int_range(1, pl.len() + 1).over("source")
    return (
        uncertain.sort("entropy", "record_id", descending=[True, False])
        .with_columns(turn.alias("turn"), pl.len().over("source").sqrt().alias("share"))
        .with_columns(
            (pl.col("share") / (2 * pl.col("turn") - 1)).alias("claim"),
            pl.col("source").replace_strict(orders, return_dtype=pl.Int64).alias("order"),
            (pl.col("turn") > 1).alias("again"),
        )
        .sort("again", "claim", "order", "turn", descending=[False, True, False, False])
        .head(records)
        .select("source", "record_id", pl.int_range(1, pl.len() + 1).alias("review_id"))
    )


def _entropy(candidates: pl.DataFrame) -> pl.DataFrame:
    """Give the Shannon entropy, in bits, over the candidates of each record and that it is of none of them."""
    probability = pl.col("match_probability")
    nobody = (1 - probability.sum()).clip(0, 1)
    bits = [-(p * p.log(2)).fill_nan(0.0) for p in (probability, nobody)]
    return candidates.group_by("source", "record_id", maintain_order=True).agg(
        # Rounded, so that the order of a sum cannot decide who comes first.
        (bits[0].sum() + bits[1]).round(9).alias("entropy")
    )


def _pairs(linkage: LinkageResult, probabilistic: Probabilistic, chosen: pl.DataFrame) -> pl.DataFrame:
    """Lay out a row for each record and candidate, the values of both side by side."""
    persons = linkage.persons.select("person_id", person_source="source", person_record_id="record_id")
    pairs = (
        probabilistic.candidates.join(chosen, on=["source", "record_id"])
        .sort("review_id", "match_probability", "match_weight", "person_id", descending=[False, True, True, False])
        .filter(pl.int_range(pl.len()).over("review_id") < _MOST_CANDIDATES)
        .join(persons, on="person_id", how="left", maintain_order="left")
    )
    record = _shown(probabilistic.records, "record").hstack(probabilistic.records.select("source", "record_id"))
    person = _shown(linkage.persons, "person").hstack(linkage.persons.select("person_id"))
    beside = pairs.join(record, on=["source", "record_id"], how="left", maintain_order="left").join(
        person, on="person_id", how="left", maintain_order="left"
    )
    fields = [name.removeprefix("record_") for name in record.columns if name not in _NAMED_BY]
    sides = [f"{side}_{name}" for name in fields for side in ("record", "person") if f"{side}_{name}" in beside.columns]
    return beside.select(
        pl.col("review_id").cast(pl.String),
        *(guarded(pl.col(name)) for name in ("source", "person_source")),
        # A spreadsheet would make numbers and dates of ids, and they would name no record any more.
        *(("'" + pl.col(name)).alias(name) for name in ("record_id", "person_record_id")),
        *(guarded(pl.col(name)) for name in sides),
        pl.lit("").alias("answer"),
    ).select("review_id", *_NAMED_BY, *sides, "answer")


def _shown(frame: pl.DataFrame, side: str) -> pl.DataFrame:
    """Give what a person compares, as text. Not the NHS Number: the record has none, or one that misleads."""
    date = pl.coalesce(pl.col("birth_date").dt.to_string("%Y-%m-%d"), "birth_date_text").alias("birth_date")
    names = ["gender", "postcode", "address", *(name for name in frame.columns if name.startswith(FURTHER))]
    shown = frame.select("given_name", "family_name", date, *(pl.col(name).cast(pl.String) for name in names))
    return shown.rename({name: f"{side}_{name}" for name in shown.columns})


def read_review(path: str | Path, *, encoding: str = "utf-8", separator: str = ",") -> pl.DataFrame:
    r"""Read the answers of a clerical review.

    Parameters
    ----------
    path : path
        The file that :meth:`linkcore.Linkage.clerical_review` wrote, with ``answer`` filled in: ``match``, ``no`` or
        ``unsure``, in any case; an empty one is a question that was not answered. Columns may have been added.
    encoding : str
        Of the file: ``"utf-8"`` (with or without byte order mark), or what a spreadsheet made of it.
    separator : str
        The one character between values.

    Returns
    -------
    polars.DataFrame
        Labels: ``source``, ``record_id``, ``person_source`` and ``person_record_id`` (the record that defines the
        person), ``match`` (Boolean), in the order of the file, each pair once. What is unsure, or empty, is not there.

    Raises
    ------
    SourceError
        If the file cannot be read, lacks a column, or holds an answer that is none, two answers for one pair, or two
        matches for one record. It names rows (the header is row 1), and quotes no value.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "review.csv")
    ...     _ = file.write_text("source,record_id,person_source,person_record_id,answer\nseen,'007,gp,'12,Match\n")
    ...     read_review(file).rows()
    [('seen', '007', 'gp', '12', True)]
    """
    path = Path(path)
    place = f"the clerical review {path}"
    try:
        file = CsvFile("clerical review", path, encoding=encoding, separator=separator)
        header = file.header()
    except LookupError:
        raise ProgrammeError(f"encoding is {encoding!r}; give a codec of Python, as in 'utf-8'") from None
    missing = [name for name in (*_NAMED_BY, "answer") if name not in header]
    if missing:
        raise SourceError(f"{place} has no column {', '.join(missing)}; keep the columns that were written")
    read = pl.concat(list(file.batches([*_NAMED_BY, "answer"])))
    answers = read.select(
        pl.int_range(2, pl.len() + 2).alias("row"),
        *(unguarded(pl.col(name)) for name in _NAMED_BY),
        pl.col("answer").str.strip_chars().str.to_lowercase().replace("", None),
    ).filter(pl.col("answer").is_not_null())
    _refuse(answers, ~pl.col("answer").is_in(_ANSWERS), place, f"the answer is not one of {', '.join(_ANSWERS)}")
    nameless = pl.any_horizontal(pl.col(*_NAMED_BY).is_null() | (pl.col(*_NAMED_BY) == ""))
    _refuse(answers, nameless, place, "a column that names the record or the person is empty")
    contradicted = pl.col("answer").n_unique().over(_NAMED_BY) > 1
    _refuse(answers, contradicted, place, "one pair is answered in two ways")
    answers = answers.unique(_NAMED_BY, keep="first", maintain_order=True)
    twice = (pl.col("answer") == "match") & ((pl.col("answer") == "match").sum().over("source", "record_id") > 1)
    _refuse(answers, twice, place, "one record matches two persons; let the better match stand alone")
    sure = answers.filter(pl.col("answer") != "unsure")
    return sure.select(*_NAMED_BY, (pl.col("answer") == "match").alias("match"))


def _refuse(answers: pl.DataFrame, wrong: pl.Expr, place: str, what: str) -> None:
    rows = answers.filter(wrong)["row"]
    if rows.len():
        more = f" and {rows.len() - 5} more" if rows.len() > 5 else ""
        raise SourceError(
            f"{place}, rows {', '.join(map(str, rows.head(5)))}{more}: {what}; mend it, and read it again"
        )


def review_agreement(linkage: LinkageResult, labels: pl.DataFrame) -> pl.DataFrame:
    """Count how many answers of a clerical review a linkage agrees with.

    Parameters
    ----------
    linkage : LinkageResult
        The linkage that was reviewed, or another one of the same sources.
    labels : polars.DataFrame
        Of :func:`read_review`.

    Returns
    -------
    polars.DataFrame
        By source, in the order of its sources: ``answers``; of those, ``linked_match`` (linked, and the clerk agrees),
        ``linked_no`` (linked, and the clerk says no: a false link), ``apart_match`` (not linked, but the clerk would
        have: a missed link), ``apart_no``; and ``lost``, whose records are not there any more.

    Examples
    --------
    >>> from linkcore.link import link
    >>> from linkcore.sources.source import Source
    >>> number = pl.DataFrame({"nhs_number": ["4010232137"]})
    >>> linkage = link([Source("gp", number, spine=True), Source("seen", number)])
    >>> labels = pl.DataFrame({"source": ["seen"], "record_id": ["0"], "person_source": ["gp"],
    ...                        "person_record_id": ["0"], "match": [False]})
    >>> review_agreement(linkage, labels).row(0, named=True)
    {'source': 'seen', 'answers': 1, 'linked_match': 0, 'linked_no': 1, 'apart_match': 0, 'apart_no': 0, 'lost': 0}
    """
    ids = linkage.links.select("source", "record_id", "person_id")
    theirs = ids.rename({"source": "person_source", "record_id": "person_record_id", "person_id": "other"})
    judged = labels.join(ids, on=["source", "record_id"], how="left").join(
        theirs, on=["person_source", "person_record_id"], how="left"
    )
    linked, match = pl.col("person_id") == pl.col("other"), pl.col("match")
    order = {each.name: order for order, each in enumerate(linkage.sources)}
    return (
        judged.group_by("source")
        .agg(
            pl.len().alias("answers"),
            (linked & match).sum().alias("linked_match"),
            (linked & ~match).sum().alias("linked_no"),
            (~linked & match).sum().alias("apart_match"),
            (~linked & ~match).sum().alias("apart_no"),
            linked.is_null().sum().alias("lost"),
        )
        .sort(pl.col("source").replace_strict(order, default=len(order), return_dtype=pl.Int64), "source")
    )
