"""Read the answers of a clerical review, and count how many of them a linkage agrees with."""

from pathlib import Path
from typing import Final

import polars as pl

from linkcore.errors import ProgrammeError, SourceError
from linkcore.linkage.result import LinkageResult
from linkcore.sources.formats.csv_files import CsvFile
from linkcore.spreadsheets import unguarded

__all__ = ["PAIR", "read_review", "review_agreement"]

PAIR: Final = ("source", "record_id", "person_source", "person_record_id")
"""The columns that identify a record and the person it was compared with."""

_ANSWERS: Final = ("match", "no", "unsure")


def read_review(path: str | Path, *, encoding: str = "utf-8", separator: str = ",") -> pl.DataFrame:
    r"""Read the answers of a clerical review.

    Parameters
    ----------
    path : path
        The file that :meth:`linkcore.Linkage.clerical_review` wrote, with ``answer`` filled in: ``match``, ``no`` or
        ``unsure``, in any case; empty means not answered. Added columns are ignored.
    encoding : str
        Encoding of the file: ``"utf-8"`` (with or without byte order mark), or the one a spreadsheet saved it in.
    separator : str
        The single character between values.

    Returns
    -------
    polars.DataFrame
        Labels: ``source``, ``record_id``, ``person_source`` and ``person_record_id`` (the record that defines the
        person), ``match`` (Boolean), in the order of the file, each pair once. Unsure and empty answers are left out.

    Raises
    ------
    SourceError
        If the file cannot be read, lacks a column, or holds an unknown answer, two answers for one pair, or two
        matches for one record. The error names rows (the header is row 1) and quotes no value.

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
        raise ProgrammeError(f"encoding is {encoding!r}; give an encoding that Python knows, such as 'utf-8'") from None
    missing = [name for name in (*PAIR, "answer") if name not in header]
    if missing:
        raise SourceError(f"{place} has no column {', '.join(missing)}; keep all columns of the file that was written")
    read = pl.concat(list(file.batches([*PAIR, "answer"])))
    answers = read.select(
        pl.int_range(2, pl.len() + 2).alias("row"),
        *(unguarded(pl.col(name)) for name in PAIR),
        pl.col("answer").str.strip_chars().str.to_lowercase().replace("", None),
    ).filter(pl.col("answer").is_not_null())
    _refuse(answers, ~pl.col("answer").is_in(_ANSWERS), place, f"the answer is not one of {', '.join(_ANSWERS)}")
    nameless = pl.any_horizontal(pl.col(*PAIR).is_null() | (pl.col(*PAIR) == ""))
    _refuse(answers, nameless, place, "a column that names the record or the person is empty")
    contradicted = pl.col("answer").n_unique().over(PAIR) > 1
    _refuse(answers, contradicted, place, "the same pair has two different answers")
    answers = answers.unique(PAIR, keep="first", maintain_order=True)
    is_match = pl.col("answer") == "match"
    matched_twice = is_match & (is_match.sum().over("source", "record_id") > 1)
    _refuse(answers, matched_twice, place, "one record matches two persons; keep the better match only")
    sure = answers.filter(pl.col("answer") != "unsure")
    return sure.select(*PAIR, (pl.col("answer") == "match").alias("match"))


def _refuse(answers: pl.DataFrame, wrong: pl.Expr, place: str, what: str) -> None:
    rows = answers.filter(wrong)["row"]
    if rows.len():
        more = f" and {rows.len() - 5} more" if rows.len() > 5 else ""
        raise SourceError(
            f"{place}, rows {', '.join(map(str, rows.head(5)))}{more}: {what}; correct the file and read it again"
        )


def review_agreement(linkage: LinkageResult, labels: pl.DataFrame) -> pl.DataFrame:
    """Count how many answers of a clerical review a linkage agrees with.

    Parameters
    ----------
    linkage : LinkageResult
        The linkage that was reviewed, or another one of the same sources.
    labels : polars.DataFrame
        Labels from :func:`read_review`.

    Returns
    -------
    polars.DataFrame
        One row for each source, in the order of the linkage: ``answers``; ``linked_match`` (linked, and the clerk
        agrees); ``linked_no`` (linked, but the clerk says no: a false link); ``apart_match`` (not linked, but the clerk
        says match: a missed link); ``apart_no`` (not linked, and the clerk agrees); and ``lost`` (the record or the
        person is no longer in the linkage).

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
    positions = {source.name: position for position, source in enumerate(linkage.sources)}
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
        .sort(pl.col("source").replace_strict(positions, default=len(positions), return_dtype=pl.Int64), "source")
    )
