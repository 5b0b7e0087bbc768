"""Samples by hash: what is drawn is what has the lowest hashes, so that the order of rows cannot matter.

A *fingerprint* is a 64-bit hash of what names a record (its source and record id) or a person (its NHS Number, else the
record that defines it). Each draw has its own purpose, and hashes the fingerprints anew with the purpose and the seed:
two draws of one run are independent. Fingerprints and hashes stay in memory. They have no key, so they are no
pseudonyms: whoever has one could find the NHS Number behind it.

The hash is XXH64, which never changes. Polars' own hash may change from version to version.
"""

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["draw", "fingerprints_by_source", "hashes", "person_fingerprints", "record_fingerprints"]


def record_fingerprints(source: str, record_ids: pl.Series) -> pl.Series:
    """Hash the record ids of one source to UInt64.

    Examples
    --------
    >>> from xxhash import xxh64_intdigest
    >>> found = record_fingerprints("gp", pl.Series(["A17"]))
    >>> found.item() == xxh64_intdigest(b"A17", xxh64_intdigest(b"gp"))
    True
    """
    import numpy as np

    ids = record_ids.cast(pl.String).fill_null("")
    data = np.frombuffer(ids.str.join("").item().encode(), np.uint8)
    return _hashed(data, ids.str.len_bytes().cum_sum().cast(pl.Int64).to_numpy(), source)


def fingerprints_by_source(sources: pl.Series, record_ids: pl.Series) -> pl.Series:
    """Return the fingerprints of records of several sources; ``sources`` names the source of each record.

    Examples
    --------
    >>> both = fingerprints_by_source(pl.Series(["gp", "seen"]), pl.Series(["1", "1"]))
    >>> both.n_unique(), both[1] == record_fingerprints("seen", pl.Series(["1"])).item()
    (2, True)
    """
    found = pl.repeat(0, record_ids.len(), dtype=pl.UInt64, eager=True)
    for source in sources.unique().sort():
        rows = (sources == source).arg_true()
        found = found.scatter(rows, record_fingerprints(source, record_ids[rows]))
    return found.alias("fingerprint")


def person_fingerprints(persons: pl.DataFrame) -> pl.Series:
    """Hash the NHS Number of each person; without one, return the fingerprint of the record that defines the person.

    ``persons``: ``nhs_number``, ``source`` and ``record_id`` of PERSONS.
    """
    numberless = persons["nhs_number"].is_null()
    of_numbers = _of_numbers(persons["nhs_number"].fill_null(0), "nhs_number")
    others = persons.filter(numberless)
    return of_numbers.scatter(numberless.arg_true(), fingerprints_by_source(others["source"], others["record_id"]))


def hashes(fingerprints: pl.Series, *, seed: int, purpose: str) -> pl.Series:
    """Hash fingerprints for one purpose: UInt64, evenly spread, whatever other purposes make of the same records.

    Examples
    --------
    >>> one, other = (hashes(pl.Series([1, 2, 3]), seed=0, purpose=purpose) for purpose in ("labels", "self-test"))
    >>> one.n_unique(), set(one) & set(other)
    (3, set())
    """
    return _of_numbers(fingerprints, f"{seed}/{purpose}")


def draw(fingerprints: pl.Series, size: int, *, seed: int, purpose: str) -> pl.Series:
    """Draw the positions of the lowest hashes, in order; all positions, if there are no more than ``size``.

    Examples
    --------
    >>> names = pl.Series([11, 12, 13, 14])
    >>> drawn = draw(names, 2, seed=0, purpose="labels")
    >>> set(names.reverse()[draw(names.reverse(), 2, seed=0, purpose="labels")]) == set(names[drawn])
    True
    """
    positions = pl.int_range(fingerprints.len(), dtype=pl.UInt32, eager=True)
    if fingerprints.len() <= size:
        return positions
    import numpy as np

    values = hashes(fingerprints, seed=seed, purpose=purpose).to_numpy()
    return positions[np.sort(np.argpartition(values, size)[:size])]


def _of_numbers(numbers: pl.Series, named: str) -> pl.Series:
    import numpy as np

    data = np.ascontiguousarray(numbers.cast(pl.UInt64).to_numpy()).astype("<u8", copy=False).view(np.uint8)
    return _hashed(data, np.arange(8, data.size + 8, 8), named)


def _hashed(data: "NDArray[np.uint8]", ends: "NDArray[np.int64]", named: str) -> pl.Series:
    """Hash each part of the data, with the hash of a text as the seed."""
    import numpy as np
    from xxhash import xxh64_intdigest

    from linkcore.xxhash_kernel import hash_parts

    found = np.empty(ends.size, np.uint64)
    hash_parts(data, ends, np.uint64(xxh64_intdigest(named.encode())), found)
    return pl.Series("fingerprint", found)
