"""RECORDS that need not fit in memory: in files which only this process can reach, and which end with it."""

import errno
import os
import tempfile
from pathlib import Path
from typing import Final

import polars as pl

from linkcore.errors import ProgrammeError

__all__ = ["collected"]

# Large enough that a column has few parts.
_BATCH_ROWS: Final = 1 << 20


def collected(query: pl.LazyFrame, work: Path | None) -> pl.DataFrame:
    """Collect a query, into memory or into a file that is mapped into memory.

    What is mapped is read from the disk as it is needed, and left out of memory again where that is scarce. The file
    has no name any more once this returns, so that nothing else can open it, and the system frees it with the last
    frame that was made of it, or with the process, however that ends.

    Parameters
    ----------
    query : polars.LazyFrame
        What to collect.
    work : pathlib.Path, optional
        A folder on a disk with room for it; with none given, it stays in memory.

    Returns
    -------
    polars.DataFrame
        The same, wherever it is.

    Raises
    ------
    ProgrammeError
        If the folder is not there, or has no room.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     frame = collected(pl.LazyFrame({"nhs_number": [9990000018]}), Path(folder))
    ...     list(Path(folder).iterdir()), frame.rows()
    ([], [(9990000018,)])
    """
    if work is None:
        return query.collect(engine="streaming")
    import pyarrow as pa
    from pyarrow import ipc

    if not work.is_dir():
        raise ProgrammeError(f"work folder {work} is not there; make it, on a disk with room for all records")
    # Made so, nobody but its owner can open it while it has a name.
    with tempfile.NamedTemporaryFile(dir=work, prefix="linkcore-", suffix=".arrow") as file:
        try:
            query.sink_ipc(file.name, record_batch_size=_BATCH_ROWS)
        except OSError as error:
            # Polars gives no number of the error. Any other is of what is read, not of what is written.
            full = os.strerror(errno.ENOSPC) in str(error)
            if not full:
                raise
        else:
            full = False
            with pa.memory_map(file.name) as mapped:
                table = ipc.open_file(mapped).read_all()
    if full:
        raise ProgrammeError(f"work folder {work}: no room is left on its disk; it must have some for all records")
    frame = pl.from_arrow(table, schema=query.collect_schema())
    assert isinstance(frame, pl.DataFrame)
    return frame
