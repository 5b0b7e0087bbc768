"""A Quality at a glance: in a terminal and in a notebook."""

from io import StringIO

import pytest
from rich.console import Console

from linkcore.quality.disclosure.disclosed import disclosed
from linkcore.quality.measures import Quality
from linkcore.quality.page.headline import headline
from tests.quality.pages import read_page, tables


def test_print_and_rich_say_the_headline_and_every_source(quality: Quality) -> None:
    said = str(quality)
    page = StringIO()
    Console(file=page, width=400, color_system=None).print(quality)
    assert said.split() == page.getvalue().split()
    assert all(sentence in said for sentence in headline(quality))
    assert all(source in said for source in quality.records["source"])


def test_what_is_suppressed_is_a_star(quality: Quality) -> None:
    assert " * " in str(disclosed(quality))


@pytest.mark.parametrize("controlled", [False, True])
def test_a_notebook_shows_the_same_table(quality: Quality, controlled: bool) -> None:
    shown = disclosed(quality) if controlled else quality
    page = read_page(shown._repr_html_())
    rows = tables(page)["Records by source and method"][1:]
    assert [row[0] for row in rows][:-1] == quality.records["source"].unique(maintain_order=True).to_list()
    assert ("Trusted team only" in page.text) is not controlled
    assert not page.all("script", "style", "link")
