"""Sources: read one provider's extract and bring its identifiers into standard form."""
