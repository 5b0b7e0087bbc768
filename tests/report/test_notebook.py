"""A short view of the quality: in a terminal and in a notebook."""

import linkcore as lc
from linkcore.disclosure.disclosed import disclosed
from linkcore.quality.measures import Quality
from linkcore.report.drift import compared
from linkcore.report.notebook import in_notebook, in_terminal
from linkcore.report.page.headline import headline
from linkcore.schema import METHOD
from tests.report.pages import read_page, tables


def test_print_shows_the_headline_and_every_source(quality: Quality) -> None:
    said = in_terminal(quality)
    assert all(sentence in said for sentence in headline(quality))
    assert all(source in said for source in quality.records["source"])


def test_a_suppressed_count_is_shown_as_a_star(quality: Quality) -> None:
    assert " * " in in_terminal(disclosed(quality))


def test_a_notebook_shows_every_small_count_as_a_star(linkage: lc.Linkage) -> None:
    page = read_page(linkage._repr_html_())
    rows = tables(page)["Records by source and method"][1:]
    sources = [source.name for source in linkage.sources]
    assert [row[0] for row in rows] == [*sources, "all sources"]
    true = linkage.links.group_by("source", "method").len().sort("source", "method").rows()
    shown = dict(zip(sources, rows, strict=False))
    methods = sorted({method for _, method, _ in true}, key=METHOD.categories.to_list().index)
    small = [(source, methods.index(method) + 1) for source, method, count in true if count < 8]
    assert small
    assert all(shown[source][column] == "*" for source, column in small)
    assert all(cell == "*" or int(cell.replace(",", "")) % 5 == 0 for row in rows for cell in row[1:])
    assert not page.all("script", "style", "link")


def test_a_notebook_shows_true_counts_only_as_disclosed_ones(quality: Quality) -> None:
    shown = in_notebook(disclosed(quality))
    assert in_notebook(quality) == shown
    assert in_notebook(compared(quality, quality)) == shown


def test_repr_of_a_quality_has_no_count(linkage: lc.Linkage) -> None:
    quality = linkage.quality
    sources = ", ".join(source.name for source in linkage.sources)
    assert repr(quality) == f"Quality({sources})"
    assert repr(quality.fallback) == f"FallbackQuality({quality.fallback.sources.height} sources)"
