"""A synthetic ICS over months: the same people, their lives, and the extracts and lists of each month."""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np
import polars as pl

from linkcore.errors import ProgrammeError
from linkcore.files import new_folder
from linkcore.identifiers.nhs_number import digits
from linkcore.progress import Progress, silent
from linkcore.synthetic.extracts import Extracts
from linkcore.synthetic.files import OPT_OUT_FILES, SUPERSEDED_FILE, Encoding, programme_text, write_source
from linkcore.synthetic.ics import (
    PROGRAMME,
    REFERENCE_DATE,
    TEST_NUMBERS,
    TRUTH,
    Synthetic,
    check_arguments,
    is_synthesised,
    seeds_of,
    usable_statuses,
)
from linkcore.synthetic.lives import Lives, draw_lives
from linkcore.synthetic.opt_outs import OptOutDays, draw_opt_outs
from linkcore.synthetic.providers import PROVIDERS
from linkcore.synthetic.rates import DEFAULT_RATES, ErrorRates
from linkcore.toml_schema import write_with_schema

__all__ = ["synthesise_months"]

_MOST_MONTHS: Final = 120


def synthesise_months(
    out: str | Path,
    *,
    months: int,
    people: int = 50_000,
    seed: int = 1,
    number_range: tuple[int, int] = TEST_NUMBERS,
    encoding: Encoding = "utf-8",
    reference_date: date = REFERENCE_DATE,
    error_rates: Mapping[str, ErrorRates] | None = None,
    progress: Progress = silent,
) -> tuple[Synthetic, ...]:
    """Write a synthetic ICS month after month: its people live, and its providers go on.

    People are born, move, marry, get their first NHS Number, have numbers superseded, die, come and leave; providers
    add records, correct and delete some, and now and then change the order of an extract. Each month is a folder
    ``month-01``, ``month-02``, ... with its own extracts, programme file, table of superseded numbers
    (``superseded.csv``), opt-outs (``national.csv``, ``type_one.csv`` and the register ``objections.csv``), and truth.
    :mod:`~linkcore.synthetic.lives` states the rates and where they are from. The same arguments give the same bytes.

    Parameters
    ----------
    out : str or pathlib.Path
        Folder to write. A synthetic ICS that is already there is replaced; any other file in it is an error.
    months : int
        Number of months, 2 to 120; :func:`synthesise` writes one.
    people : int
        Number of all people who are there in any month, 1 or more.
    seed, number_range, encoding, error_rates
        As of :func:`synthesise`.
    reference_date : datetime.date
        Day of the first month's extracts. Those of each later month are of a month later.
    progress : callable
        Called after each source, and after the lists, with the name, the number of parts done and the number of parts.

    Returns
    -------
    tuple of Synthetic
        Paths and sizes of each month. Its truth has the columns of a single one, ``entity`` being the same person in
        each month; and ``record`` (UInt32), the same record of its source in each month.

    Raises
    ------
    ProgrammeError
        If an argument is invalid, or ``out`` holds files that are not part of a synthetic ICS.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     made = synthesise_months(folder, months=2, people=200)
    ...     [month.folder.name for month in made], sorted(path.name for path in made[1].folder.glob("*o*.csv"))[-3:]
    (['month-01', 'month-02'], ['objections.csv', 'out_of_hours.csv', 'type_one.csv'])
    """
    if not 2 <= months <= _MOST_MONTHS:
        raise ProgrammeError(f"months: give 2 to {_MOST_MONTHS}; synthesise writes a single month.")
    check_arguments(people, seed, number_range, encoding, error_rates)
    rates = {**DEFAULT_RATES, **(error_rates or {})}
    days = _days(reference_date, months)
    lives = draw_lives(seeds_of(seed, "lives"), people, number_range=number_range, first=days[0], last=days[-1])
    opt_outs = draw_opt_outs(np.random.Generator(np.random.PCG64(next(seeds_of(seed, "opt-outs")))), lives, days[0])
    out = Path(out).resolve()
    truths: list[list[pl.DataFrame]] = [[] for _ in days]
    with new_folder(out, ours=is_synthesised) as partial:
        folders = [partial / f"month-{number:02}" for number in range(1, months + 1)]
        for folder in folders:
            folder.mkdir()
        for number, (name, provider) in enumerate(PROVIDERS.items(), start=1):
            extracts = Extracts(provider, rates[name], lives, number_range, encoding)
            seeds = [seeds_of(seed, f"{name}, month {month}") for month in range(1, months + 1)]
            for folder, truth, records in zip(folders, truths, extracts.months(days, seeds), strict=True):
                write_source(folder, provider, records.frame, encoding)
                truth.append(records.truth)
            progress(name, number, len(PROVIDERS) + 1)
        for folder, truth, day in zip(folders, truths, days, strict=True):
            pl.concat(truth).write_parquet(folder / TRUTH)
            _write_lists(folder, lives, opt_outs, day)
            text = programme_text(usable_statuses(number_range), encoding, day, month=True)
            write_with_schema(folder / PROGRAMME, text)
    progress("truth", len(PROVIDERS) + 1, len(PROVIDERS) + 1)
    return tuple(
        _of_month(out / folder.name, int(lives.here(day).sum()), truth)
        for folder, truth, day in zip(folders, truths, days, strict=True)
    )


def _days(first: date, months: int) -> Sequence[date]:
    """Return the day of each month's extracts: the same one of each month, or the last one of a shorter month."""
    return [pl.select(pl.lit(first).dt.offset_by(f"{month}mo")).item() for month in range(months)]


def _write_lists(folder: Path, lives: Lives, opt_outs: OptOutDays, day: date) -> None:
    """Write the superseded numbers and the opt-outs of a day, as CSV files with ten digits."""
    tables = {SUPERSEDED_FILE: lives.superseded(day)}
    for kind, file in OPT_OUT_FILES.items():
        tables[file] = opt_outs.statements(kind, day) if kind == "objections" else opt_outs.listed(kind, day)
    for file, table in tables.items():
        table.with_columns(digits(pl.col(pl.Int64)).name.keep()).write_csv(folder / file)


def _of_month(folder: Path, people: int, truths: Sequence[pl.DataFrame]) -> Synthetic:
    return Synthetic(
        folder=folder,
        programme=folder / PROGRAMME,
        sources=MappingProxyType({name: folder / provider.data for name, provider in PROVIDERS.items()}),
        truth=folder / TRUTH,
        people=people,
        records=MappingProxyType({name: len(truth) for name, truth in zip(PROVIDERS, truths, strict=True)}),
    )
