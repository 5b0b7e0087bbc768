"""The five example programmes, each linked and run once, in a file of tests of its own."""

import pytest

pytest.register_assert_rewrite("tests.programmes.every_programme")
