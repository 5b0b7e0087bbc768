"""Which decisions of clerks stand."""

from hypothesis import given
from hypothesis import strategies as st

from linkcore.linkage.decided.standing import standing
from tests.linkage.decided.given import as_frame, decisions
from tests.naive_decisions import Said, believe

A, B, C = (("seen", name) for name in "abc")


@given(decisions([("gp", "0"), ("gp", "1"), *(("seen", str(index)) for index in range(3))]))
def test_stand_as_a_slow_reader_finds(said: list[Said]) -> None:
    found, expected = standing(as_frame(said)), believe(said)
    assert found.decisions["state"].to_list() == expected.states
    clusters: dict[int, set[tuple[str, str]]] = {}
    for source, record_id, cluster in found.records.select("source", "record_id", "cluster").iter_rows():
        clusters.setdefault(cluster, set()).add((source, record_id))
    assert {frozenset(each) for each in clusters.values()} == {frozenset(each) for each in expected.clusters}
    apart = {frozenset((frozenset(clusters[a]), frozenset(clusters[b]))) for a, b in found.apart.iter_rows()}
    assert apart == {frozenset((frozenset(a), frozenset(b))) for a, b in expected.apart}
    assert found.apart.height == len(apart)


@given(st.data())
def test_do_not_depend_on_the_order_of_decisions_at_different_times(data: st.DataObject) -> None:
    said = [
        Said(each.record, each.person, each.decision, each.who, when)
        for when, each in enumerate(data.draw(decisions([A, B, C])))
    ]
    shuffled = data.draw(st.permutations(said))
    states = dict(zip(said, standing(as_frame(said)).decisions["state"], strict=True))
    assert states == dict(zip(shuffled, standing(as_frame(shuffled)).decisions["state"], strict=True))


def states(*said: Said) -> list[str]:
    return standing(as_frame(said)).decisions["state"].to_list()


def test_neither_counts_where_two_clerks_disagree_until_one_decides_anew() -> None:
    disagreeing = Said(A, B, "same", "Ann", 0), Said(B, A, "not the same", "Bo", 1)
    assert states(*disagreeing) == ["disagreement", "disagreement"]
    assert states(*disagreeing, Said(A, B, "same", "Bo", 2)) == ["stands", "replaced", "stands"]
    assert states(*disagreeing, Said(A, B, "undecided", "Bo", 2)) == ["stands", "replaced", "taken back"]


def test_a_chain_that_contradicts_itself_does_not_count_and_others_do() -> None:
    chain = Said(A, B, "same", "Ann", 0), Said(B, C, "same", "Ann", 0), Said(A, C, "not the same", "Bo", 0)
    other = Said(("gp", "1"), ("gp", "2"), "same", "Ann", 0), Said(A, ("gp", "1"), "not the same", "Ann", 0)
    assert states(*chain, *other) == [*["contradiction"] * 3, "stands", "stands"]
