"""The errors that linkcore raises on purpose, and the exit code of the command line for each.

::

    LinkcoreError                 1
    ├── ProgrammeError            2   wrong usage, wrong settings or a wrong programme file
    ├── SourceError               3   input data that cannot be used
    └── RefusedError              4   an action that a rule, an agreement or a role forbids
        └── KeyMaterialError      4   a key that cannot be used

A message says what is wrong, where (source, file, column, row) and what to do next. It never holds the value of an
identifier or a key. It never quotes the message of another library, which might hold one.
"""

from linkcore.plain_text import escaped

__all__ = ["KeyMaterialError", "LinkcoreError", "ProgrammeError", "RefusedError", "SourceError"]


class LinkcoreError(Exception):
    """The base of all errors that linkcore raises on purpose."""

    exit_code = 1

    def __str__(self) -> str:
        """Return the message as one line in which no name that a supplier chose has power over a terminal."""
        return escaped(super().__str__())


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
