"""Alternatives: names and addresses of a person that records with its NHS Number have shown, beside those of PERSONS.

A maiden name, the name that somebody is known as, a transliteration, a former postcode. A record without a number may
agree with one of them, and with nothing that PERSONS say.

A wrong number must not teach a person a stranger's name. So a record teaches only if it also has the birth date of its
person; such a record is never a conflict. Nor does it teach if its names and birth date are those of somebody else who
is listed: the number is then perhaps that of a twin.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import polars as pl

from linkcore.linkage.placement import Placement
from linkcore.schema import ALTERNATIVE, OTHER
from linkcore.sources.records import Records

__all__ = [
    "NO_ALTERNATIVES",
    "TAUGHT",
    "beside_labelled",
    "listed_by_person",
    "taught_by_numbers",
    "taught_by_records",
    "unless_taught_by",
    "with_alternatives",
    "with_entries",
]

TAUGHT: Final = pl.Schema(
    {
        "person_id": pl.UInt32(),
        "identifier": pl.Enum(ALTERNATIVE),
        "value": pl.String(),
        "source_index": pl.Int32(),
        "entry": pl.UInt64(),
    }
)
"""Alternatives, and which entries of sources (:func:`with_entries`) have taught them."""

NO_ALTERNATIVES: Final = pl.DataFrame(
    schema={"person_id": pl.UInt32(), **{OTHER + identifier: pl.List(pl.String()) for identifier in ALTERNATIVE}}
)
"""Alternatives of persons, where none has any: ``person_id``, and a list of each kind."""

_NAMES: Final = ("given_name", "family_name")

# Bounds the memory: so many records are looked at at once.
_RECORDS_AT_A_TIME: Final = 1_000_000


def taught_by_numbers(sources: Sequence[Records], placement: Placement) -> pl.DataFrame:
    """Return what the records that are linked by NHS Number teach of their persons.

    Returns ``TAUGHT``.

    Examples
    --------
    >>> from linkcore.linkage.exact.link_exactly import link_exactly
    >>> from linkcore.linkage.settings import Exact
    >>> from linkcore.sources.source import Source
    >>> from linkcore.sources.records import standardise
    >>> frames = [
    ...     pl.DataFrame({"nhs_number": ["4010232137"], "family_name": [name], "birth_date": ["1980-02-03"]})
    ...     for name in ("SMITH", "NG")
    ... ]
    >>> sources = [standardise(Source(name, frame)) for name, frame in zip("ab", frames)]
    >>> taught_by_numbers(sources, link_exactly(sources, Exact())).select("person_id", "identifier", "value").rows()
    [(0, 'family_name', 'NG')]
    """
    persons = []
    for records in sources:
        links = placement.links[records.source.name]
        by_number = (links["method"] == "nhs_number").fill_null(False)
        persons.append(links.select(pl.when(by_number).then("person_id")).to_series())
    return taught_by_records(sources, persons, placement.persons, everyone=placement.persons)


def taught_by_records(
    sources: Sequence[Records], person_ids: Sequence[pl.Series], persons: pl.DataFrame, *, everyone: pl.DataFrame
) -> pl.DataFrame:
    """Return what records teach of their persons; the id of a person is its position in PERSONS.

    ``person_ids``: by source, the person of each record; null where it has none, or does not teach.
    ``everyone``: names and birth dates of all who are listed.
    """
    parts = [pl.DataFrame(schema=TAUGHT)]
    for source_index, (records, of_records) in enumerate(zip(sources, person_ids, strict=True)):
        for begin in range(0, records.frame.height, _RECORDS_AT_A_TIME):
            some = slice(begin, begin + _RECORDS_AT_A_TIME)
            parts.extend(
                taught.select(
                    "person_id",
                    "identifier",
                    "value",
                    pl.lit(source_index, pl.Int32).alias("source_index"),
                    _entries(records, taught["position"] + begin).alias("entry"),
                )
                for taught in _differing(records.frame[some], of_records[some], persons, everyone)
            )
    return pl.concat(parts)


def _differing(
    records: pl.DataFrame, person_ids: pl.Series, persons: pl.DataFrame, everyone: pl.DataFrame
) -> Iterator[pl.DataFrame]:
    """Yield, by identifier, values of the records that teach and that are not the person's own."""
    teaching = (records["birth_date"] == persons["birth_date"].gather(person_ids)).fill_null(False)
    same_postcode = (records["postcode"] == persons["postcode"].gather(person_ids)).fill_null(False)
    differing = {name: teaching & records[name].ne_missing(persons[name].gather(person_ids)) for name in _NAMES}
    strangers = _of_somebody_else(records, (differing["given_name"] | differing["family_name"]).arg_true(), everyone)
    # At the person's own postcode, an address is the same home, written in another way. So few are left to look at.
    differing |= {"postcode": teaching & ~same_postcode, "address": teaching & ~same_postcode}
    for identifier, rows in differing.items():
        position = rows.scatter(strangers, False).arg_true()
        found = pl.DataFrame(
            [
                person_ids.gather(position).alias("person_id"),
                records[identifier].gather(position).alias("value"),
                position.alias("position"),
            ]
        ).filter(pl.col("value").is_not_null())
        yield found.filter(found["value"].ne_missing(persons[identifier].gather(found["person_id"]))).select(
            "person_id", pl.lit(identifier, TAUGHT["identifier"]).alias("identifier"), "value", "position"
        )


def _of_somebody_else(records: pl.DataFrame, positions: pl.Series, everyone: pl.DataFrame) -> pl.Series:
    """Return those positions where a record has both names and the birth date of somebody who is listed."""
    identified = [*_NAMES, "birth_date"]
    some = records.select(identified)[positions].with_columns(positions.alias("position"))
    # Of the many who are listed, only the few that have the names of these records.
    listed = everyone.select(identified).join(some.select(identified), on=identified, how="semi")
    return some.join(listed, on=identified, how="semi")["position"]


def _entries(records: Records, positions: pl.Series) -> pl.Series:
    """Name the entry in the source's patient index from which each record was copied: UInt64.

    Records with one local patient identifier are copies of one entry. A record without such an identifier stands for
    itself.
    """
    local = records.frame["local_patient_id"].gather(positions)
    by_itself = records.frame["row"].gather(positions).cast(pl.UInt64)
    if local.null_count() == local.len():
        return by_itself
    return pl.select(pl.when(local.is_null()).then(by_itself).otherwise(local.hash(0))).to_series()


def with_entries(records: pl.DataFrame, sources: Sequence[Records]) -> pl.DataFrame:
    """Name the entry of each record; ``records``: ``person_id``, ``source_index`` and ``position``."""
    parts = []
    for source_index, each in enumerate(sources):
        of_source = records.filter(pl.col("source_index") == source_index)
        parts.append(of_source.with_columns(_entries(each, of_source["position"]).alias("entry")))
    return pl.concat(parts).select("person_id", "source_index", "entry")


def unless_taught_by(taught: pl.DataFrame, own: pl.DataFrame) -> pl.DataFrame:
    """Leave out what these entries teach of these persons: ``person_id``, ``source_index`` and ``entry``.

    A record must not be compared with its own values. Had it no number, copies of its entry would have none either, or
    it would be linked by its local patient identifier.
    """
    return taught.join(own, on=["person_id", "source_index", "entry"], how="anti")


def beside_labelled(labelled: pl.DataFrame, taught: pl.DataFrame, sources: Sequence[Records]) -> pl.DataFrame:
    """Put beside each labelled record the alternatives of its person that others than this record have taught.

    ``labelled``: with ``label``, the person, and ``source_index`` and ``position`` of records that may have taught.
    Returns it with ``other_*``.
    """
    teachers = labelled.select(pl.col("label").alias("person_id"), "source_index", "position").drop_nulls()
    of_labelled = taught.filter(pl.col("person_id").is_in(labelled["label"].implode()))
    of_others = unless_taught_by(of_labelled, with_entries(teachers, sources))
    lists = listed_by_person(of_others)
    return labelled.join(lists, left_on="label", right_on="person_id", how="left", maintain_order="left")


def listed_by_person(taught: pl.DataFrame) -> pl.DataFrame:
    """Return ``person_id`` and ``other_*``: a list of each kind of alternative, null without any; in order of persons.

    Examples
    --------
    >>> rows = [(7, "postcode", "EX1 2AB", 0, 3), (7, "postcode", "EX1 2AB", 1, 9), (7, "postcode", "DT1 1AA", 0, 4)]
    >>> found = listed_by_person(pl.DataFrame(rows, schema=TAUGHT, orient="row"))
    >>> found.select("person_id", "other_postcode", "other_address").rows()
    [(7, ['DT1 1AA', 'EX1 2AB'], None)]
    """
    distinct = taught.select("person_id", "identifier", "value").unique().sort("person_id", "value")
    found = distinct.select("person_id").unique(maintain_order=True)
    for identifier in ALTERNATIVE:
        of_identifier = distinct.filter(pl.col("identifier") == identifier)
        lists = of_identifier.group_by("person_id", maintain_order=True).agg(pl.col("value").alias(OTHER + identifier))
        found = found.join(lists, on="person_id", how="left", maintain_order="left")
    return found


def with_alternatives(persons: pl.DataFrame, alternatives: pl.DataFrame) -> pl.DataFrame:
    """Put the alternatives of each person beside it, as of :func:`listed_by_person`."""
    lists = persons.select("person_id").join(alternatives, on="person_id", how="left", maintain_order="left")
    return persons.hstack(lists.drop("person_id"))
