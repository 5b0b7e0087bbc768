"""Identifiers in standard form: each module reads the values as sent and returns a value and a status."""
