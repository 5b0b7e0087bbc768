"""Write a whole synthetic ICS: its sources, the programme file that links them, and the truth."""

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
from linkcore.synthetic.files import Encoding, programme_text, write_source
from linkcore.synthetic.nhs_numbers import check_range, in_test_range
from linkcore.synthetic.population import build_population
from linkcore.synthetic.providers import PROVIDERS
from linkcore.synthetic.rates import DEFAULT_RATES, ErrorRates
from linkcore.synthetic.records import ProviderRecords, build_records

__all__ = ["Synthetic", "build_sources", "synthesise"]

_REFERENCE_DATE: Final = date(2026, 3, 31)
_TEST_NUMBERS: Final = (900_000_000, 999_999_999)
_PROGRAMME: Final = "programme.toml"
_TRUTH: Final = "truth.parquet"
_NAMES: Final = frozenset({_PROGRAMME, _TRUTH, *(Path(provider.data).parts[0] for provider in PROVIDERS.values())})


@dataclass(frozen=True)
class Synthetic:
    """The files and the size of a synthetic ICS.

    Parameters
    ----------
    folder : pathlib.Path
        Folder that holds everything.
    programme : pathlib.Path
        The programme file that links the sources.
    sources : mapping of str to pathlib.Path
        The file of each source, or the glob of its files.
    truth : pathlib.Path
        Parquet file of ``source``, ``record_id``, ``entity`` (the person of the record), ``listed`` (whether this
        person is on the GP list) and ``number_wrong`` (whether the record carries somebody else's NHS Number).
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
    number_range: tuple[int, int] = _TEST_NUMBERS,
    encoding: Encoding = "utf-8",
    reference_date: date = _REFERENCE_DATE,
    error_rates: Mapping[str, ErrorRates] | None = None,
    progress: Progress = silent,
) -> Synthetic:
    """Write a synthetic ICS: twelve sources, the programme file that links them, and the truth.

    ``number_range`` is the smallest and the largest first nine digits of the NHS Numbers; the default range is set
    aside for testing. The same arguments give the same bytes.

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
    usable = ["valid", "scotland", "northern_ireland"]
    if in_test_range(*number_range):
        usable.append("test")
    truths = {}
    with new_folder(out, ours=_is_synthesised) as folder:
        for number, (name, records) in enumerate(sources, start=1):
            write_source(folder, PROVIDERS[name], records.frame, encoding)
            truths[name] = records.truth
            progress(name, number, len(PROVIDERS) + 1)
        pl.concat(truths.values()).write_parquet(folder / _TRUTH)
        text = programme_text(usable, encoding, reference_date)
        (folder / _PROGRAMME).write_text(text, encoding="utf-8", newline="\n")
    progress("truth", len(PROVIDERS) + 1, len(PROVIDERS) + 1)
    return Synthetic(
        folder=out,
        programme=out / _PROGRAMME,
        sources=MappingProxyType({name: out / provider.data for name, provider in PROVIDERS.items()}),
        truth=out / _TRUTH,
        people=people,
        records=MappingProxyType({name: len(truth) for name, truth in truths.items()}),
    )


def build_sources(
    people: int,
    seed: int,
    *,
    number_range: tuple[int, int] = _TEST_NUMBERS,
    encoding: Encoding = "utf-8",
    reference_date: date = _REFERENCE_DATE,
    error_rates: Mapping[str, ErrorRates] | None = None,
) -> Iterator[tuple[str, ProviderRecords]]:
    """Check the arguments at once; then build the people and, one source at a time, its name and its records."""
    if people < 1 or seed < 0:
        raise ProgrammeError("people must be 1 or more, and seed 0 or more.")
    if encoding not in ("utf-8", "windows-1252"):
        raise ProgrammeError('encoding must be "utf-8" or "windows-1252".')
    if unknown := set(error_rates or ()) - set(PROVIDERS):
        raise ProgrammeError(f"error_rates names {', '.join(sorted(unknown))}; the sources are {', '.join(PROVIDERS)}.")
    check_range(*number_range, people)
    rates = {**DEFAULT_RATES, **(error_rates or {})}

    def build() -> Iterator[tuple[str, ProviderRecords]]:
        seeds = _seeds(seed, "population")
        population = build_population(seeds, people, number_range=number_range, reference_date=reference_date)
        for name, provider in PROVIDERS.items():
            records = build_records(
                _seeds(seed, name),
                provider,
                population,
                rates[name],
                number_range=number_range,
                encoding=encoding,
                reference_date=reference_date,
            )
            yield name, records

    return build()


def _seeds(seed: int, name: str) -> Iterator[np.random.SeedSequence]:
    """Yield seeds without end, made from a name, so that no provider's records depend on the other providers."""
    root = np.random.SeedSequence((seed, zlib.crc32(name.encode())))
    while True:
        yield from root.spawn(1)


def _is_synthesised(entry: Path) -> bool:
    """Whether a file or folder is part of a synthetic ICS, by its name and by the programme file beside it."""
    try:
        programme = tomllib.loads((entry.parent / _PROGRAMME).read_text(encoding="utf-8"))["programme"]
        synthetic = programme["synthetic"] is True
    except (OSError, ValueError, LookupError, TypeError):
        synthetic = False
    return synthetic and entry.name in _NAMES
