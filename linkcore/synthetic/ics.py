"""A whole synthetic ICS: as frames, or as the files and the programme that links them."""

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
from linkcore.synthetic.provider import Provider
from linkcore.synthetic.providers import PROVIDERS
from linkcore.synthetic.rates import DEFAULT_RATES, ErrorRates
from linkcore.synthetic.records import ProviderRecords, build_records

__all__ = ["Synthetic", "synthesise", "synthesise_frames"]

_REFERENCE_DATE: Final = date(2026, 3, 31)
_PROGRAMME: Final = "programme.toml"
_TRUTH: Final = "truth.parquet"
_NAMES: Final = frozenset({_PROGRAMME, _TRUTH, *(Path(provider.data).parts[0] for provider in PROVIDERS.values())})


@dataclass(frozen=True)
class Synthetic:
    """Where a synthetic ICS lies, and how large it is.

    Parameters
    ----------
    folder : pathlib.Path
        That holds it all.
    programme : pathlib.Path
        The programme file that links it.
    sources : mapping of str to pathlib.Path
        The file of each source, or the glob of its files.
    truth : pathlib.Path
        Parquet: ``source``, ``record_id``, ``entity`` (who it really is of), ``listed`` (whether that person is on the
        GP list), ``number_wrong`` (whether the record carries a number that is not the person's).
    people : int
        How many people there are.
    records : mapping of str to int
        How many records each source has.
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
    first_number: int = 900_000_000,
    last_number: int = 999_999_999,
    encoding: Encoding = "utf-8",
    reference_date: date = _REFERENCE_DATE,
    error_rates: Mapping[str, ErrorRates] | None = None,
    progress: Progress = silent,
) -> Synthetic:
    """Write a synthetic ICS: twelve sources, the programme file that links them, and the truth.

    The same arguments give the same bytes.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     ics = synthesise(folder, people=200, seed=1)
    ...     ics.records["gp"], sorted(path.name for path in ics.folder.iterdir())[:3]
    (197, ['adult_social_care.csv', 'ambulance.csv', 'community.parquet'])
    """
    if encoding not in ("utf-8", "windows-1252"):
        raise ProgrammeError('encoding is "utf-8" or "windows-1252".')
    made = _providers(
        people, seed, (first_number, last_number), error_rates, encoding=encoding, reference_date=reference_date
    )
    out = Path(out).resolve()
    usable = ["valid", "scotland", "northern_ireland"]
    if in_test_range(first_number, last_number):
        usable.append("test")
    truths = {}
    with new_folder(out, ours=_is_synthesised) as folder:
        for number, (provider, records) in enumerate(made, start=1):
            write_source(folder, provider, records.frame, encoding)
            truths[provider.name] = records.truth
            progress(provider.name, number, len(PROVIDERS) + 1)
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


def synthesise_frames(
    people: int = 50_000,
    *,
    seed: int = 1,
    first_number: int = 900_000_000,
    last_number: int = 999_999_999,
    reference_date: date = _REFERENCE_DATE,
    error_rates: Mapping[str, ErrorRates] | None = None,
) -> tuple[dict[str, pl.DataFrame], pl.DataFrame]:
    """Make a synthetic ICS in memory: what :func:`synthesise` writes, before it is written.

    Examples
    --------
    >>> sources, truth = synthesise_frames(200, seed=1)
    >>> sources["national_extract"].columns[:4], truth["source"].n_unique()
    (['NEWNHSNO', 'DOB', 'SEX', 'HOMEPOST'], 12)
    """
    number_range = (first_number, last_number)
    made = list(_providers(people, seed, number_range, error_rates, encoding="utf-8", reference_date=reference_date))
    frames = {provider.name: records.frame for provider, records in made}
    return frames, pl.concat([records.truth for _, records in made])


def _providers(
    people: int,
    seed: int,
    number_range: tuple[int, int],
    error_rates: Mapping[str, ErrorRates] | None,
    *,
    encoding: Encoding,
    reference_date: date,
) -> Iterator[tuple[Provider, ProviderRecords]]:
    """Check the arguments at once; then make the people, and the records of one provider at a time."""
    if people < 1 or seed < 0:
        raise ProgrammeError("people is 1 or more, and seed 0 or more.")
    if unknown := set(error_rates or ()) - set(PROVIDERS):
        raise ProgrammeError(f"error_rates names {', '.join(sorted(unknown))}: there are {', '.join(PROVIDERS)}.")
    check_range(*number_range, people)
    rates = {**DEFAULT_RATES, **(error_rates or {})}

    def make() -> Iterator[tuple[Provider, ProviderRecords]]:
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
            yield provider, records

    return make()


def _seeds(seed: int, name: str) -> Iterator[np.random.SeedSequence]:
    """Give seeds without end, by name, so that no provider's records depend on which others there are."""
    root = np.random.SeedSequence((seed, zlib.crc32(name.encode())))
    while True:
        yield from root.spawn(1)


def _is_synthesised(entry: Path) -> bool:
    """Say whether a file or folder is part of a synthetic ICS, by its name and by the programme file beside it."""
    try:
        programme = tomllib.loads((entry.parent / _PROGRAMME).read_text(encoding="utf-8"))["programme"]
        synthetic = programme["synthetic"] is True
    except (OSError, ValueError, LookupError, TypeError):
        synthetic = False
    return synthetic and entry.name in _NAMES
