"""The folders of the two programmes, with their data."""

from pathlib import Path

import pytest

from tests.governance.extracts import numbers
from tests.programme.programmes import PEOPLE


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "gp.csv").write_text("ID,NHS,PRACTICE,PHONE,ETHNIC,SEEN\n1,999 000 0018,L83001,1,A,2026-01-02\n")
    (tmp_path / "superseded.csv").write_text("old,new\n401 023 2137,999 000 0018\n")
    return tmp_path


@pytest.fixture
def governed(tmp_path: Path) -> Path:
    """Eight people with a reason to leave or to stay, and twenty more, without whom the cohort would be too small."""
    homes = ["EX1 2AB", "TQ1 1AA"] * 14
    files = {
        "superseded.csv": ["old,new", f"{numbers(400_009_000, 1)[0]},{PEOPLE[7]}"],
        "gp.csv": ["ID,NHS,BORN,HOME,PRACTICE,SMOKER"]
        + [f"R{i},{n},{'2015' if i == 6 else '1970'}-05-{i + 1:02},{homes[i]},L83001,Y" for i, n in enumerate(PEOPLE)],
        "hospital.csv": ["NHS,DIAGNOSIS,SPELL,COST"]
        + [f"{n},{'A54.9' if i == 4 else 'J18'},S{i},{i}" for i, n in enumerate(PEOPLE)],
        "national.csv": ["nhs_number", PEOPLE[0]],
        "codes.csv": ["nhs_number,date,code", f"{PEOPLE[1]},2025-01-01,9Nu0.", f"{PEOPLE[2]},2025-01-01,9Nu1."],
        "objections.csv": ["nhs_number,date,statement", f"{PEOPLE[3]},2026-01-01,objection"],
        "excluded.csv": ["nhs_number", PEOPLE[5]],
        "sensitive.csv": ["reference_set,code_system,code", "999004381000000103,icd10,A54.9"],
        "areas.csv": ["pcds,lsoa21", "EX1 2AB,E01000001", "TQ1 1AA,E01000002"],
    }
    for name, lines in files.items():
        (tmp_path / name).write_text("\n".join(lines) + "\n")
    return tmp_path
