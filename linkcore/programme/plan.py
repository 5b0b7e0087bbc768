"""What a programme would do, in words: for the people who answer for it, before anything is linked.

Of the data, only the opt-outs are read, and the NHS Numbers of the spine, to say which share of its people they name.
"""

import datetime as dt
from collections.abc import Iterator, Sequence

from linkcore.errors import SourceError
from linkcore.governance.destruction.inventory import outside_of
from linkcore.governance.exits.requesters import Requester
from linkcore.governance.releases.agreements import Agreement
from linkcore.governance.releases.cohorts import Cohort
from linkcore.governance.releases.terms import LEAST_COHORT
from linkcore.governance.withholding.doubts import share_in_words
from linkcore.governance.withholding.linked_rows import own_number
from linkcore.plain_text import escaped
from linkcore.programme.programme import Programme
from linkcore.programme.tables import AuditTable, OptOutsTable, SensitiveTable
from linkcore.sources.source import Source

__all__ = ["plan"]


def plan(programme: Programme, on: dt.date | None = None) -> str:
    """Describe a programme: its sources, its opt-outs and their basis, its recipients, what they get, and dates.

    The programme is checked first; ``on`` is a day of release, for which the terms of recipients are judged.
    """
    sources = programme.check()
    about = programme.programme
    lines = [f"programme: {about.name}{' (synthetic)' if about.synthetic else ''}"]
    if about.ends is not None:
        lines.append(f"  ends on {about.ends}; then it must be destroyed")
    for source in sources:
        lines += _source(source)
    if programme.linkage.previous is not None:
        lines.append(f"previous linkage, whose people keep their pseudonyms: {programme.linkage.previous}")
    if programme.linkage.decisions is not None:
        lines.append(f"decisions of clerks, which outrank the linkage: {programme.linkage.decisions}")
    lines += _opt_outs(programme.opt_outs, sources)
    lines += _shares(programme, sources)
    lines += _sensitive_records(programme.sensitive)
    for agreement in programme.agreements():
        lines += _agreement(agreement, programme.opt_outs, on)
    for requester in programme.requesters.values():
        lines.append(_requester(requester))
    lines.append(_audit_log(programme.audit))
    lines += _destruction(programme)
    return "\n".join(map(escaped, lines))


def _audit_log(stated: AuditTable | None) -> str:
    if stated is None:
        return "audit log: none stated"
    return f"audit log: {stated.file}, {'unkeyed' if stated.key is None else f'under the key {stated.key}'}"


def _destruction(programme: Programme) -> Iterator[str]:
    inventory = programme.to_destroy()
    yield f"at the end, destroy removes: {', '.join(dict.fromkeys(place.pattern for place in inventory.places()))}"
    if outside := ", ".join(outside_of(inventory, programme.folder)):
        yield f"  outside the programme's folder, removed only if each is confirmed (--outside): {outside}"


def _source(source: Source) -> Iterator[str]:
    files = f"{len(source.files)} files" if source.files else "in memory"
    yield f"source {source.name}{' (spine)' if source.spine else ''}: {files}"
    if source.stage_one is not None:
        stage = source.stage_one
        yield f"  has stage-1 codes instead of NHS Numbers ({stage.text}): {stage.bits} bits as {stage.encoding}"
    identifiers = [*source.identifier_columns, *(source.further or ())]
    yield f"  read to link, never released: {', '.join(identifiers)}"


def _opt_outs(stated: OptOutsTable | None, sources: Sequence[Source]) -> Iterator[str]:
    if stated is None:
        yield "opt-outs: none stated, so only synthetic data can be released"
        return
    yield f"opt-outs: as they stand on the day of release, from lists at most {stated.max_age_days} days old"
    given = (
        ("national", stated.national),
        ("objections to the programme", stated.objections),
        ("excluded people", stated.excluded),
    )
    for kind, table in given:
        yield f"  {kind}: {'none given' if table is None else f'every source, as of {table.as_of}'}"
    gp_data = ", ".join(stated.policy().sources_of_gp_data(sources)) or "no source"
    if stated.type_one is not None:
        yield f"  Type 1: {gp_data}, as of {stated.type_one.as_of}"
    else:
        yield f"  Type 1: {gp_data}, already applied by {stated.type_one_applied or 'nobody: releases are refused'}"
    for exemption in stated.exemption:
        yield f"  national, exempt for {exemption.purpose!r}: {exemption.basis}: {exemption.statement}"
    unlinked = "withheld if an opt-out applies" if stated.unlinked == "withhold" else "released"
    yield f"  records without an NHS Number to look up: {unlinked}"


def _shares(programme: Programme, sources: Sequence[Source]) -> Iterator[str]:
    """Say which share of the people on the spine each list names, so that a wrong file is seen before a release."""
    spine = next((source for source in sources if source.spine), None)
    lists = programme.opt_out_lists().given()
    if spine is None or not lists:
        return
    number = own_number(spine, programme.programme.reference_date)
    needed = [column for name in ("nhs_number", "birth_date") if (column := spine.identifier_columns.get(name))]
    try:
        with spine.reading():
            numbers = spine.scan(needed).select(number).collect(engine="streaming").to_series().drop_nulls().unique()
    except SourceError:
        yield "  which share of the people on the spine that is: not known, since the spine cannot be read"
        return
    for kind, opt_outs in lists.items():
        found = int(numbers.is_in(opt_outs.in_force(opt_outs.as_of).implode()).sum())
        others = f"; {opt_outs.other_codes:,} rows have codes of something else" if opt_outs.other_codes else ""
        yield f"  {kind}: {share_in_words(found, numbers.len())}{others}"


def _sensitive_records(rules: Sequence[SensitiveTable]) -> Iterator[str]:
    for rule in rules:
        sets = "all reference sets" if rule.reference_sets is None else ", ".join(rule.reference_sets)
        carried = f"; with all rows of the same {rule.parent}" if rule.parent else ""
        carried += "".join(f", in {name} by {column}" for name, column in rule.carries.items())
        yield f"sensitive records of {rule.source}: {', '.join(rule.columns)} in {sets} of {rule.codes}{carried}"


def _agreement(agreement: Agreement, opt_outs: OptOutsTable | None, on: dt.date | None) -> Iterator[str]:
    yield f"recipient {agreement.recipient} (key {agreement.key}): {agreement.purpose or 'no purpose stated'}"
    if opt_outs is not None:
        is_exempt = agreement.purpose in {exemption.purpose for exemption in opt_outs.exemption}
        yield f"  National Data Opt-out: {'exempt, as stated' if is_exempt else 'applied'}"
    yield from _terms(agreement, on)
    if isinstance(agreement.cohort, Cohort):
        smallest = LEAST_COHORT if agreement.terms is None else agreement.terms.least_cohort
        described = ", ".join(f"{name} {value}" for name, value in agreement.cohort.described().items())
        yield f"  cohort: {described}; at least {smallest} persons"
    else:
        yield "  cohort: everybody"
    if agreement.match_probability:
        yield f"  exact match probabilities, because: {agreement.match_probability}"
    for source in agreement.columns:
        coded, derived = agreement.pseudonymised.get(source, ()), agreement.derived.get(source, {})
        columns = [*agreement.added_columns, *agreement.columns[source]]
        columns += [f"{name} (pseudonymised)" for name in coded]
        columns += [f"{name} ({column.described()})" for name, column in derived.items()]
        yield f"  {source}: {', '.join(columns)}"
    known = sorted({name for source in agreement.columns for name in agreement.known_by(source)})
    least = "" if agreement.minimum_k is None else f", at least k = {agreement.minimum_k}"
    yield f"  as {agreement.format}; quasi-identifiers: {', '.join(known) or 'none'}{least}"
    if agreement.encryption is not None:
        yield f"  encrypted in the age format, {agreement.encryption.described()}"


def _requester(requester: Requester) -> str:
    patients = "people in " + str(requester.source)
    if requester.practice is not None:
        patients = f"patients registered with {requester.practice}"
    return (
        f"requester {requester.code}: may ask about {patients}, {requester.limit:,} pseudonyms a day; "
        f"{requester.return_limit:,} scores a day are returned to it"
    )


def _terms(agreement: Agreement, on: dt.date | None) -> Iterator[str]:
    terms = agreement.terms
    if terms is None:
        yield "  terms: none stated, so only synthetic data can be released"
        return
    yield f"  terms: {terms.legal_basis}; approved by {terms.approval}; from {terms.start} to {terms.end}"
    yield (
        f"  ICO {terms.ico_registration} to {terms.ico_expires}, toolkit {terms.toolkit} to "
        f"{terms.toolkit_expires}, next audit by {terms.next_audit}; people are informed at: {terms.fair_processing}"
    )
    if on is not None:
        breaches = "; ".join(terms.breaches(on))
        yield f"  on {on}: {'REFUSED: ' + breaches if breaches else 'in force'}"
