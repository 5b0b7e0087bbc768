"""Comparisons: which identifiers of two records are compared, and how. One module for each kind."""
