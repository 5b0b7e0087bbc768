"""What is compared of two records, and how; one module a kind of identifier."""
