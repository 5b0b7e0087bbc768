"""People without a number whom no record recognises: the model finds who they were, and gives nobody another's name."""

import datetime as dt
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

import linkcore as lc
from linkcore.linkage.probable_names import keep_probable_names
from linkcore.linkage.stable_persons.keep_names import PersonHistory
from linkcore.linkage.stable_persons.known_persons import KnownPersons
from linkcore.programme.programme import Programme
from linkcore.pseudonyms.persons import PERSON_PREFIX
from linkcore.synthetic import synthesise

SETTINGS = ("columns", "record_id", "spine", "further", "attributes", "one_record_per_person", "practice")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ics")
    synthesise(folder, people=900, seed=11)
    return folder


@pytest.fixture(scope="module")
def programme(folder: Path) -> Programme:
    return Programme.load(folder / "programme.toml")


def link(programme: Programme, *, month: int, previous: lc.Linkage | None = None) -> lc.Linkage:
    """Without a list of patients, and half of all people have no number."""
    sources = [extract_of(source, month) for source in programme.sources() if not source.spine]
    date = dt.date(2026, month, 1)
    return lc.link(sources, exact=programme.exact(), reference_date=date, previous=previous)


def extract_of(source: lc.Source, month: int) -> lc.Source:
    """In February every record has another id and, if it has any, another postcode; every third one is not there."""
    frame = source.scan(source.column_names).collect()
    number = pl.col(source.identifier_columns["nhs_number"])
    frame = frame.with_columns(pl.when(number.cast(pl.String).str.contains("[02468] *$")).then(number))
    if month == 2:
        frame = frame[[row for row in range(frame.height) if row % 3]]
        postcode = pl.col(source.identifier_columns["postcode"])
        frame = frame.with_columns(pl.when(postcode != "").then(pl.lit("EX4 6TA")).otherwise(postcode))
        if source.record_id_column is not None:
            frame = frame.with_columns(pl.col(source.record_id_column).cast(pl.String) + "-2")
    return lc.Source(source.name, frame, **{name: getattr(source, name) for name in SETTINGS})


@pytest.fixture(scope="module")
def january(programme: Programme) -> lc.Linkage:
    return link(programme, month=1)


@pytest.fixture(scope="module")
def february(programme: Programme, january: lc.Linkage) -> lc.Linkage:
    return link(programme, month=2, previous=january)


def entities(linkage: lc.Linkage, folder: Path, month: int) -> dict[str, set[int]]:
    """Who the records of each person without a number are, by the person's token."""
    truth = pl.read_parquet(folder / "truth.parquet")
    frames = []
    for source in linkage.sources:
        links = linkage.links_of(source.name).select("person_id", "record_id", "row")
        if source.record_id_column is None:
            row = pl.col("row").cast(pl.Int64)
            original = row if month == 1 else row + row // 2 + 1
            links = links.with_columns(record_id=original.cast(pl.String))
        else:
            links = links.with_columns(pl.col("record_id").str.strip_suffix("-2"))
        frames.append(links.select("person_id", "record_id", pl.lit(source.name).alias("source")))
    of_person = pl.concat(frames).join(truth, on=["source", "record_id"])
    named = of_person.join(linkage.persons.select("person_id", "token").drop_nulls(), on="person_id")
    return {token: set(entity) for token, entity in named.group_by("token").agg("entity").iter_rows()}


def test_people_without_a_number_are_recognised_by_the_model_and_nobody_gets_the_name_of_another(
    january: lc.Linkage, february: lc.Linkage, folder: Path
) -> None:
    before, now = entities(january, folder, 1), entities(february, folder, 2)
    kept = before.keys() & now.keys()
    there = [token for token, people in before.items() if any(people & others for others in now.values())]
    assert not [token for token in kept if before[token].isdisjoint(now[token])]
    assert len(kept) > 0.95 * len(there) > 150
    # These were recognised by the model alone.
    assert february.history.counts["probable"] > 5


def month_of(linkage: lc.Linkage, before: pl.DataFrame, now: pl.DataFrame) -> lc.Linkage:
    """The result in which ``now`` are all persons, by the model of the linkage, and all of ``before`` are absent."""
    absent = KnownPersons(before.select(name=PERSON_PREFIX + pl.col("token")))
    counts = {"kept": 0, "new": now.height, "absent": before.height, "ties": 0}
    history = PersonHistory(absent=absent, counts=counts, by_source={"ambulance": {"kept": 0, "new": now.height}})
    persons = now.with_columns(person_id=pl.int_range(now.height, dtype=pl.UInt32))
    known = replace(absent, described=before)
    found = keep_probable_names(replace(linkage, persons=persons, history=history), known)
    assert isinstance(found, lc.Linkage)
    return found


def token(digit: str) -> pl.Expr:
    return pl.lit(digit * 32).alias("token")


@pytest.fixture(scope="module")
def somebody(january: lc.Linkage) -> tuple[pl.DataFrame, pl.DataFrame]:
    """One person without a number, and the others."""
    described = january.persons.filter(pl.col("token").is_not_null()).drop_nulls(
        ["given_name", "birth_date", "postcode"]
    )
    one = described[:1].with_columns(token("a"), source=pl.lit("ambulance"))
    return one, described[1:]


def test_two_of_now_who_are_one_of_before_are_settled_by_order_and_counted(
    january: lc.Linkage, somebody: tuple[pl.DataFrame, pl.DataFrame]
) -> None:
    one, others = somebody
    twice = [one.with_columns(token(digit), record_id=pl.lit(digit)) for digit in "cb"]
    for now in (twice, twice[::-1]):
        found = month_of(january, pl.concat([others, one]), pl.concat(now))
        tokens = dict(found.persons.select("record_id", "token").iter_rows())
        assert tokens == {"b": "a" * 32, "c": "c" * 32}
        assert found.history.absent.persons.height == others.height
        assert dict(found.history.counts) == {"kept": 1, "new": 1, "absent": others.height, "ties": 1, "probable": 1}
        assert found.history.by_source == {"ambulance": {"kept": 1, "new": 1}}


def test_who_could_be_one_of_two_of_before_is_neither(
    january: lc.Linkage, somebody: tuple[pl.DataFrame, pl.DataFrame]
) -> None:
    one, others = somebody
    twin = one.with_columns(token("d"), record_id=pl.lit("d"))
    found = month_of(january, pl.concat([others, one, twin]), one.with_columns(token("b")))
    assert found.persons["token"].to_list() == ["b" * 32]
    assert "probable" not in found.history.counts


def test_who_has_another_name_and_birth_date_at_the_same_home_is_not_recognised(
    january: lc.Linkage, somebody: tuple[pl.DataFrame, pl.DataFrame]
) -> None:
    one, others = somebody
    sibling = one.with_columns(
        token("b"), given_name=pl.lit("QUENTIN"), birth_date=pl.col("birth_date").dt.offset_by("-3y")
    )
    assert month_of(january, pl.concat([others, one]), sibling).persons["token"].to_list() == ["b" * 32]


def test_a_linkage_without_a_model_recognises_nobody_so(
    january: lc.Linkage, somebody: tuple[pl.DataFrame, pl.DataFrame]
) -> None:
    one, others = somebody
    bare = replace(january, probabilistic=None)
    found = month_of(bare, pl.concat([others, one]), one.with_columns(token("b")))
    assert found.persons["token"].to_list() == ["b" * 32]
