"""The three tables of linkcore, RECORDS, PERSONS and LINKS: their columns, dtypes and what each means.

RECORDS
    One table a source, one row a record: identifiers only, in standard form. A null means that there is nothing to
    compare: the value was missing, a filler, or not usable; how many of which reason is counted in ``SET_ASIDE``.
PERSONS
    One row a person, with the best identifiers known of that person.
LINKS
    One row a record of every source: which person it is of, how that is known, and how strongly.
"""

from typing import Final

import polars as pl

__all__ = [
    "ALL",
    "ATTRIBUTE",
    "FURTHER",
    "GENDER",
    "IDENTIFIERS",
    "LABELS",
    "LINKS",
    "METHOD",
    "NHS_NUMBER_STATUS",
    "PERSONS",
    "RECORDS",
    "SET_ASIDE",
    "STAGE_ONE_CODE",
    "USABLE_STATUSES",
]

NHS_NUMBER_STATUS: Final = pl.Enum(
    [
        "valid",  # England, Wales, Isle of Man
        "scotland",  # a CHI number
        "northern_ireland",  # a Health and Care number
        "missing",
        "malformed",  # not ten digits
        "check_digit",  # fails Modulus 11
        "placeholder",  # passes Modulus 11 but is known to stand for nobody
        "out_of_range",  # passes Modulus 11 but was never issued
        "test",  # the ranges set aside for testing; usable only where the programme says so
    ]
)
"""What an NHS Number turned out to be."""

USABLE_STATUSES: Final = ("valid", "scotland", "northern_ireland")
"""The statuses of numbers that name a real person, and so may link."""

METHOD: Final = pl.Enum(
    [
        "spine",  # the record that defines its person
        "nhs_number",  # carries the person's NHS Number
        "local_patient_id",  # shares a local patient identifier with records that carry the number
        "probabilistic",  # scored and accepted by the fallback
        "new_person",  # nobody it could be: stands as a person, alone or with other such records
        "unlinked",  # too little to say anything: a person of its own
    ]
)
"""How a record came to its person."""

GENDER: Final = pl.Enum(["male", "female"])
"""PERSON STATED GENDER CODE 1 and 2; every other code is no evidence and is null."""

IDENTIFIERS: Final = (
    "nhs_number",
    "given_name",
    "family_name",
    "birth_date",
    "gender",
    "postcode",
    "address",
    "local_patient_id",
)
"""The standard identifiers, by the names that a source's columns are mapped to."""

FURTHER: Final = "further_"
"""Prefix, in RECORDS and PERSONS, of the further identifiers that a source names."""

ATTRIBUTE: Final = "attribute_"
"""Prefix, in RECORDS, of the attributes that a source names for reporting by subgroup."""

STAGE_ONE_CODE: Final = "stage_one_code"
"""In RECORDS of a source that comes pseudonymised at stage 1: the code of each record, 32 hex digits. Its
``nhs_number`` is then an integer above all NHS Numbers, made of the code; in PERSONS ``token`` holds the code, too."""

RECORDS: Final = pl.Schema(
    {
        "row": pl.UInt32(),  # position in the source, from 0: how the payload finds its link
        "record_id": pl.String(),
        "nhs_number": pl.Int64(),  # null unless usable
        "nhs_number_status": NHS_NUMBER_STATUS,
        "given_name": pl.String(),  # A-Z and single spaces, or its own script where that has no A-Z
        "family_name": pl.String(),  # likewise
        "birth_date": pl.Date(),
        # YYYY or YYYY-MM of a partial date; YYYY-MM-DD of one that cannot be (31 February), for edit distance only
        "birth_date_text": pl.String(),
        "gender": GENDER,
        "postcode": pl.String(),  # "EX1 2AB"
        "address": pl.String(),  # A-Z, 0-9 and single spaces, or its own script
        "local_patient_id": pl.String(),
    }
)
"""Columns of RECORDS; ``further_*`` and ``attribute_*`` columns follow where a source names them."""

PERSONS: Final = pl.Schema(
    {
        "person_id": pl.UInt32(),  # internal to one run
        "nhs_number": pl.Int64(),  # null where the person has none
        "source": pl.String(),  # of the record that defines the person
        "record_id": pl.String(),  # that record
        # names a person without a number, or known by a stage-1 code; null where there is a number
        "token": pl.String(),
        "given_name": pl.String(),
        "family_name": pl.String(),
        "birth_date": pl.Date(),
        "birth_date_text": pl.String(),
        "gender": GENDER,
        "postcode": pl.String(),
        "address": pl.String(),
    }
)
"""Columns of PERSONS; ``further_*`` columns follow."""

LINKS: Final = pl.Schema(
    {
        "source": pl.String(),
        "record_id": pl.String(),
        "person_id": pl.UInt32(),  # never null
        "method": METHOD,
        "match_weight": pl.Float64(),  # Splink's, in bits; null unless probabilistic
        "match_probability": pl.Float64(),  # 1.0 for exact methods; null for new_person and unlinked
        "nhs_number_status": NHS_NUMBER_STATUS,
        "conflict": pl.Boolean(),  # the number agrees, name and birth date say it is somebody else
    }
)
"""Columns of LINKS, exactly."""

SET_ASIDE: Final = pl.Schema(
    {
        "source": pl.String(),
        "identifier": pl.String(),
        "status": pl.String(),
        "records": pl.UInt32(),
    }
)
"""How many records of a source have which status of an identifier: every value is accounted for."""

LABELS: Final = pl.Schema(
    {
        "source": pl.String(),
        "record_id": pl.String(),
        "person_source": pl.String(),  # source of one record of the person
        "person_record_id": pl.String(),  # that record
        "match": pl.Boolean(),  # whether the two records are of the same person
    }
)
"""What reviewers said of pairs of records."""

ALL: Final = "all"
"""In a column ``source``, ``dimension`` or ``group``: everything together. No source may have this name."""
