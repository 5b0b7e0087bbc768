"""Pseudonyms of persons: the text that is hashed for a person, and the change from one key to another."""

from typing import Final

import polars as pl

from linkcore.errors import ProgrammeError, SourceError
from linkcore.identifiers.nhs_number import digits
from linkcore.keys.key import Key
from linkcore.pseudonyms.pseudonymise import pseudonymise
from linkcore.pseudonyms.stage_one import CODE_TOKEN

__all__ = ["PERSON_PREFIX", "person_name", "pseudonym_mapping", "repseudonymise"]

PERSON_PREFIX: Final = "linkcore:person:"
"""Prefix of a person's token, so that no token is hashed like an NHS Number."""


def person_name() -> pl.Expr:
    """Return the text of each of PERSONS that is hashed to the person's pseudonym.

    It is the stage-1 code in ``token``, else the ten digits of ``nhs_number``, else `PERSON_PREFIX` and ``token``; null
    if there is none of these.

    Examples
    --------
    >>> persons = pl.DataFrame({"nhs_number": [9434765919, None], "token": [None, "00ff"]})
    >>> persons.select(person_name()).to_series().to_list()
    ['9434765919', 'linkcore:person:00ff']
    """
    token = pl.col("token")
    code = pl.when(token.str.starts_with(CODE_TOKEN)).then(token.str.strip_prefix(CODE_TOKEN))
    name = pl.coalesce(code, digits(pl.col("nhs_number")), pl.lit(PERSON_PREFIX) + token)
    return name.alias("name")


def pseudonym_mapping(persons: pl.DataFrame | pl.LazyFrame, old: Key, new: Key) -> pl.DataFrame:
    """Pair each person's pseudonym under one key with the pseudonym under another.

    A recipient whose key was rotated needs this table to join earlier releases with later ones. Only someone with both
    keys and PERSONS can make it. The table reveals neither a key nor an NHS Number. But whoever has it can join data
    released under the two keys, so never make one between two recipients.

    Parameters
    ----------
    persons : polars.DataFrame or polars.LazyFrame
        PERSONS of :mod:`linkcore.schema`. Only ``nhs_number`` (Int64) and ``token`` (String) are read.
    old, new : Key
        Two versions of one key, or two keys.

    Returns
    -------
    polars.DataFrame
        ``old`` and ``new`` (String, 32 hex digits), one row for each person, in order of ``new``, so that the order of
        ``persons`` is lost.

    Raises
    ------
    ProgrammeError
        A column is missing from ``persons``.

    Examples
    --------
    >>> persons = pl.DataFrame({"nhs_number": [9434765919], "token": [None]}, schema_overrides={"token": pl.String})
    >>> import hashlib
    >>> old = Key.from_bytes("a", hashlib.sha256(b"example").digest())
    >>> new = Key.from_bytes("a", hashlib.sha256(b"next").digest(), version=2)
    >>> pseudonym_mapping(persons, old, new).row(0, named=True)
    {'old': '281d3885abc35f77b3953572ce915c1d', 'new': '1c4e61f4653477319208c2aa5cf19678'}
    """
    lazy = persons.lazy()
    missing = {"nhs_number", "token"} - set(lazy.collect_schema().names())
    if missing:
        raise ProgrammeError(f"persons lacks the columns {', '.join(sorted(missing))}: give the persons of a linkage")
    names = lazy.select(person_name()).drop_nulls().unique()
    return (
        names.select(pseudonymise("name", old).alias("old"), pseudonymise("name", new).alias("new"))
        .collect()
        .sort("new")
    )


def repseudonymise(
    frame: pl.DataFrame, persons: pl.DataFrame | pl.LazyFrame, old: Key, new: Key, *, column: str = "pseudonym"
) -> pl.DataFrame:
    """Replace the pseudonyms under one key by those under another, without any NHS Number leaving this process.

    A pseudonym cannot be reversed. So this computes the pseudonyms of all PERSONS under both keys and looks them up.

    Parameters
    ----------
    frame : polars.DataFrame
        Data with pseudonyms under the old key.
    persons : polars.DataFrame or polars.LazyFrame
        PERSONS of :mod:`linkcore.schema`. Everyone in ``frame`` must be among them. Only ``nhs_number`` (Int64) and
        ``token`` (String) are read.
    old, new : Key
        The key of the pseudonyms in ``frame``, and the key that replaces it.
    column : str
        Name of the column with the pseudonyms: String, 32 hex digits. A null stays null.

    Returns
    -------
    polars.DataFrame
        The same columns and rows, sorted by the new pseudonyms, so that the position of a row reveals nothing. The rows
        of one person keep their order. Payload that is the same in both frames can still join them.

    Raises
    ------
    ProgrammeError
        ``frame`` has no such column of text, or ``persons`` lacks a column.
    SourceError
        A pseudonym belongs to nobody in ``persons`` under the old key.

    Examples
    --------
    >>> persons = pl.DataFrame({"nhs_number": [9434765919], "token": [None]}, schema_overrides={"token": pl.String})
    >>> old, new = Key.generate("optum-2026"), Key.generate("university-2026")
    >>> frame = pl.DataFrame({"pseudonym": ["9434765919"]}).with_columns(pseudonymise("pseudonym", old))
    >>> changed = repseudonymise(frame, persons, old, new)
    >>> changed.item() == pseudonymise(pl.Series(["9434765919"]), new).item()
    True
    """
    if frame.schema.get(column) != pl.String:
        raise ProgrammeError(f"frame has no column {column!r} of text: give the name of the column with the pseudonyms")
    mapping = pseudonym_mapping(persons, old, new)
    renamed = frame.select(pl.col(column).alias("old")).join(mapping, on="old", how="left", maintain_order="left")[
        "new"
    ]
    unknown = renamed.null_count() - frame[column].null_count()
    if unknown:
        raise SourceError(
            f"column {column!r}: {unknown} of {frame.height} pseudonyms belong to nobody in persons under key "
            f"{old.id!r} version {old.version}: give the persons and the key that they were made with"
        )
    return frame.with_columns(renamed.alias(column)).sort(column, nulls_last=True, maintain_order=True)
