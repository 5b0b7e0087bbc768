"""A slow and obvious linker by NHS Number, which takes one record at a time."""


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
