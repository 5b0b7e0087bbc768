"""Feedback: which of its own records a provider can mend, by its own record ids, in a file for that provider alone.

The file says of a record which identifier is at fault and how, and holds no value of any identifier. All of it follows
from what the provider itself has sent, but for two kinds of fault. ``superseded`` comes from the programme's list of
superseded numbers, and is told without the current number. ``conflict`` says that a number belongs to somebody with
another name and birth date. It is told only where the spine or the provider itself lists this person: a conflict with
a person whom only another provider knows would say that this person was seen there.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from linkcore.errors import ProgrammeError, SourceError
from linkcore.files import begins_like, new_file
from linkcore.governance.audit.occasion import Occasion
from linkcore.governance.exits.requesters import Requester, is_of_several, ods_code
from linkcore.governance.exits.requests import Request, requested
from linkcore.governance.withholding.linked_rows import read_linked
from linkcore.governance.withholding.opt_outs import current_numbers
from linkcore.link import Linkage
from linkcore.linkage.exact.number_faults import number_faults
from linkcore.sources.records import STATUS, read_statuses
from linkcore.sources.source import Source
from linkcore.spreadsheets import guarded

__all__ = ["feedback"]

_NO_FAULT: Final = ("valid", "scotland", "northern_ireland", "pseudo", "no_evidence", "no_place", "unclear")
"""Statuses of values that are right as they are, though not all of them can be compared. A ``test`` number is none of
them, unless the programme says that such numbers are usable."""

_COLUMNS: Final = ("source", "record_id", "identifier", "fault")


def feedback(
    linkage: Linkage,
    provider: str,
    out: str | Path,
    *,
    requesters: Collection[Requester] = (),
    of_several: Collection[str] = (),
    occasion: Occasion,
) -> pl.DataFrame:
    """Write the records that a provider can mend: a missing, wrong, superseded or duplicate number, an impossible date.

    A provider is told about its own records only: those of its source, or the records on the spine that name the
    practice. The sources are read again, and refused if they are not what was linked.

    Parameters
    ----------
    linkage : Linkage
        The linkage of the sources as they are now.
    provider : str
        ODS code of one of the ``requesters``; or the name of a provider's own source; or the code of a practice on the
        spine.
    out : path
        The CSV file to write, for this provider alone (mode 0600): ``source``, ``record_id``, ``identifier`` and
        ``fault``, one row a fault. ``'`` stands before an id that a spreadsheet would take for a formula.
    requesters : collection of Requester
        Requesters of the programme (``programme.requesters.values()``): which source or practice an ODS code stands
        for.
    of_several : collection of str
        Sources that hold the records of several providers.
    occasion : Occasion
        Who does it, when and why, and the audit log.

    Returns
    -------
    polars.DataFrame
        ``identifier``, ``fault`` and ``records`` (UInt32): how many of the provider's records have each fault.

    Raises
    ------
    RefusedError
        If there is no such provider, if its source has the records of several, if there is no reason, or if the audit
        log cannot be written.
    ProgrammeError
        If the provider's record ids are identifiers, or the file cannot be written.
    SourceError
        If the source is not what was linked.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from tempfile import TemporaryDirectory
    >>> from linkcore.governance.audit.audit import Audit
    >>> from linkcore.link import link
    >>> seen = pl.DataFrame({"record_id": ["E1", "E2"], "nhs_number": ["4010232137", "401 023 2138"]})
    >>> linkage = link([Source("emergency", seen)], fallback=None)
    >>> with TemporaryDirectory() as folder:
    ...     log = Audit(Path(folder, "audit.jsonl"))
    ...     occasion = Occasion("team", datetime(2026, 4, 1, tzinfo=UTC), log, reason="monthly feedback")
    ...     counts = feedback(linkage, "emergency", Path(folder, "emergency.csv"), occasion=occasion)
    ...     print(Path(folder, "emergency.csv").read_text())
    source,record_id,identifier,fault
    emergency,E2,nhs_number,check_digit
    <BLANKLINE>
    >>> counts.rows()
    [('nhs_number', 'check_digit', 1)]
    """
    with requested(occasion, "feedback", provider=provider) as request:
        request.refuse_without_reason("feedback to a provider needs a reason, such as the month of the extracts")
        own = _provider(linkage, provider, requesters, of_several, request)
        faults = _faults(linkage, own)
        counts = faults.group_by("identifier", "fault").agg(pl.len().alias("records")).sort("identifier", "fault")
        records = faults.select("record_id").n_unique()
        request.answer(source=own.source.name, records=records, rows=faults.height)
    with new_file(Path(out), ours=begins_like(",".join(_COLUMNS).encode())) as file:
        faults.select(guarded(pl.col(name)) for name in _COLUMNS).write_csv(file)
    return counts


@dataclass(frozen=True)
class _Provider:
    """Whose records they are: all records of a source, or those of one practice in it."""

    source: Source
    practice: str | None = None


def _provider(
    linkage: Linkage, name: str, requesters: Collection[Requester], of_several: Collection[str], request: Request
) -> _Provider:
    """Find a provider by its ODS code, by the name of its source or as a practice; refuse what is not one provider."""
    by_name = {source.name: source for source in linkage.sources}
    spine = next((source for source in linkage.sources if source.spine and source.practice is not None), None)
    requester = next((each for each in requesters if each.code == name.strip().upper()), None)
    if requester is not None:
        requester.check(linkage.sources, of_several=of_several)
        if requester.source is not None:
            return _Provider(by_name[requester.source])
        assert spine is not None  # it was checked
        return _Provider(spine, requester.practice)
    if name in by_name:
        if is_of_several(by_name[name], of_several):
            request.refuse(
                "records of several providers",
                f"source {name!r} has the records of several providers, and each is told about its own only: give the "
                "code of one practice, which the spine's practice column names",
            )
        return _Provider(by_name[name])
    practice = ods_code(name)
    if spine is None or practice not in _practices(linkage, spine):
        request.refuse(
            "unknown provider",
            f"{practice} is no known provider: give the ODS code of a requester that the programme file states, the "
            "name of a provider's own source, or the code of a practice on the spine",
        )
    return _Provider(spine, practice)


def _practices(linkage: Linkage, spine: Source) -> pl.Series:
    """Return the practice of each record of the spine, in capitals, in the order of its rows."""
    assert spine.practice is not None
    code = pl.col(spine.practice).cast(pl.String).str.strip_chars().str.to_uppercase().alias("practice")
    return read_linked(linkage, spine, [spine.practice], [code]).to_series()


def _faults(linkage: Linkage, provider: _Provider) -> pl.DataFrame:
    """Return the faults of a provider's own records: one row a fault, in order of record id and identifier."""
    source = provider.source
    read = read_statuses(source, usable=linkage.exact.usable, reference_date=linkage.reference_date)
    links = linkage.links_of(source.name)
    if not read["raw_row_hash"].equals(links["raw_row_hash"]):
        raise SourceError(f"source {source.name!r}: its data are not those that were linked; link them again")
    own = read.with_columns(links["conflict"])
    if provider.practice is not None:
        own = own.filter(_practices(linkage, source) == provider.practice)
    _refuse_identifying_ids(source, own)
    of_number = number_faults(own, source, linkage.exact).with_columns(_told_conflicts(linkage, source, own))
    # A status is one of those of its identifier.
    of_value = own.select(
        "record_id", pl.col(f"^{STATUS}.*$").cast(pl.String).name.map(lambda name: name[len(STATUS) :])
    )
    faults = of_value.unpivot(index="record_id", variable_name="identifier", value_name="fault").filter(
        ~pl.col("fault").is_in([*_NO_FAULT, *linkage.exact.usable])
    )
    numbers = [
        own.filter(of_number[fault]).select(
            "record_id", pl.lit("nhs_number").alias("identifier"), pl.lit(fault).alias("fault")
        )
        for fault in of_number.columns
    ]
    found = pl.concat([faults, *numbers]).sort("record_id", "identifier", "fault")
    return found.select(pl.lit(source.name).alias("source"), pl.all())


def _told_conflicts(linkage: Linkage, source: Source, own: pl.DataFrame) -> pl.Series:
    """Return which records' numbers belong to somebody else, whom the spine or the provider itself lists."""
    known = [source.name, *(each.name for each in linkage.sources if each.spine)]
    listed = linkage.persons.filter(pl.col("source").is_in(known))["nhs_number"].drop_nulls()
    numbers = current_numbers(own["nhs_number"], linkage.exact.superseded)
    return (own["conflict"] & numbers.is_in(listed.implode()).fill_null(False)).alias("conflict")


def _refuse_identifying_ids(source: Source, own: pl.DataFrame) -> None:
    """Refuse record ids that are identifiers of people, apart from a provider's own local ones."""
    named = {column for name, column in source.identifier_columns.items() if name != "local_patient_id"}
    digits = own["record_id"].str.replace_all(r"[\s-]", "").cast(pl.Int64, strict=False)
    if source.record_id_column in named | {*(source.further or ())} or (digits == own["nhs_number"]).any():
        raise ProgrammeError(
            f"source {source.name!r}: its record ids are identifiers of people, and this file must not hold any; name "
            "another column in record_id, or none to name records by their row"
        )
