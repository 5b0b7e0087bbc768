"""What a programme would do, in words: for whoever answers for it, before anything is read."""

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from linkcore.governance.releases.agreements import Agreement
from linkcore.governance.releases.cohorts import Cohort
from linkcore.governance.releases.plan import ADDED_COLUMNS
from linkcore.programme.tables import OptOutsTable, SensitiveTable
from linkcore.sources.source import Source

if TYPE_CHECKING:
    from linkcore.programme.programme import Programme

__all__ = ["plan"]


def plan(programme: "Programme", sources: Sequence[Source], on: dt.date | None) -> str:
    """Say what a programme would do."""
    about = programme.programme
    lines = [f"programme: {about.name}{' (synthetic)' if about.synthetic else ''}"]
    if about.ends is not None:
        lines.append(f"  ends on {about.ends}; then it is destroyed")
    for source in sources:
        lines += _of_source(source)
    lines += _of_opt_outs(programme.opt_outs, sources)
    lines += _of_sensitive(programme.sensitive)
    for agreement in programme.agreements():
        lines += _of_agreement(agreement, programme.opt_outs, on)
    lines.append(f"audit log: {'none stated' if programme.audit is None else programme.audit.file}")
    return "\n".join(lines)


def _of_source(source: Source) -> Iterator[str]:
    files = f"{len(source.files)} files" if source.files else "in memory"
    yield f"source {source.name}{' (spine)' if source.spine else ''}: {files}"
    if source.stage_one is not None:
        stage = source.stage_one
        yield f"  by stage-1 codes of NHS Numbers ({stage.text}): {stage.bits} bits as {stage.encoding}"
    identifiers = [*source.identifier_columns, *(source.further or ())]
    yield f"  read to link, never released: {', '.join(identifiers)}"


def _of_opt_outs(stated: OptOutsTable | None, sources: Sequence[Source]) -> Iterator[str]:
    if stated is None:
        yield "opt-outs: none stated, so only synthetic data can be released"
        return
    yield f"opt-outs: as they stand on the day of release, from lists at most {stated.max_age_days} days old"
    given = (
        ("national", stated.national),
        ("objections to the programme", stated.objections),
        ("people left out", stated.excluded),
    )
    for kind, table in given:
        yield f"  {kind}: {'none given' if table is None else f'every source, as of {table.as_of}'}"
    gp_data = ", ".join(stated.policy().sources_of_gp_data(sources)) or "no source"
    if stated.type_one is not None:
        yield f"  Type 1: {gp_data}, as of {stated.type_one.as_of}"
    else:
        yield f"  Type 1: {gp_data}, applied before by {stated.type_one_applied or 'nobody: releases are refused'}"
    for each in stated.exemption:
        yield f"  national, exempt for {each.purpose!r}: {each.basis}: {each.statement}"
    unlinked = "withheld where an opt-out applies" if stated.unlinked == "withhold" else "released"
    yield f"  records of nobody who could be looked up: {unlinked}"


def _of_sensitive(rules: Sequence[SensitiveTable]) -> Iterator[str]:
    for rule in rules:
        sets = "all reference sets" if rule.reference_sets is None else ", ".join(rule.reference_sets)
        away = f"; with all rows of the same {rule.parent}" if rule.parent else ""
        away += "".join(f", in {name} by {column}" for name, column in rule.carries.items())
        yield f"sensitive records of {rule.source}: {', '.join(rule.columns)} in {sets} of {rule.codes}{away}"


def _of_agreement(agreement: Agreement, opt_outs: OptOutsTable | None, on: dt.date | None) -> Iterator[str]:
    yield f"recipient {agreement.recipient} (key {agreement.key}): {agreement.purpose or 'no purpose stated'}"
    exempt = opt_outs is not None and agreement.purpose in {each.purpose for each in opt_outs.exemption}
    if opt_outs is not None:
        yield f"  National Data Opt-out: {'exempt, as stated' if exempt else 'applied'}"
    terms = agreement.terms
    if terms is None:
        yield "  terms: none stated, so only synthetic data can be released"
    else:
        yield f"  terms: {terms.legal_basis}; approved by {terms.approval}; from {terms.start} to {terms.end}"
        yield (
            f"  ICO {terms.ico_registration} to {terms.ico_expires}, toolkit {terms.toolkit} to "
            f"{terms.toolkit_expires}, next audit by {terms.next_audit}; people are told: {terms.fair_processing}"
        )
        if on is not None:
            breaches = "; ".join(terms.breaches(on))
            yield f"  on {on}: {'REFUSED: ' + breaches if breaches else 'in force'}"
    cohort = agreement.cohort
    if isinstance(cohort, Cohort):
        yield "  cohort: " + ", ".join(f"{name} {value}" for name, value in cohort.described().items())
    else:
        yield "  cohort: everybody"
    for source in agreement.columns:
        coded, derived = agreement.pseudonymised.get(source, ()), agreement.derived.get(source, {})
        columns = [*ADDED_COLUMNS, *agreement.columns[source]]
        columns += [f"{name} (pseudonymised)" for name in coded]
        columns += [f"{name} ({each.described()})" for name, each in derived.items()]
        yield f"  {source}: {', '.join(columns)}"
    known = sorted({name for source in agreement.columns for name in agreement.known_by(source)})
    least = "" if agreement.minimum_k is None else f", at least k = {agreement.minimum_k}"
    yield f"  as {agreement.format}; quasi-identifiers: {', '.join(known) or 'none'}{least}"
