"""Quality: how good a linkage is, and for whom it is worse."""
