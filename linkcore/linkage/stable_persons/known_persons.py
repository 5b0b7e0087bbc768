"""Known persons: what one linkage tells the next, by which the same people keep their names."""

from dataclasses import dataclass, field, replace
from typing import Final

import polars as pl

from linkcore.errors import ProgrammeError
from linkcore.linkage.stable_persons.identifier_hashes import HASHES
from linkcore.pseudonyms.persons import person_name
from linkcore.schema import PERSONS, SUPERSEDED

__all__ = ["KNOWN_PERSONS", "KNOWN_RECORDS", "KnownPersons", "known_persons", "known_records"]

KNOWN_PERSONS: Final = pl.Schema({"name": pl.String()})
"""What is hashed to each person's pseudonym: the ten digits of an NHS Number, a stage-1 code, or a token."""

KNOWN_RECORDS: Final = pl.Schema(
    {"person": pl.UInt32(), "source": pl.String(), "record_id": pl.String(), **HASHES}  # position of the person
)
"""The records of each person, by their ids and the hashes of their identifiers."""


@dataclass(frozen=True, eq=False, repr=False)
class KnownPersons:
    """The persons that a linkage and those before it found.

    :meth:`linkcore.Linkage.known_persons` makes it, and ``link(sources, previous=...)`` takes it. It holds NHS Numbers,
    hashes without a key, and the identifiers of people who have no number: it identifies people, and stays with the
    trusted team. Three frames are all that is needed; without ``described``, nobody is recognised by probability.

    Parameters
    ----------
    persons : polars.DataFrame
        ``name`` (String): what is hashed to the pseudonym of each person, each once. Persons without a record now are
        among them: they may return.
    records : polars.DataFrame
        KNOWN_RECORDS: ``person`` (UInt32), the position of its person in ``persons``; ``source`` and ``record_id``;
        ``extract``, the fingerprint of the extract where the id is a row number; and a hash (UInt32) of each of some
        identifiers.
    superseded : polars.DataFrame
        SUPERSEDED of :mod:`linkcore.schema`: which name took the place of which.
    described : polars.DataFrame
        PERSONS of :mod:`linkcore.schema`, and ``further_*``: the persons of the last linkage who have no NHS Number.
    linkage : str
        Digest of the store from which they were read; a release states it. Empty if they were never in a store.

    Raises
    ------
    ProgrammeError
        If a frame has other columns, a name is missing or repeated, or a record is of nobody.

    Examples
    --------
    >>> KnownPersons().persons.height
    0
    """

    persons: pl.DataFrame = field(default_factory=KNOWN_PERSONS.to_frame)
    records: pl.DataFrame = field(default_factory=KNOWN_RECORDS.to_frame)
    superseded: pl.DataFrame = field(default_factory=SUPERSEDED.to_frame)
    described: pl.DataFrame = field(default_factory=PERSONS.to_frame, kw_only=True)
    linkage: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        schemas = {"persons": KNOWN_PERSONS, "records": KNOWN_RECORDS, "superseded": SUPERSEDED}
        for name, schema in schemas.items():
            if getattr(self, name).schema != schema:
                raise ProgrammeError(f"known persons: {name} must have the columns {', '.join(schema)}, as it was made")
        if not set(PERSONS) <= set(self.described.columns):
            raise ProgrammeError(f"known persons: described must have the columns {', '.join(PERSONS)}, as it was made")
        names = self.persons["name"]
        if names.null_count() or names.n_unique() < names.len():
            raise ProgrammeError("known persons: a person has no name, or two have the same; link without previous")
        person = self.records["person"]
        if person.null_count() or (person >= names.len()).any():
            raise ProgrammeError("known persons: a record belongs to nobody; link without previous")

    def __repr__(self) -> str:
        """Show neither names nor counts, because a notebook stores its output."""
        return "KnownPersons()"

    def __add__(self, other: "KnownPersons") -> "KnownPersons":
        """Add other persons, whose names must be others; all else stays this one's."""
        moved = other.records.with_columns(pl.col("person") + pl.lit(self.persons.height, pl.UInt32))
        return replace(self, persons=pl.concat([self.persons, other.persons]), records=pl.concat([self.records, moved]))

    def only(self, chosen: pl.Series) -> "KnownPersons":
        """Return some of the persons, with their records and without a supersession table."""
        position = (chosen.cum_sum() - 1).cast(pl.UInt32)
        records = self.records.filter(chosen.gather(self.records["person"]))
        return KnownPersons(
            self.persons.filter(chosen), records.with_columns(position.gather(records["person"]).alias("person"))
        )


def known_records(links: pl.DataFrame, hashes: pl.DataFrame) -> pl.DataFrame:
    """Return KNOWN_RECORDS of LINKS, beside the HASHES of the same records."""
    of_person = links.select(pl.col("person_id").alias("person"), "source", "record_id")
    return pl.concat([of_person, hashes], how="horizontal")


def known_persons(links: pl.DataFrame, hashes: pl.DataFrame, persons: pl.DataFrame) -> KnownPersons:
    """Return the known persons of one linkage alone."""
    without_number = persons.filter(pl.col("nhs_number").is_null())
    return KnownPersons(persons.select(person_name()), known_records(links, hashes), described=without_number)
