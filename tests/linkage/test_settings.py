"""Settings of the fallback: which are refused, and which are taken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkcore.errors import ProgrammeError
from linkcore.linkage.settings import Fallback


@pytest.mark.parametrize(
    "settings",
    [{"accept": 0.4}, {"accept": 1.0}, {"memory": "much"}, {"memory": "3GB; DROP TABLE x"}, {"threads": 0}],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ProgrammeError, match=next(iter(settings))):
        Fallback(**settings)  # type: ignore[arg-type]


@given(st.floats(0.5, 1.0, exclude_max=True))
def test_settings_that_make_sense_are_taken(accept: float) -> None:
    assert Fallback(accept=accept, memory="1.5 GiB", threads=2).accept == accept
