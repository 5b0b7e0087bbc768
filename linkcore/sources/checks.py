"""Whether sources can be linked together, checked before anything is read."""

from collections.abc import Sequence

from linkcore.errors import ProgrammeError
from linkcore.sources.events import check_events
from linkcore.sources.source import FurtherKind, Source

__all__ = ["check_sources", "further_kinds"]


def check_sources(sources: Sequence[Source]) -> None:
    """Check that sources can be linked together, before anything is read.

    Examples
    --------
    >>> import polars as pl
    >>> gp = Source("gp", pl.DataFrame({"nhs_number": ["4010232137"]}), spine=True)
    >>> check_sources([gp, gp])
    Traceback (most recent call last):
    linkcore.errors.ProgrammeError: two sources are called gp; a source's name is its own
    """
    if not isinstance(sources, Sequence):
        raise ProgrammeError(f"sources is a {type(sources).__name__}; give a list of Source, though there be one only")
    others = sorted({type(source).__name__ for source in sources if not isinstance(source, Source)})
    if others:
        raise ProgrammeError(f"sources holds {', '.join(others)}; make a Source of each, as in Source('gp', 'gp.csv')")
    names = [source.name for source in sources]
    if not names:
        raise ProgrammeError("no sources; give at least one")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ProgrammeError(f"two sources are called {', '.join(repeated)}; a source's name is its own")
    spines = [source.name for source in sources if source.spine]
    if len(spines) > 1:
        raise ProgrammeError(f"{', '.join(spines)} are all the spine; at most one source defines who exists")
    for source in sources:
        if source.events:
            check_events(source)
    further_kinds(sources)


def further_kinds(sources: Sequence[Source]) -> dict[str, FurtherKind]:
    """Return the further identifiers of all sources, and the one kind by which each is compared.

    Examples
    --------
    >>> import polars as pl
    >>> gp = Source("gp", pl.DataFrame({"telephone": ["01392 000000"]}), further={"telephone": "exact"})
    >>> further_kinds([gp])
    {'telephone': 'exact'}
    """
    kinds: dict[str, FurtherKind] = {}
    first_named_by: dict[str, str] = {}
    for source in sources:
        for name, kind in (source.further or {}).items():
            first = first_named_by.setdefault(name, source.name)
            if kinds.setdefault(name, kind) != kind:
                raise ProgrammeError(
                    f"further identifier {name!r} is {kinds[name]!r} in source {first!r} and {kind!r} in source "
                    f"{source.name!r}; give it one kind"
                )
    return kinds
