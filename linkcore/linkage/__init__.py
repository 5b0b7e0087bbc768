"""Linkage: from sources to the statement which records are of the same person."""
