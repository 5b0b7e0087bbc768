"""Review of single links: why a record was linked or not, and what a reviewer decides."""
