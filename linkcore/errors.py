"""Every error that linkcore raises on purpose, each with the exit code of the command line.

::

    LinkcoreError                 1
    ├── ProgrammeError            2   wrong usage, wrong settings or a wrong programme file
    ├── SourceError               3   input data that cannot be used
    └── RefusedError              4   something that must not happen: a rule, an agreement, a role
        └── KeyMaterialError      4   a key that cannot be used

A message says what is wrong, where (source, file, column, row) and what to do next. It never holds the value of an
identifier or of a key, and never quotes another library's message, which might.
"""

__all__ = ["KeyMaterialError", "LinkcoreError", "ProgrammeError", "RefusedError", "SourceError"]


class LinkcoreError(Exception):
    """The root of all errors that linkcore raises on purpose."""

    exit_code = 1


class ProgrammeError(LinkcoreError):
    """A setting, an argument or a programme file that makes no sense."""

    exit_code = 2


class SourceError(LinkcoreError):
    """Input data that cannot be used: a missing file or column, an unreadable row, a duplicate record id."""

    exit_code = 3


class RefusedError(LinkcoreError):
    """An action that the rules forbid: an identifier in a release, a release of real data without an agreement."""

    exit_code = 4


class KeyMaterialError(RefusedError):
    """A key that cannot be used: too short, destroyed, or asked to leave the process."""
