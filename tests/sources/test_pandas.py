"""pandas: the same NHS Numbers are read from any dtype that pandas gives the column."""

import datetime as dt

import pandas as pd
import pytest

import linkcore as lc
from linkcore.sources.records import standardise

# 010129 987 7 is a Scottish number. As a number it has lost its leading zero; the birth date shows that.
TEXTS = ["9434765919", "0101299877", "4010232137", None]
BORN = [dt.date(1980, 2, 3), dt.date(1929, 1, 1), None, None]
EXPECTED = [(9434765919, "test"), (101299877, "scotland"), (4010232137, "valid"), (None, "missing")]
NUMBERS = [None if text is None else int(text) for text in TEXTS]


@pytest.mark.parametrize(
    "numbers",
    [
        pd.Series(TEXTS, dtype=object),
        pd.Series(TEXTS, dtype="string"),
        pd.Series(TEXTS, dtype="string[pyarrow]"),
        pd.Series(TEXTS, dtype="category"),
        pd.Series(NUMBERS),  # floats, because one is missing
        pd.Series(NUMBERS, dtype=object),
        pd.Series(NUMBERS, dtype="Int64"),
        pd.Series(NUMBERS, dtype="int64[pyarrow]"),
        pd.Series(NUMBERS).astype("category"),
        pd.Series(NUMBERS).astype(str),  # "9434765919.0" and "nan"
    ],
    ids=lambda numbers: f"{numbers.dtype} {numbers.iloc[0]!r}",
)
@pytest.mark.parametrize("index", [None, [7, 7, 3, 9]])
def test_numbers_are_read_from_any_dtype_and_index(numbers: pd.Series, index: list[int] | None) -> None:
    frame = pd.DataFrame({"nhs_number": numbers, "birth_date": pd.to_datetime(pd.Series(BORN))})
    if index is not None:
        frame.index = pd.Index(index)
    records = standardise(lc.Source("s", frame), usable=["valid", "test", "scotland"]).frame
    assert records.select("nhs_number", "nhs_number_status").rows() == EXPECTED
    assert records["record_id"].to_list() == ["0", "1", "2", "3"]


def test_whole_numbers_without_a_gap_are_read_too() -> None:
    frame = pd.DataFrame({"nhs_number": NUMBERS[:3], "birth_date": BORN[:3]})
    assert frame["nhs_number"].dtype == "int64"
    records = standardise(lc.Source("s", frame), usable=["valid", "test", "scotland"]).frame
    assert records.select("nhs_number", "nhs_number_status").rows() == EXPECTED[:3]


def test_links_lead_back_to_their_rows() -> None:
    frame = pd.DataFrame({"nhs_number": [9434765919.0, float("nan"), 9434765919.0]}, index=[5, 5, 1])
    linkage = lc.link([lc.Source("s", frame)], exact=lc.Exact(usable=["test"]))
    people = linkage.links_of("s")["person_id"].to_numpy()
    assert frame.assign(person=people)["person"].tolist() == [0, 1, 0]
    links = linkage.links.to_pandas()
    assert links["method"].tolist() == ["nhs_number", "unlinked", "nhs_number"]
    assert links["match_probability"].isna().tolist() == [False, True, False]
