"""Which column is which identifier: by the name of the column and by its values."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from linkcore.first_hour.evidence import Evidence

__all__ = ["Doubt", "Guess", "are_names", "guess_columns", "is_date", "words_of"]

# What the name of a column says, written without spaces and in small letters.
_NAMED: Final = {
    "nhs_number": "nhs",
    "birth_date": "dob|birth|born",
    "given_name": "forename|givenname|firstname|fname|christian|^given$",
    "family_name": "surname|familyname|lastname|lname|secondname|^family$",
    "full_name": "^(?:the)?(?:patient|pt|person|client|full|whole|serviceuser)?s?(?:full)?names?$",
    "gender": "sex|gender",
    "postcode": "postcode|postalcode|pcode|postcd|homepost|zipcode",
    "address": "addr|street",
    "local_patient_id": "hospital(?:no|num|id)|hospno|mrn|localpatient|patient(?:id|ref|no|num)|client(?:id|no|ref)"
    "|person(?:id|ref|no)|pasno|crn|unitno|casenote|districtno",
}
_RECORD_ID: Final = "id$|ref|no$|num|key|spell|episode|attend|incident|case"
_ETHNIC: Final = "ethnic|ethnos"
_DEPRIVATION: Final = "imd|depriv"
_START: Final = (
    "admi|arriv|appoint|attend|contactdate|call|incidentdate|referr|activitydate|casedate|^start|servicestart"
)
_END: Final = "disch"
_DAYS: Final = "lengthofstay|^los$|beddays"
_DEATH: Final = "death|deceased|^dod$"
_DIAGNOSIS: Final = "diag|icd"
# Somebody or somewhere else than the patient.
_OTHERS: Final = frozenset(
    [
        *("gp", "practice", "surgery", "mother", "mothers", "father", "parent", "kin", "nok", "carer", "consultant"),
        *(
            "staff",
            "clinician",
            "doctor",
            "referrer",
            "referrers",
            "user",
            "team",
            "ward",
            "school",
            "employer",
            "site",
        ),
        *("previous", "maiden", "alias", "hospital", "clinic", "provider", "trust", "service", "baby", "emergency"),
    ]
)
_READABLE: Final = 0.6
_SURE: Final = 1.0
_AGES: Final = 25  # years; contacts span fewer


@dataclass(frozen=True)
class Doubt:
    """What is not sure, and between which columns somebody may choose.

    Parameters
    ----------
    source : str
        The source.
    key : str
        The key of its table, such as ``birth_date``.
    text : str
        What is not sure; no value of the data.
    chosen : str or None
        The column that is written, if any.
    others : tuple of str
        Other columns that it may be.
    """

    source: str
    key: str
    text: str
    chosen: str | None = None
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class Guess:
    """What the columns of an extract are taken for; the values are names of columns."""

    columns: Mapping[str, str]
    attributes: Mapping[str, str] = field(default_factory=dict)
    events: Mapping[str, str] = field(default_factory=dict)
    practice: str | None = None
    record_ids: tuple[str, ...] = ()
    doubts: tuple[Doubt, ...] = ()


def words_of(column: str) -> str:
    """Write the name of a column as words.

    Examples
    --------
    >>> words_of("PATIENT_SURNAME"), words_of("NHSNumber"), words_of("D.O.B.")
    ('patient surname', 'nhs number', 'd o b')
    """
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", column)
    return re.sub(r"[^a-z0-9]+", " ", apart.lower()).strip()


def _is_named(column: str, pattern: str) -> bool:
    return re.search(pattern, words_of(column).replace(" ", "")) is not None


def are_names(columns: Sequence[str]) -> bool:
    """Whether at least two columns are called like identifiers, as no record is.

    Examples
    --------
    >>> are_names(["NHS Number", "D.O.B.", "PHQ-9"]), are_names(["4010232137", "Smith", "1 Church Street"])
    (True, False)
    """
    patterns = [pattern for identifier, pattern in _NAMED.items() if identifier != "address"]
    return sum(any(_is_named(column, pattern) for pattern in patterns) for column in columns) > 1


def is_date(evidence: Evidence) -> bool:
    """Whether a column holds whole dates."""
    return evidence.date > _READABLE


def guess_columns(source: str, found: Mapping[str, Evidence]) -> Guess:
    """Guess which column is which, best evidence first; each column is taken once.

    Examples
    --------
    >>> import polars as pl
    >>> from linkcore.first_hour.evidence import column_evidence
    >>> rows = pl.DataFrame({"NHS_NO": ["401 023 2137"], "DOB": ["03/04/1980"], "FORENAME": ["Anna"], "NOTE": ["x"]})
    >>> guess_columns("gp", column_evidence(rows, day_first=True)).columns
    {'nhs_number': 'NHS_NO', 'birth_date': 'DOB', 'given_name': 'FORENAME'}
    """
    scores = sorted(
        (
            (_score(identifier, column, evidence), -place, identifier, column)
            for identifier in _NAMED
            for place, (column, evidence) in enumerate(found.items())
        ),
        key=lambda each: (-each[0], -each[1]),
    )
    columns: dict[str, str] = {}
    for score, _, identifier, column in scores:
        if score > 0 and identifier not in columns and column not in columns.values():
            columns[identifier] = column
    if "full_name" in columns:
        parts = [columns.get(name) for name in ("given_name", "family_name")]
        if all(parts) and not any(found[str(part)].holds_whole_names for part in parts):
            del columns["full_name"]  # says nothing new beside its parts
        else:
            columns = {name: column for name, column in columns.items() if name not in ("given_name", "family_name")}
    in_order = {name: columns[name] for name in _NAMED if name in columns}
    taken = set(in_order.values())
    guess = _payload(found, taken)
    return Guess(in_order, *guess, doubts=tuple(_doubts(source, in_order, found)))


def _score(identifier: str, column: str, evidence: Evidence) -> float:
    """Weigh a column for an identifier: 0 if it cannot be it, above 1 if its name and its values both say so."""
    if not evidence.present:
        return 0.0
    named = _is_named(column, _NAMED[identifier])
    of_others = not _OTHERS.isdisjoint(words_of(column).split()) and identifier != "local_patient_id"
    content, alone = _content(identifier, evidence)
    if not content or (not named and not alone):
        return 0.0
    return content + named - 0.9 * of_others


def _content(identifier: str, evidence: Evidence) -> tuple[float, bool]:
    """Return how well the values fit an identifier, from 0 to 1, and whether they suffice without a name that fits."""
    fits = {
        "nhs_number": (evidence.number, evidence.number > _READABLE),
        "birth_date": (evidence.date, is_date(evidence) and evidence.years > _AGES),
        "postcode": (evidence.postcode, evidence.postcode > _READABLE),
        "gender": (evidence.gender, evidence.gender_words > 0.9 and 1 < evidence.distinct < 10),
        "address": (max(evidence.address, 0.5 * (evidence.several > 0.5)), evidence.address > 0.8),
        "local_patient_id": (float(evidence.distinct > 20 and evidence.number < 0.5), False),
        "full_name": (float(evidence.holds_whole_names), evidence.holds_whole_names),
    }
    if identifier in fits:
        fit, alone = fits[identifier]
        return (fit if fit > 0.2 else 0.0), alone
    if evidence.letters < 0.8 or evidence.holds_whole_names:
        return 0.0, False
    common = evidence.first_given if identifier == "given_name" else evidence.last_family
    other = evidence.last_family if identifier == "given_name" else evidence.first_given
    return 0.5 + common / 2, common > 0.5 and common > other and evidence.distinct > 20


def _payload(
    found: Mapping[str, Evidence], taken: set[str]
) -> tuple[dict[str, str], dict[str, str], str | None, tuple[str, ...]]:
    """Guess attributes, events, the practice and the columns that may name records, among the columns left."""
    left = {column: evidence for column, evidence in found.items() if column not in taken}

    def first(pattern: str, fits: "list[str]") -> str | None:
        return next((column for column in left if column in fits and _is_named(column, pattern)), None)

    dates = [column for column, evidence in left.items() if is_date(evidence)]
    few = [column for column, evidence in left.items() if 0 < evidence.distinct < 60]
    groups = {"ethnic_group": first(_ETHNIC, few), "deprivation": first(_DEPRIVATION, few)}
    start = first(_START, dates)
    events = {
        "start": start,
        "end": first(_END, dates) if start and _is_named(start, "admi") else None,
        "death": first(_DEATH, dates),
        "diagnosis": first(_DIAGNOSIS, [column for column, evidence in left.items() if evidence.diagnosis > 0.8]),
    }
    if start and not events["end"]:
        events["days"] = first(_DAYS, [column for column, evidence in left.items() if not evidence.letters])
    practice = first(
        "practice|surgery|gpcode", [column for column, evidence in left.items() if evidence.practice > 0.8]
    )
    ids = [column for column, evidence in left.items() if evidence.present == 1 and _is_named(column, _RECORD_ID)]
    return (
        {name: column for name, column in groups.items() if column},
        {name: column for name, column in events.items() if column},
        practice,
        tuple(column for column in ids if not is_date(found[column])),
    )


def _doubts(source: str, columns: Mapping[str, str], found: Mapping[str, Evidence]) -> list[Doubt]:
    """Say of which columns only the name, or only the values, speak."""
    doubts = []
    for identifier, column in columns.items():
        evidence = found[column]
        content, _ = _content(identifier, evidence)
        others = tuple(each for each in found if each != column and _score(identifier, each, found[each]) > 0)
        named = _is_named(column, _NAMED[identifier])
        if identifier == "full_name":
            if not evidence.whole > 0.5:
                doubts.append(Doubt(source, identifier, f"column {column!r} seems to hold whole names", column, others))
        elif not named:
            text = f"column {column!r} holds such values, though its name does not say so"
            doubts.append(Doubt(source, identifier, text, column, others))
        elif content < _READABLE and identifier not in ("given_name", "family_name", "address"):
            text = f"column {column!r} is called so, but only {content:.0%} of its values can be read"
            doubts.append(Doubt(source, identifier, text, column, others))
        elif any(_score(identifier, each, found[each]) > _SURE for each in others) and identifier != "address":
            doubts.append(Doubt(source, identifier, f"column {column!r} is one of several that fit", column, others))
    for identifier, pattern in _NAMED.items():
        if identifier not in columns:
            doubts += _unread(source, identifier, pattern, columns, found)
    return doubts


def _unread(
    source: str, identifier: str, pattern: str, columns: Mapping[str, str], found: Mapping[str, Evidence]
) -> list[Doubt]:
    """Say of columns that are called like an identifier why they are not taken."""
    if identifier.endswith("_name") and columns.keys() & {"given_name", "family_name", "full_name"}:
        return []
    doubts = []
    for column, evidence in found.items():
        is_of_others = not _OTHERS.isdisjoint(words_of(column).split())
        if _is_named(column, pattern) and column not in columns.values() and not is_of_others:
            why = "hardly any of its values can be read as one"
            if not evidence.present:
                why = "it is empty"
            elif identifier == "nhs_number" and evidence.rounded > 0.1:
                why = "a spreadsheet has rounded its numbers (9.43477E+09); get the extract again with numbers as text"
            doubts.append(Doubt(source, identifier, f"column {column!r} is called so, but {why}", None, (column,)))
    return doubts
