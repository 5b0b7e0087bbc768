"""A release holds everything that may leave and nothing else, in an order that reveals nothing."""

import base64
import contextlib
import datetime as dt
import hashlib
import hmac
import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

import linkcore as lc
from linkcore.governance.releases import rows
from linkcore.governance.releases.cohorts import Cohort
from linkcore.governance.releases.formats import Format
from linkcore.schema import IDENTIFIERS
from tests.naive_linkage import ten_digits

MATERIAL = bytes(range(32))
KEY = lc.Key.from_bytes("partner-2026", MATERIAL)
PEOPLE = 40


def numbers() -> list[str]:
    found: list[str] = []
    nine = 999_000_100
    while len(found) < PEOPLE:
        with contextlib.suppress(AssertionError):  # one in eleven has no check digit
            found.append(ten_digits(nine))
        nine += 1
    return found


def extract() -> pl.DataFrame:
    """Three records a person, one of them without a number, with payload of many dtypes."""
    of = numbers()
    return pl.DataFrame(
        {
            "RECORD": [f"SECRET{i}" for i in range(3 * PEOPLE)],
            "NHS_NO": [None if i % 3 == 2 else of[i % PEOPLE] for i in range(3 * PEOPLE)],
            "SURNAME": ["SECRETNAME"] * 3 * PEOPLE,
            "COST": [float(i % 7) for i in range(3 * PEOPLE)],
            "ON": [dt.date(2026, 1, 1 + i % 28) for i in range(3 * PEOPLE)],
            "CODES": [[f"C{i % 3}", None] for i in range(3 * PEOPLE)],
            "NOTE": [None if i % 5 else "note" for i in range(3 * PEOPLE)],
        }
    )


def linked(frame: pl.DataFrame | None = None) -> lc.Linkage:
    gp = lc.Source("gp", pl.DataFrame({"nhs_number": numbers(), "registered": range(PEOPLE)}), spine=True)
    columns = {"nhs_number": "NHS_NO", "family_name": "SURNAME"}
    seen = lc.Source("seen", extract() if frame is None else frame, columns=columns, record_id="RECORD")
    return lc.link([gp, seen], exact=lc.Exact(usable=("valid", "test")))


AGREEMENT = lc.Agreement("partner", KEY.id, {"seen": ["COST", "ON", "CODES", "NOTE"], "gp": ["registered"]}, "a test")


def test_pseudonyms_are_hmac_and_payload_stays_with_its_person(tmp_path: Path) -> None:
    linkage = linked()
    release = lc.release(linkage, AGREEMENT, KEY, tmp_path / "out")
    released = pl.read_parquet(tmp_path / "out" / "seen.parquet")
    persons = {row["person_id"]: row for row in linkage.persons.rows(named=True)}
    links = linkage.links.filter(source="seen").rows_by_key("record_id", named=True, unique=True)

    def pseudonym(person: dict[str, object]) -> str:
        number = person["nhs_number"]
        named = f"{number:010d}" if number is not None else f"linkcore:person:{person['token']}"
        return hmac.digest(MATERIAL, named.encode(), "sha256").hex()[:32]

    expected = [
        (
            pseudonym(persons[link["person_id"]]),
            link["method"],
            None if link["match_probability"] is None else "certain",  # every link is exact
            *(row[name] for name in AGREEMENT.columns["seen"]),
        )
        for row in extract().rows(named=True)
        for link in [links[row["RECORD"]]]
    ]
    assert sorted(map(repr, released.rows())) == sorted(map(repr, expected))
    assert release.rows == {"gp": PEOPLE, "seen": 3 * PEOPLE}


def test_rows_are_sorted_by_pseudonym_and_the_order_of_the_source_is_lost(tmp_path: Path) -> None:
    frame = extract()
    lc.release(linked(frame), AGREEMENT, KEY, tmp_path / "one")
    shuffled = frame.sample(fraction=1, shuffle=True, seed=3)
    lc.release(linked(shuffled), AGREEMENT, KEY, tmp_path / "two")
    assert pl.read_parquet(tmp_path / "one" / "seen.parquet")["pseudonym"].is_sorted()
    for file in ("gp.parquet", "seen.parquet", "manifest.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_two_recipients_share_no_pseudonym_and_no_order_within_a_person(tmp_path: Path) -> None:
    linkage = linked()
    other = lc.Key.from_bytes("other-2026", MATERIAL[::-1])
    lc.release(linkage, AGREEMENT, KEY, tmp_path / "one")
    lc.release(linkage, lc.Agreement("other", other.id, AGREEMENT.columns), other, tmp_path / "two")
    one, two = (pl.read_parquet(tmp_path / name / "seen.parquet") for name in ("one", "two"))
    assert set(one["pseudonym"]).isdisjoint(two["pseudonym"])
    assert one["COST"].to_list() != two["COST"].to_list()


def test_a_spilled_release_has_the_same_bytes_and_leaves_no_spill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    linkage = linked()
    lc.release(linkage, AGREEMENT, KEY, tmp_path / "memory")
    spilled = []
    write_ipc = pl.DataFrame.write_ipc
    monkeypatch.setattr(rows.Buckets.__init__, "__kwdefaults__", {"bucket_bytes": 500})
    monkeypatch.setattr(pl.DataFrame, "write_ipc", lambda *a, **k: (spilled.append(a[1]), write_ipc(*a, **k)))
    lc.release(linkage, AGREEMENT, KEY, tmp_path / "spilled")
    assert len(spilled) > 5
    assert all(oct(file.parent.stat().st_mode)[-3:] == "700" for file in spilled if file.parent.exists())
    assert sorted(path.name for path in (tmp_path / "spilled").iterdir()) == [
        "gp.parquet",
        "manifest.json",
        "seen.parquet",
    ]
    for file in ("gp.parquet", "seen.parquet", "manifest.json"):
        assert (tmp_path / "memory" / file).read_bytes() == (tmp_path / "spilled" / file).read_bytes()


def test_the_manifest_describes_the_files(tmp_path: Path) -> None:
    lc.release(linked(), AGREEMENT, KEY, tmp_path / "out")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert (manifest["key"], manifest["key_version"]) == ("partner-2026", 1)
    assert manifest["records_linked"] == 4 * PEOPLE
    for file in manifest["files"]:
        path = tmp_path / "out" / file["file"]
        assert file["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert file["rows"] == pl.read_parquet(path).height  # both are multiples of five
        assert list(file["columns"]) == pl.read_parquet(path).columns


def test_no_file_holds_an_identifier_and_every_file_is_private(tmp_path: Path) -> None:
    lc.release(linked(), AGREEMENT, KEY, tmp_path / "out")
    for path in (tmp_path / "out").iterdir():
        assert oct(path.stat().st_mode)[-3:] == "600"
        text = pl.read_parquet(path).write_json() if path.suffix == ".parquet" else path.read_text()
        for secret in ("SECRET", MATERIAL.hex(), *numbers()):
            assert secret not in text


@pytest.mark.parametrize("column", ["NHS_NO", "SURNAME", "RECORD"])
def test_a_mapped_identifier_is_refused_under_any_name(tmp_path: Path, column: str) -> None:
    assert column not in IDENTIFIERS
    with pytest.raises(lc.RefusedError, match="identify people"):
        lc.release(linked(), lc.Agreement("partner", KEY.id, {"seen": ["COST", column]}), KEY, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("columns", "says"),
    [({"nope": ["COST"]}, "no such source"), ({"seen": ["NOPE"]}, r"no columns \['NOPE'\]")],
)
def test_an_unknown_source_or_column_is_refused(tmp_path: Path, columns: dict[str, list[str]], says: str) -> None:
    with pytest.raises(lc.ProgrammeError, match=says):
        lc.release(linked(), lc.Agreement("partner", KEY.id, columns), KEY, tmp_path / "out")


def test_a_key_that_is_not_the_agreements_is_refused(tmp_path: Path) -> None:
    with pytest.raises(lc.RefusedError, match="'partner-2026'"):
        lc.release(linked(), AGREEMENT, lc.Key.generate("another"), tmp_path / "out")


@pytest.mark.parametrize(
    "numbers",
    [
        [ten_digits(400_000_001)],
        [None],
        [ten_digits(400_000_001)] * 50 + [ten_digits(999_000_101)],
        [None] * 50 + [ten_digits(999_000_101)],
    ],
)
@pytest.mark.parametrize("usable", [["valid"], ["test"]])
def test_data_of_real_people_are_refused_without_opt_outs_applied(
    tmp_path: Path, numbers: list[str | None], usable: list[str]
) -> None:
    frame = pl.DataFrame(
        {"nhs_number": numbers, "cost": range(len(numbers))}, schema_overrides={"nhs_number": pl.String}
    )
    linkage = lc.link([lc.Source("gp", frame)], exact=lc.Exact(usable=usable))
    with pytest.raises(lc.RefusedError, match="synthetic data only"):
        lc.release(linkage, lc.Agreement("partner", KEY.id, {"gp": ["cost"]}), KEY, tmp_path / "out")


def test_one_source_of_real_people_among_synthetic_sources_is_refused(tmp_path: Path) -> None:
    real = lc.Source("real", pl.DataFrame({"nhs_number": [ten_digits(400_000_001)], "cost": [1]}))
    synthetic = lc.Source("gp", pl.DataFrame({"nhs_number": numbers()}))
    linkage = lc.link([synthetic, real], exact=lc.Exact(usable=("valid", "test")))
    with pytest.raises(lc.RefusedError, match="synthetic data only"):
        lc.release(linkage, lc.Agreement("partner", KEY.id, {"real": ["cost"]}), KEY, tmp_path / "out")


def test_data_that_changed_since_they_were_linked_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "seen.parquet"
    extract().write_parquet(file)
    source = lc.Source("seen", file, columns={"nhs_number": "NHS_NO"}, record_id="RECORD")
    agreement = lc.Agreement("partner", KEY.id, {"seen": ["COST"]})
    linkage = lc.link([source], exact=lc.Exact(usable=("valid", "test")))
    for changed in (
        extract().reverse(),
        extract().head(5),
        pl.concat([extract(), extract()]),
        extract().with_columns(pl.col("NHS_NO").reverse()),
    ):
        changed.write_parquet(file)
        with pytest.raises(lc.SourceError, match="not those that were linked"):
            lc.release(linkage, agreement, KEY, tmp_path / "out")
        assert not (tmp_path / "out").exists()


def test_rows_without_ids_that_were_swapped_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "seen.csv"
    first, second, *_ = numbers()
    file.write_text(f"nhs_number,cost\n{first},1\n{second},2\n")
    linkage = lc.link([lc.Source("seen", file)], exact=lc.Exact(usable=("valid", "test")))
    file.write_text(f"nhs_number,cost\n{second},2\n{first},1\n")
    with pytest.raises(lc.SourceError, match="not those that were linked"):
        lc.release(linkage, lc.Agreement("partner", KEY.id, {"seen": ["cost"]}), KEY, tmp_path / "out")


def test_rows_of_one_person_do_not_keep_the_order_of_the_source(tmp_path: Path) -> None:
    first = numbers()[0]
    frame = pl.DataFrame(
        {
            "ID": [str(i) for i in range(40)],
            "NHS_NO": [first if i % 2 else None for i in range(40)],
            "HOSPITAL": ["H1"] * 40,
            "X": [None, float("nan"), float("inf"), 1.0] * 10,
        }
    )
    columns = {"nhs_number": "NHS_NO", "local_patient_id": "HOSPITAL"}
    agreement = lc.Agreement("partner", KEY.id, {"seen": ["X"]})
    written = set()
    for seed in range(4):
        source = lc.Source("seen", frame.sample(fraction=1, shuffle=True, seed=seed), columns=columns, record_id="ID")
        lc.release(lc.link([source], exact=lc.Exact(usable=("test",))), agreement, KEY, tmp_path / str(seed))
        written.add((tmp_path / str(seed) / "seen.parquet").read_bytes())
    assert len(written) == 1


def test_payload_may_have_the_names_of_internal_columns(tmp_path: Path) -> None:
    names = ["rank", "row_hash", "bucket", "row", "person_id", "record_id", "at", "source", "entity"]
    frame = pl.DataFrame({"nhs_number": numbers()} | {name: range(PEOPLE) for name in names})
    linkage = lc.link([lc.Source("gp", frame, columns={"nhs_number": "nhs_number"})], exact=lc.Exact(usable=("test",)))
    lc.release(linkage, lc.Agreement("partner", KEY.id, {"gp": names}), KEY, tmp_path / "out")
    released = pl.read_parquet(tmp_path / "out" / "gp.parquet")
    assert all(sorted(released[name]) == list(range(PEOPLE)) for name in names)


def test_an_empty_source_and_a_source_without_payload_can_be_released(tmp_path: Path) -> None:
    gp = lc.Source("gp", pl.DataFrame({"nhs_number": numbers()}))
    empty = lc.Source("empty", pl.DataFrame(schema={"nhs_number": pl.String, "cost": pl.Int64}))
    linkage = lc.link([gp, empty], exact=lc.Exact(usable=("test",)))
    release = lc.release(linkage, lc.Agreement("p", KEY.id, {"gp": [], "empty": ["cost"]}), KEY, tmp_path / "out")
    assert release.rows == {"gp": PEOPLE, "empty": 0}
    assert pl.read_parquet(tmp_path / "out" / "empty.parquet").columns[-1] == "cost"


@pytest.mark.parametrize(
    "hidden",
    [lambda number: f"{int(number):x}", lambda number: f"case {number}/3", lambda number: [int(d) for d in number]],
)
def test_a_column_with_hidden_identifiers_does_not_leave(tmp_path: Path, hidden: Callable[[str], object]) -> None:
    frame = extract().with_columns(pl.Series("NOTE", [hidden(number) for number in numbers()] * 3))
    with pytest.raises(lc.RefusedError, match=r"'NOTE' holds .*NHS Number.*, under another name"):
        lc.release(linked(frame), AGREEMENT, KEY, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_one_hidden_identifier_among_many_rows_does_not_leave(tmp_path: Path) -> None:
    notes = ["seen"] * (3 * PEOPLE)
    lc.release(linked(extract().with_columns(pl.Series("NOTE", notes))), AGREEMENT, KEY, tmp_path / "out")
    notes[77] = f"rang {numbers()[77 % PEOPLE]}"
    with pytest.raises(lc.RefusedError, match=r"'NOTE' holds .*NHS Number"):
        lc.release(linked(extract().with_columns(pl.Series("NOTE", notes))), AGREEMENT, KEY, tmp_path / "out")


def test_a_release_replaces_an_earlier_one_and_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "out"
    lc.release(linked(), AGREEMENT, KEY, out)
    lc.release(linked(), lc.Agreement("partner", KEY.id, {"seen": ["COST"]}), KEY, out)
    assert sorted(file.name for file in out.iterdir()) == ["manifest.json", "seen.parquet"]
    (out / "thesis.txt").write_text("mine")
    with pytest.raises(lc.ProgrammeError, match=r"thesis\.txt"):
        lc.release(linked(), AGREEMENT, KEY, out)
    assert (out / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize("dtype", [pl.Enum(["ICU", "A&E", "FORENSIC"]), pl.Categorical(pl.Categories())])
@pytest.mark.parametrize("file_format", ["parquet", "csv", "duckdb"])
def test_categories_of_rows_that_stay_do_not_leave(tmp_path: Path, dtype: pl.DataType, file_format: Format) -> None:
    wards = ["FORENSIC" if i == 0 else ("ICU", "A&E")[i % 2] for i in range(PEOPLE)]
    frame = pl.DataFrame({"nhs_number": numbers(), "site": ["X", *["Y"] * (PEOPLE - 1)]}).with_columns(
        pl.Series("ward", wards, dtype=pl.String).cast(dtype),
    )
    columns = ["ward"]
    if file_format == "parquet":
        frame = frame.with_columns(pl.concat_list("ward").alias("wards"), pl.struct("ward").alias("stay"))
        columns += ["wards", "stay"]
    linkage = lc.link([lc.Source("gp", frame, columns={"nhs_number": "nhs_number"})], exact=lc.Exact(usable=("test",)))
    agreement = lc.Agreement(
        "p", KEY.id, {"gp": columns}, cohort=Cohort("site == 'Y'", source="gp"), format=file_format
    )
    lc.release(linkage, agreement, KEY, tmp_path / "out")
    for file in (tmp_path / "out").iterdir():
        assert b"FORENSIC" not in file.read_bytes(), file.name
    if file_format == "parquet":
        schema = pq.read_schema(tmp_path / "out" / "gp.parquet")
        assert b"FORENSIC" not in b"".join(base64.b64decode(value) for value in (schema.metadata or {}).values())
        released = pl.read_parquet(tmp_path / "out" / "gp.parquet")
        assert sorted(set(released["ward"])) == ["A&E", "ICU"]
        assert released["wards"].dtype == pl.List(pl.String)
