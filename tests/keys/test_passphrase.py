"""A passphrase comes from a file descriptor, the environment or the terminal, in this order, and is never shown."""

import os
import pty
import subprocess
import sys

import pytest

from linkcore.errors import ProgrammeError
from linkcore.keys.passphrase import VARIABLE, read_passphrase
from tests.pseudonyms.traces import report

PASSPHRASE = "corréct horse battery"


def pipe(content: bytes) -> int:
    reading, writing = os.pipe()
    os.write(writing, content)
    os.close(writing)
    return reading


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\nanother line\n"])
def test_a_passphrase_is_the_first_line_of_a_file_descriptor(monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    monkeypatch.setenv(VARIABLE, "not this one")
    descriptor = pipe((PASSPHRASE + end).encode())
    assert read_passphrase("it", descriptor=descriptor).reveal() == PASSPHRASE
    os.close(descriptor)


def test_a_passphrase_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, PASSPHRASE)
    assert read_passphrase("it").reveal() == PASSPHRASE


def test_a_descriptor_that_cannot_be_read_raises_an_error_of_linkcore() -> None:
    closed = pipe(b"")
    os.close(closed)
    with pytest.raises(ProgrammeError, match="cannot be read"):
        read_passphrase("it", descriptor=closed)
    broken = pipe(b"SECRET\xff")
    with pytest.raises(ProgrammeError, match="not UTF-8") as caught:
        read_passphrase("it", descriptor=broken)
    os.close(broken)
    assert "SECRET" not in report(caught.value)


@pytest.mark.parametrize("descriptor", [2**31, 2**64])
def test_a_number_that_no_descriptor_has_is_refused(descriptor: int) -> None:
    with pytest.raises(ProgrammeError, match="cannot be read"):
        read_passphrase("it", descriptor=descriptor)


def test_a_passphrase_of_the_environment_that_is_not_utf_8_is_refused_and_not_shown() -> None:
    program = "from linkcore.keys.passphrase import read_passphrase; read_passphrase('it')"
    given = {**os.environ, VARIABLE: b"SECRET\xff"}
    ran = subprocess.run([sys.executable, "-c", program], env=given, capture_output=True, text=True, check=False)
    assert f"the passphrase of {VARIABLE} is not UTF-8" in ran.stderr
    assert "SECRET" not in ran.stderr


def test_without_a_terminal_the_error_says_where_to_give_the_passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with open(os.devnull) as nobody:  # noqa: PTH123
        monkeypatch.setattr(sys, "stdin", nobody)
        with pytest.raises(ProgrammeError, match=rf"set {VARIABLE}, or give --passphrase-fd"):
            read_passphrase("it")


@pytest.mark.parametrize(("second", "said"), [(PASSPHRASE, "True"), ("mistyped", "the two passphrases differ")])
def test_a_terminal_asks_twice_and_shows_nothing(second: str, said: str) -> None:
    program = f"""
from linkcore.errors import ProgrammeError
from linkcore.keys.passphrase import read_passphrase
try:
    print(read_passphrase("the keyring", twice=True).reveal() == {PASSPHRASE!r})
except ProgrammeError as error:
    print(error)
"""
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    child, terminal = pty.fork()
    if child == 0:
        os.execve(sys.executable, [sys.executable, "-c", program], environment)
    shown = b""
    for prompt, answer in ((b"Passphrase of the keyring: ", PASSPHRASE), (b"The same again: ", second)):
        while not shown.endswith(prompt):
            shown += os.read(terminal, 1000)
        os.write(terminal, answer.encode() + b"\n")
    while said.encode() not in shown:
        shown += os.read(terminal, 1000)
    os.waitpid(child, 0)
    os.close(terminal)
    assert b"horse" not in shown
    assert b"mistyped" not in shown


def test_the_help_names_the_variable() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "linkcore", "keys", "list", "--help"], capture_output=True, text=True, check=True
    )
    assert VARIABLE in done.stdout


def test_a_mistyped_variable_is_named_and_its_value_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(sys, "stdin", open(os.devnull))  # noqa: SIM115, PTH123 -- no terminal
    monkeypatch.setenv("LINKCORE_PASPHRASE", PASSPHRASE)
    with pytest.raises(
        ProgrammeError, match=r"set LINKCORE_PASSPHRASE \(only LINKCORE_PASPHRASE is set: rename it\)"
    ) as told:
        read_passphrase("it")
    assert PASSPHRASE not in str(told.value)
    monkeypatch.delenv("LINKCORE_PASPHRASE")
    with pytest.raises(ProgrammeError, match="set LINKCORE_PASSPHRASE, or give"):
        read_passphrase("it")
    sys.stdin.close()
