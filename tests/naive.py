"""Naive parsers to compare with those of linkcore.identifiers: one value at a time, slow and obvious.

They share only the tables of words with linkcore. Each parser takes the text of one value, or None, and returns the
fields of ``standardise``, with the status last.
"""

import calendar
import datetime as dt
import re
import unicodedata

from linkcore.identifiers import address as addresses
from linkcore.identifiers import birth_date as birth_dates
from linkcore.identifiers import full_names, names
from linkcore.identifiers import gender as genders
from linkcore.identifiers import postcode as postcodes
from linkcore.identifiers.text import MISSING_WORDS

# The characters with the Unicode property White_Space; str.isspace has four more, \x1c to \x1f.
SPACES = "\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"
APOSTROPHES = "'’‘‛`ʼʻʹʽʾʿ′"
SPELT = {"Æ": "AE", "Œ": "OE", "Ø": "O", "Ł": "L", "Đ": "D", "Ð": "D", "Þ": "TH", "ẞ": "SS", "Ħ": "H", "Ŧ": "T"}
SPELT |= {"Ŋ": "N", "Ə": "E", "Ɓ": "B", "Ɗ": "D", "Ƙ": "K", "Ƴ": "Y", "Ɨ": "I", "Ƶ": "Z"}
LATIN = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
DIGITS = "0123456789"


def consists_of(text: str, characters: str) -> bool:
    return text != "" and all(character in characters for character in text)


def is_letter(character: str) -> bool:
    return unicodedata.category(character).startswith("L")


def ascii_digits(text: str) -> str:
    normal = unicodedata.normalize("NFKC", text)
    return "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in normal)


def compact(text: str) -> str:
    return "".join(c for c in text if unicodedata.category(c)[0] in "LN").upper()


def split_into_words(text: str, letters: str) -> str:
    """Replace all other characters by spaces, and each run of spaces by one space."""
    return " ".join("".join(c if c in letters else " " for c in text).split())


def folded(text: str) -> str:
    if text.isascii():
        return text.replace("'", "").replace("`", "").upper()
    kept: list[str] = []
    after_accent = False
    for c in unicodedata.normalize("NFKD", text):
        accent = unicodedata.category(c).startswith("M")
        if accent and not after_accent and kept and kept[-1] == " ":
            kept.pop()
        if not accent:
            kept.append(c)
        after_accent = accent
    seen = "".join(c for c in kept if unicodedata.category(c) != "Cf" and c not in APOSTROPHES)
    return "".join(SPELT.get(c, c) for c in seen.upper())


def own_script(text: str) -> str | None:
    normal = unicodedata.normalize("NFKC", text)
    if not any(map(is_letter, normal)):
        return None
    belong = "".join(c for c in normal if unicodedata.category(c)[0] in "LM" or unicodedata.category(c) == "Nd")
    return split_into_words(normal, belong).upper()


# --- NHS Number -------------------------------------------------------------------------------------------------------


def check_digit(first_nine: str) -> int:
    total = sum(weight * int(digit) for weight, digit in zip(range(10, 1, -1), first_nine, strict=True))
    return {0: 0, 1: 10}.get(total % 11, 11 - total % 11)


def nhs_number(text: str | None, birth_date: dt.date | None = None) -> tuple[int | None, str]:  # noqa: PLR0911
    if text is None or compact(text) in MISSING_WORDS:
        return None, "missing"
    digits = digits_within(ascii_digits(text))
    if not consists_of(digits, DIGITS) or len(digits) > 10:
        return None, "malformed"
    ten = digits.zfill(10)
    if len(set(ten)) == 1 or ten in ("0123456789", "9876543210"):
        return None, "placeholder"
    lost_zero = len(digits) == 9 and birth_date is not None and ten[:6] == birth_date.strftime("%d%m%y")
    if len(digits) != 10 and not lost_zero:
        return None, "malformed"
    if check_digit(ten[:9]) != int(ten[9]):
        return None, "check_digit"
    first = int(ten[:9])
    if 10_000_000 <= first <= 319_999_999:
        return int(ten), "scotland"
    if 320_000_000 <= first <= 399_999_999:
        return int(ten), "northern_ireland"
    if 400_000_000 <= first <= 499_999_999 or 600_000_000 <= first <= 799_999_999:
        return int(ten), "valid"
    if 500_000_000 <= first <= 599_999_999 or first >= 900_000_000:
        return int(ten), "test"
    return None, "out_of_range"


def digits_within(text: str) -> str:
    mantissa, _, exponent = text.lstrip(SPACES + "'\"=").rstrip(SPACES + '"').upper().partition("E")
    decimals = mantissa[2:]
    is_float = exponent.removeprefix("+").lstrip("0") == "9" and mantissa[1:2] in (".", ",")
    exact = len(decimals) >= 9 and set(decimals[9:]) <= {"0"}
    if is_float and exact and consists_of(mantissa[0] + decimals, DIGITS):
        return mantissa[0] + decimals[:9]
    left = "".join(
        c
        for c in text
        if c not in SPACES + "−'`\"=" and unicodedata.category(c) not in ("Zs", "Zl", "Zp", "Cf", "Pd", "Pi", "Pf")
    )
    if [len(group) for group in left.split(".")] == [3, 3, 4]:
        return left.replace(".", "")
    for point in ".,":
        whole, found, decimals = left.partition(point)
        if found and set(decimals) <= {"0"}:
            return whole
    return left


# --- Names ------------------------------------------------------------------------------------------------------------


def name(text: str | None, kind: str) -> tuple[str | None, str]:
    if text is None or text.strip(SPACES) in ("nan", "NaN"):
        return None, "missing"
    words = latin_name(text)
    if kind == "family":
        for prefix in ("O ", "MC ", "MAC "):
            rest = words.removeprefix(prefix)
            if rest != words and consists_of(rest[:2], LATIN) and len(rest) >= 2:
                words = prefix.strip() + rest
                break
    if words == "":
        foreign = own_script("".join(c for c in text if not unicodedata.category(c).startswith("N")))
        if foreign is not None:
            words = foreign
        else:
            return None, "non_name" if any(unicodedata.category(c).startswith("N") for c in text) else "missing"
    if words in names.MISSING_WORDS:
        return None, "missing"
    if is_non_name(words, kind):
        return None, "non_name"
    return words, "valid"


def full_name(text: str | None) -> tuple[str | None, str | None, str | None, str]:
    _, status = name(text, "family")
    if text is None or status != "valid":
        return None, None, None, status
    plain = re.sub(f"[{SPACES}]+", " ", text)
    plain = re.sub(r"[(\[{][^)\]}]*[)\]}]?", " ", plain)
    lower = plain.lstrip(" ").lower()
    if lower.startswith("known as "):
        plain = plain.lstrip(" ")[len("known as ") :]
    for start in range(len(plain)):
        rest = plain[start:].lstrip(" ,").lower()
        if plain[start] in " ," and rest.startswith(("known as ", "aka ", "a.k.a. ", "a.k.a ", "née ", "nee ")):
            plain = plain[:start]
            break
    plain = " ".join(plain.replace(".", " ").replace("，", ",").split(" "))
    plain = " ".join(word for word in plain.split(" ") if word)
    untitled = plain
    before, comma, after = untitled.rpartition(",")
    if comma and after.strip(" ").upper() in full_names.TITLES:
        untitled = before.removesuffix(" ")
    words = untitled.split(" ")
    titles = 0
    while titles < len(words) and words[titles].upper() in full_names.TITLES:
        titles += 1
    # A title counts as one only before another word that begins with a letter.
    while titles and (titles == len(words) or not is_letter(words[titles][:1] or "-")):
        titles -= 1
    untitled = " ".join(words[titles:])
    first, comma, last = untitled.partition(",")
    initials = comma and " " not in first.removesuffix(" ") and last.strip(" ").upper() in {"QC", "KC", "JP"} and first
    whole = untitled if initials else without_suffixes(untitled)
    guessed = False
    if "," in whole:
        family, _, given = whole.partition(",")
        family = without_suffixes(family)
        given = re.sub("[, ]+", " ", given)
        start, space, last = given.rpartition(" ")
        if space and last.upper() in full_names.TITLES:
            given = start
    else:
        titled = untitled != plain
        given, family, guessed = parts_of_name(whole, titled=titled)
        words = whole.split(" ")
        in_capitals = any(map(is_capital, whole)) and not any(map(is_small, whole))
        particle_first = len(words) > 1 and words[0].upper() in full_names.PARTICLES
        guessed = guessed or (not titled and (in_capitals or particle_first))
    given_name, family_name = name(given, "given")[0], name(family, "family")[0]
    together = " ".join(part for part in (given_name, family_name) if part is not None)
    if together == "":
        return None, None, None, "non_name"
    return together, given_name, family_name, "unclear" if guessed else "valid"


def parts_of_name(whole: str, *, titled: bool) -> tuple[str | None, str, bool]:
    """Return given names, the family name, and whether which is which is a guess."""
    words = whole.split(" ")
    for at in range(1, len(words)):
        first, others = words[:at], words[at:]
        capitals = all(word and all(is_capital(c) or c in "'’-" for c in word) for word in first)
        if capitals and sum(map(is_capital, words[at - 1])) >= 3 and all(any(map(is_small, each)) for each in others):
            return " ".join(others), " ".join(first), True
    for at in range(1, len(words)):
        first, others = words[:at], words[at:]
        letters = [
            re.search("..", "".join(c if is_letter(c) else " " for c in word).replace(" ", "\n")) for word in first
        ]
        if all(letters) and all(len(word) == 1 and is_letter(word) for word in others):
            return " ".join(others), " ".join(first), True
    for at in range(1, len(words) - 1):
        if words[at].upper() in full_names.PARTICLES:
            return " ".join(words[:at]), " ".join(words[at:]), False
    if len(words) > 1:
        return " ".join(words[:-1]), words[-1], False
    return None, whole, not titled


def without_suffixes(text: str) -> str:
    words = [word for word in re.split("[ ,]+", text) if word]
    last = len(words)
    while last and words[last - 1].upper() in full_names.SUFFIXES:
        last -= 1
    # What stands before the suffixes must have a letter; else the first suffix is itself the name.
    while last < len(words) and not (last and any(map(is_letter, words[last - 1]))):
        last += 1
    if last == len(words):
        return text
    kept = re.match(r"[ ,]*" + r"[ ,]+".join(map(re.escape, words[:last])), text)
    assert kept is not None
    return kept.group()


def is_capital(character: str) -> bool:
    return unicodedata.category(character) == "Lu"


def is_small(character: str) -> bool:
    return unicodedata.category(character) == "Ll"


def latin_name(text: str) -> str:
    whole = folded(re.sub(f"[{SPACES}]+", " ", text))
    while whole and not is_letter(whole[0]):
        whole = whole[1:]
    outside, inside = "", False
    for c in whole:
        if not inside and c in "([{":
            inside = True
            outside += " "
        elif inside and c in ")]}":
            inside = False
        elif not inside:
            outside += c
    if re.match("KNOWN AS +", outside) and is_letter(outside[8:].lstrip(" ")[:1] or " "):
        outside = outside[8:].lstrip(" ")
    aliases = [separator + alias + " " for separator in " ," for alias in ("KNOWN AS", "AKA", "A.K.A.", "A.K.A", "NEE")]
    outside = outside[: min([outside.index(alias) for alias in aliases if alias in outside], default=None)]
    before, comma, after = outside.rpartition(",")
    if comma and after.strip(" ").removesuffix(".") in names.TITLES:
        outside = before
    outside = without_titles(outside)
    return split_into_words("".join(c for c in outside if c not in DIGITS), LATIN)


def without_titles(text: str) -> str:
    for title in names.TITLES:
        after = text.removeprefix(title)
        rest = after.removeprefix(".").lstrip(" ")
        if after not in (text, rest) and rest and is_letter(rest[0]):
            return without_titles(rest)
    return text


def is_non_name(words: str, kind: str) -> bool:
    first, *others = words.split(" ")
    if words in names.NON_NAMES or words in names.TITLES:
        return True
    if first[:2] in ("XX", "ZZ") and first.lstrip("XZ").startswith("TEST"):
        return True
    child = first in ("BABY", "INFANT", "NEWBORN", "CHILD", "SON", "DAUGHTER")
    if child and (others[:1] == ["OF"] or others[:2] in (["BOY", "OF"], ["GIRL", "OF"])):
        return True
    if kind == "family":
        return False
    if words in names.NON_NAMES_GIVEN or (first in ("TWIN", "TRIPLET") and others):
        return True
    of_baby = ["BOY", "GIRL", "MALE", "FEMALE", "TWIN", "ONE", "TWO", "THREE", "A", "B", "C"]
    return first in ("BABY", "INFANT", "NEWBORN") and bool(others) and (others[0] in of_baby or set(others[0]) == {"I"})


# --- Birth date -------------------------------------------------------------------------------------------------------


def month_number(text: str) -> int | None:
    for number in range(1, 13):
        if text in (calendar.month_name[number].upper(), calendar.month_abbr[number].upper()):
            return number
    return 9 if text == "SEPT" else None


def birth_date(  # noqa: PLR0911
    text: str | None, reference_date: dt.date | None = None, day_first: bool = True
) -> tuple[dt.date | None, str | None, str]:
    if text is None or compact(text) in MISSING_WORDS:
        return None, None, "missing"
    tidy = without_time(ascii_digits(text).upper().strip(SPACES))
    if consists_of(tidy, DIGITS) and len(tidy) == 5 and 10_000 <= int(tidy) <= 60_000:
        return judged(dt.date(1899, 12, 30) + dt.timedelta(days=int(tidy)), reference_date)
    parts = year_month_day(tidy, day_first) or year_and_month(tidy)
    if parts is None:
        return None, None, "unreadable"
    year, month, day = int(parts[0]), parts[1], parts[2]
    if year == 0 and 0 in (month, day):
        return None, None, "missing"
    if len(parts[0]) == 2:
        year += 2000
        if (year > 2029) if reference_date is None else (year, month, day) > reference_date.timetuple()[:3]:
            year -= 100
    if int(parts[0]) != 0 and day == 0 and month <= 12:
        return judged_partial(year, month, reference_date)
    try:
        date = dt.date(year, month, day)
    except ValueError:
        return None, f"{year:04}-{month:02}-{day:02}", "impossible"
    return judged(date, reference_date)


def judged(date: dt.date, reference_date: dt.date | None) -> tuple[dt.date | None, str | None, str]:
    if date in birth_dates.DEFAULTS:
        return None, None, "default"
    if date.year < 1850 or date.year > 2100:
        return date, None, "implausible"
    if reference_date is not None:
        birthday_at_120 = (date.year + 120, date.month, date.day)
        if date > reference_date or birthday_at_120 < reference_date.timetuple()[:3]:
            return date, None, "implausible"
    return date, None, "valid"


def judged_partial(year: int, month: int, reference_date: dt.date | None) -> tuple[None, str | None, str]:
    """A partial date is implausible if all its possible days are, and a default if one of them is."""
    months = range(1, 13) if month == 0 else [month]
    days = [dt.date(year, each, day) for each in months for day in range(1, calendar.monthrange(year, each)[1] + 1)]
    statuses = {judged(day, reference_date)[2] for day in days}
    if "default" in statuses:
        return None, None, "default"
    text = f"{year:04}" if month == 0 else f"{year:04}-{month:02}"
    return None, text, "partial" if "valid" in statuses else "implausible"


def without_time(text: str) -> str:
    for position, character in enumerate(text):
        if character == "T" or character in SPACES:
            time = text[position + 1 :].lstrip(SPACES)
            for hours in (1, 2):
                rest = time[hours:]
                with_colon = rest[:1] == ":" and consists_of(rest[1:3], DIGITS) and len(rest) >= 3
                dots = rest[:1] + rest[3:4] == ".." and all(consists_of(p, DIGITS) for p in (rest[1:3], rest[4:6]))
                if consists_of(time[:hours], DIGITS) and (with_colon or (dots and len(rest) >= 6)):
                    return without_time_in_digits(text[:position])
    return without_time_in_digits(text)


def without_time_in_digits(text: str) -> str:
    date, time = text[:8], text[8:].removeprefix("T")
    if consists_of(date, DIGITS) and len(date) == 8 and consists_of(time, DIGITS) and len(time) in (4, 6):
        return date
    for point in ".,":
        whole, found, decimals = text.partition(point)
        if found and consists_of(whole, DIGITS) and 5 <= len(whole) <= 8 and consists_of(decimals + "0", DIGITS):
            return whole
        if found and consists_of(whole, DIGITS) and len(whole) == 4 and set(decimals) <= {"0"}:
            return whole
    return text


def tokens(text: str) -> list[str] | None:
    """Split a text into numbers, words and "-" for separators; None if it holds anything else."""
    found: list[str] = []
    for c in text:
        if c in SPACES + "-/.,\\|" or unicodedata.category(c) == "Pd":
            kind = "-"
        elif c in DIGITS or c in LATIN:
            kind = c
        else:
            return None
        last = found[-1] if found else ""
        if kind == "-" == last:
            continue
        if last and last != "-" and kind != "-" and (last[-1] in DIGITS) == (kind in DIGITS):
            found[-1] += kind
        else:
            found.append(kind)
    return found


def year_month_day(text: str, day_first: bool) -> tuple[str, int, int] | None:
    """Return the year as written, the month and the day of a date in any form."""
    found = tokens(text)
    if not found:
        return None
    if len(found) == 1:
        return of_digits(found[0], day_first)
    shape = "".join("9" if consists_of(t, DIGITS) else "-" if t == "-" else "A" for t in found)
    parts = [t for t in found if t != "-"]
    if shape in ("9-9-9", "9-A-9") and len(parts[0]) == 4:
        month = month_number(parts[1]) if shape == "9-A-9" else int(parts[1]) if len(parts[1]) <= 2 else None
        return (parts[0], month, int(parts[2])) if month is not None and len(parts[2]) <= 2 else None
    if shape == "9-9-9":
        if len(parts[0]) > 2 or len(parts[1]) > 2 or len(parts[2]) not in (2, 4):
            return None
        return (parts[2], *day_and_month(int(parts[0]), int(parts[1]), day_first))
    return of_words(shape, parts)


def of_words(shape: str, parts: list[str]) -> tuple[str, int, int] | None:
    """Read forms such as 3rd Feb 2001 and Feb 3rd, 2001."""
    ordinals = ("ST", "ND", "RD", "TH")
    if shape.startswith("9") and len(parts) == 4 and parts[1] in ordinals and shape[1] == "A":
        day, month, year = parts[0], parts[2], parts[3]
        allowed = shape in ("9A-A9", "9A-A-9")
    elif shape.startswith("9") and len(parts) == 3:
        day, month, year = parts
        if shape[1] == "A" and month[:2] in ordinals and month_number(month) is None:  # 3RDFEB2001
            month = month[2:]
        allowed = shape in ("9A9", "9-A9", "9A-9", "9-A-9")
    elif shape.startswith("A") and len(parts) == 3:
        month, day, year = parts
        allowed = shape in ("A9-9", "A-9-9")
    elif shape.startswith("A") and len(parts) == 4 and parts[2] in ordinals:
        month, day, _, year = parts
        allowed = shape in ("A9A-9", "A-9A-9")
    else:
        return None
    number = month_number(month)
    if not allowed or number is None or len(day) > 2 or len(year) not in (2, 4):
        return None
    return year, number, int(day)


def day_and_month(first: int, second: int, day_first: bool) -> tuple[int, int]:
    """Return month and day of two numbers; swap them if only then there is such a month."""
    day, month = (first, second) if day_first else (second, first)
    return (day, month) if month > 12 >= day else (month, day)


def year_and_month(text: str) -> tuple[str, int, int] | None:  # noqa: PLR0911
    """Return the year as written, the month or 0, and 0 for the day, of a date without a day in any form."""

    def is_year(part: str) -> bool:
        return len(part) == 4 and (part[:2] in ("18", "19", "20") or part in ("0000", "9999"))

    found = tokens(text) or []
    parts = [t for t in found if t != "-"]
    match "".join("9" if consists_of(t, DIGITS) else "-" if t == "-" else "A" for t in found):
        case "9" if is_year(parts[0]):
            return parts[0], 0, 0
        case "9" if len(parts[0]) == 6:
            year, middle, month = parts[0][:4], int(parts[0][2:4]), int(parts[0][4:])
            if year[:2] in ("18", "19", "20") and middle not in range(1, 13) and month <= 12:
                return year, month, 0
        case "9-9" if is_year(parts[0]) and len(parts[1]) == 2 and int(parts[1]) <= 12:
            return parts[0], int(parts[1]), 0
        case "9-9" if is_year(parts[1]) and len(parts[0]) <= 2 and int(parts[0]) <= 12:
            return parts[1], int(parts[0]), 0
        case "9-A" if is_year(parts[0]) and (number := month_number(parts[1])):
            return parts[0], number, 0
        case "A-9" | "A9" if is_year(parts[1]) and (number := month_number(parts[0])):
            return parts[1], number, 0
    return None


def of_digits(text: str, day_first: bool) -> tuple[str, int, int] | None:
    if not consists_of(text, DIGITS) or len(text) not in (7, 8):
        return None
    if len(text) == 8 and text[:2] in ("18", "19", "20") and int(text[4:6]) <= 12:
        return text[:4], int(text[4:6]), int(text[6:])
    year, rest = text[-4:], text[:-4]
    if year[:2] not in ("18", "19", "20"):
        return None
    return (year, *day_and_month(int(rest[:-2]), int(rest[-2:]), day_first))


# --- Gender, postcode, address ----------------------------------------------------------------------------------------


def gender(text: str | None) -> tuple[str | None, str]:
    if text is None:
        return None, "missing"
    code = ascii_digits(text).strip(SPACES)
    whole, _, decimals = code.replace(",", ".").partition(".")
    if consists_of(whole, DIGITS) and set(decimals) <= {"0"} and int(whole) < 10:
        code = str(int(whole))
    word = compact(code)
    if word in genders.MALE or word in genders.FEMALE:
        return "male" if word in genders.MALE else "female", "valid"
    if word in genders.NO_EVIDENCE:
        return None, "no_evidence"
    return None, "missing" if word in MISSING_WORDS else "unreadable"


def postcode(text: str | None) -> tuple[str | None, str | None, str]:
    if text is None or compact(text) in MISSING_WORDS:
        return None, None, "missing"
    letters = "".join(c for c in ascii_digits(text).upper() if c in LATIN + DIGITS)
    if letters.startswith("ZZ99") or compact(text) in postcodes.NO_PLACE:
        return None, None, "pseudo"
    if not is_postcode(letters):
        repaired = repair(letters)
        if sum(c in LATIN for c in letters) < 2 or not is_postcode(repaired):
            return None, letters or None, "malformed"
        letters = repaired
    return f"{letters[:-3]} {letters[-3:]}", None, "valid"


def shape_of(letters: str) -> str:
    return "".join("A" if c in LATIN else "9" for c in letters)


def is_postcode(letters: str) -> bool:
    outward, inward = shape_of(letters[:-3]), shape_of(letters[-3:])
    if inward != "9AA" or outward not in ("A9", "A99", "A9A", "AA9", "AA99", "AA9A"):
        return inward == "9AA" and letters[:-3] == "GIR"
    return letters[1] not in "0I" and not (len(outward) > 2 and letters[len(outward) - 1] in "IO")


def repair(letters: str) -> str:
    outward, inward = list(letters[:-3]), list(letters[-3:])
    as_letter, as_digit = {"0": "O", "1": "I", "5": "S"}, {"O": "0", "I": "1"}
    if outward:
        outward[0] = as_letter.get(outward[0], outward[0])
    if len(outward) > 2 and outward[0] in "CPSY" and outward[1] == "0":
        outward[1] = "O"
    if len(outward) > 1 and outward[1] == "I":
        outward[1] = "1"
    outward[2:] = [as_digit.get(c, c) for c in outward[2:]]
    if inward:
        inward[0] = {**as_digit, "S": "5"}.get(inward[0], inward[0])
    inward[1:] = [as_letter.get(c, c) for c in inward[1:]]
    return "".join(outward + inward)


def address(text: str | None) -> tuple[str | None, str]:
    if text is None:
        return None, "missing"
    line = split_into_words(folded(text), LATIN + DIGITS)
    if line == "":
        line = own_script(text) or ""
    if line in addresses.MISSING_WORDS:
        return None, "missing"
    words = line.split(" ")
    if words[0] == "OF":
        words = words[1:]
    if line in addresses.NO_PLACE or " ".join(words).startswith(("NO FIXED ABODE", "NO FIXED ADDRESS")):
        return None, "no_place"
    return line, "valid"
