"""Six months of a synthetic programme whose truth is known: people keep their pseudonyms, and each change is told.

Each month is linked after the one before it, as kept in the store, and released to two recipients.
"""

from itertools import pairwise

import polars as pl
import pytest

import linkcore as lc
from tests.golden_months import (
    Month,
    ended_names,
    figures,
    names_of_opted_out,
    passed_on,
    pseudonyms,
    run_months,
    whom,
)

MONTHS = 6
SOURCES = ("gp", "emergency", "adult_social_care", "out_of_hours")


@pytest.fixture(scope="module")
def months(tmp_path_factory: pytest.TempPathFactory) -> list[Month]:
    folder = tmp_path_factory.mktemp("months")
    return list(run_months(folder, people=2_000, months=MONTHS, seed=7, sources=SOURCES))


def test_pseudonyms_are_stable_for_people_who_go_on(months: list[Month]) -> None:
    counted = dict(figures(months).rows())
    people = sum(counted.values())
    assert people > 9_000
    assert counted["unexplained"] <= 0.0001 * people
    assert counted["unrecognisable"] < 0.0005 * people
    assert counted["kept"] / people > 0.99


def test_each_name_that_ends_is_told_unless_its_records_say_next_to_nothing(months: list[Month]) -> None:
    ended = pl.concat([ended_names(before, now) for before, now in pairwise(months)])
    assert ended["told"].any()
    assert ended.filter(~pl.col("told"), pl.col("method") != "unlinked").is_empty()


def test_no_pseudonym_passes_to_somebody_else(months: list[Month]) -> None:
    """Also not to somebody who comes months later."""
    assert passed_on(months).is_empty()


def test_who_opted_out_is_in_no_release_under_any_pseudonym(months: list[Month]) -> None:
    for month in months:
        names = names_of_opted_out(month)
        assert len(names) > 50
        for recipient, released in month.releases.items():
            table = (
                set(released.superseded["old"]) | set(released.superseded["new"])
                if released.superseded.width
                else set()
            )
            assert pseudonyms(names, recipient).isdisjoint(released.pseudonyms | table)


def test_who_opted_out_is_in_no_release_by_truth(months: list[Month]) -> None:
    for month in months:
        numbered = month.persons.filter(pl.col("nhs_number").is_in(month.opted_out.implode()))
        opted_out = set(whom(month).join(numbered, on="name")["entity"])
        theirs = month.records.filter(pl.col("entity").is_in(opted_out), ~pl.col("number_wrong"))
        for recipient, released in month.releases.items():
            assert pseudonyms(set(theirs["name"]), recipient).isdisjoint(released.pseudonyms)


def test_people_opt_out_and_come_back_under_the_same_pseudonym(months: list[Month]) -> None:
    left = came_back = 0
    for before, now in pairwise(months):
        newly, no_more = (set(one.opted_out) - set(other.opted_out) for one, other in ((now, before), (before, now)))
        for recipient in now.releases:
            gone = pseudonyms(set(before.persons.filter(pl.col("nhs_number").is_in(list(newly)))["name"]), recipient)
            left += len(gone & before.releases[recipient].pseudonyms - now.releases[recipient].pseudonyms)
            back = pseudonyms(set(now.persons.filter(pl.col("nhs_number").is_in(list(no_more)))["name"]), recipient)
            came_back += len(back & now.releases[recipient].pseudonyms - before.releases[recipient].pseudonyms)
    assert left > 0
    assert came_back > 0


def test_the_table_of_a_release_says_nothing_of_anybody_it_does_not_hold(months: list[Month]) -> None:
    rows = 0
    for month in months[1:]:
        for released in month.releases.values():
            held, told = set(released.pseudonyms), released.superseded.rows()
            while more := {old for old, new, reason, _ in told if new in held and reason != "split"} - held:
                held |= more
            assert all(new in held and (reason != "split" or old in held) for old, new, reason, _ in told)
            rows += len(told)
    assert rows > 10


def test_a_recipient_can_follow_each_pseudonym_that_ended(months: list[Month]) -> None:
    """Of people whom both releases hold."""
    followed = 0
    for before, now in pairwise(months):
        for recipient, released in now.releases.items():
            told = set(released.superseded.select("old", "new").rows())
            for old, new in now.changes.select("old", "new").rows():
                (was,), (becomes,) = pseudonyms({old}, recipient), pseudonyms({new}, recipient)
                if was in before.releases[recipient].pseudonyms and becomes in released.pseudonyms:
                    followed += 1
                    assert (was, becomes) in told
    assert followed > 0


def test_two_recipients_share_no_pseudonym(months: list[Month]) -> None:
    for month in months:
        one, other = (released.pseudonyms for released in month.releases.values())
        assert one.isdisjoint(other)


def test_changes_of_many_kinds_happened(months: list[Month]) -> None:
    counts = pl.DataFrame([month.counts for month in months[1:]])
    happened = set(counts.sum().unpivot().filter(pl.col("value") > 0)["variable"])
    assert happened >= {"kept", "new", "absent", "number_found", "number_superseded"}


def test_a_month_that_brings_nothing_changes_nothing(months: list[Month]) -> None:
    last = months[-1].linkage
    again = lc.link(
        last.sources, exact=last.exact, fallback=last.fallback, reference_date=last.reference_date, previous=last
    )
    assert again.persons.equals(last.persons)
    assert again.superseded.equals(last.superseded)
    assert again.history.counts["kept"] == last.persons.height
