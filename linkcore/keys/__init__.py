"""Keys: secret, sealed, versioned; and the keys that sign."""
