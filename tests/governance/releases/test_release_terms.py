"""A release under an agreement: columns, persons, k-anonymity, formats, the audit log, and every reason to refuse."""

import datetime as dt
import hmac
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

import linkcore as lc
from linkcore.governance.audit.audit import Audit
from linkcore.governance.audit.occasion import Occasion
from linkcore.governance.releases.checks import refuse_shared_keys
from linkcore.governance.releases.cohorts import Cohort
from linkcore.governance.releases.derived import Derived
from linkcore.governance.withholding.withholding import Withholding
from tests.governance.extracts import (
    DAY,
    FAMILY,
    GIVEN,
    KEY,
    MATERIAL,
    NOON,
    OTHER,
    PEOPLE,
    PURPOSE,
    linked,
    numbers,
    signed_and_audited,
    spine,
    stays,
    terms,
    withholding,
)

COLUMNS = {"gp": ["SMOKER"], "hospital": ["COST", "WARD", "ON"]}


def agreement(key: lc.Key = KEY, **changes: Any) -> lc.Agreement:
    stated: dict[str, Any] = {"columns": COLUMNS, "purpose": PURPOSE, "terms": terms()}
    return lc.Agreement("partner" if key is KEY else "other", key.id, **(stated | changes))


def under(material: bytes, text: str) -> str:
    return hmac.digest(material, text.encode(), "sha256").hex()[:32]


def persons_in_order(linkage: lc.Linkage, material: bytes = MATERIAL) -> list[str]:
    """Compute the pseudonym of each person, one by one."""
    return [
        under(material, f"{row['nhs_number']:010d}" if row["nhs_number"] else f"linkcore:person:{row['token']}")
        for row in linkage.persons.rows(named=True)
    ]


class TestColumns:
    def test_a_pseudonymised_column_is_hmac_of_name_and_value(self, tmp_path: Path) -> None:
        linkage = linked()
        stated = agreement(pseudonymised={"hospital": ["SPELL"]})
        lc.release(linkage, stated, KEY, tmp_path / "out", on=DAY)
        released = pl.read_parquet(tmp_path / "out" / "hospital.parquet")
        by_person = persons_in_order(linkage)
        expected = {
            (by_person[person], row["COST"], under(MATERIAL, f"linkcore:column:SPELL:{row['SPELL']}"))
            for row, person in zip(stays().rows(named=True), linkage.links_of("hospital")["person_id"], strict=True)
        }
        assert set(released.select("pseudonym", "COST", "SPELL").rows()) == expected

    def test_a_number_and_its_text_have_the_same_pseudonym_and_a_missing_value_has_none(self, tmp_path: Path) -> None:
        of = numbers(999_000_100, 4)
        values: list[tuple[str, list[object]]] = [("one", [7, None, 8, 9]), ("two", ["7", "", " 8 ", None])]
        sources = [lc.Source(name, pl.DataFrame({"nhs_number": of, "REF": ids})) for name, ids in values]
        linkage = lc.link(sources, exact=lc.Exact(usable=("test",)), fallback=None)
        stated = lc.Agreement("p", KEY.id, {"one": [], "two": []}, pseudonymised={"one": ["REF"], "two": ["REF"]})
        lc.release(linkage, stated, KEY, tmp_path / "out")
        one, two = (set(pl.read_parquet(tmp_path / "out" / f"{name}.parquet")["REF"]) for name in ("one", "two"))
        assert one == {None, *(under(MATERIAL, f"linkcore:column:REF:{each}") for each in "789")}
        assert two == {None, *(under(MATERIAL, f"linkcore:column:REF:{each}") for each in "78")}

    @pytest.mark.parametrize("of_birth", [Derived("age", at=DAY), Derived("birth_month"), Derived("birth_year")])
    def test_derived_columns_replace_identifiers(self, tmp_path: Path, of_birth: Derived) -> None:
        linkage = linked()
        derived = {
            "born": of_birth,
            "district": Derived("postcode_district"),
            "sex": Derived("gender"),
        }
        lc.release(linkage, agreement(derived={"gp": derived}), KEY, tmp_path / "out", on=DAY)
        expected = {
            (
                pseudonym,
                {
                    "age": DAY.year - row["BORN"].year - ((DAY.month, DAY.day) < (row["BORN"].month, row["BORN"].day)),
                    "birth_month": f"{row['BORN']:%Y-%m}",
                    "birth_year": row["BORN"].year,
                }[of_birth.kind],
                row["HOME"].split()[0],
                {"1": "male", "2": "female"}[row["SEX"]],
            )
            for pseudonym, row in zip(persons_in_order(linkage), spine().rows(named=True), strict=False)
        }
        released = pl.read_parquet(tmp_path / "out" / "gp.parquet")
        assert set(released.select("pseudonym", "born", "district", "sex").rows()) == expected

    def test_two_recipients_share_no_pseudonym_in_any_column(self, tmp_path: Path) -> None:
        linkage = linked()
        for key, name in ((KEY, "one"), (OTHER, "two")):
            stated = agreement(key, pseudonymised={"hospital": ["SPELL"]})
            lc.release(linkage, stated, key, tmp_path / name, on=DAY)
        one, two = (
            pl.concat([pl.read_parquet(file)[column] for file, column in ((out, "pseudonym"), (out, "SPELL"))])
            for out in (tmp_path / name / "hospital.parquet" for name in ("one", "two"))
        )
        assert set(one).isdisjoint(two)

    @pytest.mark.parametrize("column", ["NHS", "HOME"])
    def test_an_identifier_under_another_name_is_refused(self, tmp_path: Path, column: str) -> None:
        copied = stays().with_columns(spine()[column].gather([i % PEOPLE for i in range(3 * PEOPLE)]).alias("REF"))
        source = lc.Source("hospital", copied, columns={"nhs_number": "NHS"})
        linkage = lc.link([source], exact=lc.Exact(usable=("test",)), fallback=None)
        with pytest.raises(lc.RefusedError, match=r"'REF' holds .* under another name") as caught:
            lc.release(linkage, lc.Agreement("p", KEY.id, {"hospital": ["COST", "REF"]}), KEY, tmp_path / "out")
        assert not any(value in str(caught.value) for value in spine()[column])
        assert not (tmp_path / "out").exists()


class TestPersons:
    @pytest.mark.parametrize("real", [False, True])
    def test_withheld_records_are_not_released(self, tmp_path: Path, real: bool) -> None:
        linkage = linked(real=real)
        away = range(3, 9)
        released = lc.release(
            linkage,
            agreement(),
            KEY,
            tmp_path / "out",
            on=DAY,
            withholding=withholding(linkage, without=away),
            **signed_and_audited(tmp_path),
        )
        by_person, links = persons_in_order(linkage), linkage.links_of("hospital")["person_id"]
        expected = sorted(
            (by_person[links[i]], row["COST"], row["ON"])
            for i, row in enumerate(stays().rows(named=True))
            if i not in away
        )
        rows = pl.read_parquet(tmp_path / "out" / "hospital.parquet").select("pseudonym", "COST", "ON").rows()
        assert sorted(rows) == expected
        assert released.manifest["synthetic"] is not real
        assert released.counts.rows() == [
            ("gp", PEOPLE, 6, 0, PEOPLE - 6),
            ("hospital", 3 * PEOPLE, 6, 0, 3 * PEOPLE - 6),
        ]

    def test_the_manifest_states_the_basis_but_no_small_count(self, tmp_path: Path) -> None:
        linkage = linked()
        kept = withholding(linkage, without=range(6))
        manifest = lc.release(linkage, agreement(), KEY, tmp_path / "out", on=DAY, withholding=kept).manifest
        assert manifest["withheld"]["basis"] == {"national": "a list of 2026-04-14"}
        assert [row["records"] for row in manifest["withheld"]["records"]] == ["*", "*"]

    def test_all_records_of_the_cohort_are_released_and_no_others(self, tmp_path: Path) -> None:
        linkage = linked()
        where = 'PRACTICE != "L83002"'
        stated = agreement(cohort=where)
        released = lc.release(linkage, stated, KEY, tmp_path / "out", on=DAY)
        by_person = persons_in_order(linkage)
        inside = {by_person[i] for i in range(PEOPLE) if i % 3 != 1}
        hospital = pl.read_parquet(tmp_path / "out" / "hospital.parquet")
        assert set(pl.read_parquet(tmp_path / "out" / "gp.parquet")["pseudonym"]) == inside
        assert set(hospital["pseudonym"]) <= inside
        assert hospital.height == sum(by_person[each] in inside for each in linkage.links_of("hospital")["person_id"])
        assert released.manifest["cohort"] == {"where": where, "source": "the spine"}
        assert released.counts["outside"].to_list() == [PEOPLE // 3, 3 * PEOPLE - hospital.height]

    def test_a_cohort_can_be_the_persons_of_an_earlier_release(self, tmp_path: Path) -> None:
        linkage = linked()
        first = lc.release(linkage, agreement(cohort="SMOKER"), KEY, tmp_path / "first", on=DAY)
        stated = agreement(cohort=Cohort(pseudonyms=first.folder / "gp.parquet"))
        lc.release(linkage, stated, KEY, tmp_path / "second", on=DAY)
        one, two = (pl.read_parquet(tmp_path / name / "gp.parquet") for name in ("first", "second"))
        assert one.equals(two)


class TestRefusals:
    @pytest.mark.parametrize(
        ("changes", "says"),
        [
            ({"end": DAY - dt.timedelta(1)}, "it ended on 2026-04-14"),
            ({"start": DAY + dt.timedelta(1)}, "it starts on 2026-04-16"),
            ({"ico_expires": DAY - dt.timedelta(1)}, "ICO registration expired"),
            ({"toolkit_expires": DAY - dt.timedelta(1)}, "toolkit assessment expired"),
            ({"next_audit": DAY - dt.timedelta(1)}, "audit has been overdue"),
        ],
    )
    def test_terms_not_in_force(self, tmp_path: Path, changes: dict[str, Any], says: str) -> None:
        with pytest.raises(lc.RefusedError, match=says):
            lc.release(linked(), agreement(terms=terms(**changes)), KEY, tmp_path / "out", on=DAY)
        assert not (tmp_path / "out").exists()

    def test_the_day_of_release_is_missing_or_a_time(self, tmp_path: Path) -> None:
        with pytest.raises(lc.ProgrammeError, match="day of release"):
            lc.release(linked(), agreement(), KEY, tmp_path / "out")
        with pytest.raises(lc.ProgrammeError, match="day of release"):
            lc.release(linked(), agreement(), KEY, tmp_path / "out", on=NOON)

    def test_real_people_without_opt_outs_or_terms(self, tmp_path: Path) -> None:
        linkage = linked(real=True)
        with pytest.raises(lc.RefusedError, match="without opt-outs applied"):
            lc.release(linkage, agreement(), KEY, tmp_path / "out", on=DAY)
        with pytest.raises(lc.RefusedError, match="states no terms"):
            lc.release(linkage, agreement(terms=None), KEY, tmp_path / "out", on=DAY, withholding=withholding(linkage))

    @pytest.mark.parametrize("lacking", ["signing_key", "occasion"])
    def test_real_people_unsigned_or_unaudited(self, tmp_path: Path, lacking: str) -> None:
        linkage = linked(real=True)
        given = {name: each for name, each in signed_and_audited(tmp_path).items() if name != lacking}
        with pytest.raises(lc.RefusedError, match="released only signed and audited"):
            lc.release(linkage, agreement(), KEY, tmp_path / "out", on=DAY, withholding=withholding(linkage), **given)
        assert list(tmp_path.iterdir()) == []

    def test_data_declared_synthetic_may_be_unsigned_but_need_opt_outs_and_terms(self, tmp_path: Path) -> None:
        unnumbered = lc.Source("gp", spine().drop("NHS"), spine=True, columns={"birth_date": "BORN"})
        linkage = lc.link([unnumbered], fallback=None, synthetic=True)
        kept, columns = withholding(linkage), {"gp": ["SMOKER"]}
        released = lc.release(linkage, agreement(columns=columns), KEY, tmp_path / "out", on=DAY, withholding=kept)
        assert released.manifest["synthetic"] is False  # the manifest says what the numbers show
        with pytest.raises(lc.RefusedError, match="without opt-outs applied"):
            lc.release(linkage, agreement(columns=columns), KEY, tmp_path / "other", on=DAY)
        without_terms = agreement(columns=columns, terms=None)
        with pytest.raises(lc.RefusedError, match="states no terms"):
            lc.release(linkage, without_terms, KEY, tmp_path / "other", on=DAY, withholding=kept)

    def test_opt_outs_as_of_another_day_or_for_another_purpose(self, tmp_path: Path) -> None:
        linkage = linked(real=True)
        for stated, says in (
            (withholding(linkage, on=DAY - dt.timedelta(1)), "as of 2026-04-14, and the release is on 2026-04-15"),
            (withholding(linkage, purpose="research"), "for its own purpose only"),
        ):
            with pytest.raises(lc.RefusedError, match=says):
                lc.release(linkage, agreement(), KEY, tmp_path / "out", on=DAY, withholding=stated)

    @pytest.mark.parametrize("wrong", ["fewer", "none", "null"])
    def test_a_withholding_of_another_linkage(self, tmp_path: Path, wrong: str) -> None:
        linkage = linked()
        sound = withholding(linkage)
        kept = dict(sound.kept)
        if wrong == "fewer":
            kept["hospital"] = kept["hospital"].head(3)
        elif wrong == "none":
            del kept["hospital"]
        else:
            kept["hospital"] = kept["hospital"].scatter(0, None)
        other = Withholding(kept, sound.counts, sound.basis, on=DAY, purpose=PURPOSE)
        with pytest.raises(lc.RefusedError, match="source 'hospital': the withholding is not of this linkage"):
            lc.release(linkage, agreement(), KEY, tmp_path / "out", on=DAY, withholding=other)

    def test_a_key_that_another_recipient_also_has(self, tmp_path: Path) -> None:
        same = lc.Key.from_bytes(OTHER.id, MATERIAL)
        first = lc.release(linked(), agreement(), KEY, tmp_path / "partner", on=DAY)
        with pytest.raises(lc.RefusedError, match="'partner' had a release under the same key"):
            refuse_shared_keys({"other": same}, releases=[first.folder])
        refuse_shared_keys({"other": OTHER}, releases=[first.folder])
        refuse_shared_keys({"partner": KEY}, releases=[first.folder])
        with pytest.raises(lc.RefusedError, match="'partner' and 'other' have the same key material"):
            refuse_shared_keys({"partner": KEY, "other": same})
        refuse_shared_keys({"partner": KEY, "other": OTHER})


class TestAnonymity:
    def test_the_manifest_states_the_k_of_the_released_columns(self, tmp_path: Path) -> None:
        stated = agreement(derived={"gp": {"sex": Derived("gender")}}, quasi_identifiers={"gp": ["SMOKER"]})
        anonymity = lc.release(linked(), stated, KEY, tmp_path / "out", on=DAY).manifest["anonymity"]
        groups = spine().group_by("SEX", "SMOKER").len()
        assert anonymity["quasi_identifiers"] == {"gp": ["SMOKER", "sex"]}
        assert anonymity["release"] == {"k": 1, "persons": 25, "classes": groups.height, "alone": "*"}
        assert anonymity["sources"]["gp"] == anonymity["release"]

    def test_a_release_below_the_smallest_k_is_refused(self, tmp_path: Path) -> None:
        derived = {"gp": {"sex": Derived("gender")}}
        for stated in (agreement(derived=derived, minimum_k=13), replace(agreement(derived=derived), minimum_k=13)):
            with pytest.raises(lc.RefusedError, match="k-anonymity is 12, and at least 13 is wanted"):
                lc.release(linked(), stated, KEY, tmp_path / "out", on=DAY)
            assert not (tmp_path / "out").exists()
        lc.release(linked(), agreement(derived=derived, minimum_k=12), KEY, tmp_path / "out", on=DAY)

    def test_without_quasi_identifiers_there_is_no_k(self, tmp_path: Path) -> None:
        anonymity = lc.release(linked(), agreement(), KEY, tmp_path / "out", on=DAY).manifest["anonymity"]
        assert anonymity["release"]["k"] is None


class TestFormats:
    def test_every_format_holds_the_same_rows_in_the_same_order(self, tmp_path: Path) -> None:
        linkage = linked()
        for kind in ("parquet", "csv", "duckdb"):
            stated = agreement(format=kind, pseudonymised={"hospital": ["SPELL"]})
            lc.release(linkage, stated, KEY, tmp_path / kind, on=DAY)
        for source in ("gp", "hospital"):
            expected = pl.read_parquet(tmp_path / "parquet" / f"{source}.parquet")
            csv = pl.read_csv(tmp_path / "csv" / f"{source}.csv", try_parse_dates=True)
            with duckdb.connect(str(tmp_path / "duckdb" / "release.duckdb"), read_only=True) as database:
                table = database.sql(f"FROM {source}").pl()
            text = pl.col("link_method").cast(pl.String)
            assert csv.equals(expected.with_columns(text))
            assert table.with_columns(text).equals(expected.with_columns(text))
        files = {file.name for file in (tmp_path / "duckdb").iterdir()}
        assert files == {"manifest.json", "release.duckdb"}
        assert all(oct(file.stat().st_mode)[-3:] == "600" for file in tmp_path.rglob("*.*"))

    @pytest.mark.parametrize("kind", ["csv", "duckdb"])
    def test_a_release_in_another_format_replaces_the_earlier_one(self, tmp_path: Path, kind: Any) -> None:
        lc.release(linked(), agreement(), KEY, tmp_path / "out", on=DAY)
        released = lc.release(linked(), agreement(format=kind), KEY, tmp_path / "out", on=DAY)
        assert released.rows == {"gp": PEOPLE, "hospital": 3 * PEOPLE}
        assert not list((tmp_path / "out").glob("*.parquet"))

    def test_a_csv_holds_no_formula_and_all_text_can_be_restored(self, tmp_path: Path) -> None:
        texts = ["=1+1", "@x", "+44 1", "-1", "-1.5e3", "-x", "\t=1", "'t", "", None, "a,b", 'say "x"', "two\nlines"]
        source = lc.Source("seen", pl.DataFrame({"nhs_number": numbers(999_000_100, len(texts)), "NOTE": texts}))
        linkage = lc.link([source], exact=lc.Exact(usable=("test",)), fallback=None)
        lc.release(linkage, lc.Agreement("p", KEY.id, {"seen": ["NOTE"]}, format="csv"), KEY, tmp_path / "out")
        read = pl.read_csv(tmp_path / "out" / "seen.csv", infer_schema=False)
        notes = read["NOTE"].to_list()
        assert {each for each in notes if each and each[0] in "=+@\t-"} == {"-1", "-1.5e3"}
        assert sorted(map(str, read["NOTE"].str.strip_prefix("'"))) == sorted(map(str, texts))


class TestAudit:
    def test_a_release_is_recorded_before_it_appears(self, tmp_path: Path) -> None:
        seen: list[bool] = []

        class Watched(Audit):
            def record(self, *given: Any, **details: Any) -> None:
                super().record(*given, **details)
                seen.append((tmp_path / "out").exists())

        audit = Watched(tmp_path / "audit.jsonl")
        lc.release(linked(), agreement(), KEY, tmp_path / "out", on=DAY, occasion=Occasion("team", NOON, audit))
        (line,) = (tmp_path / "audit.jsonl").read_text().splitlines()
        assert seen == [False]
        assert (tmp_path / "out").exists()
        assert all(word in line for word in ('"release"', '"partner"', '"partner-2026"', PURPOSE))

    def test_a_log_that_cannot_be_written_stops_the_release(self, tmp_path: Path) -> None:
        class Full(Audit):
            def record(self, *_given: Any, **_details: Any) -> None:
                raise lc.RefusedError("no space is left")

        audit = Full(tmp_path / "audit.jsonl")
        with pytest.raises(lc.RefusedError, match="no space"):
            lc.release(linked(), agreement(), KEY, tmp_path / "out", on=DAY, occasion=Occasion("team", NOON, audit))
        assert not (tmp_path / "out").exists()

    def test_an_occasion_without_an_actor_is_refused(self, tmp_path: Path) -> None:
        occasion = Occasion("", NOON, Audit(tmp_path / "audit.jsonl"))
        with pytest.raises(lc.ProgrammeError, match="who releases"):
            lc.release(linked(), agreement(), KEY, tmp_path / "out", on=DAY, occasion=occasion)
        assert list(tmp_path.iterdir()) == []

    def test_the_manifest_has_the_true_time_beside_the_day_for_which_it_is(self, tmp_path: Path) -> None:
        linkage, day = linked(real=True), DAY - dt.timedelta(2)
        stated, written = agreement(), []
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            released = lc.release(
                *(linkage, stated, KEY, tmp_path / name / "out"),
                on=day,
                withholding=withholding(linkage, on=day),
                **signed_and_audited(tmp_path / name),
            )
            assert (released.manifest["on"], released.manifest["written"]) == (
                "2026-04-13",
                "2026-04-15T12:00:00+00:00",
            )
            line = json.loads((tmp_path / name / "audit.jsonl").read_text())
            assert (line["details"]["on"], line["at"]) == ("2026-04-13", released.manifest["written"])
            written.append((released.folder / "manifest.json").read_bytes())
        # The time is that of the occasion, not of the clock: the same inputs give the same bytes.
        assert written[0] == written[1]

    def test_without_an_occasion_the_manifest_knows_no_time(self, tmp_path: Path) -> None:
        assert lc.release(linked(), agreement(), KEY, tmp_path / "out", on=DAY).manifest["written"] is None

    @pytest.mark.parametrize("changes", [{"purpose": "for 999 000 0018"}, {"purpose": "long " * 300}])
    def test_what_the_log_would_refuse_is_refused_before_anything_is_read(self, changes: dict[str, Any]) -> None:
        with pytest.raises(lc.LinkcoreError, match="agreement with 'partner': purpose"):
            agreement(**changes).check(linked().sources)

    def test_the_purpose_of_the_agreement_is_recorded_with_the_dates_of_its_papers(self, tmp_path: Path) -> None:
        purpose = "records since 1 April 2019, Act of 25/05/2018"
        occasion = Occasion("team", NOON, Audit(tmp_path / "audit.jsonl"), reason="monthly")
        lc.release(linked(), agreement(purpose=purpose), KEY, tmp_path / "out", on=DAY, occasion=occasion)
        line = json.loads((tmp_path / "audit.jsonl").read_text())
        stated = (line["actor"], line["reason"], line["details"]["purpose"], line["at"])
        assert stated == ("team", "monthly", purpose, NOON.isoformat())


def test_no_format_carries_an_identifier(tmp_path: Path) -> None:
    linkage = linked(real=True)
    secrets = {*spine(real=True)["NHS"], *spine()["HOME"], *spine()["PRACTICE"], *stays()["SPELL"], *GIVEN, *FAMILY}
    secrets |= {f"{each:%Y-%m-%d}" for each in spine()["BORN"]} | {MATERIAL.hex()}
    derived = {"gp": {"age": Derived("age", at=DAY), "area": Derived("postcode_area")}}
    for kind in ("parquet", "csv", "duckdb"):
        stated = agreement(
            format=kind, derived=derived, pseudonymised={"hospital": ["SPELL"], "gp": ["PRACTICE"]}, cohort="SMOKER"
        )
        kept = withholding(linkage, without=range(2))
        signed = signed_and_audited(tmp_path)
        out = lc.release(linkage, stated, KEY, tmp_path / kind, on=DAY, withholding=kept, **signed).folder
        texts = [(out / "manifest.json").read_text()]
        for file in out.iterdir():
            if file.suffix == ".parquet":
                texts.append(pl.read_parquet(file).write_csv())
            elif file.suffix == ".csv":
                texts.append(file.read_text())
            elif file.suffix == ".duckdb":
                with duckdb.connect(str(file), read_only=True) as database:
                    texts += [database.sql(f"FROM {source}").pl().write_csv() for source in COLUMNS]
                texts.append(file.read_bytes().decode("latin-1"))
        assert len(texts) > 2
        assert {secret for secret in secrets for text in texts if secret in text} == set()
        assert json.loads(texts[0])["terms"]["approval"] == "DAB-7"
