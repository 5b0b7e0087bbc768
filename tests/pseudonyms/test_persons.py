"""Change pseudonyms from one key to another: the persons stay the same, and no number and no order is revealed."""

import hashlib
import hmac

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkcore.errors import ProgrammeError, SourceError
from linkcore.governance.releases.leaving import person_pseudonyms
from linkcore.keys.key import Key
from linkcore.pseudonyms.persons import person_name, pseudonym_mapping, repseudonymise
from linkcore.schema import PERSONS

OLD_MATERIAL = hashlib.sha384(b"another key of the tests").digest()[:40]
NEW_MATERIAL = hashlib.sha384(b"a third key of the tests").digest()[:40]
OLD, NEW = Key.from_bytes("optum-2026", OLD_MATERIAL), Key.from_bytes("optum-2026", NEW_MATERIAL, version=2)
NAMES = ["9434765919", "0000000001", "linkcore:person:00ff", "9000000009"]
FRAME = pl.DataFrame(
    {"nhs_number": [9434765919, 1, None, 9000000009], "token": [None, None, "00ff", None], "given_name": "SECRET"},
    schema_overrides={name: PERSONS[name] for name in ("nhs_number", "token")},
)


def pseudonym(name: str, material: bytes) -> str:
    return hmac.digest(material, name.encode(), "sha256").hex()[:32]


def test_a_person_is_named_by_number_or_else_by_token() -> None:
    assert FRAME.select(person_name()).to_series().to_list() == NAMES
    assert FRAME.select(person_name()).columns == ["name"]


def test_names_are_the_ones_that_releases_hash() -> None:
    released = person_pseudonyms(FRAME, OLD)["pseudonym"].to_list()
    assert released == [pseudonym(name, OLD_MATERIAL) for name in NAMES]


@pytest.mark.parametrize("lazy", [False, True])
def test_the_mapping_has_one_row_for_each_person_and_nothing_else(lazy: bool) -> None:
    mapping = pseudonym_mapping(FRAME.lazy() if lazy else FRAME, OLD, NEW)
    expected = sorted((pseudonym(name, NEW_MATERIAL), pseudonym(name, OLD_MATERIAL)) for name in NAMES)
    assert mapping.schema == {"old": pl.String, "new": pl.String}
    assert mapping.rows() == [(old, new) for new, old in expected]


@given(st.permutations(range(4)), st.lists(st.integers(0, 3), max_size=5))
def test_the_mapping_does_not_depend_on_order_or_repetition(order: list[int], again: list[int]) -> None:
    assert pseudonym_mapping(FRAME[order + again], OLD, NEW).equals(pseudonym_mapping(FRAME, OLD, NEW))


def test_a_person_with_no_name_has_no_pseudonym() -> None:
    nobody = FRAME.with_columns(nhs_number=pl.lit(None, pl.Int64), token=pl.lit(None, pl.String))
    assert pseudonym_mapping(nobody, OLD, NEW).is_empty()


def test_rows_get_the_pseudonyms_of_the_new_key_and_keep_their_payload() -> None:
    rows = [2, 0, 0, 3, 1]
    released = pl.DataFrame(
        {"pseudonym": [pseudonym(NAMES[row], OLD_MATERIAL) for row in rows] + [None], "payload": [*range(5), 5]}
    )
    changed = repseudonymise(released, FRAME, OLD, NEW)
    expected = sorted((pseudonym(NAMES[row], NEW_MATERIAL), payload) for payload, row in enumerate(rows))
    assert changed.rows() == [*expected, (None, 5)]
    assert changed.schema == released.schema


def test_the_column_can_have_another_name_and_the_way_back_works() -> None:
    released = pl.DataFrame({"old": [pseudonym(name, OLD_MATERIAL) for name in NAMES], "new": range(4)})
    changed = repseudonymise(released, FRAME, OLD, NEW, column="old")
    assert changed["new"].sort().to_list() == [0, 1, 2, 3]
    again = repseudonymise(changed, FRAME.lazy(), NEW, OLD, column="old")
    assert again.equals(released.sort("old"))


def test_a_pseudonym_of_nobody_is_refused_and_not_shown() -> None:
    stranger = pseudonym("9999999999", OLD_MATERIAL)
    released = pl.DataFrame({"pseudonym": [stranger, pseudonym(NAMES[0], OLD_MATERIAL), None]})
    with pytest.raises(SourceError, match="1 of 3 pseudonyms belong to nobody in persons") as caught:
        repseudonymise(released, FRAME, OLD, NEW)
    assert stranger not in str(caught.value)
    with pytest.raises(SourceError, match="under key 'optum-2026' version 2"):
        repseudonymise(released, FRAME, NEW, OLD)


def test_frames_without_the_needed_columns_are_refused() -> None:
    with pytest.raises(ProgrammeError, match="no column 'pseudonym' of text"):
        repseudonymise(pl.DataFrame({"other": ["x"]}), FRAME, OLD, NEW)
    with pytest.raises(ProgrammeError, match="no column 'pseudonym' of text"):
        repseudonymise(pl.DataFrame({"pseudonym": [1]}), FRAME, OLD, NEW)
    with pytest.raises(ProgrammeError, match="persons lacks the columns token"):
        pseudonym_mapping(FRAME.drop("token"), OLD, NEW)
