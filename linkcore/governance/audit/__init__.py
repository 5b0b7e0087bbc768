"""The audit log: a chain of lines that tell what was done, and its verification."""
