"""What the decisions that stand do to a placement: before the fallback, and after it.

Before the fallback, the records of one cluster go to one person. A record that defines its person brings all records of
that person with it: so two persons become one. Of two clusters of two persons, only one can stay with a person: that of
the record that defines it. The records of the other are open again. Open records of one cluster follow the one of them
with the most identifiers, whatever is found for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import polars as pl

from linkcore.linkage.decided.standing import STATES, Standing
from linkcore.linkage.enough_identifiers import fields_present
from linkcore.linkage.exact.link_exactly import with_current_numbers
from linkcore.linkage.exact.number_index import NumberIndex
from linkcore.linkage.placement import Placement, defines_its_person
from linkcore.linkage.settings import Exact
from linkcore.schema import DECISIONS, METHOD
from linkcore.sources.records import Records

__all__ = ["NOTHING_DECIDED", "Decided", "follow", "place_decided"]

_PLACE: Final = {"source_index": pl.Int32, "position": pl.UInt32}


@dataclass(frozen=True, eq=False)
class Decided:
    """What decisions leave to be heeded after the exact linkage. ``source_index`` and ``position`` name a record.

    Parameters
    ----------
    decisions : polars.DataFrame
        DECISIONS of :mod:`linkcore.schema` and ``state``.
    not_of : polars.DataFrame
        ``source_index``, ``position``, ``person_id``: open records, and persons that they are not of.
    apart : polars.DataFrame
        ``source_index``, ``position``, ``other_source_index``, ``other_position``: open records of two persons.
    followers : polars.DataFrame
        The same columns: open records, and the open record whose person is theirs.
    disproved : polars.DataFrame
        ``source_index`` and ``position`` of the records whose NHS Number is that of somebody else.
    """

    decisions: pl.DataFrame = field(repr=False)
    not_of: pl.DataFrame = field(repr=False)
    apart: pl.DataFrame = field(repr=False)
    followers: pl.DataFrame = field(repr=False)
    disproved: pl.DataFrame = field(repr=False)

    def without_disproved_numbers(self, sources: Sequence[Records]) -> list[Records]:
        """Return the sources without the NHS Numbers that are those of somebody else."""
        rows = dict(self.disproved.group_by("source_index").agg("position").iter_rows())
        return [
            replace(records, frame=records.frame.with_columns(records.frame["nhs_number"].scatter(rows[index], None)))
            if index in rows
            else records
            for index, records in enumerate(sources)
        ]


_OTHER: Final = {f"other_{name}": pl.col(name) for name in _PLACE}
_PAIRS: Final = {**_PLACE, **{f"other_{name}": dtype for name, dtype in _PLACE.items()}}

NOTHING_DECIDED: Final = Decided(
    decisions=pl.DataFrame(schema={**DECISIONS, "state": STATES}),
    not_of=pl.DataFrame(schema={**_PLACE, "person_id": pl.UInt32}),
    apart=pl.DataFrame(schema=_PAIRS),
    followers=pl.DataFrame(schema=_PAIRS),
    disproved=pl.DataFrame(schema=_PLACE),
)
"""Where nobody has decided anything."""


def place_decided(
    sources: Sequence[Records], placement: Placement, exact: Exact, standing: Standing
) -> tuple[Placement, Decided]:
    """Place records as decided, and return what is left to be heeded by the fallback and by :func:`follow`."""
    members = _members(sources, placement, exact, standing)
    placement, members = _with_one_person_each(placement, members)
    members = members.join(_targets(members, standing.apart), on="cluster", how="left", maintain_order="left")
    placement = _changed(placement, sources, _moves(members))
    not_of = _not_of(members, standing.apart)
    leaders = _leaders(members)
    decided = Decided(
        decisions=_with_lost(standing.decisions, members),
        not_of=leaders.join(not_of, on="cluster").sort("node", "person_id").select(NOTHING_DECIDED.not_of.columns),
        apart=_beside(standing.apart, leaders),
        followers=_followers(members, leaders),
        disproved=_disproved(members, not_of),
    )
    waiting = decided.followers.select(*_PLACE, method=pl.lit("decided", METHOD))
    return _changed(placement, sources, waiting), decided


def follow(sources: Sequence[Records], placement: Placement, decided: Decided) -> Placement:
    """Place the followers with the person that was found for the record which they follow, as surely as that one."""
    parts = []
    for source_index, records in enumerate(sources):
        of_source = decided.followers.filter(pl.col("other_source_index") == source_index)
        links = placement.links[records.source.name][of_source["other_position"]]
        parts.append(
            of_source.select(*_PLACE, method=pl.lit("decided", METHOD)).hstack(
                links.select("person_id", "match_probability")
            )
        )
    return _changed(placement, sources, pl.concat(parts))


def _members(sources: Sequence[Records], placement: Placement, exact: Exact, standing: Standing) -> pl.DataFrame:
    """Find the records that standing decisions name: their place, their person, and the person of their number."""
    of_number = NumberIndex(placement.persons["nhs_number"])
    found = []
    for source_index, records in enumerate(sources):
        named = standing.records.with_row_index("node").filter(pl.col("source") == records.source.name)
        rows = records.frame.select("record_id").with_row_index("position").join(named, on="record_id")
        links = placement.links[records.source.name][rows["position"]]
        numbers = with_current_numbers(replace(records, frame=records.frame[rows["position"]]), exact).frame
        found.append(
            rows.with_columns(
                pl.lit(source_index, pl.Int32).alias("source_index"),
                links["person_id"],
                links["conflict"],
                defines_its_person(records, placement)[rows["position"]].alias("defines"),
                of_number.find(numbers["nhs_number"]).alias("number_of"),
                fields_present(numbers).sum_horizontal().alias("fields"),
            )
        )
    return pl.concat(found).sort("node")


def _with_one_person_each(placement: Placement, members: pl.DataFrame) -> tuple[Placement, pl.DataFrame]:
    """Make one person of those that the records of one cluster define: one with an NHS Number, of these the first."""
    has_number = placement.persons["nhs_number"].is_not_null().gather(members["person_id"]).alias("has_number")
    defined = members.with_columns(has_number).filter("defines")
    kept = defined.sort("has_number", "person_id", descending=[True, False]).unique("cluster", keep="first")
    merged = defined.join(kept.select("cluster", into="person_id"), on="cluster").filter(
        pl.col("person_id") != pl.col("into")
    )
    if merged.is_empty():
        return placement, members
    persons = placement.persons
    is_kept = pl.repeat(True, persons.height, eager=True).scatter(merged["person_id"], False)
    new_ids = (is_kept.cast(pl.UInt32).cum_sum() - 1).cast(pl.UInt32)
    new_ids = new_ids.scatter(merged["person_id"], new_ids[merged["into"]])
    decided = pl.lit("decided", METHOD)
    links = {}
    for name, of_source in placement.links.items():
        moved = ~is_kept.gather(of_source["person_id"]).fill_null(True)
        links[name] = of_source.with_columns(
            new_ids.gather(of_source["person_id"]).alias("person_id"),
            pl.when(moved).then(decided).otherwise("method").alias("method"),
            pl.when(moved).then(1.0).otherwise("match_probability").alias("match_probability"),
        )
    persons = persons.filter(is_kept).with_columns(new_ids.filter(is_kept).alias("person_id"))
    members = members.with_columns(
        (members["defines"] & is_kept.gather(members["person_id"])).fill_null(False).alias("defines"),
        *(new_ids.gather(members[name]).alias(name) for name in ("person_id", "number_of")),
    )
    return Placement(persons, links), members


def _targets(members: pl.DataFrame, apart: pl.DataFrame) -> pl.DataFrame:
    """Return ``cluster`` and ``target``, the person of its records; none for clusters that are open.

    It is the person that a record of the cluster defines; else the one that a decision named; else that of any record.
    """
    both = pl.concat([apart, apart.select(cluster="other", other="cluster")])
    defined = members.filter("defines").select(other="cluster", person_id="person_id")
    targets = (
        members.filter(pl.col("person_id").is_not_null())
        .join(both.join(defined, on="other"), on=["cluster", "person_id"], how="anti")
        .sort("defines", "names_person", "person_id", descending=[True, True, False])
        .unique("cluster", keep="first", maintain_order=True)
        .select("cluster", "defines", target="person_id")
    )
    # A person that neither defines: the record that is not of it leaves.
    rivals = apart.join(targets, on="cluster").join(
        targets, left_on=["other", "target"], right_on=["cluster", "target"]
    )
    return targets.join(rivals, on="cluster", how="anti").select("cluster", "target").sort("cluster")


def _moves(members: pl.DataFrame) -> pl.DataFrame:
    """Return the records whose person decisions change: to that of their cluster, or to nobody yet."""
    changed = members.filter(pl.col("person_id").ne_missing(pl.col("target")))
    opened = pl.col("target").is_null()
    of_somebody_else = (pl.col("number_of") != pl.col("target")).fill_null(False)
    disowned = (pl.col("number_of") == pl.col("person_id")).fill_null(False)
    return changed.select(
        *_PLACE,
        person_id="target",
        method=pl.when(~opened).then(pl.lit("decided", METHOD)),
        match_probability=pl.when(~opened).then(1.0),
        conflict=pl.when(opened).then(pl.col("conflict") | disowned).otherwise(of_somebody_else),
    )


def _not_of(members: pl.DataFrame, apart: pl.DataFrame) -> pl.DataFrame:
    """Return ``cluster`` and ``person_id``: open clusters, and persons that they are not of."""
    both = pl.concat([apart, apart.select(cluster="other", other="cluster")])
    targets = members.select("cluster", "target").unique()
    opened = targets.filter(pl.col("target").is_null()).select("cluster")
    persons = targets.drop_nulls().select(other="cluster", person_id="target")
    return both.join(opened, on="cluster").join(persons, on="other").select("cluster", "person_id").unique()


def _leaders(members: pl.DataFrame) -> pl.DataFrame:
    """Return the record of each open cluster that has the most identifiers; of equals, the first."""
    opened = members.filter(pl.col("target").is_null())
    ranked = opened.sort("fields", *_PLACE, descending=[True, False, False])
    return ranked.unique("cluster", keep="first").select("cluster", "node", *_PLACE)


def _followers(members: pl.DataFrame, leaders: pl.DataFrame) -> pl.DataFrame:
    led = leaders.select("cluster", leader="node", **_OTHER)
    followers = members.join(led, on="cluster").filter(pl.col("node") != pl.col("leader"))
    return followers.sort("node").select(NOTHING_DECIDED.followers.columns)


def _beside(apart: pl.DataFrame, leaders: pl.DataFrame) -> pl.DataFrame:
    """Return the pairs of open clusters of two persons, by the records that stand for them."""
    pairs = apart.join(leaders, on="cluster").join(
        leaders.select("cluster", **_OTHER), left_on="other", right_on="cluster"
    )
    return pairs.sort("cluster", "other").select(NOTHING_DECIDED.apart.columns)


def _disproved(members: pl.DataFrame, not_of: pl.DataFrame) -> pl.DataFrame:
    moved = members.filter(pl.col("number_of") != pl.col("target"))
    disowned = members.join(not_of, left_on=["cluster", "number_of"], right_on=["cluster", "person_id"], how="semi")
    return pl.concat([moved, disowned]).select(*_PLACE).sort(*_PLACE)


def _with_lost(decisions: pl.DataFrame, members: pl.DataFrame) -> pl.DataFrame:
    """Tell the decisions that stand from those of which a record is not there."""
    there = members.select("source", "record_id", there=True)
    both = pl.all_horizontal(
        decisions.select(*names)
        .join(there, left_on=names, right_on=["source", "record_id"], how="left", maintain_order="left")["there"]
        .is_not_null()
        for names in (["source", "record_id"], ["person_source", "person_record_id"])
    )
    lost = (pl.col("state") == "stands") & ~both
    return decisions.with_columns(pl.when(lost).then(pl.lit("lost", STATES)).otherwise("state").alias("state"))


def _changed(placement: Placement, sources: Sequence[Records], changes: pl.DataFrame) -> Placement:
    """Change links; ``changes``: ``source_index``, ``position``, and the columns of PLACED that change."""
    links = dict(placement.links)
    columns = [name for name in changes.columns if name not in _PLACE]
    for source_index, records in enumerate(sources):
        name, of_source = records.source.name, changes.filter(pl.col("source_index") == source_index)
        if of_source.height:
            links[name] = links[name].with_columns(
                links[name][column].scatter(of_source["position"], of_source[column]) for column in columns
            )
    return Placement(placement.persons, links)
