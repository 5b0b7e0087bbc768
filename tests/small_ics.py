"""Fixtures of the tests of quality: the linkage of a synthetic ICS with a thousand people."""

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

import linkcore as lc
from linkcore.governance.withholding.opt_out_lists import OptOutLists
from linkcore.governance.withholding.opt_out_policy import Exemption, OptOutPolicy
from linkcore.governance.withholding.opt_outs import STATEMENTS, OptOuts
from linkcore.governance.withholding.sensitive import CodeList, SensitiveRule
from linkcore.governance.withholding.withholding import Withholding, withhold
from linkcore.programme.programme import Programme
from linkcore.synthetic import synthesise

DAY = dt.date(2026, 4, 1)


@pytest.fixture(scope="session")
def ics(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ics")
    synthesise(folder, people=1000, seed=7)
    return folder


@pytest.fixture(scope="session")
def linkage(ics: Path) -> lc.Linkage:
    return Programme.load(ics / "programme.toml").link()


@pytest.fixture(scope="session")
def quality(linkage: lc.Linkage) -> lc.Quality:
    return linkage.quality


@pytest.fixture(scope="session")
def truth(ics: Path) -> pl.DataFrame:
    return pl.read_parquet(ics / "truth.parquet")


@pytest.fixture(scope="session")
def withholding(linkage: lc.Linkage) -> list[Withholding]:
    """The records withheld for two purposes, one of them exempt from the National Data Opt-out."""
    numbers = linkage.persons["nhs_number"].drop_nulls().sort()

    def one_in(step: int, unreadable: int = 0) -> OptOuts:
        opted_out = pl.DataFrame({"nhs_number": numbers.gather_every(step)})
        statements = opted_out.select(
            (pl.col(name) if name == "nhs_number" else pl.lit(name == "objects" or None)).cast(dtype).alias(name)
            for name, dtype in STATEMENTS.items()
        )
        return OptOuts(statements, DAY, unreadable=unreadable)

    depression = pl.DataFrame({"reference_set": ["1"], "code_system": ["icd10"], "code": ["F32.9"]})
    exempt = {"finding cases": Exemption("legal_duty", "a direction of 2026")}
    return [
        withhold(
            linkage,
            OptOutPolicy(exempt, accept_unreadable=True),
            OptOutLists(
                national=one_in(19, unreadable=3),
                type_one=one_in(23),
                objections=one_in(45),
                excluded=one_in(601),
            ),
            on=DAY,
            purpose=purpose,
            sensitive=[SensitiveRule("inpatient", ["PRIMARY_DIAGNOSIS"], "icd10", CodeList(depression))],
        )
        for purpose in ("planning", "finding cases")
    ]


@pytest.fixture(scope="session")
def type_one() -> pl.DataFrame:
    """Rows that were left out on reading for a Type 1 opt-out, by practice."""
    return pl.DataFrame(
        {"source": ["gp"] * 4, "practice": ["A81001", "A81002", "A81003", None], "rows": [12, 12, 7, 12]},
        schema_overrides={"rows": pl.UInt32},
    )
