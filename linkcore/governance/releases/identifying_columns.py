"""Identifiers under another name: found by what a column holds, whatever it is called."""

from collections.abc import Iterator, Sequence
from typing import Final

import polars as pl

from linkcore.errors import RefusedError
from linkcore.identifiers import birth_date, nhs_number, postcode
from linkcore.identifiers.names import TITLES
from linkcore.identifiers.text import as_text, folded
from linkcore.pseudonyms.stage_one import CODE_TOKEN
from linkcore.sampling import hashes, record_fingerprints

__all__ = ["PERSON", "RECORD", "Sample", "identifying", "names_of", "refuse_identifying"]

PERSON: Final = "linkcore:person"
"""The column of a sample with the person of each row: the position in PERSONS."""

RECORD: Final = "linkcore:record"
"""The column of a sample with the record id of each row; null where the source has none."""

# From about so many rows, a share of one half is known to within 1 in 50.
_SAMPLE_ROWS: Final = 2_000
_VALUE: Final = "value"
_OF_PERSONS: Final = ("given_name", "family_name", "birth_date", "token")
_MOSTLY: Final = 0.5
# By chance, 1 ten-digit number in 11 is a valid NHS Number. If many more are, the column holds NHS Numbers where they
# are known, and local ids where they are not.
_MOSTLY_NUMBERS: Final = 0.25
# Colours, months and wards are also names; no code list has as many of them.
_FEWEST_NAMES: Final = 20
# A single letter may be an initial, but also a code.
_WORD: Final = r"\p{L}{2,}"


class Sample:
    """About 2,000 rows of a table, drawn from its batches by the hash of their record id.

    The order of the rows does not matter where records have ids; without ids, rows are named by their number.

    Examples
    --------
    >>> costs = pl.int_range(4_000, eager=True).alias("cost")
    >>> rows = pl.DataFrame([costs.alias(PERSON), costs.cast(pl.String).alias(RECORD), costs])
    >>> one, other = Sample(["cost"], rows=4_000), Sample(["cost"], rows=4_000)
    >>> one.add(rows)
    >>> for batch in (rows[1_500:], rows[:1_500]):
    ...     other.add(batch)
    >>> set(one.rows()["cost"]) == set(other.rows()["cost"]), 1_900 < one.rows().height < 2_100
    (True, True)
    """

    def __init__(self, columns: Sequence[str], rows: int) -> None:
        self._columns = [PERSON, RECORD, *columns]
        self._below = 2**64 * _SAMPLE_ROWS // max(rows, _SAMPLE_ROWS)
        self._seen = 0
        self._parts: list[pl.DataFrame] = []

    def add(self, batch: pl.DataFrame) -> None:
        """Take the rows of a batch that have the lowest hashes."""
        rows = batch.select(self._columns)
        if self._below < 2**64:
            numbers = pl.int_range(self._seen, self._seen + batch.height).cast(pl.String)
            names = rows.select(pl.col(RECORD).cast(pl.String).fill_null(numbers)).to_series()
            drawn = hashes(record_fingerprints("", names), seed=0, purpose="identifying columns")
            rows = rows.filter(drawn < self._below)
        self._parts.append(rows)
        self._seen += batch.height

    def rows(self) -> pl.DataFrame:
        """Return the rows taken: `PERSON`, `RECORD` and the columns."""
        return pl.concat(self._parts)


def names_of(persons: pl.DataFrame) -> pl.Series:
    """Collect every given and family name of persons once, for comparison with each released column.

    Examples
    --------
    >>> names_of(pl.DataFrame({"given_name": ["ANN", None], "family_name": ["NG", "ANN"]})).sort().to_list()
    ['ANN', 'NG']
    """
    return pl.concat([persons["given_name"].unique(), persons["family_name"].unique()]).drop_nulls().unique()


def refuse_identifying(
    sample: pl.DataFrame,
    columns: Sequence[str],
    persons: pl.DataFrame,
    names: pl.Series,
    *,
    where: str,
    not_identifying: Sequence[str] = (),
) -> None:
    """Refuse a release if a column holds identifiers.

    ``sample``: `PERSON`, `RECORD` and ``columns`` of some rows. Columns in ``not_identifying`` may hold names and
    postcodes, but not the patient's own name.
    """
    # Column by column: Polars would copy the whole of PERSONS, because its columns have different chunks.
    of_persons = [persons[name].gather(sample[PERSON]) for name in _OF_PERSONS]
    found = {}
    for column in columns:
        what = identifying(pl.DataFrame([sample[column].alias(_VALUE), sample[RECORD], *of_persons]), names)
        excused = {"postcodes", "names of the spine"} if column in not_identifying else set()
        if what - excused:
            found[column] = " and ".join(sorted(what - excused))
    if found:
        held = "; ".join(f"{column!r} holds {what}" for column, what in found.items())
        raise RefusedError(
            f"{where}: {held}, under another name; take it out, or derive a column (if its names or postcodes are no "
            "patient's, but those of wards or sites, state the column in the agreement's not_identifying)"
        )


def identifying(sample: pl.DataFrame, names: pl.Series) -> set[str]:
    """Return the kinds of identifiers that make up most of a column.

    ``sample``: ``value`` and `RECORD` of each row, and its person's ``given_name``, ``family_name``, ``birth_date`` and
    ``token``, as in PERSONS of :mod:`linkcore.schema`.

    Examples
    --------
    >>> persons = pl.DataFrame({"given_name": ["ANN"], "family_name": ["NG"], "birth_date": [None], "token": [None]})
    >>> sample = persons.with_columns(pl.lit("seen: Ann").alias("value"), pl.lit("7").alias("linkcore:record"))
    >>> identifying(sample, names_of(persons))
    {"the patient's own name"}
    """
    found: set[str] = set()
    for leaf in _leaves(sample):
        values = leaf.with_columns(as_text(pl.col(_VALUE), leaf.schema[_VALUE]).str.strip_chars().alias("text"))
        values = values.filter(pl.col("text") != "")
        if values.height:
            found.update(_kinds(values, names))
    return found


def _leaves(sample: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Yield the values inside lists and structs, one a row; dtypes that can hold no identifier are left out."""
    dtype = sample.schema[_VALUE]
    if isinstance(dtype, pl.Array):
        yield from _leaves(sample.with_columns(pl.col(_VALUE).arr.to_list()))
    elif isinstance(dtype, pl.List):
        yield from _leaves(sample.explode(_VALUE, empty_as_null=True, keep_nulls=True))
    elif isinstance(dtype, pl.Struct):
        for field in dtype.fields:
            yield from _leaves(sample.with_columns(pl.col(_VALUE).struct.field(field.name).alias(_VALUE)))
    elif dtype == pl.Binary:
        # Numbers and postcodes are ASCII; other bytes need not be valid text.
        readable = sample.filter(pl.col(_VALUE).bin.encode("hex").str.contains("^(?:[0-7].)*$"))
        yield readable.with_columns(pl.col(_VALUE).cast(pl.String))
    elif dtype not in (pl.Boolean, pl.Time, pl.Duration, pl.Null, pl.Object):
        yield sample


def _kinds(values: pl.DataFrame, names: pl.Series) -> Iterator[str]:
    """Yield the kinds of identifiers found: a cheap look first, because reading identifiers is slow."""
    distinct = values.group_by("text").agg(pl.len().alias("rows"), pl.col(_VALUE).first())
    likely = distinct.select(_share(looks).alias(name) for name, looks in _LOOKS.items()).row(0, named=True)
    if likely["number"] > _MOSTLY_NUMBERS:
        status = nhs_number.standardise(pl.col("text"), dtype=pl.String()).struct.field("status")
        if distinct.select(_share(status.is_in(list(nhs_number.NUMBERED)))).item() > _MOSTLY_NUMBERS:
            yield "NHS Numbers"
    if _share_of_rows(values, pl.col("text") == pl.col(RECORD)) > _MOSTLY:
        yield "record ids"
    code = pl.lit(CODE_TOKEN) + pl.col("text").str.to_lowercase().str.head(32)
    if likely["code"] > _MOSTLY and _share_of_rows(values, code == pl.col("token")) > _MOSTLY:
        yield "stage-1 codes"
    if likely["date"] > _MOSTLY:
        born = birth_date.standardise(pl.col(_VALUE), dtype=values.schema[_VALUE]).struct.field("value")
        dated = _beside(values, distinct.select("text", born.alias("born")))
        if _share_of_rows(dated, pl.col("born") == pl.col("birth_date")) > _MOSTLY:
            yield "the patient's own birth date"
    if likely["postcode"] > _MOSTLY:
        status = postcode.standardise(pl.col("text")).struct.field("status")
        if distinct.select(_share(status == "valid")).item() > _MOSTLY:
            yield "postcodes"
    if likely["words"] > _MOSTLY:
        yield from _names(values, distinct, names)


def _names(values: pl.DataFrame, distinct: pl.DataFrame, names: pl.Series) -> Iterator[str]:
    worded = distinct.select(
        "text", "rows", _words(folded(pl.col("text"))).list.set_difference(list(TITLES)).alias("words")
    )
    own = _words(pl.concat_str("given_name", "family_name", separator=" ", ignore_nulls=True))
    beside = _beside(values, worded)
    if _share_of_rows(beside, pl.col("words").list.set_intersection(own).list.len() > 0) > _MOSTLY:
        yield "the patient's own name"
    worded = worded.filter(pl.col("words").list.len() > 0)
    if worded.height < _FEWEST_NAMES:
        return
    words = worded["words"].explode(empty_as_null=True, keep_nulls=True).unique()
    known = names.filter(names.is_in(words.implode()))
    unknown = pl.col("words").list.set_difference(pl.lit(known.implode())).list.len()
    if worded.select((unknown == 0).mean()).item() > _MOSTLY:
        yield "names of the spine"


# The least that a value must look like to be an identifier. A date may be a number: a spreadsheet's, or 20010203.
_LOOKS: Final = {
    "number": pl.col("text").str.count_matches("[0-9]").is_between(9, 20),
    "date": pl.col("text").str.contains("[0-9]") & (pl.col("text").str.len_chars() >= 5),
    "postcode": pl.col("text").str.contains(r"(?i)^\W*[A-Z0-9]{2,4}\W*[0-9OIS][A-Z0-9]{2}\W*$"),
    "code": pl.col("text").str.contains("^[0-9A-Fa-f]{32,64}$"),
    "words": pl.col("text").str.contains(_WORD),
}


def _words(text: pl.Expr) -> pl.Expr:
    return text.str.extract_all(_WORD)


def _beside(values: pl.DataFrame, distinct: pl.DataFrame) -> pl.DataFrame:
    """Join what was found out about each text to every row that has it."""
    return values.join(distinct, on="text", how="left", maintain_order="left")


def _share(holds: pl.Expr) -> pl.Expr:
    return (holds * pl.col("rows")).sum() / pl.col("rows").sum()


def _share_of_rows(values: pl.DataFrame, holds: pl.Expr) -> float:
    # Null where there is nothing to compare with: such a row does not count.
    return float(values.select(holds.mean()).item() or 0)
