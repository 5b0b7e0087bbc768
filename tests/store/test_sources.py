"""A kept linkage knows its sources again, also one that was kept before separators were found."""

from pathlib import Path

import pytest

from linkcore.errors import ProgrammeError
from linkcore.sources.source import Source
from linkcore.store.sources import as_linked, describe_sources


def test_a_linkage_kept_before_separators_were_found_says_a_comma(tmp_path: Path) -> None:
    file = tmp_path / "gp.csv"
    file.write_text("nhs_number,note\n9990000018,x\n")
    kept = describe_sources([Source("gp", file, separator=",")], {"gp": str(Source("gp", file).digest())})
    assert kept["gp"]["settings"]["separator"] == "','"
    (found,) = as_linked([Source("gp", file)], kept, dict, {})
    assert found.separator is None
    with pytest.raises(ProgrammeError, match="its separator is not as it was"):
        as_linked(
            [Source("gp", file)],
            {"gp": kept["gp"] | {"settings": {**kept["gp"]["settings"], "separator": "'|'"}}},
            dict,
            {},
        )
