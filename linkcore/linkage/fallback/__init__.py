"""The fallback: probabilistic linkage of what the exact linkage leaves open."""
