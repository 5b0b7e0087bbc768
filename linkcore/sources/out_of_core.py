"""Keep RECORDS out of memory, in files that only this process can open and that disappear with it."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import polars as pl

from linkcore.errors import ProgrammeError
from linkcore.private_folders import way_to

__all__ = ["collected"]

_BATCH_ROWS: Final = 1 << 20
_OPEN_FILES: Final = Path("/proc/self/fd")


def collected(query: pl.LazyFrame, work: Path | None) -> pl.DataFrame:
    """Collect a query, into memory or into a file that is mapped into memory.

    The system reads a mapped file from disk as it is needed, and drops it from memory when memory is scarce. When this
    returns, the file has no name, so nothing else can open it. The system frees its space with the last frame made of
    it, or with the process, however that ends.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     frame = collected(pl.LazyFrame({"nhs_number": [9990000018]}), Path(folder))
    ...     list(Path(folder).iterdir()), frame.rows()
    ([], [(9990000018,)])
    """
    if work is None:
        return query.collect(engine="streaming")
    if not work.is_dir():
        raise ProgrammeError(f"there is no work folder {work}; make it, on a disk with room for all records")
    _refuse_shared(work)
    schema = query.collect_schema()
    with _nameless(work) as file:
        query.sink_ipc(file, record_batch_size=_BATCH_ROWS)
        streamed = _mapped(file, schema)
    # Write each column again, in one piece: Polars copies columns into memory when their pieces differ in size.
    columns = []
    for column in streamed.iter_columns():
        with _nameless(work) as file:
            _write_whole(column, file)
            columns.append(_mapped(file, pl.Schema({column.name: column.dtype})).to_series())
    return pl.DataFrame(columns)


def _refuse_shared(work: Path) -> None:
    """Refuse a folder in which another user could put a file of theirs in the place of one with records."""
    _, open_at = way_to(work / "linkcore.arrow")
    if open_at is not None:
        raise ProgrammeError(
            f"work folder {work}: another user can change what {open_at} leads to, and so read the records; make it "
            "your own and `chmod go-w` it, or choose another folder"
        )


@contextmanager
def _nameless(work: Path) -> Iterator[Path]:
    """Make a file whose name is gone at the end, so that only its mapped content is left."""
    # Only its owner can open a file that is made like this. On Linux it has no name at all. Where it has to have one,
    # other users cannot put theirs in its place.
    make = tempfile.TemporaryFile if _OPEN_FILES.is_dir() else tempfile.NamedTemporaryFile
    with make(dir=work, prefix="linkcore-", suffix=".arrow") as file:
        try:
            yield _OPEN_FILES / str(file.fileno()) if _OPEN_FILES.is_dir() else Path(file.name)
        except OSError as error:
            # Polars gives no error number. Any other error comes from what is read, not from what is written.
            if os.strerror(errno.ENOSPC) not in str(error):
                raise
            raise ProgrammeError(f"work folder {work}: its disk is full; it needs room for all records twice") from None


def _write_whole(column: pl.Series, file: Path) -> None:
    import pyarrow as pa
    import pyarrow.ipc

    values = column.rechunk().to_arrow(compat_level=pl.CompatLevel.newest())
    batch = pa.record_batch([values], names=[column.name])
    with pa.ipc.new_file(file, batch.schema) as writer:
        writer.write_batch(batch)


def _mapped(file: Path, schema: pl.Schema) -> pl.DataFrame:
    import pyarrow as pa
    import pyarrow.ipc

    with pa.memory_map(str(file)) as mapped:
        frame = pl.from_arrow(pa.ipc.open_file(mapped).read_all(), schema=schema)
    assert isinstance(frame, pl.DataFrame)
    return frame
