"""The programme file: its tables, its lists, and what it would do."""
