"""Runs commands in this process, as ``main`` does, and writes the small programme that they work on."""

import contextlib
import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import polars as pl

import linkcore as lc
from linkcore.cli import main

PASSPHRASE = "correct horse battery staple"
DAY = "2026-04-15"
WHO = ("--actor", "trusted team", "--reason", "case 7")


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def run(*arguments: object, passphrase: str | None = None, stdin: str = "") -> Done:
    """Run a command without a terminal, and check that its output says nothing about a person."""
    said, errors = io.StringIO(), io.StringIO()
    environment = {name: value for name, value in os.environ.items() if name != "LINKCORE_PASSPHRASE"}
    if passphrase is not None:
        environment["LINKCORE_PASSPHRASE"] = passphrase
    with (
        mock.patch.dict(os.environ, environment, clear=True),
        mock.patch.object(sys, "stdin", io.StringIO(stdin)),
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(errors),
    ):
        try:
            code = main([str(each) for each in arguments])
        except SystemExit as left:  # argparse
            code = int(str(left.code))
    output = said.getvalue() + errors.getvalue()
    assert not [identifier for identifier in (*PEOPLE, "Surname") if identifier in output]
    return Done(code, said.getvalue(), errors.getvalue())


def done(*arguments: object, passphrase: str | None = None, stdin: str = "") -> str:
    """Run a command that must succeed and write nothing to stderr."""
    ran = run(*arguments, passphrase=passphrase, stdin=stdin)
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


def process(*arguments: object, cwd: Path | None = None, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command as a user does."""
    environment = {name: value for name, value in os.environ.items() if name != "LINKCORE_PASSPHRASE"}
    return subprocess.run(
        [sys.executable, "-m", "linkcore", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env=environment,
        input=stdin or "",
    )


def actions(log: Path) -> list[str]:
    """The actions that an audit log records."""
    return [line["action"] for line in lines(log)]


def lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text("utf-8").splitlines()] if log.exists() else []


def rows(file: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    return list(csv.DictReader(io.StringIO(file.read_text("utf-8-sig"))))


# --- The programme ---------------------------------------------------------------------------------------------------


def number(serial: int) -> str:
    """An NHS Number of the test range."""
    nine = f"9990{serial:05d}"
    digit = 11 - sum(int(each) * weight for each, weight in zip(nine, range(10, 1, -1), strict=True)) % 11
    return number(serial + 500) if digit == 10 else f"{nine}{digit % 11}"


PEOPLE = [number(serial) for serial in range(1, 21)]
NATIONAL, TYPE_ONE, OBJECTOR = PEOPLE[0], PEOPLE[1], PEOPLE[2]
PRACTICES = {"A81001": PEOPLE[:12], "B82002": PEOPLE[12:]}

PROGRAMME = """
[programme]
name = "Example"
synthetic = true
ends = 2026-12-31

[numbers]
usable = ["valid", "test"]

[linkage]
probabilistic = false

[audit]
file = "audit.jsonl"

[[source]]
name = "gp"
data = "gp.csv"
spine = true
practice = "PRACTICE"
[source.columns]
nhs_number = "NHS"
family_name = "SURNAME"

[[source]]
name = "emergency"
data = "emergency.csv"
[source.columns]
nhs_number = "NHS"

[opt_outs.national]
as_of = 2026-04-10
list = "national.csv"

[opt_outs.type_one]
as_of = 2026-04-10
list = "type_one.csv"

[opt_outs.objections]
as_of = 2026-04-14
statements = "objections.csv"

[[recipient]]
name = "Partner"
key = "partner-2026"
purpose = "Planning"
[recipient.columns]
gp = ["CONDITIONS"]
emergency = ["ARRIVED"]
[recipient.terms]
legal_basis = "UK GDPR Article 6(1)(e) and 9(2)(h)"
approval = "DAB-1"
start = 2026-04-01
end = 2026-12-31
ico_registration = "ZA000001"
ico_expires = 2027-01-31
toolkit = "8XX01"
toolkit_expires = 2027-06-30
fair_processing = "https://example.org/privacy"
next_audit = 2026-12-01

[destruction]
work = ["release"]
[destruction.providers]
gp = "GP-practices"
emergency = "RH8"
"""

REQUESTERS = """
[requesters.A81001]
practice = "A81001"

[requesters.B82002]
practice = "B82002"
limit = 42

[requesters.RH8]
source = "emergency"
"""


def write_programme(folder: Path) -> None:
    """Write the programme file and its data."""
    folder.mkdir(exist_ok=True)
    gp = [
        f"{one},Surname{at},{practice},{at % 3}\n"
        for practice, people in PRACTICES.items()
        for at, one in enumerate(people)
    ]
    seen = [f"{one},2026-03-{at + 1:02d}\n" for at, one in enumerate(PEOPLE[::2])]
    files = {
        "programme.toml": PROGRAMME + REQUESTERS,
        "gp.csv": "".join(["NHS,SURNAME,PRACTICE,CONDITIONS\n", *gp]),
        "emergency.csv": "".join(["NHS,ARRIVED\n", *seen]),
        "national.csv": f"nhs_number\n{NATIONAL}\n",
        "type_one.csv": f"nhs_number\n{TYPE_ONE}\n",
        "objections.csv": "nhs_number,date,statement\n",
    }
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8")


def state(folder: Path, old: str, new: str) -> None:
    """Change what the programme file states."""
    file = folder / "programme.toml"
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new), "utf-8")


def object_to(folder: Path, *people: str) -> None:
    """Put people on the register of objections."""
    said = "".join(f"{one},2026-04-14,objection\n" for one in people)
    (folder / "objections.csv").write_text(f"nhs_number,date,statement\n{said}", "utf-8")


def pseudonyms(key: lc.Key, people: list[str]) -> list[str]:
    return lc.pseudonymise(pl.Series(people), key).to_list()
