"""What Splink is asked for: the weight of each comparison, and a chart; and that it says nothing."""

import logging

import polars as pl
import pytest

from linkcore.linkage.engine.native import NativeEngine
from linkcore.linkage.engine.splink import weigh_fields
from tests.linkage.engine.people import learned, with_engine


def weighed(engine: NativeEngine) -> tuple[pl.DataFrame, pl.DataFrame, float, str]:
    known = learned(engine)
    scored = engine.score_with_persons(known).pairs.head(20)
    decided = scored.select("record", "person", probability=pl.lit(0.9))
    fields, page = weigh_fields(engine.people, known.model, decided)
    return scored, fields, known.model.prior_weight, page


def test_the_weights_of_the_comparisons_sum_to_that_of_the_engine() -> None:
    scored, fields, prior, page = with_engine(weighed)
    parts = fields.select(pl.sum_horizontal(pl.col("^mw_.*$").fill_null(0.0))).to_series()
    assert (parts + prior).to_list() == pytest.approx(fields["match_weight"].to_list())
    assert fields["match_weight"].to_list() == pytest.approx((scored["weight"] + prior).to_list(), abs=1e-6)
    assert "splink-chart" in page


def test_splink_says_nothing_and_its_logger_is_as_it_was(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("splink")
    before = list(logger.handlers), logger.propagate, logger.level
    with caplog.at_level(logging.DEBUG):
        with_engine(weighed)
    assert caplog.records == []
    assert (logger.handlers, logger.propagate, logger.level) == before
