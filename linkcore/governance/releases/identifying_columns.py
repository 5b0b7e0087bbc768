"""Identifiers under another name: found by looking at what a column holds, whatever it is called."""

from collections.abc import Iterator, Sequence
from typing import Final

import polars as pl

from linkcore.errors import RefusedError
from linkcore.identifiers import birth_date, nhs_number, postcode
from linkcore.identifiers.names import TITLES
from linkcore.identifiers.text import as_text, folded
from linkcore.pseudonyms.stage_one import CODE_TOKEN

__all__ = ["PERSON", "RECORD", "Sample", "identifying", "names_of", "refuse_identifying"]

PERSON: Final = "linkcore:person"
"""The column of a sample that says whose record each row is: the person's position in PERSONS."""

RECORD: Final = "linkcore:record"
"""The column of a sample with the row's own record id; null where that is only a row number."""

# From about so many rows, a share of one half is known to within 1 in 50.
_SAMPLE_ROWS: Final = 2_000
_VALUE: Final = "value"
_THEIR_OWN: Final = ("given_name", "family_name", "birth_date", "token")
_MOSTLY: Final = 0.5
# By chance 1 ten-digit number in 11 is a valid NHS Number. A column of local ids in which more are holds NHS Numbers
# where they are known, and something else where they are not.
_MOSTLY_NUMBERS: Final = 0.25
# Colours, months and wards are surnames and given names, too; no code list has so many that are.
_FEWEST_NAMES: Final = 20
# A single letter is an initial, and as well the value of many a code list.
_WORD: Final = r"\p{L}{2,}"


class Sample:
    """About 2,000 rows of a table, evenly spread, taken from its batches.

    Examples
    --------
    >>> sample = Sample(["cost"], rows=4_000)
    >>> for start in (0, 1_500):
    ...     costs = range(start, start + 2_500 if start else 1_500)
    ...     sample.add(pl.DataFrame({PERSON: costs, RECORD: costs, "cost": costs}))
    >>> sample.rows()["cost"].to_list() == list(range(0, 4_000, 2))
    True
    """

    def __init__(self, columns: Sequence[str], rows: int) -> None:
        self._columns = [PERSON, RECORD, *columns]
        self._step = max(1, rows // _SAMPLE_ROWS)
        self._seen = 0
        self._parts: list[pl.DataFrame] = []

    def add(self, batch: pl.DataFrame) -> None:
        """Take every so-many-th row of a batch, counted across batches."""
        self._parts.append(batch.select(self._columns).gather_every(self._step, -self._seen % self._step))
        self._seen += batch.height

    def rows(self) -> pl.DataFrame:
        """Return the rows taken: `PERSON`, `RECORD` and the columns."""
        return pl.concat(self._parts)


def names_of(persons: pl.DataFrame) -> pl.Series:
    """Give every given and family name that persons have, once, to be looked in for each column of a release.

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
    looked_at: Sequence[str] = (),
) -> None:
    """Refuse a release where a column holds identifiers.

    ``sample``: rows of a source: ``columns``, `PERSON` and `RECORD`.
    """
    # Column by column, since Polars copies whole frames whose columns are cut differently, as those of PERSONS are.
    whose = [persons[name].gather(sample[PERSON]) for name in _THEIR_OWN]
    found = {}
    for column in columns:
        what = identifying(pl.DataFrame([sample[column].alias(_VALUE), sample[RECORD], *whose]), names)
        excused = {"postcodes", "names of the spine"} if column in looked_at else set()
        if what - excused:
            found[column] = " and ".join(sorted(what - excused))
    if found:
        held = "; ".join(f"{column!r} holds {what}" for column, what in found.items())
        raise RefusedError(
            f"{where}: {held}, under another name; take it out, or derive a column of it (names and postcodes that are "
            "no patient's, such as of wards and sites, are released where the agreement's not_identifying says so)"
        )


def identifying(sample: pl.DataFrame, names: pl.Series) -> set[str]:
    """Say what kinds of identifiers a column holds mostly.

    ``sample``: ``value``, `RECORD`, and of PERSONS of :mod:`linkcore.schema` each row's person's ``given_name``,
    ``family_name``, ``birth_date`` and ``token``.

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
    """Give the values inside lists and structs a row each; what can hold no identifier is left out."""
    dtype = sample.schema[_VALUE]
    if isinstance(dtype, pl.Array):
        yield from _leaves(sample.with_columns(pl.col(_VALUE).arr.to_list()))
    elif isinstance(dtype, pl.List):
        yield from _leaves(sample.explode(_VALUE, empty_as_null=True, keep_nulls=True))
    elif isinstance(dtype, pl.Struct):
        for field in dtype.fields:
            yield from _leaves(sample.with_columns(pl.col(_VALUE).struct.field(field.name).alias(_VALUE)))
    elif dtype == pl.Binary:
        # Numbers and postcodes are ASCII; other bytes cannot be read as text at all.
        readable = sample.filter(pl.col(_VALUE).bin.encode("hex").str.contains("^(?:[0-7].)*$"))
        yield readable.with_columns(pl.col(_VALUE).cast(pl.String))
    elif dtype not in (pl.Boolean, pl.Time, pl.Duration, pl.Null, pl.Object):
        yield sample


def _kinds(values: pl.DataFrame, names: pl.Series) -> Iterator[str]:
    """Say what a column's values are: first what they could be at all, since reading identifiers is dear."""
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
    asked = worded["words"].explode(empty_as_null=True, keep_nulls=True).unique()
    known = names.filter(names.is_in(asked.implode()))
    strange = pl.col("words").list.set_difference(pl.lit(known.implode())).list.len()
    if worded.select((strange == 0).mean()).item() > _MOSTLY:
        yield "names of the spine"


# What a value must look like at the least to be one; a date may be a number, of a spreadsheet or as 20010203.
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
    """Put what was found of each text beside every row that has it."""
    return values.join(distinct, on="text", how="left", maintain_order="left")


def _share(holds: pl.Expr) -> pl.Expr:
    return (holds * pl.col("rows")).sum() / pl.col("rows").sum()


def _share_of_rows(values: pl.DataFrame, holds: pl.Expr) -> float:
    # Null where there is nothing to compare with, and out of the share then.
    return float(values.select(holds.mean()).item() or 0)
