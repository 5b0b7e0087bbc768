"""Stores that an earlier version wrote, as files, open or are refused with what to do."""

import datetime as dt
import json
import re
import shutil
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import linkcore as lc
from linkcore.errors import ProgrammeError
from linkcore.store.folder import FORMAT
from tests.store.kept_stores import EXACT, KEPT, KEY, sources

STORES = sorted(path.parent for path in KEPT.glob("*/*/store.json"))
LOCK = Path(__file__).parents[2] / "requirements.lock"


def opened(place: Path) -> lc.Linkage:
    return lc.Linkage.load(place, sources(place.parent), key=KEY if place.name == "encrypted" else None)


def polars_of(place: Path) -> str:
    version: str = json.loads((place.parent / "plain" / "linkage.json").read_text())["polars"]
    return version


def test_both_kinds_of_the_present_format_are_kept_under_the_polars_of_the_lock_file() -> None:
    """Where this fails, `python -m tests.store.kept_stores` writes them again; stores of an earlier format stay."""
    present = KEPT / FORMAT.replace(" ", "_")
    assert {present / "plain", present / "encrypted"} <= set(STORES)
    assert [polars_of(present / "plain")] == re.findall(r"^polars==(\S+)", LOCK.read_text(), re.MULTILINE)
    assert {json.loads((place / "store.json").read_text())["format"] for place in present.glob("*/")} == {FORMAT}


@pytest.mark.parametrize("place", STORES, ids=lambda place: f"{place.parent.name}-{place.name}")
def test_a_kept_store_opens_or_says_what_to_do(place: Path, tmp_path: Path) -> None:
    if polars_of(place) != pl.__version__ or place.parent.name != FORMAT.replace(" ", "_"):
        with pytest.raises(ProgrammeError, match="use that version, or link again with `linkcore link`"):
            opened(place)
        return
    linkage = opened(place)
    assert_frame_equal(linkage.links, pl.read_parquet(place.parent / "plain" / "links.parquet"))
    assert_frame_equal(linkage.persons, pl.read_parquet(place.parent / "plain" / "persons.parquet"))
    assert linkage.probabilistic is not None
    assert (linkage.probabilistic.candidates.height, linkage.probabilistic.tested.height) == (7, 31)
    assert (linkage.history.hashes.height, linkage.history.absent.persons.height) == (79, 3)
    if place.name == "plain":
        return  # what follows takes some seconds, and reads no files
    assert linkage.explain("seen", "SG2", identifiable=True).candidates.height
    # A release joins the payload by the hash of each row.
    agreement = lc.Agreement("partner", key="partner-2026", columns={"gp": ["cost"], "seen": ["cost"]})
    released = lc.release(linkage, agreement, lc.Key.generate("partner-2026"), tmp_path / "out")
    assert released.rows == {"gp": 39, "seen": 40}
    # A later linkage recognises the persons.
    later = lc.link(linkage.sources, exact=EXACT, previous=linkage, reference_date=dt.date(2026, 4, 30), synthetic=True)
    assert later.history.counts["kept"] == linkage.persons.height + 3 - later.history.counts["absent"]
    linkage.save(tmp_path / "again", key=KEY)


@pytest.mark.parametrize("place", STORES, ids=lambda place: f"{place.parent.name}-{place.name}")
def test_a_newer_format_is_refused_before_anything_else_is_read(place: Path, tmp_path: Path) -> None:
    newer = Path(shutil.copytree(place, tmp_path / "work"))
    header = newer / "store.json"
    header.write_text(header.read_text().replace(FORMAT, "linkcore linkage 2", 1))
    for file in newer.glob("*.parquet"):
        file.unlink()
    with pytest.raises(ProgrammeError, match=r"another version of linkcore.*use that version, or link again"):
        lc.Linkage.load(newer, sources(place.parent), key=KEY if place.name == "encrypted" else None)
