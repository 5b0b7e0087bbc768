"""The linkage as a whole: every record accounted for, and the same answer however it is asked."""

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import polars as pl
import pytest

import linkcore as lc
from linkcore.programme.programme import Programme
from linkcore.quality.truth import compare_with_truth
from linkcore.report.notebook import in_notebook
from linkcore.schema import LINKS, PERSONS
from linkcore.synthetic import synthesise


@pytest.fixture(scope="module")
def ics(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ics")
    synthesise(folder, people=3000, seed=7)
    return folder


@pytest.fixture(scope="module")
def linkage(ics: Path) -> lc.Linkage:
    return Programme.load(ics / "programme.toml").link()


def test_links_have_exactly_the_columns_of_the_contract(linkage: lc.Linkage) -> None:
    assert linkage.links.schema == LINKS
    assert linkage.persons.schema == PERSONS


def test_every_record_is_linked_once_in_order_of_sources_and_record_ids(ics: Path, linkage: lc.Linkage) -> None:
    truth = pl.read_parquet(ics / "truth.parquet")
    assert linkage.links.height == truth.height
    assert linkage.links.join(truth, on=["source", "record_id"], how="anti").is_empty()
    assert not linkage.links.select("source", "record_id").is_duplicated().any()
    sources = Programme.load(ics / "programme.toml").sources()
    assert linkage.links["source"].unique(maintain_order=True).to_list() == [source.name for source in sources]
    for source in sources:
        ids = linkage.links.filter(pl.col("source") == source.name)["record_id"]
        assert (ids if source.record_id_column else ids.cast(pl.UInt32)).is_sorted()


def test_person_ids_are_positions_and_every_person_has_a_number_or_a_token(linkage: lc.Linkage) -> None:
    persons = linkage.persons
    assert persons["person_id"].to_list() == list(range(persons.height))
    assert persons.filter(pl.col("nhs_number").is_null() == pl.col("token").is_null()).is_empty()
    assert not persons["token"].drop_nulls().is_duplicated().any()
    assert not persons["nhs_number"].drop_nulls().is_duplicated().any()
    assert set(linkage.links["person_id"]) == set(persons["person_id"])


def test_probabilities_are_those_of_the_methods(linkage: lc.Linkage) -> None:
    exact = linkage.links.filter(pl.col("method").is_in(["spine", "nhs_number", "local_patient_id"]))
    assert exact.height > 0
    assert (exact["match_probability"] == 1.0).all()
    alone = linkage.links.filter(pl.col("method").is_in(["new_person", "unlinked"]))
    assert alone["match_probability"].null_count() == alone.height


def test_measures_add_up_to_the_links(linkage: lc.Linkage) -> None:
    quality = linkage.quality
    assert quality.records["records"].sum() == linkage.links.height
    assert quality.numbers["records"].sum() == linkage.links.height
    assert quality.conflicts["conflicts"].sum() == linkage.links["conflict"].sum()
    by_identifier = quality.set_aside.group_by("source", "identifier").agg(pl.col("records").sum())
    sizes = linkage.links.group_by("source").len("size")
    assert by_identifier.join(sizes, on="source").filter(pl.col("records") != pl.col("size")).is_empty()
    assert quality.by_method().filter(source="all")["records"].item() == linkage.links.height


def test_no_exact_link_is_wrong_but_where_the_number_was(ics: Path, linkage: lc.Linkage) -> None:
    judged = compare_with_truth(linkage, pl.read_parquet(ics / "truth.parquet"))
    by_number = judged.filter(pl.col("method") == "nhs_number")
    assert by_number["right"].sum() / by_number["linked"].sum() > 0.999


LINK_TO_BYTES = """
import dataclasses, hashlib, sys
import linkcore as lc
from linkcore.report.quality_file import to_json
programme, threads = lc.Programme.load(sys.argv[1]), int(sys.argv[2])
date = programme.programme.reference_date
fallback = dataclasses.replace(programme.fallback(), threads=threads)
linkage = lc.link(programme.sources(), exact=programme.exact(), fallback=fallback, reference_date=date)
# All but how many threads it was told to use, and how long it took.
settings = linkage.quality.run.settings
settings = settings | {"probabilistic": settings["probabilistic"] | {"threads": None}}
run = dataclasses.replace(linkage.quality.run, seconds={}, settings=settings)
frames = linkage.links, linkage.persons, linkage.probabilistic.candidates
rest = to_json(dataclasses.replace(linkage.quality, run=run)), linkage.probabilistic.model, linkage.probabilistic.pi
written = "".join(frame.write_csv() for frame in frames) + str(rest)
print(hashlib.sha256(written.encode()).hexdigest())
"""


def test_one_and_two_threads_give_the_same_bytes(ics: Path) -> None:
    digests = {
        subprocess.run(
            [sys.executable, "-c", LINK_TO_BYTES, str(ics / "programme.toml"), threads],
            env=os.environ | {"POLARS_MAX_THREADS": threads},
            check=True,
            capture_output=True,
        ).stdout
        for threads in ("1", "2")
    }
    assert len(digests) == 1


def shuffled_frames(ics: Path, seed: int) -> list[lc.Source]:
    """Take the programme's sources as frames, their rows in another order, where records have real ids."""
    sources = []
    for source in Programme.load(ics / "programme.toml").sources():
        frame = source.scan(source.column_names).collect()
        if source.record_id_column is not None:
            frame = frame.sample(fraction=1, shuffle=True, seed=seed)
        settings = {
            name: getattr(source, name)
            for name in ("columns", "record_id", "spine", "further", "attributes", "one_record_per_person", "practice")
        }
        sources.append(lc.Source(source.name, frame, **settings))
    return sources


def test_frames_in_another_order_of_rows_give_the_same_links(ics: Path, linkage: lc.Linkage) -> None:
    programme = Programme.load(ics / "programme.toml")
    again = lc.link(shuffled_frames(ics, 1), exact=programme.exact(), reference_date=programme.programme.reference_date)
    assert again.links.equals(linkage.links)
    ran, before = again.probabilistic, linkage.probabilistic
    assert ran is not None
    assert before is not None
    assert ran.counts["compared"] > 100
    assert ran.candidates.equals(before.candidates)
    assert (ran.model, ran.pi) == (before.model, before.pi)


def test_pandas_arrow_and_duckdb_link_like_polars() -> None:
    frame = pl.DataFrame({"nhs_number": ["4010232137", None, "4010232137"], "family_name": ["A", "B", "C"]})
    expected = lc.link([lc.Source("s", frame)]).links
    with duckdb.connect() as connection:
        for given in (frame.to_pandas(), frame.to_arrow(), connection.from_arrow(frame.to_arrow())):
            assert lc.link([lc.Source("s", given)]).links.equals(expected)


def test_a_linkage_shows_its_sources_and_nothing_else(linkage: lc.Linkage) -> None:
    assert repr(linkage) == f"Linkage({', '.join(source.name for source in linkage.sources)})"
    assert linkage._repr_html_() == in_notebook(linkage.quality)


def test_links_of_a_source_come_in_the_order_of_its_rows(ics: Path, linkage: lc.Linkage) -> None:
    gp = next(source for source in Programme.load(ics / "programme.toml").sources() if source.name == "gp")
    assert gp.record_id_column is not None
    own = gp.scan([gp.record_id_column]).collect().to_series().cast(pl.String)
    assert linkage.links_of("gp")["record_id"].equals(own, check_names=False)
    with pytest.raises(lc.ProgrammeError, match="no source 'nope'"):
        linkage.links_of("nope")


def test_names_and_spines_are_checked() -> None:
    frame = pl.DataFrame({"nhs_number": ["4010232137"]})
    with pytest.raises(lc.ProgrammeError, match="no sources"):
        lc.link([])
    with pytest.raises(lc.ProgrammeError, match="two sources are called s"):
        lc.link([lc.Source("s", frame), lc.Source("s", frame)])
    with pytest.raises(lc.ProgrammeError, match="at most one"):
        lc.link([lc.Source("a", frame, spine=True), lc.Source("b", frame, spine=True)])


@pytest.mark.parametrize("given", ["gp.csv", ["gp.csv"], {"gp": "gp.csv"}, None, pl.DataFrame({"nhs_number": [1]})])
def test_what_is_no_list_of_sources_is_refused(given) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(lc.ProgrammeError, match=r"^sources .*Source"):
        lc.link(given)


def test_one_source_is_no_list() -> None:
    source = lc.Source("gp", pl.DataFrame({"nhs_number": ["4010232137"]}))
    with pytest.raises(lc.ProgrammeError, match="sources is a Source; give a list"):
        lc.link(source)  # type: ignore[arg-type]
    with pytest.raises(lc.ProgrammeError, match="sources holds DataFrame; make each a Source"):
        lc.link([source, source.data])


def test_a_further_identifier_is_of_one_kind() -> None:
    frame = pl.DataFrame({"PHONE": ["1"]})
    sources = [lc.Source("a", frame, further={"PHONE": "exact"}), lc.Source("b", frame, further={"PHONE": "text"})]
    with pytest.raises(lc.ProgrammeError, match="'PHONE' is 'exact' in source 'a' and 'text' in source 'b'"):
        lc.link(sources, fallback=None)


def test_empty_sources_link_to_nothing() -> None:
    empty = pl.DataFrame(schema={"nhs_number": pl.String, "birth_date": pl.String})
    linkage = lc.link([lc.Source("gp", empty, spine=True), lc.Source("seen", empty)])
    assert linkage.links.is_empty()
    assert linkage.links.schema == LINKS
    assert linkage.persons.is_empty()
    assert linkage.quality.by_method().rows() == [("gp", 0, 0), ("seen", 0, 0), ("all", 0, 0)]


def test_a_repeated_or_empty_record_id_is_named_by_file_and_row(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("ID,NHS\nSECRET,1\nx,2\nSECRET,3\n")
    source = lc.Source("east", file, columns={"nhs_number": "NHS"}, record_id="ID")
    with pytest.raises(lc.SourceError, match=r"a\.csv, row 1 and .*a\.csv, row 3: record id in column 'ID'") as caught:
        lc.link([source])
    assert "SECRET" not in str(caught.value)
    file.write_text("ID,NHS\nx,1\n,2\n")
    with pytest.raises(lc.SourceError, match=r"a\.csv, row 2: record id in column 'ID' is empty"):
        lc.link([source])


def test_row_numbers_of_two_extracts_never_share_a_token() -> None:
    def tokens(*names: str) -> set[str]:
        frame = pl.DataFrame({"family_name": names})
        return set(lc.link([lc.Source("seen", frame)]).persons["token"])

    assert tokens("ANNA", "PETER") == tokens("ANNA", "PETER")
    assert tokens("ANNA", "PETER").isdisjoint(tokens("ANNA", "MARY"))


def test_payload_is_never_read_to_link() -> None:
    def explode(_: pl.Series) -> pl.Series:
        raise AssertionError

    payload = pl.col("nhs_number").map_batches(explode, return_dtype=pl.String).alias("cost")
    frame = pl.DataFrame({"nhs_number": ["4010232137"]}).lazy().with_columns(payload)
    assert lc.link([lc.Source("s", frame)]).links.height == 1


def test_the_fallback_finds_records_without_a_number_and_leaves_exact_links_alone(
    ics: Path, linkage: lc.Linkage
) -> None:
    programme = Programme.load(ics / "programme.toml")
    exact_only = lc.link(
        programme.sources(),
        exact=programme.exact(),
        fallback=None,
        reference_date=programme.programme.reference_date,
    )
    assert exact_only.probabilistic is None
    assert "probabilistic" not in exact_only.links["method"].cast(pl.String).to_list()
    both = exact_only.links.hstack(linkage.links.select(pl.all().name.suffix("_fallback")))
    by_exact = both.filter(pl.col("method").is_in(["spine", "nhs_number", "local_patient_id"]))
    # A spine record whose number is somebody else's may be found to be a person that others' records define.
    by_exact = by_exact.filter(~pl.col("conflict") | (pl.col("method") != "spine"))
    assert by_exact.filter(pl.col("method") != pl.col("method_fallback")).is_empty()
    found = both.filter(pl.col("method_fallback") == "probabilistic")
    assert found.height > 100
    assert found.filter(
        pl.col("match_weight_fallback").is_null() | ~pl.col("match_probability_fallback").is_between(0.5, 1)
    ).is_empty()
    judged = compare_with_truth(linkage, pl.read_parquet(ics / "truth.parquet")).filter(method="probabilistic")
    assert judged["right"].sum() >= 0.99 * judged["linked"].sum()


def test_a_saved_model_gives_the_same_links_and_holds_no_identifier(
    ics: Path, linkage: lc.Linkage, tmp_path: Path
) -> None:
    linkage.save_model(tmp_path / "model.json")
    assert oct((tmp_path / "model.json").stat().st_mode)[-3:] == "600"
    text = (tmp_path / "model.json").read_text()
    names = linkage.persons["family_name"].drop_nulls().unique()
    assert not [name for name in names if len(name) > 6 and f"'{name}'" in text]
    programme = Programme.load(ics / "programme.toml")
    again = lc.link(
        programme.sources(),
        exact=programme.exact(),
        fallback=lc.Fallback(model=tmp_path / "model.json"),
        reference_date=programme.programme.reference_date,
    )
    assert again.links.equals(linkage.links)


def test_a_model_that_was_never_learned_cannot_be_saved(tmp_path: Path) -> None:
    linkage = lc.link([lc.Source("gp", pl.DataFrame({"nhs_number": ["4010232137"]}), spine=True)])
    with pytest.raises(lc.ProgrammeError, match="no model to save"):
        linkage.save_model(tmp_path / "model.json")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("rows", [1, 2, 3, 10])
def test_few_records_are_linked_without_learning_much(rows: int) -> None:
    people = [("ANNA", "NG", "1980-02-03"), ("JOHN", "OKORO", "1975-11-30"), ("MARY", "SMITH", "1990-01-15")] * 4
    frame = pl.DataFrame(people[:rows], schema=["given_name", "family_name", "birth_date"], orient="row")
    linkage = lc.link([lc.Source("gp", frame.unique(), spine=True), lc.Source("seen", frame)])
    assert linkage.links.height == frame.unique().height + rows
