"""Standard forms of identifiers: each module turns a raw value into a standard value and a status."""
