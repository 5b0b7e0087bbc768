"""The words of the report: what is said of the weights."""

import pytest

from linkcore.quality.measures import Weights
from linkcore.report.page.words import weights_in_words


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        (Weights("splink", "5.0.0"), "The model is Splink's, and Splink 5.0.0 weighed all pairs."),
        (Weights("native", "5.0.0", 4010, 1e-9), "checked against Splink 5.0.0 on 4,010 pairs of this run."),
        (Weights("native", "5.0.0", None, 1e-9), "checked against Splink 5.0.0 on some pairs of this run."),
        (Weights("native"), "not checked against Splink in this run."),
    ],
)
def test_the_report_says_what_weighed_the_pairs_and_what_checked_it(weights: Weights, words: str) -> None:
    assert weights_in_words(weights).endswith(words)
