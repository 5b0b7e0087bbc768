"""Withholding: which records must not leave, because of opt-outs or because they are sensitive, and why."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeAlias

import polars as pl

from linkcore.errors import RefusedError
from linkcore.governance.withholding.doubts import check_share, refuse_list_of_strangers
from linkcore.governance.withholding.opt_out_lists import OptOutLists
from linkcore.governance.withholding.opt_out_policy import OptOutPolicy
from linkcore.governance.withholding.opt_outs import OptOuts
from linkcore.governance.withholding.possible_people import PossiblePeople
from linkcore.governance.withholding.sensitive import SensitiveRule, sensitive_records
from linkcore.link import Linkage

__all__ = ["REASONS", "Withholding", "withhold"]

REASONS: Final = (
    "objection",  # the person has objected to the programme
    "exclusion",  # the person is on the list of excluded people
    "type_1",  # GP data of a person with a Type 1 opt-out
    "national",  # the National Data Opt-out
    "other_number",  # an opt-out of somebody who may be the same person under another number
    "not_asked",  # the national service was not asked about the person
    "links_to_nobody",  # an opt-out applies, and there is no number by which to look the person up
    "sensitive",  # the record has a sensitive code
    "carried_away",  # the record has the same parent as a sensitive one
)
"""Why a record is withheld. Each record is counted once, under the first reason that holds for it."""

_COUNTS: Final = pl.Schema({"source": pl.String(), "reason": pl.String(), "records": pl.UInt32()})

# For each source, the records that each reason withholds, in the order of its links.
_Reasons: TypeAlias = dict[str, dict[str, pl.Series]]


@dataclass(frozen=True, eq=False, repr=False)
class Withholding:
    """Which records of each source may leave on one day for one purpose; and how many are withheld, and why.

    Parameters
    ----------
    kept : mapping of str to polars.Series
        For each source, whether each record may leave: Boolean without nulls, in the order of ``Linkage.links_of``.
    counts : polars.DataFrame
        ``source`` (String), ``reason`` (String) and ``records`` (UInt32). Each record is counted once, under the first
        of ``REASONS`` that holds for it. Every reason that was looked at has a row, also with zero records.
    basis : mapping of str to str
        For each kind of opt-out and for sensitive records, the list, policy or exemption that was applied. It names no
        person.
    on : datetime.date
        The day of release. Opt-outs are applied as they stand on this day.
    purpose : str
        The purpose of the release.
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
        """Show no count: a notebook would keep it."""
        return f"Withholding(on {self.on}, for {self.purpose!r})"


def withhold(
    linkage: Linkage,
    policy: OptOutPolicy,
    opt_outs: OptOutLists,
    *,
    on: dt.date,
    purpose: str,
    sensitive: Sequence[SensitiveRule] = (),
) -> Withholding:
    """Find the records that must not leave.

    An opt-out follows the person. A record is withheld if an opt-out applies to its own number, to a number that its
    number superseded, to the person it is linked to, or to any candidate with a probability of 0.001 or more. A person
    whose number is not on the spine is compared with those who opted out: the number may be mistyped, or new.

    Objections and the list of excluded people apply to every source. So does the National Data Opt-out, unless the
    policy states an exemption for the purpose. Type 1 opt-outs apply to GP data only.

    Parameters
    ----------
    linkage : Linkage
        The linkage of the sources.
    policy : OptOutPolicy
        How the programme applies opt-outs.
    opt_outs : OptOutLists
        The opt-outs. The National Data Opt-out is needed unless the purpose is exempt. Type 1 opt-outs are needed if
        there are GP data, unless the policy says who has already applied them.
    on : datetime.date
        The day of release.
    purpose : str
        The purpose of the release, exactly as in the agreement.
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
        If the policy or a rule names a source or column that does not exist.
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
    >>> lists = OptOutLists(national=nobody, type_one=one)
    >>> withheld = withhold(linkage, OptOutPolicy(), lists, on=day, purpose="planning")
    >>> withheld.kept["gp"].to_list(), withheld.kept["seen"].to_list()
    ([False, True], [True, True])
    """
    gp_sources = policy.sources_of_gp_data(linkage.sources)
    refuse_missing_lists(opt_outs, policy, purpose, gp_sources)
    given = {
        "objection": opt_outs.objections,
        "exclusion": opt_outs.excluded,
        "type_1": opt_outs.type_one if gp_sources else None,
        "national": None if purpose in policy.exemptions else opt_outs.national,
    }
    applied = {kind: listed for kind, listed in given.items() if listed is not None}
    for kind, listed in applied.items():
        listed.refuse_another_stage(f"opt-outs ({kind})", linkage.sources)
        listed.check(
            f"opt-outs ({kind})", on=on, max_age_days=policy.max_age_days, accept_unreadable=policy.accept_unreadable
        )
    _doubt(linkage, applied, on, policy)
    reasons = _reasons(linkage, applied, on, gp_sources, policy)
    for name, found in sensitive_records(linkage, sensitive).items():
        reasons[name] |= {"sensitive": found["coded"], "carried_away": found["carried"]}
    kept, counts = _kept_and_counts(linkage, reasons)
    basis = _basis(given, policy, purpose, gp_sources) | _basis_of_sensitive(sensitive)
    return Withholding(kept, counts, basis, on, purpose)


def _doubt(linkage: Linkage, applied: Mapping[str, OptOuts], on: dt.date, policy: OptOutPolicy) -> None:
    """Refuse lists of a share of people that cannot be true; objections and exclusions may be of any number."""
    spine = [source.name for source in linkage.sources if source.spine]
    persons = linkage.persons.filter(pl.col("source").is_in(spine)) if spine else linkage.persons
    numbers = persons["nhs_number"].drop_nulls()
    for kind in [kind for kind in ("national", "type_1") if kind in applied]:
        listed, what = applied[kind], f"opt-outs ({kind})"
        opted_out = listed.in_force(on, linkage.exact.superseded)
        found = int(numbers.is_in(opted_out.implode()).sum())
        if kind == "national":
            refuse_list_of_strangers(found, opted_out.len(), what)
        if not listed.vouched:
            # A checksum shows that nothing is cut off, and not that it is the right file.
            least, most = policy.plausible
            check_share(found, numbers.len(), (0.0 if listed.whole else least, most), what)


def refuse_missing_lists(opt_outs: OptOutLists, policy: OptOutPolicy, purpose: str, gp_sources: Sequence[str]) -> None:
    """Refuse a release for which the National Data Opt-out or Type 1 opt-outs are needed and not given."""
    if opt_outs.national is None and purpose not in policy.exemptions:
        raise RefusedError(
            f"release for {purpose!r}: there is no National Data Opt-out to apply, and the policy states no exemption "
            "for this purpose; give the list, or the answer of the national check"
        )
    if opt_outs.type_one is None and gp_sources and not policy.type_one_applied:
        raise RefusedError(
            f"release for {purpose!r}: there are no Type 1 opt-outs to apply to {', '.join(gp_sources)}; give them, or "
            "say in the policy who has applied them already"
        )


def _reasons(
    linkage: Linkage, applied: Mapping[str, OptOuts], on: dt.date, gp_sources: Sequence[str], policy: OptOutPolicy
) -> _Reasons:
    """Find the records that opt-outs withhold."""
    people = PossiblePeople(linkage)
    reasons: _Reasons = {source.name: {} for source in linkage.sources}
    looked_up: set[str] = set()  # the sources for whose records an opt-out must be looked up
    for kind, opt_outs in applied.items():
        sources = gp_sources if kind == "type_1" else tuple(reasons)
        numbers = opt_outs.in_force(on, linkage.exact.superseded)
        withheld = {kind: people.records_of(numbers), "other_number": people.under_another_number(numbers)}
        if opt_outs.asked is not None:
            not_asked = people.numbers.filter(~people.numbers.is_in(opt_outs.asked.implode()))
            withheld["not_asked"] = people.records_of(not_asked)
        for reason, records in withheld.items():
            for name in sources:
                reasons[name][reason] = reasons[name].get(reason, False) | records[name]
        # An empty list leaves nothing to look up; the national service answers only for the numbers it was asked about.
        if numbers.len() or opt_outs.asked is not None:
            looked_up |= set(sources)
    if policy.unlinked == "withhold" and looked_up:
        unknown = people.without_known_number()
        for name in looked_up:
            reasons[name]["links_to_nobody"] = unknown[name]
    return reasons


def _kept_and_counts(linkage: Linkage, reasons: _Reasons) -> tuple[dict[str, pl.Series], pl.DataFrame]:
    """Count each record under the first reason that withholds it, and return which records are left."""
    kept, counts = {}, []
    for source in linkage.sources:
        left = pl.repeat(True, linkage.rows[source.name].height, eager=True)
        for reason in REASONS:
            if reason in reasons[source.name]:
                withheld = reasons[source.name][reason]
                counts.append((source.name, reason, (left & withheld).sum()))
                left &= ~withheld
        kept[source.name] = left.alias("kept")
    return kept, pl.DataFrame(counts, _COUNTS, orient="row")


def _basis(
    given: Mapping[str, OptOuts | None], policy: OptOutPolicy, purpose: str, gp_sources: Sequence[str]
) -> dict[str, str]:
    """State for each kind of opt-out what was applied; these sentences are in manifests and reports."""
    basis = {}
    for kind, opt_outs in given.items():
        if opt_outs is not None:
            unreadable = f"; {opt_outs.unreadable} of them have no number that can be read" * bool(opt_outs.unreadable)
            basis[kind] = f"applied: {opt_outs.described}, as of {opt_outs.as_of}{unreadable}"
        elif kind == "national":
            exemption = policy.exemptions[purpose]
            basis[kind] = f"exempt for {purpose!r}: {exemption.basis}: {exemption.statement}"
        elif kind == "type_1" and gp_sources:
            basis[kind] = f"applied before the data came, by {policy.type_one_applied}"
        else:
            basis[kind] = "no source is of GP data" if kind == "type_1" else "none given"
    basis["links_to_nobody"] = (
        "withheld where an opt-out applies and there is no number to look up"
        if policy.unlinked == "withhold"
        else "released, though no opt-out could be looked up"
    )
    return basis


def _basis_of_sensitive(sensitive: Sequence[SensitiveRule]) -> dict[str, str]:
    sets = sorted({name for rule in sensitive for name in rule.reference_sets or rule.codes.reference_sets})
    sources = sorted({rule.source for rule in sensitive})
    rules = f"reference sets {', '.join(sets)} in {', '.join(sources)}" if sensitive else "no rules given"
    return {"sensitive": rules}
