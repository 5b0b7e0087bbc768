"""The seven extracts of the first hour, small."""

import importlib.util
import sys
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest

from linkcore.first_hour.propose import Proposal, propose

MAKER = Path(__file__).parents[2] / "fixtures" / "first_hour" / "make_extracts.py"


class FirstHour(NamedTuple):
    folder: Path
    truth: pl.DataFrame
    right: str
    proposal: Proposal


def maker() -> Any:
    spec = importlib.util.spec_from_file_location("make_extracts", MAKER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_extracts"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def first_hour(tmp_path_factory: pytest.TempPathFactory) -> FirstHour:
    folder, made = tmp_path_factory.mktemp("first_hour"), maker()
    truth = made.make_extracts(folder, people=1500, as_csv=True)
    return FirstHour(folder, truth, made.RIGHT, propose([folder], folder=folder))
