"""Who may ask about people by name, and about whom: the programme file says it, never the request itself."""

import re
from collections.abc import Container, Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from linkcore.errors import ProgrammeError, RefusedError
from linkcore.governance.audit.audit import COUNTS

__all__ = ["Requester", "is_of_several", "ods_code"]

# Deliberately loose: a trust has 3 characters, a practice 6, a site or a newer organisation more [?]. Ten digits could
# be an NHS Number.
_ODS_CODE: Final = re.compile(r"(?![0-9]{10})[A-Z0-9]{3,10}")


class _Extract(Protocol):
    """What a requester must know of a source; a table of the programme file has it too."""

    @property
    def name(self) -> str: ...
    @property
    def spine(self) -> bool: ...
    @property
    def practice(self) -> str | None: ...


def ods_code(code: str) -> str:
    """Return an ODS code in capitals, or refuse what cannot be one.

    Examples
    --------
    >>> ods_code("a81001")
    'A81001'
    """
    code = code.strip().upper() if isinstance(code, str) else ""
    if not _ODS_CODE.fullmatch(code):
        raise ProgrammeError("an ODS code has 3 to 10 letters and digits, such as A81001: give the requester's code")
    return code


def is_of_several(source: _Extract, of_several: Container[str]) -> bool:
    """Whether a source is no provider's own extract: the spine, one of several practices, or one of ``of_several``."""
    return source.spine or source.practice is not None or source.name in of_several


@dataclass(frozen=True)
class Requester:
    """A GP practice or a provider that may ask which of its own patients pseudonyms stand for.

    Parameters
    ----------
    code : str
        ODS code of the practice or provider.
    practice : str, optional
        Code of a practice on the spine: the requester is told about the patients registered there.
    source : str, optional
        Name of a provider's own source: the requester is told about the people in this extract. State ``practice`` or
        ``source``, and not both.
    limit : int
        Largest number of pseudonyms that the requester may ask about on one day (UTC), in all its requests together.
    return_limit : int
        Largest number of rows that are returned to the requester on one day (UTC).

    Raises
    ------
    ProgrammeError
        If ``code`` is not an ODS code, if not exactly one of ``practice`` and ``source`` is given, or if a limit is
        less than 1.

    Examples
    --------
    >>> Requester("a81001", practice="A81001").code
    'A81001'
    """

    code: str
    practice: str | None = None
    source: str | None = None
    limit: int = 100
    return_limit: int = 20_000

    def __post_init__(self) -> None:
        object.__setattr__(self, "code", ods_code(self.code))
        if (self.practice is None) == (self.source is None):
            raise ProgrammeError(f"requester {self.code}: state either practice or source")
        if self.practice is not None:
            object.__setattr__(self, "practice", ods_code(self.practice))
        for name in ("limit", "return_limit"):
            if type(getattr(self, name)) is not int or getattr(self, name) < 1:
                raise ProgrammeError(f"requester {self.code}: {name} is a whole number from 1 on")
            if getattr(self, name) not in COUNTS:
                raise ProgrammeError(f"requester {self.code}: {name} is less than {COUNTS.stop:,}")

    @property
    def checked_against(self) -> str:
        """What shows who the requester's patients are, for the audit log."""
        return "registered practice" if self.source is None else f"source {self.source}"

    def check(self, sources: Iterable[_Extract], *, of_several: Iterable[str] = ()) -> None:
        """Refuse a requester whose source is not one provider's own extract, or whose practice nobody can know.

        ``of_several`` names sources that are known to hold several providers' records.
        """
        by_name = {source.name: source for source in sources}
        if self.source is None:
            if not any(source.spine and source.practice is not None for source in by_name.values()):
                raise ProgrammeError(
                    f"requester {self.code}: nobody knows which practice people are registered with: there is no "
                    "spine, or it has no practice column; give the spine practice=, or name the provider's source"
                )
            return
        if self.source not in by_name:
            raise ProgrammeError(f"requester {self.code}: there is no source {self.source!r}; name the provider's own")
        if is_of_several(by_name[self.source], [*of_several]):
            raise RefusedError(
                f"requester {self.code}: source {self.source!r} is no provider's own extract, since it is the spine or "
                "has the patients of several organisations; state practice, or the provider's own source"
            )
