"""Each wrong mapping stops, or shouts, before anything is linked."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

import polars as pl
import pytest

import linkcore as lc
from linkcore.identifiers.nhs_number import check_digit
from linkcore.profile.faults import find_faults
from linkcore.profile.profile import profile_sources
from linkcore.sources.records import standardise

GIVEN = ["ANNA", "JOHN", "ZARA", "PETER", "OLIVIA", "GEORGE", "MARY", "IAN", "EVE", "TOM", "UNA", "VERA"]
FAMILY = ["SMITH", "JONES", "PATEL", "NGUYEN", "BROWN", "EVANS", "KHAN", "LEWIS", "WOOD", "ADAMS", "CLARK"]
FIRST_DAY = dt.date(1930, 1, 1)
USABLE = ["valid", "test"]


def numbers(count: int) -> list[str]:
    nines = pl.DataFrame({"nine": range(999_000_000, 999_000_000 + count)})
    digits = nines.with_columns(digit=check_digit(pl.col("nine"))).filter(pl.col("digit") < 10)
    return [f"{nine}{digit}" for nine, digit in digits.iter_rows()]


def people() -> pl.DataFrame:
    """Three hundred invented people."""
    found = numbers(340)[:300]
    born = [FIRST_DAY + dt.timedelta(days=(each * 7919) % 33_000) for each in range(300)]
    return pl.DataFrame(
        {
            "nhs": found,
            "given": [GIVEN[each % len(GIVEN)] for each in range(300)],
            "family": [FAMILY[each % len(FAMILY)] for each in range(300)],
            "born": [each.strftime("%d/%m/%Y") for each in born],
            "postcode": [f"EX{each % 9 + 1} {each % 8 + 1}A{'ABDEFGHJ'[each % 8]}" for each in range(300)],
            "seen": [f"{each % 28 + 1:02}/{each % 12 + 1:02}/2025" for each in range(300)],
            "rounded": [f"{each[0]}.{each[1:6]}E+09" for each in found],
            "ward": ["Ward 7"] * 300,
        }
    ).with_columns(
        whole=pl.concat_str("given", "family", separator=" "),
        comma=pl.concat_str("family", "given", separator=", "),
        born_us=pl.col("born").str.replace(r"^(..)/(..)", "${2}/${1}"),
    )


RIGHT = {"nhs_number": "nhs", "given_name": "given", "family_name": "family", "birth_date": "born"}
RIGHT |= {"postcode": "postcode"}


def sources(columns: Mapping[str, str | None], **settings: Any) -> list[lc.Source]:
    """The right GP list, and a source whose mapping differs from the right one."""
    mapped = {name: column for name, column in {**RIGHT, **columns}.items() if column is not None}
    return [
        lc.Source("gp", people(), RIGHT, spine=True),
        lc.Source("seen", people(), mapped, **settings),
    ]


def refused(made: list[lc.Source]) -> str:
    with pytest.raises(lc.SourceError, match="nothing was linked, since this cannot be right") as error:
        lc.link(made, exact=lc.Exact(usable=USABLE), fallback=None)
    return str(error.value)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"birth_date": "seen"}, "column 'seen' of seen spans few years, as the dates of contacts do"),
        ({"birth_date": "nhs"}, "'nhs': 100 % of its 300 values cannot be read as a date"),
        ({"birth_date": "born_us"}, "days and months are exchanged: change day_first"),
        ({"postcode": "ward"}, "100 % of its 300 values cannot be read as a postcode"),
        ({"given_name": "whole"}, "it holds whole names: map it to full_name"),
        ({"given_name": "comma"}, "100 % of its 300 values are whole names"),
        ({"family_name": "comma", "given_name": None}, "100 % of its 300 values are whole names"),
        ({"given_name": "family", "family_name": "given"}, "exchange the two columns"),
        ({"nhs_number": "rounded"}, "if a spreadsheet has rounded the numbers"),
        ({"nhs_number": "born"}, "cannot be read as an NHS Number"),
        ({"local_patient_id": "ward"}, "all its 300 values are the same"),
        ({"family_name": "postcode"}, "disagree with those of gp for the same NHS Number"),
        ({"local_patient_id": "nhs"}, "is mapped to nhs_number too"),
    ],
)
def test_a_wrong_mapping_stops_before_anything_is_linked(columns: dict[str, str | None], said: str) -> None:
    assert said in refused(sources(columns))


def test_one_family_name_is_told_and_not_refused() -> None:
    alone = lc.Source("seen", people(), {"family_name": "ward"})
    (fault,) = find_faults([standardise(alone, usable=USABLE)])
    assert (fault.identifier, fault.certain) == ("family_name", False)
    assert "all its 300 values are the same" in fault.text


def test_the_spine_itself_may_be_wrong() -> None:
    wrong = lc.Source("gp", people(), RIGHT | {"birth_date": "seen"}, spine=True)
    assert "column 'seen' of gp spans few years" in refused([wrong, lc.Source("a", people(), RIGHT)])
    others = [lc.Source(name, people(), RIGHT) for name in "abc"]
    (fault,) = find_faults([standardise(each, usable=USABLE) for each in (wrong, *others)])
    assert (fault.source, fault.identifier) == ("gp", "birth_date")
    assert fault.text.startswith("its values disagree with those of all 3 other sources")


@pytest.mark.parametrize(
    ("columns", "settings"),
    [
        ({}, {}),
        ({"given_name": None, "family_name": None, "full_name": "comma"}, {}),
        ({"given_name": None, "family_name": None, "full_name": "whole"}, {}),
        ({"postcode": None}, {}),
        ({"birth_date": "seen"}, {"not_compared": ["birth_date"]}),
        ({"postcode": "ward"}, {"not_compared": ["postcode"]}),
    ],
)
def test_a_right_mapping_is_linked(columns: dict[str, str | None], settings: dict[str, Any]) -> None:
    made = sources(columns, **settings)
    assert find_faults([standardise(each, usable=USABLE) for each in made]) == []
    assert lc.link(made, exact=lc.Exact(usable=USABLE), fallback=None).links.height == 600


def test_initials_are_no_fault() -> None:
    initials = people().with_columns(pl.col("given").str.head(1))
    made = [lc.Source("gp", people(), RIGHT, spine=True), lc.Source("seen", initials, RIGHT)]
    assert find_faults([standardise(each, usable=USABLE) for each in made]) == []


def test_a_few_records_say_nothing() -> None:
    few = people().head(99)
    made = [lc.Source("gp", few, RIGHT, spine=True), lc.Source("seen", few, RIGHT | {"birth_date": "seen"})]
    assert find_faults([standardise(each, usable=USABLE) for each in made]) == []


def test_whole_names_are_seen_without_numbers() -> None:
    columns = {"given_name": "whole", "birth_date": "born"}
    (fault,) = find_faults([standardise(lc.Source("seen", people(), columns))])
    assert "100 % of its values have several words, as whole names do; map it to full_name" in fault.text
    assert not fault.certain
    said = refused([lc.Source("seen", people(), columns | {"family_name": "family"})])
    assert "100 % of its values have the family name too" in said


def test_what_is_odd_but_may_be_right_is_a_warning() -> None:
    elsewhere = people().with_columns(postcode=pl.col("postcode").reverse())
    doubled = people().with_columns(nhs=pl.Series(numbers(1000)[-300:]))
    made = [lc.Source("gp", people(), RIGHT, spine=True), lc.Source("seen", elsewhere, RIGHT)]
    profile = profile_sources([*made, lc.Source("far", doubled, RIGHT)], usable=USABLE)
    assert profile.linkable
    said = {(fault.source, fault.identifier): fault.text for fault in profile.faults}
    assert "name postcode in not_compared" in said["seen", "postcode"]
    assert "0 of its 300 numbers are in gp" in said["far", "nhs_number"]
