"""The errors that linkcore raises on purpose, and the exit code of the command line for each.

::

    LinkcoreError                 1
    ├── ProgrammeError            2   wrong usage, wrong settings or a wrong programme file
    ├── SourceError               3   input data that cannot be used
    └── RefusedError              4   an action that a rule, an agreement or a role forbids
        └── KeyMaterialError      4   a key that cannot be used

An error may have several messages, one for each fault that was found together; each is a line of its text.
A message says what is wrong, where (source, file, column, row) and what to do next. It never holds the value of an
identifier or a key. It never quotes the message of another library, which might hold one.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from linkcore.plain_text import escaped

__all__ = ["Faults", "KeyMaterialError", "LinkcoreError", "ProgrammeError", "RefusedError", "SourceError"]


class LinkcoreError(Exception):
    """The base of all errors that linkcore raises on purpose."""

    exit_code = 1

    @property
    def faults(self) -> tuple[str, ...]:
        """The messages, each one line in which no name that a supplier chose has power over a terminal."""
        return tuple(escaped(str(each)) for each in self.args)

    def __str__(self) -> str:
        """Return the messages, one a line."""
        return "\n".join(self.faults)


class ProgrammeError(LinkcoreError):
    """A setting, an argument or a programme file that is wrong."""

    exit_code = 2


class SourceError(LinkcoreError):
    """Input data that cannot be used: a file or column is missing, a row is unreadable, a record id is not unique."""

    exit_code = 3


class RefusedError(LinkcoreError):
    """An action that the rules forbid, such as a release with identifiers, or of real data without an agreement."""

    exit_code = 4


class KeyMaterialError(RefusedError):
    """A key that cannot be used: it is too short or destroyed, or code tried to send it to another process."""


class Faults:
    """Collects what is wrong with several things, to tell all of it at once.

    Examples
    --------
    >>> faults = Faults()
    >>> for name in ("one", "other"):
    ...     with faults.collected():
    ...         raise SourceError(f"no file {name}")
    >>> faults.raise_all()
    Traceback (most recent call last):
    linkcore.errors.SourceError: no file one
    no file other
    """

    def __init__(self) -> None:
        self.found: list[LinkcoreError] = []

    @contextmanager
    def collected(self, place: Callable[[str], str] = str) -> Iterator[None]:
        """Keep an error that is raised inside; ``place`` says of each message where the fault is."""
        try:
            yield
        except LinkcoreError as error:
            self.found.append(type(error)(*map(place, map(str, error.args))))

    def messages(self) -> tuple[str, ...]:
        """Return what is wrong, each once."""
        return tuple(dict.fromkeys(fault for error in self.found for fault in error.faults))

    def raise_all(self) -> None:
        """Raise one error with every message, of the kind of the first one; raise nothing if nothing is wrong."""
        if self.found:
            raise type(self.found[0])(*self.messages()) from None
