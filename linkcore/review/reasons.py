"""Why a record was linked or not, in plain words that hold no identifier."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import polars as pl

if TYPE_CHECKING:
    from linkcore.linkage.fallback.result import Probabilistic
    from linkcore.linkage.self_test.thresholds import Basis

__all__ = ["reason_of_exact", "reason_of_open"]

_EXACT: Final[Mapping[str, str]] = {
    "spine": "It is on the spine and defines its person.",
    "nhs_number": "It has the NHS Number of the person.",
    "local_patient_id": "It has no usable NHS Number, but its local patient identifier occurs on records with one, all "
    "of this person.",
    "decided": "A clerk's decision says that it is of this person, or of the same person as another record is.",
}

_BASIS: Final[Mapping["Basis", str]] = {
    "own": "chosen by the test on this source's own records",
    "pooled": "chosen by the test on records of all sources",
    "expected": "chosen by the wrong links that the probabilities predict, since too few records could be tested",
    "seen": "chosen by the wrong links that the test saw, on too few records to certify it",
    "given": "given in the settings",
    "no labels": "used where no record has an NHS Number to test with",
}

_CONFLICT: Final = (
    "Its NHS Number belongs to a person whose name and birth date contradict it (a conflict). So it was compared on "
    "its other identifiers. "
)


_DISOWNED: Final = (
    "It carries the NHS Number of a person who is somebody else, as a clerk's decision says, or as name and birth date "
    "show (a conflict). So it was compared on its other identifiers. "
)

_NOT_OF: Final = "A clerk has decided that it is not of one of the persons; this one is left out. "


def reason_of_exact(link: Mapping[str, object], *, defines: bool, fallback: bool) -> str:
    """Explain the link of a record that was not compared with persons.

    Examples
    --------
    >>> reason_of_exact({"method": "nhs_number", "conflict": False}, defines=False, fallback=True)
    'It has the NHS Number of the person.'
    """
    method = str(link["method"])
    if method == "nhs_number" and link["conflict"]:
        return (
            f"{_EXACT[method]} Its name and birth date contradict this person (a conflict), but the settings keep "
            "conflicts."
        )
    if method == "nhs_number" and defines:
        return "Its NHS Number is not on the spine. The record itself defines the person with that number."
    if method in _EXACT:
        return _EXACT[method]
    if not fallback:
        return "It could not be linked exactly, and there was no probabilistic linkage. It is a person of its own."
    return (
        "It was not compared, because it has fewer than two identifiers and one is not enough for a link. It is a "
        "person of its own."
    )


def reason_of_open(
    candidates: pl.DataFrame,
    link: Mapping[str, object],
    probabilistic: "Probabilistic",
    *,
    others: int,
    decided: bool = False,
) -> str:
    """Explain why a record that was compared with persons was linked to one of them or to none.

    ``candidates``: ``match_probability``, ``match_weight``, ``accepted``; the best first. ``decided``: whether a clerk
    has decided of some person that the record is not of that person.
    """
    conflict = (_DISOWNED if decided else _CONFLICT) if link["conflict"] else _NOT_OF if decided else ""
    if not probabilistic.listed:
        return f"{conflict}There were no persons to compare it with, only other open records. {_outcome(link, others)}"
    if candidates.is_empty():
        none = f"None of {probabilistic.listed} persons has a probability of 0.001 or more."
        return f"{conflict}{none} {_outcome(link, others)}"
    why = _accepted(candidates, link, probabilistic) or _rejected(candidates, link, probabilistic)
    why = f"{why} {_alone(candidates)}"
    ending = "" if candidates["accepted"].any() else f" {_outcome(link, others)}"
    return f"{conflict}{why} {_alternatives(candidates)}{ending}"


def _accepted(candidates: pl.DataFrame, link: Mapping[str, object], probabilistic: "Probabilistic") -> str | None:
    if not candidates["accepted"].any():
        return None
    chance = candidates["match_probability"].filter(candidates["accepted"])[0]
    return f"Linked: {_best(chance)}, which reaches {_threshold(link, probabilistic)}."


def _rejected(candidates: pl.DataFrame, link: Mapping[str, object], probabilistic: "Probabilistic") -> str:
    best = candidates["match_probability"][0]
    twins = int((candidates["match_weight"] == candidates["match_weight"][0]).sum())
    if twins > 1:
        return f"Not linked: {twins} persons fit equally well, so none has a probability above 0.5."
    if best <= 0.5:
        return f"Not linked: {_best(best)}, which is not above 0.5."
    if best < probabilistic.thresholds[str(link["source"])].accept:
        return f"Not linked: {_best(best)}, below {_threshold(link, probabilistic)}."
    return (
        f"Not linked: {_best(best)}, which reaches {_threshold(link, probabilistic)}. But other records of this source "
        "match the same person, this one is not clearly better, and a person has only one record in this source."
    )


def _best(chance: float) -> str:
    return f"the probability of the best candidate is {_probability(chance)}"


def _alone(candidates: pl.DataFrame) -> str:
    """Say what the weight of the best pair alone would mean, as Splink's charts show it."""
    weight = candidates["match_weight"][0]
    return (
        f"Its match weight alone, {weight:.2f} bits, would mean {_probability(1 / (1 + 2.0**-weight))}; the decision "
        "includes how likely it is that the person is listed, and all candidates."
    )


def _threshold(link: Mapping[str, object], probabilistic: "Probabilistic") -> str:
    threshold = probabilistic.thresholds[str(link["source"])]
    return f"the threshold of {threshold.accept:g}, {_BASIS[threshold.basis]}"


def _alternatives(candidates: pl.DataFrame) -> str:
    probabilities = candidates["match_probability"]
    nobody = f"the probability of none of them is {_probability(max(1 - float(probabilities.sum()), 0.0))}"
    if candidates.height == 1:
        return f"There is no other candidate; {nobody}."
    return f"The probability of the next best candidate is {_probability(probabilities[1])}; {nobody}."


def _outcome(link: Mapping[str, object], others: int) -> str:
    if others:
        return f"It is a new person, together with {others} other record{'s' * (others > 1)}."
    if link["method"] == "unlinked":
        return "It is a person of its own, and has too few identifiers to recognise anyone by."
    return "It is a person of its own."


def _probability(probability: float) -> str:
    """Write a probability rounded down, like thresholds, so that it compares with them as the decision did."""
    return f"{math.floor(probability * 1e6) / 1e6:.6f}"
