"""The programme file: all that is linked and released for one ICS, checked before anything runs."""

import datetime as dt
import glob
import tomllib
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from linkcore.errors import ProgrammeError
from linkcore.governance.agreements import Agreement
from linkcore.linkage.csv_files import CsvFile
from linkcore.linkage.exact import Exact
from linkcore.linkage.fallback import Fallback
from linkcore.linkage.link import Linkage, check_sources, link
from linkcore.linkage.sources import FurtherKind, Source
from linkcore.progress import Progress, silent
from linkcore.schema import USABLE_STATUSES

__all__ = ["Programme"]


class _Table(BaseModel):
    # An unknown key is a spelling mistake, and a mistake here could release or withhold what it should not.
    model_config = ConfigDict(extra="forbid", frozen=True)


class _About(_Table):
    name: str
    synthetic: bool = False
    reference_date: dt.date | None = None
    seed: int = 0


class _Numbers(_Table):
    usable: tuple[Literal["valid", "scotland", "northern_ireland", "test"], ...] = USABLE_STATUSES
    superseded: str | None = None


class _LinkageSettings(_Table):
    conflicts: Literal["fallback", "keep"] = "fallback"
    probabilistic: bool = True
    accept: float | None = None
    max_false_link_rate: float | None = None
    model: str | None = None
    memory: str | None = None


class _SourceTable(_Table):
    name: str
    data: str
    spine: bool = False
    record_id: str | None = None
    encoding: str = "utf-8"
    separator: str = ","
    day_first: bool = True
    practice: str | None = None
    one_record_per_person: bool = False
    not_compared: tuple[str, ...] = ()
    columns: dict[str, str] | None = None
    further: dict[str, FurtherKind] | None = None
    attributes: dict[str, str] | None = None


class _RecipientTable(_Table):
    name: str
    key: str
    purpose: str = ""
    columns: dict[str, tuple[str, ...]]


class Programme(_Table):
    r"""One programme, as its file states it.

    Examples
    --------
    >>> import tempfile
    >>> stated = '[programme]\nname = "Example"\n[[source]]\nname = "gp"\ndata = "gp.csv"\nspin = true'
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "programme.toml"
    ...     _ = file.write_text(stated)
    ...     Programme.load(file)
    Traceback (most recent call last):
    linkcore.errors.ProgrammeError: ...programme.toml, source[1].spin: no such key
    """

    programme: _About
    numbers: _Numbers = _Numbers()
    linkage: _LinkageSettings = _LinkageSettings()
    source: tuple[_SourceTable, ...]
    recipient: tuple[_RecipientTable, ...] = ()
    folder: Path = Field(default=Path(), exclude=True)

    @field_validator("source")
    @classmethod
    def _is_there(cls, source: tuple[_SourceTable, ...]) -> tuple[_SourceTable, ...]:
        if not source:
            raise ValueError("there is none; state at least one [[source]]")
        return source

    @field_validator("recipient")
    @classmethod
    def _are_apart(cls, recipient: tuple[_RecipientTable, ...]) -> tuple[_RecipientTable, ...]:
        """Refuse recipients who share a name, or a key: they could put together what each of them has."""
        for what in ("name", "key"):
            first: dict[str, int] = {}
            for number, each in enumerate(recipient, start=1):
                value = getattr(each, what)
                before = first.setdefault(value, number)
                if before != number:
                    raise ValueError(f"[{before}].{what} and [{number}].{what} are both {value!r}; each has its own")
        return recipient

    @classmethod
    def load(cls, file: str | Path) -> "Programme":
        """Read and check a programme file.

        Parameters
        ----------
        file : path
            The TOML file; paths in it are relative to its folder.

        Returns
        -------
        Programme

        Raises
        ------
        ProgrammeError
            Naming the key, its place, and what is allowed there.
        """
        file = Path(file)
        try:
            stated = tomllib.loads(file.read_text("utf-8"))
        except OSError:
            raise ProgrammeError(f"{file}: no such programme file, or it may not be read; check the path") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ProgrammeError(f"{file}: not a TOML file: {error}") from None
        if "folder" in stated:
            raise ProgrammeError(f"{file}, folder: no such key")
        try:
            return cls.model_validate(stated | {"folder": file.parent})
        except ValidationError as error:
            wrong = "; ".join(f"{_place(each['loc'])}: {_reason(each)}" for each in error.errors())
            raise ProgrammeError(f"{file}, {wrong}") from None

    def sources(self) -> list[Source]:
        """Open the sources; only the names of their columns are read.

        Returns
        -------
        list of Source

        Raises
        ------
        ProgrammeError, SourceError
            If a source's settings make no sense, or its files or columns are not there.
        """
        stated = (dict(table) for table in self.source)
        return [Source(**(table | {"data": self._pattern(table["data"])})) for table in stated]

    def _pattern(self, data: str) -> str:
        # Brackets in the name of the programme's own folder, unlike those that its file states, are no pattern.
        place = self.folder / data
        literal = place.is_file() or Path(data).is_absolute()
        return str(place) if literal else str(Path(glob.escape(str(self.folder))) / data)

    def exact(self) -> Exact:
        """Give the settings of the exact linkage; the table of superseded numbers is read.

        Returns
        -------
        Exact

        Raises
        ------
        ProgrammeError, SourceError
            If there is no such table, it cannot be read, or it makes no sense.
        """
        superseded = None
        if self.numbers.superseded is not None:
            file = self.folder / self.numbers.superseded
            if not file.is_file():
                raise ProgrammeError(
                    f"numbers.superseded: there is no file {file}; it is a CSV file with the columns old and new"
                )
            table = CsvFile("numbers.superseded", file)
            superseded = pl.concat(table.batches(table.header()))
        return Exact(usable=self.numbers.usable, superseded=superseded, conflicts=self.linkage.conflicts)

    def fallback(self) -> Fallback | None:
        """Give the settings of the probabilistic linkage, or None where the programme leaves it out.

        Returns
        -------
        Fallback or None
        """
        if not self.linkage.probabilistic:
            return None
        stated = {name: getattr(self.linkage, name) for name in ("accept", "max_false_link_rate", "memory")}
        model = None if self.linkage.model is None else self.folder / self.linkage.model
        return Fallback(model=model, **{name: value for name, value in stated.items() if value is not None})

    def check(self) -> list[Source]:
        """Check all that can be checked before the sources are read: no linkage or release is refused later for it.

        Returns
        -------
        list of Source
            Those of :meth:`sources`.

        Raises
        ------
        ProgrammeError, SourceError, RefusedError
            If a setting makes no sense, a file or a column is not there, the sources cannot be linked together, or a
            recipient is to have what no release carries.
        """
        sources = self.sources()
        check_sources(sources)
        self.exact()
        self.fallback()
        for agreement in self.agreements():
            agreement.check(sources)
        return sources

    def link(self, *, progress: Progress = silent) -> Linkage:
        """Link the programme's sources.

        Parameters
        ----------
        progress : Progress
            Told of each step.

        Returns
        -------
        Linkage
        """
        return link(
            self.sources(),
            exact=self.exact(),
            fallback=self.fallback(),
            reference_date=self.programme.reference_date,
            seed=self.programme.seed,
            progress=progress,
        )

    def agreements(self) -> list[Agreement]:
        """Give what each recipient may have.

        Returns
        -------
        list of Agreement
        """
        return [Agreement(each.name, each.key, each.columns, each.purpose) for each in self.recipient]


def _place(location: tuple[str | int, ...]) -> str:
    # As a person counts: the first [[source]] is source[1].
    return "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in location).removeprefix(".")


def _reason(error: object) -> str:
    assert isinstance(error, dict)
    if error["type"] == "extra_forbidden":
        return "no such key"
    if error["type"] == "missing":
        return "is required"
    if error["type"] == "value_error":
        # One of ours, without what pydantic says before it.
        return str(error["ctx"]["error"])
    return str(error["msg"])
