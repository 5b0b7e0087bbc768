"""The file of clerks' decisions: read, checked, and added to; no line of it is ever changed or removed."""

import codecs
import datetime as dt
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

import polars as pl

from linkcore.errors import ProgrammeError, RefusedError, SourceError
from linkcore.files import anything, locked, new_file
from linkcore.private_folders import others_can_write
from linkcore.review.answers import PAIR
from linkcore.schema import DECISION, DECISIONS
from linkcore.sources.formats.csv_files import CsvFile
from linkcore.sources.source import Source
from linkcore.spreadsheets import guarded, unguarded

__all__ = ["Decider", "add_decisions", "check_decisions", "read_decisions"]

_WHEN: Final = "%Y-%m-%dT%H:%M:%SZ"

# What an editor or a terminal would obey, and line ends: as in :mod:`linkcore.plain_text`.
_NOT_PLAIN: Final = r"[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]"


class Decider(Protocol):
    """Who decides, when and why, and what records it in an audit log: an ``Occasion``."""

    @property
    def actor(self) -> str:
        """Who decides."""

    @property
    def at(self) -> dt.datetime:
        """When, with its time zone."""

    @property
    def reason(self) -> str:
        """Why."""

    def record(self, action: str, *, file: str, rows: int, sha256: str) -> None:
        """Add a line to the audit log."""


def read_decisions(path: str | Path) -> pl.DataFrame:
    r"""Read clerks' decisions, which outrank what the linkage finds.

    Parameters
    ----------
    path : path
        A CSV file in UTF-8, as :func:`add_decisions` writes it, with the columns ``source``, ``record_id``,
        ``person_source``, ``person_record_id``, ``decision`` (``same``, ``not the same`` or ``undecided``), ``who``,
        ``when`` (as ``2026-04-01T09:30:00Z``) and ``why``.

    Returns
    -------
    polars.DataFrame
        DECISIONS of ``linkcore.schema``, in the order of the file: for ``link(decisions=...)``.

    Raises
    ------
    RefusedError
        If other users of the machine can write to the file.
    ProgrammeError
        If there is no such file.
    SourceError
        If the file has other columns, or a value is missing or wrong. The error names rows (the header is row 1) and
        quotes no value.

    Examples
    --------
    >>> import tempfile
    >>> header = "source,record_id,person_source,person_record_id,decision,who,when,why\n"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "decisions.csv")
    ...     _ = file.write_text(header + "seen,7,gp,12,same,A. Clerk,2026-04-01T09:30:00Z,same carer and address\n")
    ...     read_decisions(file).select("record_id", "decision", "who").rows()
    [('7', 'same', 'A. Clerk')]
    """
    path = Path(path)
    place = f"the decisions {path}"
    if not path.is_file():
        raise ProgrammeError(
            f"there is no file {path} with decisions; check the path, or make it with `linkcore decide`"
        )
    if others_can_write(path):
        raise RefusedError(f"{place} can be changed by other users of this machine; take that right from them")
    file = CsvFile("decisions", path)
    header = file.header()
    if sorted(header) != sorted(DECISIONS):
        raise SourceError(f"{place} must have the columns {', '.join(DECISIONS)}, and no others; correct the file")
    read = pl.concat(list(file.batches(list(DECISIONS)))).select(unguarded(pl.col(name)) for name in DECISIONS)
    _refuse_rows(read, pl.any_horizontal(pl.all().is_null() | (pl.all() == "")), place, "a value is missing")
    _refuse_rows(read, pl.any_horizontal(pl.all().str.contains(_NOT_PLAIN)), place, "a value has a control character")
    known = pl.col("decision").is_in(DECISION.categories.implode())
    _refuse_rows(read, ~known, place, f"the decision is not one of {', '.join(DECISION.categories)}")
    when = pl.col("when").str.to_datetime(_WHEN, strict=False).dt.replace_time_zone("UTC")
    _refuse_rows(read, when.is_null(), place, "the time is not written as 2026-04-01T09:30:00Z")
    _refuse_rows(read, _names_one_record(), place, "a record is compared with itself")
    return read.with_columns(pl.col("decision").cast(DECISION), when.cast(DECISIONS["when"]))


def _names_one_record() -> pl.Expr:
    return (pl.col("source") == pl.col("person_source")) & (pl.col("record_id") == pl.col("person_record_id"))


def _refuse_rows(read: pl.DataFrame, wrong: pl.Expr, place: str, what: str) -> None:
    rows = read.select((wrong.arg_true() + 2).alias("row"))["row"]
    if rows.len():
        more = f" and {rows.len() - 5} more" if rows.len() > 5 else ""
        raise SourceError(f"{place}, rows {', '.join(map(str, rows.head(5)))}{more}: {what}; correct the file")


def check_decisions(decisions: pl.DataFrame, sources: Sequence[Source]) -> None:
    """Refuse decisions that were not read as decisions, or that name records by their row number.

    The row of a record changes with every extract, so a decision would soon be about somebody else.
    """
    if not isinstance(decisions, pl.DataFrame) or decisions.schema != DECISIONS:
        raise ProgrammeError("decisions is not what read_decisions gives; give that")
    named = {*decisions["source"], *decisions["person_source"]}
    nameless = [source.name for source in sources if source.name in named and source.record_id_column is None]
    if nameless:
        raise ProgrammeError(
            f"decisions name records of {', '.join(nameless)} by their row number, which changes with every extract; "
            "name a column with record ids (record_id), or take these decisions out"
        )


def add_decisions(
    path: str | Path, labels: pl.DataFrame, *, sources: Sequence[Source], occasion: Decider, undo: bool = False
) -> int:
    """Add a clerk's answers to the file of decisions. What stands in it stays as it is.

    The decision is recorded in the audit log before the file is replaced, with the digest of the new file.

    Parameters
    ----------
    path : path
        The file, which only its owner can read; it is made if there is none.
    labels : polars.DataFrame
        Answers, as :func:`read_review` returns them: ``match`` is ``same``, and ``no`` is ``not the same``.
    sources : sequence of Source
        The sources that are linked. Each answer must be about two of them that have record ids.
    occasion : Occasion
        The clerk, the time and the reason, and the audit log.
    undo : bool
        Take back what this clerk has decided about these pairs before.

    Returns
    -------
    int
        Number of decisions added.

    Raises
    ------
    ProgrammeError
        If a source is unknown or has no record ids, or the occasion states no reason.
    SourceError
        If the file is not one of decisions, or a record id has a control character.
    RefusedError
        If the audit log refuses, if other users of the machine can write to the file, or if somebody else adds to it
        at the same time.
    """
    path = Path(path)
    if not occasion.reason.strip():
        raise ProgrammeError("reason: say why it is decided so")
    added = _as_decisions(labels, occasion, undo=undo)
    strangers = sorted({*added["source"], *added["person_source"]} - {source.name for source in sources})
    if strangers:
        raise ProgrammeError(f"answers are about {', '.join(strangers)}, which is no source; correct the answers")
    check_decisions(added, sources)
    before = _bytes_of(path)
    content = before + _written(added, with_header=not before).encode("utf-8")
    occasion.record("decisions", file=path.name, rows=added.height, sha256=hashlib.sha256(content).hexdigest())
    path.parent.mkdir(parents=True, exist_ok=True)
    # The audit log may lie in the same folder, so the folder is locked only after it was written.
    with locked(path.parent):
        if _bytes_of(path) != before:
            raise RefusedError(f"the decisions {path} were added to meanwhile by somebody else; add yours again")
        with new_file(path, ours=anything) as file:
            file.write_bytes(content)
    return added.height


def _as_decisions(labels: pl.DataFrame, occasion: Decider, *, undo: bool) -> pl.DataFrame:
    decision = pl.when("match").then(pl.lit("same")).otherwise(pl.lit("not the same"))
    added = labels.select(
        *PAIR,
        (pl.lit("undecided") if undo else decision).cast(DECISION).alias("decision"),
        pl.lit(occasion.actor).alias("who"),
        pl.lit(occasion.at.astimezone(dt.UTC)).cast(DECISIONS["when"]).alias("when"),
        pl.lit(occasion.reason).alias("why"),
    )
    texts = pl.col(pl.String)
    _refuse_rows(
        added, pl.any_horizontal(texts.str.contains(_NOT_PLAIN)), "the answers", "there is a control character"
    )
    _refuse_rows(added, _names_one_record(), "the answers", "a record is compared with itself")
    return added


def _bytes_of(path: Path) -> bytes:
    """Return what the file holds, whole lines of decisions; nothing if there is none."""
    if not path.exists():
        return b""
    read_decisions(path)
    content = path.read_bytes()
    header = content.removeprefix(codecs.BOM_UTF8).split(b"\n", 1)[0].decode("utf-8")
    if [name.strip('"\r') for name in header.split(",")] != list(DECISIONS):
        raise SourceError(f"the decisions {path}: put the columns in the order {', '.join(DECISIONS)}")
    return content if content.endswith(b"\n") else content + b"\n"


def _written(decisions: pl.DataFrame, *, with_header: bool) -> str:
    texts = decisions.with_columns(pl.col("when").dt.strftime(_WHEN), pl.col("decision").cast(pl.String))
    return texts.select(guarded(pl.col(name)) for name in DECISIONS).write_csv(
        include_header=with_header, quote_style="always"
    )
