"""Words and numbers of the report: what each code means, and how each number is written."""

import datetime as dt
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from linkcore.linkage.fallback.model_use import ModelUse
from linkcore.quality.measures import Weights

__all__ = [
    "HIDDEN",
    "METHODS",
    "NOTHING",
    "REASONS",
    "STATUSES",
    "count",
    "drift_in_words",
    "in_prose",
    "in_words",
    "listed",
    "model_use_in_words",
    "percent",
    "probability",
    "seconds",
    "weights_in_words",
]

HIDDEN: Final = "*"
"""Shown in place of a suppressed count, and of any value calculated from one."""

NOTHING: Final = "–"
"""Shown where there is no value, such as a rate when there are no records."""

METHODS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "spine": "spine",
        "nhs_number": "NHS Number",
        "local_patient_id": "local patient id",
        "probabilistic": "other identifiers",
        "new_person": "new person",
        "unlinked": "unlinked",
        "decided": "a decision",
    }
)
"""For each method of linking a record to its person, the words that the report shows."""

STATUSES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "check_digit": "fails its check digit",
        "default": "a default date",
        "impossible": "no such date",
        "implausible": "implausible, but compared",
        "malformed": "malformed",
        "missing": "missing",
        "no_evidence": "a code without meaning for linkage",
        "no_place": "no fixed place",
        "non_name": "not a name",
        "northern_ireland": "Northern Ireland",
        "out_of_range": "never issued",
        "placeholder": "a placeholder",
        "pseudo": "a pseudo-postcode",
        "scotland": "Scotland",
        "test": "test number",
        "unclear": "split by a guess, but compared",
        "valid": "valid",
        "whole_name": "a whole name in the column of one part",
    }
)
"""For each status of an identifier's value, the words that the report shows."""

REASONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "objection": "objection to the programme",
        "exclusion": "excluded by the programme",
        "type_1": "Type 1 opt-out",
        "national": "National Data Opt-out",
        "other_number": "opted out, perhaps, under another number",
        "not_asked": "not checked nationally",
        "links_to_nobody": "no person to check",
        "sensitive": "sensitive",
        "carried_away": "belongs to a sensitive record",
    }
)
"""For each reason why a record is withheld, the words that the report shows; each is also the name of a rule."""

_ACRONYMS: Final = MappingProxyType({"nhs": "NHS", "id": "id", "gp": "GP"})


def in_words(name: str) -> str:
    """Write a name from the code, such as a column name, as words.

    Examples
    --------
    >>> in_words("nhs_number"), in_words("birth_date"), in_words("further_suburb")
    ('NHS number', 'birth date', 'suburb')
    """
    words = name.removeprefix("further_").split("_")
    return " ".join(_ACRONYMS.get(word, word) for word in words)


def count(number: float | None) -> str:
    """Write a count, with a comma for each thousand.

    Examples
    --------
    >>> count(1234567), count(0), count(None)
    ('1,234,567', '0', '*')
    """
    return HIDDEN if number is None else f"{number:,.0f}"


def percent(rate: float | None) -> str:
    """Write a rate in percent, with enough digits to tell it from 0 % and from 100 %.

    Examples
    --------
    >>> percent(0.98), percent(0.9951), percent(0.0123), percent(0.002), percent(0.00002), percent(0), percent(None)
    ('98.0 %', '99.51 %', '1.23 %', '0.20 %', '0.002 %', '0 %', '–')
    >>> percent(1e-9), percent(0.99999)
    ('under 0.001 %', 'over 99.99 %')
    """
    if rate is None:
        return NOTHING
    if rate in (0, 1):
        return f"{rate * 100:.0f} %"
    if rate < 0.00001:
        return "under 0.001 %"
    if rate > 0.9999:
        return "over 99.99 %"
    digits = 3 if rate < 0.001 else 2 if rate < 0.1 or rate > 0.99 else 1
    return f"{rate * 100:.{digits}f} %"


def in_prose(rate: float | None) -> str:
    """Write a rate in percent for a sentence, without trailing zeros.

    Examples
    --------
    >>> in_prose(0.002), in_prose(0.05), in_prose(0.719), in_prose(1)
    ('0.2 %', '5 %', '71.9 %', '100 %')
    """
    written = percent(rate)
    return f"{written.removesuffix(' %').rstrip('0').rstrip('.')} %" if "." in written else written


def probability(value: float) -> str:
    """Write a probability so that it is never rounded up to certainty.

    Examples
    --------
    >>> probability(0.755963), probability(0.9999891), probability(1.0)
    ('0.7560', '0.99999', '1')
    """
    if value == 1:
        return "1"
    # Near 1, write enough digits to show every nine that the value starts with.
    digits = 4 if value < 0.99995 else -math.floor(math.log10(1 - value))
    return f"{min(value, 1 - 10.0**-digits):.{digits}f}"


def drift_in_words(row: Mapping[str, Any]) -> tuple[str, str, str]:
    """Write the previous value, the current value and the change: records as counts, all else in percent.

    Examples
    --------
    >>> drift_in_words({"measure": "records", "previous": 100.0, "current": 120.0, "change": 20.0})
    ('100', '120', '+20')
    >>> drift_in_words({"measure": "linked", "previous": 0.95, "current": 0.93, "change": -0.02})
    ('95.0 %', '93.0 %', '-2.00 points')
    >>> drift_in_words({"measure": "linked", "previous": None, "current": 0.93, "change": None})
    ('–', '93.0 %', '–')
    """
    values = [row["previous"], row["current"]]
    if row["measure"] == "records":
        before, now = (NOTHING if value is None else count(value) for value in values)
        change = NOTHING if row["change"] is None else f"{row['change']:+,.0f}"
    else:
        before, now = (percent(value) for value in values)
        change = NOTHING if row["change"] is None else f"{row['change'] * 100:+.2f} points"
    return before, now, change


def seconds(duration: float) -> str:
    """Write a duration: under a minute in seconds, otherwise as minutes and seconds, after any hours.

    Examples
    --------
    >>> seconds(0.04), seconds(59.2), seconds(3725)
    ('0.0 s', '59.2 s', '1:02:05')
    """
    return f"{duration:.1f} s" if duration < 60 else str(dt.timedelta(seconds=round(duration))).removeprefix("0:")


def listed(items: list[str], *, most: int = 4) -> str:
    """Write a list for a sentence. A long list names its first ``most`` items and counts the others.

    A list with only one item more is written in full, so that no sentence says "1 more".

    Examples
    --------
    >>> listed(["a"]), listed(["a", "b", "c"]), listed(["a", "b", "c", "d"], most=2)
    ('a', 'a, b and c', 'a, b and 2 more')
    """
    named = items if len(items) <= most + 1 else items[:most]
    if len(named) < len(items):
        return f"{', '.join(named)} and {len(items) - len(named)} more"
    return " and ".join(part for part in (", ".join(named[:-1]), named[-1]) if part)


def weights_in_words(weights: Weights) -> str:
    """Say what weighed the pairs, and whether Splink checked it.

    Examples
    --------
    >>> weights_in_words(Weights("native"))
    "The model is Splink's. linkcore's kernel computed the weights; they were not checked against Splink in this run."
    """
    if weights.engine == "splink":
        return f"The model is Splink's, and Splink {weights.splink} weighed all pairs."
    by_kernel = "The model is Splink's. linkcore's kernel computed the weights; they were"
    if weights.splink is None:
        return f"{by_kernel} not checked against Splink in this run."
    pairs = "some" if weights.checked is None else count(weights.checked)
    return f"{by_kernel} checked against Splink {weights.splink} on {pairs} pairs of this run."


def model_use_in_words(use: ModelUse) -> str:
    """Say whether a model was kept, and why; nothing where no run was before.

    Examples
    --------
    >>> model_use_in_words(ModelUse(kept=True, why="all fits", learned_on="2026-03-31"))
    'The model, the thresholds and the self-test are those of the run of 2026-03-31. They were kept because all fits.'
    """
    if use == ModelUse():
        return ""
    if not use.kept:
        return f"The model, the thresholds and the self-test are of this run. They were not kept because {use.why}."
    of_then = "an earlier run" if use.learned_on is None else f"the run of {use.learned_on}"
    text = f"The model, the thresholds and the self-test are those of {of_then}. They were kept because {use.why}."
    if use.new_records is not None:
        text += f" Since then, {in_prose(use.new_records)} of the compared records are new or changed."
    name, share = use.furthest
    if name:
        text += f" Most drift is on {in_words(name)}: {in_prose(share)} of the pairs of one person are on other levels."
    return text
