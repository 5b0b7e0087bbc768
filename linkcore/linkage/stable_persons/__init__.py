"""Stable persons: who a linkage found before keeps its name, and so its pseudonyms; each change is a row of a table."""
