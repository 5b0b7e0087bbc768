"""A slow and obvious linker by NHS Number, which takes one record at a time; and what the records show of a person."""

from collections.abc import Collection, Mapping, Sequence

from linkcore.sources.records import Records


def ten_digits(nine: int) -> str:
    """Append the Modulus 11 check digit to nine digits that have one."""
    digits = f"{nine:09d}"
    check = 11 - sum(int(digit) * weight for digit, weight in zip(digits, range(10, 1, -1), strict=True)) % 11
    assert check != 10
    return digits + str(check % 11)


def numbers(count: int) -> list[str]:
    """Return as many different numbers, each with its check digit."""
    found: list[str] = []
    nine = 400_000_000
    while len(found) < count:
        nine += 1
        try:
            found.append(ten_digits(nine))
        except AssertionError:  # these nine digits have no check digit
            continue
    return found


def link_by_number(
    sources: dict[str, list[str | None]], first_is_spine: bool
) -> dict[str, list[tuple[int | None, str | None]]]:
    """Return person and method of each record, placed by its number, in order of record id."""
    person_of: dict[str, int] = {}
    persons = 0
    links: dict[str, list[tuple[int | None, str | None]]] = {}
    spine = next(iter(sources)) if first_is_spine else None
    for name in [spine] if spine else []:
        links[name] = []
        for number in sources[name]:
            if number is None or number not in person_of:
                links[name].append((persons, "spine"))
                if number is not None:
                    person_of[number] = persons
                persons += 1
            else:
                links[name].append((person_of[number], "nhs_number"))
    for name, numbers in sources.items():
        if name == spine:
            continue
        links[name] = []
        for number in numbers:
            if number is None:
                links[name].append((None, None))
                continue
            if number not in person_of:
                person_of[number] = persons
                persons += 1
            links[name].append((person_of[number], "nhs_number"))
    return links


def alternatives(
    sources: Sequence[Records],
    persons: Mapping[int, Mapping[str, object]],
    *,
    hidden: Collection[tuple[int, int]] = (),
) -> dict[int, dict[str, set[object]]]:
    """Return, by number, the other values that records with the birth date of the person show of each identifier.

    A hidden record (source, and position in it) shows nothing, nor do others of it with the same number and local
    patient identifier.
    """
    found: dict[int, dict[str, set[object]]] = {
        number: {name: set() for name in ("given_name", "family_name", "postcode", "address")} for number in persons
    }
    for source_index, records in enumerate(sources):
        rows = records.frame.to_dicts()
        hidden_rows = [rows[position] for source, position in hidden if source == source_index]
        hidden_ids = {(row["nhs_number"], row["local_patient_id"]) for row in hidden_rows if row["local_patient_id"]}
        for position, row in enumerate(rows):
            if (source_index, position) in hidden or (row["nhs_number"], row["local_patient_id"]) in hidden_ids:
                continue
            person = persons.get(row["nhs_number"])
            if person is None or row["birth_date"] is None or row["birth_date"] != person["birth_date"]:
                continue
            same_postcode = row["postcode"] is not None and row["postcode"] == person["postcode"]
            for name, shown in found[row["nhs_number"]].items():
                if row[name] in (None, person[name]) or (name == "address" and same_postcode):
                    continue
                shown.add(row[name])
    return found
