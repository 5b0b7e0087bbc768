"""What a command says on stdout: lines in which no text from elsewhere has power over the terminal."""

from linkcore.plain_text import escaped

__all__ = ["say"]


def say(*lines: str) -> None:
    r"""Print lines; a line end within one is shown as ``\n``, so that no value can forge a line.

    Examples
    --------
    >>> say("practice A81001\x1b[2J\nreleased: 1 row")
    practice A81001\x1b[2J\nreleased: 1 row
    """
    for line in lines:
        print(escaped(line))
