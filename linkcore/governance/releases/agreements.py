"""Agreements: what one recipient may have."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, TypeVar, get_args

from linkcore.errors import ProgrammeError
from linkcore.governance.audit.audit import refuse_unfit
from linkcore.governance.releases.cohorts import Cohort
from linkcore.governance.releases.derived import Derived
from linkcore.governance.releases.derived_together import refuse_birth_dates
from linkcore.governance.releases.encryption import Encryption
from linkcore.governance.releases.formats import FORMATS, Format
from linkcore.governance.releases.link_columns import LINK_COLUMNS, MATCH_PROBABILITY, USUAL_LINK_COLUMNS
from linkcore.governance.releases.plan import RESERVED_COLUMNS, ReleasePlan
from linkcore.governance.releases.terms import Terms
from linkcore.keys.key import checked_id
from linkcore.plain_text import ends_a_line
from linkcore.schema import IDENTIFIERS
from linkcore.sources.source import Source

__all__ = ["Agreement"]

_T = TypeVar("_T")
_COLUMN: Final = re.compile("[A-Za-z_][A-Za-z0-9_]{0,62}")


@dataclass(frozen=True)
class Agreement:
    """What one recipient may have, and under which key. What is not named here is not released.

    Parameters
    ----------
    recipient : str
        Who receives the data.
    key : str
        The id of the recipient's own key.
    columns : mapping of str to sequence of str
        For each source that is released, its payload columns, by the source's own names. The list may be empty.
    purpose : str
        What the data are for.
    pseudonymised : mapping of str to sequence of str
        For a source, columns released as pseudonyms of their values under the recipient's key, each under its own name:
        the id of a spell or a referral, by which updates are matched. The same value in a column of the same name has
        the same pseudonym in every source.
    derived : mapping of str to mapping of str to Derived
        For a source, columns made of its identifiers: the name of each, and how it is made.
    quasi_identifiers : mapping of str to sequence of str
        For a source, released columns that somebody may know about a person from elsewhere. k-anonymity is computed
        from them and from all derived columns.
    not_identifying : mapping of str to sequence of str
        For a source, columns with names or postcodes that are no patient's, such as of wards and sites. Somebody must
        have looked at them.
    cohort : Cohort or str, optional
        Whose records are released. Without it, everybody's are. A text is a filter on the records of the spine.
    terms : Terms, optional
        The conditions of the agreement. Without them, only synthetic data are released.
    format : {"parquet", "csv", "duckdb"}
        The format of the recipient's files.
    minimum_k : int, optional
        The smallest k of k-anonymity with which anything is released.
    link_columns : sequence of str
        What each row tells about its link, of ``link_method``; ``link_band``, how sure it is: certain, high or medium;
        ``link_candidates``, how many persons the record could be of; and ``link_agreement``, which identifiers agree.
        All are coarse classes, and the manifest says what they mean.
    match_probability : str
        Why the recipient needs the exact probability of each link. By it, two recipients can join releases. Without a
        reason it is not released.
    integer_id : str
        Name of a column with a whole number that stands for the person, beside the pseudonym, such as ``person_id`` of
        OMOP: 64 bits, 19 digits, always the same under the recipient's key. Without a name there is none.
    encryption : Encryption, optional
        For whom the files are encrypted. Without it, they are plain.

    Raises
    ------
    ProgrammeError
        If it names no source, names a column twice, or states something about a source that ``columns`` does not name.

    Examples
    --------
    >>> agreement = Agreement("partner", "partner-2026", {"outpatient": ["ATTENDED", "SPECIALTY"]})
    >>> agreement.columns["outpatient"]
    ('ATTENDED', 'SPECIALTY')
    """

    recipient: str
    key: str
    columns: Mapping[str, Sequence[str]]
    purpose: str = ""
    pseudonymised: Mapping[str, Sequence[str]] = field(default_factory=dict)
    derived: Mapping[str, Mapping[str, Derived]] = field(default_factory=dict)
    quasi_identifiers: Mapping[str, Sequence[str]] = field(default_factory=dict)
    not_identifying: Mapping[str, Sequence[str]] = field(default_factory=dict)
    cohort: Cohort | str | None = None
    terms: Terms | None = None
    format: Format = "parquet"
    minimum_k: int | None = None
    link_columns: Sequence[str] = USUAL_LINK_COLUMNS
    match_probability: str = ""
    integer_id: str = ""
    encryption: Encryption | None = None

    def __post_init__(self) -> None:
        for name in ("columns", "pseudonymised", "quasi_identifiers", "not_identifying"):
            stated = getattr(self, name)
            for source, columns in stated.items():
                if isinstance(columns, str):
                    raise self._error(f"the columns of {source!r} in {name} must be a list")
            object.__setattr__(self, name, _frozen({source: tuple(columns) for source, columns in stated.items()}))
        object.__setattr__(
            self, "derived", _frozen({source: _frozen(dict(columns)) for source, columns in self.derived.items()})
        )
        if isinstance(self.cohort, str):
            object.__setattr__(self, "cohort", Cohort(self.cohort))
        if not self.recipient.strip():
            raise self._error("recipient says who receives the data; it is empty")
        checked_id(self.key)
        for name in ("recipient", "purpose"):
            if ends_a_line(getattr(self, name)):
                raise self._error(f"{name} has a line end; write it on one line")
        self._check_sources()
        self._check_format()
        if self.minimum_k is not None and (type(self.minimum_k) is not int or self.minimum_k < 1):
            raise self._error("minimum_k is a whole number from 1 on")
        if self.minimum_k is not None and not any(self.known_by(source) for source in self.columns):
            raise self._error(
                "minimum_k counts persons who are alike in the quasi-identifiers, and there are none; name some, or "
                "derive columns"
            )
        self._check_birth_dates()
        self._check_link_columns()
        self._check_integer_id()

    def _check_birth_dates(self) -> None:
        """Refuse derived columns that together tell a birth date, in one source or by the pseudonym in several."""
        derived = (column for columns in self.derived.values() for column in columns.values())
        refuse_birth_dates(derived, f"agreement with {self.recipient!r}")

    def _check_link_columns(self) -> None:
        names = self.link_columns
        object.__setattr__(self, "link_columns", tuple(names))
        if isinstance(names, str) or len(set(names)) < len(names):
            raise self._error("link_columns is a list in which no column is named twice")
        if MATCH_PROBABILITY in names:
            raise self._error("link_columns has classes only; for exact probabilities, state in match_probability why")
        others = [name for name in names if name not in LINK_COLUMNS]
        if others:
            known = ", ".join(name for name in LINK_COLUMNS if name != MATCH_PROBABILITY)
            raise self._error(f"link_columns has {others}; there are {known}")
        if self.match_probability and not self.match_probability.strip():
            raise self._error("match_probability says why exact probabilities are released; state it, or leave it out")

    def _check_integer_id(self) -> None:
        name = self.integer_id
        if not isinstance(name, str) or (name and not _COLUMN.fullmatch(name)):
            raise self._error("integer_id names a column: letters, digits and _, not beginning with a digit")
        others = {*RESERVED_COLUMNS, *IDENTIFIERS, *(each for source in self.columns for each in self.released(source))}
        if name and name.lower() in {each.lower() for each in others}:
            raise self._error(f"integer_id is {name!r}, which is another column's name; choose another")

    def _check_sources(self) -> None:
        if not self.columns:
            raise self._error("it names no source, so nothing could be released; name one in columns")
        for name in ("pseudonymised", "derived", "quasi_identifiers", "not_identifying"):
            others = sorted(set(getattr(self, name)) - set(self.columns))
            if others:
                raise self._error(
                    f"{name} is of {others}, which columns does not name; add them to columns, with [] if no payload "
                    "is released"
                )
        for source in self.columns:
            released = self.released(source)
            if len(set(released)) < len(released):
                raise self._error(f"a column of {source!r} is named twice")
            for name in ("quasi_identifiers", "not_identifying"):
                others = sorted(set(getattr(self, name).get(source, ())) - set(released))
                if others:
                    raise self._error(f"{name} of {source!r} names {others}, which are not released")
            made = sorted(set(self.not_identifying.get(source, ())) & set(self.derived.get(source, ())))
            if made:
                raise self._error(f"not_identifying of {source!r} names {made}, which are derived; take them out")

    def _check_format(self) -> None:
        if self.format not in get_args(Format):
            raise self._error(f"format is {self.format!r}; it is one of {', '.join(get_args(Format))}")
        if FORMATS[self.format].tells_capitals_apart:
            return
        of_tables = [(*RESERVED_COLUMNS, *self.released(source)) for source in self.columns]
        if any(len({name.lower() for name in names}) < len(names) for names in [tuple(self.columns), *of_tables]):
            raise self._error(
                f"two sources, or two columns, differ in capitals only, which {FORMATS[self.format].title} takes for "
                "one name"
            )

    def _error(self, what: str) -> ProgrammeError:
        return ProgrammeError(f"agreement with {self.recipient!r}: {what}")

    def refuse_without_passphrase(self) -> None:
        """Refuse now what a release refuses later: the passphrase that encrypts it is not there, or is weak.

        Raises
        ------
        KeyMaterialError
            If there is no passphrase, it is weak, or other users may read its file.
        """
        if self.encryption is not None:
            self.encryption.passphrase()

    @property
    def added_columns(self) -> tuple[str, ...]:
        """The columns that each released table begins with: pseudonym, integer id, and what is told about links."""
        return ("pseudonym", *([self.integer_id] if self.integer_id else []), *self.told_of_links)

    @property
    def told_of_links(self) -> tuple[str, ...]:
        """The columns about links, in their order."""
        told = {*self.link_columns, *([MATCH_PROBABILITY] if self.match_probability else [])}
        return tuple(name for name in LINK_COLUMNS if name in told)

    def released(self, source: str) -> tuple[str, ...]:
        """Name the columns of a source that are released, after those that every release adds.

        Parameters
        ----------
        source : str
            A source that ``columns`` names.

        Returns
        -------
        tuple of str
            Payload, then pseudonymised columns, then derived ones.
        """
        return (*self.columns[source], *self.pseudonymised.get(source, ()), *self.derived.get(source, ()))

    def known_by(self, source: str) -> tuple[str, ...]:
        """Name the quasi-identifiers among the released columns of a source.

        Parameters
        ----------
        source : str
            A source that ``columns`` names.

        Returns
        -------
        tuple of str
            Those that ``quasi_identifiers`` names, then the derived columns.
        """
        return tuple(dict.fromkeys((*self.quasi_identifiers.get(source, ()), *self.derived.get(source, ()))))

    def check(self, sources: Sequence[Source]) -> None:
        """Check the agreement against the sources before any data are read.

        Parameters
        ----------
        sources : sequence of Source
            What was, or will be, linked.

        Raises
        ------
        ProgrammeError
            If it names a source or column that does not exist, or a column that has the name of one that every release
            adds, or that the format cannot hold.
        RefusedError
            If it names a column that identifies people, or a text of it holds an identifier.
        """
        self.plans(sources)

    def plans(self, sources: Sequence[Source]) -> tuple[ReleasePlan, ...]:
        """Compile the agreement for each source that it names, in the order of the sources; raise as `check` does."""
        self._check_texts()
        there = [source.name for source in sources]
        for name in self.columns:
            if name not in there:
                raise ProgrammeError(
                    f"agreement with {self.recipient!r}, source {name!r}: there is no such source; there are "
                    f"{', '.join(there)}"
                )
        plans = tuple(self._plan(source) for source in sources if source.name in self.columns)
        if isinstance(self.cohort, Cohort):
            self.cohort.check(sources)
        return plans

    def _check_texts(self) -> None:
        """Refuse now what the audit log would refuse only when everything is linked and written."""
        refuse_unfit("recipient", self.recipient)
        named = f"agreement with {self.recipient!r}: "
        refuse_unfit("key", self.key, named=f"{named}key")
        refuse_unfit("purpose", self.purpose, named=f"{named}purpose")
        refuse_unfit("sources", ", ".join(self.columns), named=f"{named}the names of its sources")

    def _plan(self, source: Source) -> ReleasePlan:
        return ReleasePlan(
            source=source,
            recipient=self.recipient,
            payload=tuple(self.columns[source.name]),
            pseudonymised=tuple(self.pseudonymised.get(source.name, ())),
            derived=self.derived.get(source.name, {}),
            quasi_identifiers=self.known_by(source.name),
            not_identifying=tuple(self.not_identifying.get(source.name, ())),
            format=self.format,
            link_columns=self.told_of_links,
            integer_id=self.integer_id,
        )


def _frozen(mapping: dict[str, _T]) -> Mapping[str, _T]:
    return MappingProxyType(mapping)
