"""Errors in the records occur at the requested rates, measured on the extracts of the providers."""

import math
import unicodedata
from dataclasses import replace

import polars as pl
import pytest

from linkcore.synthetic import DEFAULT_RATES, ErrorRates
from linkcore.synthetic.providers import PROVIDERS
from linkcore.synthetic.records import build_records
from tests.synthetic.conftest import REFERENCE_DATE, TEST_RANGE, is_nhs_number, seeds

ERRORS = ("no_number", "wrong_number", "name", "birth_date", "postcode", "no_name", "gender")
PLACEHOLDERS = {"9999999999", "0000000000", "1111111111"}


def plain(text: str | None) -> str | None:
    if text is None:
        return None
    letters = unicodedata.normalize("NFD", text.upper().replace("Ł", "L"))
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def compared(name: str, records, people: pl.DataFrame) -> pl.DataFrame:
    """Find the wrong identifiers of each record by a slow and obvious comparison with its person."""
    provider = PROVIDERS[name]
    sent = records[name].frame.select(pl.col(own).alias(standard) for standard, own in provider.columns.items())
    true = people[records[name].truth["entity"]]
    rows = []
    for record, person in zip(sent.iter_rows(named=True), true.iter_rows(named=True), strict=True):
        number = str(record["nhs_number"] or "").replace(" ", "")
        usable = is_nhs_number(number) and number not in PLACEHOLDERS
        date = person["birth_date"]
        row = {
            "no_number": not usable,
            "wrong_number": usable and int(number) != person["nhs_number"],
            "birth_date": record["birth_date"] != (date if provider.dates is None else date.strftime(provider.dates)),
            "postcode": record["postcode"] != person["postcode"],
            "gender": record["gender"] != provider.gender[person["gender"]],
        }
        if "given_name" in provider.columns:
            given, family = plain(record["given_name"]), plain(record["family_name"])
            row["no_name"] = given in (None, "UNKNOWN", "NOT KNOWN")
            row["name"] = (given, family) != (plain(person["given_name"]), plain(person["family_name"]))
            row["name"] &= not row["no_name"]
        rows.append(row)
    return pl.DataFrame(rows)


@pytest.fixture(scope="module")
def wrong(records, people) -> dict[str, pl.DataFrame]:
    return {name: compared(name, records, people) for name in PROVIDERS}


@pytest.mark.parametrize("name", PROVIDERS)
def test_error_rates_are_as_requested(name, wrong):
    for error in ERRORS:
        if error not in wrong[name].columns:
            continue
        rate = getattr(DEFAULT_RATES[name], error)
        if error == "name":
            rate *= 1 - DEFAULT_RATES[name].no_name
        count = len(wrong[name])
        # Records of one patient share errors, so the variance is four times that of independent records.
        noise = 4 * math.sqrt(4 * rate * (1 - rate) / count) + 1 / count
        assert wrong[name][error].mean() == pytest.approx(rate, abs=noise), error
    assert wrong[name]["no_number"].mean() == pytest.approx(DEFAULT_RATES[name].no_number, abs=0.001)


def test_records_without_a_number_have_two_to_three_times_as_many_errors(wrong):
    for error in ("name", "no_name", "birth_date", "postcode"):
        without = expected = 0.0
        for name in PROVIDERS:
            if error in wrong[name].columns:
                has = ~wrong[name]["no_number"]
                without += wrong[name].filter(~has)[error].sum()
                expected += wrong[name].filter(has)[error].mean() * (~has).sum()
        assert 2 < without / expected < 3, error


def test_the_truth_flags_every_wrong_number(wrong, records):
    for name in PROVIDERS:
        flag = records[name].truth["number_wrong"]
        assert wrong[name].filter(~flag)["wrong_number"].sum() == 0
        # A flagged number that fails the check was mistyped.
        assert wrong[name].filter(flag).select(pl.col("wrong_number") | pl.col("no_number")).to_series().all()
        mistyped = wrong[name].filter(flag)["no_number"].sum()
        assert mistyped <= 0.2 * wrong[name]["no_number"].sum()


def test_no_record_has_a_number_in_a_real_range(records):
    for name, made in records.items():
        written = made.frame[PROVIDERS[name].columns["nhs_number"]].cast(pl.String).str.replace_all(" ", "")
        ten = written.filter(written.str.len_bytes() == 10)
        assert ten.str.head(1).is_in(["9", "0", "1"]).all(), name
        assert set(ten.filter(~ten.str.starts_with("9"))) <= {"0" * 10, "1" * 10}, name  # placeholders


def test_wrong_numbers_belong_to_the_household_to_another_patient_or_to_nobody(population, people):
    rates = ErrorRates(wrong_number=0.2)
    made = build_records(
        seeds(9),
        PROVIDERS["nhs_111"],
        population,
        rates,
        number_range=TEST_RANGE,
        encoding="utf-8",
        reference_date=REFERENCE_DATE,
    )
    carried = pl.DataFrame({"nhs_number": made.frame["NHS_NUMBER"].cast(pl.Int64), "entity": made.truth["entity"]})
    carried = carried.filter(made.truth["number_wrong"])
    owner = people.select("nhs_number", owner="household").drop_nulls()
    own = carried.join(people.select("entity", "household", "companions"), on="entity")
    found = own.join(owner, on="nhs_number", how="left")
    nobody = found["owner"].is_null().mean()
    assert 0.10 < nobody < 0.16  # 15 % are mistyped; some of those become the number of another patient
    with_others = found.filter(pl.col("companions") > 1)
    at_home = (with_others["owner"] == with_others["household"]).fill_null(value=False).mean()
    assert at_home == pytest.approx(0.35, abs=0.04)


def test_numbers_are_missing_more_often_for_young_and_unlisted_people(wrong, records, people):
    joined = people[records["emergency"].truth["entity"]].hstack(wrong["emergency"].select("no_number"))
    young = joined.filter(pl.col("age").is_between(15, 35))["no_number"].mean()
    old = joined.filter(pl.col("age") > 60)["no_number"].mean()
    assert young > 1.5 * old
    by_listing = dict(joined.group_by("listed").agg(pl.col("no_number").mean()).iter_rows())
    assert by_listing[False] > 5 * by_listing[True]


def test_people_have_about_four_records_and_some_have_many(records):
    truth = pl.concat([made.truth for made in records.values()])
    per_person = truth.filter("listed").group_by("entity").len()["len"]
    assert len(truth) / 40_000 == pytest.approx(4, abs=0.1)
    assert per_person.quantile(0.99) > 15
    assert per_person.median() <= 3
    attended = records["outpatient"].truth.group_by("entity").len()["len"]
    assert attended.max() > 10


def test_the_spine_has_one_record_per_listed_person(records, people):
    gp = records["gp"]
    assert sorted(gp.truth["entity"]) == people.filter("listed")["entity"].to_list()
    assert gp.frame["PRACTICE_CODE"].is_not_null().all()


@pytest.mark.parametrize("name", PROVIDERS)
def test_record_ids_are_unique_and_match_the_truth(name, records):
    provider, made = PROVIDERS[name], records[name]
    assert made.truth["record_id"].n_unique() == len(made.frame)
    expected = made.frame[provider.record_id] if provider.record_id else pl.Series(map(str, range(len(made.frame))))
    assert made.truth["record_id"].equals(expected, check_names=False)
    assert (made.truth["source"] == name).all()


def test_no_record_precedes_the_birth_of_its_person(records, people):
    for name, column in (("outpatient", "APPOINTMENT_DATE"), ("mental_health", "ReferralDate"), ("gp", "LAST_SEEN")):
        born = people["birth_date"].gather(records[name].truth["entity"])
        day = records[name].frame[column]
        assert (day >= born).mean() > 0.9999  # a birth date of 1 January may differ from the true one
        assert day.max() <= REFERENCE_DATE


def test_most_patients_have_one_local_identifier_of_their_own(records):
    for name, provider in PROVIDERS.items():
        if "local_patient_id" not in provider.columns:
            continue
        ids = records[name].truth.select("entity", local=records[name].frame[provider.columns["local_patient_id"]])
        several = ids.group_by("entity").agg(pl.col("local").n_unique() > 1)["local"].mean()
        assert several < 0.02
        assert ids.group_by("local").agg(pl.col("entity").n_unique() > 1)["entity"].mean() < 0.01


def test_hospital_extracts_of_one_trust_share_their_local_identifiers(records):
    inpatient = records["inpatient"].truth.select("entity", local=records["inpatient"].frame["HOSPITAL_NO"])
    outpatient = records["outpatient"].truth.select("entity", local=records["outpatient"].frame["PATIENT_ID"])
    both = inpatient.unique("entity").join(outpatient.unique("entity"), on="entity")
    assert (both["local"] == both["local_right"]).mean() > 0.95


def test_each_kind_of_name_error_can_be_made_alone(population, people):
    def names(kind):
        made = build_records(
            seeds(11),
            PROVIDERS["nhs_111"],
            population,
            ErrorRates(name=0.3, name_kinds={kind: 1.0}),
            number_range=TEST_RANGE,
            encoding="utf-8",
            reference_date=REFERENCE_DATE,
        )
        true = people[made.truth["entity"]].rename({"given_name": "given", "family_name": "family"})
        both = true.hstack(made.frame.select("FORENAME", "SURNAME"))
        given, family = ([plain(text) for text in both[column]] for column in ("given", "family"))
        both = both.with_columns(given=pl.Series(given), family=pl.Series(family))
        changed = both.filter((pl.col("given") != pl.col("FORENAME")) | (pl.col("family") != pl.col("SURNAME")))
        assert len(changed) > 20, kind
        return changed

    swap = names("swap")
    assert (swap["given"] == swap["SURNAME"]).all()
    initial = names("initial")
    assert (initial["given"].str.slice(0, 1) == initial["FORENAME"]).all()
    assert (initial["family"] == initial["SURNAME"]).all()
    changed = names("surname_changed")
    assert changed["SURNAME"].to_list() == [plain(name) for name in changed["previous_family_name"]]
    nickname = names("nickname")
    assert nickname["FORENAME"].to_list() == [plain(name) for name in nickname["nickname"]]
    newborn = names("newborn")
    assert (newborn["age"] < 1).all()
    assert newborn.filter(pl.col("FORENAME") == "BABY GIRL")["gender"].unique().to_list() == [2]
    middle = names("middle_name")
    assert middle.select(pl.col("FORENAME").str.starts_with(pl.col("given") + " ")).to_series().all()
    cut = names("truncation")
    assert cut.select(pl.col("family").str.starts_with(pl.col("SURNAME"))).to_series().all()
    lost = names("hyphen_lost")
    parts = zip(lost["given"] + "-" + lost["family"], lost["FORENAME"] + "-" + lost["SURNAME"], strict=True)
    assert all(set(kept.split("-")) < set(whole.split("-")) for whole, kept in parts)


def test_each_kind_of_date_error_can_be_made_alone(population, people):
    def dates(kind):
        made = build_records(
            seeds(12),
            PROVIDERS["nhs_111"],
            population,
            ErrorRates(birth_date=0.3, birth_date_kinds={kind: 1.0}),
            number_range=TEST_RANGE,
            encoding="utf-8",
            reference_date=REFERENCE_DATE,
        )
        true = people["birth_date"].gather(made.truth["entity"])
        pairs = list(zip(true.dt.strftime("%Y-%m-%d"), made.frame["DOB"], strict=True))
        changed = [(one, other) for one, other in pairs if one != other]
        assert len(changed) / len(pairs) == pytest.approx(0.3, abs=0.02 if kind != "swap" else 0.2)
        return changed

    assert all(one[:4] + one[4:7][::-1] and other == f"{one[:4]}-{one[8:]}-{one[5:7]}" for one, other in dates("swap"))
    assert all(other == "1900-01-01" for _, other in dates("default"))
    assert all(other is None for _, other in dates("missing"))
    assert all(other == f"{one[:4]}-02-30" for one, other in dates("impossible"))
    assert all(other == f"{one[:4]}-01-01" for one, other in dates("first_of_january"))
    assert all(abs(int(one[:4]) - int(other[:4])) in {1, 10} for one, other in dates("year"))
    digit = dates("digit")
    same = [sum(one[p] == other[p] for p in (slice(0, 4), slice(5, 7), slice(8, 10))) for one, other in digit]
    assert min(same) >= 1
    assert sum(count == 2 for count in same) / len(same) > 0.95  # a 31st may become the 30th or 28th in a shorter month


def test_each_kind_of_postcode_error_can_be_made_alone(population, people):
    before = population.places.dwellings["postcode"].gather(people["previous_dwelling"].fill_null(0))
    known = people.with_columns(before=before)

    def postcodes(kind):
        made = build_records(
            seeds(13),
            PROVIDERS["out_of_hours"],
            population,
            ErrorRates(postcode=0.3, postcode_kinds={kind: 1.0}),
            number_range=TEST_RANGE,
            encoding="utf-8",
            reference_date=REFERENCE_DATE,
        )
        both = known[made.truth["entity"]].with_columns(sent=made.frame["Postcode"], line=made.frame["Address"])
        return both.filter(pl.col("sent").ne_missing(pl.col("postcode")))

    old = postcodes("old")
    assert (old["sent"] == old["before"]).all()
    assert (old["line"] != old["address"]).mean() > 0.99
    assert postcodes("missing")["sent"].is_null().all()
    assert postcodes("pseudo")["sent"].str.starts_with("ZZ99 3").all()
    typed = postcodes("typing").filter(~pl.col("postcode").str.starts_with("ZZ99"))
    differ = [sum(a != b for a, b in zip(x, y, strict=True)) for x, y in typed.select("sent", "postcode").iter_rows()]
    assert set(differ) == {1}
    scene = postcodes("incident")
    assert scene["sent"].is_in(population.places.dwellings["postcode"].implode()).all()
    assert (scene["line"] == scene["address"]).all()


def test_numbers_that_begin_with_zero_keep_it(population):
    low = population.people.with_columns(pl.col("nhs_number") - 8_900_000_000)
    made = build_records(
        seeds(14),
        PROVIDERS["nhs_111"],
        replace(population, people=low),
        ErrorRates(),
        number_range=(10_000_000, 109_999_999),
        encoding="utf-8",
        reference_date=REFERENCE_DATE,
    )
    assert (made.frame["NHS_NUMBER"].drop_nulls().str.len_chars() == 10).all()
    assert made.frame["NHS_NUMBER"].str.starts_with("0").any()
