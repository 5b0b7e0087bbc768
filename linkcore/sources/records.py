"""Standardise a source: its identifiers become RECORDS, and every value that is set aside is counted."""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Final

import polars as pl

from linkcore.errors import SourceError
from linkcore.identifiers import address, birth_date, full_names, gender, names, nhs_number, postcode
from linkcore.identifiers.text import MISSING_WORDS, as_text, compact, on_present
from linkcore.schema import (
    ATTRIBUTE,
    FURTHER,
    PARTS_OF_NAME,
    RECORDS,
    SET_ASIDE,
    STAGE_ONE_CODE,
    USABLE_STATUSES,
    WHOLE_NAME,
)
from linkcore.sources.events import event_columns, events_of
from linkcore.sources.out_of_core import collected
from linkcore.sources.source import FurtherKind, Source

__all__ = ["STATUS", "Records", "raw_columns", "raw_row_hash", "read_statuses", "standardise"]

STATUS: Final = "status:"
"""Prefix of columns with the status of each value of an identifier."""

_FINGERPRINT_ROWS: Final = 1 << 16
_FINGERPRINT_BYTES: Final = 4 << 20


@dataclass(frozen=True, eq=False)
class Records:
    """RECORDS of one source, in order of record id, and the counts of what was set aside.

    Parameters
    ----------
    source : Source
        The source of the records.
    frame : polars.DataFrame
        RECORDS of :mod:`linkcore.schema`, then ``further_*`` and ``attribute_*`` columns.
    set_aside : polars.DataFrame
        SET_ASIDE of :mod:`linkcore.schema`: how many records have which status of each identifier.
    row_hashes : polars.Series
        UInt64, one for each row of ``frame``: :func:`raw_row_hash` of the row as it was read. A later reading compares
        them to check that the rows are still those that were linked.
    events : polars.DataFrame
        What :func:`linkcore.sources.events.events_of` says of the source: a row for each row of ``frame``.
    digest : str, optional
        The digest of the source's files, the same before and after they were read; None for data in memory.
    """

    source: Source
    frame: pl.DataFrame = field(repr=False)
    set_aside: pl.DataFrame = field(repr=False)
    row_hashes: pl.Series = field(default_factory=partial(pl.Series, dtype=pl.UInt64), repr=False)
    events: pl.DataFrame = field(default_factory=pl.DataFrame, repr=False)
    digest: str | None = None

    @cached_property
    def fingerprint(self) -> str:
        """32 hex characters that differ between extracts: a hash of the files, or of the mapped columns of a frame."""
        from xxhash import xxh3_128

        digest = xxh3_128()
        for part in _file_parts(self.source.files) if self.source.files else self._frame_parts():
            digest.update(part)
        return digest.hexdigest()

    def _frame_parts(self) -> Iterator[bytes]:
        # Text depends neither on chunks nor on the version of a binary format.
        for rows in self.frame.iter_slices(_FINGERPRINT_ROWS):
            yield rows.write_csv().encode()


def _file_parts(files: Sequence[Path]) -> Iterator[bytes]:
    for file in files:
        with file.open("rb") as raw:
            while part := raw.read(_FINGERPRINT_BYTES):
                yield part


def standardise(
    source: Source,
    *,
    usable: Sequence[str] = USABLE_STATUSES,
    reference_date: dt.date | None = None,
    work: Path | None = None,
) -> Records:
    """Read a source's identifiers and bring them to standard form.

    This reads only mapped columns, and those of events. A bad value raises no error: it becomes null, and its reason is
    counted.

    Examples
    --------
    >>> import polars as pl
    >>> extract = pl.DataFrame({"nhs_number": ["401 023 2137", "401 023 2138"], "family_name": ["O'Brien", "Ng"]})
    >>> records = standardise(Source("outpatient", extract))
    >>> records.frame.select("record_id", "nhs_number", "nhs_number_status", "family_name").rows()
    [('0', 4010232137, 'valid', 'OBRIEN'), ('1', None, 'check_digit', 'NG')]
    >>> records.set_aside.filter(identifier="nhs_number").select("status", "records").sort("status").rows()
    [('check_digit', 1), ('valid', 1)]
    """
    digest = source.digest()
    frame = _read(source, usable, reference_date, work)
    if source.digest() != digest:
        raise SourceError(f"source {source.name!r}: a file was changed while it was read; link again once it is whole")
    statuses = [name for name in frame.columns if name.startswith((STATUS, _WHOLE))]
    set_aside = _count(source.name, frame.select(statuses))
    ordered = _in_order(source, frame.drop(statuses), work)
    events = ordered.select(pl.col(f"^{_EVENT}.*$").name.map(lambda name: name.removeprefix(_EVENT)))
    records = ordered.select(pl.exclude(_HASH, f"^{_EVENT}.*$"))
    return Records(source, records, set_aside, ordered[_HASH].alias("row_hash"), events, digest)


def read_statuses(source: Source, *, usable: Sequence[str], reference_date: dt.date | None) -> pl.DataFrame:
    """Read a source again as :func:`standardise` does, and return what became of each value of each record.

    Returns, in the order of the source's rows, the columns of RECORDS, ``raw_row_hash`` and, for each identifier of the
    source, ``status:IDENTIFIER``: the status that SET_ASIDE counts.

    Examples
    --------
    >>> extract = pl.DataFrame({"nhs_number": ["401 023 2138"], "birth_date": ["2001-02-31"]})
    >>> read = read_statuses(Source("outpatient", extract), usable=USABLE_STATUSES, reference_date=None)
    >>> read.select("status:nhs_number", "status:birth_date").rows()
    [('check_digit', 'impossible')]
    """
    frame = _read(source, usable, reference_date, None)
    return frame.select(*RECORDS, pl.col(_HASH).alias("raw_row_hash"), pl.col(f"^{STATUS}.*$"))


def _read(source: Source, usable: Sequence[str], reference_date: dt.date | None, work: Path | None) -> pl.DataFrame:
    """Read RECORDS of a source in the order of its rows, with the status of each value and the hash of each row."""
    with source.reading():
        raw = source.scan(list(dict.fromkeys([*raw_columns(source), *event_columns(source)])))
        dtypes = raw.collect_schema()
        _check(source, {name: dtypes[name] for name in raw_columns(source)})
        query = (
            raw.select(*_renamed(source), raw_row_hash(source).alias(_HASH), *_events(source, dtypes, reference_date))
            .with_row_index(_ROW)
            .with_columns(*_parsed(source, dtypes, reference_date))
            .with_columns(*_numbers(source, dtypes))
            .select(*_record_columns(source, usable), *_statuses(source), _HASH, pl.col(f"^{_EVENT}.*$"))
        )
        frame = collected(query, work)
        # Of a query, and of several CSV files together, the number of rows is known only now.
        source.refuse_rows(frame.height)
    return frame


def raw_columns(source: Source) -> list[str]:
    """Name the columns that linking reads: identifiers, further identifiers, attributes and the record id.

    Examples
    --------
    >>> raw_columns(Source("gp", pl.DataFrame({"record_id": ["a"], "nhs_number": [""], "cost": [1]})))
    ['nhs_number', 'record_id']
    """
    wanted = [*source.identifier_columns.values(), *(source.further or ()), *(source.attributes or {}).values()]
    if source.record_id_column is not None:
        wanted.append(source.record_id_column)
    return list(dict.fromkeys(wanted))


def raw_row_hash(source: Source) -> pl.Expr:
    """Hash each row of :func:`raw_columns` as it was read, to UInt64.

    Equal rows have equal hashes at any position, and in any process with this version of Polars. The hash is made of
    identifiers, without a key: it leaves the process only in an encrypted store. The frame needs the names and dtypes
    that ``source.scan`` gives. A null differs from an empty text, and a category hashes as its name.

    Examples
    --------
    >>> source = Source("gp", pl.DataFrame({"nhs_number": ["4010232137", ""], "family_name": [None, "Ng"]}))
    >>> again = source.scan(raw_columns(source)).select(raw_row_hash(source)).collect().to_series()
    >>> again.to_list() == standardise(source).row_hashes.to_list()
    True
    """
    return pl.struct(raw_columns(source)).hash(0)


# The source's own columns are renamed first, so no name with such a prefix can collide with one of them.
_RAW: Final = "raw:"
_PARSED: Final = "parsed:"
_WHOLE: Final = "whole:"
_EVENT: Final = "event:"
_ROW: Final = f"{_RAW}row"
_HASH: Final = f"{_RAW}hash"
_FILLER: Final = "^(?:0+|9+)$"
_PRESENCE: Final = pl.Enum(["valid", "missing"])

_PARSERS: Final[Mapping[str, Callable[[pl.Expr], pl.Expr]]] = {
    "given_name": partial(names.standardise, kind="given"),
    "family_name": partial(names.standardise, kind="family"),
    "full_name": full_names.standardise,
    "gender": gender.standardise,
    "postcode": postcode.standardise,
    "address": address.standardise,
}


def _check(source: Source, dtypes: Mapping[str, pl.DataType]) -> None:
    for column, dtype in dtypes.items():
        if dtype.is_nested() or dtype in (pl.Binary, pl.Object):
            raise SourceError(
                f"source {source.name!r}: column {column!r} is {dtype}, which cannot be read as an identifier; "
                "give it as text, numbers or dates"
            )


def _renamed(source: Source) -> Iterator[pl.Expr]:
    if source.record_id_column is not None:
        yield pl.col(source.record_id_column).cast(pl.String).alias(f"{_RAW}record_id")
    for standard, column in source.identifier_columns.items():
        yield pl.col(column).alias(_RAW + standard)
    for column in source.further or ():
        yield pl.col(column).alias(f"{_RAW}{FURTHER}{column}")
    for name, column in (source.attributes or {}).items():
        yield pl.col(column).cast(pl.String).alias(f"{_RAW}{ATTRIBUTE}{name}")


def _events(source: Source, dtypes: Mapping[str, pl.DataType], reference_date: dt.date | None) -> Iterator[pl.Expr]:
    for event in events_of(source, dtypes, reference_date):
        yield event.alias(_EVENT + event.meta.output_name())


def _parsed(source: Source, dtypes: Mapping[str, pl.DataType], reference_date: dt.date | None) -> Iterator[pl.Expr]:
    for standard, column in source.identifier_columns.items():
        raw = pl.col(_RAW + standard)
        if standard == "birth_date":
            yield birth_date.standardise(
                raw, reference_date=reference_date, day_first=source.day_first, dtype=dtypes[column]
            ).alias(_PARSED + standard)
        elif standard == "local_patient_id":
            yield _local_patient_id(raw, dtypes[column]).alias(_PARSED + standard)
        elif standard in _PARSERS:
            yield _PARSERS[standard](raw).alias(_PARSED + standard)
    for column, kind in (source.further or {}).items():
        raw = pl.col(f"{_RAW}{FURTHER}{column}")
        yield _further(raw, kind, source.day_first, dtypes[column]).alias(f"{_PARSED}{FURTHER}{column}")


def _local_patient_id(raw: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Keep an id as it is written, but set fillers aside: they would link strangers."""
    text, doubtful, given, status = map(pl.field, ("text", "doubtful", "given", "status"))
    return (
        pl.struct(text=as_text(raw, dtype).str.strip_chars())
        # A value with a digit from 1 to 8 is neither a word nor a filler, and nearly every value has one.
        .struct.with_fields(doubtful=pl.when(text.str.contains("[1-8]").not_()).then(text))
        .struct.with_fields(
            given=text.is_not_null() & on_present(doubtful, _is_filler, pl.Boolean).fill_null(False).not_()
        )
        .struct.with_fields(
            value=pl.when(given).then(text),
            status=pl.when(given).then(pl.lit("valid", _PRESENCE)).otherwise(pl.lit("missing", _PRESENCE)),
        )
        .struct.eval(pl.field("value"), status)
    )


def _is_filler(text: pl.Expr) -> pl.Expr:
    word = compact(text)
    return word.is_in(MISSING_WORDS) | word.str.contains(_FILLER)


def _further(raw: pl.Expr, kind: FurtherKind, day_first: bool, dtype: pl.DataType) -> pl.Expr:
    if kind == "date":
        return birth_date.standardise(raw, day_first=day_first, dtype=dtype).struct.field("value")
    if kind == "number":
        return raw.cast(pl.Float64, strict=False)
    if kind == "text":
        return address.standardise(raw).struct.field("value")
    exact = raw.cast(pl.String).str.to_uppercase().str.replace_all(r"\s+", " ").str.strip_chars()
    return pl.when(exact != "").then(exact)


def _numbers(source: Source, dtypes: Mapping[str, pl.DataType]) -> Iterator[pl.Expr]:
    column = source.identifier_columns.get("nhs_number")
    if column is not None:
        if source.stage_one is not None:
            yield source.stage_one.read(pl.col(f"{_RAW}nhs_number"), dtypes[column]).alias(f"{_PARSED}nhs_number")
            return
        known = "birth_date" in source.identifier_columns
        yield nhs_number.standardise(
            pl.col(f"{_RAW}nhs_number"),
            birth_date=pl.col(f"{_PARSED}birth_date").struct.field("value") if known else None,
            dtype=dtypes[column],
        ).alias(f"{_PARSED}nhs_number")


def _record_columns(source: Source, usable: Sequence[str]) -> Iterator[pl.Expr]:
    for name, dtype in RECORDS.items():
        compared = name.removesuffix("_text")
        present = name in source.identifier_columns and name not in source.not_compared
        parsed = pl.col(_PARSED + name).struct.field("value")
        if name == "row":
            yield pl.col(_ROW).cast(dtype).alias(name)
        elif name == "record_id":
            named_by = _ROW if source.record_id_column is None else f"{_RAW}record_id"
            yield pl.col(named_by).cast(dtype).alias(name)
        elif name == "nhs_number" and present:
            status = pl.col(_PARSED + name).struct.field("status")
            yield pl.when(status.is_in(list(usable))).then(parsed).alias(name)
        elif name == "nhs_number_status":
            number = pl.col(f"{_PARSED}nhs_number").struct.field("status")
            yield (number if "nhs_number" in source.identifier_columns else pl.lit("missing", dtype)).alias(name)
        elif (
            name == "birth_date_text" and compared in source.identifier_columns and compared not in source.not_compared
        ):
            yield pl.col(f"{_PARSED}birth_date").struct.field("text").alias(name)
        elif present:
            yield parsed.alias(name)
        elif (
            name in PARTS_OF_NAME
            and not {name, "full_name"} & set(source.not_compared)
            and ("full_name" in source.identifier_columns)
        ):
            part = name.removesuffix("_name")
            yield pl.col(f"{_PARSED}full_name").struct.field(part).alias(name)
        else:
            yield pl.lit(None, dtype).alias(name)
    if source.stage_one is not None:
        yield pl.col(f"{_PARSED}nhs_number").struct.field("code").alias(STAGE_ONE_CODE)
    for column in source.further or ():
        yield pl.col(f"{_PARSED}{FURTHER}{column}").alias(FURTHER + column)
    for name in source.attributes or ():
        yield pl.col(f"{_RAW}{ATTRIBUTE}{name}").alias(ATTRIBUTE + name)


def _statuses(source: Source) -> Iterator[pl.Expr]:
    for standard in source.identifier_columns:
        yield pl.col(_PARSED + standard).struct.field("status").alias(STATUS + standard)
        if standard in PARTS_OF_NAME:
            yield full_names.looks_whole(pl.col(_RAW + standard)).alias(_WHOLE + standard)


def _count(source: str, statuses: pl.DataFrame) -> pl.DataFrame:
    counts = [
        _status(statuses, name)
        .value_counts(name="records")
        .select(
            pl.lit(source).alias("source"),
            pl.lit(name.removeprefix(STATUS)).alias("identifier"),
            pl.col(name).cast(pl.String).alias("status"),
            pl.col("records").cast(pl.UInt32),
        )
        .sort("status")
        for name in statuses.columns
        if name.startswith(STATUS)
    ]
    return pl.concat([pl.DataFrame(schema=SET_ASIDE), *counts])


def _status(statuses: pl.DataFrame, name: str) -> pl.Series:
    """Return the status of each value; if most valid names of a column look like whole names, these have their own."""
    status, looks_whole = statuses[name], _WHOLE + name.removeprefix(STATUS)
    if looks_whole not in statuses.columns:
        return status
    valid = status == "valid"
    whole = valid & statuses[looks_whole]
    if whole.sum() <= valid.sum() / 2:
        return status
    return pl.select(pl.when(whole).then(pl.lit(WHOLE_NAME)).otherwise(status.cast(pl.String)).alias(name)).to_series()


def _in_order(source: Source, frame: pl.DataFrame, work: Path | None) -> pl.DataFrame:
    if source.record_id_column is None:
        return frame  # in order of the row number already
    if frame["record_id"].null_count():
        row = frame.filter(pl.col("record_id").is_null())["row"].min()
        raise _record_id_error(
            source, [row], "is empty; give every record an id, or leave record_id out to use row numbers"
        )
    ordered = frame if frame["record_id"].is_sorted() else collected(frame.sort("record_id").lazy(), work)
    repeated = ordered["record_id"] == ordered["record_id"].shift()
    if repeated.any():
        second = repeated.arg_true()[0]
        rows = sorted(ordered["row"][second - 1 : second + 1])
        raise _record_id_error(source, rows, "is the same on more than one row; name a column that is unique")
    return ordered


def _record_id_error(source: Source, rows: Sequence[object], what: str) -> SourceError:
    places = " and ".join(source.place_of_row(int(str(row))) for row in rows)
    return SourceError(f"source {source.name!r}, {places}: record id in column {source.record_id_column!r} {what}")
