"""The fallback tests itself, in every run, on records whose person is known by a number that it does not see."""
