"""The headline: what each sentence says."""

from dataclasses import replace

from linkcore.report.page.headline import headline, key_figures
from tests.report.page.test_concerns import WELL, table


def test_a_suppressed_total_is_shown_as_a_star() -> None:
    known = {"records": 15, "conflicts": 0, "spine": 15, "nhs_number": None, "probabilistic": None}
    totals = table("totals", *({"source": "all", "what": what, "count": many} for what, many in known.items()))
    assert headline(replace(WELL, totals=totals, persons=None, disclosed=True, fallback=None)) == [
        "About 15 records from 2 sources belong to * people.",
        "100 % define a person on the spine.",
    ]


def test_the_headline_has_the_totals_and_the_estimates() -> None:
    assert headline(WELL) == [
        "2,000 records from 2 sources belong to 1,000 people.",
        "50 % define a person on the spine. 49 % were linked on the NHS Number and 1 % on name, birth date and other "
        "identifiers.",
        "Of the links made without a usable NHS Number, an estimated 0.05 % (95 % interval 0.05 % to 0.1 %) lead to "
        "the wrong person.",
    ]
    assert key_figures(WELL)[:3] == [("2,000", "records"), ("1,000", "people"), ("49 %", "linked on the NHS Number")]


def test_the_headline_has_withheld_records_by_purpose() -> None:
    counts = {"planning": 50, "finding cases": None, "audit": 0}
    rows = [{"source": "all", "reason": "any reason", "purpose": name, "records": n} for name, n in counts.items()]
    assert headline(replace(WELL, withheld=table("withheld", *rows)))[2] == (
        'Of all records, 50 (2.5 %) are withheld from releases for the purpose "planning", a number not shown for '
        'the purpose "finding cases" and none for the purpose "audit".'
    )


def test_the_headline_has_the_true_rates_where_they_are_known() -> None:
    rows = [{"source": "all", "measure": "false links", "true": 0.001}, {"source": "all", "measure": "missed links"}]
    said = headline(replace(WELL, truth=table("truth", *rows)))[-1]
    assert said == "The truth is known here: of the same links, 0.1 % are wrong and too few to be shown were missed."
