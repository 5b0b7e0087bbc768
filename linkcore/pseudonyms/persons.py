"""Pseudonyms of persons: what names a person, and from one key's pseudonyms to another's."""

from typing import Final

import polars as pl

from linkcore.errors import ProgrammeError, SourceError
from linkcore.identifiers.nhs_number import digits
from linkcore.keys.key import Key
from linkcore.pseudonyms.pseudonymise import pseudonymise
from linkcore.pseudonyms.stage_one import CODE_TOKEN

__all__ = ["PERSON_PREFIX", "person_name", "pseudonym_mapping", "repseudonymise"]

PERSON_PREFIX: Final = "linkcore:person:"
"""Before a person's token, so that no token can be hashed as if it were an NHS Number."""


def person_name() -> pl.Expr:
    """Name each of PERSONS: what a person's pseudonym is the pseudonym of.

    Returns String: the stage-1 code in ``token`` where there is one, else the ten digits of ``nhs_number``, else
    `PERSON_PREFIX` and ``token``; null where there is none of them.

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
    """Say which pseudonym under one key is of the same person as which under another.

    For a recipient whose key was rotated, so that what it has under the old version and what it gets under the new one
    still join. Only who holds both keys and PERSONS can make it. With it alone nobody finds a key or an NHS Number;
    but whoever has it can join what was released under the two keys, so never make one for two recipients.

    Parameters
    ----------
    persons : polars.DataFrame or polars.LazyFrame
        PERSONS of :mod:`linkcore.schema`; ``nhs_number`` and ``token`` are read.
    old, new : Key
        Two versions of one key, or two keys.

    Returns
    -------
    polars.DataFrame
        ``old`` and ``new`` (String, 32 hex characters), a row a person, in the order of ``new``: nothing of the order
        of ``persons`` is left.

    Raises
    ------
    ProgrammeError
        A column is missing.

    Examples
    --------
    >>> persons = pl.DataFrame({"nhs_number": [9434765919], "token": [None]}, schema_overrides={"token": pl.String})
    >>> old, new = Key.from_bytes("a", bytes(range(32))), Key.from_bytes("a", bytes(range(1, 33)), version=2)
    >>> pseudonym_mapping(persons, old, new).row(0, named=True)
    {'old': 'dd5c602eeb31d60c7c0d662c897231dd', 'new': 'e6c78fe3b5d1f0759f7fdfb29484476f'}
    """
    lazy = persons.lazy()
    missing = {"nhs_number", "token"} - set(lazy.collect_schema().names())
    if missing:
        raise ProgrammeError(f"PERSONS lacks {', '.join(sorted(missing))}: give the persons of a linkage")
    names = lazy.select(person_name()).drop_nulls().unique()
    return (
        names.select(pseudonymise("name", old).alias("old"), pseudonymise("name", new).alias("new"))
        .collect()
        .sort("new")
    )


def repseudonymise(
    frame: pl.DataFrame, persons: pl.DataFrame | pl.LazyFrame, old: Key, new: Key, *, column: str = "pseudonym"
) -> pl.DataFrame:
    """Turn one recipient's pseudonyms into another's, with no NHS Number outside this process.

    A pseudonym cannot be reversed, so this goes through PERSONS: each person's pseudonym under both keys.

    Parameters
    ----------
    frame : polars.DataFrame
        What was released to the one.
    persons : polars.DataFrame or polars.LazyFrame
        PERSONS of :mod:`linkcore.schema`; everybody in ``frame`` must be among them.
    old, new : Key
        The key that ``frame`` is under, and the one that it shall be under.
    column : str
        The pseudonyms, String of 32 hex characters; null stays null.

    Returns
    -------
    polars.DataFrame
        The same columns and rows, in the order of the new pseudonyms, so that the two frames cannot be laid side by
        side; rows of one person keep their order. Payload that is the same in both still joins them.

    Raises
    ------
    ProgrammeError
        A column is missing or no text.
    SourceError
        A pseudonym is of nobody among PERSONS under the old key.

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
        raise ProgrammeError(f"there is no column {column!r} of text: name the one that holds pseudonyms")
    mapping = pseudonym_mapping(persons, old, new)
    renamed = frame.select(pl.col(column).alias("old")).join(mapping, on="old", how="left", maintain_order="left")[
        "new"
    ]
    unknown = renamed.null_count() - frame[column].null_count()
    if unknown:
        raise SourceError(
            f"column {column!r}: {unknown} of {frame.height} pseudonyms are of nobody among PERSONS under key "
            f"{old.id!r} version {old.version}: give the PERSONS and the key that they were made with"
        )
    return frame.with_columns(renamed.alias(column)).sort(column, nulls_last=True, maintain_order=True)
