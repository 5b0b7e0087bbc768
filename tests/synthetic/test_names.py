import csv
from importlib.resources import files

import numpy as np
import pytest

from linkcore.synthetic.names import HERITAGES, letters_beyond, names

STOCK = names()


def table(name):
    return list(csv.DictReader((files("linkcore.synthetic") / name).read_text(encoding="utf-8").splitlines()))


def drawn(heritage, female, year, count=20_000):
    number = [h.name for h in HERITAGES].index(heritage)
    same = np.full(count, number), np.full(count, female), np.full(count, year)
    return STOCK.given.gather(STOCK.draw_given(np.random.default_rng(1), *same))


def test_there_are_many_names():
    assert len({row["name"] for row in table("given_names.csv")}) > 1_000
    assert len({row["name"] for row in table("family_names.csv")}) > 1_000
    assert len(STOCK.family) > 4_000
    assert STOCK.given.n_unique() == len(STOCK.given)


def test_every_heritage_has_names_of_both_sexes():
    given = {(row["heritage"], row["sex"]) for row in table("given_names.csv")}
    assert given == {(h.name, sex) for h in HERITAGES for sex in ("female", "male")}
    assert {row["heritage"] for row in table("family_names.csv")} == {h.name for h in HERITAGES}


def test_names_are_drawn_as_often_as_the_table_says():
    row = next(
        r for r in table("given_names.csv") if (r["heritage"], r["sex"], r["name"]) == ("british", "male", "Paul")
    )
    share = (drawn("british", 0, 1965) == "PAUL").mean()
    assert share == pytest.approx(int(row["from_1960"]) / 10_000, rel=0.15)
    number = STOCK.draw_family(np.random.default_rng(2), np.zeros(50_000, dtype=np.int64))
    assert (STOCK.family.gather(number) == "SMITH").mean() == pytest.approx(0.0112, rel=0.15)


def test_generations_and_heritages_have_names_of_their_own():
    assert (drawn("british", 1, 1930) == "DOREEN").sum() > 20 * max((drawn("british", 1, 2015) == "DOREEN").sum(), 1)
    assert (drawn("british", 0, 2015) == "ALFIE").sum() > 20 * max((drawn("british", 0, 1930) == "ALFIE").sum(), 1)
    assert set(drawn("polish", 1, 1960)) & {"AGNIESZKA", "MAŁGORZATA", "KRYSTYNA"}
    assert not set(drawn("chinese", 0, 1960)) & {"MOHAMMED", "PAUL"}


def test_most_british_family_names_are_uncommon():
    number = STOCK.draw_family(np.random.default_rng(2), np.zeros(200_000, dtype=np.int64))
    share = np.bincount(number) / len(number)
    # One pair in 700 to 900 has the same family name by chance, as in Britain.
    assert 1 / 900 < (share**2).sum() < 1 / 600
    assert share[share < 0.0005].sum() > 0.4


def test_some_family_names_have_another_form_for_women():
    forms = dict(zip(STOCK.family, STOCK.family_of_women, strict=True))
    assert forms["KOWALSKI"] == "KOWALSKA"
    assert forms["SINGH"] == "KAUR"
    assert forms["SMITH"] == "SMITH"


def test_letters_an_encoding_lacks_are_replaced_by_plain_ones():
    everything = "".join([*STOCK.given, *STOCK.family])
    for encoding in ("ascii", "windows-1252"):
        plain = everything.translate(str.maketrans(letters_beyond(encoding)))
        assert plain.encode(encoding).decode(encoding) == plain
    assert letters_beyond("utf-8") == {}
    assert "É" in letters_beyond("ascii")
    assert "É" not in letters_beyond("windows-1252")
