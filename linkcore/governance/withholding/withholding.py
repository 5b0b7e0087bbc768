"""Withholding: which records must not leave, by opt-outs and by rules on sensitive records, and why."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import polars as pl

from linkcore.errors import RefusedError
from linkcore.governance.withholding.opt_out_policy import OptOutPolicy
from linkcore.governance.withholding.opt_outs import OptOuts
from linkcore.governance.withholding.possible_people import Whose
from linkcore.governance.withholding.sensitive import SensitiveRule, sensitive_records
from linkcore.link import Linkage

__all__ = ["REASONS", "Withholding", "withhold"]

REASONS: Final = (
    "objection",  # the person has objected to the programme
    "exclusion",  # the person is on a list of people to leave out altogether
    "type_1",  # GP data of a person with a Type 1 opt-out
    "national",  # the National Data Opt-out
    "not_asked",  # the national service was not asked about the person
    "links_to_nobody",  # an opt-out applies, and there is no number by which to look the person up
    "sensitive",  # the record has a sensitive code
    "carried_away",  # it has the same parent as one that has
)
"""Why a record is withheld, in the order in which reasons are looked at: it is counted under the first."""


@dataclass(frozen=True, eq=False, repr=False)
class Withholding:
    """What may leave of each source on one day and for one purpose, and how much of the rest is kept back, and why.

    Parameters
    ----------
    kept : mapping of str to polars.Series
        For each source, Boolean without nulls, a value a row in the order of ``Linkage.links_of``: may it leave?
    counts : polars.DataFrame
        ``source`` (String), ``reason`` (String), ``records`` (UInt32): each record once, by the first of ``REASONS``
        that holds for it; zeros are there for every reason that was looked at.
    basis : mapping of str to str
        For each kind of opt-out and of sensitive record: by which list, policy or exemption. It names nobody.
    on : datetime.date
        The day of release: the status of that day governs.
    purpose : str
        What the release is for.
    """

    kept: Mapping[str, pl.Series]
    counts: pl.DataFrame
    basis: Mapping[str, str]
    on: dt.date
    purpose: str

    def __post_init__(self) -> None:
        for name in ("kept", "basis"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    def __repr__(self) -> str:
        """Tell no count, which a notebook would keep."""
        return f"Withholding(on {self.on}, for {self.purpose!r})"


def withhold(
    linkage: Linkage,
    policy: OptOutPolicy,
    *,
    on: dt.date,
    purpose: str,
    national: OptOuts | None = None,
    type_one: OptOuts | None = None,
    objections: OptOuts | None = None,
    excluded: OptOuts | None = None,
    sensitive: Sequence[SensitiveRule] = (),
) -> Withholding:
    """Find the records that must not leave.

    An opt-out follows the person: a record is withheld if its own number, a number that superseded it, the person it is
    linked to, or any candidate with a probability of 0.001 or more has one that applies. The programme's own objections
    and the list of excluded people apply to every source; the National Data Opt-out too, unless the policy states an
    exemption for the purpose; Type 1 opt-outs to GP data alone.

    Parameters
    ----------
    linkage : Linkage
        Of the sources.
    policy : OptOutPolicy
        How the programme applies opt-outs.
    on : datetime.date
        The day of release.
    purpose : str
        What it is for, as the agreement words it.
    national : OptOuts, optional
        The National Data Opt-out, a list or the answer of the national check; needed unless the purpose is exempt.
    type_one : OptOuts, optional
        Type 1 opt-outs; needed where there are GP data, unless the policy says who has applied them.
    objections : OptOuts, optional
        Objections to the programme.
    excluded : OptOuts, optional
        People of whom nothing may leave, for whatever other reason.
    sensitive : sequence of SensitiveRule
        Which records are sensitive.

    Returns
    -------
    Withholding

    Raises
    ------
    RefusedError
        If a list that is needed is not given, is too old, or cannot be relied on.
    ProgrammeError
        If the policy or a rule names a source or column that is not there.
    SourceError
        If a source is not what was linked.

    Examples
    --------
    >>> from linkcore.link import link
    >>> from linkcore.sources.source import Source
    >>> people = pl.DataFrame({"nhs_number": ["4010232137", "4000000012"]})
    >>> linkage = link([Source("gp", people, spine=True), Source("seen", people)], fallback=None)
    >>> day = dt.date(2026, 3, 1)
    >>> one, nobody = OptOuts.from_list(people[:1], as_of=day), OptOuts.from_list(people[:0], as_of=day)
    >>> withheld = withhold(linkage, OptOutPolicy(), on=day, purpose="planning", national=nobody, type_one=one)
    >>> withheld.kept["gp"].to_list(), withheld.kept["seen"].to_list()
    ([False, True], [True, True])
    """
    gp_sources = policy.sources_of_gp_data(linkage.sources)
    exempt = purpose in policy.exemptions
    if national is None and not exempt:
        raise RefusedError(
            f"release for {purpose!r}: there is no National Data Opt-out to apply, and the policy states no exemption "
            "for this purpose; give the list, or the answer of the national check"
        )
    if type_one is None and gp_sources and not policy.type_one_applied:
        raise RefusedError(
            f"release for {purpose!r}: there are no Type 1 opt-outs to apply to {', '.join(gp_sources)}; give them, or "
            "say in the policy who has applied them"
        )
    given = {
        "objection": objections,
        "exclusion": excluded,
        "type_1": type_one if gp_sources else None,
        "national": None if exempt else national,
    }
    applied = {kind: opt_outs for kind, opt_outs in given.items() if opt_outs is not None}
    for kind, opt_outs in applied.items():
        opt_outs.refuse_another_stage(f"opt-outs ({kind})", linkage.sources)
        opt_outs.check(
            f"opt-outs ({kind})", on=on, max_age_days=policy.max_age_days, accept_unreadable=policy.accept_unreadable
        )
    reasons = _reasons(linkage, applied, on, gp_sources, policy)
    for name, found in sensitive_records(linkage, sensitive).items():
        reasons[name] |= {"sensitive": found["coded"], "carried_away": found["carried"]}
    kept, counts = {}, []
    for source in linkage.sources:
        left = pl.repeat(True, linkage.rows[source.name].height, eager=True)
        for reason in REASONS:
            if reason in reasons[source.name]:
                holds = reasons[source.name][reason]
                counts.append((source.name, reason, (left & holds).sum()))
                left &= ~holds
        kept[source.name] = left.alias("kept")
    return Withholding(
        kept,
        pl.DataFrame(counts, {"source": pl.String, "reason": pl.String, "records": pl.UInt32}, orient="row"),
        dict(_basis(given, policy, purpose, gp_sources, sensitive)),
        on,
        purpose,
    )


def _reasons(
    linkage: Linkage, applied: Mapping[str, OptOuts], on: dt.date, gp_sources: Sequence[str], policy: OptOutPolicy
) -> dict[str, dict[str, pl.Series]]:
    """Say of each record of each source which opt-outs withhold it."""
    whose = Whose(linkage)
    reasons: dict[str, dict[str, pl.Series]] = {source.name: {} for source in linkage.sources}
    to_look_up: set[str] = set()
    for kind, opt_outs in applied.items():
        touched = gp_sources if kind == "type_1" else tuple(reasons)
        numbers = opt_outs.in_force(on, linkage.exact.superseded)
        flags = {kind: whose.may_be_of(numbers)}
        if opt_outs.asked is not None:
            flags["not_asked"] = whose.may_be_of(whose.numbers.filter(~whose.numbers.is_in(opt_outs.asked.implode())))
        for reason, found in flags.items():
            for name in touched:
                reasons[name][reason] = found[name]
        # A list with nobody on it leaves nothing to look up; an answer is only of those who were asked about.
        if numbers.len() or opt_outs.asked is not None:
            to_look_up |= set(touched)
    if policy.unlinked == "withhold" and to_look_up:
        unknown = whose.of_nobody_known()
        for name in to_look_up:
            reasons[name]["links_to_nobody"] = unknown[name]
    return reasons


def _basis(
    given: Mapping[str, OptOuts | None],
    policy: OptOutPolicy,
    purpose: str,
    gp_sources: Sequence[str],
    sensitive: Sequence[SensitiveRule],
) -> Iterator[tuple[str, str]]:
    for kind, opt_outs in given.items():
        if opt_outs is not None:
            yield (
                kind,
                f"applied: {opt_outs.described}, as of {opt_outs.as_of}"
                + (f"; {opt_outs.unreadable} of them have no number that can be read" if opt_outs.unreadable else ""),
            )
        elif kind == "national":
            exemption = policy.exemptions[purpose]
            yield kind, f"exempt for {purpose!r}: {exemption.basis}: {exemption.statement}"
        elif kind == "type_1" and gp_sources:
            yield kind, f"applied before the data came, by {policy.type_one_applied}"
        else:
            yield kind, "no source is of GP data" if kind == "type_1" else "none given"
    yield (
        "links_to_nobody",
        (
            "withheld where an opt-out applies and there is no number to look up"
            if policy.unlinked == "withhold"
            else "released, though no opt-out could be looked up"
        ),
    )
    sets = sorted({each for rule in sensitive for each in rule.reference_sets or rule.codes.reference_sets})
    touched = sorted({rule.source for rule in sensitive})
    yield "sensitive", f"reference sets {', '.join(sets)} in {', '.join(touched)}" if sensitive else "no rules given"
