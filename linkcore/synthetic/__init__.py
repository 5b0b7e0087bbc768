"""A synthetic Integrated Care System with known truth: people, providers, and the errors they make."""
