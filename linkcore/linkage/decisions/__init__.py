"""Decisions: from scored pairs to the person of each record, and to groups of records without a listed person."""
