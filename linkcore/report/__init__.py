"""What people read of a linkage."""
