"""Files packed by gzip or Zstandard, unpacked part by part as they are read."""

import gzip
import zlib
from pathlib import Path
from typing import IO, Any, Final, cast

__all__ = ["PACKED", "UNPACKING_FAILS", "ending", "open_unpacked"]

PACKED: Final = (".gz", ".zst")
"""Endings of packed files."""

UNPACKING_FAILS: Final = (OSError, EOFError, zlib.error)
"""What reading a file that is damaged or cut short raises."""


def ending(file: Path) -> str:
    """Return the ending that says the format, in small letters, with that of a packed file.

    Examples
    --------
    >>> ending(Path("gp.csv.GZ")), ending(Path("gp.2026.csv"))
    ('.csv.gz', '.csv')
    """
    last = file.suffix.lower()
    return Path(file.stem).suffix.lower() + last if last in PACKED else last


def open_unpacked(file: Path) -> IO[bytes]:
    """Open a file to read its unpacked bytes, never all of them at once."""
    match file.suffix.lower():
        case ".gz":
            return cast(IO[bytes], gzip.open(file))
        case ".zst":
            import pyarrow as pa

            # Python itself has Zstandard only from version 3.14.
            unpacked: Any = pa.CompressedInputStream(pa.OSFile(str(file)), "zstd")
            return cast(IO[bytes], unpacked)
    return file.open("rb")
