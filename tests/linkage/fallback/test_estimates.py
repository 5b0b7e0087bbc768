"""π of a source is estimated by the records that can tell, and is right where others have many mistakes."""

from pathlib import Path

import polars as pl
import pytest

import linkcore as lc
from linkcore.linkage.fallback import estimates
from linkcore.programme.programme import Programme
from linkcore.synthetic import synthesise
from tests.naive_linkage import numbers


@pytest.fixture(scope="module")
def ics(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ics")
    synthesise(folder, people=20_000, seed=4)
    return folder


def errors(ics: Path) -> dict[str, float]:
    """How far the estimated number of listed persons is from the true one, in records, by source."""
    linkage = Programme.load(ics / "programme.toml").link()
    assert linkage.quality.fallback is not None
    truth = pl.read_parquet(ics / "truth.parquet").select("source", "record_id", "entity")
    entity = linkage.links.join(truth, on=["source", "record_id"], maintain_order="left")
    listed = entity.filter(pl.col("method").is_in(["spine", "nhs_number"]))["entity"].unique()
    numberless = entity.filter(
        ~pl.col("nhs_number_status").is_in(["valid", "test"]), pl.col("method") != "local_patient_id"
    )
    true = numberless.group_by("source").agg(pl.col("entity").is_in(listed.implode()).sum().alias("true"))
    estimated = linkage.quality.fallback.rates.filter(dimension="all", measure="missed links")
    both = true.join(estimated.select("source", "of"), on="source")
    return {source: of - right for source, right, of in both.select("source", "true", "of").iter_rows()}


def test_as_many_persons_are_listed_as_truly_are(ics: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = errors(ics)
    assert abs(found["ambulance"]) <= 12
    assert abs(found["nhs_111"]) <= 12
    # If every record has a say, those with few fields make it too few.
    monkeypatch.setattr(estimates, "enough_to_tell", lambda records: pl.repeat(True, records.height, eager=True))
    assert sum(errors(ics).values()) < sum(found.values())


@pytest.mark.parametrize("complete_are_listed", [0, 40])
def test_complete_records_do_not_speak_for_others_that_are_not_like_them(complete_are_listed: int) -> None:
    """Complete strangers among records of listed people, most of which lack a birth date."""
    people = [
        {
            "nhs_number": str(number),
            "given_name": f"{chr(65 + i % 26)}{chr(65 + i // 26)}NA",
            "family_name": f"{chr(65 + i // 26)}{chr(65 + i % 26)}SON",
            "birth_date": f"19{50 + i % 40}-{1 + i % 12:02}-{1 + i % 28:02}",
            "postcode": f"EX{1 + i % 9} {1 + i // 9 % 9}AB",
        }
        for i, number in enumerate(numbers(640))
    ]
    strangers = [
        {
            **row,
            "given_name": f"QU{row['given_name']}X",
            "family_name": f"ZU{row['family_name']}",
            "postcode": "PL4 8AA",
        }
        for row in people[:40]
    ]
    complete = people[:40] if complete_are_listed else strangers
    seen = [{**row, "nhs_number": None} for row in complete]
    seen += [{**row, "nhs_number": None, "birth_date": None} for row in people[40:]]
    sources = [lc.Source("gp", pl.DataFrame(people), spine=True), lc.Source("seen", pl.DataFrame(seen))]
    linkage = lc.link(sources, exact=lc.Exact(usable=("valid", "test")))
    assert linkage.probabilistic is not None
    assert linkage.probabilistic.pi["seen"] > 0.7
    assert linkage.links.filter(source="seen", method="probabilistic").height >= 590
