"""The self-test of the fallback: in every run, it links records with known persons, whose numbers it does not see."""
