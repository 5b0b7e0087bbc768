"""People look at single links: why a record was linked or not, and which of two uncertain answers is right."""
