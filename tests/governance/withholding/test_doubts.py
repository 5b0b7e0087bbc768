"""Doubts about files of opt-outs: swapped, empty, cut off, of another day, or mangled by a spreadsheet."""

import datetime as dt
import hashlib
from pathlib import Path

import polars as pl
import pytest
from scipy.stats import binomtest

import linkcore as lc
from linkcore.governance.withholding.doubts import check_share, share_in_words
from linkcore.governance.withholding.national_check import national_opt_outs
from linkcore.governance.withholding.opt_out_policy import OptOutPolicy
from linkcore.governance.withholding.opt_outs import OptOuts
from linkcore.governance.withholding.type_one import type_one_opt_outs
from linkcore.governance.withholding.withholding import Withholding, withhold
from tests.naive_linkage import numbers

DAY = dt.date(2026, 3, 1)
PEOPLE = numbers(2_000)
OUT, IN = PEOPLE[:110], PEOPLE[110:]


@pytest.fixture(scope="module")
def linkage() -> lc.Linkage:
    people = pl.DataFrame({"nhs_number": PEOPLE})
    sources = [lc.Source("gp", people, spine=True), lc.Source("seen", people)]
    return lc.link(sources, fallback=None, exact=lc.Exact(usable=("valid", "test")), synthetic=True)


def listed(people: list[str], **stated: int | tuple[int, int]) -> OptOuts:
    return OptOuts.from_list(pl.DataFrame({"nhs_number": people}, {"nhs_number": pl.String}), as_of=DAY, **stated)  # type: ignore[arg-type]


def answered(answer: list[str], **stated: int) -> OptOuts:
    asked = pl.Series([int(number) for number in PEOPLE])
    return national_opt_outs(asked, pl.Series([int(each) for each in answer], dtype=pl.Int64), as_of=DAY, **stated)  # type: ignore[arg-type]


def withheld(linkage: lc.Linkage, national: OptOuts, **policy: tuple[float, float]) -> Withholding:
    lists = lc.OptOutLists(national=national)
    stated = OptOutPolicy(type_one_applied="the supplier", **policy)  # type: ignore[arg-type]
    return withhold(linkage, stated, lists, on=DAY, purpose="planning")


def test_the_right_files_withhold_the_right_people(linkage: lc.Linkage) -> None:
    for national in (listed(OUT), answered(IN)):
        found = withheld(linkage, national)
        assert (~found.kept["seen"]).sum() == len(OUT)


@pytest.mark.parametrize("swapped", ["the answer as a list", "the list as the answer"])
def test_files_given_as_each_other_are_refused_with_both_readings(linkage: lc.Linkage, swapped: str) -> None:
    national = listed(IN) if swapped == "the answer as a list" else answered(OUT)
    with pytest.raises(lc.RefusedError, match="94 in 100 of the people on the spine have opted out") as caught:
        withheld(linkage, national)
    assert "people who have not opted out" in str(caught.value)
    assert "1 in 18" in str(caught.value)


@pytest.mark.parametrize("national", [answered(PEOPLE), listed([])], ids=["an answer that was asked", "a header only"])
def test_a_file_by_which_nobody_has_opted_out_is_refused(linkage: lc.Linkage, national: OptOuts) -> None:
    with pytest.raises(lc.RefusedError, match="nobody of the people on the spine have opted out"):
        withheld(linkage, national)


def test_what_a_list_must_hold_is_stated_by_a_number_or_a_range(linkage: lc.Linkage) -> None:
    assert withheld(linkage, listed([], expected=0)).kept["seen"].all()
    assert not withheld(linkage, listed(PEOPLE[:1900], expected=(1_800, 2_000))).kept["seen"].all()
    for stated in (110, (100, 120)):
        assert listed(OUT, expected=stated).vouched
        with pytest.raises(lc.SourceError, match="99 people have opted out by this file"):
            listed(OUT[:99], expected=stated)
    with pytest.raises(lc.SourceError, match="110 are expected"):
        answered(PEOPLE, expected=110)
    with pytest.raises(lc.ProgrammeError, match="expected is"):
        listed(OUT, expected=(5, 4))


def test_a_checksum_does_not_make_another_file_the_right_one(linkage: lc.Linkage, tmp_path: Path) -> None:
    file = tmp_path / "opted_out.csv"
    for people in (IN, PEOPLE):
        file.write_text("nhs_number\n" + "\n".join(people) + "\n")
        beside = tmp_path / "opted_out.csv.sha256"
        beside.write_text(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  opted_out.csv\n")
        with pytest.raises(lc.RefusedError, match="the file is another one"):
            withheld(linkage, OptOuts.from_list(file, as_of=DAY))


def test_a_list_of_people_of_whom_nobody_is_on_the_spine_is_refused(linkage: lc.Linkage) -> None:
    strangers = numbers(len(PEOPLE) + 40)[len(PEOPLE) :]
    for stated in (None, 40):
        with pytest.raises(lc.RefusedError, match="nobody of them is on the spine"):
            withheld(linkage, listed(strangers, expected=stated), plausible=(0.0, 1.0))


def test_a_checksum_beside_a_file_vouches_for_it_or_refuses_it(linkage: lc.Linkage, tmp_path: Path) -> None:
    file = tmp_path / "opted_out.csv"
    file.write_text("nhs_number\n" + "\n".join(OUT[:2]) + "\n")
    assert not OptOuts.from_list(file, as_of=DAY).whole
    beside = tmp_path / "opted_out.csv.sha256"
    beside.write_text(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  opted_out.csv\n")
    whole = OptOuts.from_list(file, as_of=DAY)
    assert whole.whole
    assert (~withheld(linkage, whole).kept["seen"]).sum() == 2
    file.write_text("nhs_number\n" + OUT[0] + "\n")
    with pytest.raises(lc.SourceError, match=r"is not the file of which opted_out\.csv\.sha256 is the checksum"):
        OptOuts.from_list(file, as_of=DAY)


def test_the_bounds_can_be_set_and_few_people_are_given_to_chance(linkage: lc.Linkage) -> None:
    assert withheld(linkage, listed(IN), plausible=(0.0, 1.0)).kept["seen"].sum() == len(OUT)
    with pytest.raises(lc.RefusedError, match=r"at most 0\.01 of them is plausible"):
        withheld(linkage, listed(OUT), plausible=(0.0, 0.01))
    with pytest.raises(lc.ProgrammeError, match="from 0 to 1"):
        OptOutPolicy(plausible=(0.5, 0.1))
    check_share(0, 100, (0.005, 0.3), "few")
    check_share(5, 8, (0.005, 0.3), "few")


@pytest.mark.parametrize("people", [50, 2_000, 100_000])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.004, 0.05, 0.29, 0.31, 0.35, 0.6, 1.0])
def test_a_share_is_refused_where_an_exact_test_would_refuse_it(people: int, share: float) -> None:
    found = round(people * share)
    improbable = [
        binomtest(found, people, bound, alternative=alternative).pvalue < 1e-4
        for bound, alternative in ((0.005, "less"), (0.3, "greater"))
    ]
    if any(improbable):
        with pytest.raises(lc.RefusedError):
            check_share(found, people, (0.005, 0.3), "x")
    else:
        check_share(found, people, (0.005, 0.3), "x")


def test_shares_are_said_as_people_say_them() -> None:
    assert share_in_words(1, 3).startswith("1 in 3 ")
    assert share_in_words(1_000, 18_000).startswith("1 in 18 ")


# ------------------------------------------------------------------------------------------------------- Type 1 codes


def coded(*codes: object) -> pl.DataFrame:
    return pl.DataFrame({"nhs_number": PEOPLE[: len(codes)], "date": ["2024-05-01"] * len(codes), "code": codes})


@pytest.mark.parametrize(
    "code",
    [
        "9Nu0",
        "9Nu0.",
        "9Nu0.00",
        " 9Nu0. ",
        "'9Nu0.",
        "\u20199Nu0.",
        '="9Nu0."',
        "9Nu0. Dissent from secondary use of GP patient identifiable data",
        "9Nu0.|Dissent",
        "XaZ89",
        "827241000000103",
        "827241000000103.0",
        "'827241000000103",
        "827 241 000 000 103",
        "827,241,000,000,103",
        "827241000000103 | Dissent from secondary use |",
        "827241000000103 (Dissent)",
    ],
)
def test_what_a_spreadsheet_adds_is_taken_off(code: str) -> None:
    assert type_one_opt_outs(coded(code), as_of=DAY).in_force(DAY).to_list() == [int(PEOPLE[0])]


@pytest.mark.parametrize("code", ["8.27241E+14", "8.27E+14", "8e14", "9nu0", "9NU0.", "9NuO", "xaz89", "XaZB9"])
def test_what_is_nearly_a_code_is_refused(code: str) -> None:
    if code == "XaZB9":  # another letter is another code
        assert type_one_opt_outs(coded("9Nu0", code), as_of=DAY).other_codes == 1
        return
    with pytest.raises(lc.SourceError, match="1 codes are nearly those of an opt-out") as caught:
        type_one_opt_outs(coded("9Nu0", code), as_of=DAY)
    assert PEOPLE[1] not in str(caught.value)


def test_a_code_as_a_decimal_number_is_read() -> None:
    frame = coded(827241000000103.0, 827261000000102.0)
    assert frame["code"].dtype == pl.Float64
    assert type_one_opt_outs(frame, as_of=DAY).in_force(DAY).to_list() == [int(PEOPLE[0])]


def test_other_codes_are_counted_and_a_file_without_any_code_is_refused() -> None:
    found = type_one_opt_outs(coded("9Nu0", "9Nu4", "XE0of", "73211009", None), as_of=DAY)
    assert (found.in_force(DAY).len(), found.other_codes) == (1, 4)
    for nothing in (coded("9Nu4", "73211009"), coded()):
        with pytest.raises(lc.SourceError, match="has a code of an opt-out or its withdrawal"):
            type_one_opt_outs(nothing.cast({"code": pl.String, "date": pl.String}), as_of=DAY)
    assert type_one_opt_outs(coded("9Nu4"), as_of=DAY, expected=0).in_force(DAY).is_empty()


# ------------------------------------------------------------------------------------------------------------- dates


def register(*dates: str) -> pl.DataFrame:
    statements = ["withdrawal", "objection"][: len(dates)]
    return pl.DataFrame({"nhs_number": [PEOPLE[0]] * len(dates), "date": dates, "statement": statements})


def test_years_of_two_digits_are_of_this_century() -> None:
    """The withdrawal is of 2020, and the objection of 2026: read as 1926, it would have been the older one."""
    opt_outs = OptOuts.from_statements(register("20/04/20", "20/04/26"), as_of=dt.date(2026, 5, 1))
    assert opt_outs.in_force(dt.date(2026, 5, 1)).to_list() == [int(PEOPLE[0])]
    assert opt_outs.statements["date"].to_list() == [dt.date(2020, 4, 20), dt.date(2026, 4, 20)]


@pytest.mark.parametrize("late", ["2026-03-02", "20/04/26", "2062-01-01", "01/01/99"])
def test_a_date_after_the_day_of_the_register_is_refused(late: str) -> None:
    with pytest.raises(lc.SourceError, match="1 of the dates are after 2026-03-01") as caught:
        OptOuts.from_statements(register("2020-01-01", late), as_of=DAY)
    assert PEOPLE[0] not in str(caught.value)
    dated = pl.DataFrame({"nhs_number": PEOPLE[:1], "date": [late], "code": ["9Nu0"]})
    with pytest.raises(lc.SourceError, match="1 of the dates are after 2026-03-01"):
        type_one_opt_outs(dated, as_of=DAY)
