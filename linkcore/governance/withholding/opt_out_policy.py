"""The policy on opt-outs: how old a list may be, which sources are GP data, and which purposes are exempt and why."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal, get_args

from linkcore.errors import ProgrammeError, RefusedError
from linkcore.sources.source import Source

__all__ = ["Basis", "Exemption", "OptOutPolicy"]

Basis = Literal[
    "consent", "legal_duty", "public_interest", "communicable_disease", "individual_care", "stated_exemption"
]
"""Why the National Data Opt-out does not apply: the patient's consent to this use; a legal duty or a court order; an
overriding public interest; regulation 3 (communicable disease and other risks to public health); the patient's own
care; or another exemption in national policy. Source: NHS England's operational policy guidance."""

# Such data are still personal data. The opt-out does not apply only to data that are anonymous under the ICO's code.
_NO_BASIS: Final = re.compile(r"pseudo-?nymi[sz]|de-?identif|anonymi[sz]", re.IGNORECASE)


@dataclass(frozen=True)
class Exemption:
    """Why the National Data Opt-out does not apply to a purpose.

    Parameters
    ----------
    basis : Basis
        The kind of exemption.
    statement : str
        The law or the approval that the exemption rests on, and its reference. The manifest and the report show it.

    Raises
    ------
    ProgrammeError
        If the basis is not one of `Basis`, or the statement is empty.
    RefusedError
        If the statement says that the data are pseudonymised or anonymous: this is no reason for an exemption.

    Examples
    --------
    >>> Exemption("legal_duty", "the data are pseudonymised")
    Traceback (most recent call last):
    linkcore.errors.RefusedError: exemption: pseudonymised data, and data said to be anonymous, are not exempt ...
    """

    basis: Basis
    statement: str

    def __post_init__(self) -> None:
        if self.basis not in get_args(Basis):
            if _NO_BASIS.search(str(self.basis)):
                raise RefusedError(_NOT_EXEMPT)
            raise ProgrammeError(f"exemption: unknown basis {self.basis!r}; use one of {', '.join(get_args(Basis))}")
        if not self.statement.strip():
            raise ProgrammeError("exemption: statement is empty; state the law or the approval, and its reference")
        if _NO_BASIS.search(self.statement):
            raise RefusedError(_NOT_EXEMPT)


_NOT_EXEMPT: Final = (
    "exemption: pseudonymised data, and data said to be anonymous, are not exempt from the National Data Opt-out; "
    "state another basis, or apply the opt-out"
)


@dataclass(frozen=True)
class OptOutPolicy:
    """How a programme applies opt-outs.

    Parameters
    ----------
    exemptions : mapping of str to Exemption
        For each purpose, exactly as in the agreement, why the National Data Opt-out does not apply to it. There is no
        exemption from Type 1 opt-outs or from objections to the programme.
    gp_sources : sequence of str, optional
        Names of the sources with GP data, to which Type 1 opt-outs apply. By default, the spine and every source with a
        column for the registered practice.
    type_one_applied : str
        Who applied the Type 1 opt-outs before the data arrived, if none are given here ("the GP system supplier").
    unlinked : {"withhold", "release"}
        Whether records without an NHS Number to look up are withheld or released, where an opt-out applies.
    max_age_days : int
        Largest age of a list, in days, on the day of release.
    plausible : tuple of float
        The least and the greatest share of the people on the spine who may have opted out nationally, or by Type 1. A
        list of another share is refused as another file, or as cut off, unless it is known how many people it must
        hold. With a checksum beside it, a list may be of a smaller share.
    accept_unreadable : bool
        Whether a list may have opt-outs without a readable NHS Number. They withhold nobody, and are counted.

    Raises
    ------
    ProgrammeError
        If a setting has no possible value.

    Examples
    --------
    >>> policy = OptOutPolicy({"invoice validation": Exemption("stated_exemption", "payments, CAG 7-07(a)/2013")})
    >>> policy.unlinked, policy.max_age_days
    ('withhold', 7)
    """

    exemptions: Mapping[str, Exemption] = field(default_factory=dict)
    gp_sources: Sequence[str] | None = None
    type_one_applied: str = ""
    unlinked: Literal["withhold", "release"] = "withhold"
    max_age_days: int = 7  # NHS England: an answer of the national service may be used for 7 days
    accept_unreadable: bool = False
    plausible: tuple[float, float] = (0.005, 0.3)

    def __post_init__(self) -> None:
        if self.unlinked not in ("withhold", "release"):
            raise ProgrammeError(f"opt-outs: unlinked is 'withhold' or 'release', not {self.unlinked!r}")
        if not isinstance(self.max_age_days, int) or self.max_age_days < 0:
            raise ProgrammeError("opt-outs: max_age_days is a whole number of days, 0 or more")
        if len(self.plausible) != 2 or not 0 <= self.plausible[0] <= self.plausible[1] <= 1:
            raise ProgrammeError("opt-outs: plausible is the least and the greatest share, from 0 to 1")
        if isinstance(self.gp_sources, str):
            raise ProgrammeError("opt-outs: gp_sources is a list of names of sources")
        object.__setattr__(self, "exemptions", MappingProxyType(dict(self.exemptions)))

    def sources_of_gp_data(self, sources: Sequence[Source]) -> tuple[str, ...]:
        """Return the names of the sources to which Type 1 opt-outs apply.

        Parameters
        ----------
        sources : sequence of Source
            The sources that were linked, or will be.

        Returns
        -------
        tuple of str

        Raises
        ------
        ProgrammeError
            If the policy names a source that does not exist.
        """
        names = [source.name for source in sources]
        if self.gp_sources is None:
            return tuple(source.name for source in sources if source.spine or source.practice is not None)
        absent = [name for name in self.gp_sources if name not in names]
        if absent:
            raise ProgrammeError(f"opt-outs: gp_sources names {', '.join(absent)}; the sources are {', '.join(names)}")
        return tuple(self.gp_sources)
