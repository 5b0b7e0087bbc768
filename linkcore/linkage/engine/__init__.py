"""Engines propose pairs of records and score them."""
