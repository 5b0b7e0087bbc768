"""A real Splink linker on a run: it has the run's weights, draws Splink's charts, and reaches no file."""

import datetime as dt
import gc
import re
import tempfile
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

import linkcore as lc


def predicted(linker: Any) -> pl.DataFrame:
    frame: pl.DataFrame = linker.inference.predict(warning_mode="never").as_duckdbpyrelation().pl()
    return frame


def test_it_gives_the_weights_of_the_run_source_by_source(linkage: lc.Linkage) -> None:
    assert linkage.probabilistic is not None
    for source in ("ambulance", "nhs_111"):
        linker = linkage.splink_linker(source=source, identifiable=True)
        candidates = linkage.probabilistic.candidates.filter(source=source).select(
            pl.col("person_id").cast(pl.String).alias("unique_id_l"),
            pl.concat_str("source", "record_id", separator=" ").alias("unique_id_r"),
            pl.col("match_weight").alias("of_run"),
        )
        both = candidates.join(predicted(linker), on=["unique_id_l", "unique_id_r"], how="left")
        assert both.height > 20
        assert both["match_weight"].to_list() == pytest.approx(both["of_run"].to_list(), abs=1e-8)


def test_records_whose_person_is_known_show_how_accurate_splink_is_at_each_threshold(linkage: lc.Linkage) -> None:
    linker = linkage.splink_linker(tested=True, identifiable=True)
    chart = linker.evaluation.accuracy_analysis_from_labels_column("label", output_type="threshold_selection")
    assert "vegaEmbed" in chart.to_html(inline=True)
    pairs = predicted(linker).filter(pl.col("match_weight") > 10)
    assert (pairs["label_l"] == pairs["label_r"]).mean() > 0.9 if "label_l" in pairs.columns else pairs.height > 50


@pytest.mark.parametrize(
    "draw",
    [
        lambda linker, _, out: linker.visualisations.match_weights_chart().save_offline_chart(out),
        lambda linker, _, out: linker.visualisations.m_u_parameters_chart().save_offline_chart(out),
        lambda linker, _, out: linker.evaluation.unlinkables_chart().save_offline_chart(out),
        lambda linker, found, out: linker.visualisations.waterfall_chart(
            found.as_record_list(limit=3)
        ).save_offline_chart(out),
        lambda linker, found, out: linker.visualisations.match_weights_histogram(found).save_offline_chart(out),
        lambda linker, found, out: linker.visualisations.comparison_viewer_dashboard(found, out),
        lambda linker, found, out: linker.visualisations.cluster_studio_dashboard(
            found,
            linker.clustering.cluster_pairwise_predictions_at_threshold(found, 0.9),
            out,
            sampling_method="by_cluster_size",
        ),
    ],
    ids=["weights", "m and u", "unlinkables", "waterfall", "histogram", "viewer", "clusters"],
)
def test_splinks_charts_are_drawn_without_a_network(linkage: lc.Linkage, draw: Any, tmp_path: Path) -> None:
    linker = linkage.splink_linker(identifiable=True)
    draw(linker, linker.inference.predict(warning_mode="never"), str(tmp_path / "chart.html"))
    page = (tmp_path / "chart.html").read_text("utf-8")
    assert len(page) > 100_000
    assert not re.search(r"<script[^>]+src=", page)


def test_its_database_reaches_no_file_and_ends_with_it(
    linkage: lc.Linkage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    linker = linkage.splink_linker(identifiable=True)
    assert [path.name[:9] for path in tmp_path.iterdir()] == ["linkcore-"]
    with pytest.raises(duckdb.Error):
        linker._db_api.duckdb_con.execute(f"COPY persons TO '{tmp_path}/persons.csv'")
    # A result of it is enough to keep it.
    found = linker.inference.predict(warning_mode="never")
    del linker
    gc.collect()
    assert found.as_duckdbpyrelation().pl().height > 0
    del found
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_it_is_refused_unless_asked_for_and_recorded_where_an_occasion_is_given(
    linkage: lc.Linkage, tmp_path: Path
) -> None:
    with pytest.raises(lc.RefusedError, match="identifiable=True"):
        linkage.splink_linker()
    log = lc.Audit(tmp_path / "audit.jsonl")
    at = dt.datetime(2026, 4, 1, tzinfo=dt.UTC)
    linkage.splink_linker(identifiable=True, occasion=lc.Occasion("analyst", at, log, reason="thresholds"))
    (line,) = (tmp_path / "audit.jsonl").read_text("utf-8").splitlines()
    assert '"splink_linker"' in line
    assert "thresholds" in line


def test_without_anything_to_compare_there_is_no_linker(linkage: lc.Linkage) -> None:
    alone = lc.link([lc.Source("gp", pl.DataFrame({"nhs_number": ["999 000 0018"]}), spine=True)])
    with pytest.raises(lc.ProgrammeError, match="there is nothing for Splink"):
        alone.splink_linker(identifiable=True)
    with pytest.raises(lc.ProgrammeError, match="no record of source 'dentist' was compared"):
        linkage.splink_linker(source="dentist", identifiable=True)
    with pytest.raises(lc.ProgrammeError, match="was tested with its number hidden"):
        linkage.splink_linker(source="gp", tested=True, identifiable=True)
