"""Golden months: a synthetic programme month after month, through the store, with two recipients, beside its truth.

At scale, by one command: ``python -m tests.golden_months --people 20000``.
"""

import argparse
import hashlib
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import polars as pl

import linkcore as lc
from linkcore.governance.withholding.opt_out_lists import OptOutLists
from linkcore.programme.programme import Programme
from linkcore.pseudonyms.persons import person_name
from linkcore.schema import SUPERSESSION
from linkcore.synthetic import synthesise_months

RECORD = ["source", "record"]


@dataclass
class Released:
    """What one recipient got: its pseudonyms, and its table of superseded ones."""

    pseudonyms: set[str]
    superseded: pl.DataFrame


@dataclass
class Month:
    """What came of one month.

    ``records`` has ``source``, ``record``, ``entity``, ``number_wrong``, ``name`` and ``method`` of each record;
    ``changes`` are the rows of the supersession table that the month added, and ``superseded`` are all;
    ``opted_out`` are the NHS Numbers of who opted out.
    """

    records: pl.DataFrame
    persons: pl.DataFrame
    superseded: pl.DataFrame
    changes: pl.DataFrame
    counts: dict[str, int]
    opted_out: pl.Series
    releases: dict[str, Released]
    linkage: lc.Linkage


def key_of(recipient: str) -> lc.Key:
    return lc.Key.from_bytes(f"{recipient}-2026", hashlib.sha256(recipient.encode()).digest())


def run_months(folder: Path, *, people: int, months: int, seed: int, sources: Collection[str] = ()) -> Iterator[Month]:
    """Link each month after the one before it, as kept in the store, and release it to each recipient.

    The model is learned in the first month and pinned, so that each month costs little. ``sources``: only these.
    """
    made = synthesise_months(folder / "ics", months=months, people=people, seed=seed)
    previous, model = None, folder / "model.json"
    for number, month in enumerate(made):
        programme = Programme.load(month.programme)
        day = programme.programme.reference_date
        opened = [source for source in programme.sources() if not sources or source.name in sources]
        if previous is not None:
            previous = lc.Linkage.load(folder / f"store-{number - 1}", previous.sources)
        linkage = lc.link(
            opened,
            exact=programme.exact(),
            fallback=lc.Fallback(model=model if number else None, check="never"),
            reference_date=day,
            previous=previous,
            synthetic=True,
        )
        if not number:
            linkage.save_model(model)
        linkage.save(folder / f"store-{number}")
        previous = linkage
        yield _judged(linkage, month.truth, programme, folder / f"releases-{number}")


def _judged(linkage: lc.Linkage, truth: Path, programme: Programme, out: Path) -> Month:
    day, listed = linkage.reference_date, programme.opt_out_lists()
    assert day is not None
    assert programme.opt_outs is not None
    # Type 1 opt-outs apply to GP data alone: for the proof, who has one counts as withheld by the practices.
    policy = replace(programme.opt_outs.policy(), type_one_applied="the practices")
    lists = OptOutLists(national=listed.national, objections=listed.objections)
    withheld = lc.withhold(linkage, policy, lists, on=day, purpose=programme.agreements()[0].purpose)
    in_force = [kind.in_force(day, linkage.exact.superseded) for kind in (lists.national, lists.objections) if kind]
    releases = {}
    for agreement in programme.agreements():
        columns = {name: columns[:1] for name, columns in agreement.columns.items() if name in linkage.rows}
        place, key = out / agreement.recipient, key_of(agreement.recipient)
        for_it = replace(withheld, purpose=agreement.purpose)
        lc.release(linkage, replace(agreement, columns=columns), key, place, on=day, withholding=for_it)
        tables = [pl.read_parquet(place / f"{name}.parquet", columns=["pseudonym"]) for name in columns]
        told = place / "superseded.parquet"
        releases[agreement.recipient] = Released(
            set(pl.concat(tables)["pseudonym"]), pl.read_parquet(told) if told.is_file() else pl.DataFrame()
        )
    names = linkage.persons.select("person_id", "nhs_number", person_name())
    records = linkage.links.select("source", "record_id", "person_id", "method").join(names, on="person_id")
    told_truth = pl.read_parquet(truth).select("source", "record_id", "entity", "number_wrong", "record")
    return Month(
        records=records.join(told_truth, on=["source", "record_id"]).drop("person_id", "nhs_number"),
        persons=names.drop("person_id"),
        superseded=linkage.superseded,
        changes=linkage.superseded.filter(date=day),
        counts=dict(linkage.history.counts),
        opted_out=pl.concat(in_force).unique(),
        releases=releases,
        linkage=linkage,
    )


def main_names(month: Month) -> pl.DataFrame:
    """``entity`` and ``name``: the name of most records of each person, by truth."""
    counted = month.records.group_by("entity", "name").len().sort("len", "name", descending=[True, False])
    return counted.unique("entity", keep="first", maintain_order=True).select("entity", "name")


def whom(month: Month) -> pl.DataFrame:
    """``name`` and ``entity``: the person of most records of each name, by truth, and how many it ``has``.

    A record that shows somebody else's number says nothing of whom a name is.
    """
    true = month.records.filter(~pl.col("number_wrong"))
    counted = true.group_by("name", "entity").agg(has=pl.len()).sort("has", "entity", descending=[True, False])
    return counted.unique("name", keep="first", maintain_order=True)


def continuing(before: Month, now: Month) -> pl.DataFrame:
    """Return ``entity``, ``name`` and ``became`` of each person with a record in both months, by its main name.

    ``kept``: some of its records have the name still; a reason of a supersession, which leads to a name that it has;
    ``deleted``: all records with the name were deleted, and the person has others; ``unrecognisable``: its records say
    next to nothing, so that nobody can recognise them without an id; ``unexplained``.
    """
    has = now.records.select("entity", "name").unique()
    people = main_names(before).join(has.select("entity").unique(), on="entity", how="semi")
    new_of = now.changes.rename({"old": "name"}).join(has.rename({"name": "new"}), on="new")
    told = new_of.select("entity", "name", "reason").unique(["entity", "name"], keep="first", maintain_order=True)
    kept_by = has.with_columns(kept=pl.lit(True))
    still_there = before.records.join(now.records.select(*RECORD), on=RECORD, how="semi")
    says = (pl.col("method") != "unlinked").any().alias("there")
    there = still_there.group_by("entity", "name").agg(says)
    judged = people
    for each in (kept_by, told, there):
        judged = judged.join(each, on=["entity", "name"], how="left", maintain_order="left")
    became = (
        pl.when("kept").then(pl.lit("kept")).otherwise(pl.coalesce(pl.col("reason").cast(pl.String), pl.lit("untold")))
    )
    judged = judged.with_columns(became.alias("became"))
    why = pl.when("there").then(pl.lit("unexplained")).when(~pl.col("there")).then(pl.lit("unrecognisable"))
    untold = pl.when(pl.col("became") == "untold").then(why.otherwise(pl.lit("deleted")))
    return judged.select("entity", "name", became=pl.coalesce(untold, "became"))


def ended_names(before: Month, now: Month) -> pl.DataFrame:
    """Return ``name``, ``method`` and ``told`` of each name that ended though one of its records is there still."""
    here = before.records.join(now.records.select(*RECORD), on=RECORD, how="semi")
    ended = here.join(now.records.select("name"), on="name", how="anti")
    told = pl.col("name").is_in(now.changes["old"].implode())
    return ended.select("name", "method", told.alias("told")).unique("name", keep="first", maintain_order=True)


def passed_on(months: Sequence[Month]) -> pl.DataFrame:
    """Return the names that were of one person, and later of another: ``name``, ``entity`` and ``entity_now``."""
    first = whom(months[0])
    passed = []
    for month in months[1:]:
        now = whom(month)
        passed.append(first.join(now, on="name", suffix="_now").filter(pl.col("entity") != pl.col("entity_now")))
        first = pl.concat([first, now.join(first, on="name", how="anti")])
    return pl.concat(passed).unique(["name", "entity", "entity_now"], maintain_order=True)


def names_ever(month: Month, names: set[str]) -> set[str]:
    """Return the names, and all that gave way to them or took their place, but for splits."""
    rows = [(old, new) for old, new, reason, _ in month.superseded.rows() if reason != "split"]
    while more := {each for row in rows for each in row if names & set(row)} - names:
        names = names | more
    return names


def names_of_opted_out(month: Month) -> set[str]:
    """Return every name, old or new, of the persons who opted out."""
    held = month.persons.filter(pl.col("nhs_number").is_in(month.opted_out.implode()))
    return names_ever(month, set(held["name"]))


def pseudonyms(names: Collection[str], recipient: str) -> set[str]:
    return set(lc.pseudonymise(pl.Series(sorted(names), dtype=pl.String), key_of(recipient)))


def figures(months: Sequence[Month]) -> pl.DataFrame:
    """Count what became of the names of continuing people from each month to the next, by kind of change."""
    kinds = pl.concat([continuing(before, now) for before, now in pairwise(months)])["became"].value_counts()
    order = ["kept", *SUPERSESSION.categories, "deleted", "unrecognisable", "unexplained"]
    return pl.DataFrame({"became": order}).join(kinds, on="became", how="left").fill_null(0)


def main() -> None:
    """Run the golden months at scale, and print what became of the names of people."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    for name, usual in (("people", 20_000), ("months", 6), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    stated = vars(parser.parse_args())
    months: list[Month] = []
    with tempfile.TemporaryDirectory() as folder:
        began = time.process_time()
        for month in run_months(Path(folder), **stated):
            months.append(month)
            lines = [f"{len(month.releases)} releases, {time.process_time() - began:,.0f} CPU s", str(month.counts)]
            sys.stdout.write("\n".join(lines) + "\n")
    counted = figures(months)
    people, lost = (int(each["count"].sum()) for each in (counted, counted.filter(became="unexplained")))
    ended = pl.concat([ended_names(before, now) for before, now in pairwise(months)])
    untold = ended.filter(~pl.col("told"))["method"].value_counts().rows()
    said = [
        f"person-months: {people:,}; unexplained: {lost / people:.4%}",
        *(f"  {became}: {number:,}" for became, number in counted.rows()),
        f"names that ended: {ended.height:,}; not told, by the method of their records: {untold}",
        f"names that passed on: {passed_on(months).height}",
    ]
    sys.stdout.write("\n".join(said) + "\n")


if __name__ == "__main__":
    main()
