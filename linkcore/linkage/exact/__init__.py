"""Exact linkage on the NHS Number."""
