"""No cohort, and no difference between cohorts of one recipient, singles a person out."""

import datetime as dt
import json
import shutil
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

import linkcore as lc
from linkcore.governance.releases.cohorts import Cohort
from linkcore.governance.releases.derived import Derived
from linkcore.governance.withholding.withholding import Withholding
from linkcore.schema import SUPERSEDED
from tests.governance.extracts import DAY, KEY, NOON, OTHER, PURPOSE, numbers, terms

PEOPLE = 60
AGE = {"AGE": Derived("age", at=DAY)}


def people(count: int = PEOPLE) -> pl.DataFrame:
    """Practices A and B of 30 people; one person in practice B is 93, and nobody else is older than 79."""
    born = [dt.date(1947 + i % 60, 5, 1) for i in range(count)]
    born[45] = dt.date(1932, 5, 1)
    return pl.DataFrame(
        {
            "NHS": numbers(999_000_100, count),
            "BORN": born,
            "PRACTICE": ["A" if i < 30 else "B" for i in range(count)],
            "SCORE": range(count),
        }
    )


def linked(frame: pl.DataFrame | None = None, stays: pl.DataFrame | None = None) -> lc.Linkage:
    columns = {"nhs_number": "NHS", "birth_date": "BORN"}
    gp = lc.Source("gp", people() if frame is None else frame, spine=True, practice="PRACTICE", columns=columns)
    if stays is None:
        stays = people().select("NHS", COST="SCORE").head(20)
    hospital = lc.Source("hospital", stays, columns={"nhs_number": "NHS"})
    return lc.link([gp, hospital], exact=lc.Exact(usable=("test",)), fallback=None)


def withheld(linkage: lc.Linkage, *rows: int) -> Withholding:
    kept = {name: pl.Series([i not in rows for i in range(each.height)]) for name, each in linkage.rows.items()}
    counts = [{"source": name, "reason": "national", "records": int((~each).sum())} for name, each in kept.items()]
    return Withholding(kept, pl.DataFrame(counts), {"national": "a list"}, on=DAY, purpose=PURPOSE)


class Recipient:
    """A recipient who gets one release after another under one key."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "audit.jsonl"

    def gets(
        self,
        cohort: Cohort | str | None,
        linkage: lc.Linkage | None = None,
        *,
        key: lc.Key = KEY,
        sources: tuple[str, ...] = ("gp",),
        without: tuple[int, ...] = (),
        least: int = 10,
    ) -> lc.Release:
        linkage = linkage or linked()
        stated = lc.Agreement(
            "partner",
            key.id,
            dict.fromkeys(sources, ()),
            PURPOSE,
            cohort=cohort,
            terms=terms(least_cohort=least),
        )
        occasion = lc.Occasion("team", NOON, lc.Audit(self.log))
        kept = withheld(linkage, *without)
        return lc.release(linkage, stated, key, self.folder / "out", on=DAY, withholding=kept, occasion=occasion)

    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line)["details"] for line in self.log.read_text().splitlines()]


@pytest.fixture
def recipient(tmp_path: Path) -> Recipient:
    return Recipient(tmp_path)


def test_a_cohort_of_few_persons_is_refused_before_anything_is_written(recipient: Recipient) -> None:
    for cohort in (Cohort("AGE == 93", derived=AGE), "SCORE < 9", "SCORE < 0"):
        with pytest.raises(lc.RefusedError, match="fewer than 10 persons"):
            recipient.gets(cohort)
    assert list(recipient.folder.iterdir()) == []
    recipient.gets("SCORE < 10")


def test_terms_may_raise_the_least_size_and_not_lower_it(recipient: Recipient) -> None:
    with pytest.raises(lc.RefusedError, match="fewer than 31 persons"):
        recipient.gets("PRACTICE == 'A'", least=31)
    recipient.gets("PRACTICE == 'A'", least=30)
    for least in (9, True, 10.0):
        with pytest.raises(lc.ProgrammeError, match="least_cohort is a whole number from 10 on"):
            terms(least_cohort=least)


def test_without_terms_and_audit_log_the_least_size_holds_as_well(tmp_path: Path) -> None:
    stated = lc.Agreement("partner", KEY.id, {"gp": []}, cohort="SCORE < 9")
    with pytest.raises(lc.RefusedError, match="fewer than 10 persons"):
        lc.release(linked(), stated, KEY, tmp_path / "out")


def test_a_list_of_few_pseudonyms_is_refused(recipient: Recipient) -> None:
    first = pl.read_parquet(recipient.gets(None).folder / "gp.parquet")["pseudonym"]
    with pytest.raises(lc.RefusedError, match="fewer than 10 persons"):
        recipient.gets(Cohort(pseudonyms=first[:9]))


def test_only_persons_whose_records_leave_count(recipient: Recipient) -> None:
    """Ten persons of whom nine opted out, or have no record in what is released, hide nobody."""
    with pytest.raises(lc.RefusedError, match="fewer than 10 persons"):
        recipient.gets("SCORE < 10", without=tuple(range(1, 10)))
    with pytest.raises(lc.RefusedError, match="fewer than 10 persons"):
        recipient.gets("SCORE >= 19", sources=("hospital",))


def test_records_that_may_all_be_one_persons_do_not_count_as_persons(recipient: Recipient) -> None:
    stays = pl.DataFrame({"NHS": pl.Series([None] * 12, dtype=pl.String), "COST": [7] * 12})
    with pytest.raises(lc.RefusedError, match="fewer than 10 persons"):
        recipient.gets(Cohort("COST == 7", source="hospital"), linked(stays=stays), sources=("hospital",))


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (None, "not SCORE == 45"),  # everybody, and everybody but one
        ("not SCORE == 45", None),
        ("PRACTICE == 'B'", Cohort("PRACTICE == 'B' and AGE < 90", derived=AGE)),
        (Cohort("PRACTICE == 'B' and AGE < 90", derived=AGE), "PRACTICE == 'B'"),
        ("PRACTICE == 'B'", "PRACTICE == 'A' or SCORE == 45"),  # they share one person
    ],
)
def test_cohorts_whose_difference_is_one_person_are_refused(
    recipient: Recipient, first: Cohort | str | None, then: Cohort | str | None
) -> None:
    recipient.gets(first)
    before = sorted(recipient.folder.rglob("*"))
    with pytest.raises(lc.RefusedError, match=r"tell fewer than 10 persons apart .* new key"):
        recipient.gets(then)
    assert sorted(recipient.folder.rglob("*")) == before
    recipient.gets(then, key=lc.Key.generate(KEY.id))  # pseudonyms under another key cannot be joined
    Recipient(recipient.folder / "elsewhere").gets(then)


def test_three_cohorts_that_together_single_out_a_person_are_refused(recipient: Recipient) -> None:
    """Each two of them differ by ten persons or more."""
    recipient.gets("SCORE < 30")
    recipient.gets("SCORE < 15 or SCORE >= 45")
    with pytest.raises(lc.RefusedError, match="tell fewer than 10 persons apart"):
        recipient.gets("SCORE < 14 or SCORE >= 30")


def test_cohorts_that_differ_by_enough_persons_are_released(recipient: Recipient) -> None:
    for cohort in ("PRACTICE == 'A'", None, "PRACTICE == 'B'", "SCORE < 45", "PRACTICE == 'A'"):
        recipient.gets(cohort)
    assert [line.get("persons") for line in recipient.lines()] == [30, 60, 30, 45, 30]
    # How many persons the smallest part has into which the cohort divides those that were told apart before.
    assert [line.get("difference") for line in recipient.lines()] == [None, 30, None, 15, None]


def test_new_data_and_new_opt_outs_never_block_the_same_cohort(recipient: Recipient) -> None:
    recipient.gets("PRACTICE == 'B'")
    recipient.gets("PRACTICE == 'A'")
    recipient.gets("PRACTICE == 'B'", without=(45,))
    recipient.gets("PRACTICE == 'B'", linked(people(61)), without=(45, 46))
    recipient.gets("PRACTICE == 'B'", linked(people(59)))
    # Of the people whom only the first cohort had, three are left: a cohort that keeps them together tells nothing new.
    most = tuple(range(33, 60))
    recipient.gets(None, without=most)


def test_a_list_of_pseudonyms_is_compared_with_later_cohorts(recipient: Recipient) -> None:
    first = pl.read_parquet(recipient.gets("PRACTICE == 'B'").folder / "gp.parquet")["pseudonym"]
    recipient.gets(Cohort(pseudonyms=first.gather(range(15))))
    with pytest.raises(lc.RefusedError, match="tell fewer than 10 persons apart"):
        recipient.gets(Cohort(pseudonyms=first.gather(range(16))))
    recipient.gets(Cohort(pseudonyms=first.gather(range(15, 30))))
    # The list matches nobody in these data; no later release is blocked by it.
    other = people().with_columns(NHS=pl.Series(numbers(999_500_100, PEOPLE)))
    recipient.gets("PRACTICE == 'A'", linked(other, other.select("NHS", COST="SCORE")))


WAS = "linkcore:person:" + "a" * 32
"""What the person whose SCORE is 45 was called in an earlier month."""


def month_later(*now: int) -> lc.Linkage:
    """The linkage after WAS gave way to the persons with these scores."""
    linkage = linked()
    rows = [(WAS, str(people()["NHS"][each]), "joined", DAY) for each in now]
    history = replace(linkage.history, superseded=pl.DataFrame(rows, schema=SUPERSEDED, orient="row"))
    return replace(linkage, history=history)


def listed(*names: str) -> Cohort:
    return Cohort(pseudonyms=lc.pseudonymise(pl.Series(names), KEY))


def test_a_person_of_an_earlier_cohort_is_the_same_under_a_new_pseudonym(recipient: Recipient) -> None:
    """Else two lists that differ by one person pass for the same, and the recipient sees whose rows are gone."""
    now = month_later(45)
    others, person = people()["NHS"][46:60].to_list(), people()["NHS"][45]
    recipient.gets(listed(WAS, *others), now)
    assert recipient.lines()[-1]["persons"] == 15
    with pytest.raises(lc.RefusedError, match="tell fewer than 10 persons apart"):
        recipient.gets(listed(*others), now)
    recipient.gets(listed(person, *others), now)
    assert [line.get("difference") for line in recipient.lines()] == [None, None]


def test_a_list_reaches_nobody_by_a_pseudonym_that_is_two_persons_now(recipient: Recipient) -> None:
    now, others = month_later(44, 45), people()["NHS"][46:60].to_list()
    recipient.gets(listed(WAS, *others), now)
    assert recipient.lines()[-1]["persons"] == 14
    with pytest.raises(lc.ProgrammeError, match="nobody has any of the pseudonyms in its list"):
        recipient.gets(listed(WAS), now)


def test_an_earlier_cohort_that_no_longer_can_be_compared_is_refused(recipient: Recipient) -> None:
    recipient.gets("SCORE < 30")
    renamed = linked(people().rename({"SCORE": "POINTS"}))
    with pytest.raises(lc.RefusedError, match=r"earlier cohort .* has no columns \['SCORE'\].* new key"):
        recipient.gets("POINTS < 30", renamed)


def test_what_is_kept_is_private_and_holds_no_number(recipient: Recipient) -> None:
    first = pl.read_parquet(recipient.gets("PRACTICE == 'B'").folder / "gp.parquet")["pseudonym"]
    recipient.gets(Cohort(pseudonyms=first[:15]))
    files = [file for file in recipient.folder.glob("audit.jsonl.cohorts/**/*") if file.is_file()]
    assert len(files) == 2
    for file in files:
        assert oct(file.stat().st_mode)[-3:] == "600"
        assert not any(number in file.read_text() for number in people()["NHS"])
    assert oct((recipient.folder / "audit.jsonl.cohorts").stat().st_mode)[-3:] == "700"


def test_a_lost_or_altered_memory_of_cohorts_is_noticed(recipient: Recipient) -> None:
    recipient.gets("PRACTICE == 'B'")
    (kept,) = (file for file in recipient.folder.glob("audit.jsonl.cohorts/**/*") if file.is_file())
    kept.write_text(kept.read_text().replace("'B'", "'A'"))
    with pytest.raises(lc.RefusedError, match="was altered"):
        recipient.gets("PRACTICE == 'B'")
    shutil.rmtree(recipient.folder / "audit.jsonl.cohorts")
    with pytest.raises(lc.RefusedError, match=r"the audit log names an earlier cohort .* is missing"):
        recipient.gets("PRACTICE == 'B'")
    recipient.gets("PRACTICE == 'B'", key=OTHER)


def test_a_look_up_that_changed_is_another_choice_of_the_cohort(recipient: Recipient) -> None:
    homes = ["EX1 2AB", "EX1 2AD", "EX1 2AE"]
    frame = people().with_columns(HOME=pl.Series([homes[(i > 20) + (i > 55)] for i in range(PEOPLE)]))
    columns = {"nhs_number": "NHS", "postcode": "HOME"}
    linkage = lc.link(
        [lc.Source("gp", frame, spine=True, columns=columns)], exact=lc.Exact(usable=("test",)), fallback=None
    )
    look_up = recipient.folder / "areas.csv"
    area = Derived("small_area", look_up=look_up, least_people=10)
    cohort = Cohort("AREA == 'E1'", derived={"AREA": area})
    first = "postcode,area\nEX1 2AB,E2\nEX1 2AD,E1\nEX1 2AE,E1\n"
    look_up.write_text(first)
    recipient.gets(cohort, linkage)
    recipient.gets(cohort, linkage)
    look_up.write_text("postcode,area\nEX1 2AB,E2\nEX1 2AD,E1\nEX1 2AE,E2\n")
    with pytest.raises(lc.RefusedError, match="chosen by another look-up"):
        recipient.gets(cohort, linkage)
    newer = look_up.with_name("newer.csv")
    look_up.rename(newer)
    look_up.write_text(first)
    with pytest.raises(lc.RefusedError, match="tell fewer than 10 persons apart"):
        recipient.gets(Cohort("AREA == 'E1'", derived={"AREA": replace(area, look_up=newer)}), linkage)


def test_a_programme_that_moves_takes_its_look_ups_with_it(tmp_path: Path) -> None:
    home, away = tmp_path / "home", tmp_path / "away"
    home.mkdir()
    frame = people().with_columns(HOME=pl.lit("EX1 2AB"))
    columns = {"nhs_number": "NHS", "postcode": "HOME"}
    linkage = lc.link(
        [lc.Source("gp", frame, spine=True, columns=columns)], exact=lc.Exact(usable=("test",)), fallback=None
    )
    (home / "areas.csv").write_text("postcode,area\nEX1 2AB,E1\n")
    for folder in (home, away):
        if folder is away:
            home.rename(away)
        area = Derived("small_area", look_up=folder / "areas.csv", least_people=10)
        Recipient(folder).gets(Cohort("AREA == 'E1'", derived={"AREA": area}), linkage)


def test_two_releases_at_once_do_not_miss_each_other(recipient: Recipient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another release under the key, made after the comparison and before this one appears, stops this one."""
    from linkcore.governance.releases import release as module

    write_table = module.write_table

    def slow(*given: object) -> object:
        monkeypatch.setattr(module, "write_table", write_table)
        other = Recipient(recipient.folder / "other")
        other.log = recipient.log
        other.gets("not SCORE == 45")
        return write_table(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "write_table", slow)
    with pytest.raises(lc.RefusedError, match="at the same time"):
        recipient.gets(None)
    assert not (recipient.folder / "out").exists()


def test_the_least_size_is_in_the_manifest(recipient: Recipient) -> None:
    assert recipient.gets("PRACTICE == 'A'", least=25).manifest["terms"]["least_cohort"] == "25"
    assert replace(terms(), least_cohort=25).least_cohort == 25
