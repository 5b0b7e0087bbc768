"""Names that last: the persons of a linkage keep the names that an earlier one gave them, and each change is told."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import polars as pl

from linkcore.identifiers.nhs_number import digits
from linkcore.linkage.placement import digests
from linkcore.linkage.settings import Exact
from linkcore.linkage.stable_persons.identifier_hashes import HASHES
from linkcore.linkage.stable_persons.known_persons import KnownPersons, known_persons, known_records
from linkcore.linkage.stable_persons.match_persons import match_persons
from linkcore.linkage.stable_persons.recognise import Side, recognise
from linkcore.pseudonyms.persons import PERSON_PREFIX, person_name
from linkcore.schema import SUPERSEDED, SUPERSESSION

__all__ = ["PersonHistory", "keep_names"]


@dataclass(frozen=True, eq=False, repr=False)
class PersonHistory:
    """What a linkage knows of the persons before it, and what the next one needs.

    Parameters
    ----------
    hashes : polars.DataFrame
        HASHES of each record, in the order of the links.
    superseded : polars.DataFrame
        SUPERSEDED of :mod:`linkcore.schema`: the changes of this linkage, after those of the linkages before it.
    absent : KnownPersons
        Earlier persons of whom no record was recognised now.
    counts : mapping of str to int
        ``kept``: persons with the name that they had; ``new``: persons whom no earlier linkage knew; ``absent``; each
        reason of a supersession; ``ties``: matches settled by an order alone; ``ambiguous``: sets of identifiers that
        several persons have, so that they recognise nobody; ``returned``: supersessions taken back, since the old name
        is in use again; ``probable``: those kept whom only the model recognised, by
        :mod:`linkcore.linkage.probable_names`. Empty without an earlier linkage.
    by_source : mapping of str to mapping of str to int
        ``kept`` and ``new``, of the persons without an NHS Number whom records of a source define; for each source that
        an earlier linkage had too. ``new`` leaves out whose new name a supersession explains.
    """

    hashes: pl.DataFrame = field(default_factory=HASHES.to_frame)
    superseded: pl.DataFrame = field(default_factory=SUPERSEDED.to_frame)
    absent: KnownPersons = field(default_factory=KnownPersons)
    counts: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    by_source: Mapping[str, Mapping[str, int]] = field(default_factory=lambda: MappingProxyType({}))

    def known_persons(self, links: pl.DataFrame, persons: pl.DataFrame) -> KnownPersons:
        """Return what the next linkage needs to know of these persons, and of the absent ones."""
        return replace(known_persons(links, self.hashes, persons) + self.absent, superseded=self.superseded)


def keep_names(
    links: pl.DataFrame,
    persons: pl.DataFrame,
    hashes: pl.DataFrame,
    *,
    previous: KnownPersons,
    exact: Exact,
    date: dt.date | None,
) -> tuple[pl.DataFrame, PersonHistory]:
    """Return PERSONS with the tokens that they had before, and the history of the persons.

    An earlier person is the person of now with the same NHS Number, or with the number that superseded it. The others
    are matched by their records. A person without a number keeps the token of its match, or gets one that nobody had.
    """
    numbers = persons.select(pl.when(pl.col("nhs_number").is_not_null()).then(person_name()).alias("name"))["name"]
    listed = _by_number(previous.persons["name"], numbers, exact)
    before = Side(previous.records, listed["now"].is_null(), ~_is_token(previous.persons["name"]))
    settled = pl.repeat(False, persons.height, eager=True).scatter(listed["now"].drop_nulls().unique(), True)
    now = Side(known_records(links, hashes), ~settled, numbers.is_not_null())
    overlap, ambiguous = recognise(before, now)
    described = _described(overlap, before, now, previous.persons["name"], persons)
    matched, ties = match_persons(described.filter("open_before", "open_now"))
    kept = described.filter("keeps").join(matched, on=["before", "now"], how="semi")
    used = pl.concat([previous.persons["name"], previous.superseded["old"]])
    tokened = _with_tokens(persons, kept, used, _extracts(links, hashes))
    names = tokened.select(person_name().alias("name"))["name"]
    changes = _changes(listed, described, matched, names, date)
    unseen = ~pl.int_range(listed.height, eager=True).is_in(overlap["before"].implode())
    absent = previous.only(listed["now"].is_null() & unseen)
    still_true = _still_true(previous.superseded, names)
    counts = {
        "kept": previous.persons.join(names.to_frame("name"), on="name", how="semi").height,
        "new": names.len() - pl.concat([listed["now"].drop_nulls(), overlap["now"]]).n_unique(),
        "absent": absent.persons.height,
        **{reason: int((changes["reason"] == reason).sum()) for reason in SUPERSESSION.categories},
        "ties": ties,
        "ambiguous": ambiguous,
        "returned": previous.superseded.height - still_true.height,
    }
    told = (MappingProxyType(counts), _by_source(tokened.with_columns(name=names), previous, changes["new"]))
    return tokened, PersonHistory(hashes, pl.concat([still_true, changes]), absent, *told)


def _by_source(persons: pl.DataFrame, previous: KnownPersons, explained: pl.Series) -> Mapping[str, Mapping[str, int]]:
    """Count who kept a name without having an NHS Number, and who has a new one, by the source that defines them."""
    kept = pl.col("name").is_in(previous.persons["name"].implode())
    known = persons.filter(
        pl.col("nhs_number").is_null(),
        pl.col("source").is_in(previous.records["source"].unique().implode()),
        ~pl.col("name").is_in(explained.implode()),
    )
    found = known.group_by("source").agg(kept=kept.sum(), new=(~kept).sum()).sort("source")
    return MappingProxyType({source: {"kept": kept, "new": new} for source, kept, new in found.iter_rows()})


def _is_token(names: pl.Series) -> pl.Series:
    return names.str.starts_with(PERSON_PREFIX)


def _by_number(before: pl.Series, numbers: pl.Series, exact: Exact) -> pl.DataFrame:
    """Return, for each earlier person, ``now``: who has its NHS Number, or the one that superseded it."""
    people = pl.DataFrame([numbers.alias("name")]).with_row_index("now").drop_nulls()
    earlier = pl.DataFrame([before.alias("old")])
    if exact.superseded is None:
        earlier = earlier.with_columns(pl.col("old").alias("name"))
    else:
        merged = exact.superseded.lazy().select(digits(pl.col("old")), digits(pl.col("new")).alias("name")).collect()
        earlier = earlier.join(merged, on="old", how="left", maintain_order="left").with_columns(
            pl.coalesce("name", "old")
        )
    return earlier.join(people, on="name", how="left", maintain_order="left").select("old", "now")


def _described(overlap: pl.DataFrame, before: Side, now: Side, names: pl.Series, persons: pl.DataFrame) -> pl.DataFrame:
    """Add to each pair what :func:`match_persons` orders by, and whether each side is still open."""
    earlier, current = overlap["before"], overlap["now"]
    return overlap.with_columns(
        before.unsettled.gather(earlier).alias("open_before"),
        now.unsettled.gather(current).alias("open_now"),
        before.numbered.gather(earlier).alias("numbered_before"),
        now.numbered.gather(current).alias("numbered_now"),
        names.gather(earlier).alias("name"),
        *(persons[name].gather(current) for name in ("source", "record_id")),
    ).with_columns(keeps=~pl.col("numbered_before") & ~pl.col("numbered_now"))


def _extracts(links: pl.DataFrame, hashes: pl.DataFrame) -> pl.DataFrame:
    return pl.DataFrame([links["source"], hashes["extract"]]).unique()


def _with_tokens(persons: pl.DataFrame, kept: pl.DataFrame, used: pl.Series, extracts: pl.DataFrame) -> pl.DataFrame:
    """Give kept tokens to their persons, and a token that nobody had to each other person without a number."""
    carried = persons["token"].scatter(kept["now"], kept["name"].str.strip_prefix(PERSON_PREFIX))
    lacking = persons["nhs_number"].is_null().scatter(kept["now"], values=False)
    attempt, lacking = 1, lacking.arg_true()
    while True:
        lacking = lacking.filter((PERSON_PREFIX + carried.gather(lacking)).is_in(used.implode()))
        if lacking.is_empty():
            return persons.with_columns(carried.alias("token"))
        attempt += 1
        named = persons.select("source", "record_id")[lacking]
        named = named.join(extracts, on="source", how="left", maintain_order="left")
        texts = named.select(pl.concat_str("source", "extract", "record_id", separator="/")).to_series()
        carried = carried.scatter(lacking, digests(texts, attempt=attempt))


def _changes(
    listed: pl.DataFrame, overlap: pl.DataFrame, matched: pl.DataFrame, names: pl.Series, date: dt.date | None
) -> pl.DataFrame:
    """Return the new rows of the supersession table, in order of the names."""
    listed = listed.drop_nulls()
    by_list = listed.select(
        "old", names.gather(listed["now"]).alias("new"), pl.lit("number_superseded", SUPERSESSION).alias("reason")
    )
    by_records = overlap.select(
        pl.col("name").alias("old"), names.gather(overlap["now"]).alias("new"), _reason(matched)
    )
    changes = (
        pl.concat([by_list, by_records]).filter(pl.col("old") != pl.col("new")).drop_nulls("reason").sort(pl.all())
    )
    return changes.with_columns(pl.lit(date, pl.Date).alias("date"))


def _reason(matched: pl.DataFrame) -> pl.Expr:
    """Say why an earlier person's name gives way to that of a person now; null where both live on."""
    pair = pl.struct("before", "now").is_in(matched.select(pl.struct("before", "now")).to_series().implode())
    same_before, same_now = (pl.col(side).is_in(matched[side].implode()) for side in ("before", "now"))
    reasons = {
        "number_changed": pair & pl.col("numbered_before") & pl.col("numbered_now"),
        "number_lost": pair & pl.col("numbered_before"),
        "number_found": pair & pl.col("numbered_now"),
        "joined": pl.col("open_before") & ~same_before,
        "split": pl.col("open_now") & ~same_now,
    }
    first = [pl.when(holds).then(pl.lit(name, SUPERSESSION)) for name, holds in reasons.items()]
    return pl.coalesce(first).alias("reason")


def _still_true(superseded: pl.DataFrame, names: pl.Series) -> pl.DataFrame:
    """Leave out rows that a person contradicts who has the old name again; after a split, both may have theirs."""
    split = pl.col("reason") == "split"
    taken_back = superseded.filter(~split).select("old").join(names.to_frame("old"), on="old", how="semi")
    return superseded.filter(split | ~pl.col("old").is_in(taken_back["old"].implode()))
