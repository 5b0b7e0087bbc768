"""Six months of a synthetic programme whose truth is known: people keep their names, and each change is told."""

import datetime as dt
from dataclasses import dataclass
from itertools import pairwise

import polars as pl
import pytest

import linkcore as lc
from linkcore.programme.programme import Programme
from linkcore.pseudonyms.persons import person_name
from linkcore.sampling import record_fingerprints
from linkcore.synthetic import synthesise

MONTHS = 6
ROW = "ORIGINAL_ROW"
SETTINGS = ("columns", "record_id", "spine", "further", "attributes", "one_record_per_person", "practice")


@dataclass
class Month:
    """A linkage, the names of its records by where they came from, and which truth they have."""

    linkage: lc.Linkage
    records: pl.DataFrame  # source, original, name, entity, method


def extract_of(source: lc.Source, frame: pl.DataFrame, month: int) -> pl.DataFrame:
    """Records come and leave, get their true number or lose it, and people move."""

    def when(what: str, rate: int) -> pl.Series:
        """Each month, it happens to one record in so many."""
        return (record_fingerprints(f"{source.name} {what}", frame["original"]) % rate).cast(pl.Int64)

    def happened(what: str, rate: int) -> pl.Series:
        return when(what, rate).is_between(1, month)

    number, postcode = (source.identifier_columns[name] for name in ("nhs_number", "postcode"))
    comes_later = when("comes", 50).is_between(month + 1, MONTHS)
    written = pl.col(number).cast(pl.String)
    blank = written.fill_null("").str.strip_chars() == ""
    changed = frame.with_columns(
        pl.when(blank & happened("number found", 12))
        .then(pl.col("true_number"))
        .when(~happened("number lost", 20 if source.name == "ambulance" else 150) | pl.lit(source.spine))
        .then(written)
        .alias(number),
        pl.when(happened("moves", 150)).then(pl.lit("EX4 6TA")).otherwise(pl.col(postcode)).alias(postcode),
    )
    return changed.filter(~comes_later & ~happened("leaves", 60))


@pytest.fixture(scope="module")
def months(tmp_path_factory: pytest.TempPathFactory) -> list[Month]:
    folder = tmp_path_factory.mktemp("ics")
    synthesise(folder, people=2000, seed=7)
    programme = Programme.load(folder / "programme.toml")
    truth = pl.read_parquet(folder / "truth.parquet").rename({"record_id": "original"})
    whole = Programme.load(folder / "programme.toml").link()
    spine = whole.links.filter(source="gp").rename({"record_id": "original"}).join(truth, on=["source", "original"])
    digits = pl.col("nhs_number").cast(pl.String).str.zfill(10).alias("true_number")
    of_entity = spine.join(whole.persons.select("person_id", digits), on="person_id").select("entity", "true_number")
    of_entity = of_entity.drop_nulls().unique("entity", keep="first", maintain_order=True)
    told: list[Month] = []
    for month in range(MONTHS):
        sources, originals = [], []
        for source in programme.sources():
            frame = source.scan(source.column_names).collect().with_row_index(ROW)
            original = pl.col(source.record_id_column or ROW).cast(pl.String).alias("original")
            frame = frame.with_columns(original, pl.lit(source.name).alias("source"))
            frame = frame.join(truth, on=["source", "original"], how="left", maintain_order="left")
            frame = frame.join(of_entity, on="entity", how="left", maintain_order="left")
            extract = extract_of(source, frame, month).with_row_index("now")
            settings = {name: getattr(source, name) for name in SETTINGS}
            sources.append(lc.Source(source.name, extract.select(source.column_names), **settings))
            record_id = pl.col(source.record_id_column or "now").cast(pl.String).alias("record_id")
            originals.append(extract.select("source", record_id, "original", "entity"))
        previous = told[-1].linkage if told else None
        linkage = lc.link(
            sources, exact=programme.exact(), reference_date=dt.date(2026, 1 + month, 1), previous=previous
        )
        names = linkage.persons.select("person_id", person_name())
        kept = linkage.links.select("source", "record_id", "person_id", "method")
        records = kept.join(names, on="person_id").join(pl.concat(originals), on=["source", "record_id"])
        told.append(Month(linkage, records.drop("person_id", "record_id")))
    return told


def pairs(months: list[Month]) -> list[tuple[Month, Month]]:
    return list(pairwise(months))


def whom(month: Month) -> pl.DataFrame:
    """Who a name is of: most of its records are of this entity."""
    counted = month.records.group_by("name", "entity").len().sort("len", "entity", descending=[True, False])
    return counted.unique("name", keep="first", maintain_order=True)


def changes(now: Month) -> pl.DataFrame:
    return now.linkage.superseded.filter(date=now.linkage.reference_date)


def test_people_keep_their_names_but_for_the_changes_that_are_told(months: list[Month]) -> None:
    people = kept = told = unrecognisable = 0
    for before, now in pairs(months):
        still = now.records.select("source", "original")
        here = before.records.join(still, on=["source", "original"])
        lost = here.filter(~pl.col("name").is_in(now.records["name"].implode()))
        untold = lost.filter(~pl.col("name").is_in(changes(now)["old"].implode()))
        people += here["name"].n_unique()
        kept += here["name"].n_unique() - lost["name"].n_unique()
        told += lost["name"].n_unique() - untold["name"].n_unique()
        # Nobody can recognise a record by next to nothing.
        unrecognisable += untold.filter(method="unlinked")["name"].n_unique()
    assert people > 9_000
    assert (kept + told) / (people - unrecognisable) >= 0.9999
    assert kept / people > 0.997
    assert 5 < told < 40
    assert unrecognisable < 10


def test_no_name_passes_to_somebody_else(months: list[Month]) -> None:
    """Also not to somebody who comes months later."""
    first: dict[str, int] = {}
    passed = set()
    for month in months:
        for name, entity, _ in whom(month).rows():
            if first.setdefault(name, entity) != entity:
                passed.add(name)
    assert passed == set()


def test_each_record_that_has_another_name_now_is_explained(months: list[Month]) -> None:
    for before, now in pairs(months):
        both = before.records.join(now.records, on=["source", "original"], suffix="_now")
        # Nobody can recognise a record by next to nothing.
        said = ~pl.any_horizontal(pl.col("method", "method_now") == "unlinked")
        renamed = both.filter(pl.col("name") != pl.col("name_now"), said)
        explained = changes(now).select(name="old", name_now="new")
        # Or it passed from one person to another, and both go on.
        goes_on = pl.col("name").is_in(now.records["name"].implode())
        goes_on &= pl.col("name_now").is_in(before.records["name"].implode())
        assert renamed.join(explained, on=["name", "name_now"], how="anti").filter(~goes_on).is_empty()


def test_every_kind_of_change_happened(months: list[Month]) -> None:
    counts = pl.DataFrame([dict(now.linkage.history.counts) for now in months[1:]])
    assert set(counts.sum().unpivot().filter(pl.col("value") > 0)["variable"]) >= {
        "kept",
        "new",
        "absent",
        "number_found",
        "number_lost",
        "joined",
        "split",
    }


def test_a_month_that_brings_nothing_changes_nothing(months: list[Month]) -> None:
    last = months[-1].linkage
    again = lc.link(last.sources, exact=last.exact, reference_date=last.reference_date, previous=last)
    assert again.persons.equals(last.persons)
    assert again.superseded.equals(last.superseded)
    assert again.history.counts["kept"] == last.persons.height
