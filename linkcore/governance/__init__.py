"""Governance: what may leave a programme, and the record of it."""
