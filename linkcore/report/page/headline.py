"""The headline: what was linked, and how well. Fixed rules decide what is said."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import polars as pl

from linkcore.quality.measures import FallbackQuality, Quality
from linkcore.quality.tables import ANY_REASON
from linkcore.report.page.words import METHODS, count, in_prose, listed
from linkcore.schema import ALL

__all__ = [
    "headline",
    "key_figures",
]

_LINKED_ON: Final[Mapping[str, str]] = {
    "nhs_number": "the NHS Number",
    "local_patient_id": "a local patient id",
    "probabilistic": "name, birth date and other identifiers",
    "decided": "a clerk's decision",
}


def headline(quality: Quality) -> list[str]:
    """Return sentences on what was linked, by which method, and how many links are wrong or missed.

    Examples
    --------
    >>> from linkcore.schema import METHOD
    >>> records = pl.DataFrame({"source": ["gp", "seen"], "method": ["spine", "nhs_number"], "records": [100, 300]},
    ...                        schema_overrides={"method": METHOD})
    >>> nothing = pl.DataFrame({"source": ["gp", "seen"], "conflicts": [0, 0]})
    >>> headline(Quality(records, pl.DataFrame(), nothing, pl.DataFrame(), 100))
    ['400 records from 2 sources belong to 100 people.',
     '25 % define a person on the spine. 75 % were linked on the NHS Number.']
    """
    totals = _totals(quality)
    sources = quality.records["source"].n_unique()
    records, people = (
        f"about {count(number)}" if quality.disclosed and number is not None else count(number)
        for number in (totals["records"], quality.persons)
    )
    sentences = [f"{records} records from {sources} sources belong to {people} people.".capitalize()]
    if totals["records"]:
        sentences.append(_by_method(totals))
    sentences += _withheld(quality.withheld, totals["records"])
    if quality.fallback is not None:
        sentences += _estimated(quality.fallback)
    if quality.truth is not None:
        sentences += _true(quality.truth)
    return sentences


def _totals(quality: Quality) -> dict[str, int | None]:
    """Return the records of all sources together, in total and by method."""
    return quality.by_method().filter(source=ALL).row(0, named=True)


def _by_method(totals: Mapping[str, int | None]) -> str:
    shares = {method: in_prose((totals.get(method) or 0) / (totals["records"] or 1)) for method in METHODS}
    occurring = {method: share for method, share in shares.items() if totals.get(method)}
    linked: list[str] = []
    for method, identifiers in _LINKED_ON.items():
        if method in occurring:
            linked.append(f"{occurring[method]} {'' if linked else 'were linked '}on {identifiers}")
    sentences = [f"{occurring['spine']} define a person on the spine."] if "spine" in occurring else []
    if linked:
        sentences.append(f"{listed(linked)}.")
    elif not _LINKED_ON.keys() & totals.keys():  # a suppressed count is not 0
        sentences.append("No record was linked to another.")
    if "new_person" in occurring:
        sentences.append(f"{occurring['new_person']} belong to people found in no other source.")
    if "unlinked" in occurring:
        sentences.append(f"{occurring['unlinked']} have too few identifiers to be linked.")
    return " ".join(sentences)


def _withheld(withheld: pl.DataFrame, records: int | None) -> Iterator[str]:
    said: list[str] = []
    for purpose, number in withheld.filter(source=ALL, reason=ANY_REASON).select("purpose", "records").iter_rows():
        many = {None: "a number not shown", 0: "none"}.get(number, count(number))
        share = f" ({in_prose(number / records)})" if number and records else ""
        said.append(f'{many}{share}{"" if said else " are withheld from releases"} for the purpose "{purpose}"')
    if said:
        yield f"Of all records, {listed(said)}."


def _estimated(fallback: FallbackQuality) -> Iterator[str]:
    rates = fallback.rates.filter(source=ALL, dimension=ALL).drop_nulls("rate")
    for row in rates.iter_rows(named=True):
        interval = f"{in_prose(row['rate'])} (95 % interval {in_prose(row['low'])} to {in_prose(row['high'])})"
        if row["measure"] == "false links":
            what = f"Of the links made without a usable NHS Number, an estimated {interval} lead to the wrong person"
        else:
            what = f"Of the links that should have been made without one, an estimated {interval} were missed"
        yield f"{what}{_predicted(row)}."


def _predicted(row: Mapping[str, Any]) -> str:
    """Say how many of this run's links or records are expected to be wrong or missed, as ``: 2 to 9 of 4,730``."""
    if row["fewest"] is None or row["of"] is None:
        return ""
    few, many = (f"{row[name]:,}" for name in ("fewest", "most"))
    return f": {few if few == many else f'{few} to {many}'} of {row['of']:,} in this run"


def _true(truth: pl.DataFrame) -> Iterator[str]:
    rates = {row["measure"]: row["true"] for row in truth.filter(source=ALL).iter_rows(named=True)}
    if any(rate is not None for rate in rates.values()):
        known = (rates.get(measure) for measure in ("false links", "missed links"))
        wrong, missed = ("too few to be shown" if rate is None else in_prose(rate) for rate in known)
        yield f"The truth is known here: of the same links, {wrong} are wrong and {missed} were missed."


def key_figures(quality: Quality) -> list[tuple[str, str]]:
    """Return the few figures at the top of the report, each with its label.

    Examples
    --------
    >>> from linkcore.schema import METHOD
    >>> records = pl.DataFrame({"source": ["seen"], "method": ["nhs_number"], "records": [300]},
    ...                        schema_overrides={"method": METHOD})
    >>> conflicts = pl.DataFrame({"source": ["seen"], "conflicts": [3]})
    >>> key_figures(Quality(records, pl.DataFrame(), conflicts, pl.DataFrame(), 100))
    [('300', 'records'), ('100', 'people'), ('100 %', 'linked on the NHS Number')]
    """
    totals = _totals(quality)
    total, by_number = totals["records"], totals.get("nhs_number")
    figures = [(count(total), "records"), (count(quality.persons), "people")]
    if total and by_number is not None:
        figures.append((in_prose(by_number / total), "linked on the NHS Number"))
    if quality.fallback is not None:
        rates = quality.fallback.rates.filter(source=ALL, dimension=ALL).drop_nulls("rate")
        labels = {
            "false links": "of links without an NHS Number are wrong (estimate)",
            "missed links": "of links without an NHS Number are missed (estimate)",
        }
        figures += [(in_prose(row["rate"]), labels[row["measure"]]) for row in rates.iter_rows(named=True)]
    return figures
