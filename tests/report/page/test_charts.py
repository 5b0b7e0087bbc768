"""Charts: each draws the values of its table, leaves out suppressed ones, and shows any name as text."""

import re
from collections.abc import Callable
from xml.etree import ElementTree

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkcore.report.page import charts
from linkcore.report.page.flow_chart import flow_chart

HOSTILE = "</text><script>alert('1')</script>&\"{{7*7}}\x0b"

RATES = {"label": [HOSTILE, "b"], "rate": [0.1, 0.2], "low": [0.0, 0.1], "high": [0.2, 0.3], "flagged": [True, False]}
COMPLETENESS = {"source": [HOSTILE, "b"], "records": [10, 100], "present": [8, None], "usable": [5, 90]}

DRAWINGS: dict[str, Callable[[], str]] = {
    "shares": lambda: charts.shares(
        pl.DataFrame({"source": [HOSTILE] * 2, "number": ["usable", "conflict"], "records": [5, 9]}),
        "number",
        charts.NUMBER_COLOURS,
    ),
    "completeness": lambda: charts.completeness(pl.DataFrame(COMPLETENESS)),
    "intervals": lambda: charts.intervals(pl.DataFrame(RATES), limit=0.002),
    "bars": lambda: charts.bars(pl.DataFrame({"label": [HOSTILE], "count": [3]}), title="persons"),
    "model_weights": lambda: charts.model_weights(pl.DataFrame({"level": [HOSTILE], "weight": [-2.5]})),
    "flow_chart": lambda: flow_chart(
        pl.DataFrame({"source": [HOSTILE], "number": ["usable"], "method": ["unlinked"], "records": [8]}),
        {},
        width=600,
        sides=(100, 100),
    ),
}


def drawn(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def texts(svg: str) -> list[str]:
    return ["".join(element.itertext()) for element in drawn(svg).iter("text")]


def filled(svg: str, colour: str) -> list[str]:
    """The paths of one colour."""
    return [path.attrib["d"] for path in drawn(svg).iter("path") if path.attrib.get("fill") == colour]


def size(path: str) -> tuple[float, float]:
    """Width and height of a rectangle as Vega draws it."""
    across, down = re.fullmatch(r"M[-\d.]+,[-\d.]+h([-\d.]+)v([-\d.]+)h[-\d.]+Z", path).groups()  # type: ignore[union-attr]
    return abs(float(across)), abs(float(down))


@pytest.mark.parametrize("name", DRAWINGS)
def test_any_name_is_shown_as_text(name: str) -> None:
    svg = DRAWINGS[name]()
    assert "<script" not in svg
    assert any("script" in text or "…" in text for text in texts(svg))
    assert {element.tag for element in drawn(svg).iter()} <= {"svg", "g", "path", "line", "text"}


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_drawing_uses_the_width_colours_and_fonts_of_the_page(name: str) -> None:
    svg = DRAWINGS[name]()
    assert not re.search(r"#[0-9a-fA-F]{3}\b|rgb\(|font-family|https?:|url\(", svg)
    assert "var(--" in svg
    assert 'aria-hidden="true"' in svg


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), min_size=1, max_size=5, unique=True))
@settings(max_examples=20)
def test_any_text_can_be_drawn(names: list[str]) -> None:
    rate = [float("nan")] * len(names)
    assert drawn(charts.intervals(pl.DataFrame({"label": names, "rate": rate, "low": rate, "high": rate}))).tag == "svg"


def test_bars_are_as_long_as_the_shares_of_records() -> None:
    frame = pl.DataFrame(
        {"source": ["a", "a", "b", "b"], "number": ["usable", "conflict"] * 2, "records": [30, 10, 5, None]}
    )
    svg = charts.shares(frame, "number", charts.NUMBER_COLOURS)
    usable = sorted(size(path)[0] for path in filled(svg, "var(--blue)"))
    (conflict,) = (size(path)[0] for path in filled(svg, "var(--red)"))
    assert usable[0] / usable[1] == pytest.approx(0.75, rel=0.01)
    assert conflict / usable[0] == pytest.approx(10 / 30, rel=0.01)


def test_completeness_shows_usable_shares_and_hides_suppressed_ones() -> None:
    said = texts(charts.completeness(pl.DataFrame(COMPLETENESS)))
    assert "50.0 %" in said
    assert "*" in said
    assert "90.0 %" not in said
    assert "null" not in said


def test_match_weights_draw_accepted_pairs_upwards_and_rejected_ones_downwards() -> None:
    frame = pl.DataFrame(
        [("accepted", 20.0, 22.0, 12), ("rejected", 4.0, 6.0, 6), ("rejected", 6.0, 8.0, None)],
        schema=["outcome", "low", "high", "pairs"],
        orient="row",
    )
    svg = charts.match_weights(frame)
    (above,), (below,) = filled(svg, "var(--green)"), filled(svg, "var(--orange)")
    assert size(above)[1] / size(below)[1] == pytest.approx(2, rel=0.01)
    assert not [text for text in texts(svg) if text.startswith(("-", "−")) and "bits" not in text]


def test_flagged_and_true_rates_have_their_own_shapes() -> None:
    plain = charts.intervals(pl.DataFrame(RATES).drop("flagged"))
    assert "var(--red)" not in plain
    flagged = charts.intervals(pl.DataFrame(RATES))
    assert flagged.count("var(--red)") == 2  # its point, and its interval
    true = charts.intervals(pl.DataFrame(RATES).with_columns(true=pl.lit(0.15)))
    assert true.count("var(--orange)") == 2


def test_heights_of_the_flow_follow_its_records() -> None:
    flow = pl.DataFrame(
        [
            ("gp", "usable", "spine", 600),
            ("seen", "usable", "nhs_number", 300),
            ("seen", "not usable", "probabilistic", 100),
            ("seen", "not usable", "unlinked", None),
        ],
        schema=["source", "number", "method", "records"],
        orient="row",
    )
    totals = {"source": {"gp": 600, "seen": None}, "number": {}, "method": {"spine": 600}}
    svg = flow_chart(flow, totals, width=700, sides=(150, 150))
    nodes = {
        colour: [size(path)[1] for path in filled(svg, colour) if "C" not in path and "L" not in path]
        for colour in ("var(--navy)", "var(--green)", "var(--quiet)")
    }
    assert nodes["var(--navy)"][0] / nodes["var(--green)"][0] == pytest.approx(6, rel=0.01)
    assert nodes["var(--quiet)"][0] / nodes["var(--quiet)"][1] == pytest.approx(1.5, rel=0.01)
    said = texts(svg)
    assert "gp\N{EM SPACE}600" in said
    assert "seen\N{EM SPACE}*" in said
    assert "unlinked" not in "".join(said)
