"""The words of the report: what is said of the weights, and of a model that was kept."""

import pytest

from linkcore.linkage.fallback.model_use import ModelUse
from linkcore.quality.measures import Weights
from linkcore.report.page.words import model_use_in_words, weights_in_words


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


def test_the_report_says_whether_a_model_was_kept_and_why() -> None:
    assert model_use_in_words(ModelUse()) == ""
    learned = model_use_in_words(ModelUse(why="much is new", new_records=0.3))
    assert learned.endswith("are of this run. They were not kept because much is new.")
    kept = ModelUse(
        kept=True, why="little is new", learned_on="2026-01-01", new_records=0.02, drift={"a": 0.0, "b": 0.01}
    )
    assert model_use_in_words(kept).endswith(
        "those of the run of 2026-01-01. They were kept because little is new. Since then, 2 % of the compared records "
        "are new or changed. Most drift is on b: 1 % of the pairs of one person are on other levels."
    )
