"""How time and memory grow with the number of people, up to a whole ICS (``--ics``) or ten of them (``--nation`` too).

The figure is ``scaling.svg`` beside this file. Ten ICSs are linked on the disk that holds the test's folder.
"""

from pathlib import Path
from typing import Any

import pytest
import vl_convert
from fresh import Job, fresh
from jobs import copy_sorted, exact_path, whole_run
from nation import synthesise_nation
from pytest_benchmark.fixture import BenchmarkFixture

from linkcore.synthetic import synthesise

SIZES = (10_000, 50_000, 200_000, 1_200_000)
NATION = 12_000_000
LEAST_OF_THE_RECORDS_A_SECOND = 0.8
JOBS = {
    "link, self-test, release, report": whole_run,
    "link on the NHS Number, release": exact_path,
    "copy the files, sorted": copy_sorted,
}
COLOURS = ["#005eb8", "#006747", "#8a939b"]


def test_scaling(benchmark: BenchmarkFixture, tmp_path: Path, pytestconfig: pytest.Config) -> None:
    whole = pytestconfig.getoption("ics")
    sizes: tuple[int, ...] = SIZES if whole else SIZES[:2]
    if pytestconfig.getoption("nation"):
        sizes = (*SIZES, NATION)
    if pytestconfig.getoption("benchmark_disable"):
        sizes = (1_000,)

    def run() -> list[dict[str, Any]]:
        return [row for people in sizes for row in measure(people, tmp_path / str(people))]

    rows = benchmark.pedantic(run, rounds=1)
    benchmark.extra_info["rows"] = rows
    if NATION in sizes:
        speed = {row["people"]: row["records"] / row["seconds"] for row in rows if row["job"] == next(iter(JOBS))}
        kept = speed[NATION] / speed[SIZES[-1]]
        wanted = {"found": round(kept, 3), "wanted, at least": LEAST_OF_THE_RECORDS_A_SECOND}
        benchmark.extra_info["records a second, of those of one ICS"] = wanted
    place = Path(__file__).with_name("scaling.svg") if whole else tmp_path / "scaling.svg"
    place.write_text(draw(rows) + "\n", "utf-8")


def measure(people: int, folder: Path) -> list[dict[str, Any]]:
    ics = folder / "ics"
    make = synthesise_nation if people > SIZES[-1] else synthesise
    make(ics, people=people)
    rows = []
    for name, work in JOBS.items():
        out = folder / work.__name__
        out.mkdir()
        job: Job = fresh(work, ics, out)
        figures = {"seconds": round(job.seconds, 2), "gib": round(job.peak_bytes / 2**30, 3)}
        rows.append({"job": name, "people": people, "records": job.records, **figures})
    return rows


def draw(rows: list[dict[str, Any]]) -> str:
    """Draw time and memory side by side, on logarithmic scales: proportional growth is a straight line."""
    people = sorted({row["people"] for row in rows})
    x = {
        "field": "people",
        "type": "quantitative",
        "scale": {"type": "log", "domain": [people[0], people[-1]]},
        "axis": {"title": "people", "values": people, "format": "~s", "grid": False, "labelFlush": False},
    }
    colour = {
        "field": "job",
        "type": "nominal",
        "sort": list(JOBS),
        "scale": {"domain": list(JOBS), "range": COLOURS},
        "legend": {"title": None, "orient": "bottom", "columns": 3, "labelLimit": 400},
    }

    def panel(field: str, title: str) -> dict[str, Any]:
        y = {"field": field, "type": "quantitative", "scale": {"type": "log"}, "axis": {"title": title, "format": "~g"}}
        return {
            "width": 340,
            "height": 240,
            "mark": {"type": "line", "point": True},
            "encoding": {"x": x, "y": y, "color": colour},
        }

    return str(
        vl_convert.vegalite_to_svg(
            {
                "data": {"values": rows},
                "hconcat": [panel("seconds", "seconds"), panel("gib", "peak memory, GiB")],
                "config": {"background": "white", "font": "Arial, sans-serif", "view": {"stroke": None}},
            }
        )
    )
