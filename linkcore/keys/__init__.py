"""The keys that make pseudonyms, the keyrings that hold them, and the keys that sign."""
