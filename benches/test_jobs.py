"""The functions that whole jobs time exist under the names by which the jobs look for them."""

import pytest
from fresh import find_function
from jobs import PARTS


@pytest.mark.parametrize("place", PARTS.values(), ids=list(PARTS))
def test_the_timed_function_exists(place: str) -> None:
    find_function(place)
