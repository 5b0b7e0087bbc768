"""The report: its numbers are right, it identifies nobody, and it is a valid page whatever names it holds."""

import json
import re
from collections import Counter
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import linkcore as lc
from linkcore.disclosure.disclosed import disclosed
from linkcore.governance.withholding.withholding import Withholding
from linkcore.quality.measures import FallbackQuality, Quality
from linkcore.quality.tables import ANY_REASON, NOT_WITHHELD
from linkcore.report.page.render import render
from linkcore.report.page.words import METHODS, NOTHING, REASONS
from linkcore.report.quality_file import read_quality
from linkcore.report.write import with_withholding
from linkcore.schema import ALL
from tests.report.pages import Element, read_page, tables

HOSTILE = "</td></svg><script>alert('1')</script><img src=x onerror=alert(2)>\"{{7*7}}&amp;\x00\x0b"


@pytest.fixture(scope="module")
def trusted_html(quality: Quality) -> str:
    return render(quality)


@pytest.fixture(scope="module")
def trusted(trusted_html: str) -> Element:
    return read_page(trusted_html)


@pytest.fixture(scope="module")
def shown(
    linkage: lc.Linkage,
    truth: pl.DataFrame,
    withholding: list[Withholding],
    type_one: pl.DataFrame,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A disclosed report with the truth and withheld records, compared with an earlier run."""
    folder = tmp_path_factory.mktemp("report")
    place = folder / "report.html"
    also = {"withholding": withholding, "type_one": type_one}
    lc.write_report(linkage, place, truth=truth, previous=linkage.quality, **also)
    return folder


@pytest.fixture(scope="module")
def page(shown: Path) -> Element:
    return read_page((shown / "report.html").read_text("utf-8"))


# --- Numbers ---------------------------------------------------------------------------------------------------------


def test_page_file_and_tables_agree_with_a_count_of_the_links(
    linkage: lc.Linkage, quality: Quality, trusted_html: str, trusted: Element, tmp_path: Path
) -> None:
    counted = Counter((source, method) for source, method in linkage.links.select("source", "method").iter_rows())
    lc.write_report(linkage, tmp_path / "report.html", trusted=True)
    assert (tmp_path / "report.html").read_text("utf-8") == trusted_html
    stated = json.loads((tmp_path / "quality.json").read_text("utf-8"))["tables"]["records"]
    in_file = {(row["source"], row["method"]): row["records"] for row in stated if row["records"]}
    head, *rows = tables(trusted)["Records by source and method"]
    code = {words: method for method, words in METHODS.items()}
    on_page = {
        (row[0], code[name]): int(cell.replace(",", ""))
        for row in rows
        for name, cell in zip(head, row, strict=True)
        if name in code and row[0] != "all sources" and cell != "0"
    }
    in_table = {(source, method): records for source, method, records in quality.records.iter_rows() if records}
    assert on_page == in_file == in_table == dict(counted)
    total = rows[-1][head.index("records")]
    assert int(total.replace(",", "")) == linkage.links.height


def test_the_flow_on_the_page_has_every_record(linkage: lc.Linkage, trusted: Element) -> None:
    rows = tables(trusted)["Every record, once"][1:]
    assert sum(int(row[-1].replace(",", "")) for row in rows) == linkage.links.height


def on_page(page: Element, purpose: str) -> dict[tuple[str, str], str]:
    """Cells of the table of one purpose, by source and reason."""
    head, *rows = tables(page)[f"Releases for {purpose}"]
    code = {words: reason for reason, words in REASONS.items()} | {"may leave": NOT_WITHHELD, "withheld": ANY_REASON}
    return {
        (ALL if row[0] == "all sources" else row[0], code.get(name, name)): cell.replace(",", "")
        for row in rows
        for name, cell in zip(head[1:], row[1:], strict=True)
        if cell != NOTHING
    }


def test_withheld_counts_on_page_and_in_file_agree_with_a_count_of_kept_records(
    linkage: lc.Linkage, withholding: list[Withholding], type_one: pl.DataFrame, tmp_path: Path
) -> None:
    lc.write_report(linkage, tmp_path / "report.html", withholding=withholding, type_one=type_one, trusted=True)
    page = read_page((tmp_path / "report.html").read_text("utf-8"))
    stated = json.loads((tmp_path / "quality.json").read_text("utf-8"))["tables"]
    told = with_withholding(linkage.quality, withholding, type_one)
    for each in withholding:
        counted = {(source, NOT_WITHHELD): sum(kept) for source, kept in each.kept.items()}
        counted |= {(source, ANY_REASON): len(kept) - sum(kept) for source, kept in each.kept.items()}
        counted |= {(source, reason): records for source, reason, records in each.counts.iter_rows()}
        totals: Counter[tuple[str, str]] = Counter()
        for (_, reason), records in counted.items():
            totals[ALL, reason] += records
        in_file = {
            (row["source"], row["reason"]): row["records"]
            for row in stated["withheld"]
            if row["purpose"] == each.purpose
        }
        in_table = {(source, why): n for _, source, why, n in told.withheld.filter(purpose=each.purpose).iter_rows()}
        assert in_table == in_file == counted | totals
        of_sources = dict(told.by_method().select("source", "records").iter_rows())
        expected = in_table | {(source, "records"): records for source, records in of_sources.items()}
        assert on_page(page, each.purpose) == {key: str(count) for key, count in expected.items()}
        (said,) = [each.text for each in page.all("p") if each.text.startswith("Of all records, ")]
        assert f"{totals[ALL, ANY_REASON]:,} (" in said
    assert tables(page)["Rows dropped when read, by practice"][-1] == ["all sources", "all", "43"]


def test_withheld_counts_are_under_disclosure_control_on_page_and_in_file(shown: Path, page: Element) -> None:
    told = read_quality(shown / "quality.json")
    for purpose in ("planning", "finding cases"):
        rows = told.withheld.filter(purpose=purpose).select("source", "reason", "records").iter_rows()
        stated = {(source, why): "* suppressed" if n is None else str(n) for source, why, n in rows}
        assert {key: cell for key, cell in on_page(page, purpose).items() if key[1] != "records"} == stated
        assert "* suppressed" in stated.values()


def test_the_report_shows_each_basis_and_the_exemption(withholding: list[Withholding], page: Element) -> None:
    for each in withholding:
        assert tables(page)[f"Releases for {each.purpose} on {each.on}: basis"][1:] == [
            [REASONS[kind], basis.replace("; 3 of them", "; some of them")] for kind, basis in each.basis.items()
        ]
    assert "exempt for 'finding cases': legal_duty: a direction of 2026" in page.text


def test_a_disclosed_report_and_its_file_agree(shown: Path, page: Element) -> None:
    quality = read_quality(shown / "quality.json")
    assert quality.disclosed
    rows = tables(page)["Every record, once"][1:]
    told = [None if row[-1].startswith("*") else int(row[-1].replace(",", "")) for row in rows]
    assert told == quality.flow["records"].to_list()
    assert None in told


# --- What it does not show -----------------------------------------------------------------------------------------


def test_a_disclosed_report_has_no_small_count(page: Element) -> None:
    columns = {"records", "conflicts", "present", "usable", "persons", "pairs", "links", "linked", "compared", "count"}
    cells = [
        cell
        for head, *rows in tables(page).values()
        for row in rows
        for name, cell in zip(head, row, strict=True)
        if name in columns and cell.replace(",", "").isdigit()
    ]
    assert len(cells) > 100
    assert not [cell for cell in cells if 0 < int(cell.replace(",", "")) < 8 or int(cell.replace(",", "")) % 5]
    assert "* suppressed" in page.text
    assert "Counts from 1 to 7 are suppressed" in page.text


def test_only_a_report_with_true_counts_is_marked_for_the_trusted_team(page: Element, trusted: Element) -> None:
    assert "Trusted team only" in trusted.text
    assert "Trusted team only" not in page.text
    assert "trusted team only" in trusted.all("title")[0].text


def test_the_report_has_no_name_nhs_number_or_record_id(linkage: lc.Linkage, trusted: Element) -> None:
    text = trusted.text
    numbers = {str(number) for number in linkage.persons["nhs_number"].drop_nulls()}
    assert numbers
    assert not numbers & set(re.findall(r"\d{10}", re.sub(r"[ ,]", "", text)))
    words = set(re.findall(r"[A-Z]{4,}", text))
    names = {name for column in ("given_name", "family_name") for name in linkage.persons[column].drop_nulls()}
    assert not words & names
    ids = {each for each in linkage.links["record_id"] if not each.isdigit()}
    assert ids
    assert not {each for each in ids if each in text}


# --- A valid page ----------------------------------------------------------------------------------------------------


def test_the_page_loads_nothing_from_elsewhere(shown: Path, page: Element) -> None:
    html = (shown / "report.html").read_text("utf-8")
    assert not page.all("script", "iframe", "object", "embed", "img", "form", "base")
    assert {link.attributes["href"] for link in page.all("link")} == {"data:,"}
    assert all((link.attributes["href"] or "").startswith("#") for link in page.all("a"))
    assert not re.search(r"https?:|@import|url\(", html)
    (policy,) = [meta for meta in page.all("meta") if "http-equiv" in meta.attributes]
    assert (policy.attributes["content"] or "").startswith("default-src 'none'")
    assert not [element for element in page.all("svg") if [name for name in element.attributes if name[:2] == "on"]]
    assert len(html.encode()) < 5_000_000


def test_headings_are_nested_and_links_have_targets(page: Element) -> None:
    levels = [int(heading.tag[1]) for heading in page.all("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    ids = [element.attributes["id"] for element in page.all("section", "h2") if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    assert {(link.attributes["href"] or "")[1:] for link in page.all("a")} <= set(ids)


def test_every_table_has_a_caption_and_every_heading_cell_a_scope(page: Element) -> None:
    every = page.all("table")
    assert len(every) > 20
    assert all(table.all("caption")[0].text for table in every)
    assert all(cell.attributes.get("scope") in ("col", "row") for cell in page.all("th"))


def test_every_drawing_has_a_text_alternative(page: Element) -> None:
    pictures = [element for element in page.all("div") if element.attributes.get("role") == "img"]
    assert len(pictures) > 20
    assert all(len(picture.attributes["aria-label"] or "") > 10 for picture in pictures)
    assert sum(len(picture.all("svg")) for picture in pictures) == len(page.all("svg"))


def test_the_report_has_all_its_sections(page: Element) -> None:
    titles = [heading.text for heading in page.all("h2")]
    assert titles == [
        "Summary",
        "The flow of records",
        "Withheld from releases",
        "How many links are wrong and how many are missed",
        "Who is linked less well",
        "Changes since the earlier run",
        "Sources and their identifiers",
        "Rates by source and method",
        "Conflicts and implausible links",
        "Records per person",
        "Match weights",
        "Other thresholds",
        "The learned model",
        "The run",
        "Limits",
    ]
    assert "Estimated and true rates" in tables(page)


def renamed(quality: Quality, old: str, new: str) -> Quality:
    """The same Quality with another name for one source and for the last row of every table."""

    def in_frame(frame: pl.DataFrame) -> pl.DataFrame:
        columns = ("dimension", "group", "identifier", "finding", "level", "rule", "basis", "reason", "kind")
        names = [name for name in columns if name in frame]
        if "purpose" in frame.columns:
            frame = frame.with_columns(pl.col("purpose").replace("planning", new))
        frame = frame.with_columns(pl.col("source").replace(old, new)) if "source" in frame.columns else frame
        first = [
            pl.when(pl.int_range(pl.len()) == pl.len() - 1).then(pl.lit(new)).otherwise(name).alias(name)
            for name in names
        ]
        return frame.with_columns(first)

    def in_all(of: Any) -> Any:
        frames = {each.name: getattr(of, each.name) for each in fields(of)}
        return replace(
            of, **{name: in_frame(frame) for name, frame in frames.items() if isinstance(frame, pl.DataFrame)}
        )

    assert isinstance(quality.fallback, FallbackQuality)
    run = replace(quality.run, settings={"sources": {new: {"columns": {new: [new]}}}}, libraries={new: new})
    return in_all(replace(quality, run=run, fallback=in_all(quality.fallback)))  # type: ignore[no-any-return]


def test_names_with_markup_are_shown_as_text(
    quality: Quality, trusted: Element, withholding: list[Withholding], type_one: pl.DataFrame
) -> None:
    told = with_withholding(quality, withholding, type_one.with_columns(pl.lit(HOSTILE).alias("practice")))
    page = read_page(render(renamed(told, "ambulance", HOSTILE)))
    assert not page.all("script", "img")
    assert "alert(2)" in page.text
    assert "7*7" in page.text
    sections = [each.text for each in page.all("h2")]
    assert [each for each in sections if each != "Withheld from releases"] == [h.text for h in trusted.all("h2")]
    assert len(page.all("table")) > len(trusted.all("table")) / 2
    assert not [
        each for each in page.all("div", "svg", "td", "th") if [name for name in each.attributes if name[:2] == "on"]
    ]


# --- Files -----------------------------------------------------------------------------------------------------------


def test_only_the_owner_can_read_both_files(shown: Path) -> None:
    assert sorted(path.name for path in shown.iterdir()) == ["quality.json", "report.html"]
    assert {path.stat().st_mode & 0o777 for path in shown.iterdir()} == {0o600}


def test_a_report_that_cannot_be_written_is_refused(
    linkage: lc.Linkage, truth: pl.DataFrame, shown: Path, tmp_path: Path
) -> None:
    with pytest.raises(lc.ProgrammeError, match="give the report another name"):
        lc.write_report(linkage, tmp_path / "quality.json")
    with pytest.raises(lc.ProgrammeError, match="give the linkage, not its quality"):
        lc.write_report(linkage.quality, tmp_path / "report.html", truth=truth)
    with pytest.raises(lc.ProgrammeError, match="needs true counts"):
        lc.write_report(linkage, tmp_path / "report.html", previous=shown / "quality.json", trusted=True)
    with pytest.raises(lc.ProgrammeError, match="this Quality has only disclosed counts"):
        lc.write_report(read_quality(shown / "quality.json"), tmp_path / "report.html", trusted=True)
    with pytest.raises(lc.ProgrammeError, match="no such quality file"):
        lc.write_report(linkage, tmp_path / "report.html", previous=tmp_path / "none.json")
    assert list(tmp_path.iterdir()) == []


def test_a_linkage_without_fallback_or_records_has_a_report() -> None:
    frame = pl.DataFrame({"nhs_number": ["4010232137"]})
    for rows, fallback in ((1, None), (0, None), (0, lc.Fallback())):
        linkage = lc.link([lc.Source("gp", frame[:rows], spine=True)], fallback=fallback)
        page = read_page(render(linkage.quality))
        assert page.all("h1")[0].text == "Linkage quality"
        assert read_page(render(disclosed(linkage.quality))).all("h2")


def test_no_name_turns_text_around_or_hides_it(tmp_path: Path) -> None:
    """A group's name comes from a supplier; a browser obeys characters that change direction."""
    people = [f"99900000{number:02d}" for number in range(100)]
    group = pl.lit("A\u202eB\u2066\u200b\x9b\x1b[2J").alias("group")
    gp = pl.DataFrame({"nhs_number": people}).with_columns(group)
    usable = gp.filter(lc.nhs_number_status("nhs_number") == "test")
    sources = [
        lc.Source("gp", usable, spine=True, attributes={"ethnic_group": "group"}),
        lc.Source("seen", usable, attributes={"ethnic_group": "group"}),
    ]
    linkage = lc.link(sources, exact=lc.Exact(usable=("test",)), fallback=None, synthetic=True)
    lc.write_report(linkage, tmp_path / "report.html", trusted=True)
    text = (tmp_path / "report.html").read_text("utf-8")
    assert text.count(r"A\u202eB") > 3
    assert not re.search("[\u200b\u202e\u2066\x1b\x9b]", text)
