"""Read passphrases in ways that no other user of the machine can see: never from the command line."""

import getpass
import os
import sys
from difflib import get_close_matches
from typing import Final

from linkcore.errors import ProgrammeError
from linkcore.keys.secret import Secret

__all__ = ["VARIABLE", "read_passphrase"]

VARIABLE: Final = "LINKCORE_PASSPHRASE"
"""The environment variable with the passphrase. Other processes of the same user can read it; they cannot read a file
descriptor."""


def read_passphrase(what: str, *, descriptor: int | None = None, twice: bool = False) -> Secret[str]:
    r"""Read a passphrase from a file descriptor if one is given, else from the environment, else from the terminal.

    Each call reads one line of the descriptor, so it can hold the passphrases of several keyrings.

    Examples
    --------
    >>> reading, writing = os.pipe()
    >>> _ = os.write(writing, b"correct horse battery\n")
    >>> os.close(writing)
    >>> read_passphrase("the keyring", descriptor=reading)
    <Secret>
    """
    if descriptor is not None:
        return _next_line(descriptor)
    if VARIABLE in os.environ:
        return _decoded(Secret(os.fsencode(os.environ[VARIABLE])), VARIABLE)
    if not sys.stdin.isatty():
        set_instead = get_close_matches(VARIABLE, os.environ, n=1, cutoff=0.8)
        near = "".join(f" (only {each} is set: rename it)" for each in set_instead)
        raise ProgrammeError(
            f"there is no terminal to ask for a passphrase: set {VARIABLE}{near}, or give --passphrase-fd"
        )
    passphrase = _asked(f"Passphrase of {what}: ")
    if twice and _asked("The same again: ").reveal() != passphrase.reveal():
        raise ProgrammeError("the two passphrases differ, so nothing was written; try again")
    return passphrase


def _asked(prompt: str) -> Secret[str]:
    try:
        return Secret(getpass.getpass(prompt))
    except EOFError:
        raise ProgrammeError("the terminal was closed before a passphrase was given; try again") from None
    except UnicodeDecodeError:
        pass  # the error below is raised outside: this one holds the passphrase
    raise ProgrammeError("the passphrase that was typed is not UTF-8; try again")


def _next_line(descriptor: int) -> Secret[str]:
    try:
        # Without a buffer, nothing beyond the line is read.
        with os.fdopen(descriptor, "rb", buffering=0, closefd=False) as file:
            line = Secret(file.readline().rstrip(b"\r\n"))
    except (OverflowError, TypeError):  # of a number that is no C int
        raise ProgrammeError(f"file descriptor {descriptor} cannot be read: no descriptor has this number") from None
    except OSError as error:
        raise ProgrammeError(f"file descriptor {descriptor} cannot be read: {error.strerror}") from None
    return _decoded(line, f"file descriptor {descriptor}")


def _decoded(line: Secret[bytes], place: str) -> Secret[str]:
    try:
        return Secret(line.reveal().decode())
    except UnicodeDecodeError:
        pass  # the error below is raised outside: this one holds the passphrase
    raise ProgrammeError(f"the passphrase of {place} is not UTF-8")
