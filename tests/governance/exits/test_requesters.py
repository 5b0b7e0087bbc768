"""The programme file says who may ask about whose patients, and how often."""

from pathlib import Path

import pytest

import linkcore as lc
from linkcore.governance.exits.requesters import Requester
from linkcore.programme.plan import plan
from tests.cli.commands import state, write_programme


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_programme(tmp_path / "example")
    return tmp_path / "example"


def load(folder: Path) -> lc.Programme:
    return lc.Programme.load(folder / "programme.toml")


def test_the_file_states_requesters_and_the_plan_names_them(folder: Path) -> None:
    programme = load(folder)
    assert dict(programme.requesters) == {
        "A81001": Requester("A81001", practice="A81001"),
        "B82002": Requester("B82002", practice="B82002", limit=42),
        "RH8": Requester("RH8", source="emergency"),
    }
    described = plan(programme)
    assert "requester B82002: may ask about patients registered with B82002, 42 pseudonyms a day" in described
    assert "requester RH8: may ask about people in emergency, 100 pseudonyms a day" in described


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            'source = "emergency"',
            'source = "gp"',
            "requesters: requester RH8: source 'gp' is no provider's own extract",
        ),
        ('source = "emergency"', 'source = "nowhere"', "requesters: requester RH8: there is no source 'nowhere'"),
        ('source = "emergency"', "", "requesters.RH8: requester RH8: state either practice or source"),
        ('source = "emergency"', 'source = "emergency"\npractice = "A81001"', "state either practice or source"),
        ('source = "emergency"', 'source = "emergency"\ncode = "RH8"', "requesters: RH8 states a code"),
        ('source = "emergency"', 'source = "emergency"\nlimits = 3', "requesters.RH8.limits: no such key"),
        ("limit = 42", "limit = 1000000000", "limit is less than 1,000,000,000"),
        ("limit = 42", "limit = 0", "requesters.B82002: requester B82002: limit is a whole number from 1 on"),
        ("limit = 42", "return_limit = 0", "return_limit is a whole number from 1 on"),
        ("[requesters.RH8]", "[requesters.rh8]", "requesters: write rh8 as RH8"),
        ("[requesters.RH8]", "[requesters.9990000018]", "an ODS code has 3 to 10 letters and digits"),
        ('practice = "PRACTICE"', "", "nobody knows which practice people are registered with"),
        ("[destruction]", '[destruction]\none_file_a_provider = ["emergency"]', "no provider's own extract"),
        ("[opt_outs.national]", '[opt_outs]\ngp_sources = ["emergency"]\n[opt_outs.national]', "no provider's own"),
        ('[audit]\nfile = "audit.jsonl"', "", "requesters: their limits count from the audit log; state"),
        # A source with practices is no single provider's, whether or not it is the spine.
        ('data = "emergency.csv"', 'data = "emergency.csv"\npractice = "PRACTICE"', "no provider's own extract"),
    ],
)
def test_a_wrong_requester_is_refused_when_the_file_is_read(folder: Path, old: str, new: str, says: str) -> None:
    state(folder, old, new)
    with pytest.raises(lc.ProgrammeError, match=says):
        load(folder)
