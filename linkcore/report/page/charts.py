"""Charts: pure functions from the tables of a Quality to SVG text, drawn by Vega-Lite.

Colours are the page's own (custom properties of CSS), so that one drawing serves light, dark and print. A panel is as
wide as a phone, and a page lays several out side by side: text is then never scaled down.
"""

import json
import math
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final
from xml.etree import ElementTree

import polars as pl

from linkcore.report.page.words import HIDDEN, in_words, percent

__all__ = [
    "METHOD_COLOURS",
    "NUMBER_COLOURS",
    "OUTCOME_COLOURS",
    "WITHHELD_COLOURS",
    "bars",
    "calibration",
    "completeness",
    "draw",
    "intervals",
    "match_weights",
    "model_weights",
    "shares",
    "thresholds",
]

METHOD_COLOURS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "spine": "var(--navy)",
        "nhs_number": "var(--blue)",
        "local_patient_id": "var(--sky)",
        "probabilistic": "var(--green)",
        "new_person": "var(--orange)",
        "unlinked": "var(--red)",
    }
)
"""Of the methods."""

NUMBER_COLOURS: Final[Mapping[str, str]] = MappingProxyType(
    {"usable": "var(--blue)", "conflict": "var(--red)", "not usable": "var(--orange)"}
)
"""Of what a record's NHS Number leads to."""

OUTCOME_COLOURS: Final[Mapping[str, str]] = MappingProxyType({"accepted": "var(--green)", "rejected": "var(--orange)"})
"""Of the fallback's candidates."""

WITHHELD_COLOURS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "may leave": "var(--blue)",
        "opted out": "var(--orange)",
        "cannot be looked up": "var(--navy)",
        "sensitive": "var(--red)",
    }
)
"""Of what is withheld, and of what is not."""

_WIDTH: Final = 310
_STEP: Final = 19
_LABELS: Final = 118
_INK, _QUIET, _RULE, _ACCENT, _WARNING = "var(--ink)", "var(--quiet)", "var(--rule)", "var(--blue)", "var(--red)"
# What cannot stand in XML, and what is two units of UTF-16: Vega cuts long labels between them.
_ILLEGIBLE: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd]")
# More digits than a screen can show.
_LONG: Final = re.compile(r"-?\d+\.\d{3,}(e-\d+)?")
_PERCENT: Final = "~%"
_WHOLE: Final = "datum.value % 1 ? '' : format(abs(datum.value), ',d')"

# Of the page's own text, so that labels have the room they need; the page's fonts are what is shown.
_CONFIG: Final = {
    "background": None,
    "font": "Arial, sans-serif",
    "padding": 3,
    "view": {"stroke": None},
    "axis": {
        "domain": False,
        "ticks": False,
        "gridColor": _RULE,
        "labelColor": _INK,
        "labelFontSize": 12,
        "labelPadding": 6,
        "titleColor": _QUIET,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titlePadding": 6,
    },
    "axisX": {"labelFlush": False, "labelOverlap": True, "labelSeparation": 12, "tickCount": 4},
    "axisBand": {"grid": False},
    "text": {"color": _INK, "fontSize": 12},
}


def shares(frame: pl.DataFrame, part: str, colours: Mapping[str, str], *, width: int = _WIDTH) -> str:
    """Draw, for each source, into which parts its records fall.

    ``frame``: ``source``, ``records`` and the column of parts; a null count is not drawn.

    Examples
    --------
    >>> flow = pl.DataFrame({"source": ["gp", "gp"], "number": ["usable", "conflict"], "records": [90, 10]})
    >>> shares(flow, "number", NUMBER_COLOURS).count("<path")
    2
    """
    order = pl.col(part).cast(pl.String).replace_strict({name: at for at, name in enumerate(colours)}, default=None)
    data = frame.drop_nulls("records").select("source", "records", pl.col(part).alias("part"), order.alias("order"))
    spec = _panel(width - _LABELS - 30) | {
        "mark": {"type": "bar", "height": 13},
        "encoding": {
            "y": _names(frame["source"]),
            "x": {
                "field": "records",
                "type": "quantitative",
                "stack": "normalize",
                "axis": {"format": _PERCENT, "title": None},
            },
            "color": _coloured("part", colours),
            "order": {"field": "order", "type": "quantitative"},
        },
    }
    return draw(spec, data)


def completeness(frame: pl.DataFrame) -> str:
    """Draw what share of each source's records has an identifier, and what share has one that can be used.

    ``frame``: the rows of ``completeness`` of one identifier.

    Examples
    --------
    >>> row = {"source": "gp", "identifier": "gender", "records": 100, "present": 99, "usable": 90}
    >>> "90.0 %" in completeness(pl.DataFrame([row]))
    True
    """
    share = pl.col("present", "usable") / pl.when(pl.col("records") > 0).then("records")
    said = pl.col("usable").map_elements(percent, return_dtype=pl.String, skip_nulls=False)
    hidden = pl.any_horizontal(pl.col("records", "present", "usable").is_null()).alias("hidden")
    data = frame.with_columns(share, hidden)
    data = data.with_columns(pl.when("hidden").then(pl.lit(HIDDEN)).otherwise(said).alias("said"))
    bar = {"type": "bar", "height": 13}

    def to(field: str, colour: str) -> dict[str, Any]:
        return {"mark": bar | {"color": colour}, "encoding": {"x": _share(field)}}

    number = {
        "mark": {"type": "text", "align": "right"},
        "encoding": {"x": {"value": 172}, "text": {"field": "said"}},
    }
    spec = _panel(112) | {
        "encoding": {"y": _names(frame["source"])},
        "layer": [to("present", "var(--pale)"), to("usable", _ACCENT), number],
    }
    return draw(spec, data)


def match_weights(frame: pl.DataFrame, *, bits: tuple[float, float] | None = None) -> str:
    """Draw how candidates are distributed over match weights: the accepted upwards, the rejected downwards.

    ``frame``: the rows of ``match_weights`` of one source.

    Examples
    --------
    >>> rows = [("gp", "accepted", 20.0, 22.0, 9), ("gp", "rejected", 2.0, 4.0, None)]
    >>> columns = ["source", "outcome", "low", "high", "pairs"]
    >>> match_weights(pl.DataFrame(rows, schema=columns, orient="row")).count("var(--green)")
    1
    """
    signed = pl.when(pl.col("outcome") == "rejected").then(-pl.col("pairs").cast(pl.Int64)).otherwise("pairs")
    spec = {
        "width": _WIDTH - 70,
        "height": 130,
        "mark": {"type": "bar", "binSpacing": 1},
        "encoding": {
            "x": {
                "field": "low",
                "type": "quantitative",
                "bin": {"binned": True},
                "scale": {} if bits is None else {"domain": list(bits)},
                "axis": {"title": "match weight, in bits", "tickCount": 6, "grid": False},
            },
            "x2": {"field": "high"},
            "y": {
                "field": "signed",
                "type": "quantitative",
                "stack": None,
                "axis": {
                    "title": None,
                    "labelExpr": "format(abs(datum.value), ',')",
                    "minExtent": 44,
                    "tickMinStep": 1,
                },
            },
            "color": _coloured("outcome", OUTCOME_COLOURS),
        },
    }
    return draw(spec, frame.drop_nulls("pairs").with_columns(signed.alias("signed")))


def model_weights(frame: pl.DataFrame, *, bits: tuple[float, float] | None = None) -> str:
    """Draw what each level of agreement of one comparison says for or against a link.

    ``frame``: the rows of ``model`` of one source and comparison.

    Examples
    --------
    >>> row = {"level": "Agrees", "weight": 9.5}
    >>> "Agrees (+9.5)" in model_weights(pl.DataFrame([row]))
    True
    """
    label = pl.format("{} ({})", "level", pl.col("weight").map_elements("{:+.1f}".format, return_dtype=pl.String))
    y = {"field": "level", "type": "nominal", "sort": None, "axis": None}
    colour = {"condition": {"test": "datum.weight < 0", "value": _WARNING}, "value": _ACCENT}
    x = {
        "field": "weight",
        "type": "quantitative",
        "scale": {} if bits is None else {"domain": list(bits)},
        "axis": {"title": "bits for (+) or against (−) a link", "grid": False},
    }
    spec = {
        "width": _WIDTH - 20,
        "height": {"step": 34},
        "encoding": {"y": y},
        "layer": [
            {"mark": {"type": "bar", "height": 10, "yOffset": 8}, "encoding": {"x": x, "color": colour}},
            {
                "mark": {"type": "rule", "color": _RULE},
                "encoding": {"x": {"datum": 0}, "y": {"value": 0}, "y2": {"value": "height"}},
            },
            {
                "mark": {"type": "text", "align": "left", "dy": -6, "fontSize": 11.5, "limit": _WIDTH - 10},
                "encoding": {"x": {"value": 0}, "text": {"field": "label"}},
            },
        ],
    }
    return draw(spec, frame.with_columns(label.alias("label")))


def intervals(frame: pl.DataFrame, *, limit: float | None = None, from_zero: bool = True) -> str:
    """Draw rates with their intervals.

    ``frame``: ``label``, ``rate``, ``low``, ``high``; where there are, ``flagged`` (Boolean), which is drawn as a red
    square, and ``true``, which is drawn as a diamond.

    Examples
    --------
    >>> drawn = intervals(pl.DataFrame({"label": ["gp"], "rate": [0.01], "low": [0.0], "high": [0.02]}), limit=0.002)
    >>> "stroke-dasharray" in drawn
    True
    """
    flagged = pl.col("flagged").fill_null(False) if "flagged" in frame.columns else pl.lit(False)
    data = frame.with_columns(flagged.alias("flagged"))
    known = frame["true"].drop_nulls().len() > 0 if "true" in frame.columns else False
    colour = {"condition": {"test": "datum.flagged", "value": _WARNING}, "value": _ACCENT}
    shape = {"condition": {"test": "datum.flagged", "value": "square"}, "value": "circle"}
    x = {
        "field": "rate",
        "type": "quantitative",
        "scale": {"zero": from_zero},
        "axis": {"format": _PERCENT, "title": None},
    }
    between = {"x": x | {"field": "low"}, "x2": {"field": "high"}, "color": colour}
    layer: list[dict[str, Any]] = [
        {"mark": {"type": "rule", "strokeWidth": 2.5}, "encoding": between},
        {
            "mark": {"type": "point", "filled": True, "opacity": 1, "size": 64},
            "encoding": {"x": x, "color": colour, "shape": shape},
        },
    ]
    if known:
        diamond = {"type": "point", "shape": "diamond", "size": 70, "strokeWidth": 2, "color": "var(--orange)"}
        layer.append({"mark": diamond, "encoding": {"x": x | {"field": "true"}}})
    if limit is not None:
        line = {"type": "rule", "strokeDash": [4, 3], "color": _INK}
        layer.append({"mark": line, "encoding": {"x": {"datum": limit}, "y": {"value": 0}, "y2": {"value": "height"}}})
    encoding = {"y": _names(frame["label"])}
    return draw(_panel(_WIDTH - _LABELS - 30) | {"encoding": encoding, "layer": layer}, data)


def calibration(frame: pl.DataFrame) -> str:
    """Draw predicted probabilities against how often they were right.

    ``frame``: ``calibration`` of a FallbackQuality.

    Examples
    --------
    >>> row = {"predicted": 0.9, "observed": 0.95, "low": 0.8, "high": 1.0}
    >>> "predicted" in calibration(pl.DataFrame([row]))
    True
    """
    whole = {"scale": {"domain": [0, 1]}, "type": "quantitative"}
    axis = {"format": _PERCENT, "tickCount": 5}
    x = whole | {"field": "predicted", "axis": axis | {"title": "predicted"}}
    y = whole | {"field": "observed", "axis": axis | {"title": "right"}}
    ends = pl.DataFrame({"predicted": [0.0, 1.0], "observed": [0.0, 1.0]}).to_dicts()
    line = {"type": "line", "strokeDash": [4, 3], "color": _QUIET, "strokeWidth": 1}
    spec = {
        "width": _WIDTH - 80,
        "height": _WIDTH - 75,
        "layer": [
            {"data": {"values": ends}, "mark": line, "encoding": {"x": x, "y": y}},
            {
                "mark": {"type": "rule", "color": _ACCENT, "strokeWidth": 2},
                "encoding": {"x": x, "y": y | {"field": "low"}, "y2": {"field": "high"}},
            },
            {
                "mark": {"type": "point", "filled": True, "opacity": 1, "color": _ACCENT, "size": 64},
                "encoding": {"x": x, "y": y},
            },
        ],
    }
    return draw(spec, frame)


def thresholds(frame: pl.DataFrame) -> str:
    """Draw false and missed links at other thresholds.

    ``frame``: the rows of ``curve`` of one source.

    Examples
    --------
    >>> rows = [(0.5, False, 0.01, 0.01), (0.9, True, 0.002, 0.03)]
    >>> columns = ["threshold", "chosen", "false_links", "missed_links"]
    >>> "missed links" in thresholds(pl.DataFrame(rows, schema=columns, orient="row"))
    True
    """
    nines = -(1 - pl.col("threshold").clip(0, 1 - 1e-9)).log(10)
    x: dict[str, Any] = {
        "field": "nines",
        "type": "quantitative",
        "scale": {"zero": False},
        "axis": {"values": [-math.log10(0.5), 1, 2, 3, 4, 5, 6], "title": None}
        | {"labelExpr": "format(1 - pow(10, -datum.value), '.6~r')", "grid": False, "labelOverlap": True},
    }

    def row(field: str, colour: str, *, is_last: bool) -> dict[str, Any]:
        title = {"title": in_words(field), "titleAngle": 0, "titleAlign": "left", "titleX": 0, "titleY": -8}
        axis: dict[str, Any] = {"format": _PERCENT, "tickCount": 3, "minExtent": 46, "titleAnchor": "start"}
        y = {"field": field, "type": "quantitative", "axis": axis | title}
        below: dict[str, Any] = x["axis"] | (
            {"title": "accepted from this probability on"} if is_last else {"labels": False}
        )
        line = {"type": "line", "color": colour, "strokeWidth": 2, "interpolate": "step-after"}
        dot = {"type": "point", "filled": True, "opacity": 1, "size": 80, "color": colour}
        return {
            "width": _WIDTH - 80,
            "height": 62,
            "encoding": {"x": x | {"axis": x["axis"] | below}, "y": y},
            "layer": [{"mark": line}, {"transform": [{"filter": "datum.chosen"}], "mark": dot}],
        }

    rows = [row("false_links", _WARNING, is_last=False), row("missed_links", _ACCENT, is_last=True)]
    return draw({"vconcat": rows, "spacing": 22}, frame.with_columns(nines.alias("nines")))


def bars(frame: pl.DataFrame, *, title: str) -> str:
    """Draw counts by label.

    ``frame``: ``label`` and ``count``; a null count is not drawn.

    Examples
    --------
    >>> "persons" in bars(pl.DataFrame({"label": ["1"], "count": [5]}), title="persons")
    True
    """
    x = {"field": "count", "type": "quantitative", "axis": {"title": title, "labelExpr": _WHOLE}}
    spec = _panel(_WIDTH - _LABELS - 30) | {
        "mark": {"type": "bar", "height": 13, "color": _ACCENT},
        "encoding": {"y": _names(frame["label"]), "x": x},
    }
    return draw(spec, frame)


def _panel(width: int) -> dict[str, Any]:
    return {"width": width, "height": {"step": _STEP}}


def _names(names: pl.Series) -> dict[str, Any]:
    axis = {"title": None, "minExtent": _LABELS, "maxExtent": _LABELS, "labelLimit": _LABELS - 8}
    field = "source" if names.name == "source" else "label"
    domain = names.unique(maintain_order=True).to_list()
    return {"field": field, "type": "nominal", "scale": {"domain": domain}, "axis": axis}


def _share(field: str) -> dict[str, Any]:
    scale, axis = {"domain": [0, 1]}, {"format": _PERCENT, "title": None, "tickCount": 2}
    return {"field": field, "type": "quantitative", "scale": scale, "axis": axis}


def _coloured(field: str, colours: Mapping[str, str]) -> dict[str, Any]:
    scale = {"domain": list(colours), "range": list(colours.values())}
    return {"field": field, "type": "nominal", "scale": scale, "legend": None}


def draw(spec: Mapping[str, Any], frame: pl.DataFrame | None = None) -> str:
    """Draw a chart.

    Returns An ``<svg>`` element that is as wide as it was drawn, or as its place on the page if that is narrower. What
    it shows has to be said beside it: the drawing itself says nothing to a screen reader.

    Examples
    --------
    >>> bar = {"mark": "bar", "encoding": {"x": {"field": "records", "type": "quantitative"}}}
    >>> draw(bar, pl.DataFrame({"records": [3]})).startswith("<svg viewBox=")
    True
    """
    import vl_convert

    data = {} if frame is None else {"data": {"values": frame.to_dicts()}}
    whole = {"$schema": "https://vega.github.io/schema/vega-lite/v6.json", "config": _CONFIG, **data, **spec}
    # No address may be read from: a source could be called like one.
    return _tidied(vl_convert.vegalite_to_svg(json.dumps(_legible(whole)), allowed_base_urls=[]))


def _legible(value: Any) -> Any:
    """Replace what the library cannot draw: it would stop the whole process over it."""
    if isinstance(value, str):
        return _ILLEGIBLE.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, Mapping):
        return {name: _legible(each) for name, each in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return [_legible(each) for each in value] if isinstance(value, list) else value


def _tidied(drawn: str) -> str:
    """Keep of a drawing what is seen: half of what Vega writes are marks for scripts and screen readers."""
    ElementTree.register_namespace("", "http://www.w3.org/2000/svg")
    svg = ElementTree.fromstring(drawn)  # noqa: S314 - Vega's own output
    for element in svg.iter():
        element.tag = element.tag.rpartition("}")[2]
        for name in list(element.attrib):
            if name in ("role", "class", "pointer-events", "font-family") or name.startswith("aria-"):
                del element.attrib[name]
        if element.attrib.get("opacity") == "1":
            del element.attrib["opacity"]
        for name in ("d", "transform", "x2", "y2"):
            if name in element.attrib:
                element.attrib[name] = _LONG.sub(lambda number: f"{float(number[0]):.2f}", element.attrib[name])
    for parent in list(svg.iter()):
        for child in list(parent):
            empty = child.tag == "path" and child.attrib.get("d", "") in ("", "M0,0h0v0h0Z")
            if empty or (child.tag == "path" and not {"fill", "stroke"} & child.attrib.keys()):
                parent.remove(child)
    width, height = svg.attrib["width"], svg.attrib["height"]
    svg.attrib.clear()
    svg.attrib |= {"viewBox": f"0 0 {width} {height}", "width": width, "height": height, "aria-hidden": "true"}
    return ElementTree.tostring(svg, encoding="unicode")
