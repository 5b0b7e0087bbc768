"""The report in a real browser without network: it loads nothing, and can be seen, read aloud and printed.

It is the machine's own Chromium (``apt-get install chromium``); where there is none, these tests are skipped.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

import linkcore as lc
from linkcore.governance.withholding.withholding import Withholding

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")

DESKTOP, PHONE = 1280, 375
OPTIONS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]

# Of each text that is seen: its colour, and the nearest background behind it.
COLOURS = """() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const known = new Map();
  const rgb = colour => {
    if (known.has(colour)) return known.get(colour);
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    known.set(colour, [...canvas.getImageData(0, 0, 1, 1).data]);
    return known.get(colour);
  };
  const found = new Map();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const colour = element.closest('svg') ? style.fill : style.color;
    let behind = element;
    while (behind && rgb(getComputedStyle(behind).backgroundColor)[3] < 255) behind = behind.parentElement;
    const background = behind ? getComputedStyle(behind).backgroundColor : 'white';
    found.set(colour + background, [rgb(colour), rgb(background), element.textContent.slice(0, 40)]);
  }
  return [...found.values()];
}"""

OPEN_ALL = "document.querySelectorAll('details').forEach(each => each.open = true)"

# Of each drawing that is not hidden: how large it is, and how much in it has a size.
DRAWINGS = """() => [...document.querySelectorAll('svg')].filter(svg => svg.checkVisibility()).map(svg => {
  const box = svg.getBoundingClientRect();
  const marks = [...svg.querySelectorAll('path, line, text')].map(mark => mark.getBoundingClientRect());
  return [box.width, box.height, marks.filter(mark => mark.width + mark.height > 0).length];
})"""


@pytest.fixture(scope="module")
def report(
    linkage: lc.Linkage,
    truth: pl.DataFrame,
    withholding: list[Withholding],
    type_one: pl.DataFrame,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    place = tmp_path_factory.mktemp("browser") / "report.html"
    also = {"withholding": withholding, "type_one": type_one}
    lc.write_report(linkage, place, truth=truth, previous=linkage.quality, **also)
    return place


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield browser
        browser.close()


@contextmanager
def opened(browser: "Browser", report: Path, width: int = DESKTOP, scheme: Any = "light") -> Iterator["Page"]:
    """Open the report with the network cut off; whatever it asks for or complains of is an error."""
    context = browser.new_context(offline=True, viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda sent: asked.append(sent.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(report.as_uri())
    yield page
    context.close()
    assert [url for url in asked if not url.startswith("data:")] == [report.as_uri()]
    assert complaints == []


def luminance(colour: list[int]) -> float:
    """Of WCAG 2.2."""
    parts = [part / 255 for part in colour[:3]]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: list[int], other: list[int]) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_follows_wcag() -> None:
    assert contrast([0, 0, 0], [255, 255, 255]) == pytest.approx(21)
    assert contrast([119, 119, 119], [255, 255, 255]) == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("width", [DESKTOP, PHONE])
def test_everything_is_drawn_within_the_width_of_the_page(browser: "Browser", report: Path, width: int) -> None:
    with opened(browser, report, width) as page:
        drawings: list[list[float]] = page.evaluate(DRAWINGS)
        assert len(drawings) > 20
        assert all(across > 100 and down > 20 and marks > 2 for across, down, marks in drawings)
        assert max(across for across, _, _ in drawings) <= width
        page.evaluate(OPEN_ALL)
        assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_enough_contrast(browser: "Browser", report: Path, scheme: str) -> None:
    with opened(browser, report, scheme=scheme) as page:
        page.evaluate(OPEN_ALL)
        colours: list[list[Any]] = page.evaluate(COLOURS)
    assert len(colours) > 3
    assert len({tuple(behind) for _, behind, _ in colours}) > 2
    assert not [(text, colour, behind) for colour, behind, text in colours if contrast(colour, behind) < 4.5]


def test_the_report_opens_quickly(browser: "Browser", report: Path) -> None:
    with opened(browser, report) as page:
        assert page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd") < 2000


def test_the_first_tab_key_skips_to_the_report(browser: "Browser", report: Path) -> None:
    with opened(browser, report) as page:
        page.keyboard.press("Tab")
        skip = page.locator(":focus")
        assert skip.inner_text() == "Skip to the report"
        box = skip.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        page.keyboard.press("Enter")
        assert page.evaluate("location.hash") == "#summary"
        summary = page.locator("summary").first
        summary.focus()
        page.keyboard.press("Enter")
        assert page.locator("details").first.evaluate("each => each.open")


def test_every_drawing_has_a_name_for_screen_readers(browser: "Browser", report: Path) -> None:
    with opened(browser, report) as page:
        assert page.get_by_role("navigation", name="Sections").count() == 1
        assert page.get_by_role("heading", level=1).count() == 1
        drawn = page.get_by_role("img")
        names: list[str | None] = drawn.evaluate_all("all => all.map(each => each.getAttribute('aria-label'))")
        assert len(names) > 20
        assert all(names)
        assert page.get_by_role("table", name="Records by source and method").count() == 1


def test_the_report_prints_on_a4_in_black_on_white(browser: "Browser", report: Path, tmp_path: Path) -> None:
    with opened(browser, report, scheme="dark") as page:
        page.emulate_media(media="print")
        assert not page.locator("nav").is_visible()
        assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        printed = page.pdf(path=tmp_path / "report.pdf", prefer_css_page_size=True, print_background=True)
        assert printed.startswith(b"%PDF")
        assert 5 <= printed.count(b"/Type /Page\n") <= 30
        assert b"/MediaBox [0 0 594.95" in printed or b"/MediaBox [0 0 595" in printed  # A4
