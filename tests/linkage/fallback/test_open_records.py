"""Open records: gathered from all sources, placed with persons, and made into new persons."""

import polars as pl

from linkcore.linkage.exact.link_exactly import link_exactly
from linkcore.linkage.fallback.open_records import gather_open_records, make_persons, place
from linkcore.linkage.placement import Placement, stand_alone
from linkcore.linkage.settings import Exact
from linkcore.schema import LINKS, METHOD
from linkcore.sources.records import Records, standardise
from linkcore.sources.source import Source


def source(name: str, *given_names: str, spine: bool = False) -> Records:
    frame = pl.DataFrame({"given_name": given_names, "family_name": "SMITH", "postcode": "EX1 2AB"})
    return standardise(Source(name, frame, spine=spine))


def nobody_placed(*sources: Records) -> Placement:
    placement = link_exactly(sources, Exact())
    links = {
        name: frame.with_columns(pl.lit(None, pl.UInt32).alias("person_id"), pl.lit(None, METHOD).alias("method"))
        for name, frame in placement.links.items()
    }
    return Placement(placement.persons.clear(), links)


def test_open_records_are_gathered_in_order_and_each_is_placed_in_its_own_row() -> None:
    sources = [source("a", "ANNA", "PETER"), source("b", "CHIKE")]
    placement = nobody_placed(*sources)
    records = gather_open_records(sources, placement)
    assert records.select("source_index", "position", "given_name").rows() == [
        (0, 0, "ANNA"),
        (0, 1, "PETER"),
        (1, 0, "CHIKE"),
    ]
    found = records[[1, 2]].select(
        "source_index",
        "position",
        pl.Series("person_id", [7, 8], dtype=pl.UInt32),
        pl.lit("probabilistic", METHOD).alias("method"),
        pl.lit(12.5).alias("match_weight"),
        pl.lit(0.99).alias("match_probability"),
    )
    links = place(sources, placement, found).links
    assert links["a"].select("person_id", "method", "match_weight").rows() == [
        (None, None, None),
        (7, "probabilistic", 12.5),
    ]
    assert links["b"]["match_probability"].to_list() == [0.99]
    assert [frame.schema for frame in links.values()] == [frame.schema for frame in placement.links.values()]
    assert gather_open_records(sources, place(sources, placement, found))["given_name"].to_list() == ["ANNA"]


def test_a_group_is_one_person_defined_by_its_first_record() -> None:
    sources = [source("a", "ANNA", "PETER"), source("b", "ANNE", "CHIKE")]
    placement = nobody_placed(*sources)
    groups = pl.DataFrame({"record": [0, 2], "group": [0, 0]}, schema={"record": pl.UInt32, "group": pl.UInt32})
    made = make_persons(sources, placement, gather_open_records(sources, placement), groups)
    assert made.persons.select("person_id", "source", "record_id", "given_name").rows() == [(0, "a", "0", "ANNA")]
    for name in ("a", "b"):
        assert made.links[name].row(0)[:4] == (0, "new_person", None, None)
        assert made.links[name].row(1)[0] is None
    everybody = stand_alone(sources, made)
    assert everybody.persons["token"].n_unique() == 3
    assert set(everybody.links["a"].columns) < set(LINKS)


def test_a_spine_record_defines_its_group_even_if_it_comes_second() -> None:
    sources = [source("a", "ANNA"), source("gp", "ANNE", spine=True)]
    placement = nobody_placed(*sources)
    groups = pl.DataFrame({"record": [0, 1], "group": [0, 0]}, schema={"record": pl.UInt32, "group": pl.UInt32})
    made = make_persons(sources, placement, gather_open_records(sources, placement), groups)
    assert made.persons.select("source", "given_name").rows() == [("gp", "ANNE")]
    assert made.links["gp"].select("method", "match_probability").rows() == [("spine", 1.0)]
    assert made.links["a"].select("method", "match_probability").rows() == [("new_person", None)]
