import pytest

from linkcore.errors import ProgrammeError
from linkcore.synthetic import DEFAULT_RATES, ErrorRates
from linkcore.synthetic.providers import PROVIDERS


def test_every_provider_has_rates():
    assert list(DEFAULT_RATES) == list(PROVIDERS)


@pytest.mark.parametrize(
    "wrong",
    [
        {"no_number": 1.1},
        {"name": -0.1},
        {"without_number": 0.5},
        {"name_kinds": {"telepathy": 1.0}},
        {"postcode_kinds": {"old": 0.0}},
        {"birth_date_kinds": {"swap": 2.0, "year": -1.0}},
        {"no_number_kinds": {}},
    ],
)
def test_wrong_rates_are_refused_by_name(wrong):
    with pytest.raises(ProgrammeError, match=next(iter(wrong))):
        ErrorRates(**wrong)
