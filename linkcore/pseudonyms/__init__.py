"""Pseudonyms: keyed hashes of identifiers."""
