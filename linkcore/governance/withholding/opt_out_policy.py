"""The policy on opt-outs: how old a list may be, what is GP data, and which purposes are exempt on what basis."""

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
"""On what basis the National Data Opt-out does not apply: the patient's consent to this use; a legal duty or a court's
order; an overriding public interest; regulation 3 (communicable disease and other risks to public health); the
patient's own care; another exemption that national policy states. After NHS England's operational policy guidance."""

# Such data are still of persons: the opt-out is only not for data that are anonymous under the ICO's code.
_NO_BASIS: Final = re.compile(r"pseudo-?nymi[sz]|de-?identif|anonymi[sz]", re.IGNORECASE)


@dataclass(frozen=True)
class Exemption:
    """Why the National Data Opt-out does not apply to a purpose.

    Parameters
    ----------
    basis : Basis
        The kind of exemption.
    statement : str
        What it rests on: the law, the approval and its reference. It is in the manifest and in the report.

    Raises
    ------
    ProgrammeError
        If the basis is none of `Basis`, or nothing is stated.
    RefusedError
        If the statement is that the data are pseudonymised, which exempts nothing.

    Examples
    --------
    >>> Exemption("legal_duty", "the data are pseudonymised")
    Traceback (most recent call last):
    linkcore.errors.RefusedError: exemption: that data are pseudonymised, or ... exempts no purpose ...
    """

    basis: Basis
    statement: str

    def __post_init__(self) -> None:
        if self.basis not in get_args(Basis):
            if _NO_BASIS.search(str(self.basis)):
                raise RefusedError(_NOT_EXEMPT)
            raise ProgrammeError(f"exemption: {self.basis!r} is no basis; use one of {', '.join(get_args(Basis))}")
        if not self.statement.strip():
            raise ProgrammeError("exemption: state what it rests on: the law, the approval and its reference")
        if _NO_BASIS.search(self.statement):
            raise RefusedError(_NOT_EXEMPT)


_NOT_EXEMPT: Final = (
    "exemption: that data are pseudonymised, or said to be anonymous, exempts no purpose from the National Data "
    "Opt-out; state another basis, or apply it"
)


@dataclass(frozen=True)
class OptOutPolicy:
    """How a programme applies opt-outs.

    Parameters
    ----------
    exemptions : mapping of str to Exemption
        By purpose, exactly as the agreement words it: why the National Data Opt-out does not apply to it. Type 1
        opt-outs and the programme's own objections have no exemption.
    gp_sources : sequence of str, optional
        The sources of GP data, to which Type 1 opt-outs apply; by default the spine, and every source that names the
        registered practice.
    type_one_applied : str
        By whom Type 1 opt-outs were applied before the data came, where none are given here ("the GP system supplier").
    unlinked : {"withhold", "release"}
        What becomes of records for which there is no NHS Number to look up, where an opt-out applies.
    max_age_days : int
        How many days old a list may be on the day of release.
    accept_unreadable : bool
        Whether a list may have opt-outs without an NHS Number that can be read; they withhold nobody, and are counted.

    Raises
    ------
    ProgrammeError
        If a setting makes no sense.

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
    max_age_days: int = 7  # NHS England: a cached answer of the national service is good for 7 days
    accept_unreadable: bool = False

    def __post_init__(self) -> None:
        if self.unlinked not in ("withhold", "release"):
            raise ProgrammeError(f"opt-outs: unlinked is 'withhold' or 'release', not {self.unlinked!r}")
        if not isinstance(self.max_age_days, int) or self.max_age_days < 0:
            raise ProgrammeError("opt-outs: max_age_days is a whole number of days, 0 or more")
        if isinstance(self.gp_sources, str):
            raise ProgrammeError("opt-outs: gp_sources must be a list of names of sources")
        object.__setattr__(self, "exemptions", MappingProxyType(dict(self.exemptions)))

    def sources_of_gp_data(self, sources: Sequence[Source]) -> tuple[str, ...]:
        """Name the sources to which Type 1 opt-outs apply.

        Parameters
        ----------
        sources : sequence of Source
            What was, or will be, linked.

        Returns
        -------
        tuple of str

        Raises
        ------
        ProgrammeError
            If the policy names a source that is not there.
        """
        names = [source.name for source in sources]
        if self.gp_sources is None:
            return tuple(source.name for source in sources if source.spine or source.practice is not None)
        absent = [name for name in self.gp_sources if name not in names]
        if absent:
            raise ProgrammeError(f"opt-outs: gp_sources names {', '.join(absent)}; there are {', '.join(names)}")
        return tuple(self.gp_sources)
