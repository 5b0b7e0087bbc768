"""Agreements, and the releases made under them."""
