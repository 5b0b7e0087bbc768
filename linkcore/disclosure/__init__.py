"""Disclosure control: which counts are shown and which are suppressed."""
