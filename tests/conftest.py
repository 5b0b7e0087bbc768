"""How all tests run."""

from hypothesis import settings

# Machines are noisy, and a first call may compile a kernel or load a library: how long an example takes says nothing.
settings.register_profile("linkcore", deadline=None)
settings.load_profile("linkcore")
