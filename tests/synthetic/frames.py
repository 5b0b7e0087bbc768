"""A synthetic ICS in memory, for tests that need no files."""

from typing import Any

import polars as pl

from linkcore.synthetic.ics import build_sources

__all__ = ["synthesise_frames"]


def synthesise_frames(people: int, *, seed: int, **arguments: Any) -> tuple[dict[str, pl.DataFrame], pl.DataFrame]:
    """Return the frame of each source, and the truth about all of them."""
    records = dict(build_sources(people, seed, **arguments))
    return {name: made.frame for name, made in records.items()}, pl.concat([made.truth for made in records.values()])
