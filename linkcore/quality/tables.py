"""Schemas of the tables of a Quality: their columns and dtypes."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import polars as pl

from linkcore.schema import METHOD, NHS_NUMBER_STATUS, SET_ASIDE

__all__ = [
    "ANY_REASON",
    "FALLBACK_TABLES",
    "NOT_WITHHELD",
    "NUMBER_GROUPS",
    "QUALITY_TABLES",
    "SIZES",
    "empty",
]

NUMBER_GROUPS: Final = ("usable", "conflict", "not usable")
"""Values of ``number``: the NHS Number leads to a person, contradicts that person's name and birth date, or neither."""

SIZES: Final = ("1", "2", "3", "4", "5-9", "10-19", "20-49", "50 and more")
"""Values of ``size``: the number of records of a person."""

NOT_WITHHELD: Final = "not withheld"
"""The ``reason`` of records that may be released."""

ANY_REASON: Final = "any reason"
"""The ``reason`` of all withheld records together."""

_TEXT, _COUNT, _NUMBER, _YES_NO = pl.String(), pl.Int64(), pl.Float64(), pl.Boolean()
_INTERVAL: Final = {"rate": _NUMBER, "low": _NUMBER, "high": _NUMBER}

QUALITY_TABLES: Final[Mapping[str, pl.Schema]] = MappingProxyType(
    {
        "records": pl.Schema({"source": _TEXT, "method": METHOD, "records": _COUNT}),
        "numbers": pl.Schema({"source": _TEXT, "nhs_number_status": NHS_NUMBER_STATUS, "records": _COUNT}),
        "conflicts": pl.Schema({"source": _TEXT, "conflicts": _COUNT}),
        # Of a record with a usable number: whether the number was superseded, or stands on two entries of its source.
        "number_faults": pl.Schema({"source": _TEXT, "fault": _TEXT, "records": _COUNT}),
        "set_aside": pl.Schema(dict(SET_ASIDE) | {"records": _COUNT}),
        # Each record is counted in exactly one row; `number` is one of NUMBER_GROUPS.
        "flow": pl.Schema({"source": _TEXT, "number": _TEXT, "method": METHOD, "records": _COUNT}),
        # Present: not empty. Usable: can be compared.
        "completeness": pl.Schema(
            {"source": _TEXT, "identifier": _TEXT, "records": _COUNT, "present": _COUNT, "usable": _COUNT}
        ),
        # Candidates of the fallback with `low` <= match weight < `high`, in bits.
        "match_weights": pl.Schema(
            {"source": _TEXT, "outcome": _TEXT, "low": _NUMBER, "high": _NUMBER, "pairs": _COUNT}
        ),
        "groups": pl.Schema(
            {"source": _TEXT, "dimension": _TEXT, "group": _TEXT, "records": _COUNT, "linked": _COUNT}
            | _INTERVAL
            | {"standardised_difference": _NUMBER, "flagged": _YES_NO}
        ),
        "cluster_sizes": pl.Schema({"size": _TEXT, "persons": _COUNT}),
        # Of the linkages before; of one source, persons without an NHS Number whom its records define.
        "earlier_persons": pl.Schema({"source": _TEXT, "became": _TEXT, "times": _COUNT}),
        # `links` are implausible, of those `of` that could be judged.
        "implausible": pl.Schema({"source": _TEXT, "finding": _TEXT, "links": _COUNT, "of": _COUNT}),
        # For each purpose, a record is counted as NOT_WITHHELD or under one reason; ANY_REASON is the sum of reasons.
        "withheld": pl.Schema({"purpose": _TEXT, "source": _TEXT, "reason": _TEXT, "records": _COUNT}),
        "withheld_basis": pl.Schema({"purpose": _TEXT, "on": _TEXT, "kind": _TEXT, "basis": _TEXT}),
        # Rows that were left out when their source was read; no other table counts them.
        "not_read": pl.Schema({"source": _TEXT, "practice": _TEXT, "records": _COUNT}),
        # Rates; `true` is cases / of.
        "truth": pl.Schema(
            {"source": _TEXT, "measure": _TEXT, "estimated": _NUMBER, "low": _NUMBER, "high": _NUMBER, "true": _NUMBER}
            | {"cases": _COUNT, "of": _COUNT}
        ),
        # Rates of the two runs; `change` is `current` less `previous`.
        "drift": pl.Schema(
            {"measure": _TEXT, "source": _TEXT, "previous": _NUMBER, "current": _NUMBER, "change": _NUMBER}
            | {"flagged": _YES_NO}
        ),
        # Filled only under disclosure control, where counts do not add up to their totals.
        "totals": pl.Schema({"source": _TEXT, "what": _TEXT, "count": _COUNT}),
    }
)
"""Schema of each table of :class:`linkcore.quality.measures.Quality`, by its field."""

FALLBACK_TABLES: Final[Mapping[str, pl.Schema]] = MappingProxyType(
    {
        "sources": pl.Schema(
            {"source": _TEXT, "open": _COUNT, "compared": _COUNT, "linked": _COUNT, "pi": _NUMBER, "accept": _NUMBER}
            | {"basis": _TEXT, "hidden": _COUNT}
        ),
        "rates": pl.Schema(
            {"source": _TEXT, "dimension": _TEXT, "group": _TEXT, "measure": _TEXT}
            | _INTERVAL
            | {"cases": _NUMBER, "of": _COUNT, "fewest": _COUNT, "most": _COUNT}
        ),
        "calibration": pl.Schema(
            dict.fromkeys(("from", "to", "predicted", "observed", "low", "high", "cases"), _NUMBER)
        ),
        "curve": pl.Schema(
            {"source": _TEXT, "threshold": _NUMBER, "chosen": _YES_NO, "false_links": _NUMBER, "missed_links": _NUMBER}
        ),
        "candidates": pl.Schema(
            {"source": _TEXT, "usable_identifiers": _TEXT, "records": _COUNT, "found": _COUNT, "recall": _NUMBER}
        ),
        # Of records without a number whose person is listed, the share for which that person was a candidate.
        "blocking": pl.Schema({"source": _TEXT} | _INTERVAL | {"cases": _NUMBER}),
        "left_out": pl.Schema({"rule": _TEXT, "persons": _COUNT, "records": _COUNT}),
        "model": pl.Schema(
            {"source": _TEXT, "comparison": _TEXT, "level": _TEXT, "m": _NUMBER, "u": _NUMBER, "weight": _NUMBER}
        ),
        "departures": pl.Schema({"comparison": _TEXT, "level": _TEXT, "m_learned": _NUMBER, "m_open": _NUMBER}),
    }
)
"""Schema of each table of :class:`linkcore.quality.measures.FallbackQuality`, by its field."""


def empty(table: str) -> pl.DataFrame:
    """Return a table of a Quality without rows.

    Examples
    --------
    >>> empty("cluster_sizes").columns
    ['size', 'persons']
    """
    return pl.DataFrame(schema=QUALITY_TABLES[table])
