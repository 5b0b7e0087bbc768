"""The quality of a linkage as plain tables, and the counts of its records by source."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import polars as pl

from linkcore.linkage.run import Run
from linkcore.quality.counts import cluster_sizes, flow
from linkcore.quality.tables import empty
from linkcore.schema import ALL, METHOD, USABLE_STATUSES

__all__ = ["FallbackQuality", "Quality", "measure"]


@dataclass(frozen=True, eq=False, repr=False)
class FallbackQuality:
    """How well the probabilistic linkage works, as plain tables. Its self-test measures this.

    In the self-test, records that have an NHS Number are linked with the number hidden. One half of them chooses the
    thresholds. All rates come from the other half.

    Parameters
    ----------
    sources : polars.DataFrame
        One row for each source with open records: ``source``, ``open``, ``compared`` (records with enough identifiers
        to be compared), ``linked``, ``pi`` (share of records whose person is in PERSONS), ``accept`` (the threshold),
        ``basis`` (how the threshold was chosen: ``own``, ``pooled``, ``not certified``, ``given``, ``no labels``) and
        ``hidden`` (records that were tested).
    rates : polars.DataFrame
        ``source``, ``dimension``, ``group``, ``measure`` (``false links``, ``missed links``), ``weighting`` (``raw``,
        ``reweighted``), ``rate``, ``low``, ``high``, ``cases``, ``of``.
    calibration : polars.DataFrame
        ``from``, ``to``, ``predicted``, ``observed``, ``low``, ``high``, ``cases``.
    curve : polars.DataFrame
        ``source``, ``threshold``, ``chosen``, ``false_links``, ``missed_links``.
    candidates : polars.DataFrame
        ``source``, ``usable_identifiers``, ``records``, ``found``, ``recall``: how many hidden records blocking
        compares with their own person.
    left_out : polars.DataFrame
        ``rule``, ``persons``: how many persons were in blocks too large to be compared.
    model : polars.DataFrame
        ``source`` (``all``, and each source), ``comparison``, ``level``, ``m``, ``u``, ``weight`` (bits).
    departures : polars.DataFrame
        ``comparison``, ``level``, ``m_learned``, ``m_open``: how the open records differ from the records with a number
        that the model was learned from. Expectation maximisation on the open records estimates ``m_open``.
    counts : mapping of str to int
        How many records and pairs were compared and learned from.
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
        """Show no count, because a notebook stores what it shows."""
        return f"FallbackQuality({self.sources.height} sources)"


@dataclass(frozen=True, eq=False, repr=False)
class Quality:
    """The quality of a linkage as plain tables: what happened to every record, and for whom linkage is less complete.

    Counts are true unless ``disclosed`` is set. Then counts from 1 to 7 are null, other counts are rounded, and every
    count that would reveal a small one is null too (:mod:`linkcore.disclosure.disclosed`).
    :mod:`linkcore.quality.tables` lists columns and dtypes.

    Parameters
    ----------
    records : polars.DataFrame
        ``source``, ``method``, ``records``: every record is counted in exactly one row. Every source has a row for
        every method, also where the count is 0.
    numbers : polars.DataFrame
        ``source``, ``nhs_number_status``, ``records``: every record is counted in exactly one row.
    conflicts : polars.DataFrame
        ``source``, ``conflicts``: records whose name and birth date say that the NHS Number is
        somebody else's.
    set_aside : polars.DataFrame
        SET_ASIDE of :mod:`linkcore.schema`: ``source``, ``identifier``, ``status``, ``records``.
    persons : int
        How many persons there are; None where disclosure control suppresses the count.
    fallback : FallbackQuality, optional
        How well the probabilistic linkage works; None where there was none.
    flow : polars.DataFrame
        ``source``, ``number`` (``usable``, ``conflict``, ``not usable``), ``method``, ``records``: every record is
        counted in exactly one row.
    completeness : polars.DataFrame
        ``source``, ``identifier``, ``records``, ``present`` (not empty), ``usable`` (kept for comparison): one row for
        each identifier of each source.
    match_weights : polars.DataFrame
        ``source`` (``all`` too), ``outcome`` (``accepted``, ``rejected``), ``low``, ``high`` (bits), ``pairs``: the
        candidates that the fallback kept, by match weight.
    groups : polars.DataFrame
        ``source`` (``all`` too), ``dimension``, ``group``, ``records``, ``linked``, ``rate`` and its 95 % interval
        ``low`` to ``high``, ``standardised_difference``, ``flagged``: for whom linkage is less complete
        (:mod:`linkcore.quality.groups`).
    cluster_sizes : polars.DataFrame
        ``size``, ``persons``: how many persons have so many records.
    implausible : polars.DataFrame
        ``source``, ``finding``, ``links``, ``of`` (how many links could be checked): links that are unlikely to
        be right (:mod:`linkcore.quality.implausible`).
    withheld : polars.DataFrame
        ``purpose``, ``source`` (``all`` too), ``reason``, ``records``: how many records may leave in a release for the
        purpose (``not withheld``), and how many may not, each counted under one reason. ``any reason`` is the sum of
        all reasons (:mod:`linkcore.quality.withheld`). Empty where no releases were given.
    withheld_basis : polars.DataFrame
        ``purpose``, ``on`` (the day), ``kind``, ``basis``: the list, policy or exemption that was applied.
    not_read : polars.DataFrame
        ``source``, ``practice`` (``all`` too), ``records``: rows of GP data that were dropped when read, because of a
        Type 1 opt-out. No other table counts them.
    truth : polars.DataFrame, optional
        ``source`` (``all`` too), ``measure`` (``false links``, ``missed links``), ``estimated`` with ``low`` and
        ``high``, ``true``, ``cases``, ``of``: where the truth is known, as in synthetic data.
    drift : polars.DataFrame, optional
        ``measure``, ``source``, ``previous``, ``current``, ``change``, ``flagged``: compared with an earlier run.
    run : Run
        Settings, versions and times of the run.
    totals : polars.DataFrame
        ``source`` (``all`` too), ``what`` (``records``, ``conflicts``; for all sources together also each method and
        each status of an NHS Number), ``count``. Filled only where ``disclosed``, because suppressed counts cannot be
        added up.
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
        """Return the records of each source in one row, with one column for each method, and totals.

        Returns
        -------
        polars.DataFrame
            ``source``, one column for each method that occurs, ``records``, ``conflicts``; null where a count is
            suppressed.
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
        """Show no count, because a notebook stores what it shows."""
        return f"Quality({', '.join(self.records['source'].unique(maintain_order=True))})"

    def _occurs(self, method: str) -> bool:
        # A null is a suppressed count, not 0.
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
    """Count the records of each source by method, by NHS Number status and by conflict.

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
    # Millions of records have few combinations of these columns: count those once, and add up the rest.
    combinations = links.lazy().group_by("source", "nhs_number_status", "conflict", "method")
    kinds = combinations.len("records").collect(engine="streaming")
    conflicts = kinds.group_by("source").agg(pl.col("records").filter("conflict").sum().alias("conflicts"))
    return Quality(
        records=_counts(kinds, "method", sources),
        numbers=_counts(kinds, "nhs_number_status", sources),
        conflicts=_fill_zeros(pl.DataFrame({"source": sources}, schema={"source": pl.String}), conflicts),
        set_aside=set_aside.with_columns(pl.col("records").cast(pl.Int64)),
        persons=persons,
        fallback=fallback,
        flow=flow(kinds, sources=sources, usable=usable),
        cluster_sizes=cluster_sizes(links),
    )


def _counts(kinds: pl.DataFrame, column: str, sources: Sequence[str]) -> pl.DataFrame:
    dtype = kinds.schema[column]
    assert isinstance(dtype, pl.Enum)
    rows = pl.DataFrame({"source": sources}, schema={"source": pl.String}).join(
        pl.DataFrame({column: dtype.categories}, schema={column: dtype}), how="cross", maintain_order="left_right"
    )
    return _fill_zeros(rows, kinds.group_by("source", column).agg(pl.col("records").sum()))


def _fill_zeros(rows: pl.DataFrame, counts: pl.DataFrame) -> pl.DataFrame:
    """Add counts to every row of ``rows``; 0 where there is nothing to count."""
    counted = rows.join(counts, on=rows.columns, how="left", maintain_order="left")
    return counted.with_columns(pl.exclude(rows.columns).fill_null(0).cast(pl.Int64))
