"""What cannot be right: mappings that would make wrong links, found in records that are read but not yet linked."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from linkcore.errors import SourceError
from linkcore.profile.agreement import count_agreement, reference_of, same_numbers
from linkcore.schema import PARTS_OF_NAME, WHOLE_NAME
from linkcore.sources.records import Records

__all__ = ["ENOUGH", "Fault", "find_faults", "refuse_faults"]

ENOUGH: Final = 100
"""Nothing is concluded from fewer values."""

# Statuses of values that are not what their column should hold.
_UNREADABLE: Final = ("malformed", "check_digit", "out_of_range", "unreadable", "impossible")
# Statuses of values that were given: nothing is missing, and no filler stands for it.
_NOT_GIVEN: Final = ("missing", "placeholder", "default", "pseudo", "no_evidence", "non_name")
# One random number in eleven passes the check of NHS Numbers.
_MOSTLY: Final = 0.8
_LOUD: Final = 0.2
# Of two persons, one in twelve or so has a name with the same first letter, and one in sixty is born in the same year.
_FEW_ALIKE: Final = 0.3
_MOSTLY_WORDS: Final = 0.6
_MOST_ROWS: Final = 50_000
_FEW_AT_HOME: Final = 0.1
_SPAN_OF_CONTACTS: Final = 5 * 365  # days
_BORN: Final = pl.col("birth_date")
_OTHER_BORN: Final = pl.col("reference:birth_date")
_TURNED: Final = (
    (_BORN.dt.day() == _OTHER_BORN.dt.month())
    & (_BORN.dt.month() == _OTHER_BORN.dt.day())
    & (_BORN.dt.year() == _OTHER_BORN.dt.year())
    & (_BORN != _OTHER_BORN)
)
_LEAVE_OUT: Final = "or take it out of columns"


@dataclass(frozen=True)
class Fault:
    """A mapping that is wrong, or probably is.

    Parameters
    ----------
    source, identifier : str
        Whose mapping of which standard identifier.
    text : str
        What is wrong, and what to do; it holds no value of the data.
    certain : bool
        Whether it cannot be right: then nothing is linked.
    """

    source: str
    identifier: str
    text: str
    certain: bool = True


def refuse_faults(records: Sequence[Records]) -> None:
    """Refuse records whose mapping cannot be right.

    Raises
    ------
    SourceError
        If a fault is certain. The message tells all of them.
    """
    certain = [fault for fault in find_faults(records) if fault.certain]
    if certain:
        told = "; ".join(f"source {fault.source!r}, {fault.identifier}: {fault.text}" for fault in certain)
        raise SourceError(f"nothing was linked, since this cannot be right: {told}")


def find_faults(records: Sequence[Records]) -> list[Fault]:
    """Find mappings that are wrong, by the values of each column and by what records with the same number say.

    Examples
    --------
    >>> from linkcore.sources.records import standardise
    >>> from linkcore.sources.source import Source
    >>> wrong = standardise(Source("seen", pl.DataFrame({"postcode": ["Ward 7"] * 200, "given_name": ["Anna"] * 200})))
    >>> for fault in find_faults([wrong]):
    ...     print(fault.identifier, "-", fault.text)
    given_name - column 'given_name': all its 200 values are the same; map the right column, ...
    postcode - column 'postcode': 100 % of its 200 values cannot be read as a postcode; map the right column, ...
    """
    return [*(fault for each in records for fault in _of_source(each)), *_of_same_numbers(records)]


def _of_source(records: Records) -> Iterator[Fault]:
    for identifier, column in records.source.identifier_columns.items():
        if identifier not in records.source.not_compared:
            yield from _of_statuses(records, identifier, column)
            yield from _of_values(records, identifier, column)
    yield from _whole_names(records)
    columns = list(records.source.identifier_columns.items())
    for position, (identifier, column) in enumerate(columns):
        if column in dict(columns[:position]).values():
            first = next(name for name, other in columns if other == column)
            yield Fault(
                records.source.name,
                identifier,
                f"column {column!r} is mapped to {first} too; map a column of its own, {_LEAVE_OUT}",
            )


def _whole_names(records: Records) -> Iterator[Fault]:
    """Find whole names without a comma or a title, which no single value shows."""
    columns, given, family = records.source.identifier_columns, pl.col("given_name"), pl.col("family_name")
    parts = [name for name in PARTS_OF_NAME if name in columns and name not in records.source.not_compared]
    names = records.frame.head(_MOST_ROWS).select(parts).drop_nulls() if parts else pl.DataFrame()
    if names.height < ENOUGH:
        return
    if len(parts) == 2:
        holds = given.str.ends_with(pl.format(" {}", family)) | given.str.starts_with(pl.format("{} ", family))
    else:
        holds = pl.col(parts[0]).str.contains(" ", literal=True)
    share = _share(names, holds)
    if share > (_FEW_ALIKE if len(parts) == 2 else _MOSTLY_WORDS):
        also = "the family name too" if len(parts) == 2 else "several words"
        yield Fault(
            records.source.name,
            parts[0],
            f"column {columns[parts[0]]!r}: {100 * share:.0f} % of its values have {also}, as whole names do; map it "
            "to full_name in place of given_name and family_name",
            certain=len(parts) == 2,
        )


def _of_statuses(records: Records, identifier: str, column: str) -> Iterator[Fault]:
    counts = records.set_aside.filter(~pl.col("status").is_in(_NOT_GIVEN), identifier=identifier)
    given = int(counts["records"].sum())
    if given < ENOUGH:
        return
    whole = int(counts.filter(status=WHOLE_NAME)["records"].sum())
    if whole:
        yield Fault(
            records.source.name,
            identifier,
            f"column {column!r}: {_percent(whole, given)} of its {given:,} values are whole names; map it to full_name "
            "in place of given_name and family_name",
        )
    unreadable = int(counts.filter(pl.col("status").is_in(_UNREADABLE))["records"].sum())
    share = unreadable / given
    if share > _LOUD:
        what = {"nhs_number": "an NHS Number", "birth_date": "a date"}.get(identifier, f"a {identifier}")
        yield Fault(
            records.source.name,
            identifier,
            f"column {column!r}: {_percent(unreadable, given)} of its {given:,} values cannot be read as {what}; "
            + _what_to_do(identifier),
            certain=share > _MOSTLY,
        )


def _what_to_do(identifier: str) -> str:
    if identifier == "nhs_number":
        return (
            "map the right column; if it holds stage-1 codes, state stage_one; if a spreadsheet has rounded the "
            f"numbers (9.43477E+09), get the extract again with numbers as text, {_LEAVE_OUT}"
        )
    if identifier == "birth_date":
        return f"map the right column, set day_first if months come first, {_LEAVE_OUT}"
    return f"map the right column, {_LEAVE_OUT}"


def _of_values(records: Records, identifier: str, column: str) -> Iterator[Fault]:
    if identifier not in records.frame.columns or identifier == "gender":
        return  # a maternity unit has women only
    values = records.frame[identifier].drop_nulls()
    if len(values) < ENOUGH:
        return
    if values.head(ENOUGH).n_unique() == 1 and values.n_unique() == 1:
        yield Fault(
            records.source.name,
            identifier,
            f"column {column!r}: all its {len(values):,} values are the same; map the right column, {_LEAVE_OUT}",
            # One family, or one street, may be a whole extract.
            certain=identifier in ("nhs_number", "birth_date", "local_patient_id"),
        )


def _of_same_numbers(records: Sequence[Records]) -> Iterator[Fault]:
    """Find columns that disagree with what the reference says of the same persons."""
    reference = reference_of(records)
    compared: dict[str, int] = {}
    found: dict[str, list[Fault]] = {}
    for each in records:
        if reference is not None and each is not reference:
            pairs = same_numbers(each, reference)
            for source, identifier, both, agree, alike in count_agreement(each.source.name, pairs):
                if both >= ENOUGH:
                    compared[identifier] = compared.get(identifier, 0) + 1
                    if _disagrees(identifier, both, agree, alike, pairs):
                        text = (
                            f"{both - agree:,} of {both:,} values disagree with those of {reference.source.name} for "
                            f"the same NHS Number; {_why(each, reference, identifier, pairs)}"
                        )
                        certain = identifier in ("birth_date", *PARTS_OF_NAME)
                        found.setdefault(identifier, []).append(Fault(source, identifier, text, certain))
    for identifier, faults in found.items():
        if reference is not None and len(faults) == compared[identifier] > 1:
            yield _of_reference(reference, faults)
        else:
            yield from faults


def _of_reference(reference: Records, faults: Sequence[Fault]) -> Fault:
    """Return the fault of the reference, with which no other source agrees."""
    why = faults[0].text.partition("; ")[2]
    text = f"its values disagree with those of all {len(faults)} other sources for the same NHS Numbers; {why}"
    return Fault(reference.source.name, faults[0].identifier, text, faults[0].certain)


def _disagrees(identifier: str, compared: int, agree: int, alike: int, pairs: pl.DataFrame) -> bool:
    """Whether so few values agree that the column cannot hold what it should."""
    if identifier in PARTS_OF_NAME:  # some sources have initials
        return alike < _FEW_ALIKE * compared or _share(pairs, _is_whole(identifier)) > _FEW_ALIKE
    if identifier == "birth_date" and _share(pairs, _TURNED) > _LOUD:
        return True
    return agree < (_FEW_AT_HOME if identifier == "postcode" else _FEW_ALIKE) * compared


def _why(records: Records, reference: Records, identifier: str, pairs: pl.DataFrame) -> str:
    """Say what a column that disagrees probably holds."""
    if identifier == "birth_date":
        return _why_dates(records, reference, pairs)
    if identifier in PARTS_OF_NAME:
        other = PARTS_OF_NAME[identifier == "given_name"]
        if _share(pairs, pl.col(identifier) == pl.col(f"reference:{other}")) > _FEW_ALIKE:
            return f"it holds the {other} of the persons: exchange the two columns"
        if _share(pairs, _is_whole(identifier)) > _FEW_ALIKE:
            return "it holds whole names: map it to full_name in place of given_name and family_name"
    if identifier == "postcode":
        return "is it the home of the person? If it is the place of an incident, name postcode in not_compared"
    return f"map the right columns in both, {_LEAVE_OUT}, or name {identifier} in not_compared"


def _why_dates(records: Records, reference: Records, pairs: pl.DataFrame) -> str:
    if _share(pairs, _TURNED) > _LOUD:
        return "days and months are exchanged: change day_first of the source"
    for each in (records, reference):
        days = each.frame["birth_date"].to_physical()
        if (days.quantile(0.95) or 0) - (days.quantile(0.05) or 0) < _SPAN_OF_CONTACTS:
            column = each.source.identifier_columns["birth_date"]
            return (
                f"column {column!r} of {each.source.name} spans few years, as the dates of contacts do: map the birth "
                "date"
            )
    return f"map the birth date in both, {_LEAVE_OUT}, or name birth_date in not_compared"


def _is_whole(identifier: str) -> pl.Expr:
    """Whether a part of a name is the whole name that the reference has in two parts."""
    given, family = pl.col("reference:given_name"), pl.col("reference:family_name")
    of_both = (pl.concat_str(given, family, separator=" "), pl.concat_str(family, given, separator=" "))
    return (pl.col(identifier) == of_both[0]) | (pl.col(identifier) == of_both[1])


def _share(pairs: pl.DataFrame, holds: pl.Expr) -> float:
    """Return the share of pairs for which something holds, of those for which it is known."""
    return float(pairs.select(holds.mean()).item() or 0)


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %"
