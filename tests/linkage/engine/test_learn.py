"""Learning without labels from records of which many are of one person."""

import random

import polars as pl
import pytest

from linkcore.linkage.engine import learn
from linkcore.linkage.engine.engine import Learned, Scored
from linkcore.linkage.engine.learn import learn_without_labels
from linkcore.linkage.engine.native import NativeEngine
from linkcore.linkage.engine.splink import SplinkEngine
from linkcore.linkage.engine.tables import with_people_table
from linkcore.linkage.settings import Fallback
from tests.linkage.engine.people import PERSONS, people

NOBODY = PERSONS.clear()
RECORDS_OF_A_PERSON, SIZE = 6, 60


def records_of_persons() -> tuple[pl.DataFrame, list[int]]:
    """Six records a person. Many lack the names or the postcode; one in twenty has another given name or birth date."""
    chance = random.Random(3)
    persons = people(SIZE)
    rows = []
    for person in persons.iter_rows(named=True):
        for _ in range(RECORDS_OF_A_PERSON):
            row = dict(person)
            for wrong in ("birth_date", "given_name"):
                if chance.random() < 0.05:
                    row[wrong] = persons.row(chance.randrange(SIZE), named=True)[wrong]
            for missing in (("given_name", "family_name"), ("postcode",)):
                if chance.random() < 0.6:
                    row |= dict.fromkeys(missing)
            rows.append(row)
    frame = pl.DataFrame(rows, schema=persons.schema)
    return frame, [i // RECORDS_OF_A_PERSON for i in range(frame.height)]


def u_of_birth_dates(learned: Learned) -> float:
    born = next(each for each in learned.model.comparisons if each.name == "birth_date")
    (_, agrees), *_ = born.judging
    assert agrees.u is not None
    return agrees.u


def test_u_comes_nearer_to_that_of_strangers_and_weights_follow_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most of the random pairs that share a birth date are of one person; not all of them are found at once."""
    records, entities = records_of_persons()

    def look(engine: NativeEngine) -> None:
        learned, _ = learn_without_labels(engine, [], 0, lambda pairs: pairs)
        monkeypatch.setattr(learn, "_ROUNDS", 1)
        at_once, _ = learn_without_labels(engine, [], 0, lambda pairs: pairs)
        dates, ids = records["birth_date"].to_list(), range(records.height)
        of_strangers = [dates[i] == dates[j] for i in ids for j in range(i) if entities[i] != entities[j]]
        assert sum(of_strangers) / len(of_strangers) < u_of_birth_dates(learned) < 0.9 * u_of_birth_dates(at_once)

        everybody = pl.Series(ids, dtype=pl.UInt32)
        pairs, again = (
            engine.score_among_records(each, everybody, [], all_pairs=True).pairs for each in (at_once, learned)
        )
        assert not pairs["weight"].equals(again["weight"])
        assert engine.weigh(learned, pairs).equals(again["weight"])
        assert learned.unsettled_pairs == 0
        assert at_once.unsettled_pairs == pairs.height

    with_people_table(Fallback(), NOBODY, records, lambda table: look(NativeEngine.of(table, {})))


@pytest.mark.parametrize("kind", [NativeEngine, SplinkEngine])
def test_pairs_that_were_learned_from_are_scored_again_as_if_they_were_new(
    kind: type[NativeEngine | SplinkEngine],
) -> None:
    records, _ = records_of_persons()
    records = records[:60]

    def look(engine: NativeEngine | SplinkEngine) -> tuple[Scored, Scored]:
        learned, scored = learn_without_labels(engine, [(0, 9)], 0, lambda pairs: pairs)
        assert scored is not None
        everybody = pl.int_range(records.height, dtype=pl.UInt32, eager=True)
        return (
            engine.score_again(learned, scored, sample=50),
            engine.score_among_records(learned, everybody, [(0, 9)], sample=50),
        )

    again, anew = with_people_table(Fallback(), NOBODY, records, lambda table: look(kind.of(table, {})))
    assert 0 < anew.pairs.height < anew.compared
    assert again.pairs.equals(anew.pairs)
    assert (again.compared, again.left_out) == (anew.compared, anew.left_out)
    assert again.sampled.sort("a", "b").equals(anew.sampled.sort("a", "b"))
