"""The quality of a linkage as plain values: tables that account for every record of every source."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import polars as pl

from linkcore.linkage.fallback.model_use import ModelUse
from linkcore.linkage.run import Run
from linkcore.quality.counts import cluster_sizes, flow
from linkcore.quality.tables import empty
from linkcore.schema import ALL, METHOD, USABLE_STATUSES

__all__ = ["FallbackQuality", "Quality", "Weights", "measure"]


@dataclass(frozen=True)
class Weights:
    """What weighed the pairs of the probabilistic linkage.

    Parameters
    ----------
    engine : str
        ``native``, linkcore's kernel, or ``splink``.
    splink : str, optional
        The version of Splink that weighed the pairs, or checked their weights; None if it did neither.
    checked : int, optional
        How many pairs Splink weighed as well; None if it checked none, or if the number is suppressed.
    largest_difference : float, optional
        The largest difference between the two weights of a pair, in bits.
    own_model : bool
        Whether all comparisons are linkcore's own. What a run learned of others is shown to the trusted team only.
    """

    engine: str = "native"
    splink: str | None = None
    checked: int | None = None
    largest_difference: float | None = None
    own_model: bool = True


@dataclass(frozen=True, eq=False, repr=False)
class FallbackQuality:
    """Quality of the probabilistic linkage, as its self-test measures it.

    The self-test links records that have an NHS Number with the number hidden. One half of them chooses the thresholds;
    all rates come from the other half. Columns and dtypes are in :data:`linkcore.quality.tables.FALLBACK_TABLES`.

    Parameters
    ----------
    sources : polars.DataFrame
        One row for each source with open records: ``source``, ``open``, ``compared`` (records with enough identifiers),
        ``linked``, ``pi`` (share of open records whose person is listed), ``accept`` (the threshold), ``basis`` (how
        the threshold was chosen: ``own``, ``pooled``, ``expected``, ``seen``, ``given``, ``no labels``) and ``hidden``
        (number of hidden records).
    rates : polars.DataFrame
        ``source``, ``dimension``, ``group``, ``measure`` (``false links``, ``missed links``), ``rate`` with its 95 %
        interval ``low`` to ``high``, ``cases`` (effective number of hidden records), ``of`` (number of links or records
        of this run to which the rate applies), and ``fewest`` to ``most``: how many of these are wrong or missed, with
        95 % probability.
    calibration : polars.DataFrame
        ``from``, ``to``, ``predicted``, ``observed``, ``low``, ``high``, ``cases``: by band of probability, the
        predicted and the observed share of right links.
    curve : polars.DataFrame
        ``source``, ``threshold``, ``chosen``, ``false_links``, ``missed_links``: the rates at other thresholds.
    candidates : polars.DataFrame
        ``source``, ``usable_identifiers``, ``records``, ``found``, ``recall``: how many hidden records blocking pairs
        with their person.
    blocking : polars.DataFrame
        ``source`` (also ``all``), ``rate`` with its 95 % interval ``low`` to ``high``, ``cases`` (effective number of
        hidden records): of the records whose person is listed, the share that blocking pairs with that person.
    left_out : polars.DataFrame
        ``rule``, ``persons``, ``records``: how many times a person was in a block too large to be compared with the
        open records, and a record in one too large to be compared with other records.
    model : polars.DataFrame
        ``source`` (``all``, and each source), ``comparison``, ``level``, ``m``, ``u``, ``weight`` (bits).
    departures : polars.DataFrame
        ``comparison``, ``level``, ``m_learned``, ``m_open``: m as learned from records with a number, and m of the open
        records as estimated by expectation maximisation.
    counts : mapping of str to int
        Numbers of records and pairs compared, and of labels learned from.
    weights : Weights
        What weighed the pairs, and whether Splink checked it.
    model_use : ModelUse
        Whether the run learned the model, the thresholds and what the self-test estimates, or kept those of an earlier
        one, and why. If they were kept, the self-test is that of the earlier run.
    """

    sources: pl.DataFrame
    rates: pl.DataFrame
    calibration: pl.DataFrame
    curve: pl.DataFrame
    candidates: pl.DataFrame
    blocking: pl.DataFrame
    left_out: pl.DataFrame
    model: pl.DataFrame
    departures: pl.DataFrame
    counts: Mapping[str, int | None]
    weights: Weights = field(default_factory=Weights)
    model_use: ModelUse = field(default_factory=ModelUse)

    def __repr__(self) -> str:
        """Return no count, because a notebook stores what it shows."""
        return f"FallbackQuality({self.sources.height} sources)"


@dataclass(frozen=True, eq=False, repr=False)
class Quality:
    """Quality of a linkage: what became of every record and identifier, and which groups are linked less completely.

    Every field is a plain value; most are tables. If ``disclosed`` is False, all counts are true. If it is True, counts
    from 1 to 7 are null, other counts are rounded, and counts from which a small one could be calculated are null too
    (:mod:`linkcore.disclosure.disclosed`). Columns and dtypes are in :data:`linkcore.quality.tables.QUALITY_TABLES`.

    Parameters
    ----------
    records : polars.DataFrame
        ``source``, ``method``, ``records``: each record is counted in exactly one row. Every source has a row for every
        method, even if its count is 0.
    numbers : polars.DataFrame
        ``source``, ``nhs_number_status``, ``records``: each record is counted in exactly one row. Every source has a
        row for every status.
    conflicts : polars.DataFrame
        ``source``, ``conflicts``: number of records whose name and birth date contradict the person with their NHS
        Number.
    set_aside : polars.DataFrame
        ``source``, ``identifier``, ``status``, ``records``: values that were not used, as in SET_ASIDE of
        :mod:`linkcore.schema`.
    persons : int or None
        Number of persons; None where it would disclose too much.
    fallback : FallbackQuality, optional
        Quality of the probabilistic linkage; None without one.
    number_faults : polars.DataFrame
        ``source``, ``fault`` (``superseded``, ``duplicate``), ``records``: number of records whose NHS Number was
        superseded, or stands on two entries of the source (:mod:`linkcore.linkage.exact.number_faults`).
    flow : polars.DataFrame
        ``source``, ``number`` (``usable``, ``conflict``, ``not usable``), ``method``, ``records``: each record is
        counted in exactly one row, by what its NHS Number leads to and the method that linked it.
    completeness : polars.DataFrame
        ``source``, ``identifier``, ``records``, ``present`` (not empty), ``usable`` (can be compared): one row for each
        identifier of a source.
    match_weights : polars.DataFrame
        ``source`` (also ``all``), ``outcome`` (``accepted``, ``rejected``), ``low``, ``high`` (bits), ``pairs``: the
        candidates of the fallback by match weight.
    groups : polars.DataFrame
        ``source`` (also ``all``), ``dimension``, ``group``, ``records``, ``linked``, ``rate`` with its 95 % interval
        ``low`` to ``high``, ``standardised_difference``, ``flagged``: linkage rates by demographic group
        (:mod:`linkcore.quality.group_rates`).
    cluster_sizes : polars.DataFrame
        ``size``, ``persons``: number of persons by their number of records.
    earlier_persons : polars.DataFrame
        ``source`` (``all``, and each source that an earlier linkage had too), ``became``, ``times``: what became of the
        persons of earlier linkages, as in :class:`linkcore.linkage.stable_persons.keep_names.PersonHistory`. Of a
        source, only persons without an NHS Number whom its records define. Empty without an earlier linkage.
    implausible : polars.DataFrame
        ``source``, ``finding``, ``links``, ``of`` (number of links judged): links whose record contradicts its person
        (:mod:`linkcore.quality.implausible`).
    withheld : polars.DataFrame
        ``purpose``, ``source`` (also ``all``), ``reason``, ``records``: for each purpose of release, the records that
        may be released (``not withheld``), and the others by the one reason for which they are withheld; ``any reason``
        is the sum over the reasons (:mod:`linkcore.quality.withheld`). Empty unless withheld records were added.
    withheld_basis : polars.DataFrame
        ``purpose``, ``on`` (date), ``kind``, ``basis``: the list, policy or exemption by which records are withheld.
    not_read : polars.DataFrame
        ``source``, ``practice`` (also ``all``), ``records``: rows of GP data that were left out on reading because of a
        Type 1 opt-out. No other table counts them.
    truth : polars.DataFrame, optional
        ``source`` (also ``all``), ``measure`` (``false links``, ``missed links``), ``estimated`` with its 95 % interval
        ``low`` to ``high``, ``true``, ``cases``, ``of``: estimated and true rates, where the truth is known, as for
        synthetic data.
    drift : polars.DataFrame, optional
        ``measure``, ``source``, ``previous``, ``current``, ``change``, ``flagged``: the change since an earlier run.
    run : Run
        Settings, versions and times of the run.
    totals : polars.DataFrame
        ``source`` (also ``all``), ``what`` (``records``, ``conflicts``; for ``all`` also each method and each status of
        an NHS Number), ``count``. Filled only if ``disclosed``, because disclosed counts do not add up; true counts do.
    disclosed : bool
        Whether the counts are under disclosure control.

    Examples
    --------
    >>> import linkcore as lc
    >>> import polars as pl
    >>> gp = lc.Source("gp", pl.DataFrame({"nhs_number": ["4010232137"]}), spine=True)
    >>> seen = lc.Source("seen", pl.DataFrame({"nhs_number": ["4010232137", None]}))
    >>> lc.link([gp, seen], fallback=None).quality.records.filter(pl.col("records") > 0).rows()
    [('gp', 'spine', 1), ('seen', 'nhs_number', 1), ('seen', 'unlinked', 1)]
    """

    records: pl.DataFrame
    numbers: pl.DataFrame
    conflicts: pl.DataFrame
    set_aside: pl.DataFrame
    persons: int | None
    fallback: FallbackQuality | None = None
    number_faults: pl.DataFrame = field(default_factory=partial(empty, "number_faults"))
    flow: pl.DataFrame = field(default_factory=partial(empty, "flow"))
    completeness: pl.DataFrame = field(default_factory=partial(empty, "completeness"))
    match_weights: pl.DataFrame = field(default_factory=partial(empty, "match_weights"))
    groups: pl.DataFrame = field(default_factory=partial(empty, "groups"))
    cluster_sizes: pl.DataFrame = field(default_factory=partial(empty, "cluster_sizes"))
    earlier_persons: pl.DataFrame = field(default_factory=partial(empty, "earlier_persons"))
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
        """Return the records of each source by method, with totals.

        Returns
        -------
        polars.DataFrame
            One row a source, then ``all``: ``source`` (String), a column for each method that occurs, ``records`` and
            ``conflicts`` (Int64). A count is null where disclosure control hides it.

        Examples
        --------
        >>> import linkcore as lc
        >>> import polars as pl
        >>> gp = lc.Source("gp", pl.DataFrame({"nhs_number": ["4010232137"]}), spine=True)
        >>> lc.link([gp], fallback=None).quality.by_method().rows(named=True)[0]
        {'source': 'gp', 'spine': 1, 'records': 1, 'conflicts': 0}
        """
        wide = self.records.pivot("method", on_columns=METHOD.categories, index="source", values="records")
        occurring = [method for method in METHOD.categories if self._occurs(method)]
        if self.disclosed:
            totals = self.totals.pivot("what", index="source", values="count")
            by_source = wide.select("source", *occurring).join(
                totals.select("source", "records", "conflicts"), on="source", maintain_order="left"
            )
            total = totals.filter(source=ALL).select(by_source.columns)
            return pl.concat([by_source, total], how="vertical_relaxed")
        records = pl.sum_horizontal(pl.exclude("source")).alias("records")
        wide = wide.select("source", *occurring, records).join(self.conflicts, on="source", maintain_order="left")
        total = wide.select(pl.lit(ALL).alias("source"), pl.exclude("source").sum())
        return pl.concat([wide, total], how="vertical_relaxed")

    def __repr__(self) -> str:
        """Return no count, because a notebook stores what it shows."""
        return f"Quality({', '.join(self.records['source'].unique(maintain_order=True))})"

    def _occurs(self, method: str) -> bool:
        # A null is a hidden count, which is not 0.
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
    """Count the records of a linkage by source, method and status of the NHS Number.

    ``links``: LINKS of :mod:`linkcore.schema`; ``set_aside``: SET_ASIDE.

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
    # Millions of records have few combinations of these values: count those once, and add up the rest.
    kind = links.lazy().group_by("source", "nhs_number_status", "conflict", "method")
    kinds = kind.len("records").collect(engine="streaming")
    conflicts = kinds.group_by("source").agg(pl.col("records").filter("conflict").sum().alias("conflicts"))
    return Quality(
        records=_counts(kinds, "method", sources),
        numbers=_counts(kinds, "nhs_number_status", sources),
        conflicts=_counts_of_cells(pl.DataFrame({"source": sources}, schema={"source": pl.String}), conflicts),
        set_aside=set_aside.with_columns(pl.col("records").cast(pl.Int64)),
        persons=persons,
        fallback=fallback,
        flow=flow(kinds, sources=sources, usable=usable),
        cluster_sizes=cluster_sizes(links),
    )


def _counts(kinds: pl.DataFrame, column: str, sources: Sequence[str]) -> pl.DataFrame:
    dtype = kinds.schema[column]
    assert isinstance(dtype, pl.Enum)
    cells = pl.DataFrame({"source": sources}, schema={"source": pl.String}).join(
        pl.DataFrame({column: dtype.categories}, schema={column: dtype}), how="cross", maintain_order="left_right"
    )
    return _counts_of_cells(cells, kinds.group_by("source", column).agg(pl.col("records").sum()))


def _counts_of_cells(cells: pl.DataFrame, counts: pl.DataFrame) -> pl.DataFrame:
    """Return each row of ``cells`` with its count, 0 where ``counts`` has none."""
    counted = cells.join(counts, on=cells.columns, how="left", maintain_order="left")
    return counted.with_columns(pl.exclude(cells.columns).fill_null(0).cast(pl.Int64))
