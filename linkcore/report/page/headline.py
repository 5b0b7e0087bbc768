"""The headline: what was linked, how well, and what to worry about, in plain words and by fixed rules."""

from collections.abc import Iterator, Mapping
from typing import Final

import polars as pl

from linkcore.quality.measures import FallbackQuality, Quality
from linkcore.quality.tables import ANY_REASON
from linkcore.report.page.words import count, drift_in_words, in_prose, in_words, listed
from linkcore.schema import ALL

__all__ = [
    "CONFLICT_SHARE",
    "MISSED_SHARE",
    "UNUSABLE_SHARE",
    "concerns",
    "false_link_limit",
    "headline",
    "key_figures",
]

CONFLICT_SHARE: Final = 0.001
"""More conflicts than this in a source are worth a look: 0.02 to 0.2 % of numbers are wrong."""

MISSED_SHARE: Final = 0.05
"""If more links than this may be missed, what is counted by person is counted too often, and follow-up is lost."""

UNUSABLE_SHARE: Final = 0.2
"""With more records than this without a usable number, a source hangs on the probabilistic linkage."""


def headline(quality: Quality) -> list[str]:
    """Say in plain words what was linked, by what, and how many links are wrong and missed.

    Examples
    --------
    >>> from linkcore.schema import METHOD
    >>> records = pl.DataFrame({"source": ["gp", "seen"], "method": ["spine", "nhs_number"], "records": [100, 300]},
    ...                        schema_overrides={"method": METHOD})
    >>> nothing = pl.DataFrame({"source": ["gp", "seen"], "conflicts": [0, 0]})
    >>> headline(Quality(records, pl.DataFrame(), nothing, pl.DataFrame(), 100))
    ['400 records of 2 sources are of 100 people.',
     '25 % are the spine, the list of who exists and 75 % were linked on the NHS Number.']
    """
    totals = _totals(quality)
    sources = quality.records["source"].n_unique()
    records, people = (
        f"about {count(number)}" if quality.disclosed and number is not None else count(number)
        for number in (totals["records"], quality.persons)
    )
    sentences = [f"{records} records of {sources} sources are of {people} people.".capitalize()]
    if totals["records"]:
        sentences.append(_by_method(totals))
    sentences += _withheld(quality.withheld, totals["records"])
    if quality.fallback is not None:
        sentences += _estimated(quality.fallback)
    if quality.truth is not None:
        sentences += _true(quality.truth)
    return sentences


def _totals(quality: Quality) -> dict[str, int | None]:
    """Give the records of all sources, in all and by method."""
    return quality.by_method().filter(source=ALL).row(0, named=True)


def _by_method(totals: Mapping[str, int | None]) -> str:
    said = {
        "spine": "are the spine, the list of who exists",
        "nhs_number": "were linked on the NHS Number",
        "local_patient_id": "on a local patient id",
        "probabilistic": "on name, birth date and other identifiers",
        "new_person": "are of people nobody else knows",
        "unlinked": "say too little to be linked",
    }
    shares = {method: (totals.get(method) or 0) / (totals["records"] or 1) for method in said}
    parts = [f"{in_prose(share)} {said[method]}" for method, share in shares.items() if share]
    linked = any(shares[method] for method in ("nhs_number", "local_patient_id", "probabilistic"))
    unlinked = "" if linked else " No record was linked to another."
    return f"{listed(parts, most=len(parts))}.{unlinked}".strip()


def _withheld(withheld: pl.DataFrame, records: int | None) -> Iterator[str]:
    said: list[str] = []
    for purpose, number in withheld.filter(source=ALL, reason=ANY_REASON).select("purpose", "records").iter_rows():
        many = {None: "a number not shown", 0: "none"}.get(number, count(number))
        share = f" ({in_prose(number / records)})" if number and records else ""
        said.append(f'{many}{share}{"" if said else " are withheld from releases"} for "{purpose}"')
    if said:
        yield f"Of all records, {listed(said)}."


def _estimated(fallback: FallbackQuality) -> Iterator[str]:
    rates = fallback.rates.filter(source=ALL, dimension=ALL, weighting="reweighted").drop_nulls("rate")
    for row in rates.iter_rows(named=True):
        interval = f"{in_prose(row['rate'])} (95 % interval {in_prose(row['low'])} to {in_prose(row['high'])})"
        if row["measure"] == "false links":
            yield f"Of the links made without a usable NHS Number, an estimated {interval} are to the wrong person."
        else:
            yield f"Of the links there were to be made without one, an estimated {interval} were missed."


def _true(truth: pl.DataFrame) -> Iterator[str]:
    rates = {row["measure"]: row["true"] for row in truth.filter(source=ALL).iter_rows(named=True)}
    if any(rate is not None for rate in rates.values()):
        known = (rates.get(measure) for measure in ("false links", "missed links"))
        wrong, missed = ("too few to be shown" if rate is None else in_prose(rate) for rate in known)
        yield f"The truth is known here: {wrong} are to the wrong person, and {missed} were missed."


def concerns(quality: Quality) -> list[str]:
    """Say in plain words what to worry about, by fixed rules.

    Examples
    --------
    >>> from linkcore.schema import METHOD
    >>> records = pl.DataFrame({"source": ["seen"], "method": ["nhs_number"], "records": [300]},
    ...                        schema_overrides={"method": METHOD})
    >>> conflicts = pl.DataFrame({"source": ["seen"], "conflicts": [3]})
    >>> concerns(Quality(records, pl.DataFrame(), conflicts, pl.DataFrame(), 100))
    ['Numbers of other people: more than 0.1 % of the records are conflicts in seen (1 %).']
    """
    found: list[str] = []
    if quality.drift is not None:
        found += _drift(quality.drift)
    if quality.fallback is not None:
        found += _wrong(quality.fallback, false_link_limit(quality))
        found += _uncertified(quality.fallback)
        found += _missed(quality.fallback)
    found += _groups(quality.groups)
    found += _conflicts(quality)
    found += _implausible(quality.implausible)
    found += _unusable(quality.flow)
    return found


def false_link_limit(quality: Quality) -> float | None:
    """Give the rate of false links that was asked for.

    Examples
    --------
    >>> false_link_limit(Quality(pl.DataFrame(), pl.DataFrame(), pl.DataFrame(), pl.DataFrame(), 0)) is None
    True
    """
    settings = quality.run.settings.get("probabilistic")
    limit = settings.get("max_false_link_rate") if isinstance(settings, Mapping) else None
    return float(limit) if isinstance(limit, int | float) else None


def _rates(fallback: FallbackQuality, measure: str) -> pl.DataFrame:
    of_sources = fallback.rates.filter(pl.col("source") != ALL)
    return of_sources.filter(dimension=ALL, weighting="reweighted", measure=measure).drop_nulls("high")


def _named(frame: pl.DataFrame, name: str, value: str, form: str = "{}") -> str:
    """List the rows by name, the largest value first."""
    rows = frame.sort(value, name, descending=[True, False]).select(name, value).iter_rows()
    return listed([f"{each} ({form.format(in_prose(rate))})" for each, rate in rows])


def _wrong(fallback: FallbackQuality, limit: float | None) -> Iterator[str]:
    if limit is None:
        return
    above = _rates(fallback, "false links").filter(pl.col("high") > limit)
    if above.height:
        named = _named(above, "source", "high", "up to {}")
        yield f"Wrong links: the limit of {in_prose(limit)} may be passed in {named}."


def _uncertified(fallback: FallbackQuality) -> Iterator[str]:
    linked = fallback.sources.filter(pl.col("linked") > 0)
    unlabelled = linked.filter(basis="no labels")["source"].to_list()
    if unlabelled:
        yield f"No test: no records with numbers to test the links of {listed(unlabelled)} by."
    uncertified = linked.filter(pl.col("basis") == "not certified")["source"].to_list()
    if uncertified:
        yield (
            "Not certified: too few records could be tested to vouch for the limit on wrong links in "
            f"{listed(uncertified)}."
        )


def _missed(fallback: FallbackQuality) -> Iterator[str]:
    above = _rates(fallback, "missed links").filter(pl.col("high") > MISSED_SHARE)
    if above.height:
        yield (
            f"Missed links: more than {in_prose(MISSED_SHARE)} of those without a usable number may be missed in "
            f"{_named(above, 'source', 'high', 'up to {}')}."
        )


def _groups(groups: pl.DataFrame) -> Iterator[str]:
    # Of those who are rarer among the linked than among the unlinked.
    worse = groups.filter(pl.col("source") == ALL, pl.col("flagged"), pl.col("standardised_difference") < 0)
    if worse.height:
        rows = worse.sort("standardised_difference").iter_rows(named=True)
        named = [f"{in_words(row['dimension'])} {row['group']} ({in_prose(row['rate'])})" for row in rows]
        yield f"Linked less often than others: {listed(named)}."


def _conflicts(quality: Quality) -> Iterator[str]:
    shares = quality.by_method().filter(pl.col("source") != ALL, pl.col("records") > 0)
    above = shares.with_columns(pl.col("conflicts") / pl.col("records")).filter(pl.col("conflicts") > CONFLICT_SHARE)
    if above.height:
        yield (
            f"Numbers of other people: more than {in_prose(CONFLICT_SHARE)} of the records are conflicts in "
            f"{_named(above, 'source', 'conflicts')}."
        )


def _implausible(implausible: pl.DataFrame) -> Iterator[str]:
    found = implausible.filter(pl.col("links") > 0).group_by("finding", maintain_order=True).agg(pl.col("links").sum())
    if found.height:
        named = [
            f"{finding} ({count(links)})"
            for finding, links in found.sort("links", "finding", descending=[True, False]).iter_rows()
        ]
        yield f"Implausible links: {listed(named)}."


def _unusable(flow: pl.DataFrame) -> Iterator[str]:
    unusable = pl.col("records").filter(pl.col("number") == "not usable").sum() / pl.col("records").sum()
    above = (
        flow.group_by("source", maintain_order=True)
        .agg(unusable.alias("share"))
        # Of a source without records, or with counts that are all suppressed, there is no share.
        .filter(pl.col("share").is_not_nan(), pl.col("share") > UNUSABLE_SHARE)
    )
    if above.height:
        yield (
            f"No usable number: in more than {in_prose(UNUSABLE_SHARE)} of the records of "
            f"{_named(above, 'source', 'share')}, so these hang on the other identifiers."
        )


def _drift(drift: pl.DataFrame) -> Iterator[str]:
    flagged = drift.filter("flagged")
    if flagged.height:
        named = []
        for row in flagged.iter_rows(named=True):
            before, now, _ = drift_in_words(row)
            where = "all sources" if row["source"] == ALL else row["source"]
            named.append(f"{in_words(row['measure'])} of {where} (from {before} to {now})")
        yield f"Changed since the run before: {listed(named)}."


def key_figures(quality: Quality) -> list[tuple[str, str]]:
    """Give the few numbers that stand at the top of the report.

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
        rates = quality.fallback.rates.filter(source=ALL, dimension=ALL, weighting="reweighted").drop_nulls("rate")
        said = {
            "false links": "of links without a number are wrong, as estimated",
            "missed links": "of links without a number are missed, as estimated",
        }
        figures += [(in_prose(row["rate"]), said[row["measure"]]) for row in rates.iter_rows(named=True)]
    return figures
