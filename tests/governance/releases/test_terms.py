"""Terms include their last day, and everything that forbids a release is listed."""

import datetime as dt

import pytest

import linkcore as lc
from tests.governance.extracts import terms

DAY = dt.date(2026, 6, 15)
LATER = DAY + dt.timedelta(1)


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({}, ""),
        ({"start": DAY}, ""),
        ({"start": LATER}, "it starts on 2026-06-16"),
        ({"end": DAY}, ""),
        ({"end": DAY - dt.timedelta(1)}, "it ended on 2026-06-14"),
        ({"ico_expires": DAY}, ""),
        ({"ico_expires": DAY - dt.timedelta(1)}, "ICO registration expired on 2026-06-14"),
        ({"toolkit_expires": DAY}, ""),
        ({"toolkit_expires": DAY - dt.timedelta(1)}, "toolkit assessment expired on 2026-06-14"),
        ({"next_audit": DAY}, ""),
        ({"next_audit": DAY - dt.timedelta(1)}, "audit has been overdue since 2026-06-14"),
    ],
)
def test_the_last_day_is_included_and_the_next_is_not(changes: dict[str, dt.date], refused: str) -> None:
    stated = terms(**changes)
    if refused:
        with pytest.raises(lc.RefusedError, match=refused) as caught:
            stated.refuse_unless_in_force("partner", DAY)
        assert caught.value.exit_code == 4
    else:
        stated.refuse_unless_in_force("partner", DAY)


def test_everything_that_forbids_a_release_is_listed() -> None:
    stated = terms(ico_expires=dt.date(2026, 5, 1), next_audit=dt.date(2026, 5, 1))
    assert len(stated.breaches(DAY)) == 2


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"legal_basis": " "}, "legal_basis is empty"),
        ({"approval": ""}, "approval is empty"),
        ({"fair_processing": None}, "fair_processing is empty"),
        ({"end": dt.datetime(2026, 9, 30)}, "end is no date"),
        ({"next_audit": "2026-09-30"}, "next_audit is no date"),
        ({"end": dt.date(2026, 3, 31)}, "before they start"),
    ],
)
def test_incomplete_terms_are_refused(changes: dict[str, object], says: str) -> None:
    with pytest.raises(lc.ProgrammeError, match=says):
        terms(**changes)
