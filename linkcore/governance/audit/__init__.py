"""The audit log: a chain of lines that record what was done, and the check that it is intact."""
