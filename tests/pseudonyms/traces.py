"""Whether there is a trace of a key in what a program shows or writes."""

import base64
import io
import itertools
import traceback

from rich.console import Console
from rich.traceback import Traceback

from linkcore.keys.key import midstates
from linkcore.keys.secret import Secret


def shows(content: str | bytes, material: bytes) -> bool:
    """Whether a text or bytes hold the start of a key, or a part of its midstates, however written."""
    words = midstates(Secret(material)).reveal()
    start = material[:9]
    traces = [
        start.hex(),
        start.hex().upper(),
        base64.b64encode(start).decode(),
        str(list(start))[1:-1],
        repr(start)[2:-1],
    ]
    traces += [form for word in words for form in (str(word), f"{word:x}")]
    if isinstance(content, str):
        return any(trace in content for trace in traces)
    # Two words that follow each other: four bytes alone stand in any large file by chance.
    packed = [start]
    packed += [
        b"".join(word.to_bytes(4, order) for word in pair)
        for pair in itertools.pairwise(words)
        for order in ("little", "big")
    ]
    return any(trace in content for trace in [*(trace.encode() for trace in traces), *packed])


def report(error: BaseException) -> str:
    """What a program prints that shows the variables of every frame: the standard library's way, and rich's.

    Not those of the test itself, which knows what must not be seen.
    """
    assert error.__traceback__
    frames = error.__traceback__.tb_next
    assert frames
    plain = "".join(traceback.TracebackException(type(error), error, frames, capture_locals=True).format())
    shown = io.StringIO()
    Console(file=shown, width=200).print(Traceback.from_exception(type(error), error, frames, show_locals=True))
    return plain + shown.getvalue()
