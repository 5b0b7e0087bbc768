"""A small synthetic ICS in which many records have no number and say little, so that much is uncertain."""

import polars as pl
import pytest

import linkcore as lc
from linkcore.synthetic.ics import build_sources
from linkcore.synthetic.providers import PROVIDERS

SOURCES = ("gp", "outpatient", "ambulance", "nhs_111")
USABLE = ("valid", "test")


def make_sources(frames: dict[str, pl.DataFrame]) -> list[lc.Source]:
    made = []
    for name in SOURCES:
        provider, frame = PROVIDERS[name], frames[name]
        columns = {key: value for key, value in provider.columns.items() if key != "local_patient_id"}
        if not provider.spine:
            position = pl.int_range(pl.len())
            frame = frame.with_columns(
                pl.when(position % 8 > 1).then(columns["nhs_number"]),
                # Of every other record without a number, part of what tells its person is gone too.
                pl.when(position % 8 > 0).then(columns["given_name"]),
                pl.when(position % 16 > 0).then(columns["birth_date"]),
                pl.when(position % 8 > 0).then(columns["postcode"]),
            )
        made.append(lc.Source(name, frame, columns=columns, record_id=provider.record_id, spine=provider.spine))
    return made


@pytest.fixture(scope="package")
def ics() -> tuple[dict[str, pl.DataFrame], pl.DataFrame]:
    """Frames of the sources, and the truth."""
    sources = dict(build_sources(2500, seed=5))
    frames = {name: records.frame for name, records in sources.items()}
    return frames, pl.concat([records.truth for records in sources.values()])


@pytest.fixture(scope="package")
def linkage(ics: tuple[dict[str, pl.DataFrame], pl.DataFrame]) -> lc.Linkage:
    return lc.link(make_sources(ics[0]), exact=lc.Exact(usable=USABLE))
