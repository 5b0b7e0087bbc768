"""Build a whole synthetic ICS, and write its sources, its truth and the programme file that links it."""

import re
import tomllib
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np
import polars as pl

from linkcore.errors import ProgrammeError
from linkcore.files import new_folder
from linkcore.progress import Progress, silent
from linkcore.synthetic.files import OPT_OUT_FILES, SUPERSEDED_FILE, Encoding, programme_text, write_source
from linkcore.synthetic.nhs_numbers import check_range, in_test_range
from linkcore.synthetic.population import build_population
from linkcore.synthetic.providers import PROVIDERS
from linkcore.synthetic.rates import DEFAULT_RATES, ErrorRates
from linkcore.synthetic.records import ProviderRecords, build_records
from linkcore.toml_schema import SCHEMA_FILE, write_with_schema

__all__ = ["PROGRAMME", "REFERENCE_DATE", "TEST_NUMBERS", "TRUTH", "Synthetic", "build_sources", "check_arguments"]
__all__ += ["is_synthesised", "seeds_of", "synthesise", "usable_statuses"]

TEST_NUMBERS: Final = (900_000_000, 999_999_999)
REFERENCE_DATE: Final = date(2026, 3, 31)
PROGRAMME: Final = "programme.toml"
TRUTH: Final = "truth.parquet"
_LISTS: Final = (SUPERSEDED_FILE, *OPT_OUT_FILES.values())
_OF_SOURCES: Final = (Path(provider.data).parts[0] for provider in PROVIDERS.values())
_NAMES: Final = frozenset({PROGRAMME, SCHEMA_FILE, TRUTH, *_OF_SOURCES})
_MONTH: Final = re.compile(r"month-[0-9]{2,}")


@dataclass(frozen=True)
class Synthetic:
    """Where a synthetic ICS is stored, and how large it is.

    Parameters
    ----------
    folder : pathlib.Path
        Folder that holds all files.
    programme : pathlib.Path
        Programme file that links the sources.
    sources : mapping of str to pathlib.Path
        File of each source, or the glob of its files.
    truth : pathlib.Path
        Parquet file: ``source``, ``record_id``, ``entity`` (the person whose record this is), ``listed`` (whether that
        person is on the GP list), ``number_wrong`` (whether the record has a number that is not the person's).
    people : int
        Number of people.
    records : mapping of str to int
        Number of records of each source.
    """

    folder: Path
    programme: Path
    sources: Mapping[str, Path]
    truth: Path
    people: int
    records: Mapping[str, int]


def synthesise(
    out: str | Path,
    *,
    people: int = 50_000,
    seed: int = 1,
    number_range: tuple[int, int] = TEST_NUMBERS,
    encoding: Encoding = "utf-8",
    reference_date: date = REFERENCE_DATE,
    error_rates: Mapping[str, ErrorRates] | None = None,
    progress: Progress = silent,
) -> Synthetic:
    """Write a synthetic ICS: twelve sources, the programme file that links them, and the truth.

    The same arguments give the same bytes.

    Parameters
    ----------
    out : str or pathlib.Path
        Folder to write. A synthetic ICS that is already there is replaced; any other file in it is an error.
    people : int
        Number of people, 1 or more.
    seed : int
        Seed of every random draw, 0 or more.
    number_range : (int, int)
        Smallest and largest first nine digits of the NHS Numbers. The default range is reserved for testing.
    encoding : {"utf-8", "windows-1252"}
        Encoding of the CSV files.
    reference_date : datetime.date
        Day of the extracts: ages are as of this day, and no record is later.
    error_rates : mapping of str to ErrorRates, optional
        Error rates by source; other sources keep ``DEFAULT_RATES``.
    progress : callable
        Called after each source, and after the truth, with the name, the number of parts done and the number of parts.

    Returns
    -------
    Synthetic
        Paths and sizes of what was written.

    Raises
    ------
    ProgrammeError
        If an argument is invalid, or ``out`` holds files that are not part of a synthetic ICS.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     ics = synthesise(folder, people=200, seed=1)
    ...     ics.records["gp"], sorted(path.name for path in ics.folder.iterdir())[:3]
    (197, ['adult_social_care.csv', 'ambulance.csv', 'community.parquet'])
    """
    sources = build_sources(
        people,
        seed,
        number_range=number_range,
        encoding=encoding,
        reference_date=reference_date,
        error_rates=error_rates,
    )
    out = Path(out).resolve()
    truths = {}
    with new_folder(out, ours=is_synthesised) as folder:
        for number, (name, records) in enumerate(sources, start=1):
            write_source(folder, PROVIDERS[name], records.frame, encoding)
            truths[name] = records.truth
            progress(name, number, len(PROVIDERS) + 1)
        pl.concat(truths.values()).write_parquet(folder / TRUTH)
        text = programme_text(usable_statuses(number_range), encoding, reference_date)
        write_with_schema(folder / PROGRAMME, text)
    progress("truth", len(PROVIDERS) + 1, len(PROVIDERS) + 1)
    return Synthetic(
        folder=out,
        programme=out / PROGRAMME,
        sources=MappingProxyType({name: out / provider.data for name, provider in PROVIDERS.items()}),
        truth=out / TRUTH,
        people=people,
        records=MappingProxyType({name: len(truth) for name, truth in truths.items()}),
    )


def build_sources(
    people: int,
    seed: int,
    *,
    number_range: tuple[int, int] = TEST_NUMBERS,
    encoding: Encoding = "utf-8",
    reference_date: date = REFERENCE_DATE,
    error_rates: Mapping[str, ErrorRates] | None = None,
) -> Iterator[tuple[str, ProviderRecords]]:
    """Check the arguments at once; then build the people and, one source at a time, its name and its records."""
    check_arguments(people, seed, number_range, encoding, error_rates)
    rates = {**DEFAULT_RATES, **(error_rates or {})}

    def build() -> Iterator[tuple[str, ProviderRecords]]:
        seeds = seeds_of(seed, "population")
        population = build_population(seeds, people, number_range=number_range, reference_date=reference_date)
        for name, provider in PROVIDERS.items():
            records = build_records(
                seeds_of(seed, name),
                provider,
                population,
                rates[name],
                number_range=number_range,
                encoding=encoding,
                reference_date=reference_date,
            )
            yield name, records

    return build()


def check_arguments(
    people: int, seed: int, number_range: tuple[int, int], encoding: str, error_rates: Mapping[str, ErrorRates] | None
) -> None:
    """Refuse arguments that are not valid."""
    if people < 1:
        raise ProgrammeError(f"people: {people} is too few; give 1 or more.")
    if seed < 0:
        raise ProgrammeError(f"seed: {seed} is negative; give 0 or more.")
    if encoding not in ("utf-8", "windows-1252"):
        raise ProgrammeError('encoding: give "utf-8" or "windows-1252".')
    if unknown := set(error_rates or ()) - set(PROVIDERS):
        raise ProgrammeError(
            f"error_rates: no source is called {', '.join(sorted(unknown))}; use {', '.join(PROVIDERS)}."
        )
    check_range(*number_range, people)


def usable_statuses(number_range: tuple[int, int]) -> list[str]:
    """Return the statuses of NHS Numbers that a programme with numbers of this range must count."""
    return ["valid", "scotland", "northern_ireland", *(["test"] if in_test_range(*number_range) else [])]


def seeds_of(seed: int, name: str) -> Iterator[np.random.SeedSequence]:
    """Yield endless seeds for a name, so that no provider's records depend on those of another."""
    root = np.random.SeedSequence((seed, zlib.crc32(name.encode())))
    while True:
        yield from root.spawn(1)


def is_synthesised(entry: Path) -> bool:
    """Whether a file or folder is part of a synthetic ICS: by its name, and the programme file beside it or in it."""
    if _MONTH.fullmatch(entry.name) and entry.is_dir():
        return all(is_synthesised(each) for each in entry.iterdir())
    try:
        programme = tomllib.loads((entry.parent / PROGRAMME).read_text(encoding="utf-8"))["programme"]
        synthetic = programme["synthetic"] is True
    except (OSError, ValueError, LookupError, TypeError):
        synthetic = False
    names = _NAMES.union(_LISTS) if _MONTH.fullmatch(entry.parent.name) else _NAMES
    return synthetic and entry.name in names
