"""The five example programmes: each is linked and run once, and has its own file of tests."""

import pytest

pytest.register_assert_rewrite("tests.programmes.every_programme")
