"""Placement: which person each record is of, so far; and its last step, in which the unplaced stand as persons."""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from linkcore.keys.key import Key
from linkcore.linkage.enough_identifiers import new_person_or_unlinked
from linkcore.pseudonyms.pseudonymise import pseudonymise
from linkcore.schema import FURTHER, METHOD, PERSONS
from linkcore.sources.records import Records

__all__ = ["PLACED", "Placement", "defines_its_person", "of_persons", "stand_alone", "unplaced"]

PLACED: Final = pl.Schema(
    {
        "person_id": pl.UInt32(),
        "method": METHOD,
        "match_weight": pl.Float64(),
        "match_probability": pl.Float64(),
        "conflict": pl.Boolean(),
    }
)
"""Columns of the links of one source while they are being made; ``person_id`` and ``method`` are null until placed."""

_PUBLIC: Final = b"linkcore: the token of a person."

# So few tokens Python makes in two milliseconds; to load the compiled kernel takes most of a second.
_FEW: Final = 1_000


@dataclass(frozen=True, eq=False)
class Placement:
    """The persons known, and the person of each record as far as it is known.

    Parameters
    ----------
    persons : polars.DataFrame
        PERSONS of :mod:`linkcore.schema`; a person's id is its position.
    links : mapping of str to polars.DataFrame
        For each source, PLACED: a row for each of its RECORDS, in their order.
    """

    persons: pl.DataFrame = field(repr=False)
    links: Mapping[str, pl.DataFrame] = field(repr=False)


def unplaced(records: Records, placement: Placement) -> pl.DataFrame:
    """Give the records of a source that are still to be placed.

    Returns Some of the rows of ``records.frame``, and ``at`` (UInt32), their positions there.
    """
    open_rows = placement.links[records.source.name]["person_id"].is_null()
    return records.frame.with_row_index("at").filter(open_rows)


def defines_its_person(records: Records, placement: Placement) -> pl.Series:
    """Say of each record of a source whether it is the one that defines its person.

    Examples
    --------
    >>> from linkcore.linkage.exact.link_exactly import link_exactly
    >>> from linkcore.linkage.settings import Exact
    >>> from linkcore.sources.source import Source
    >>> from linkcore.sources.records import standardise
    >>> seen = standardise(Source("seen", pl.DataFrame({"nhs_number": ["4010232137", "4010232137", None]})))
    >>> defines_its_person(seen, link_exactly([seen], Exact())).to_list()
    [True, False, False]
    """
    persons, own = placement.persons, placement.links[records.source.name]["person_id"]
    # Ids are texts, and are compared where the person is defined by some record of this source only: of few records.
    here = (persons["source"] == records.source.name).gather(own).fill_null(False).arg_true()
    same = records.frame["record_id"].gather(here) == persons["record_id"].gather(own.gather(here))
    return pl.repeat(False, own.len(), eager=True).scatter(here, same)


def of_persons(records: pl.DataFrame) -> pl.DataFrame:
    """Keep of RECORDS what PERSONS know: every identifier but a local one, and none of what tells of the record.

    Returns The same rows; columns of PERSONS, and ``further_*``.
    """
    return records.select(name for name in records.columns if name in PERSONS or name.startswith(FURTHER))


def stand_alone(sources: Sequence[Records], placement: Placement) -> Placement:
    """Make a person of its own of every record that is still unplaced.

    A record that could have been recognised is ``new_person``, on the spine ``spine``; one with too little to say
    anything is ``unlinked``. Each new person has a token in place of an NHS Number.
    """
    persons, links = [placement.persons], dict(placement.links)
    known = placement.persons.height
    for records in sources:
        alone = unplaced(records, placement)
        if alone.is_empty():
            continue
        ids = pl.int_range(known, known + alone.height, dtype=pl.UInt32, eager=True).alias("person_id")
        known += alone.height
        persons.append(
            of_persons(alone)
            .with_columns(
                ids,
                pl.lit(None, pl.Int64).alias("nhs_number"),
                pl.lit(records.source.name).alias("source"),
                pl.lit(None, pl.String).alias("token"),
            )
            .select(*PERSONS, pl.col(f"^{FURTHER}.*$"))
        )
        method = pl.lit("spine", METHOD) if records.source.spine else new_person_or_unlinked()
        probability = pl.lit(1.0 if records.source.spine else None, pl.Float64)
        own = alone.select(method.alias("method"), probability.alias("match_probability"), pl.col("at"))
        placed = links[records.source.name]
        links[records.source.name] = placed.with_columns(
            placed["person_id"].scatter(own["at"], ids),
            *(placed[name].scatter(own["at"], own[name]) for name in ("method", "match_probability")),
        )
    # Part by part: beside a new column of all persons, Polars would copy all that is known of them.
    return Placement(pl.concat([_with_tokens(sources, part) for part in persons], how="diagonal"), links)


def _with_tokens(sources: Sequence[Records], persons: pl.DataFrame) -> pl.DataFrame:
    """Give everybody without an NHS Number a token."""
    nameless = persons.select("source", "record_id", at=pl.int_range(pl.len())).filter(persons["nhs_number"].is_null())
    named = [pl.DataFrame(schema={"at": pl.Int64, "token": pl.String})]
    for records in sources:
        of_source = nameless.filter(pl.col("source") == records.source.name)
        if of_source.height:
            named.append(of_source.select("at", tokens(records, of_source["record_id"]).alias("token")))
    found = pl.concat(named)
    if found.is_empty():
        return persons
    return persons.with_columns(persons["token"].scatter(found["at"], found["token"]))


def tokens(records: Records, record_ids: pl.Series) -> pl.Series:
    """Name persons who have no NHS Number by the record that defines them.

    A token is a digest of the source, the record id and, where the record id is only a row number, the fingerprint of
    the extract, so that two extracts' row 17 never share one. It is no secret: pseudonyms are made from it under a key,
    as from an NHS Number.
    """
    extract = records.fingerprint if records.source.record_id_column is None else ""
    # A separator that no source's name can hold keeps ("a", "b") apart from any other split of the same characters.
    prefix = pl.lit(f"{records.source.name}/{extract}/")
    names = pl.DataFrame({"id": record_ids}).select(prefix + pl.col("id")).to_series()
    if names.len() <= _FEW:
        digests = (hmac.digest(_PUBLIC, name.encode(), "sha256") for name in names)
        return pl.Series(names.name, [digest[:16].hex() for digest in digests], pl.String)
    return pseudonymise(names, Key.from_bytes("person-token", _PUBLIC))
