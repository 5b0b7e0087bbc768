"""The fallback: probabilistic linkage of the records that the exact linkage leaves open."""
