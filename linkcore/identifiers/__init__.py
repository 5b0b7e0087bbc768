"""Identifiers in standard form: each module takes text as sent and gives a value and a status."""
