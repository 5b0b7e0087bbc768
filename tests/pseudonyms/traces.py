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
    """Whether a text or bytes hold the start of a key or a part of its midstates, in any notation."""
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
    # Two words in a row: any large file holds four given bytes by chance.
    packed = [start]
    packed += [
        b"".join(word.to_bytes(4, order) for word in pair)
        for pair in itertools.pairwise(words)
        for order in ("little", "big")
    ]
    return any(trace in content for trace in [*(trace.encode() for trace in traces), *packed])


def report(error: BaseException) -> str:
    """Return a traceback with the variables of every frame, as the standard library and as rich print it.

    Not those of the test itself, which knows what must not be seen.
    """
    assert error.__traceback__
    frames = error.__traceback__.tb_next
    assert frames
    plain = "".join(traceback.TracebackException(type(error), error, frames, capture_locals=True).format())
    shown = io.StringIO()
    Console(file=shown, width=200).print(Traceback.from_exception(type(error), error, frames, show_locals=True))
    return plain + shown.getvalue()
