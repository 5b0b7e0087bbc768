"""Linkage: find which records belong to the same person."""
