"""The end of a programme: destruction, and the certificates of it."""
