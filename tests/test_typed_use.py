"""The program that shows mypy how linkcore is used also runs."""

from pathlib import Path

import polars as pl

import linkcore as lc
from tests import typed_use


def test_the_program_runs(tmp_path: Path) -> None:
    linkage = typed_use.link(tmp_path)
    assert linkage.links.height == 5
    assert typed_use.release(linkage, tmp_path).rows == {"emergency": 3}
    assert isinstance(typed_use.refused(linkage, tmp_path), lc.RefusedError)
    numbers = pl.DataFrame({"NHS_NO": ["9990000018", None]})
    assert typed_use.pseudonyms(numbers, lc.Key.generate("k"))["NHS_NO"].null_count() == 1
