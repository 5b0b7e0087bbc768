"""The last resort of stable persons: who neither a number nor records recognise may be recognised by the model."""

from dataclasses import replace
from types import MappingProxyType
from typing import Final

import polars as pl

from linkcore.linkage.possibly_same import probably_before
from linkcore.linkage.result import LinkageResult
from linkcore.linkage.stable_persons.keep_names import PersonHistory
from linkcore.linkage.stable_persons.known_persons import KnownPersons
from linkcore.pseudonyms.persons import PERSON_PREFIX, person_name

__all__ = ["keep_probable_names"]

SURE: Final = 0.99
"""The probability from which a person of now is an earlier one. A pseudonym that went to somebody else stays there."""


def keep_probable_names(result: LinkageResult, previous: KnownPersons) -> LinkageResult:
    """Give persons without an NHS Number the tokens of earlier persons who are probably they.

    Only who is not recognised on either side is compared: those who are new now, and those of the last linkage who are
    absent. One earlier person is one of now: the likeliest, then in the order of the records that define them.
    """
    missing = result.history.absent.persons.select(token=pl.col("name").str.strip_prefix(PERSON_PREFIX))
    before = previous.described.join(missing, on="token", how="semi").sort("token")
    names = result.persons.select(person_name()).to_series()
    explained = pl.concat([previous.persons["name"], result.superseded["new"]])
    is_new = result.persons["nhs_number"].is_null() & ~names.is_in(explained.implode())
    pairs = probably_before(result, is_new.arg_true().cast(pl.UInt32), before)
    defined_by = (result.persons[name][pairs["now"]] for name in ("source", "record_id"))
    order = [pl.col("weight") * -1, "source", "record_id", "before"]
    claims = pairs.with_columns(defined_by).filter(pl.col("probability") >= SURE).sort(order)
    matched = claims.unique("before", keep="first", maintain_order=True)
    if matched.is_empty():
        return result
    tokens = before["token"][matched["before"]]
    persons = result.persons.with_columns(result.persons["token"].scatter(matched["now"], tokens))
    history = _told(result.history, persons[matched["now"]], ties=claims.height - matched.height)
    return replace(result, persons=persons, history=history)


def _told(history: PersonHistory, kept: pl.DataFrame, *, ties: int) -> PersonHistory:
    """Count the persons whose names were kept after all, and leave them out of the absent ones."""
    still = ~history.absent.persons["name"].is_in((PERSON_PREFIX + kept["token"]).implode())
    number, by_source = kept.height, dict(kept.group_by("source").len().iter_rows())
    moved = {"kept": number, "new": -number, "absent": -number, "ties": ties}
    counts = {name: count + moved.get(name, 0) for name, count in history.counts.items()}
    told = {
        source: {"kept": each["kept"] + by_source.get(source, 0), "new": each["new"] - by_source.get(source, 0)}
        for source, each in history.by_source.items()
    }
    return replace(
        history,
        absent=history.absent.only(still),
        counts=MappingProxyType(counts | {"probable": number}),
        by_source=MappingProxyType(told),
    )
