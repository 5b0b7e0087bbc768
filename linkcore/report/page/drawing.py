"""Drawing a Vega-Lite specification as SVG text."""

import json
import math
import re
from collections.abc import Mapping
from typing import Any, Final
from xml.etree import ElementTree

import polars as pl

from linkcore.plain_text import escaped

__all__ = ["INK", "QUIET", "RULE", "draw"]

INK: Final = "var(--ink)"
QUIET: Final = "var(--quiet)"
RULE: Final = "var(--rule)"

# Characters that XML does not allow, and those of two UTF-16 units, which Vega would cut in half.
_ILLEGIBLE: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd]")
# More digits than a screen can show.
_LONG: Final = re.compile(r"-?\d+\.\d{3,}(e-\d+)?")

# Close to the page's own fonts, so that labels get the room they need. The page's fonts are what is shown.
_CONFIG: Final = {
    "background": None,
    "font": "Arial, sans-serif",
    "padding": 3,
    "view": {"stroke": None},
    "axis": {
        "domain": False,
        "ticks": False,
        "gridColor": RULE,
        "labelColor": INK,
        "labelFontSize": 12,
        "labelPadding": 6,
        "titleColor": QUIET,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titlePadding": 6,
    },
    "axisX": {"labelFlush": False, "labelOverlap": True, "labelSeparation": 12, "tickCount": 4},
    "axisBand": {"grid": False},
    "text": {"color": INK, "fontSize": 12},
}


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
    """Replace characters that the library cannot draw, or that would turn text around. One could stop the process."""
    if isinstance(value, str):
        return _ILLEGIBLE.sub("\N{REPLACEMENT CHARACTER}", escaped(value))
    if isinstance(value, Mapping):
        return {name: _legible(each) for name, each in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return [_legible(each) for each in value] if isinstance(value, list) else value


def _tidied(drawn: str) -> str:
    """Keep only what is visible. Half of what Vega writes is for scripts and screen readers."""
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
