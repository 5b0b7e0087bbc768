"""Hashes of a record's identifiers: a later linkage recognises a record by them, and this one keeps no name."""

from collections.abc import Sequence
from typing import Final

import polars as pl

from linkcore.linkage.placement import Placement, extract_of
from linkcore.parallel import side_by_side
from linkcore.sampling import record_fingerprints
from linkcore.sources.records import Records

__all__ = ["HASHED", "HASHES", "identifier_hashes"]

HASHED: Final = ("given_name", "family_name", "birth_date", "postcode", "local_patient_id")
"""The identifiers that are hashed. Not the NHS Number: a record is recognised when it gets one."""

HASHES: Final = pl.Schema({"extract": pl.String(), **dict.fromkeys(HASHED, pl.UInt32())})
"""``extract`` is empty where records have ids. Else it is the extract's fingerprint, or null if nobody needed it."""

_BITS: Final = 0xFFFF_FFFF
# Python hashes so few values faster than the compiled kernel is loaded.
_FEW: Final = 1_000


def identifier_hashes(sources: Sequence[Records], placement: Placement) -> pl.DataFrame:
    """Return HASHES, a row for each record of each source: 32 bits of the XXH64 of each identifier.

    The hash never changes with a version of Polars or Python. It has no key, so it identifies people: it stays with
    the trusted team.

    Examples
    --------
    >>> from linkcore.sources.source import Source
    >>> from linkcore.sources.records import standardise
    >>> from linkcore.linkage.exact.link_exactly import link_exactly
    >>> from linkcore.linkage.settings import Exact
    >>> seen = standardise(Source("seen", pl.DataFrame({"record_id": ["a"], "family_name": ["O'Brien"]})))
    >>> identifier_hashes([seen], link_exactly([seen], Exact())).row(0)
    ('', None, 1603568177, None, None, None)
    """
    tokened = set(placement.persons.filter(pl.col("nhs_number").is_null())["source"])
    parts = side_by_side(lambda records: _of_source(records, tokened), sources)
    return pl.concat([pl.DataFrame(schema=HASHES), *parts])


def _of_source(records: Records, tokened: set[str]) -> pl.DataFrame:
    # To hash a whole extract takes long: it is done only where a token was made of it anyway.
    needed = records.source.record_id_column is not None or records.source.name in tokened
    extract = pl.lit(extract_of(records) if needed else None, pl.String).alias("extract")
    frame = records.frame.with_columns(pl.coalesce(pl.col("birth_date").cast(pl.String), "birth_date_text"))
    hashes = [_hashed(records.source.name, frame[name]) for name in HASHED]
    return pl.DataFrame(hashes).select(extract, *HASHED) if frame.height else pl.DataFrame(schema=HASHES)


def _hashed(source: str, values: pl.Series) -> pl.Series:
    present = values.is_not_null().arg_true()
    found = pl.Series(values.name, [None], pl.UInt32).new_from_index(0, values.len())
    named, given = f"{source}/{values.name}", values[present]
    if given.len() <= _FEW:
        from xxhash import xxh64_intdigest

        seed = xxh64_intdigest(named.encode())
        hashes = pl.Series([xxh64_intdigest(text.encode(), seed) for text in given], dtype=pl.UInt64)
    else:
        hashes = record_fingerprints(named, given)
    return found.scatter(present, (hashes & _BITS).cast(pl.UInt32))
