"""The flow of records as a Sankey diagram: from each source, through its NHS Number, to how it was linked.

Vega-Lite has no Sankey diagram. So the positions of nodes and ribbons are calculated here, and Vega-Lite draws them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import polars as pl

from linkcore.report.page.charts import METHOD_COLOURS, NUMBER_COLOURS
from linkcore.report.page.drawing import draw
from linkcore.report.page.words import METHODS, count

__all__ = ["flow_chart"]

_HEIGHT: Final = 300
_NODE: Final = 10
# A label fits beside each node, however few its records, and a flow of few records stays visible.
_LABEL: Final = 19
_THINNEST: Final = 0.8
_SAMPLES: Final = [sample / 12 for sample in range(13)]
_NUMBERS: Final[Mapping[str, str]] = {
    "usable": "number usable",
    "conflict": "conflict",
    "not usable": "not usable",
}


@dataclass(frozen=True)
class _Node:
    """One node of the diagram, and its position."""

    name: str
    label: str
    colour: str
    top: float
    height: float


def flow_chart(
    flow: pl.DataFrame,
    totals: Mapping[str, Mapping[str, int | None]],
    *,
    stops: Sequence[str] = ("source", "number", "method"),
    width: int,
    sides: tuple[int, int],
) -> str:
    r"""Draw the flow of records. A null count is not drawn.

    Examples
    --------
    >>> flow = pl.DataFrame({"source": ["gp", "gp"], "number": ["usable", "not usable"],
    ...                      "method": ["spine", "unlinked"], "records": [1900, 100]})
    >>> totals = {"number": {"usable": 1900, "not usable": 100}, "method": {"spine": 1900, "unlinked": None}}
    >>> drawn = flow_chart(flow, totals, width=700, sides=(180, 180))
    >>> "number usable\N{EM SPACE}1,900" in drawn, "unlinked\N{EM SPACE}*" in drawn
    (True, True)
    """
    flow = flow.drop_nulls("records").filter(pl.col("records") > 0).with_columns(pl.col("method").cast(pl.String))
    if flow.is_empty():
        return draw({"mark": "bar", "width": width, "height": 1}, pl.DataFrame({"nothing": [0]}))
    looks: Mapping[str, Mapping[str, tuple[str, str]]] = {
        "source": {name: (name, "var(--quiet)") for name in flow["source"].unique(maintain_order=True)},
        "number": {name: (label, NUMBER_COLOURS[name]) for name, label in _NUMBERS.items()},
        "method": {name: (label, METHOD_COLOURS[name]) for name, label in METHODS.items()},
    }
    scale = _HEIGHT / int(flow["records"].sum())
    drawn = [dict(flow.group_by(stop, maintain_order=True).agg(pl.col("records").sum()).iter_rows()) for stop in stops]
    height = max(sum(max(records * scale + 4, _LABEL) for records in column.values()) for column in drawn)
    columns = [
        _column(
            {name: of[name] for name in looks[stop] if name in of}, looks[stop], totals.get(stop, {}), scale, height
        )
        for stop, of in zip(stops, drawn, strict=True)
    ]
    between = (width - sum(sides) - _NODE) / (len(stops) - 1)
    # Nodes in the middle have their labels on the right and need more room there.
    lefts = [sides[0] + between * at - (0.1 * between if 0 < at < len(stops) - 1 else 0) for at in range(len(stops))]
    ribbons: list[dict[str, Any]] = []
    for at, (left, right) in enumerate(pairwise(stops)):
        pairs = {
            (a, b): records
            for a, b, records in flow.group_by(left, right, maintain_order=True).agg(pl.col("records").sum()).rows()
        }
        ends = (lefts[at] + _NODE, lefts[at + 1])
        ribbons += _ribbons(pairs, columns[at], columns[at + 1], ends, scale, stage=at)
    return draw(_spec(ribbons, columns, lefts, width, height))


def _column(
    records: Mapping[str, int],
    looks: Mapping[str, tuple[str, str]],
    totals: Mapping[str, int | None],
    scale: float,
    height: float,
) -> list[_Node]:
    """Place the nodes of a column one below the other, over the whole height."""
    slots = [max(number * scale + 4, _LABEL) for number in records.values()]
    space = (height - sum(slots)) / len(slots)
    top, nodes = 0.0, []
    for (name, number), slot in zip(records.items(), slots, strict=True):
        thick = max(number * scale, 2)
        label, colour = looks[name]
        if name in totals:
            label = f"{label}\N{EM SPACE}{count(totals[name])}"
        nodes.append(_Node(name, label, colour, top + (slot + space - thick) / 2, thick))
        top += slot + space
    return nodes


def _ribbons(
    between: Mapping[tuple[str, str], int],
    lefts: Sequence[_Node],
    rights: Sequence[_Node],
    ends: tuple[float, float],
    scale: float,
    *,
    stage: int,
) -> list[dict[str, Any]]:
    """Return the outline of each ribbon. The ribbons of a node are in the order of their other ends."""
    points: list[dict[str, Any]] = []
    arrived = {node.name: node.top for node in rights}
    for left in lefts:
        leaves = left.top
        for right in rights:
            records = between.get((left.name, right.name), 0)
            if not records:
                continue
            thick = records * scale
            for share in _SAMPLES:
                bend = share * share * (3 - 2 * share)
                y = leaves + (arrived[right.name] - leaves) * bend
                points.append(
                    {
                        "ribbon": f"{stage} {left.name} {right.name}",
                        "colour": right.colour,
                        "x": round(ends[0] + (ends[1] - ends[0]) * share, 1),
                        "y": round(y, 2),
                        "y2": round(y + max(thick, _THINNEST), 2),
                    }
                )
            leaves += thick
            arrived[right.name] += thick
    return points


def _spec(
    ribbons: Sequence[Mapping[str, Any]],
    columns: Sequence[Sequence[_Node]],
    lefts: Sequence[float],
    width: int,
    height: float,
) -> dict[str, Any]:
    def place(field: str, whole: float) -> dict[str, Any]:
        scale = {"domain": [0, whole], "nice": False, "zero": False, "reverse": field == "y"}
        return {"field": field, "type": "quantitative", "scale": scale, "axis": None, "stack": None}

    rows = [
        {"x": left, "x2": left + _NODE, "y": node.top, "y2": node.top + node.height, "colour": node.colour}
        | {"middle": node.top + node.height / 2, "text": node.label, "column": at}
        for at, (left, column) in enumerate(zip(lefts, columns, strict=True))
        for node in column
    ]
    colour = {"field": "colour", "type": "nominal", "scale": None}
    x, y = place("x", width), place("y", height)

    def labels(column: int, *, right_of: bool) -> dict[str, Any]:
        at = {"field": "x2" if right_of else "x"}
        mark = {"type": "text", "align": "left" if right_of else "right", "dx": 6 if right_of else -6, "limit": 176}
        return {
            "data": {"values": [row for row in rows if row["column"] == column]},
            "mark": mark | {"baseline": "middle"},
            "encoding": {"x": x | at, "y": y | {"field": "middle"}, "text": {"field": "text"}},
        }

    return {
        "width": width - 6,
        "height": round(height),
        "layer": [
            {
                "data": {"values": list(ribbons)},
                "mark": {"type": "area", "orient": "vertical", "fillOpacity": 0.5},
                "encoding": {"x": x, "y": y, "y2": {"field": "y2"}, "color": colour, "detail": {"field": "ribbon"}},
            },
            {
                "data": {"values": rows},
                "mark": "rect",
                "encoding": {"x": x, "x2": {"field": "x2"}, "y": y, "y2": {"field": "y2"}, "color": colour},
            },
            *(labels(column, right_of=column > 0) for column in range(len(columns))),
        ],
    }
