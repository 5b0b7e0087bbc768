"""The README: its session runs as it stands, and its two commands are the ones that CI calls."""

import doctest
import re
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"


def test_the_session_runs_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    results = doctest.testfile(
        str(README), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    )
    assert results.attempted > 10
    assert results.failed == 0


@pytest.mark.parametrize("last_word", [".venv/bin/pytest", "demo"])
def test_each_promise_is_one_command_line_that_ci_can_find(last_word: str) -> None:
    text = README.read_text("utf-8")
    assert len(re.findall(rf"^python3 -m venv \.venv && .* {re.escape(last_word)}$", text, re.MULTILINE)) == 1
