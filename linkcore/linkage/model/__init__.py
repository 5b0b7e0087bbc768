"""The model: comparisons, their levels, and what each level is worth."""
