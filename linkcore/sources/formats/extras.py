"""Libraries of the optional formats: loaded when the first file of the format is opened."""

import importlib
from typing import Any

from linkcore.errors import SourceError

__all__ = ["library"]


def library(source: str, module: str, extra: str) -> Any:
    """Import a library, or say which extra installs it.

    Examples
    --------
    >>> library("gp", "no_such_library", "excel")
    Traceback (most recent call last):
    ...
    linkcore.errors.SourceError: source 'gp': this format needs a library: pip install 'linkcore[excel]'
    """
    try:
        return importlib.import_module(module)
    except (ImportError, OSError) as error:  # OSError: a library of the system that it needs is missing
        system = "" if isinstance(error, ImportError) else f"; it is installed, but cannot be loaded: {error}"
    raise SourceError(f"source {source!r}: this format needs a library: pip install 'linkcore[{extra}]'{system}")
