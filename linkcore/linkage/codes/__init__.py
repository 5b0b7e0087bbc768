"""Identifiers as codes: each distinct value once, and compiled loops over the codes of persons and records."""
