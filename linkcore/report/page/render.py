"""The linkage-quality report: one HTML page that loads nothing else."""

from collections.abc import Callable
from typing import Final

from linkcore.quality.measures import Quality
from linkcore.report.page.concerns import concerns
from linkcore.report.page.fallback_sections import (
    estimates_section,
    model_section,
    thresholds_section,
    weights_section,
)
from linkcore.report.page.headline import headline, key_figures
from linkcore.report.page.record_sections import (
    clusters_section,
    flow_section,
    groups_section,
    methods_section,
    odd_section,
    sources_section,
)
from linkcore.report.page.run_sections import drift_section, earlier_persons_section, limits_section, run_section
from linkcore.report.page.sections import Section
from linkcore.report.page.templates import fill
from linkcore.report.page.withheld_section import withheld_section

__all__ = ["render"]

_SECTIONS: Final[tuple[Callable[[Quality], Section | None], ...]] = (
    flow_section,
    withheld_section,
    estimates_section,
    groups_section,
    earlier_persons_section,
    drift_section,
    sources_section,
    methods_section,
    odd_section,
    clusters_section,
    weights_section,
    thresholds_section,
    model_section,
    run_section,
    limits_section,
)


def render(quality: Quality) -> str:
    """Write the report as HTML."""
    sections = [section for section in (make(quality) for make in _SECTIONS) if section is not None]
    return fill(
        "report.html.j2",
        disclosed=quality.disclosed,
        figures=key_figures(quality),
        headline=headline(quality),
        concerns=concerns(quality),
        sections=sections,
        version=quality.run.version,
    )
