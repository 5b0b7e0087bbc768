"""What to check, and what to do about it. Fixed rules decide what is said."""

from collections.abc import Iterator, Mapping
from typing import Final

import polars as pl

from linkcore.linkage.fallback.model_use import DRIFT_LIMIT, NEW_RECORDS_LIMIT, ModelUse
from linkcore.quality.measures import FallbackQuality, Quality
from linkcore.report.page.words import count, drift_in_words, in_prose, in_words, listed, model_use_in_words
from linkcore.schema import ALL, WHOLE_NAME

__all__ = [
    "CONFLICT_SHARE",
    "FOUND_SHARE",
    "KEPT_SHARE",
    "MISSED_SHARE",
    "UNUSABLE_SHARE",
    "concerns",
    "false_link_limit",
]

CONFLICT_SHARE: Final = 0.001
"""A source with a larger share of conflicts needs checking. Between 0.02 % and 0.2 % of NHS Numbers are wrong."""

MISSED_SHARE: Final = 0.05
"""If a larger share of links may be missed, people are counted twice and their follow-up is incomplete."""

UNUSABLE_SHARE: Final = 0.2
"""A source with a larger share of records without a usable NHS Number depends on probabilistic linkage."""

_REVIEW: Final = "Review a sample of these links before you rely on them."

FOUND_SHARE: Final = 0.75
"""If a smaller share of the records of listed people is linked, most likely a column is missing or wrong."""

KEPT_SHARE: Final = 0.5
"""If a smaller share of people without an NHS Number keeps its pseudonyms, most likely their record ids were lost."""

_ENOUGH_RECORDS: Final = 20
"""Of fewer records, a share may be small by chance."""


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
    # What does not fit together comes first: it is most likely a mistake in a source's columns.
    found += _nothing_usable(quality.completeness)
    found += _whole_names(quality.set_aside)
    found += _lost_names(quality.earlier_persons)
    if quality.fallback is not None:
        found += _unsettled(quality.fallback)
        found += _few_linked(quality.fallback)
        found += _left_out(quality.fallback)
    if quality.drift is not None:
        found += _drift(quality.drift)
    if quality.fallback is not None:
        found += _wrong(quality.fallback, false_link_limit(quality))
        found += _uncertified(quality.fallback)
        found += _outdated(quality.fallback.model_use)
        found += _missed(quality.fallback)
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
    return of_sources.filter(dimension=ALL, measure=measure).drop_nulls("rate")


def _named(frame: pl.DataFrame, name: str, value: str) -> str:
    """List rows by name, the largest value first."""
    rows = frame.sort(value, name, descending=[True, False]).select(name, value).iter_rows()
    return listed([f"{each} ({in_prose(rate)})" for each, rate in rows])


def _nothing_usable(completeness: pl.DataFrame) -> Iterator[str]:
    nothing = completeness.filter(pl.col("source") != ALL, pl.col("records") > 0, pl.col("usable") == 0)
    if nothing.height:
        columns = nothing.select("source", "identifier").iter_rows()
        named = listed([f"{in_words(identifier)} ({source})" for source, identifier in columns])
        yield f"Nothing usable: no value of {named} can be used. Check that the right column is given, and its format."


def _whole_names(set_aside: pl.DataFrame) -> Iterator[str]:
    # The columns of set_aside are not known where nothing was read.
    found = set_aside.filter(status=WHOLE_NAME) if "status" in set_aside.columns else set_aside
    for source, identifier in found.select("source", "identifier").iter_rows() if found.height else ():
        yield (
            f"Names: {in_words(identifier)} of {source} mostly holds whole names, so hardly any name agrees. Map the "
            "column to full_name instead of the parts of a name, and link again."
        )


def _lost_names(earlier_persons: pl.DataFrame) -> Iterator[str]:
    wide = earlier_persons.filter(pl.col("source") != ALL).pivot(
        "became", on_columns=["kept", "new"], index="source", values="times"
    )
    # A count that is not shown is small: as good as none.
    share = wide.fill_null(0).filter(pl.col("kept") + pl.col("new") >= _ENOUGH_RECORDS)
    lost = share.select("source", kept=pl.col("kept") / (pl.col("kept") + pl.col("new")))
    lost = lost.filter(pl.col("kept") < KEPT_SHARE)
    if lost.height:
        yield (
            "Lost pseudonyms: few of the people without an NHS Number have the pseudonym of the linkage before, in "
            f"{_named(lost, 'source', 'kept')}, and nothing explains it. If these extracts repeat earlier records, "
            "give the records the ids that they had before, and not row numbers; then link again from the linkage "
            "before."
        )


def _unsettled(fallback: FallbackQuality) -> Iterator[str]:
    if "unsettled_pairs" in fallback.counts:
        yield (
            "Not settled: what was learned without labels was still changing when learning stopped, so probabilities "
            f"and links depend on when it stopped. Give a model or labels, or more identifiers. {_REVIEW}"
        )


def _few_linked(fallback: FallbackQuality) -> Iterator[str]:
    linked = pl.col("linked") / pl.col("open")
    few = fallback.sources.with_columns(linked.alias("share")).filter(
        pl.col("open") >= _ENOUGH_RECORDS, pl.col("share") < FOUND_SHARE * pl.col("pi")
    )
    for source, pi, share in few.sort("share", "source").select("source", "pi", "share").iter_rows():
        yield (
            f"Fewer links than expected: of the records of {source} without a usable NHS Number, {in_prose(pi)} should "
            f"be of people who are listed, but {in_prose(share)} were linked. Check what its identifiers hold, and "
            "which are missing."
        )


def _left_out(fallback: FallbackQuality) -> Iterator[str]:
    """Tell whose links no estimate is about, though there are estimates."""
    if fallback.rates.is_empty():
        return
    untested = fallback.sources.filter(pl.col("hidden") == 0, pl.col("linked") > 0).select("source", "linked")
    if untested.height:
        named = listed([f"{source} ({count(linked)} links)" for source, linked in untested.iter_rows()])
        yield (
            f"Not in the estimates: {named}. No record with an NHS Number could be tested there, so no rate of wrong "
            f"or missed links is about these links. {_REVIEW}"
        )


def _wrong(fallback: FallbackQuality, limit: float | None) -> Iterator[str]:
    if limit is None:
        return
    above = _rates(fallback, "false links").filter(pl.col("rate") > limit)
    if above.height:
        yield (
            f"Wrong links: more than the limit of {in_prose(limit)} are estimated to be wrong in "
            f"{_named(above, 'source', 'rate')}. {_REVIEW}"
        )


def _uncertified(fallback: FallbackQuality) -> Iterator[str]:
    linked = fallback.sources.filter(pl.col("linked") > 0)
    unlabelled = linked.filter(basis="no labels")["source"].to_list()
    if unlabelled:
        yield f"Not tested: no record has an NHS Number to test the links of {listed(unlabelled)} with. {_REVIEW}"
    uncertified = linked.filter(pl.col("basis").is_in(["expected", "seen"]))["source"].to_list()
    if uncertified:
        yield (
            "Not certified: too few records could be tested to show that the limit on wrong links holds in "
            f"{listed(uncertified)}. {_REVIEW}"
        )


def _outdated(use: ModelUse) -> Iterator[str]:
    """Warn of a model that was kept because the settings ask for it, though the rule would not keep it."""
    if use.kept and ((use.new_records or 0.0) > NEW_RECORDS_LIMIT or use.furthest[1] > DRIFT_LIMIT):
        yield f"Outdated model: {model_use_in_words(use)} Learn it anew: set relearn to 'when_changed'."


def _missed(fallback: FallbackQuality) -> Iterator[str]:
    above = _rates(fallback, "missed links").filter(pl.col("rate") > MISSED_SHARE)
    if above.height:
        yield (
            f"Missed links: more than {in_prose(MISSED_SHARE)} of those without a usable NHS Number are estimated to "
            f"be missed in {_named(above, 'source', 'rate')}. Allow for people who are counted twice."
        )


def _groups(groups: pl.DataFrame) -> Iterator[str]:
    # Only groups that are rarer among linked records than among others.
    worse = groups.filter(pl.col("source") == ALL, pl.col("flagged"), pl.col("standardised_difference") < 0)
    if worse.height:
        rows = worse.sort("standardised_difference").iter_rows(named=True)
        named = [f"{in_words(row['dimension'])} {row['group']} ({in_prose(row['rate'])})" for row in rows]
        advice = "Check that the linkage does not explain results about them."
        yield f"Linked less often than others: {listed(named)}. {advice}"


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
