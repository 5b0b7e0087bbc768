"""The report: one page of HTML, its sections, charts and words."""
