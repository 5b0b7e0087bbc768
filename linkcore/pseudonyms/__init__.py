"""Pseudonyms: keyed hashes of identifiers, and the keys they are made under."""
