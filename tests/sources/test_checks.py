"""Sources that cannot be linked together are refused."""

import polars as pl
import pytest

from linkcore.errors import ProgrammeError
from linkcore.sources.checks import check_sources, further_kinds
from linkcore.sources.source import Source


def test_a_further_identifier_is_compared_in_one_way() -> None:
    frame = pl.DataFrame({"telephone": ["01392 000000"]})
    same = [Source(name, frame, further={"telephone": "exact"}) for name in "ab"]
    assert further_kinds(same) == {"telephone": "exact"}
    other = Source("c", frame, further={"telephone": "text"})
    for refuse in (further_kinds, check_sources):
        with pytest.raises(ProgrammeError, match="'exact' in source 'a' and 'text' in source 'c'"):
            refuse([*same, other])
