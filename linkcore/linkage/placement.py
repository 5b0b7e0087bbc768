"""Placement: the person of each record as far as it is known; and the last step, which makes persons of the rest."""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from linkcore.keys.key import Key
from linkcore.keys.secret import Secret
from linkcore.linkage.enough_identifiers import new_person_or_unlinked
from linkcore.pseudonyms.pseudonymise import pseudonymise
from linkcore.schema import FURTHER, METHOD, PERSONS
from linkcore.sources.records import Records

__all__ = [
    "PLACED",
    "Placement",
    "defines_its_person",
    "digests",
    "extract_of",
    "of_persons",
    "stand_alone",
    "unplaced",
]

PLACED: Final = pl.Schema(
    {
        "person_id": pl.UInt32(),
        "method": METHOD,
        "match_weight": pl.Float64(),
        "match_probability": pl.Float64(),
        "conflict": pl.Boolean(),
    }
)
"""Columns of the links of one source while they are made; ``person_id`` and ``method`` are null until placed.

A record that a decision puts with another open record has the method ``decided``, and no person until that one has."""

_PUBLIC: Final = b"linkcore: the token of a person."

# Python makes so few tokens in two milliseconds; loading the compiled kernel takes most of a second.
_FEW: Final = 1_000


@dataclass(frozen=True, eq=False)
class Placement:
    """The persons that are known, and the person of each record as far as it is known.

    Parameters
    ----------
    persons : polars.DataFrame
        PERSONS of :mod:`linkcore.schema`; the id of a person is its position.
    links : mapping of str to polars.DataFrame
        By source, PLACED: a row for each of its RECORDS, in their order.
    """

    persons: pl.DataFrame = field(repr=False)
    links: Mapping[str, pl.DataFrame] = field(repr=False)


def unplaced(records: Records, placement: Placement) -> pl.DataFrame:
    """Return the unplaced records of a source: rows of its RECORDS, with their ``position`` (UInt32) there."""
    links = placement.links[records.source.name]
    open_rows = links["person_id"].is_null() & links["method"].is_null()
    return records.frame.with_row_index("position").filter(open_rows)


def defines_its_person(records: Records, placement: Placement) -> pl.Series:
    """Return whether each record of a source is the one that defines its person.

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
    persons, person_id = placement.persons, placement.links[records.source.name]["person_id"]
    # Record ids are text and slow to compare: they are compared only where a record of this source defines the person.
    possible = (persons["source"] == records.source.name).gather(person_id).fill_null(False).arg_true()
    same = records.frame["record_id"].gather(possible) == persons["record_id"].gather(person_id.gather(possible))
    return pl.repeat(False, person_id.len(), eager=True).scatter(possible, same)


def of_persons(records: pl.DataFrame) -> pl.DataFrame:
    """Keep the columns of RECORDS that PERSONS have too, and ``further_*``."""
    return records.select(name for name in records.columns if name in PERSONS or name.startswith(FURTHER))


def stand_alone(sources: Sequence[Records], placement: Placement) -> Placement:
    """Make one person of each record that is still unplaced.

    On the spine its method is ``spine``. Elsewhere it is ``new_person``, or ``unlinked`` if the record has too few
    identifiers to recognise anybody. Each new person gets a token in place of an NHS Number.
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
        added = alone.select(method.alias("method"), probability.alias("match_probability"), pl.col("position"))
        placed = links[records.source.name]
        links[records.source.name] = placed.with_columns(
            placed["person_id"].scatter(added["position"], ids),
            *(placed[name].scatter(added["position"], added[name]) for name in ("method", "match_probability")),
        )
    # Part by part: to add a column to all persons at once, Polars would copy all their columns.
    return Placement(pl.concat([_with_tokens(sources, part) for part in persons], how="diagonal"), links)


def _with_tokens(sources: Sequence[Records], persons: pl.DataFrame) -> pl.DataFrame:
    """Give a token to each person without an NHS Number."""
    position = pl.int_range(pl.len()).alias("position")
    numberless = persons.select("source", "record_id", position).filter(persons["nhs_number"].is_null())
    parts = [pl.DataFrame(schema={"position": pl.Int64, "token": pl.String})]
    for records in sources:
        of_source = numberless.filter(pl.col("source") == records.source.name)
        if of_source.height:
            parts.append(of_source.select("position", tokens(records, of_source["record_id"]).alias("token")))
    named = pl.concat(parts)
    if named.is_empty():
        return persons
    return persons.with_columns(persons["token"].scatter(named["position"], named["token"]))


def tokens(records: Records, record_ids: pl.Series) -> pl.Series:
    """Name persons without an NHS Number by the records that define them.

    A token is a digest of the source and the record id. Where the record id is only a row number, it is also of the
    fingerprint of the extract, so that row 17 of two extracts never has the same token. A token is no secret:
    pseudonyms are made from it under a key, as from an NHS Number.
    """
    prefix = pl.lit(f"{records.source.name}/{extract_of(records)}/")
    return digests(pl.DataFrame({"id": record_ids}).select(prefix + pl.col("id")).to_series())


def extract_of(records: Records) -> str:
    """Return the fingerprint of the extract where the record id is only a row number; otherwise an empty text."""
    return records.fingerprint if records.source.record_id_column is None else ""


def digests(names: pl.Series, *, attempt: int = 1) -> pl.Series:
    """Make a token of each ``source/extract/record id``; each attempt makes others.

    No name of a source contains the separator, so two sources never make one text of different parts.
    """
    public = _PUBLIC if attempt == 1 else _PUBLIC + f" {attempt}".encode()
    if names.len() <= _FEW:
        made = (hmac.digest(public, name.encode(), "sha256") for name in names)
        return pl.Series(names.name, [digest[:16].hex() for digest in made], pl.String)
    # Not from_bytes, which refuses text: this key keeps nothing secret.
    return pseudonymise(names, Key._build("person-token", Secret(public)))
