"""From scores to decisions: which person a record is of."""
