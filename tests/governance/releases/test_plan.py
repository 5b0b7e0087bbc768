"""Plans: an agreement and a source, compiled once, say exactly what the released table holds."""

import datetime as dt
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import get_args

import polars as pl
import pytest

import linkcore as lc
from linkcore.governance.releases.derived import Derived, DerivedKind, rows_with_derived
from tests.governance.extracts import DAY, KEY, linked


@pytest.fixture
def every_kind(tmp_path: Path) -> dict[str, Derived]:
    look_up = tmp_path / "areas.csv"
    look_up.write_text("postcode,area\nEX1 0AB,E01000001\n")
    needs = {"age": {"at": DAY}, "small_area": {"look_up": look_up}}
    return {f"the {kind}": Derived(kind, **needs.get(kind, {})) for kind in get_args(DerivedKind)}  # type: ignore[arg-type]


def test_a_plan_names_the_columns_read_and_released() -> None:
    agreement = lc.Agreement(
        "partner",
        "key",
        {"hospital": ["COST", "ON"], "gp": []},
        pseudonymised={"hospital": ["SPELL"]},
        derived={"gp": {"sex": Derived("gender")}},
    )
    gp, hospital = agreement.plans(linked().sources)  # in the order of the sources
    assert (gp.source.name, gp.columns_read, gp.quasi_identifiers) == ("gp", [], ("sex",))
    assert hospital.columns_read == ["COST", "ON", "SPELL"]
    assert list(hospital.schema) == [*agreement.added_columns, "COST", "ON", "SPELL"]
    assert (hospital.schema["COST"], hospital.schema["ON"], hospital.schema["SPELL"]) == (
        pl.Float64,
        pl.Date,
        pl.String,
    )
    assert list(gp.schema) == [*agreement.added_columns, "sex"]


def test_a_plan_cannot_be_changed() -> None:
    (plan,) = lc.Agreement("partner", "key", {"gp": ["SMOKER"]}).plans(linked().sources)
    with pytest.raises(FrozenInstanceError):
        plan.payload = ("NHS",)  # type: ignore[misc]


def test_a_derived_column_has_the_dtype_that_the_plan_states(every_kind: dict[str, Derived]) -> None:
    gp = linked().sources[0]
    rows = rows_with_derived(gp, [], every_kind, dt.date(2026, 4, 1)).collect()
    assert {name: rows.schema[name] for name in every_kind} == {name: each.dtype for name, each in every_kind.items()}


@pytest.mark.parametrize("left_out", ["age", "birth_month"])  # an agreement cannot have both
def test_the_released_table_has_the_planned_schema(
    tmp_path: Path, every_kind: dict[str, Derived], left_out: str
) -> None:
    derived = {name: each for name, each in every_kind.items() if each.kind != left_out}
    agreement = lc.Agreement(
        "partner",
        KEY.id,
        {"hospital": ["COST", "WARD", "ON"], "gp": ["SMOKER"]},
        pseudonymised={"hospital": ["SPELL"]},
        derived={"gp": derived},
    )
    linkage = linked()
    released = lc.release(linkage, agreement, KEY, tmp_path / "out")
    for plan, file in zip(agreement.plans(linkage.sources), released.manifest["files"], strict=True):
        written = pl.read_parquet(tmp_path / "out" / file["file"]).schema
        assert written == plan.schema
        assert file["columns"] == {name: "Enum" if dtype == pl.Enum else str(dtype) for name, dtype in written.items()}
