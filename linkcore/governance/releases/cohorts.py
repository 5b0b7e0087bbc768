"""Cohorts: whose records a recipient may have."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import polars as pl

from linkcore.errors import ProgrammeError, RefusedError
from linkcore.governance.releases.derived import Derived, rows_with_derived
from linkcore.governance.releases.derived_together import refuse_birth_dates
from linkcore.governance.releases.filters import Filter
from linkcore.governance.releases.small_areas import people_by_postcode
from linkcore.sources.formats.csv_files import CsvFile
from linkcore.sources.payload import RAW_ROW, RAW_ROW_HASH, rows_beside_links
from linkcore.sources.source import Source

if TYPE_CHECKING:
    from linkcore.link import Linkage

__all__ = ["Cohort", "as_now", "persons_of"]

_PERSON: Final = "linkcore:person"
_KEPT: Final = "linkcore:kept"
_PSEUDONYM: Final = "^[0-9a-f]{32}$"


@dataclass(frozen=True, eq=False)
class Cohort:
    """The persons whose records are released. With both a filter and a list, a person must be in both.

    Parameters
    ----------
    where : str, optional
        A filter (:mod:`linkcore.governance.releases.filters`) on the records of one source. A person is in the cohort
        if one of their records there passes it and is not withheld. The filter may name the source's payload, its
        practice, its gender and ``derived``, but no column that could pick out one person.
    source : str, optional
        The source that the filter is on. By default it is the spine.
    derived : mapping of str to Derived, optional
        Columns for the filter, made of the source's identifiers. They are not released.
    pseudonyms : path or polars.Series, optional
        Pseudonyms from an earlier release to the same recipient, under the same version of its key: a Parquet or CSV
        file with the column ``pseudonym``. Pseudonyms that gave way to others since count as those; one whose records
        are of several persons now is nobody's.

    Raises
    ------
    ProgrammeError
        If it has neither a filter nor a list, or the filter cannot be read.
    RefusedError
        If its derived columns together tell a birth date.

    Examples
    --------
    >>> Cohort(where='PRACTICE in ("L83001", "L83002")').filter.names
    ('PRACTICE',)
    """

    where: str | None = None
    source: str | None = None
    derived: Mapping[str, Derived] = field(default_factory=dict)
    pseudonyms: str | Path | pl.Series | None = None
    filter: Filter | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.where is None and self.pseudonyms is None:
            raise ProgrammeError("a cohort needs a filter, in where, or a list, in pseudonyms; state one of them")
        if self.where is None and (self.derived or self.source is not None):
            raise ProgrammeError("a cohort's source and derived columns are for its filter; state where as well")
        object.__setattr__(self, "filter", None if self.where is None else Filter(self.where))
        object.__setattr__(self, "derived", MappingProxyType(dict(self.derived)))
        refuse_birth_dates(self.derived.values(), "cohort")

    def check(self, sources: Sequence[Source]) -> None:
        """Check the cohort against the sources before any row is read.

        Parameters
        ----------
        sources : sequence of Source
            What was, or will be, linked.

        Raises
        ------
        ProgrammeError
            If its source or a column does not exist, or a column is compared with a value of another kind.
        RefusedError
            If its filter names an identifier.
        """
        if self.filter is None:
            return
        source = self.source_among(sources)
        columns = self.columns(source)
        lacking = [
            name for name, derived in self.derived.items() if derived.identifier not in source.identifier_columns
        ]
        if lacking:
            raise ProgrammeError(f"cohort: source {source.name!r} has nothing that {lacking} could be derived from")
        for derived in self.derived.values():
            derived.check()
        # The schema says of what dtype a derived column will be; no row is read.
        with source.reading():
            schema = rows_with_derived(source, columns, self.derived).collect_schema()
        self.filter.expression({name: dtype for name, dtype in schema.items() if name not in (RAW_ROW, RAW_ROW_HASH)})

    def described(self) -> dict[str, str]:
        """Describe it for a manifest; of a list, only that there is one."""
        described = {} if self.where is None else {"where": self.where, "source": self.source or "the spine"}
        described |= {f"derived {name}": derived.described() for name, derived in self.derived.items()}
        return described | ({} if self.pseudonyms is None else {"pseudonyms": "those of a list"})

    def listed(self) -> pl.Series | None:
        """Return the list of pseudonyms, read from its file if it has one, or None if there is no list.

        Returns
        -------
        polars.Series or None

        Raises
        ------
        ProgrammeError
            If there is no such file or column.
        """
        return _read(Path(self.pseudonyms)) if isinstance(self.pseudonyms, str | Path) else self.pseudonyms

    def source_among(self, sources: Sequence[Source]) -> Source:
        """Find the source that the filter is on.

        Parameters
        ----------
        sources : sequence of Source
            What was, or will be, linked.

        Returns
        -------
        Source

        Raises
        ------
        ProgrammeError
            If it does not exist.
        """
        for source in sources:
            if source.name == self.source or (self.source is None and source.spine):
                return source
        wanted = "the spine" if self.source is None else repr(self.source)
        names = ", ".join(source.name for source in sources)
        raise ProgrammeError(f"cohort: its filter is on {wanted}, and there is none; name one of the sources: {names}")

    def columns(self, source: Source) -> list[str]:
        """Name the source's own columns that the filter uses.

        Parameters
        ----------
        source : Source
            The source that the filter is on.

        Returns
        -------
        list of str

        Raises
        ------
        ProgrammeError
            If one does not exist.
        RefusedError
            If one identifies people.
        """
        assert self.filter is not None
        own = [name for name in self.filter.names if name not in self.derived]
        identifying = source.private_columns - {source.practice, source.identifier_columns.get("gender")}
        private = sorted(identifying.intersection(own))
        if private:
            raise RefusedError(f"cohort: {private} identify people, and no cohort is chosen by them; derive a column")
        missing = [name for name in own if name not in source.column_names]
        if missing:
            raise ProgrammeError(f"cohort: source {source.name!r} has no columns {missing}; correct the filter")
        return own


def as_now(listed: pl.Series, renamed: pl.DataFrame) -> pl.Series:
    """Add to a list of pseudonyms those that took their place; ``renamed``: ``old`` and ``new``.

    Examples
    --------
    >>> as_now(pl.Series(["a", "b"]), pl.DataFrame({"old": ["b", "c"], "new": ["d", "e"]})).to_list()
    ['a', 'b', 'd']
    """
    later = renamed.filter(pl.col("old").is_in(listed.implode()))["new"]
    return pl.concat([listed, later.alias(listed.name)]).unique(maintain_order=True)


def persons_of(
    cohort: Cohort,
    linkage: "Linkage",
    pseudonyms: pl.Series,
    *,
    renamed: pl.DataFrame,
    kept: Mapping[str, pl.Series] | None = None,
) -> pl.Series:
    """Return whether each person is in a cohort (Boolean, in the order of PERSONS).

    ``renamed``: pseudonyms that gave way to others, ``old`` and ``new``.
    """
    inside = pl.repeat(True, linkage.persons.height, eager=True)
    if cohort.filter is not None:
        inside &= _by_filter(cohort, cohort.filter, linkage, kept)
    listed = cohort.listed()
    if listed is not None:
        inside &= _listed(listed, pseudonyms, renamed)
    return inside


def _by_filter(
    cohort: Cohort, condition: Filter, linkage: "Linkage", kept: Mapping[str, pl.Series] | None
) -> pl.Series:
    source = cohort.source_among(linkage.sources)
    usable = pl.lit(True) if kept is None else kept[source.name]
    person = pl.col("person_id").alias(_PERSON)
    links = linkage.links_of(source.name).select("raw_row_hash", person, usable.alias(_KEPT))
    people = people_by_postcode(linkage.persons, linkage.sources)
    rows = rows_with_derived(source, cohort.columns(source), cohort.derived, linkage.reference_date, people)
    batches = rows_beside_links(source, rows, links, linkage.digests.get(source.name))
    found = [
        batch.filter(pl.col(_KEPT) & condition.expression(batch.drop(_PERSON, _KEPT).schema))[_PERSON].unique()
        for batch in batches
    ]
    return pl.repeat(False, linkage.persons.height, eager=True).scatter(pl.concat(found), True)


def _listed(listed: pl.Series, pseudonyms: pl.Series, renamed: pl.DataFrame) -> pl.Series:
    sound = int(listed.str.contains(_PSEUDONYM).sum()) if listed.dtype == pl.String else 0
    if sound < listed.len():
        raise ProgrammeError(
            f"cohort: {listed.len() - sound} of {listed.len()} in its list are no pseudonyms of 32 hex characters; "
            "correct the list"
        )
    inside = pseudonyms.is_in(as_now(listed, renamed).implode())
    if listed.len() and not inside.any():
        raise ProgrammeError(
            "cohort: nobody has any of the pseudonyms in its list; check whether they were released under another key, "
            "or under another version of it"
        )
    return inside


def _read(file: Path) -> pl.Series:
    if not file.is_file():
        raise ProgrammeError(f"cohort: there is no file {file}; name a Parquet or CSV file with a column pseudonym")
    if file.suffix.lower() == ".parquet":
        try:
            return pl.read_parquet(file, columns=["pseudonym"]).to_series()
        except (pl.exceptions.PolarsError, OSError):
            pass
        raise ProgrammeError(f"cohort: {file} is no Parquet file with a column pseudonym")
    table = CsvFile("cohort", file)
    if "pseudonym" not in table.header():
        raise ProgrammeError(f"cohort: {file} has no column pseudonym")
    return pl.concat(table.batches(["pseudonym"])).to_series()
