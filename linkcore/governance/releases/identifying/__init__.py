"""Identifiers under another name: every row of a release is compared with the person whom it is about."""
