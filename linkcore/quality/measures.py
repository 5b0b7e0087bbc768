"""Measures of a linkage: every record accounted for, by source."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import polars as pl

from linkcore.linkage.run import Run
from linkcore.quality.counts import cluster_sizes, flow
from linkcore.quality.tables import empty
from linkcore.schema import ALL, METHOD, USABLE_STATUSES
from linkcore.text_table import as_text

__all__ = ["FallbackQuality", "Quality", "measure"]


@dataclass(frozen=True, eq=False, repr=False)
class FallbackQuality:
    """How good the probabilistic linkage is, by its own test, as plain tables.

    Records that carry a number go through it with their numbers hidden; one half of them chooses the thresholds, and
    all rates are of the other half.

    Parameters
    ----------
    sources : polars.DataFrame
        A row a source with open records: ``source``, ``open``, ``compared`` (those that say enough to be compared),
        ``linked``, ``pi`` (share of them whose person is among the persons), ``accept`` (the threshold), ``basis`` (how
        it was chosen: ``own``, ``pooled``, ``not certified``, ``given``, ``no labels``) and ``hidden`` (records that
        were tested).
    rates : polars.DataFrame
        ``source``, ``dimension``, ``group``, ``measure`` (``false links``, ``missed links``), ``weighting`` (``raw``,
        ``reweighted``), ``rate``, ``low``, ``high``, ``cases``, ``of``.
    calibration : polars.DataFrame
        ``from``, ``to``, ``predicted``, ``observed``, ``low``, ``high``, ``cases``.
    curve : polars.DataFrame
        ``source``, ``threshold``, ``chosen``, ``false_links``, ``missed_links``.
    candidates : polars.DataFrame
        ``source``, ``usable_identifiers``, ``records``, ``found``, ``recall``: of blocking.
    left_out : polars.DataFrame
        ``rule``, ``persons``: how many stood in blocks that were too large to be looked at.
    model : polars.DataFrame
        ``source`` (``all``, and each source), ``comparison``, ``level``, ``m``, ``u``, ``weight`` (bits).
    departures : polars.DataFrame
        ``comparison``, ``level``, ``m_learned``, ``m_open``: how the open records differ from what was learned of
        those with a number, by expectation maximisation on them.
    counts : mapping of str to int
        What was compared, and how much was learned from.
    """

    sources: pl.DataFrame
    rates: pl.DataFrame
    calibration: pl.DataFrame
    curve: pl.DataFrame
    candidates: pl.DataFrame
    left_out: pl.DataFrame
    model: pl.DataFrame
    departures: pl.DataFrame
    counts: Mapping[str, int | None]

    def __repr__(self) -> str:
        """Tell no count: a notebook keeps what it shows."""
        return f"FallbackQuality({self.sources.height} sources)"

    def text(self) -> str:
        """Say in plain text how good the links are, and how that is known."""
        table = self.headline()
        if self.rates.is_empty():
            return (
                "Records without a usable NHS Number, by source. No source has numbers to test the links by, so they "
                f"were accepted where they are likelier than not:\n\n{as_text(table)}"
            )
        return (
            "Records without a usable NHS Number, by source: how many were linked, from which probability (accept),\n"
            "what share of these links is wrong, and what share of those there are is missed; estimated on records\n"
            f"that have a number, with the number hidden (95 % intervals):\n\n{as_text(table)}"
        )

    def headline(self) -> pl.DataFrame:
        """Give a row a source: how many were linked, from which probability, and the rates with their intervals.

        Returns The columns of ``sources``, then for false and missed links the re-weighted rate and its 95 % interval.
        """
        table = self.sources
        if self.rates.is_empty():
            return table
        of_sources = self.rates.filter(dimension="all", weighting="reweighted")
        for measure in ("false links", "missed links"):
            name = measure.replace(" ", "_")
            rates = of_sources.filter(measure=measure).select(
                "source",
                pl.col("rate").alias(name),
                pl.col("low").alias(f"{name}_low"),
                pl.col("high").alias(f"{name}_high"),
            )
            table = table.join(rates, on="source", how="left", maintain_order="left")
        return table


@dataclass(frozen=True, eq=False, repr=False)
class Quality:
    """What became of every record and every identifier, and for whom it went less well, as plain tables.

    Counts are true unless it is ``disclosed``: then those from 1 to 7 are null, the others rounded, and what would give
    them away is null too (:mod:`linkcore.disclosure.disclosed`). Columns and dtypes are in
    :mod:`linkcore.quality.tables`.

    Parameters
    ----------
    records : polars.DataFrame
        ``source``, ``method``, ``records``: every record of every source stands in exactly one cell. Every method of
        every source has its row, though there be none.
    numbers : polars.DataFrame
        ``source``, ``nhs_number_status``, ``records``; likewise.
    conflicts : polars.DataFrame
        ``source``, ``conflicts``: records whose number is, by name and birth date, somebody else's.
    set_aside : polars.DataFrame
        SET_ASIDE of :mod:`linkcore.schema`: ``source``, ``identifier``, ``status``, ``records``.
    persons : int
        How many persons there are; None where that would tell too much.
    fallback : FallbackQuality, optional
        How good the probabilistic linkage is; None where there was none.
    flow : polars.DataFrame
        ``source``, ``number`` (``usable``, ``conflict``, ``not usable``), ``method``, ``records``: every record from
        its source through its number to its person, in exactly one row.
    completeness : polars.DataFrame
        ``source``, ``identifier``, ``records``, ``present`` (not empty), ``usable`` (kept for comparison): a row for
        each identifier that a source has.
    match_weights : polars.DataFrame
        ``source`` (``all`` too), ``outcome`` (``accepted``, ``rejected``), ``low``, ``high`` (bits), ``pairs``: every
        candidate that the fallback kept, by match weight.
    groups : polars.DataFrame
        ``source`` (``all`` too), ``dimension``, ``group``, ``records``, ``linked``, ``rate`` with its 95 % interval
        ``low`` to ``high``, ``standardised_difference``, ``flagged``: for whom linkage is less complete
        (:mod:`linkcore.quality.groups`).
    cluster_sizes : polars.DataFrame
        ``size``, ``persons``: how many records each person has.
    implausible : polars.DataFrame
        ``source``, ``finding``, ``links``, ``of`` (how many could be judged): links that can hardly be right
        (:mod:`linkcore.quality.implausible`).
    withheld : polars.DataFrame
        ``purpose``, ``source`` (``all`` too), ``reason``, ``records``: which records may leave in a release for that
        purpose (``not withheld``), and why others may not, each under one reason; ``any reason`` sums up the reasons
        (:mod:`linkcore.quality.withheld`). Empty where no release is told of.
    withheld_basis : polars.DataFrame
        ``purpose``, ``on`` (the day), ``kind``, ``basis``: by which list, policy or exemption.
    not_read : polars.DataFrame
        ``source``, ``practice`` (``all`` too), ``records``: rows of GP data left out when they were read, for a Type 1
        opt-out; no other table counts them.
    truth : polars.DataFrame, optional
        ``source`` (``all`` too), ``measure`` (``false links``, ``missed links``), ``estimated`` with ``low`` and
        ``high``, ``true``, ``cases``, ``of``: where it is known who is who, as in synthetic data.
    drift : polars.DataFrame, optional
        ``measure``, ``source``, ``previous``, ``current``, ``change``, ``flagged``: against an earlier run.
    run : Run
        By which settings, with which versions, in what time.
    totals : polars.DataFrame
        ``source`` (``all`` too), ``what`` (``records``, ``conflicts``; of all sources also each method and each status
        of a number), ``count``. Only where ``disclosed``: true counts are simply added up.
    disclosed : bool
        Whether disclosure control was applied.
    """

    records: pl.DataFrame
    numbers: pl.DataFrame
    conflicts: pl.DataFrame
    set_aside: pl.DataFrame
    persons: int | None
    fallback: FallbackQuality | None = None
    flow: pl.DataFrame = field(default_factory=partial(empty, "flow"))
    completeness: pl.DataFrame = field(default_factory=partial(empty, "completeness"))
    match_weights: pl.DataFrame = field(default_factory=partial(empty, "match_weights"))
    groups: pl.DataFrame = field(default_factory=partial(empty, "groups"))
    cluster_sizes: pl.DataFrame = field(default_factory=partial(empty, "cluster_sizes"))
    implausible: pl.DataFrame = field(default_factory=partial(empty, "implausible"))
    withheld: pl.DataFrame = field(default_factory=partial(empty, "withheld"))
    withheld_basis: pl.DataFrame = field(default_factory=partial(empty, "withheld_basis"))
    not_read: pl.DataFrame = field(default_factory=partial(empty, "not_read"))
    truth: pl.DataFrame | None = None
    drift: pl.DataFrame | None = None
    run: Run = field(default_factory=Run)
    totals: pl.DataFrame = field(default_factory=partial(empty, "totals"))
    disclosed: bool = False

    def by_method(self) -> pl.DataFrame:
        """Lay the records out with a row a source, a column a method, and totals.

        Returns
        -------
        polars.DataFrame
            ``source``, one column for each method that occurs, ``records``, ``conflicts``; null where a count is not to
            be known.
        """
        wide = self.records.pivot("method", on_columns=METHOD.categories, index="source", values="records")
        occurring = [method for method in METHOD.categories if self._occurs(method)]
        if self.disclosed:
            totals = self.totals.pivot("what", index="source", values="count")
            of_sources = wide.select("source", *occurring).join(
                totals.select("source", "records", "conflicts"), on="source", maintain_order="left"
            )
            total = totals.filter(source=ALL).select(of_sources.columns)
            return pl.concat([of_sources, total], how="vertical_relaxed")
        records = pl.sum_horizontal(pl.exclude("source")).alias("records")
        wide = wide.select("source", *occurring, records).join(self.conflicts, on="source", maintain_order="left")
        total = wide.select(pl.lit(ALL).alias("source"), pl.exclude("source").sum())
        return pl.concat([wide, total], how="vertical_relaxed")

    def __repr__(self) -> str:
        """Tell no count: a notebook keeps this beside what it shows."""
        return f"Quality({', '.join(self.records['source'].unique(maintain_order=True))})"

    def _occurs(self, method: str) -> bool:
        # What is null is a count that is not to be known, and not none.
        return self.records.filter((pl.col("method") == method) & (pl.col("records") != 0).fill_null(True)).height > 0


def measure(
    links: pl.DataFrame,
    set_aside: pl.DataFrame,
    persons: int,
    *,
    sources: Sequence[str],
    usable: Sequence[str] = USABLE_STATUSES,
    fallback: FallbackQuality | None = None,
) -> Quality:
    """Count what became of every record.

    Examples
    --------
    >>> import polars as pl
    >>> from linkcore.schema import LINKS, SET_ASIDE
    >>> link = {"source": "gp", "record_id": "1", "person_id": 0, "method": "spine", "nhs_number_status": "valid",
    ...         "conflict": False}
    >>> quality = measure(pl.DataFrame([link], schema=LINKS), pl.DataFrame(schema=SET_ASIDE), 1, sources=["gp", "seen"])
    >>> quality.by_method().rows()
    [('gp', 1, 1, 0), ('seen', 0, 0, 0), ('all', 1, 1, 0)]
    """
    # Of millions of records there are few kinds: they are counted once, and the rest is adding up.
    kind = links.lazy().group_by("source", "nhs_number_status", "conflict", "method")
    kinds = kind.len("records").collect(engine="streaming")
    conflicts = kinds.group_by("source").agg(pl.col("records").filter("conflict").sum().alias("conflicts"))
    return Quality(
        records=_counts(kinds, "method", sources),
        numbers=_counts(kinds, "nhs_number_status", sources),
        conflicts=_of_every(pl.DataFrame({"source": sources}, schema={"source": pl.String}), conflicts),
        set_aside=set_aside.with_columns(pl.col("records").cast(pl.Int64)),
        persons=persons,
        fallback=fallback,
        flow=flow(kinds, sources=sources, usable=usable),
        cluster_sizes=cluster_sizes(links),
    )


def _counts(kinds: pl.DataFrame, column: str, sources: Sequence[str]) -> pl.DataFrame:
    dtype = kinds.schema[column]
    assert isinstance(dtype, pl.Enum)
    every = pl.DataFrame({"source": sources}, schema={"source": pl.String}).join(
        pl.DataFrame({column: dtype.categories}, schema={column: dtype}), how="cross", maintain_order="left_right"
    )
    return _of_every(every, kinds.group_by("source", column).agg(pl.col("records").sum()))


def _of_every(every: pl.DataFrame, counts: pl.DataFrame) -> pl.DataFrame:
    """Give a row of counts to each row of ``every``, 0 where there is nothing to count."""
    counted = every.join(counts, on=every.columns, how="left", maintain_order="left")
    return counted.with_columns(pl.exclude(every.columns).fill_null(0).cast(pl.Int64))
