"""The result of a linkage: what quality, review and releases read."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import polars as pl

from linkcore.errors import ProgrammeError
from linkcore.linkage.decided.placing import NOTHING_DECIDED
from linkcore.linkage.fallback.result import Probabilistic
from linkcore.linkage.placement import PLACED, Placement
from linkcore.linkage.run import Run
from linkcore.linkage.settings import Exact, Fallback
from linkcore.linkage.stable_persons.keep_names import PersonHistory
from linkcore.linkage.stable_persons.known_persons import KnownPersons
from linkcore.schema import LINKS
from linkcore.sources.source import Source

__all__ = ["LinkageResult"]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class LinkageResult:
    """The persons that were found, and the person of each record.

    Parameters
    ----------
    links : polars.DataFrame
        LINKS of :mod:`linkcore.schema`: one row for each record of each source.
    persons : polars.DataFrame
        PERSONS of :mod:`linkcore.schema`. They hold identifiers and stay with the trusted team.
    sources : tuple of Source
        The linked sources, in the order given.
    rows : mapping of str to polars.DataFrame
        By source, in the order of its links: ``row`` (UInt32), the position of the record in the source, and
        ``raw_row_hash`` (UInt64), a hash of the whole row. They join the payload to its person.
    digests : mapping of str to str
        The digest of each source's files, as they were linked; none for data in memory.
    probabilistic : Probabilistic, optional
        What the fallback did: its model, thresholds, and all candidates of each record. None without a fallback.
    decisions : polars.DataFrame
        The decisions of clerks that were given, each with its ``state``: ``stands``, ``lost`` (one of its records is
        not there), ``replaced``, ``taken back``, ``disagreement`` or ``contradiction``.
    exact, fallback, reference_date
        The settings of the linkage, as :func:`linkcore.link` got them.
    run : Run
        Settings, versions and times, as plain values.
    history : PersonHistory
        What became of the persons of the linkages before, and what recognises the records of this one.
    store_digest : str
        SHA-256 of the header of the store from which the linkage was opened, which names this one linkage; else empty.
    synthetic : bool
        Whether the caller declared the data to be synthetic. Stricter rules hold for releasing data of real people.
    """

    links: pl.DataFrame
    persons: pl.DataFrame
    sources: tuple[Source, ...]
    rows: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    probabilistic: Probabilistic | None = None
    decisions: pl.DataFrame = field(default_factory=NOTHING_DECIDED.decisions.clone)
    exact: Exact = field(default_factory=Exact)
    fallback: Fallback | None = None
    reference_date: dt.date | None = None
    run: Run = field(default_factory=Run)
    history: PersonHistory = field(default_factory=PersonHistory)
    store_digest: str = ""
    synthetic: bool = False

    def __repr__(self) -> str:
        """Show neither counts nor identifiers, because a notebook stores its output."""
        return f"{type(self).__name__}({', '.join(source.name for source in self.sources)})"

    @property
    def superseded(self) -> pl.DataFrame:
        """SUPERSEDED of :mod:`linkcore.schema`: which name took the place of which. It holds NHS Numbers."""
        return self.history.superseded

    def known_persons(self) -> KnownPersons:
        """Return what the next linkage needs so that the same people keep their tokens, and so their pseudonyms.

        It names persons by NHS Number and token, and their records by id and by hashes of identifiers; it describes
        those without a number by their identifiers. It identifies people, and stays with the trusted team.

        Returns
        -------
        KnownPersons
            The persons of this linkage, those of earlier ones who are absent from it, and the supersession table.
        """
        known = self.history.known_persons(self.person_of_record, self.persons)
        return replace(known, linkage=self.store_digest)

    @property
    def placement(self) -> Placement:
        """The persons, and the person of each record by source; a view that copies nothing."""
        placed = self.links.select(*PLACED)
        links, start = {}, 0
        for name, rows in self.rows.items():
            links[name] = placed.slice(start, rows.height)
            start += rows.height
        return Placement(self.persons, links)

    @property
    def possible_persons(self) -> pl.DataFrame:
        """``source``, ``record_id`` and ``person_id``: the candidates of each record.

        A record that was not compared, because it is decided to be of the same person as another open record, has the
        candidates of the records of its person. Such a link is as sure as that of the other record, and not certain.
        """
        columns = ["source", "record_id", "person_id"]
        if self.probabilistic is None:
            return pl.DataFrame(schema={name: dtype for name, dtype in LINKS.items() if name in columns})
        candidates = self.probabilistic.candidates.select(columns)
        uncertain = pl.col("match_probability").ne_missing(1.0)
        followers = self.links.filter(pl.col("method") == "decided", uncertain).select(columns)
        if followers.is_empty():
            return candidates
        of_person = self.links.filter(pl.col("person_id").is_in(followers["person_id"].implode())).select(
            "source", "record_id", own="person_id"
        )
        theirs = candidates.join(of_person, on=["source", "record_id"]).select("own", "person_id").unique()
        shared = followers.rename({"person_id": "own"}).join(theirs, on="own").sort("source", "record_id", "person_id")
        return pl.concat([candidates, shared.select(columns)])

    @property
    def person_ids(self) -> pl.Series:
        """``person_id`` of the links; a linkage that was kept reads this column alone."""
        return self.links["person_id"]

    @property
    def person_of_record(self) -> pl.DataFrame:
        """``person_id``, ``source`` and ``record_id`` of the links; a kept linkage reads these columns alone."""
        return self.links.select("person_id", "source", "record_id")

    @property
    def person_numbers(self) -> pl.Series:
        """``nhs_number`` of the persons; a linkage that was kept reads this column alone."""
        return self.persons["nhs_number"]

    def person_ids_of(self, source: str) -> pl.Series:
        """Return ``person_id`` of the records of one source, in the order of its rows."""
        rows = self._rows_of(source)
        ids = self.person_ids.slice(self._before(source), rows.height)
        return ids if rows["row"].is_sorted() else ids.gather(rows["row"].arg_sort())

    def links_of(self, source: str) -> pl.DataFrame:
        """Return ``row``, ``raw_row_hash`` and the columns of LINKS of one source, in the order of its rows."""
        rows = self._rows_of(source)
        # A slice of the links copies nothing; only links in another order than the rows must be sorted.
        found = pl.concat([rows, self.links.slice(self._before(source), rows.height)], how="horizontal")
        return found if rows["row"].is_sorted() else found.sort("row")

    def _rows_of(self, source: str) -> pl.DataFrame:
        if source not in self.rows:
            raise ProgrammeError(f"no source {source!r} was linked; there are {', '.join(self.rows)}")
        return self.rows[source]

    def _before(self, source: str) -> int:
        """Return the number of links before those of a source."""
        names = list(self.rows)
        return sum(self.rows[name].height for name in names[: names.index(source)])
