"""Why a record was linked or not, in plain words and without the value of any identifier."""

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
    "nhs_number": "It has the NHS Number of its person.",
    "local_patient_id": "It has no usable NHS Number. Its local patient identifier is also on records that have one, "
    "and all of these belong to this person.",
}

_BASIS: Final[Mapping["Basis", str]] = {
    "own": "chosen by the self-test on records of this source",
    "pooled": "chosen by the self-test on records of all sources",
    "not certified": "chosen by the self-test on records of all sources, which are too few to certify it",
    "given": "given as a setting",
    "no labels": "the default where no record has an NHS Number to test with",
}

_CONFLICT: Final = (
    "Its NHS Number belongs to a person with another name and birth date (a conflict), so its other identifiers were "
    "compared. "
)


def reason_of_exact(link: Mapping[str, object], *, defines: bool, fallback: bool) -> str:
    """Return the reason for the link of a record that was not compared with persons.

    Examples
    --------
    >>> reason_of_exact({"method": "nhs_number", "conflict": False}, defines=False, fallback=True)
    'It has the NHS Number of its person.'
    """
    method = str(link["method"])
    if method == "nhs_number" and link["conflict"]:
        return (
            f"{_EXACT[method]} Its name and birth date say that the number is somebody else's (a conflict). The "
            "settings keep conflicts as links."
        )
    if method == "nhs_number" and defines:
        return "Its NHS Number is not on the spine. It is the record that defines the person with that number."
    if method in _EXACT:
        return _EXACT[method]
    if not fallback:
        return "No exact link was found, and the probabilistic linkage was switched off. It is a person of its own."
    return (
        "It was not compared with anyone: it has fewer than two identifiers, and one is never enough for a link. It is "
        "a person of its own."
    )


def reason_of_open(
    candidates: pl.DataFrame, link: Mapping[str, object], probabilistic: "Probabilistic", *, others: int
) -> str:
    """Return the reason why a record that was compared with persons was linked to one of them, or to none.

    ``candidates``: ``match_probability``, ``match_weight``, ``accepted``, the best first. ``others``: how many other
    records its person has.
    """
    conflict = _CONFLICT if link["conflict"] else ""
    person = _own_person(link, others)
    if not probabilistic.listed:
        return f"{conflict}There were no persons to compare it with, only other records without a person. {person}"
    if candidates.is_empty():
        return f"{conflict}Each of {probabilistic.listed} persons has a probability below 0.001. {person}"
    accepted = candidates["accepted"].any()
    decision = _accepted(candidates, link, probabilistic) if accepted else _rejected(candidates, link, probabilistic)
    ending = "" if accepted else f" {person}"
    return f"{conflict}{decision} {_alternatives(candidates)}{ending}"


def _accepted(candidates: pl.DataFrame, link: Mapping[str, object], probabilistic: "Probabilistic") -> str:
    probability = candidates["match_probability"].filter(candidates["accepted"])[0]
    return f"Linked: {_best(probability)}, which reaches {_threshold(link, probabilistic)}."


def _rejected(candidates: pl.DataFrame, link: Mapping[str, object], probabilistic: "Probabilistic") -> str:
    best = candidates["match_probability"][0]
    equal = int((candidates["match_weight"] == candidates["match_weight"][0]).sum())
    if equal > 1:
        return f"Not linked: {equal} persons match equally well, so no link is more likely right than wrong."
    if best <= 0.5:
        return f"Not linked: {_best(best)}, so a link is not more likely right than wrong."
    if best < probabilistic.thresholds[str(link["source"])].accept:
        return f"Not linked: {_best(best)}, which is below {_threshold(link, probabilistic)}."
    return (
        f"Not linked: {_best(best)}, which reaches {_threshold(link, probabilistic)}. But this source has at most one "
        "record for each person, other records of it match the same person, and this one is not clearly the best."
    )


def _best(probability: float) -> str:
    return f"the best candidate has a probability of {_rounded_down(probability)}"


def _threshold(link: Mapping[str, object], probabilistic: "Probabilistic") -> str:
    threshold = probabilistic.thresholds[str(link["source"])]
    return f"the threshold of {threshold.accept:g} ({_BASIS[threshold.basis]})"


def _alternatives(candidates: pl.DataFrame) -> str:
    probabilities = candidates["match_probability"]
    none = max(1 - float(probabilities.sum()), 0.0)
    nobody = f"The probability that its person is none of the candidates is {_rounded_down(none)}."
    if candidates.height == 1:
        return f"There is no other candidate. {nobody}"
    return f"The next candidate has a probability of {_rounded_down(probabilities[1])}. {nobody}"


def _own_person(link: Mapping[str, object], others: int) -> str:
    if others:
        return f"It forms a person together with {others} other record{'s' * (others > 1)}."
    if link["method"] == "unlinked":
        return "It is a person of its own, because it has too few identifiers to be linked to any other record."
    return "It is a person of its own."


def _rounded_down(probability: float) -> str:
    """Round down, as thresholds are rounded, so that a probability that reaches a threshold is not shown below it."""
    return f"{math.floor(probability * 1e6) / 1e6:.6f}"
