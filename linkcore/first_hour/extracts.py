"""Find the extracts among files and folders: each file is one, or a folder whose files are alike."""

import glob
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from linkcore.errors import LinkcoreError, ProgrammeError
from linkcore.first_hour.columns import are_names
from linkcore.first_hour.text_files import TextForm, is_text, sniff
from linkcore.schema import ALL
from linkcore.sources.formats.csv_files import NO_HEADER, looks_like_record
from linkcore.sources.formats.source_data import SUFFIXES, SourceData, is_known, open_file

__all__ = ["UNREADABLE", "Extract", "Skipped", "find_extracts"]

UNREADABLE: Final = "it cannot be read; check that it is complete"
"""Why a file is left out that a library refuses."""

_NOT_DATA: Final = (".toml", ".json", ".jsonl", ".md", ".html", ".sql")
_OF_LINKCORE: Final = ("store.json", "quality.json", "manifest.json")
_ADDRESS: Final = re.compile(r"[a-z][a-z0-9+]*://", re.IGNORECASE)


@dataclass(frozen=True)
class Extract:
    """One provider's extract.

    Parameters
    ----------
    name : str
        A name for the source.
    data : str
        The file, or the pattern of its files, as an absolute path.
    files : tuple of pathlib.Path
        Its files.
    form : TextForm
        How text files are written.
    columns : tuple of str
        The names of its columns.
    """

    name: str
    data: str
    files: tuple[Path, ...]
    form: TextForm
    columns: tuple[str, ...]

    def scan(self) -> pl.LazyFrame:
        """Return all its columns, lazily."""
        return pl.concat([_opened(file, self.form).scan() for file in self.files], how="vertical_relaxed")


@dataclass(frozen=True)
class Skipped:
    """A file that is left out, and why."""

    file: str
    why: str


def find_extracts(places: Sequence[str | Path]) -> tuple[list[Extract], list[Skipped]]:
    """Find the extracts in files and folders; files that cannot be read as they are come back with the reason.

    Raises
    ------
    ProgrammeError
        If a place does not exist.
    """
    extracts: list[Extract] = []
    skipped: list[Skipped] = []
    for files in (group for place in places for group in _groups(place)):
        found = [_look_at(file) for file in files]
        skipped += [each for each in found if isinstance(each, Skipped)]
        read = [each for each in found if isinstance(each, Extract)]
        alike = len(read) > 1 and len({(each.columns, each.form, each.files[0].suffix) for each in read}) == 1
        extracts += [_together(read)] if alike else read
    names: dict[str, int] = {}
    return [_with_own_name(each, names) for each in extracts], skipped


def _groups(place: str | Path) -> Iterator[list[Path]]:
    """Yield the files of each folder together."""
    if _ADDRESS.match(str(place)):
        raise ProgrammeError(
            f"FILES: {str(place).partition('://')[0]}:// is the address of a database, and init looks at files only; "
            "export the table as Parquet, and give the file"
        )
    path = Path(place).absolute()
    if not path.exists():
        raise ProgrammeError(f"FILES: there is no file {path}; check the path")
    if path.is_file():
        yield [path]
        return
    folders = [path, *sorted(each for each in path.rglob("*") if each.is_dir())]
    for folder in folders:
        files = sorted(each for each in folder.iterdir() if each.is_file() and not each.name.startswith("."))
        # What linkcore has written there is no source.
        if not any(each.name in _OF_LINKCORE for each in files):
            yield [each for each in files if each.suffix.lower() not in _NOT_DATA]


def _look_at(file: Path) -> Extract | Skipped:
    if not is_known(file):
        return Skipped(str(file), f"its format is not known; save it as one of {', '.join(SUFFIXES)}")
    form = sniff(file) if is_text(file) else TextForm()
    if form.header_row > 1:
        return Skipped(str(file), f"its table seems to begin in row {form.header_row}; take out the rows above it")
    try:
        columns = _opened(file, form).header()
    except LinkcoreError as error:
        return Skipped(str(file), str(error).partition(f"{file}: ")[2] or str(error))
    except (Exception, pl.exceptions.PanicException):  # a library's own message may quote a value
        return Skipped(str(file), UNREADABLE)
    if looks_like_record(columns) and not are_names(columns):
        return Skipped(str(file), NO_HEADER)
    return Extract(_name(file.name.partition(".")[0]), glob.escape(str(file)), (file,), form, columns)


def _opened(file: Path, form: TextForm) -> SourceData:
    return open_file(file.name, file, encoding=form.encoding, separator=form.separator)


def _together(read: Sequence[Extract]) -> Extract:
    """Return the files of one folder that are alike as one extract, which is called as the folder."""
    folder, suffix = read[0].files[0].parent, read[0].files[0].suffix
    files = tuple(file for each in read for file in each.files)
    pattern = f"{glob.escape(str(folder))}/*{suffix}"
    return Extract(_name(folder.name), pattern, files, read[0].form, read[0].columns)


def _name(text: str) -> str:
    """Make a name for a source.

    Examples
    --------
    >>> _name("GP list (March)"), _name("111 calls"), _name("all")
    ('gp_list_march', 'source_111_calls', 'source_all')
    """
    name = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:50]
    return name if re.match("[a-z]", name) and name != ALL else f"source_{name}".rstrip("_")


def _with_own_name(extract: Extract, names: dict[str, int]) -> Extract:
    names[extract.name] = times = names.get(extract.name, 0) + 1
    name = extract.name if times == 1 else f"{extract.name}_{times}"
    return Extract(name, extract.data, extract.files, extract.form, extract.columns)
