"""The file of clerks' decisions, and that what stands in it comes true."""

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl
import pytest

import linkcore as lc
from linkcore.governance.audit.audit import Audit
from linkcore.governance.audit.occasion import Occasion
from linkcore.linkage.placement import Placement
from linkcore.schema import DECISIONS, LABELS
from linkcore.sources.records import Records
from tests.review.conftest import USABLE, make_sources

ICS = tuple[dict[str, pl.DataFrame], pl.DataFrame]
AT = dt.datetime(2026, 4, 1, 9, 30, tzinfo=dt.UTC)
HEADER = ",".join(DECISIONS)
ROW = "seen,7,gp,12,same,Ann,2026-04-01T09:30:00Z,the notes agree"
FRAME = pl.DataFrame({"id": ["7"], "nhs_number": ["4010232137"]})
SOURCES = [
    lc.Source(name, FRAME, record_id="id", columns={"nhs_number": "nhs_number"}, spine=name == "gp")
    for name in ("gp", "seen")
]


def labels(*rows: tuple[str, str, str, str, bool]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=LABELS, orient="row")


def occasion(folder: Path, actor: str = "Ann", reason: str = "the notes agree") -> Occasion:
    return Occasion(actor, AT, Audit(folder / "audit.jsonl"), reason)


# --- What is decided comes true --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def answers(linkage: lc.Linkage, ics: ICS) -> pl.DataFrame:
    """What a clerk who knows the truth says of every doubtful record and its two best candidates."""
    assert linkage.probabilistic is not None
    persons = linkage.persons.select("person_id", person_source="source", person_record_id="record_id")
    entity = ics[1].select("source", "record_id", "entity")
    theirs = entity.select(person_source="source", person_record_id="record_id", other="entity")
    doubtful = linkage.probabilistic.candidates.filter(pl.col("match_probability").is_between(0.01, 0.999))
    return (
        doubtful.sort("source", "record_id", "match_probability", descending=[False, False, True])
        .group_by("source", "record_id", maintain_order=True)
        .head(2)
        .join(persons, on="person_id", maintain_order="left")
        .join(entity, on=["source", "record_id"], maintain_order="left")
        .join(theirs, on=["person_source", "person_record_id"], maintain_order="left")
        .with_columns(match=pl.col("entity") == pl.col("other"))
        # One entity may be listed twice; the clerk names the better of the two.
        .unique(["source", "record_id", "match"], keep="first", maintain_order=True)
        .select(*LABELS)
    )


def counted(linkage: lc.Linkage, said: pl.DataFrame) -> dict[str, int]:
    return lc.review_agreement(linkage, said).drop("source").sum().row(0, named=True)


def test_every_answer_comes_true_and_nobody_is_asked_again(
    ics: ICS, linkage: lc.Linkage, answers: pl.DataFrame, tmp_path: Path
) -> None:
    before = counted(linkage, answers)
    # As labels, answers only teach: many do not come true.
    assert min(before["apart_match"], answers.filter(~pl.col("match")).height) > 5
    file = tmp_path / "decisions.csv"
    sources = make_sources(ics[0])
    assert lc.add_decisions(file, answers, sources=sources, occasion=occasion(tmp_path)) == answers.height
    decided = lc.link(sources, exact=lc.Exact(usable=USABLE), decisions=lc.read_decisions(file))
    after = counted(decided, answers)
    assert (after["apart_match"], after["linked_no"], after["lost"]) == (0, 0, 0)
    assert decided.run.settings["decisions"] == {"stands": answers.height}
    matches = answers.filter("match").height
    assert decided.links.filter(pl.col("method") == "decided").height == matches
    decided.clerical_review(tmp_path / "again.csv", identifiable=True, records=10_000)
    asked = pl.read_csv(tmp_path / "again.csv", infer_schema=False).select(
        pl.col("source", "record_id", "person_source", "person_record_id").str.strip_prefix("'")
    )
    assert asked.height > 0
    assert asked.join(answers, on=asked.columns, how="semi").is_empty()


def test_decisions_teach_as_labels_do(ics: ICS, answers: pl.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    from linkcore.linkage.fallback import learn
    from linkcore.linkage.learning import labels as teaching

    monkeypatch.setattr(learn, "ENOUGH_LABELS", 1)
    few = answers.filter("match").head(3)
    who = [pl.lit("Ann").alias("who"), pl.lit(AT).alias("when"), pl.lit("notes").alias("why")]
    same = few.drop("match").with_columns(pl.lit("same").alias("decision"), *who)
    seen: list[pl.DataFrame] = []

    def taught(sources: Sequence[Records], placement: Placement) -> pl.DataFrame:
        seen.append(teaching.decided_records(sources, placement))
        return seen[-1]

    monkeypatch.setattr(learn, "decided_records", taught)
    linkage = lc.link(
        make_sources(ics[0]),
        exact=lc.Exact(usable=USABLE),
        decisions=same.select(*DECISIONS).cast(dict(DECISIONS)),  # type: ignore[arg-type]
    )
    decided = linkage.links.filter(pl.col("method") == "decided")
    assert sorted(seen[0]["label"]) == sorted(decided["person_id"])
    assert seen[0]["record_id"].sort().equals(few["record_id"].sort())


def test_single_decisions_hold_and_explain_themselves(ics: ICS, linkage: lc.Linkage, answers: pl.DataFrame) -> None:
    by_person = linkage.links.filter(pl.col("method") == "probabilistic").sort("person_id", "source", "record_id")
    of_one = by_person.filter(pl.len().over("person_id") > 1).select("source", "record_id").head(2).rows()
    said = [answers.filter(match=match).head(1) for match in (True, False)]
    when = dt.datetime(2026, 4, 1, tzinfo=dt.UTC)
    rows = [
        (*each.row(0)[:4], decision, "Ann", when, "notes")
        for each, decision in zip(said, ("same", "not the same"), strict=True)
    ]
    rows.append((*of_one[0], *of_one[1], "not the same", "Ann", when, "notes"))
    decisions = pl.DataFrame(rows, schema=DECISIONS, orient="row")
    decided = lc.link(make_sources(ics[0]), exact=lc.Exact(usable=USABLE), decisions=decisions)
    # Two records that the machine gives to one person, and that are of two: only the likelier may stay.
    found = decided.links.join(pl.DataFrame(of_one, ["source", "record_id"], orient="row"), on=["source", "record_id"])
    assert found["person_id"].n_unique() == 2
    assert (found["method"] == "probabilistic").sum() <= 1
    reasons = [decided.explain(*each.row(0)[:2], identifiable=True).reason for each in said]
    assert reasons[0].startswith("A clerk's decision says")
    assert "A clerk" in reasons[1]
    assert "A clerk" not in linkage.explain(*said[1].row(0)[:2], identifiable=True).reason


# --- The file --------------------------------------------------------------------------------------------------------


def test_lines_are_only_added_for_the_owner_and_recorded_before(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "decisions.csv"
    who = occasion(tmp_path)
    lc.add_decisions(file, labels(("seen", "7", "gp", "7", True)), sources=SOURCES, occasion=who)
    first = file.read_bytes()
    assert file.stat().st_mode & 0o777 == 0o600
    no = labels(("seen", "7", "gp", "7", False))
    lc.add_decisions(file, no, sources=SOURCES, occasion=occasion(tmp_path, "=Bo", "another house"))
    lc.add_decisions(file, no, sources=SOURCES, occasion=who, undo=True)
    assert file.read_bytes().startswith(first)
    found = lc.read_decisions(file)
    assert found["decision"].to_list() == ["same", "not the same", "undecided"]
    assert found["who"].to_list() == ["Ann", "=Bo", "Ann"]
    assert found["when"].to_list() == [AT] * 3
    assert b'"\'=Bo"' in file.read_bytes()
    recorded = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    assert [(line["action"], line["details"]["rows"]) for line in recorded] == [("decisions", 1)] * 3
    assert recorded[-1]["details"]["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()


def test_nothing_is_decided_that_cannot_be_recorded(tmp_path: Path) -> None:
    file = tmp_path / "decisions.csv"
    said = labels(("seen", "7", "gp", "7", True))
    with pytest.raises(lc.RefusedError, match="NHS Number"):
        lc.add_decisions(file, said, sources=SOURCES, occasion=occasion(tmp_path, reason="she is 401 023 2137"))
    with pytest.raises(lc.ProgrammeError, match="say why"):
        lc.add_decisions(file, said, sources=SOURCES, occasion=occasion(tmp_path, reason=" "))
    assert not file.exists()


def test_what_somebody_else_adds_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "decisions.csv"
    said = labels(("seen", "7", "gp", "7", True))

    class Slow(Occasion):
        def record(self, action: str, key: lc.Key | None = None, **details: int | str) -> None:
            lc.add_decisions(file, said, sources=SOURCES, occasion=occasion(tmp_path, "Bo"))
            super().record(action, key, **details)

    with pytest.raises(lc.RefusedError, match="meanwhile"):
        lc.add_decisions(file, said, sources=SOURCES, occasion=Slow("Ann", AT, Audit(tmp_path / "a.jsonl"), "notes"))
    assert lc.read_decisions(file)["who"].to_list() == ["Bo"]


@pytest.mark.parametrize(
    ("said", "error", "what"),
    [
        (("seen", "7", "there", "7", True), lc.ProgrammeError, "there, which is no source"),
        (("rows", "7", "gp", "7", True), lc.ProgrammeError, "rows by their row number"),
        (("gp", "7", "gp", "7", True), lc.SourceError, "compared with itself"),
        (("seen", "7\x1b[2J", "gp", "7", True), lc.SourceError, "control character"),
    ],
)
def test_answers_about_no_record_are_refused(
    said: tuple[str, str, str, str, bool], error: type[lc.LinkcoreError], what: str, tmp_path: Path
) -> None:
    rows = lc.Source("rows", FRAME, columns={"nhs_number": "nhs_number"})
    with pytest.raises(error, match=what):
        lc.add_decisions(
            tmp_path / "decisions.csv", labels(said), sources=[*SOURCES, rows], occasion=occasion(tmp_path)
        )
    assert not (tmp_path / "decisions.csv").exists()


@pytest.mark.parametrize(
    ("row", "what"),
    [
        (ROW.replace("same", "maybe"), "the decision is not one of"),
        (ROW.replace("Ann", ""), "a value is missing"),
        (ROW.replace("Z", ""), "the time is not written as"),
        (ROW.replace("Ann", "An\x1b[2Jn"), "a control character"),
        (ROW.replace("Ann", "An\u202en"), "a control character"),
        (ROW.replace("seen,7", "gp,12"), "compared with itself"),
    ],
)
def test_a_wrong_row_is_named_and_not_quoted(row: str, what: str, tmp_path: Path) -> None:
    file = tmp_path / "decisions.csv"
    file.write_text(f"{HEADER}\n{ROW}\n{row}\n", "utf-8")
    file.chmod(0o600)
    with pytest.raises(lc.SourceError, match=f"rows 3: .*{what}") as error:
        lc.read_decisions(file)
    assert "notes" not in str(error.value)


def _with_names(text: str) -> str:
    return text.replace("why", "why,name").replace("agree", "agree,Smith")


@pytest.mark.parametrize(
    ("change", "mode", "error", "what"),
    [
        (_with_names, 0o600, lc.SourceError, "and no others"),
        (lambda text: text.replace("why", "because"), 0o600, lc.SourceError, "must have the columns"),
        (str, 0o666, lc.RefusedError, "can be changed by other users"),
    ],
)
def test_a_file_of_another_form_or_of_others_is_refused(
    change: Callable[[str], str], mode: int, error: type[lc.LinkcoreError], what: str, tmp_path: Path
) -> None:
    file = tmp_path / "decisions.csv"
    file.write_text(change(f"{HEADER}\n{ROW}\n"), "utf-8")
    file.chmod(mode)
    with pytest.raises(error, match=what) as raised:
        lc.read_decisions(file)
    assert "Smith" not in str(raised.value)
    with pytest.raises(error, match=what):
        lc.add_decisions(file, labels(("seen", "7", "gp", "7", True)), sources=SOURCES, occasion=occasion(tmp_path))
    assert file.read_text("utf-8") == change(f"{HEADER}\n{ROW}\n")
    with pytest.raises(lc.ProgrammeError, match="no file"):
        lc.read_decisions(tmp_path / "none.csv")
