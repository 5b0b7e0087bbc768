"""The columns and dtypes of the tables. The three main tables are RECORDS, PERSONS and LINKS.

RECORDS
    One table for each source, one row for each record: only identifiers, in standard form. A null means that there is
    nothing to compare: the value was missing, a filler, or not usable. ``SET_ASIDE`` counts the reasons.
PERSONS
    One row for each person, with the best identifiers that are known.
LINKS
    One row for each record of every source: its person, how the link was made, and how strong it is.
"""

from typing import Final

import polars as pl

__all__ = [
    "ALL",
    "ALTERNATIVE",
    "ATTRIBUTE",
    "DECISION",
    "DECISIONS",
    "FURTHER",
    "GENDER",
    "IDENTIFIERS",
    "LABELS",
    "LINKS",
    "METHOD",
    "NHS_NUMBER_STATUS",
    "OTHER",
    "PARTS_OF_NAME",
    "PERSONS",
    "RECORDS",
    "SET_ASIDE",
    "STAGE_ONE_CODE",
    "SUPERSEDED",
    "SUPERSESSION",
    "USABLE_STATUSES",
    "WHOLE_NAME",
]

NHS_NUMBER_STATUS: Final = pl.Enum(
    [
        "valid",  # England, Wales, Isle of Man
        "scotland",  # a CHI number
        "northern_ireland",  # a Health and Care number
        "missing",  # empty, or a word such as "unknown"
        "malformed",  # not ten digits
        "check_digit",  # fails Modulus 11
        "placeholder",  # passes Modulus 11 but belongs to nobody
        "out_of_range",  # passes Modulus 11 but was never issued
        "test",  # in a range for testing; usable only if the programme says so
    ]
)
"""The kinds of NHS Number."""

USABLE_STATUSES: Final = ("valid", "scotland", "northern_ireland")
"""The statuses of numbers that belong to a real person, and so can make links."""

METHOD: Final = pl.Enum(
    [
        "spine",  # the record that defines its person
        "nhs_number",  # carries the person's NHS Number
        "local_patient_id",  # shares a local patient identifier with records that carry the person's NHS Number
        "probabilistic",  # the fallback scored and accepted it
        "new_person",  # matches nobody: becomes a person of its own, alone or with other such records
        "unlinked",  # says too little to be linked: becomes a person of its own
        "decided",  # somebody who looked at it has decided that it is of this person
    ]
)
"""How a record was linked to its person."""

GENDER: Final = pl.Enum(["male", "female"])
"""PERSON STATED GENDER CODE 1 and 2. Any other code is no evidence and becomes null."""

IDENTIFIERS: Final = (
    "nhs_number",
    "given_name",
    "family_name",
    "full_name",
    "birth_date",
    "gender",
    "postcode",
    "address",
    "local_patient_id",
)
"""The names of the standard identifiers, to which the columns of a source are mapped.

A ``full_name`` is split: RECORDS have its ``given_name`` and ``family_name``."""

PARTS_OF_NAME: Final = ("given_name", "family_name")
"""The identifiers into which a full name is split; a source has these or a full name."""

WHOLE_NAME: Final = "whole_name"
"""Status of the values of a column of given or family names that mostly holds whole names."""

FURTHER: Final = "further_"
"""Prefix of columns with further identifiers, in RECORDS and PERSONS."""

ALTERNATIVE: Final = ("given_name", "family_name", "postcode", "address")
"""The identifiers of which the records of a person may show others: a maiden name, a former postcode."""

OTHER: Final = "other_"
"""Prefix of columns with lists of such other values. They are never in RECORDS or PERSONS: only linking uses them."""

ATTRIBUTE: Final = "attribute_"
"""Prefix of columns with attributes for reporting by subgroup, in RECORDS."""

STAGE_ONE_CODE: Final = "stage_one_code"
"""Column of RECORDS with the stage-1 code, 32 hex digits, if the source holds codes instead of NHS Numbers.

Then ``nhs_number`` is an integer made of the code, above all NHS Numbers, and ``token`` of PERSONS holds the code."""

RECORDS: Final = pl.Schema(
    {
        "row": pl.UInt32(),  # position in the source, from 0: connects the payload to its link
        "record_id": pl.String(),
        "nhs_number": pl.Int64(),  # null unless its status is usable
        "nhs_number_status": NHS_NUMBER_STATUS,
        "given_name": pl.String(),  # A-Z and single spaces; a name without letters in A-Z keeps its own script
        "family_name": pl.String(),  # the same
        "birth_date": pl.Date(),
        # YYYY or YYYY-MM of a partial date; YYYY-MM-DD of an impossible date (31 February), for edit distance only
        "birth_date_text": pl.String(),
        "gender": GENDER,
        "postcode": pl.String(),  # "EX1 2AB"
        "address": pl.String(),  # A-Z, 0-9 and single spaces, or its own script
        "local_patient_id": pl.String(),
    }
)
"""Columns of RECORDS; the ``further_*`` and ``attribute_*`` columns of the source follow."""

PERSONS: Final = pl.Schema(
    {
        "person_id": pl.UInt32(),  # valid in one run only
        "nhs_number": pl.Int64(),  # null if the person has none
        "source": pl.String(),  # source of the record that defines the person
        "record_id": pl.String(),  # record id of this record
        # names a person who has no NHS Number, or is known by a stage-1 code; otherwise null
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
        "match_weight": pl.Float64(),  # Splink's match weight, in bits; null unless probabilistic
        # 1.0 for exact links and decisions; null for new_person and unlinked
        "match_probability": pl.Float64(),
        "nhs_number_status": NHS_NUMBER_STATUS,
        # the NHS Number is of a person, but name and birth date, or a decision, say that the record is of somebody else
        "conflict": pl.Boolean(),
    }
)
"""Columns of LINKS, in this order."""

SET_ASIDE: Final = pl.Schema(
    {
        "source": pl.String(),
        "identifier": pl.String(),
        "status": pl.String(),
        "records": pl.UInt32(),
    }
)
"""How many records of a source have each status of an identifier; every value is counted."""

LABELS: Final = pl.Schema(
    {
        "source": pl.String(),
        "record_id": pl.String(),
        "person_source": pl.String(),  # source of a record of the person
        "person_record_id": pl.String(),  # record id of this record
        "match": pl.Boolean(),  # whether both records belong to the same person
    }
)
"""Reviewers' answers about pairs of records."""

DECISION: Final = pl.Enum(
    [
        "same",  # both records are of one person
        "not the same",  # they are of two persons
        "undecided",  # takes back what the same clerk has decided before
    ]
)
"""What a clerk decides about two records."""

DECISIONS: Final = pl.Schema(
    {
        "source": pl.String(),
        "record_id": pl.String(),
        "person_source": pl.String(),  # source of a record of the person
        "person_record_id": pl.String(),  # record id of this record
        "decision": DECISION,
        "who": pl.String(),  # the clerk
        "when": pl.Datetime("us", "UTC"),
        "why": pl.String(),
    }
)
"""Clerks' decisions about pairs of records, in the order in which they were written down."""

SUPERSESSION: Final = pl.Enum(
    [
        "number_found",  # the person had no NHS Number, and has one now
        "number_superseded",  # the list of superseded numbers names the new number
        "number_changed",  # the records of the person carry another NHS Number now
        "number_lost",  # the records of the person carry no NHS Number any more
        "joined",  # two persons turned out to be one
        "split",  # one person turned out to be two: some records of the old name have the new one
    ]
)
"""Why one name of a person took the place of another."""

SUPERSEDED: Final = pl.Schema(
    {
        "old": pl.String(),  # what was hashed to the person's pseudonym before: see pseudonyms/persons.py
        "new": pl.String(),  # what is hashed now; after a split, "old" may be in use too
        "reason": SUPERSESSION,
        "date": pl.Date(),  # reference date of the linkage that found it
    }
)
"""The supersession table, oldest rows first."""

ALL: Final = "all"
"""Value of a column ``source``, ``dimension`` or ``group`` that means all together. No source may have this name."""
