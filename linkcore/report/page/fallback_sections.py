"""Report sections on probabilistic linkage: how good its links are, how that is known, and its model."""

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
from linkcore.report.page.concerns import false_link_limit
from linkcore.report.page.sections import Figure, Panel, Section, Table, extremes, in_order, table, weight
from linkcore.report.page.words import (
    count,
    in_prose,
    in_words,
    model_use_in_words,
    percent,
    probability,
    weights_in_words,
)
from linkcore.schema import ALL

__all__ = ["estimates_section", "model_section", "thresholds_section", "weights_section"]

_MEASURES = ("false links", "missed links")
_BASES = {
    "own": "tests on its own records",
    "pooled": "tests on all sources",
    "expected": "what the probabilities predict; too few tests to certify",
    "seen": "what the tests saw; too few to certify",
    "given": "the settings",
    "no labels": "no test: 0.5 or more",
}
# A level with m and u below this was never observed, so its weight means nothing.
_NEVER_SEEN = 1e-6


def estimates_section(quality: Quality) -> Section | None:
    """Show the estimated rates of false and missed links, with the true rates where they are known."""
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
        "pi": "share whose person is listed",
        "accept": "linked from probability",
        "basis": "threshold chosen by",
        "hidden": "records in the test",
    }
    forms = {"accept": probability}
    parts.append(table(accepted, "Records without a usable number, by source", heads=heads, forms=forms))
    if fallback.calibration.height:
        parts.append(_calibration(fallback.calibration))
    if fallback.candidates.height:
        heads = {"usable_identifiers": "usable identifiers", "found": "compared with their person"}
        caption = "Blocking, counted in the test: records that were compared with their person"
        tables = [table(fallback.candidates, caption, heads=heads)]
        if fallback.blocking.height:
            heads = {
                "rate": "compared with their person",
                "low": "from",
                "high": "to",
                "cases": "tested records behind it",
            }
            caption = "Blocking, estimated for the records without a usable number: those compared with their person"
            tables.append(table(fallback.blocking, caption, heads=heads, forms={"cases": "{:,.0f}".format}))
        parts.append(Figure(_blocking_in_words(fallback.blocking), (), (), tuple(tables)))
    return Section(
        "estimates", "How many links are wrong and how many are missed", _method(quality, limit), tuple(parts)
    )


def _blocking_in_words(blocking: pl.DataFrame) -> str:
    """Say how many records blocking pairs with their person, over all sources."""
    of_all = blocking.filter(source=ALL).drop_nulls(["rate", "low", "high"])
    for rate, low, high in of_all.select("rate", "low", "high").iter_rows():
        return (
            f"Of the records without a usable number whose person is listed, {percent(rate)} ({percent(low)} to "
            f"{percent(high)}) were compared with that person. The others cannot be linked, whatever the threshold."
        )
    return ""


def _method(quality: Quality, limit: float | None) -> tuple[str, ...]:
    used = "" if quality.fallback is None else model_use_in_words(quality.fallback.model_use)
    aim = ""
    if limit is not None:
        aim = f" such that at most {in_prose(limit)} of the links of a source are wrong, or half a link of few"
    return (
        "This section is about links made without a usable NHS Number. A run that learns tests itself: it hides the "
        "NHS Number of some records that have one, and links them again, once with their person listed and once "
        "without. The model is not trained on these records. One half of them chooses the threshold, the probability "
        f"from which a link is accepted,{aim}. The other half gives the rates below and their 95 % intervals. It is "
        "weighted to resemble the records without a number.",
        "False links are a share of the links made (1 − precision). Missed links are a share of the records whose "
        "person is listed (1 − recall): the records that are expected to have a listed person, less the links made to "
        "the right one. An interval is where the rate lies with 95 % confidence. How many links or records of this run "
        "are wrong or missed is a count, and has a range of its own.",
        *([used] if used else ()),
    )


def _rates(rates: pl.DataFrame, truth: pl.DataFrame | None, limit: float | None) -> Figure:
    panels = []
    of_sources = rates.filter(dimension=ALL)
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
        legend.append(("line", "var(--ink)", f"limit on false links: {in_prose(limit)}"))
    if truth is not None:
        legend.append(("diamond", "var(--orange)", "true rate"))
    heads = {"low": "from", "high": "to", "of": "of links or records"}
    heads |= {"fewest": "in this run: from", "most": "in this run: to"}
    forms = {"cases": "{:,.0f}".format}
    tables = tuple(
        table(
            in_order(rates.filter(measure=measure))
            .drop("measure")
            .with_columns(pl.col("dimension", "group").replace(ALL, "")),
            f"Estimated {measure}, also by group",
            heads=heads | {"cases": "tested records behind it"},
            forms=forms,
        )
        for measure in _MEASURES
    )
    return Figure("Estimated rates by source.", tuple(panels), tuple(legend), tables)


def _calibration(frame: pl.DataFrame) -> Figure:
    rows = frame.drop_nulls(["predicted", "observed"])
    inside = rows.filter(pl.col("predicted").is_between(pl.col("low"), pl.col("high"))).height
    alternative = (
        f"In {inside} of {rows.height} bands the predicted probability lies in the interval of the observed share."
    )
    numbers = table(frame, "Calibration", heads={"low": "right: from", "high": "right: to", "observed": "right"})
    return Figure(
        "Calibration: how often links of a predicted probability are right. Below the dashed line, predictions are too "
        "high.",
        (Panel("", alternative, calibration(rows)),),
        (("dot", "var(--blue)", "share of right links and its 95 % interval"),),
        (numbers,),
    )


def thresholds_section(quality: Quality) -> Section | None:
    """Show the rates of false and missed links at other thresholds."""
    if quality.fallback is None or quality.fallback.curve.is_empty():
        return None
    curve = quality.fallback.curve
    panels = []
    for source in _all_first(curve["source"]):
        rows = curve.filter(source=source)
        chosen = rows.filter("chosen")
        at = "; ".join(
            f"linked from {probability(threshold)}: {percent(wrong)} false, {percent(missed)} missed"
            for threshold, wrong, missed in chosen.select("threshold", "false_links", "missed_links").iter_rows()
        )
        named = rows.select(pl.col("threshold").round(4).cast(pl.String), "missed_links")
        spread = extremes(named, "Missed, by threshold")
        panels.append(Panel(_of(source), f"{spread} {at}", thresholds(rows)))
    legend = (
        ("line", "var(--red)", "false links"),
        ("line", "var(--blue)", "missed links"),
        ("dot", "var(--ink)", "the threshold in use"),
    )
    numbers = table(curve, "Rates by threshold", forms={"threshold": probability})
    figure = Figure(
        "Estimated rates by threshold: the probability from which links are accepted.",
        tuple(panels),
        legend,
        (numbers,),
    )
    text = "A higher threshold gives fewer wrong links and more missed ones. Each axis has its own scale."
    return Section("thresholds", "Other thresholds", (text,), (figure,))


def weights_section(quality: Quality) -> Section | None:
    """Show the match weights of accepted and rejected candidates."""
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
        "A candidate is a person to whom a record might belong. The match weight adds up the evidence of all "
        "identifiers. Ten bits more mean odds a thousand times higher. Where accepted and rejected candidates overlap, "
        "another candidate was as good or better. Each vertical axis has its own scale."
    )
    return Section("weights", "Match weights", (text,), (figure,))


def model_section(quality: Quality) -> Section | None:
    """Show the learned model."""
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
        heads = {"m_learned": "m learned", "m_open": "m of records without a number"}
        tables.append(
            table(
                fallback.departures,
                "Records without a number against training records",
                heads=heads,
                forms=forms,
            )
        )
    if fallback.left_out.height:
        tables.append(table(fallback.left_out, "Blocks too large to compare", heads={"rule": "blocking rule"}))
    counts = pl.DataFrame(
        {"what": [in_words(name) for name in fallback.counts], "count": list(fallback.counts.values())},
        schema={"what": pl.String, "count": pl.Int64},
    )
    tables.append(table(counts, "Records and pairs compared, and labels learned from"))
    text = (
        "m is how often two records of the same person reach a level of agreement; u is how often records of two "
        f"people do. The weight is log2(m / u), in bits. {_learned_in_words(quality)} The charts show all sources "
        "together and leave out levels that were never observed. The tables show every level."
    )
    weighed = weights_in_words(fallback.weights)
    legend = (("bar", "var(--blue)", "evidence for a link"), ("bar", "var(--red)", "evidence against a link"))
    figure = Figure("Weight of each level of agreement.", tuple(panels), legend, tuple(tables))
    return Section("model", "The learned model", (text, weighed), (figure,))


def _learned_in_words(quality: Quality) -> str:
    settings = quality.run.settings.get("probabilistic") or {}
    if settings.get("model") == "given":
        return "This model was given, and nothing was learned."
    stated = "What the given model does not state" if settings.get("model") != "learned" else "m"
    return f"{stated} is learned from records with an NHS Number, source by source; without such, from all pairs."


def _least(weights: pl.Series) -> float:
    return min(weights.drop_nulls(), default=0.0)


def _all_first(sources: pl.Series) -> list[str]:
    names = sources.unique(maintain_order=True).to_list()
    return sorted(names, key=lambda name: name != ALL)


def _of(source: str) -> str:
    return "all sources" if source == ALL else source
