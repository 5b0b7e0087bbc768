"""The colours of charts: visible against the page, and different for colour-blind readers too."""

import re
from importlib.resources import files
from itertools import combinations

import pytest

from linkcore.report.page.charts import METHOD_COLOURS, NUMBER_COLOURS, OUTCOME_COLOURS, WITHHELD_COLOURS

Colour = tuple[float, float, float]

# Machado, Oliveira and Fernandes 2009, at full severity; of linear RGB.
SEEN_BY = {
    "most": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopes": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopes": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritanopes": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}

STYLE = (files("linkcore.report.page.templates") / "report.html.j2").read_text("utf-8")
SCHEMES = [
    dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6});", block))
    for block in re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
]


def linear(code: str) -> Colour:
    parts = [int(code[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return red, green, blue


def luminance(colour: Colour) -> float:
    return 0.2126 * colour[0] + 0.7152 * colour[1] + 0.0722 * colour[2]


def lab(colour: Colour) -> Colour:
    """CIELAB, under D65."""
    red, green, blue = colour
    x = (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.9505
    z = (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.089
    f, g, h = (
        t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (max(x, 0), luminance(colour), max(z, 0))
    )
    return 116 * g - 16, 500 * (f - g), 200 * (g - h)


def seen(colour: Colour, by: str) -> Colour:
    red, green, blue = (min(1.0, max(0.0, sum(a * b for a, b in zip(row, colour, strict=True)))) for row in SEEN_BY[by])
    return lab((red, green, blue))


def names(colours: dict[str, str]) -> list[str]:
    return [colour.removeprefix("var(--").removesuffix(")") for colour in colours.values()]


def test_the_page_has_a_light_a_dark_and_a_print_scheme() -> None:
    assert len(SCHEMES) == 3
    assert len({scheme["page"] for scheme in SCHEMES}) == 2


@pytest.mark.parametrize("scheme", SCHEMES, ids=["light", "dark", "print"])
def test_each_colour_has_a_contrast_of_three_to_one_with_the_page(scheme: dict[str, str]) -> None:
    page = luminance(linear(scheme["page"]))
    for name in ("navy", "blue", "sky", "green", "orange", "red", "pale", "quiet"):
        darker, lighter = sorted((page, luminance(linear(scheme[name]))))
        assert (lighter + 0.05) / (darker + 0.05) >= 3, name


@pytest.mark.parametrize("by", SEEN_BY)
@pytest.mark.parametrize("scheme", SCHEMES, ids=["light", "dark", "print"])
def test_colours_of_one_chart_differ_for_colour_blind_readers_too(scheme: dict[str, str], by: str) -> None:
    weights = {"for": "blue", "against": "red"}
    for colours in (METHOD_COLOURS, NUMBER_COLOURS, OUTCOME_COLOURS, WITHHELD_COLOURS, weights):
        for one, other in combinations(names(dict(colours)), 2):
            apart = zip(seen(linear(scheme[one]), by), seen(linear(scheme[other]), by), strict=True)
            assert sum((a - b) ** 2 for a, b in apart) ** 0.5 >= 12, (one, other)
