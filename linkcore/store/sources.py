"""Whether the sources that a command is given are those that were linked."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import polars as pl

from linkcore.errors import ProgrammeError, SourceError
from linkcore.sources.records import raw_columns, raw_row_hash
from linkcore.sources.source import Source

__all__ = ["as_linked", "describe_sources"]

_LINKING: Final = (
    *("record_id_column", "identifier_columns", "spine", "further", "attributes", "one_record_per_person"),
    *("not_compared", "encoding", "separator", "day_first", "stage_one", "sheet", "header_row"),
    *("table", "query", "order_by"),
)
"""What of a source decides how it is read and linked; its other settings are of payload, and may change."""

_AGAIN: Final = "link again, or give what was linked"


def describe_sources(sources: Sequence[Source], digests: Mapping[str, str]) -> dict[str, Any]:
    """Describe sources so that :func:`as_linked` knows them again; a digest of files tells nothing about people."""
    return {source.name: {"digest": digests.get(source.name), "settings": _settings(source)} for source in sources}


def as_linked(
    sources: Sequence[Source],
    linked: Mapping[str, Any],
    rows: Callable[[], Mapping[str, pl.DataFrame]],
    without_rows: Mapping[str, pl.Series],
) -> tuple[Source, ...]:
    """Return the sources, without the rows that were left out; refuse any that is not what was linked.

    Files are known by a digest of every byte, and data in memory by the hash of each row's mapped columns.

    ``linked``: as :func:`describe_sources` described the sources that were linked.
    ``rows`` reads ``row`` and ``raw_row_hash`` of each source, as in a linkage; files are known without them.
    ``without_rows``: by source, the positions of rows that were left out.
    """
    given = {source.name: source for source in sources}
    if given.keys() != linked.keys():
        missing, unknown = sorted(linked.keys() - given.keys()), sorted(given.keys() - linked.keys())
        what = f"{missing[0]!r} was linked, and is not given" if missing else f"{unknown[0]!r} was not linked"
        raise ProgrammeError(f"source {what}; {_AGAIN}")
    found = []
    for name, stated in linked.items():
        source = given[name]
        for setting, value in _settings(source).items():
            if stated["settings"].get(setting, "None") != value:
                raise ProgrammeError(f"source {name!r}: its {setting} is not as it was when it was linked; {_AGAIN}")
        whole = source if source.without_rows is None else replace(source, without_rows=None)
        whole = replace(whole, without_rows=without_rows[name]) if name in without_rows else whole
        if not _is_unchanged(source.digest(), stated["digest"], whole, rows):
            raise SourceError(f"source {name!r}: its data are not those that were linked; {_AGAIN}")
        found.append(whole)
    return tuple(found)


def _is_unchanged(
    digest: str | None, linked: str | None, source: Source, rows: Callable[[], Mapping[str, pl.DataFrame]]
) -> bool:
    if digest is not None and linked is not None:
        return digest == linked
    with source.reading():
        hashes = source.scan(raw_columns(source)).select(raw_row_hash(source)).collect().to_series()
    return hashes.equals(rows()[source.name].sort("row")["raw_row_hash"])


def _settings(source: Source) -> dict[str, str]:
    stated = {name.removesuffix("_column"): getattr(source, name) for name in _LINKING}
    # A linkage that was kept before separators were found says a comma.
    return {name: _text(value) for name, value in (stated | {"separator": source.separator or ","}).items()}


def _text(value: object) -> str:
    return repr(dict(value)) if isinstance(value, Mapping) else repr(value)
