"""The JSON Schema of the programme file: it is the one of the tables, and editors find it."""

import datetime as dt
import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from linkcore.programme.file_schema import json_schema
from linkcore.programme.programme import Programme
from linkcore.synthetic import synthesise, synthesise_months
from linkcore.toml_schema import SCHEMA_FILE, schema_text
from tests.cli.commands import done
from tests.programme.programmes import GOVERNED
from tests.programme.test_faults import WRONG

FIXTURES = sorted(Path(__file__).parents[2].glob("fixtures/programmes/*/programme.toml"))


def faults(text: str) -> list[str]:
    """The places of what the schema finds wrong in a TOML text."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(each) for key, each in value.items()}
        if isinstance(value, list):
            return [plain(each) for each in value]
        return value.isoformat() if isinstance(value, dt.date) else value

    validator = jsonschema.Draft202012Validator(json_schema(), format_checker=jsonschema.FormatChecker())
    return [error.json_path for error in validator.iter_errors(plain(tomllib.loads(text)))]


def test_the_schema_that_is_shipped_is_that_of_the_tables() -> None:
    assert json.loads(schema_text()) == json_schema()
    jsonschema.Draft202012Validator.check_schema(json_schema())


@pytest.mark.parametrize("file", FIXTURES, ids=lambda file: file.parent.name)
def test_each_programme_follows_the_schema(file: Path) -> None:
    assert faults(file.read_text("utf-8")) == []


def test_short_forms_follow_the_schema_and_faults_do_not() -> None:
    assert len(FIXTURES) == 5
    assert faults(GOVERNED) == []
    assert faults(GOVERNED + '[requesters.A81001]\npractice = "A81001"\n') == []
    found = faults(WRONG)
    for place in (
        "$.programme",  # sed
        "$.programme.reference_date",
        "$.linkage.conflicts",
        "$.source[0]",
        "$.source[0].spine",
        "$.source[0].columns",
        "$.source[1].data",
        "$.recipient[0].derived.gp.born",
    ):
        assert place in found


def test_every_key_is_explained() -> None:
    tables = json_schema()["$defs"]
    keys = {
        f"{name}.{key}": stated
        for name, table in tables.items()
        for key, stated in table.get("anyOf", [table])[-1]["properties"].items()
    }
    assert [key for key, stated in keys.items() if "description" not in stated] == []
    assert not [key for key, stated in keys.items() if "``" in stated["description"] or "\n" in stated["description"]]


def test_a_generated_programme_names_the_schema_beside_it(tmp_path: Path) -> None:
    for months, folders in ((1, ["one"]), (2, ["two/month-01", "two/month-02"])):
        out = tmp_path / folders[0].split("/")[0]
        for _ in range(2):  # also over what an earlier run wrote
            synthesise_months(out, months=2, people=60) if months == 2 else synthesise(out, people=60)
        for folder in folders:
            programme = tmp_path / folder / "programme.toml"
            first, *_ = programme.read_text("utf-8").splitlines()
            assert first == f"#:schema ./{SCHEMA_FILE}"
            assert json.loads(programme.with_name(SCHEMA_FILE).read_text("utf-8")) == json_schema()
            assert faults(programme.read_text("utf-8")) == []
            Programme.load(programme)


def test_the_command_prints_the_schema() -> None:
    assert json.loads(done("schema")) == json_schema()
