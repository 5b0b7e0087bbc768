"""The profile of sources as text, for a terminal or a log."""

from collections.abc import Iterator

import polars as pl

from linkcore.profile.profile import Profile, SourceProfile
from linkcore.text_table import as_text

__all__ = ["profile_in_words"]

_SHAPES = 3


def profile_in_words(profile: Profile) -> str:
    """Say what each column holds, how the sources agree, and last what is wrong.

    Examples
    --------
    >>> from linkcore.profile.profile import profile_sources
    >>> from linkcore.sources.source import Source
    >>> extract = pl.DataFrame({"nhs_number": ["401 023 2137"] * 20})
    >>> print(profile_in_words(profile_sources([Source("gp", extract)])))
    gp: 20 records, 1 NHS Number, the reference
    identifier  column      present  valid  set aside  shapes
    ───────────────────────────────────────────────────────────────────
    nhs_number  nhs_number    100 %  100 %  –          999 999 9999 100 %
    <BLANKLINE>
    nothing is wrong that can be seen before linking
    """
    lines = []
    for source in profile.sources:
        lines += [*_source(source, profile.reference), ""]
    if profile.agreement.height:
        lines += [
            f"of records with an NHS Number of {profile.reference}, those that agree with it on",
            *_agree(profile),
        ]
    lines += [
        f"{'ERROR' if fault.certain else 'warning'}: {fault.source}, {fault.identifier}: {fault.text}"
        for fault in sorted(profile.faults, key=lambda fault: fault.certain)
    ]
    if not profile.faults:
        lines.append("nothing is wrong that can be seen before linking")
    return "\n".join(lines)


def _source(source: SourceProfile, reference: str | None) -> Iterator[str]:
    numbers = f"{source.numbers:,} NHS Number{'s' * (source.numbers != 1)}"
    place = ", the reference" if source.source == reference else ""
    if source.on_reference is not None:
        place = f", {_percent(source.on_reference, source.numbers)} of them in {reference}"
    yield f"{source.source}: {source.records:,} records, {numbers}{place}"
    table = pl.DataFrame(
        [
            {
                "identifier": column.identifier,
                "column": column.column,
                "present": _percent(column.present, column.records),
                "valid": _percent(column.valid, column.present),
                "set aside": ", ".join(f"{name} {_percent(n, column.present)}" for name, n in column.set_aside.items()),
                "shapes": ", ".join(f"{name} {_percent(n, column.present)}" for name, n in column.shapes[:_SHAPES]),
            }
            for column in source.columns
        ],
    )
    yield from as_text(table.with_columns(pl.col("set aside", "shapes").replace("", None))).splitlines()


def _agree(profile: Profile) -> list[str]:
    shares = pl.concat_str((100 * pl.col("agree") / pl.col("records")).round().cast(pl.Int64), pl.lit(" %"))
    wide = profile.agreement.select("source", "identifier", shares.alias("share")).pivot(
        "identifier", index="source", values="share", on_columns=list(dict.fromkeys(profile.agreement["identifier"]))
    )
    return [*as_text(wide).splitlines(), ""]


def _percent(part: int, whole: int) -> str:
    """Write a share; what is not quite all or nothing is never rounded to it."""
    if 0 < part < whole:
        share = 100 * part / whole
        return "<1 %" if share < 1 else f"{min(round(share), 99)} %"
    return "–" if not whole else "100 %" if part else "0 %"
