"""Why a record was linked, or not, in plain words: no value of an identifier is in them."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import polars as pl

if TYPE_CHECKING:
    from linkcore.linkage.fallback.result import Probabilistic
    from linkcore.linkage.self_test.thresholds import Basis

__all__ = ["reason_of_exact", "reason_of_open"]

_EXACT: Final[Mapping[str, str]] = {
    "spine": "It is on the spine, and defines its person.",
    "nhs_number": "Its NHS Number is that of the person.",
    "local_patient_id": "It has no usable NHS Number, but a local patient identifier that stands on records with one, "
    "all of this person.",
}

_BASIS: Final[Mapping["Basis", str]] = {
    "own": "which the test on this source's own records chose",
    "pooled": "which the test on records of all sources chose",
    "not certified": "which the test on records of all sources chose, though they are too few to certify it",
    "given": "which the caller gave",
    "no labels": "which holds where no records have numbers to test by",
}

_CONFLICT: Final = (
    "Its NHS Number is that of a person whom its name and birth date contradict (a conflict), so it was looked for by "
    "everything else. "
)


def reason_of_exact(link: Mapping[str, object], *, defines: bool, fallback: bool) -> str:
    """Say why a record that was not compared with persons is where it is.

    Examples
    --------
    >>> reason_of_exact({"method": "nhs_number", "conflict": False}, defines=False, fallback=True)
    'Its NHS Number is that of the person.'
    """
    method = str(link["method"])
    if method == "nhs_number" and link["conflict"]:
        return (
            f"{_EXACT[method]} Its name and birth date say that it is somebody else's (a conflict), and conflicts are "
            "kept, as asked."
        )
    if method == "nhs_number" and defines:
        return "Its NHS Number is not on the spine, and it is the record that defines the person of that number."
    if method in _EXACT:
        return _EXACT[method]
    if not fallback:
        return "Nothing exact links it, and the probabilistic linkage was left out; it is a person of its own."
    return (
        "It was not compared with anybody: it has fewer than two identifiers, and no link hangs on one alone; it is a "
        "person of its own."
    )


def reason_of_open(
    candidates: pl.DataFrame, link: Mapping[str, object], probabilistic: "Probabilistic", *, others: int
) -> str:
    """Say why a record that was compared with persons was linked to one of them, or to none.

    ``candidates``: ``match_probability``, ``match_weight``, ``accepted``; the best first.
    """
    conflict = _CONFLICT if link["conflict"] else ""
    if not probabilistic.listed:
        return f"{conflict}There were no persons to compare it with, only other such records. {_stands(link, others)}"
    if candidates.is_empty():
        none = f"None of {probabilistic.listed} persons has a chance of one in a thousand of being its person."
        return f"{conflict}{none} {_stands(link, others)}"
    why = _accepted(candidates, link, probabilistic) or _rejected(candidates, link, probabilistic)
    ending = "" if candidates["accepted"].any() else f" {_stands(link, others)}"
    return f"{conflict}{why} {_rivals(candidates)}{ending}"


def _accepted(candidates: pl.DataFrame, link: Mapping[str, object], probabilistic: "Probabilistic") -> str | None:
    if not candidates["accepted"].any():
        return None
    chance = candidates["match_probability"].filter(candidates["accepted"])[0]
    return f"Linked: {_best(chance)}, not below {_bar(link, probabilistic)}."


def _rejected(candidates: pl.DataFrame, link: Mapping[str, object], probabilistic: "Probabilistic") -> str:
    best = candidates["match_probability"][0]
    twins = int((candidates["match_weight"] == candidates["match_weight"][0]).sum())
    if twins > 1:
        return f"Not linked: {twins} persons are equally good, so that none of them is likelier than not."
    if best <= 0.5:
        return f"Not linked: {_best(best)}, so that it is not likelier than not."
    if best < probabilistic.thresholds[str(link["source"])].accept:
        return f"Not linked: {_best(best)}, below {_bar(link, probabilistic)}."
    return (
        f"Not linked: {_best(best)}, not below {_bar(link, probabilistic)}; but other records of this source claim the "
        "same person, this one is not better enough, and no two records of this source are of one person."
    )


def _best(chance: float) -> str:
    return f"the chance that it is of the best candidate is {_chance(chance)}"


def _bar(link: Mapping[str, object], probabilistic: "Probabilistic") -> str:
    threshold = probabilistic.thresholds[str(link["source"])]
    return f"the threshold of {threshold.accept:g}, {_BASIS[threshold.basis]}"


def _rivals(candidates: pl.DataFrame) -> str:
    probabilities = candidates["match_probability"]
    nobody = f"the chance that it is of none of these is {_chance(max(1 - float(probabilities.sum()), 0.0))}"
    if candidates.height == 1:
        return f"Nobody else comes into question; {nobody}."
    return f"The chance of the next best is {_chance(probabilities[1])}; {nobody}."


def _stands(link: Mapping[str, object], others: int) -> str:
    if others:
        return f"It stands as a person together with {others} other record{'s' * (others > 1)}."
    if link["method"] == "unlinked":
        return "It stands alone, and says too little for anybody to be told by it."
    return "It stands as a person of its own."


def _chance(probability: float) -> str:
    """Write it rounded down, as thresholds are, so that what reaches one is not written below it, nor the reverse."""
    return f"{math.floor(probability * 1e6) / 1e6:.6f}"
