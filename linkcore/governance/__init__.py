"""Governance: what a programme may do, and what leaves it."""
