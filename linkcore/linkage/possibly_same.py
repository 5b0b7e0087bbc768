"""Persons who may be the same, though they carry different NHS Numbers: a number was mistyped, or is a new one."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Final

import polars as pl

from linkcore.errors import ProgrammeError
from linkcore.linkage.blocking import LARGEST_BLOCK
from linkcore.linkage.comparisons.comparable import comparable
from linkcore.linkage.decisions.pair_odds import pair_odds
from linkcore.linkage.decisions.persons import probabilities, weigh
from linkcore.linkage.engine.choose_engine import make_engine
from linkcore.linkage.engine.engine import Learned
from linkcore.linkage.engine.frequencies import frequencies_among
from linkcore.linkage.engine.tables import PeopleTable, with_people_table
from linkcore.linkage.exact.alternatives import with_alternatives
from linkcore.linkage.fallback.result import Probabilistic
from linkcore.linkage.result import LinkageResult
from linkcore.linkage.settings import Fallback
from linkcore.schema import FURTHER
from linkcore.sources.checks import further_kinds

__all__ = ["double_persons", "possibly_same", "probably_before"]

# Of a person whose number nobody else has, nothing else says whether it is listed under another.
_EVEN: Final = 0.5

# Where nothing was learned: what two persons must share for a doubt that they are two.
_TWO_SHARED: Final = (
    ("birth_date", "family_name"),
    ("birth_date", "given_name"),
    ("birth_date", "postcode"),
    ("family_name", "postcode"),
    ("given_name", "postcode"),
)

# On what two listed persons must agree to be compared. Two who agree on less are never probably one of many.
_KEYS: Final = (
    *(("birth_date", other) for other in ("names", "postcode", "address")),
    *(("birth_date", sound, "initials") for sound in ("family_sound", "given_sound")),
    *(("family_sound", "given_sound", where) for where in ("postcode", "address")),
    *(("family_sound", "given_sound", *parts) for parts in combinations(("birth_year", "birth_month", "birth_day"), 2)),
)


def possibly_same(result: LinkageResult, doubted: pl.Series, others: pl.Series, *, least: float) -> pl.DataFrame:
    """Find which persons may be one of some others, whatever NHS Numbers they carry.

    They are compared as an open record is with a person, by the model that the linkage learned. How common a value is,
    is counted among the others only. If no model was learned, persons may be the same where two of birth date, name and
    postcode agree.

    ``doubted``, ``others``: positions in PERSONS; ``least``: the least probability.
    Returns ``person`` and ``other`` (UInt32), each pair once.

    Examples
    --------
    >>> import datetime as dt
    >>> from linkcore.schema import PERSONS
    >>> ann = {"family_name": "NG", "birth_date": dt.date(1980, 2, 3)}
    >>> persons = pl.DataFrame([ann | {"nhs_number": number} for number in (9990000018, 9990000026)], PERSONS)
    >>> result = LinkageResult(links=pl.DataFrame(), persons=persons, sources=())
    >>> possibly_same(result, pl.Series([1]), pl.Series([0]), least=0.001).rows()
    [(1, 0)]
    """
    probabilistic = result.probabilistic
    if doubted.is_empty() or others.is_empty() or probabilistic is None or probabilistic.model is None:
        return _who_share_two(result.persons, doubted, others)
    persons = with_alternatives(result.persons[others], probabilistic.alternatives)
    candidates = _candidates(result, probabilistic, persons, doubted, among=max(probabilistic.listed, 1))
    found = candidates.filter(pl.col("probability") >= least)
    return pl.DataFrame(
        {"person": doubted[found["record"]], "other": others[found["person"]]},
        schema={"person": pl.UInt32, "other": pl.UInt32},
    )


def probably_before(result: LinkageResult, now: pl.Series, before: pl.DataFrame) -> pl.DataFrame:
    """Find which persons of now are probably some of an earlier linkage, by the model that this linkage learned.

    Earlier persons compete for each person of now, so two who are as alike get at most a half each. How common a value
    is, is counted among the earlier persons: among few, every value is common, and shows little.

    ``now``: positions in PERSONS; ``before``: PERSONS of the earlier linkage.
    Returns ``now`` (positions in PERSONS), ``before`` (rows), ``weight`` (bits) and ``probability``.
    """
    probabilistic = result.probabilistic
    none = pl.DataFrame(schema={"now": pl.UInt32, "before": pl.UInt32, "weight": pl.Float64, "probability": pl.Float64})
    if now.is_empty() or before.is_empty() or probabilistic is None or probabilistic.model is None:
        return none
    # A further identifier that only one of the two linkages has is not compared.
    further = [name for name in result.persons.columns if name.startswith(FURTHER)]
    lacking = [pl.lit(None, result.persons.schema[name]).alias(name) for name in further if name not in before.columns]
    alike = before.with_columns(lacking).select(result.persons.columns).with_row_index("number")
    alike = alike.with_columns(person_id=pl.col("number")).drop("number")
    persons = with_alternatives(alike, probabilistic.alternatives[:0])
    found = _candidates(result, probabilistic, persons, now, among=before.height)
    return found.select(
        pl.Series("now", now[found["record"]], pl.UInt32), pl.col("person").alias("before"), *none.columns[2:]
    )


def _candidates(
    result: LinkageResult, probabilistic: Probabilistic, persons: pl.DataFrame, doubted: pl.Series, *, among: int
) -> pl.DataFrame:
    """Return ``record`` and ``person``, positions in ``doubted`` and ``persons``, ``weight`` and ``probability``."""
    records = _as_records(result, doubted)
    settings = result.fallback or Fallback()

    def score(people: PeopleTable) -> pl.DataFrame:
        engine = make_engine(people, settings, further_kinds(result.sources))
        assert probabilistic.model is not None
        return engine.score_with_persons(_learned(result, probabilistic, engine.frequencies(probabilistic.model))).pairs

    scored = with_people_table(settings, persons, records, score)
    sources = records.select(record=pl.int_range(pl.len(), dtype=pl.UInt32), source="source_index")
    evidence = weigh(scored, sources, persons=among)
    probability = probabilities(evidence, dict.fromkeys(sources["source"].unique(), _EVEN))
    return evidence.candidates.select("record", "person", "weight", probability)


def double_persons(result: LinkageResult, *, least: float) -> pl.DataFrame:
    """Find persons who are probably one: registered twice, under a temporary number, or by a number that was mistyped.

    All persons with an NHS Number, and all on the spine, are compared with each other by the model that the linkage
    learned. How many of the pairs are one person is estimated from the pairs themselves, as for records of nobody
    listed. Relatives agree on much, too: the better they explain a pair, the less likely it is one person.

    ``least``: the least probability.
    Returns ``a`` < ``b`` (UInt32, positions in PERSONS), the most probable pair first; ``weight`` (bits, Float64),
    ``probability`` (Float64), and ``gamma_*``, the level of each comparison.
    """
    probabilistic = result.probabilistic
    if probabilistic is None or probabilistic.model is None:
        raise ProgrammeError("there is no model to compare persons by: link with a fallback, and with open records")
    spine = [source.name for source in result.sources if source.spine]
    listed = (result.persons["nhs_number"].is_not_null() | result.persons["source"].is_in(spine)).arg_true()
    everyone = comparable(result.persons[listed])
    pairs = _alike_pairs(everyone)
    # Few persons are like another one: only these are compared, but all show how common a value is.
    some = pl.concat([pairs["a"], pairs["b"]]).unique().sort()
    learned = _learned(result, probabilistic, frequencies_among(everyone, some, probabilistic.model))
    persons = with_alternatives(result.persons[listed[some]], probabilistic.alternatives)
    settings = result.fallback or Fallback()

    def score(people: PeopleTable) -> pl.DataFrame:
        engine = make_engine(people, settings, further_kinds(result.sources))
        return engine.score_persons(learned, pairs.select(some.search_sorted(pairs[side]).alias(side) for side in "ab"))

    scored = with_people_table(settings, persons, persons[:0], score)
    records = pl.DataFrame({"record": pl.int_range(listed.len(), dtype=pl.UInt32, eager=True)})
    scored = scored.with_columns(some[scored[side]].alias(side) for side in "ab")
    odds, _ = pair_odds(scored, records.with_columns(source=pl.lit(0)))
    probability = (1 / (1 + 2.0 ** -odds["odds"].clip(-1000, 1000))).alias("probability")
    found = scored.drop("relative").with_columns(probability, *(listed[scored[side]].alias(side) for side in "ab"))
    found = found.filter(pl.col("probability") >= least).with_columns(pl.col("a", "b").cast(pl.UInt32))
    return found.sort("probability", "weight", "a", "b", descending=[True, True, False, False])


def _alike_pairs(everyone: pl.DataFrame) -> pl.DataFrame:
    """Return ``a`` < ``b`` (UInt32): the rows who agree on enough to be one person, each pair once."""
    given, family = pl.col("given_name"), pl.col("family_name")
    # Names that were swapped are those of the same person.
    in_any_order = pl.concat_str(pl.min_horizontal(given, family), pl.max_horizontal(given, family), separator="|")
    keyed = everyone.with_columns(in_any_order.alias("names")).with_row_index("a")
    further = [("birth_date", name) for name in everyone.columns if name.startswith(FURTHER)]
    found = [pl.DataFrame(schema={"a": pl.UInt32, "b": pl.UInt32})]
    for key in (*_KEYS, *further):
        blocks = keyed.select("a", pl.struct(key).hash(0).alias("key")).filter(_has_all(keyed, key))
        shared = blocks.group_by("key").len().filter(pl.col("len").is_between(2, LARGEST_BLOCK))
        blocks = blocks.join(shared, on="key", how="semi")
        both = blocks.join(blocks.rename({"a": "b"}), on="key").filter(pl.col("a") < pl.col("b"))
        found.append(both.select("a", "b"))
    return pl.concat(found).unique().sort("a", "b")


def _has_all(frame: pl.DataFrame, columns: Sequence[str]) -> pl.Series:
    return frame.select(pl.all_horizontal(pl.col(columns).is_not_null())).to_series()


def _as_records(result: LinkageResult, doubted: pl.Series) -> pl.DataFrame:
    """Return persons in the place of records, each from the source of its first record."""
    names = {source.name: index for index, source in enumerate(result.sources)}
    source = pl.col("source").replace_strict(names, return_dtype=pl.Int32).alias("source_index")
    return result.persons[doubted].with_columns(source)


def _learned(result: LinkageResult, probabilistic: Probabilistic, frequencies: Mapping[str, pl.Series]) -> Learned:
    assert probabilistic.model is not None
    indices = {source.name: index for index, source in enumerate(result.sources)}
    return Learned(
        probabilistic.model,
        frequencies,
        "given",
        {indices[name]: model for name, model in probabilistic.source_models.items()},
        # Also for a source without open records, such as the spine, of which nothing was learned.
        probabilistic.relatives.for_sources(list(indices.values())),
    )


def _who_share_two(persons: pl.DataFrame, doubted: pl.Series, others: pl.Series) -> pl.DataFrame:
    found = [pl.DataFrame(schema={"person": pl.UInt32, "other": pl.UInt32})]
    for shared in _TWO_SHARED:
        one, other = (
            persons[chosen].select(*shared, chosen.cast(pl.UInt32).alias(name))
            for chosen, name in ((doubted, "person"), (others, "other"))
        )
        found.append(one.join(other, on=shared).select("person", "other"))
    return pl.concat(found).unique().sort("person", "other")
