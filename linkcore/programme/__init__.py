"""The programme file: its tables and lists, what it would do, and a run of it."""
