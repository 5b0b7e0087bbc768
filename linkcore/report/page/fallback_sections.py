"""Sections of the report on the probabilistic linkage: how good its links are, how that is known, and its model."""

import polars as pl

from linkcore.quality.measures import Quality
from linkcore.report.page.charts import (
    OUTCOME_COLOURS,
    calibration,
    intervals,
    match_weights,
    model_weights,
    thresholds,
)
from linkcore.report.page.headline import false_link_limit
from linkcore.report.page.sections import Figure, Panel, Section, Table, extremes, in_order, table, weight
from linkcore.report.page.words import count, in_prose, in_words, percent, probability
from linkcore.schema import ALL

__all__ = ["estimates_section", "model_section", "thresholds_section", "weights_section"]

_MEASURES = ("false links", "missed links")
_BASES = {
    "own": "its own tested records",
    "pooled": "all sources together",
    "given": "given",
    "no labels": "likelier than not",
}
# Levels rarer than this, among matches and others alike, were never seen: their weights are no finding.
_NEVER_SEEN = 1e-6


def estimates_section(quality: Quality) -> Section | None:
    """Show the estimated rates of false and missed links, beside the true ones where these are known."""
    fallback = quality.fallback
    if fallback is None:
        return None
    limit = false_link_limit(quality)
    parts: list[Figure | Table] = []
    if fallback.rates.height:
        parts.append(_rates(fallback.rates, quality.truth, limit))
    if quality.truth is not None:
        heads = {"low": "from", "high": "to", "of": "of links or records"}
        parts.append(table(quality.truth, "Estimated and true rates", heads=heads))
    accepted = fallback.sources.with_columns(pl.col("basis").replace(_BASES))
    heads = {
        "open": "records without a usable number",
        "pi": "share whose person is known",
        "accept": "accepted from",
        "basis": "threshold chosen by",
        "hidden": "records tested",
    }
    forms = {"accept": probability}
    parts.append(table(accepted, "Records without a usable number, by source", heads=heads, forms=forms))
    if fallback.calibration.height:
        parts.append(_calibration(fallback.calibration))
    if fallback.candidates.height:
        heads = {"usable_identifiers": "usable identifiers", "found": "brought together with their person"}
        caption = "Tested records that were compared with their own person"
        parts.append(Figure("", (), (), (table(fallback.candidates, caption, heads=heads),)))
    return Section("estimates", "How many links are wrong, and how many are missed", _method(limit), tuple(parts))


def _method(limit: float | None) -> tuple[str, ...]:
    aim = "" if limit is None else f" so that at most {in_prose(limit)} of a source's links are wrong"
    return (
        "This is about links made without a usable NHS Number. In every run, records that carry a number are linked "
        "with the number hidden, once with their person listed and once without; they were not learned from. Half of "
        f"them choose the probability from which a link is accepted,{aim}; the other half, weighted to be like the "
        "records without a number, give these rates and their 95 % intervals.",
        "False links are a share of the links made (1 − precision); missed links are a share of the records whose "
        "person was there to be found (1 − recall).",
    )


def _rates(rates: pl.DataFrame, truth: pl.DataFrame | None, limit: float | None) -> Figure:
    panels = []
    of_sources = rates.filter(dimension=ALL, weighting="reweighted")
    for measure in _MEASURES:
        rows = of_sources.filter(measure=measure).drop_nulls("rate")
        if truth is not None:
            true = truth.filter(measure=measure).select("source", "true")
            rows = rows.join(true, on="source", how="left", maintain_order="left")
        rows = rows.with_columns(pl.col("source").replace(ALL, "all sources").alias("label"))
        line = limit if measure == "false links" else None
        alternative = extremes(rows.select("label", "rate"), f"Estimated {measure}")
        panels.append(Panel(measure, alternative, intervals(rows, limit=line)))
    legend = [("dot", "var(--blue)", "estimate and 95 % interval")]
    if limit is not None:
        legend.append(("line", "var(--ink)", f"limit on false links, {in_prose(limit)}"))
    if truth is not None:
        legend.append(("diamond", "var(--orange)", "true rate"))
    heads = {"low": "from", "high": "to", "of": "of links or records"}
    forms = {"cases": "{:,.0f}".format}
    tables = tuple(
        table(
            in_order(rates.filter(measure=measure))
            .drop("measure")
            .with_columns(pl.col("dimension", "group").replace(ALL, "")),
            f"Estimated {measure}, also by group",
            heads=heads | {"cases": "tested records it rests on"},
            forms=forms,
        )
        for measure in _MEASURES
    )
    return Figure("Estimated rates by source.", tuple(panels), tuple(legend), tables)


def _calibration(frame: pl.DataFrame) -> Figure:
    rows = frame.drop_nulls(["predicted", "observed"])
    inside = rows.filter(pl.col("predicted").is_between(pl.col("low"), pl.col("high"))).height
    alternative = (
        f"In {inside} of {rows.height} bands the predicted probability is within the interval of what was right."
    )
    numbers = table(frame, "Calibration", heads={"low": "right: from", "high": "right: to", "observed": "right"})
    return Figure(
        "Calibration: how often links of a predicted probability are right. Below the dashed line it is too sure.",
        (Panel("", alternative, calibration(rows)),),
        (("dot", "var(--blue)", "share that is right, and its 95 % interval"),),
        (numbers,),
    )


def thresholds_section(quality: Quality) -> Section | None:
    """Show how false and missed links would change with the threshold."""
    if quality.fallback is None or quality.fallback.curve.is_empty():
        return None
    curve = quality.fallback.curve
    panels = []
    for source in _all_first(curve["source"]):
        rows = curve.filter(source=source)
        chosen = rows.filter("chosen")
        at = "; ".join(
            f"accepted from {probability(threshold)}: {percent(wrong)} false, {percent(missed)} missed"
            for threshold, wrong, missed in chosen.select("threshold", "false_links", "missed_links").iter_rows()
        )
        named = rows.select(pl.col("threshold").round(4).cast(pl.String), "missed_links")
        spread = extremes(named, "Missed, by threshold")
        panels.append(Panel(_of(source), f"{spread} {at}", thresholds(rows)))
    legend = (
        ("line", "var(--red)", "false links"),
        ("line", "var(--blue)", "missed links"),
        ("dot", "var(--ink)", "where the threshold was chosen"),
    )
    numbers = table(curve, "Rates by threshold", forms={"threshold": probability})
    figure = Figure(
        "Estimated rates by the probability from which links are accepted.", tuple(panels), legend, (numbers,)
    )
    text = "A higher threshold makes fewer wrong links and misses more. Each axis has its own scale."
    return Section("thresholds", "At another threshold", (text,), (figure,))


def weights_section(quality: Quality) -> Section | None:
    """Show the match weights of accepted and of rejected candidates."""
    frame = quality.match_weights
    if frame.is_empty():
        return None
    bits = tuple(frame.select(pl.col("low").min(), pl.col("high").max()).row(0))
    panels = []
    for source in _all_first(frame["source"]):
        rows = frame.filter(source=source).drop_nulls("pairs")
        if rows.is_empty():
            continue
        said = ", ".join(
            f"{count(pairs)} {outcome}"
            for outcome, pairs in rows.group_by("outcome", maintain_order=True).agg(pl.col("pairs").sum()).iter_rows()
        )
        panels.append(Panel(_of(source), f"Pairs: {said}.", match_weights(rows, bits=bits)))
    form = "{:+.0f}".format
    heads = {"low": "from, bits", "high": "to, bits"}
    numbers = table(frame, "Candidates by match weight", heads=heads, forms={"low": form, "high": form})
    legend = tuple(("bar", colour, outcome) for outcome, colour in OUTCOME_COLOURS.items())
    figure = Figure(
        "Candidates of records without a usable number, by match weight.", tuple(panels), legend, (numbers,)
    )
    text = (
        "A candidate is a person that a record might be of. Its match weight adds up what its identifiers say: ten "
        "bits more are a thousand times the odds. Where accepted and rejected overlap, another candidate was better, "
        "or as good. Each upright axis has its own scale."
    )
    return Section("weights", "Match weights", (text,), (figure,))


def model_section(quality: Quality) -> Section | None:
    """Show the model as it was learned."""
    if quality.fallback is None or quality.fallback.model.is_empty():
        return None
    fallback = quality.fallback
    model = fallback.model
    panels = []
    of_all = model.filter(source=ALL)["weight"]
    bits = (min(_least(of_all), 0.0), max(-_least(-of_all), 0.0))
    for comparison in model["comparison"].unique(maintain_order=True):
        rows = model.filter(pl.max_horizontal("m", "u") > _NEVER_SEEN, source=ALL, comparison=comparison)
        if rows.height:
            most, least = (rows.sort("weight", descending=order).row(0, named=True) for order in (True, False))
            alternative = (
                f"From {weight(least['weight'])} bits ({least['level']}) to {weight(most['weight'])} ({most['level']})."
            )
            panels.append(Panel(in_words(comparison), alternative, model_weights(rows, bits=bits)))
    small = "{:.3g}".format
    forms = {"m": small, "u": small, "weight": weight, "m_learned": small, "m_open": small}
    tables = [table(model, "m, u and weight (bits) of each level, as learned", forms=forms)]
    if fallback.departures.height:
        heads = {"m_learned": "m, as learned", "m_open": "m of the records without a number"}
        tables.append(table(fallback.departures, "How the two kinds of records differ", heads=heads, forms=forms))
    if fallback.left_out.height:
        tables.append(table(fallback.left_out, "Blocks too large to be looked at", heads={"rule": "blocking rule"}))
    counts = pl.DataFrame(
        {"what": [in_words(name) for name in fallback.counts], "count": list(fallback.counts.values())},
        schema={"what": pl.String, "count": pl.Int64},
    )
    tables.append(table(counts, "What was compared and learned from"))
    text = (
        "m is how often an identifier agrees to that level in records of one person, u in records of two. The weight "
        "is their ratio, in bits. m is learned from records that carry a number, source by source. The charts are of "
        "all sources together, and leave out levels that were never seen; the tables have all of them."
    )
    legend = (("bar", "var(--blue)", "speaks for a link"), ("bar", "var(--red)", "speaks against it"))
    figure = Figure("Weights of each level of agreement.", tuple(panels), legend, tuple(tables))
    return Section("model", "The model, as learned", (text,), (figure,))


def _least(weights: pl.Series) -> float:
    return min(weights.drop_nulls(), default=0.0)


def _all_first(sources: pl.Series) -> list[str]:
    names = sources.unique(maintain_order=True).to_list()
    return sorted(names, key=lambda name: name != ALL)


def _of(source: str) -> str:
    return "all sources" if source == ALL else source
