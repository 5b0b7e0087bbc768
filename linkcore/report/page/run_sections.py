"""Report sections on the run: what changed since an earlier run, its settings, and the limits of the report."""

from collections.abc import Iterator, Mapping
from typing import Final

import polars as pl

from linkcore.quality.measures import FallbackQuality, Quality
from linkcore.report.page.sections import Figure, Section, Table, table
from linkcore.report.page.words import NOTHING, drift_in_words, in_words, seconds
from linkcore.schema import ALL

__all__ = ["drift_section", "earlier_persons_section", "limits_section", "run_section"]

_TEXT: Final = {"setting": pl.String, "value": pl.String}


def drift_section(quality: Quality) -> Section | None:
    """Show what changed since an earlier run; None if there is none to compare with."""
    drift = quality.drift
    if drift is None:
        return None
    flagged = drift.filter(pl.col("flagged")).height
    text = f"Compared with {quality.run.previous or 'an earlier run'}: {flagged} of {drift.height} values are flagged."
    shown_first = pl.col("flagged") | (pl.col("source") == ALL)
    parts = (
        _changes(drift.filter(shown_first), "Flagged changes, and changes of all sources together"),
        # In a figure, tables are folded until the reader opens them. This figure has no drawings.
        Figure("", (), (), (_changes(drift, "All changes"),)),
    )
    return Section("drift", "Changes since the earlier run", (text,), parts)


def _changes(drift: pl.DataFrame, caption: str) -> Table:
    written = [
        (row["source"], in_words(row["measure"]), *drift_in_words(row), row["flagged"])
        for row in drift.sort(~pl.col("flagged"), maintain_order=True).iter_rows(named=True)
    ]
    columns = ("source", "measure", "previous", "current", "change")
    rows = pl.DataFrame(written, schema=dict.fromkeys(columns, pl.String) | {"flagged": pl.Boolean}, orient="row")
    return table(rows, caption, written=columns[2:])


def earlier_persons_section(quality: Quality) -> Section | None:
    """Show what became of the persons of the linkage before; None if there was none."""
    became = quality.earlier_persons
    if became.is_empty():
        return None
    text = (
        "People keep their pseudonyms from linkage to linkage: by their NHS Number, or else by their records. Each "
        "change has a reason, and is a row of the table that every release carries. Absent: no record of them is "
        "recognised now. Ties: two were as good, and a fixed order chose. Ambiguous: identifiers that several people "
        "have recognise nobody. Returned: an earlier name is in use again. Probable: kept because the model recognised "
        "the person."
    )
    of_all = became.filter(source=ALL).drop("source").with_columns(pl.col("became").str.replace_all("_", " "))
    of_sources = became.filter(pl.col("source") != ALL)
    heads = {"became": "what became of them", "times": "number"}
    parts = [table(of_all, "Persons of the linkages before", heads=heads)]
    if of_sources.height:
        parts.append(table(of_sources, "People without an NHS Number, by source", heads=heads))
    return Section("earlier-persons", "People of the linkage before", (text,), tuple(parts))


def run_section(quality: Quality) -> Section | None:
    """Show the settings, versions and times of the run; None if none of them is known."""
    run = quality.run
    if not run.version and not run.settings and not run.seconds:
        return None
    libraries = {"linkcore": run.version, **run.libraries}
    versions = pl.DataFrame({"library": list(libraries), "version": list(libraries.values())})
    general = {name: value for name, value in run.settings.items() if name != "sources"}
    settings = {"reference date": run.reference_date, "seed": run.seed, **dict(_flat(general))}
    folded = [table(versions, "Versions")]
    if run.seconds:
        timings = pl.DataFrame({"step": list(run.seconds), "time": list(run.seconds.values())})
        folded.append(
            table(timings, f"Time by step, {seconds(sum(run.seconds.values()))} in total", forms={"time": seconds})
        )
    sources = run.settings.get("sources")
    if isinstance(sources, Mapping):
        folded += [_settings(dict(_flat(stated)), f"Settings of {name}") for name, stated in sources.items()]
    parts = (_settings(settings, "Settings"), Figure("", (), (), tuple(folded)))
    text = "The same sources, settings and versions give the same links and the same values. Only the times differ."
    return Section("run", "The run", (text,), parts)


def _settings(settings: Mapping[str, object], caption: str) -> Table:
    stated = {name: value for name, value in settings.items() if value not in ([], {})}
    values = [_stated(value) for value in stated.values()]
    return table(pl.DataFrame({"setting": list(stated), "value": values}, schema_overrides=_TEXT), caption)


def _stated(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(_stated(each) for each in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return NOTHING if value is None else str(value)


def _flat(settings: object, place: str = "") -> Iterator[tuple[str, object]]:
    """Yield each setting with its full name, such as ``columns.postcode`` or ``rules[1].name``."""
    if isinstance(settings, Mapping) and settings:
        for name, value in settings.items():
            yield from _flat(value, f"{place}.{name}" if place else str(name))
    elif isinstance(settings, list) and any(isinstance(each, Mapping) for each in settings):
        for number, value in enumerate(settings, start=1):
            yield from _flat(value, f"{place}[{number}]")
    else:
        yield place, settings


def limits_section(quality: Quality) -> Section:
    """State what the report cannot tell."""
    text = [
        "A probabilistic link is a judgement. It has a probability, and some links are wrong.",
        "Links on the NHS Number are not tested here. A wrong number goes unnoticed if name and birth date agree well "
        "enough with the person it belongs to.",
        *(_limits_of_test(quality.fallback) if quality.fallback is not None else ()),
        "A group may be linked less well because its records lack identifiers, because its people are not on the "
        "spine, or because they move. The report cannot tell these apart.",
    ]
    if quality.disclosed:
        text.append(
            "Counts from 1 to 7 are suppressed (*). Other counts are rounded to 5. Some larger counts are suppressed "
            "too, because they would reveal a small one. 0 is shown. Rates are calculated from rounded counts, and "
            "parts may not add up to their total."
        )
    return Section("limits", "Limits", tuple(text))


def _limits_of_test(fallback: FallbackQuality) -> Iterator[str]:
    if fallback.rates.is_empty():
        yield "There were no records with an NHS Number to test with. How many links are wrong or missed is not known."
        return
    yield (
        "Rates of false and missed links are measured on records with an NHS Number. These are weighted so that "
        "together they resemble the records without one: in which identifiers they have, and in how well these agree. "
        "The weights do not correct for any other difference."
    )
