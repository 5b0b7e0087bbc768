"""Why a record was linked: its candidates, and the weight of each comparison.

Splink scores the record and its candidates again, with the model of the run. So what is shown is what counted: the
weights of the comparisons add up to the weight of the link.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import polars as pl

from linkcore.errors import ProgrammeError, RefusedError, SourceError
from linkcore.files import begins_like, new_file
from linkcore.linkage.engine.splink import weigh_fields
from linkcore.linkage.engine.tables import with_people_table
from linkcore.linkage.exact.alternatives import with_alternatives
from linkcore.linkage.fallback.result import Probabilistic
from linkcore.linkage.model.by_source import level_shifts, shifted
from linkcore.linkage.model.model import Comparison, Model
from linkcore.linkage.result import LinkageResult
from linkcore.linkage.settings import Fallback
from linkcore.review.reasons import reason_of_exact, reason_of_open
from linkcore.schema import FURTHER, OTHER, RECORDS
from linkcore.sources.records import standardise

__all__ = ["Explanation", "explain"]

_CANDIDATES: Final = pl.Schema(
    {
        "person_id": pl.UInt32(),
        "match_probability": pl.Float64(),
        "match_weight": pl.Float64(),
        "relative_weight": pl.Float64(),
        "pair_probability": pl.Float64(),
        "accepted": pl.Boolean(),
    }
)

_FIELDS: Final = pl.Schema(
    {
        "person_id": pl.UInt32(),
        "comparison": pl.String(),
        "level": pl.String(),
        "record_value": pl.String(),
        "person_value": pl.String(),
        "weight": pl.Float64(),
        "term_frequency": pl.Float64(),
        "total": pl.Float64(),
    }
)


@dataclass(frozen=True, eq=False, repr=False)
class Explanation:
    """Why a record was linked to a person, or to nobody. It holds identifiers, and stays with the trusted team.

    Parameters
    ----------
    reason : str
        The decision and its reason, in plain words, without identifiers.
    candidates : polars.DataFrame
        One row for each candidate, best first: ``person_id``; ``match_probability``, of belonging to this person;
        ``match_weight``, in bits, as in LINKS; ``relative_weight``, the weight of belonging to an unlisted relative of
        the person (null without a model of relatives); ``pair_probability``, what the match weight alone would mean, as
        in Splink: it begins with one person in all, and looks at no other candidate; ``accepted``, whether the record
        was linked to this person.
        Candidates with a probability below 0.001 are counted, but not shown.
    fields : polars.DataFrame
        What each comparison adds to ``match_weight``. One row for each candidate and comparison, the prior first:
        ``person_id``, ``comparison``, ``level`` (of agreement), ``record_value`` and ``person_value`` (the compared
        values; after "also", other names and former homes of the person), and in bits ``weight`` (of the level),
        ``term_frequency`` (how common the value is) and ``total``.
    """

    reason: str
    candidates: pl.DataFrame
    fields: pl.DataFrame
    _waterfall: str = field(default="")

    def __repr__(self) -> str:
        """Return the number of candidates, and no identifier."""
        return f"Explanation({self.candidates.height} candidates)"

    def waterfall(self) -> str:
        """Return Splink's waterfall chart of the candidates, best first: how the field weights add up.

        Before the final score stands a bar of linkcore's: "Other candidates". Splink's weight is of one pair alone.
        This bar adds how likely it is that the person is listed, and takes off what speaks for the other candidates and
        for relatives. So the final score is that of ``match_probability``.

        Returns
        -------
        str
            A page of HTML that needs no network. It holds identifiers.

        Raises
        ------
        ProgrammeError
            If the record was compared with nobody.
        """
        if not self._waterfall:
            raise ProgrammeError("there is no chart: the record was compared with nobody; Explanation.reason says why")
        return self._waterfall

    def save_waterfall(self, path: str | Path) -> None:
        """Write the waterfall chart to a file that only its owner can read.

        Parameters
        ----------
        path : path
            The file to write.

        Raises
        ------
        ProgrammeError
            If there is no chart, or the file cannot be written.
        """
        page = self.waterfall()
        with new_file(Path(path), ours=begins_like(page.encode())) as file:
            file.write_text(page, "utf-8")


def explain(linkage: LinkageResult, source: str, record_id: str, *, identifiable: bool = False) -> Explanation:
    """Explain why a record was linked; see :meth:`linkcore.link.Linkage.explain`."""
    if not identifiable:
        raise RefusedError(
            "an explanation shows names, birth dates and addresses of the record and of its candidates; if you may see "
            "them, ask with identifiable=True"
        )
    found = linkage.links_of(source).filter(pl.col("record_id") == record_id)
    if found.is_empty():
        raise ProgrammeError(f"source {source!r} has no record with that id; give the id as text, as in its links")
    link = found.row(0, named=True)
    probabilistic = linkage.probabilistic
    if probabilistic is not None:
        opened = probabilistic.records.filter((pl.col("source") == source) & (pl.col("record_id") == record_id))
        if opened.height:
            return _explain_open(linkage, probabilistic, opened, link)
    person = linkage.persons.row(link["person_id"], named=True)
    defines = (person["source"], person["record_id"]) == (source, record_id)
    reason = reason_of_exact(link, defines=defines, fallback=probabilistic is not None)
    exactly = link["method"] in ("nhs_number", "local_patient_id") and not defines
    if probabilistic is None or probabilistic.model is None or not exactly:
        return Explanation(reason, pl.DataFrame(schema=_CANDIDATES), pl.DataFrame(schema=_FIELDS))
    candidate = pl.DataFrame(
        {"person_id": [link["person_id"]], "match_probability": [1.0], "accepted": [True]},
        schema_overrides=_CANDIDATES,
    )
    record = _read_again(linkage, source, link)
    # The record has itself shown what its person is called elsewhere, so it is compared with what PERSONS say only.
    known = linkage.persons[: probabilistic.listed]
    return _explain_candidates(linkage, probabilistic, known=known, record=record, candidates=candidate, reason=reason)


def _explain_open(
    linkage: LinkageResult, probabilistic: Probabilistic, record: pl.DataFrame, link: Mapping[str, Any]
) -> Explanation:
    by_fallback = link["method"] == "probabilistic"
    candidates = (
        probabilistic.candidates.join(record, on=["source", "record_id"], how="semi")
        .sort("match_probability", "match_weight", "person_id", descending=[True, True, False])
        .with_columns(((pl.col("person_id") == link["person_id"]) & by_fallback).alias("accepted"))
    )
    others = int((linkage.links["person_id"] == link["person_id"]).sum()) - 1
    decided = _has_decision(linkage.decisions, record)
    reason = reason_of_open(candidates, link, probabilistic, others=others, decided=decided)
    if candidates.is_empty():
        return Explanation(reason, pl.DataFrame(schema=_CANDIDATES), pl.DataFrame(schema=_FIELDS))
    known = with_alternatives(linkage.persons[: probabilistic.listed], probabilistic.alternatives)
    return _explain_candidates(linkage, probabilistic, known=known, record=record, candidates=candidates, reason=reason)


def _has_decision(decisions: pl.DataFrame, record: pl.DataFrame) -> bool:
    """Whether a standing decision says of a record that it is not of some person."""
    apart = decisions.filter(pl.col("state") == "stands", pl.col("decision") == "not the same")
    person = ["person_source", "person_record_id"]
    return any(
        apart.join(record, left_on=names, right_on=["source", "record_id"], how="semi").height
        for names in (["source", "record_id"], person)
    )


def _read_again(linkage: LinkageResult, source: str, link: Mapping[str, Any]) -> pl.DataFrame:
    """Read a record again that was linked exactly, because its identifiers were not kept."""
    source_index = [each.name for each in linkage.sources].index(source)
    records = standardise(
        linkage.sources[source_index], usable=linkage.exact.usable, reference_date=linkage.reference_date
    )
    position = records.frame["record_id"].index_of(link["record_id"])
    if position is None or records.row_hashes[position] != link["raw_row_hash"]:
        raise SourceError(f"source {source!r}: the record has changed since it was linked; link again")
    return records.frame[position : position + 1].with_columns(
        pl.lit(source_index, pl.Int32).alias("source_index"), pl.lit(source).alias("source")
    )


def _explain_candidates(
    linkage: LinkageResult,
    probabilistic: Probabilistic,
    *,
    known: pl.DataFrame,
    record: pl.DataFrame,
    candidates: pl.DataFrame,
    reason: str,
) -> Explanation:
    """Score a record and its candidates again, with the model of its source; ``known``: the persons listed."""
    pooled, source = probabilistic.model, record["source"][0]
    if pooled is None:
        return Explanation(reason, pl.DataFrame(schema=_CANDIDATES), pl.DataFrame(schema=_FIELDS))
    model = probabilistic.source_models.get(source, pooled)
    record_and_person = pl.lit(0, pl.UInt32).alias("record"), pl.col("person_id").alias("person")
    pairs = candidates.select(*record_and_person, probability="match_probability")
    scored, page = with_people_table(
        linkage.fallback or Fallback(), known, record, lambda people: weigh_fields(people, model, pairs)
    )
    prior = model.prior_weight
    weight = candidates["match_weight"] if "match_weight" in candidates.columns else scored["match_weight"]
    relative = _relative(scored, probabilistic, model, pooled) + prior
    # Without a model of relatives, their weight is minus infinity.
    shown = candidates.with_columns(weight.alias("match_weight"), relative.alias("relative_weight")).with_columns(
        pl.when(pl.col("relative_weight").is_finite()).then("relative_weight"),
        pair_probability=1 / (1 + 2.0 ** -pl.col("match_weight")),
    )
    return Explanation(reason, shown.select(*_CANDIDATES), _fields(scored, candidates["person_id"], model, prior), page)


def _relative(scored: pl.DataFrame, probabilistic: Probabilistic, model: Model, pooled: Model) -> pl.Series:
    """Return the weight of belonging to a relative, which starts from the weight by the model of all sources."""
    # The model of relatives is the same for all sources, so any source will do.
    any_source = min(probabilistic.records["source_index"])
    named = scored.with_columns(pl.lit(any_source, pl.Int32).alias("source"))
    weight = named["match_weight"] - model.prior_weight - shifted(named, level_shifts({any_source: model}, pooled))
    return probabilistic.relatives.factor(named.with_columns(weight.alias("weight")))


def _fields(scored: pl.DataFrame, persons: pl.Series, model: Model, prior: float) -> pl.DataFrame:
    rows = scored.select(persons, pl.int_range(pl.len()).alias("candidate"))
    no_value = pl.lit(None, pl.String)
    first = rows.with_columns(
        pl.lit("prior").alias("comparison"),
        pl.lit("Before anything is compared").alias("level"),
        no_value.alias("record_value"),
        no_value.alias("person_value"),
        pl.lit(prior).alias("weight"),
        pl.lit(0.0).alias("term_frequency"),
    )
    parts, columns = [first], set(scored.columns)
    for comparison in model.comparisons:
        name = comparison.name
        labels = {number: level.label for number, level in zip(comparison.numbers, comparison.levels, strict=True)}
        compared = _compared(comparison)
        other_values = [
            pl.col(f"{OTHER}{each}_l").list.join(" / ") for each in compared if f"{OTHER}{each}_l" in columns
        ]
        person_values = pl.concat_str([_values(compared, "l"), *other_values], separator="; also ", ignore_nulls=True)
        common = pl.col(f"mw_tf_adj_{name}") if f"mw_tf_adj_{name}" in scored.columns else pl.lit(0.0)
        found = scored.select(
            pl.lit(name).alias("comparison"),
            pl.col(f"gamma_{name}").replace_strict(labels, return_dtype=pl.String).alias("level"),
            _values(compared, "r").alias("record_value"),
            person_values.replace("", None).alias("person_value"),
            pl.col(f"mw_{name}").alias("weight"),
            common.fill_null(0.0).alias("term_frequency"),
        )
        parts.append(rows.hstack(found))
    ordered = pl.concat(parts).sort("candidate", maintain_order=True)
    return ordered.with_columns((pl.col("weight") + pl.col("term_frequency")).alias("total")).select(
        pl.col(name).cast(dtype) for name, dtype in _FIELDS.items()
    )


def _compared(comparison: Comparison) -> list[str]:
    """Return the identifiers that a comparison uses, without columns derived from them."""
    columns = comparison.columns
    further = sorted(name for name in columns if name.startswith(FURTHER))
    return [name for name in (*RECORDS, *further) if name in columns]


def _values(columns: list[str], side: str) -> pl.Expr:
    texts = [pl.col(f"{name}_{side}").cast(pl.String) for name in columns]
    return (
        pl.concat_str(texts, separator=", ", ignore_nulls=True).replace("", None) if texts else pl.lit(None, pl.String)
    )
