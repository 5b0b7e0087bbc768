"""The headline: what was linked, how well, and what to check. Fixed rules decide what is said."""

from collections.abc import Iterator, Mapping
from typing import Final

import polars as pl

from linkcore.quality.measures import FallbackQuality, Quality
from linkcore.quality.tables import ANY_REASON
from linkcore.report.page.words import METHODS, count, drift_in_words, in_prose, in_words, listed
from linkcore.schema import ALL, WHOLE_NAME

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
"""A source with a larger share of conflicts needs checking. Between 0.02 % and 0.2 % of NHS Numbers are wrong."""

MISSED_SHARE: Final = 0.05
"""If a larger share of links may be missed, people are counted twice and their follow-up is incomplete."""

UNUSABLE_SHARE: Final = 0.2
"""A source with a larger share of records without a usable NHS Number depends on probabilistic linkage."""

_REVIEW: Final = "Review a sample of these links before you rely on them."


_LINKED_ON: Final[Mapping[str, str]] = {
    "nhs_number": "the NHS Number",
    "local_patient_id": "a local patient id",
    "probabilistic": "name, birth date and other identifiers",
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
    rates = fallback.rates.filter(source=ALL, dimension=ALL, weighting="reweighted").drop_nulls("rate")
    for row in rates.iter_rows(named=True):
        interval = f"{in_prose(row['rate'])} (95 % interval {in_prose(row['low'])} to {in_prose(row['high'])})"
        if row["measure"] == "false links":
            yield f"Of the links made without a usable NHS Number, an estimated {interval} lead to the wrong person."
        else:
            yield f"Of the links that should have been made without one, an estimated {interval} were missed."


def _true(truth: pl.DataFrame) -> Iterator[str]:
    rates = {row["measure"]: row["true"] for row in truth.filter(source=ALL).iter_rows(named=True)}
    if any(rate is not None for rate in rates.values()):
        known = (rates.get(measure) for measure in ("false links", "missed links"))
        wrong, missed = ("too few to be shown" if rate is None else in_prose(rate) for rate in known)
        yield f"The truth is known here: of the same links, {wrong} are wrong and {missed} were missed."


def concerns(quality: Quality) -> list[str]:
    """Return what to check and what to do about it, by fixed rules.

    Examples
    --------
    >>> from linkcore.schema import METHOD
    >>> records = pl.DataFrame({"source": ["seen"], "method": ["nhs_number"], "records": [300]},
    ...                        schema_overrides={"method": METHOD})
    >>> conflicts = pl.DataFrame({"source": ["seen"], "conflicts": [3]})
    >>> concerns(Quality(records, pl.DataFrame(), conflicts, pl.DataFrame(), 100))
    ['Conflicts: more than 0.1 % of the records carry the NHS Number of someone else in seen (1 %). Ask ...']
    """
    found: list[str] = []
    if quality.drift is not None:
        found += _drift(quality.drift)
    if quality.fallback is not None:
        found += _wrong(quality.fallback, false_link_limit(quality))
        found += _uncertified(quality.fallback)
        found += _missed(quality.fallback)
    found += _whole_names(quality.set_aside)
    found += _groups(quality.groups)
    found += _conflicts(quality)
    found += _implausible(quality.implausible)
    found += _unusable(quality.flow)
    return found


def false_link_limit(quality: Quality) -> float | None:
    """Return the limit on the rate of false links that the run was given.

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
    """List rows by name, the largest value first."""
    rows = frame.sort(value, name, descending=[True, False]).select(name, value).iter_rows()
    return listed([f"{each} ({form.format(in_prose(rate))})" for each, rate in rows])


def _wrong(fallback: FallbackQuality, limit: float | None) -> Iterator[str]:
    if limit is None:
        return
    above = _rates(fallback, "false links").filter(pl.col("high") > limit)
    if above.height:
        named = _named(above, "source", "high", "up to {}")
        yield f"Wrong links: more than the limit of {in_prose(limit)} may be wrong in {named}. {_REVIEW}"


def _uncertified(fallback: FallbackQuality) -> Iterator[str]:
    linked = fallback.sources.filter(pl.col("linked") > 0)
    unlabelled = linked.filter(basis="no labels")["source"].to_list()
    if unlabelled:
        yield f"Not tested: no record has an NHS Number to test the links of {listed(unlabelled)} with. {_REVIEW}"
    uncertified = linked.filter(pl.col("basis") == "not certified")["source"].to_list()
    if uncertified:
        yield (
            "Not certified: too few records could be tested to show that the limit on wrong links holds in "
            f"{listed(uncertified)}. {_REVIEW}"
        )


def _missed(fallback: FallbackQuality) -> Iterator[str]:
    above = _rates(fallback, "missed links").filter(pl.col("high") > MISSED_SHARE)
    if above.height:
        yield (
            f"Missed links: more than {in_prose(MISSED_SHARE)} of those without a usable NHS Number may be missed in "
            f"{_named(above, 'source', 'high', 'up to {}')}. Allow for people who are counted twice."
        )


def _groups(groups: pl.DataFrame) -> Iterator[str]:
    # Only groups that are rarer among linked records than among others.
    worse = groups.filter(pl.col("source") == ALL, pl.col("flagged"), pl.col("standardised_difference") < 0)
    if worse.height:
        rows = worse.sort("standardised_difference").iter_rows(named=True)
        named = [f"{in_words(row['dimension'])} {row['group']} ({in_prose(row['rate'])})" for row in rows]
        advice = "Check that the linkage does not explain results about them."
        yield f"Linked less often than others: {listed(named)}. {advice}"


def _whole_names(set_aside: pl.DataFrame) -> Iterator[str]:
    # The columns of set_aside are not known where nothing was read.
    found = set_aside.filter(status=WHOLE_NAME) if "status" in set_aside.columns else set_aside
    for source, identifier in found.select("source", "identifier").iter_rows() if found.height else ():
        yield (
            f"Names: {in_words(identifier)} of {source} mostly holds whole names, so hardly any name agrees. Map the "
            "column to full_name instead, and link again."
        )


def _conflicts(quality: Quality) -> Iterator[str]:
    shares = quality.by_method().filter(pl.col("source") != ALL, pl.col("records") > 0)
    above = shares.with_columns(pl.col("conflicts") / pl.col("records")).filter(pl.col("conflicts") > CONFLICT_SHARE)
    if above.height:
        yield (
            f"Conflicts: more than {in_prose(CONFLICT_SHARE)} of the records carry the NHS Number of someone else in "
            f"{_named(above, 'source', 'conflicts')}. Ask these sources to check how they record NHS Numbers."
        )


def _implausible(implausible: pl.DataFrame) -> Iterator[str]:
    found = implausible.filter(pl.col("links") > 0).group_by("finding", maintain_order=True).agg(pl.col("links").sum())
    if found.height:
        named = [
            f"{finding} ({count(links)})"
            for finding, links in found.sort("links", "finding", descending=[True, False]).iter_rows()
        ]
        yield f"Implausible links: {listed(named)}. Check in which sources they occur."


def _unusable(flow: pl.DataFrame) -> Iterator[str]:
    unusable = pl.col("records").filter(pl.col("number") == "not usable").sum() / pl.col("records").sum()
    above = (
        flow.group_by("source", maintain_order=True)
        .agg(unusable.alias("share"))
        # A source without records, or with suppressed counts only, has no share.
        .filter(pl.col("share").is_not_nan(), pl.col("share") > UNUSABLE_SHARE)
    )
    if above.height:
        yield (
            f"No usable NHS Number: more than {in_prose(UNUSABLE_SHARE)} of the records have none in "
            f"{_named(above, 'source', 'share')}. Ask these sources to trace the missing numbers."
        )


def _drift(drift: pl.DataFrame) -> Iterator[str]:
    flagged = drift.filter("flagged")
    if flagged.height:
        named = []
        for row in flagged.iter_rows(named=True):
            before, now, _ = drift_in_words(row)
            where = "all sources" if row["source"] == ALL else row["source"]
            named.append(f"{in_words(row['measure'])} of {where} (from {before} to {now})")
        yield f"Changed since the earlier run: {listed(named)}. Check whether extracts or settings changed."


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
        rates = quality.fallback.rates.filter(source=ALL, dimension=ALL, weighting="reweighted").drop_nulls("rate")
        labels = {
            "false links": "of links without an NHS Number are wrong (estimate)",
            "missed links": "of links without an NHS Number are missed (estimate)",
        }
        figures += [(in_prose(row["rate"]), labels[row["measure"]]) for row in rates.iter_rows(named=True)]
    return figures
