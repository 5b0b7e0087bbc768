"""The tables of counts are equal to loops over the links and the candidates."""

from collections import Counter

import polars as pl

import linkcore as lc
from linkcore.quality.counts import BIN_BITS, cluster_sizes
from linkcore.quality.tables import SIZES


def test_each_record_is_in_exactly_one_row_of_the_flow(linkage: lc.Linkage) -> None:
    def number(row: dict[str, object]) -> str:
        if row["conflict"]:
            return "conflict"
        return "usable" if row["nhs_number_status"] in linkage.exact.usable else "not usable"

    counted = Counter((row["source"], number(row), row["method"]) for row in linkage.links.iter_rows(named=True))
    flow = linkage.quality.flow
    assert {tuple(key): records for *key, records in flow.iter_rows()} == counted
    assert flow["records"].sum() == linkage.links.height
    sources = [source.name for source in linkage.sources]
    assert flow["source"].unique(maintain_order=True).to_list() == sources


def test_cluster_sizes_count_persons_by_their_number_of_records(linkage: lc.Linkage) -> None:
    def size(records: int) -> str:
        return next(name for name in reversed(SIZES) if records >= int(name.split("-")[0].split()[0]))

    counted = Counter(map(size, Counter(linkage.links["person_id"]).values()))
    sizes = linkage.quality.cluster_sizes
    assert dict(sizes.iter_rows()) == {name: counted[name] for name in SIZES}
    assert sizes["persons"].sum() == linkage.quality.persons


def test_cluster_sizes_at_the_ends_of_their_ranges() -> None:
    ids = [person for person, size in enumerate((1, 2, 3, 4, 5, 9, 10, 19, 20, 49, 50, 51)) for _ in range(size)]
    assert cluster_sizes(pl.DataFrame({"person_id": ids}))["persons"].to_list() == [1, 1, 1, 1, 2, 2, 2, 2]


def test_each_candidate_is_in_one_bin_of_match_weights_and_accepted_ones_are_links(linkage: lc.Linkage) -> None:
    assert linkage.probabilistic is not None
    person_of = {
        (source, record): person
        for source, record, person in linkage.links.select("source", "record_id", "person_id").iter_rows()
    }
    by_weight = set(linkage.links.filter(method="probabilistic").select("source", "record_id").iter_rows())
    counted: Counter[tuple[str, str, float]] = Counter()
    for source, record, person, weight, _ in linkage.probabilistic.candidates.iter_rows():
        accepted = (source, record) in by_weight and person_of[source, record] == person
        low = weight // BIN_BITS * BIN_BITS
        for name in (source, "all"):
            counted[name, "accepted" if accepted else "rejected", low] += 1
    weights = linkage.quality.match_weights
    assert {tuple(key): pairs for *key, pairs in weights.drop("high").iter_rows()} == counted
    assert (weights["high"] - weights["low"] == BIN_BITS).all()
    accepted = weights.filter(source="all", outcome="accepted")["pairs"].sum()
    assert 0 < accepted <= linkage.links.filter(method="probabilistic").height
