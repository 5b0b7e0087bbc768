"""Quality: how good a linkage is, and for which groups of people it is worse."""
