"""The profile of sources for people: as text for a terminal or a log, and as a page that loads nothing else."""

from importlib.resources import files
from typing import Final

import polars as pl

from linkcore.plain_text import escaped
from linkcore.profile.faults import Fault
from linkcore.profile.profile import Profile, SourceProfile
from linkcore.text_table import as_text

__all__ = ["profile_as_page", "profile_in_words"]

_SHAPES: Final = 3


def profile_in_words(profile: Profile) -> str:
    """Say what each column holds, how the sources agree, and last what is wrong.

    Examples
    --------
    >>> from linkcore.profile.profile import profile_sources
    >>> from linkcore.sources.source import Source
    >>> extract = pl.DataFrame({"nhs_number": ["401 023 2137"] * 20})
    >>> print(profile_in_words(profile_sources([Source("gp", extract)])))
    gp: 20 records, 1 NHS Number, the reference
    identifier   column       present   valid   set aside   shapes
    ──────────────────────────────────────────────────────────────────────────
    nhs_number   nhs_number   100 %     100 %   –           999 999 9999 100 %
    <BLANKLINE>
    nothing is wrong that can be seen before linking
    """
    lines = []
    for source in profile.sources:
        lines += [f"{source.source}: {_heading(source, profile.reference)}", *as_text(_table(source)).splitlines(), ""]
    if profile.agreement.height:
        lines.append(f"of records with an NHS Number of {profile.reference}, those that agree with it on")
        lines += [*as_text(_agreement(profile)).splitlines(), ""]
    for fault in _sorted(profile):
        lines.append(f"{'ERROR' if fault.certain else 'warning'}: {fault.source}, {fault.identifier}: {fault.text}")
    return "\n".join(lines if profile.faults else [*lines, "nothing is wrong that can be seen before linking"])


def profile_as_page(profile: Profile) -> str:
    """Write the profile as an HTML page, on which no name that a supplier chose has power."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_plain
    )
    template = environment.from_string((files(__package__) / "profile.html.j2").read_text("utf-8"))
    return template.render(
        profile=profile,
        faults=_sorted(profile)[::-1],
        agreement=_agreement(profile) if profile.agreement.height else pl.DataFrame(),
        sources=[(each.source, _heading(each, profile.reference), _table(each)) for each in profile.sources],
    )


def _plain(value: object) -> object:
    return escaped(value) if isinstance(value, str) else value


def _sorted(profile: Profile) -> list[Fault]:
    """Return the faults, those that are certain last, where a terminal ends."""
    return sorted(profile.faults, key=lambda fault: fault.certain)


def _heading(source: SourceProfile, reference: str | None) -> str:
    place = ", the reference" if source.source == reference else ""
    if source.on_reference is not None:
        place = f", {_percent(source.on_reference, source.numbers)} of them in {reference}"
    return f"{source.records:,} records, {source.numbers:,} NHS Number{'s' * (source.numbers != 1)}{place}"


def _table(source: SourceProfile) -> pl.DataFrame:
    rows = [
        {
            "identifier": column.identifier,
            "column": column.column,
            "present": _percent(column.present, column.records),
            "valid": _percent(column.valid, column.present),
            "set aside": ", ".join(f"{name} {_percent(n, column.present)}" for name, n in column.set_aside.items()),
            "shapes": ", ".join(f"{name} {_percent(n, column.present)}" for name, n in column.shapes[:_SHAPES]),
        }
        for column in source.columns
    ]
    names = ("identifier", "column", "present", "valid", "set aside", "shapes")
    table = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String()))
    return table.with_columns(pl.col("set aside", "shapes").replace("", None))


def _agreement(profile: Profile) -> pl.DataFrame:
    """Return the share of records that agree with the reference: a row a source, a column an identifier."""
    shares = pl.Series([_percent(agree, records) for _, _, records, agree, _ in profile.agreement.iter_rows()])
    identifiers = list(dict.fromkeys(profile.agreement["identifier"]))
    table = profile.agreement.select("source", "identifier", shares.alias("share"))
    return table.pivot("identifier", index="source", values="share", on_columns=identifiers)


def _percent(part: int, whole: int) -> str:
    """Write a share; what is not quite all or nothing is never rounded to it.

    Examples
    --------
    >>> _percent(1, 3000), _percent(2999, 3000), _percent(3000, 3000), _percent(0, 0)
    ('<1 %', '99 %', '100 %', '–')
    """
    if 0 < part < whole:
        share = 100 * part / whole
        return "<1 %" if share < 1 else f"{min(round(share), 99)} %"
    return "–" if not whole else "100 %" if part else "0 %"
