"""Look at extracts, and propose the programme that links them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import polars as pl

from linkcore.errors import ProgrammeError, SourceError
from linkcore.first_hour.columns import Doubt, guess_columns
from linkcore.first_hour.evidence import column_evidence, months_come_first
from linkcore.first_hour.extracts import UNREADABLE, Extract, Skipped, find_extracts
from linkcore.first_hour.programme_text import SourceText, programme_text
from linkcore.first_hour.together import Looked, choose_spine, compare, has_one_record_each, names_records
from linkcore.identifiers import nhs_number

__all__ = ["Ask", "Proposal", "propose"]

Ask = Callable[[str, Sequence[str], str], str]
"""Asks a question: its text, the answers to choose from, and the usual answer. Returns one of the answers."""

NONE: Final = "none"
"""The answer that no column is it."""

# So many rows show what a column holds.
_ROWS: Final = 1_000
# A list of opt-outs has a number, and perhaps a date and a code.
_OF_LIST: Final = 3
_TEST_RANGE: Final = "all NHS Numbers are of the range for tests, so the data are taken for synthetic"


@dataclass(frozen=True)
class Proposal:
    """A proposed programme.

    Parameters
    ----------
    text : str
        The programme file.
    sources : tuple of str
        One line for each source: what was found in it.
    doubts : tuple of Doubt
        What is not sure, for somebody to check.
    skipped : tuple of Skipped
        Files that are not in it.
    """

    text: str
    sources: tuple[str, ...]
    doubts: tuple[Doubt, ...]
    skipped: tuple[Skipped, ...]


def propose(places: Sequence[str | Path], *, folder: Path, ask: Ask | None = None) -> Proposal:
    """Look at files and folders, and propose a programme file for ``folder``.

    Parameters
    ----------
    places : sequence of str or path
        Files, and folders with files.
    folder : path
        Folder of the programme file: files in it are named relative to it.
    ask : Ask, optional
        Asks somebody what is not sure. Without it, the best guess is written, and told as a doubt.

    Returns
    -------
    Proposal

    Raises
    ------
    ProgrammeError
        If a place does not exist, or no file in them can be read as a source.
    """
    extracts, skipped = find_extracts(places)
    looked = []
    for extract in extracts:
        found = _look(extract)
        if isinstance(found, Skipped):
            skipped.append(found)
        else:
            looked.append(found)
    if not looked:
        why = "; ".join(f"{each.file}: {each.why}" for each in skipped) or "there are none"
        raise ProgrammeError(f"FILES: none of the files can be a source: {why}")
    spine = choose_spine(looked)
    looked = compare(looked, spine)
    doubts = [doubt for each in looked for doubt in each.guess.doubts]
    if ask is not None:
        looked = [_asked(each, ask) for each in looked]
        doubts = []
        names = [each.name for each in looked]
        chosen = ask("which source lists all people once each (the spine)?", [*names, NONE], spine or NONE)
        spine = None if chosen == NONE else chosen
    elif spine is None:
        doubts.append(Doubt("programme", "spine", "no source lists each person once, so none is the spine"))
    synthetic = _is_synthetic(looked)
    if synthetic and ask is not None:
        synthetic = ask(f"{_TEST_RANGE}; are they?", ["yes", "no"], "yes") == "yes"
    elif synthetic:
        doubts.append(Doubt("programme", "synthetic", _TEST_RANGE))
    sources = [_source(each, spine) for each in sorted(looked, key=lambda each: each.name != spine)]
    return Proposal(
        text=programme_text(folder, sources, synthetic=synthetic, doubts=doubts),
        sources=tuple(_in_words(each, spine) for each in looked),
        doubts=tuple(doubts),
        skipped=tuple(skipped),
    )


def _look(extract: Extract) -> Looked | Skipped:
    """Read some rows of an extract, and guess what its columns are."""
    try:
        rows = extract.scan().head(_ROWS).collect()
        months = months_come_first(rows)
        evidence = column_evidence(rows, day_first=not months)
        guess = guess_columns(extract.name, evidence)
        numbers = _numbers(extract, guess.columns.get("nhs_number"))
    except SourceError as error:
        return Skipped(extract.data, str(error))
    except (Exception, pl.exceptions.PanicException):  # a library's own message may quote a value
        return Skipped(extract.data, UNREADABLE)
    if not rows.height:
        return Skipped(extract.data, "it has no rows")
    if not guess.columns:
        return Skipped(extract.data, "none of its columns holds an identifier")
    if list(guess.columns) == ["nhs_number"] and len(extract.columns) <= _OF_LIST:
        return Skipped(extract.data, "it seems to be a list of NHS Numbers; state a list of opt-outs under [opt_outs]")
    read = numbers.filter(pl.col("value").is_not_null())
    return Looked(extract, evidence, guess, not months, read["value"], read.filter(status="test").height)


def _numbers(extract: Extract, column: str | None) -> pl.DataFrame:
    """Read all NHS Numbers of an extract, of every status."""
    if column is None:
        return pl.DataFrame(schema={"value": pl.Int64, "status": pl.String})
    raw = extract.scan().select(column)
    number = nhs_number.standardise(pl.col(column), dtype=raw.collect_schema()[column]).alias("number")
    return raw.select(number).collect().unnest("number")


def _is_synthetic(looked: Sequence[Looked]) -> bool:
    """Whether there are NHS Numbers, and all are of the range that nobody has."""
    numbers = sum(len(each.numbers) for each in looked)
    return numbers > 0 and numbers == sum(each.test for each in looked)


def _asked(looked: Looked, ask: Ask) -> Looked:
    """Ask about each doubt for which there is a choice of columns."""
    columns = dict(looked.guess.columns)
    for doubt in looked.guess.doubts:
        free = [each for each in doubt.others if each not in columns.values()]
        answers = list(dict.fromkeys([*filter(None, [doubt.chosen]), *free]))
        if answers:
            answer = ask(
                f"{looked.name}: {doubt.key}: {doubt.text}; which is it?", [*answers, NONE], doubt.chosen or NONE
            )
            columns.pop(doubt.key, None)
            columns |= {} if answer == NONE else {doubt.key: answer}
    if "full_name" in columns:
        columns = {name: column for name, column in columns.items() if name not in ("given_name", "family_name")}
    return replace(looked, guess=replace(looked.guess, columns=columns))


def _source(looked: Looked, spine: str | None) -> SourceText:
    extract = looked.extract
    is_spine = looked.name == spine
    return SourceText(
        name=looked.name,
        data=extract.data,
        is_literal=len(extract.files) == 1,
        file=str(extract.files[0]),
        spine=is_spine,
        one_record_per_person=is_spine and has_one_record_each(looked),
        record_id=names_records(looked),
        encoding=extract.form.encoding,
        separator=extract.form.separator,
        day_first=looked.day_first,
        practice=looked.guess.practice,
        not_compared=looked.not_compared,
        columns=looked.guess.columns,
        attributes=looked.guess.attributes,
        events=looked.guess.events,
        left=tuple(name for name in extract.columns if name not in looked.guess.columns.values()),
    )


def _in_words(looked: Looked, spine: str | None) -> str:
    mapped = ", ".join(f"{identifier} = {column}" for identifier, column in looked.guess.columns.items())
    form = looked.extract.form
    written = (
        "" if (form.encoding, form.separator) == ("utf-8", ",") else f" ({form.encoding}, separator {form.separator!r})"
    )
    order = "" if looked.day_first else "; months come first in dates"
    return f"{looked.name}{' (spine)' if looked.name == spine else ''}{written}: {mapped}{order}"
