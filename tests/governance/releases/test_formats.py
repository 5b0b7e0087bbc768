"""Formats: each that an agreement can state can be written."""

from pathlib import Path
from typing import get_args

import polars as pl
import pytest

from linkcore.governance.releases.formats import FORMATS, Format, write_rows


def test_every_format_that_can_be_stated_is_there() -> None:
    assert list(FORMATS) == list(get_args(Format))


@pytest.mark.parametrize("kind", get_args(Format))
def test_a_format_writes_one_file_for_a_table_and_leaves_nothing_else(kind: Format, tmp_path: Path) -> None:
    files = {write_rows(pl.LazyFrame({"pseudonym": ["00ff"]}), tmp_path, source, kind) for source in ("gp", "stays")}
    assert set(tmp_path.iterdir()) == files
    assert len(files) == (1 if FORMATS[kind].one_file else 2)
