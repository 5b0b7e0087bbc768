"""Release: one recipient's payload under its own pseudonyms; the only way by which de-identified data leaves."""

import hashlib
import json
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import polars as pl

from linkcore.errors import RefusedError, SourceError
from linkcore.files import new_folder
from linkcore.governance.agreements import ADDED_COLUMNS, Agreement
from linkcore.governance.rows import RANK, ROW_HASH, Buckets, keyed_row_hash
from linkcore.linkage.link import Linkage
from linkcore.linkage.sources import Source
from linkcore.linkage.standardise import raw_columns, raw_row_hash
from linkcore.pseudonyms.keys import Key
from linkcore.pseudonyms.persons import person_name
from linkcore.pseudonyms.pseudonymise import pseudonymise
from linkcore.schema import USABLE_STATUSES

__all__ = ["Release", "person_pseudonyms", "release"]

_ROW_GROUP_ROWS: Final = 131_072
# A synthetic number is seldom mistyped into another range; a real extract holds next to no test numbers.
_SYNTHETIC_SHARE: Final = 0.99


@dataclass(frozen=True)
class Release:
    """What was written for one recipient.

    Parameters
    ----------
    folder : pathlib.Path
        Where it lies.
    manifest : mapping
        The content of its ``manifest.json``.
    """

    folder: Path
    manifest: MappingProxyType[str, Any]

    @property
    def rows(self) -> dict[str, int]:
        """Rows released, by source."""
        return {file["source"]: file["rows"] for file in self.manifest["files"]}


def release(linkage: Linkage, agreement: Agreement, key: Key, out: str | Path) -> Release:
    """Write a recipient's payload, with pseudonyms in place of everything that identifies.

    Each source becomes one Parquet file: ``pseudonym``, ``link_method``, ``match_probability``, then the agreement's
    columns of it, in the order of pseudonyms and then of a keyed hash of the row, so that nothing of the source's order
    is left. Payload is streamed: memory does not grow with it.

    Until opt-outs can be applied, only synthetic data is released: of the NHS Numbers in each source at least 99 in 100
    must lie in the range that is set aside for testing, and most records must have one.

    Parameters
    ----------
    linkage : Linkage
        Of the sources.
    agreement : Agreement
        What the recipient may have.
    key : Key
        The recipient's own key.
    out : path
        The folder to write; what was there is replaced when the new release is complete.

    Returns
    -------
    Release

    Raises
    ------
    RefusedError
        If the data are not synthetic, the key is not the agreement's, or a column identifies people.
    ProgrammeError
        If the agreement names a source or column that is not there.
    SourceError
        If a source has changed since it was linked.
    """
    agreement.check(linkage.sources)
    if key.id != agreement.key:
        raise RefusedError(
            f"agreement with {agreement.recipient!r}: it is for key {agreement.key!r}, and the key given is {key.id!r}"
        )
    _refuse_real_data(linkage)
    persons = person_pseudonyms(linkage.persons, key)
    out = Path(out)
    with new_folder(out, ours=_is_of_a_release) as folder:
        files = []
        for source in linkage.sources:
            columns = agreement.columns.get(source.name)
            if columns is not None:
                file = folder / f"{source.name}.parquet"
                _write(linkage, source, file, columns=columns, persons=persons, key=key)
                files.append(_described(file, source.name))
        manifest = _manifest(linkage, agreement, key, files)
        (folder / "manifest.json").write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", "utf-8")
    return Release(out, MappingProxyType(manifest))


def _is_of_a_release(entry: Path) -> bool:
    try:
        manifest = json.loads((entry.parent / "manifest.json").read_text("utf-8"))
        return entry.name in {"manifest.json", *(file["file"] for file in manifest["files"])}
    except (OSError, ValueError, LookupError, TypeError):
        return False


def person_pseudonyms(persons: pl.DataFrame, key: Key) -> pl.DataFrame:
    """Give each person's pseudonym under a key, and its place in the order of pseudonyms.

    Parameters
    ----------
    persons : polars.DataFrame
        PERSONS of :mod:`linkcore.schema`.
    key : Key
        The recipient's.

    Returns
    -------
    polars.DataFrame
        ``pseudonym`` (String, 32 hex characters) and ``RANK`` (UInt32), a row a person in the order of person ids.
    """
    return persons.select(pseudonymise(person_name(), key).alias("pseudonym")).with_columns(
        (pl.col("pseudonym").rank("ordinal") - 1).cast(pl.UInt32).alias(RANK)
    )


def _refuse_real_data(linkage: Linkage) -> None:
    test = pl.col("nhs_number_status") == "test"
    numbered = test | pl.col("nhs_number_status").is_in(list(USABLE_STATUSES))
    counts = linkage.links.group_by("source").agg(
        pl.len().alias("records"), numbered.sum().alias("numbered"), test.sum().alias("test")
    )
    mixed = counts.filter(pl.col("test") < _SYNTHETIC_SHARE * pl.col("numbered"))
    if mixed.height or 2 * counts["test"].sum() < counts["records"].sum():
        raise RefusedError(
            "this version releases synthetic data only, whose NHS Numbers lie in the test range; opt-outs and the "
            "terms of agreements cannot be applied yet, so data of real people stay where they are"
        )


def _write(
    linkage: Linkage, source: Source, file: Path, *, columns: Sequence[str], persons: pl.DataFrame, key: Key
) -> None:
    links = linkage.links_of(source.name)
    links = links.select(
        "raw_row_hash",
        persons[RANK][links["person_id"]],
        persons["pseudonym"][links["person_id"]],
        pl.col("method").alias("link_method"),
        "match_probability",
    )
    released = [*ADDED_COLUMNS, *columns]
    with Buckets(file.with_suffix(".work"), links.height, persons.height) as buckets:
        for batch in _payload_beside_links(source, columns, links):
            buckets.add(batch.with_columns(keyed_row_hash(batch, released[1:], key)))
        buckets.sorted(RANK, ROW_HASH).select(released).sink_parquet(file, row_group_size=_ROW_GROUP_ROWS)


def _payload_beside_links(source: Source, columns: Sequence[str], links: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Give payload batch by batch beside the links of its rows; refuse if the source is not what was linked.

    Every row is known again by the hash of its mapped columns: a source that gives its rows in another order each time,
    or has been edited since, would put one person's payload under another's pseudonym.
    """
    changed = SourceError(
        f"source {source.name!r}: its data are not those that were linked, or come in another order each time; link "
        "them again, from a file or a frame that stays as it is"
    )
    read = source.scan(list(dict.fromkeys([*columns, *raw_columns(source)])))
    read = read.select(*columns, raw_row_hash(source).alias("linkcore:raw_row_hash"))
    beside, start = links.drop("raw_row_hash"), 0
    # Nothing of the writing is inside: what goes wrong there is not the source's fault.
    with source.reading():
        yield pl.concat([beside.clear(), pl.DataFrame(schema=read.collect_schema()).select(columns)], how="horizontal")
        for batch in read.collect_batches(maintain_order=True):
            stop = start + batch.height
            if not batch["linkcore:raw_row_hash"].equals(links["raw_row_hash"][start:stop]):
                raise changed
            yield pl.concat([beside[start:stop], batch.select(columns)], how="horizontal")
            start = stop
    if start < links.height:
        raise changed


def _described(file: Path, source: str) -> dict[str, Any]:
    schema = pl.scan_parquet(file).collect_schema()
    with file.open("rb") as raw:
        digest = hashlib.file_digest(raw, "sha256").hexdigest()
    return {
        "file": file.name,
        "source": source,
        "rows": pl.scan_parquet(file).select(pl.len()).collect().item(),
        # The categories of an Enum are ours, and the same in every release.
        "columns": {name: "Enum" if dtype == pl.Enum else str(dtype) for name, dtype in schema.items()},
        "bytes": file.stat().st_size,
        "sha256": digest,
    }


def _manifest(linkage: Linkage, agreement: Agreement, key: Key, files: list[dict[str, Any]]) -> dict[str, Any]:
    from importlib.metadata import version

    return {
        "format": 1,
        "recipient": agreement.recipient,
        "purpose": agreement.purpose,
        "key": key.id,
        "key_version": key.version,
        "pseudonym": "HMAC-SHA-256 under the recipient's key, leftmost 128 bits, lower-case hex",
        "synthetic": True,
        "records_linked": linkage.links.height,
        "files": files,
        "versions": {
            "linkcore": version("linkcore"),
            "polars": pl.__version__,
            "python": platform.python_version(),
        },
    }
