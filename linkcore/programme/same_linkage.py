"""Whether a kept linkage was made as the programme states now."""

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

import polars as pl

from linkcore.errors import ProgrammeError
from linkcore.link import Linkage
from linkcore.linkage.run import PREVIOUS_LINKAGE, describe_run
from linkcore.linkage.settings import Exact, Fallback

__all__ = ["refuse_other_settings"]


def refuse_other_settings(
    linkage: Linkage,
    *,
    exact: Exact,
    fallback: Fallback | None,
    reference_date: dt.date | None,
    seed: int,
    synthetic: bool,
    decisions: pl.DataFrame | None = None,
) -> None:
    """Refuse a kept linkage that was made with other settings; the sources were compared when it was opened."""
    stated = describe_run(linkage.sources, exact, fallback, seed=seed, reference_date=reference_date)
    made = linkage.run
    differing = [*_differing(_plain(stated.settings), _plain(made.settings))]
    differing += [name for name in ("seed", "reference_date") if getattr(stated, name) != getattr(made, name)]
    differing += ["synthetic"] * (synthetic != linkage.synthetic)
    if not _same_numbers(exact, linkage.exact):
        differing.append("numbers.superseded")
    if not _same_decisions(decisions, linkage.decisions):
        differing.append("linkage.decisions")
    if differing:
        raise ProgrammeError(
            f"the programme file states another {differing[0]} than the kept linkage was made with; link again, or "
            "state it as it was"
        )


def _plain(settings: object) -> Any:
    """Return settings as JSON gives them back."""
    return json.loads(json.dumps(settings))


# They decide how long a linkage takes, and not what it links; practice and events of a source are payload.
# Whether the model of the linkage before is kept was decided when it was made. Decisions are compared whole. The
# linkage before gives names to persons, and may be gone.
_NOT_OF_LINKS = frozenset({"memory", "threads", "check", "relearn", "events", "decisions", PREVIOUS_LINKAGE})


def _differing(stated: dict[str, Any], made: dict[str, Any], where: str = "") -> Iterator[str]:
    """Name the settings that differ."""
    for name in stated.keys() | made.keys():
        one, other, place = stated.get(name), made.get(name), f"{where}.{name}".removeprefix(".")
        if isinstance(one, dict) and isinstance(other, dict):
            yield from _differing(one, other, place)
        elif one != other and name not in _NOT_OF_LINKS:
            yield place


def _same_decisions(stated: pl.DataFrame | None, made: pl.DataFrame) -> bool:
    if stated is None or stated.is_empty():
        return made.is_empty()
    return stated.sort(pl.all()).equals(made.select(stated.columns).sort(pl.all()))


def _same_numbers(one: Exact, other: Exact) -> bool:
    if one.superseded is None or other.superseded is None:
        return one.superseded is other.superseded
    return one.superseded.lazy().collect().equals(other.superseded.lazy().collect())
