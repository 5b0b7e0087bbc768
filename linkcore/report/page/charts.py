"""Charts: functions from the tables of a Quality to SVG text, drawn by Vega-Lite.

Colours are CSS custom properties of the page, so that one drawing serves light mode, dark mode and print. A panel is as
wide as a phone, and wide pages show several side by side. So text is never scaled down.
"""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import polars as pl

from linkcore.report.page.drawing import INK, QUIET, RULE, draw
from linkcore.report.page.words import HIDDEN, in_words, percent

__all__ = [
    "METHOD_COLOURS",
    "NUMBER_COLOURS",
    "OUTCOME_COLOURS",
    "WITHHELD_COLOURS",
    "bars",
    "calibration",
    "completeness",
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
        "decided": "var(--quiet)",
    }
)
"""Colours of the methods."""

NUMBER_COLOURS: Final[Mapping[str, str]] = MappingProxyType(
    {"usable": "var(--blue)", "conflict": "var(--red)", "not usable": "var(--orange)"}
)
"""Colours of what an NHS Number leads to."""

OUTCOME_COLOURS: Final[Mapping[str, str]] = MappingProxyType({"accepted": "var(--green)", "rejected": "var(--orange)"})
"""Colours of accepted and rejected candidates."""

WITHHELD_COLOURS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "may leave": "var(--blue)",
        "opted out": "var(--orange)",
        "cannot be looked up": "var(--navy)",
        "sensitive": "var(--red)",
    }
)
"""Colours of records that may leave and of those withheld."""

_WIDTH: Final = 310
_STEP: Final = 19
_LABELS: Final = 118
_ACCENT: Final = "var(--blue)"
_WARNING: Final = "var(--red)"
_PERCENT: Final = "~%"
_WHOLE: Final = "datum.value % 1 ? '' : format(abs(datum.value), ',d')"


def shares(frame: pl.DataFrame, part: str, colours: Mapping[str, str], *, width: int = _WIDTH) -> str:
    """Draw the parts of each source's records. ``frame`` has ``source``, ``records`` and the column of parts.

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
    """Draw the share of records with an identifier, and with a usable one, by source.

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
    """Draw the distribution of match weights of one source: accepted candidates upwards, rejected ones downwards.

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
    """Draw the weight of each level of one comparison.

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
                "mark": {"type": "rule", "color": RULE},
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

    ``frame`` has ``label``, ``rate``, ``low`` and ``high``. It may have ``flagged`` (drawn as a red square) and
    ``true`` (drawn as a diamond).

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
        line = {"type": "rule", "strokeDash": [4, 3], "color": INK}
        layer.append({"mark": line, "encoding": {"x": {"datum": limit}, "y": {"value": 0}, "y2": {"value": "height"}}})
    encoding = {"y": _names(frame["label"])}
    return draw(_panel(_WIDTH - _LABELS - 30) | {"encoding": encoding, "layer": layer}, data)


def calibration(frame: pl.DataFrame) -> str:
    """Draw predicted probabilities against the observed share of right links.

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
    line = {"type": "line", "strokeDash": [4, 3], "color": QUIET, "strokeWidth": 1}
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
    """Draw the rates of false and missed links of one source at other thresholds.

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
        below: dict[str, Any] = x["axis"] | ({"title": "threshold"} if is_last else {"labels": False})
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
    """Draw counts by label. A null count is not drawn.

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
