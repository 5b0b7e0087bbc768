"""What leaves with identifiers: to a practice, a provider, or the person it is about."""
