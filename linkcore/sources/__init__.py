"""Sources: what is read, and the records it becomes."""
