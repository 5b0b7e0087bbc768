"""The self-test of the fallback: it hides NHS Numbers, links those records again, and counts the errors."""
