"""Persons who may be the same, though they carry different NHS Numbers: a number was mistyped, or is a new one."""

from typing import Final

import polars as pl

from linkcore.linkage.decisions.persons import probabilities, weigh
from linkcore.linkage.engine.choose_engine import make_engine
from linkcore.linkage.engine.engine import Engine, Learned
from linkcore.linkage.engine.tables import PeopleTable, with_people_table
from linkcore.linkage.exact.alternatives import with_alternatives
from linkcore.linkage.fallback.result import Probabilistic
from linkcore.linkage.result import LinkageResult
from linkcore.linkage.settings import Fallback
from linkcore.sources.checks import further_kinds

__all__ = ["possibly_same"]

# Of a person whose number nobody else has, nothing else says whether it is listed under another.
_EVEN: Final = 0.5

# Where nothing was learned: what two persons must share for a doubt that they are two.
_ALIKE: Final = (
    ("birth_date", "family_name"),
    ("birth_date", "given_name"),
    ("birth_date", "postcode"),
    ("family_name", "postcode"),
    ("given_name", "postcode"),
)


def possibly_same(result: LinkageResult, doubted: pl.Series, others: pl.Series, *, least: float) -> pl.DataFrame:
    """Find which persons may be one of some others, whatever NHS Numbers they carry.

    They are compared as an open record is with a person, by the model that the linkage learned. How common a value is
    shows among the others. If no model was learned, persons may be the same where two of birth date, name and postcode
    agree.

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
        return _alike(result.persons, doubted, others)
    persons = with_alternatives(result.persons[others], probabilistic.alternatives)
    records = _as_records(result, doubted)
    settings = result.fallback or Fallback()

    def score(people: PeopleTable) -> pl.DataFrame:
        engine = make_engine(people, settings, further_kinds(result.sources))
        return engine.score_with_persons(_learned(result, probabilistic, engine)).pairs

    scored = with_people_table(settings, persons, records, score)
    sources = records.select(record=pl.int_range(pl.len(), dtype=pl.UInt32), source="source_index")
    evidence = weigh(scored, sources, persons=max(probabilistic.listed, 1))
    probable = probabilities(evidence, dict.fromkeys(sources["source"].unique(), _EVEN)) >= least
    found = evidence.candidates.filter(probable)
    return pl.DataFrame(
        {"person": doubted[found["record"]], "other": others[found["person"]]},
        schema={"person": pl.UInt32, "other": pl.UInt32},
    )


def _as_records(result: LinkageResult, doubted: pl.Series) -> pl.DataFrame:
    """Return persons in the place of records, each from the source of its first record."""
    names = {source.name: index for index, source in enumerate(result.sources)}
    source = pl.col("source").replace_strict(names, return_dtype=pl.Int32).alias("source_index")
    return result.persons[doubted].with_columns(source)


def _learned(result: LinkageResult, probabilistic: Probabilistic, engine: Engine) -> Learned:
    assert probabilistic.model is not None
    indices = {source.name: index for index, source in enumerate(result.sources)}
    return Learned(
        probabilistic.model,
        engine.frequencies(probabilistic.model),
        "given",
        {indices[name]: model for name, model in probabilistic.source_models.items()},
        probabilistic.relatives,
    )


def _alike(persons: pl.DataFrame, doubted: pl.Series, others: pl.Series) -> pl.DataFrame:
    found = [pl.DataFrame(schema={"person": pl.UInt32, "other": pl.UInt32})]
    for shared in _ALIKE:
        one, other = (
            persons[chosen].select(*shared, chosen.cast(pl.UInt32).alias(name))
            for chosen, name in ((doubted, "person"), (others, "other"))
        )
        found.append(one.join(other, on=shared).select("person", "other"))
    return pl.concat(found).unique().sort("person", "other")
