"""The commands and their options, as the command line's own parser knows them."""

import argparse
from collections.abc import Iterator

from generated.markdown import sentence, table

__all__ = ["commands"]


def commands() -> str:
    """Describe every command and its options, as its own parser knows them."""
    from linkcore.cli import _parser

    return "\n\n".join(_command(parser, name) for name, parser in _commands(_parser()))


def _commands(parser: argparse.ArgumentParser, name: str = "") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Yield every command that runs something, with its full name."""
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not groups:
        yield name, parser
    for action in groups:
        for word, below in action.choices.items():
            yield from _commands(below, f"{name} {word}".strip())


def _command(parser: argparse.ArgumentParser, name: str) -> str:
    rows = [_option(action) for action in parser._actions if not isinstance(action, argparse._HelpAction)]
    return "\n".join([f"## {name}", "", parser.description or "", "", *table(["option", "meaning"], rows)])


def _option(action: argparse.Action) -> list[str]:
    value = "" if action.nargs == 0 else str(action.metavar or action.dest.upper())
    written = [f"`{f'{option} {value}'.strip()}`" for option in action.option_strings] or [f"`{value}`"]
    needed = " **Required.**" if action.required and action.option_strings else ""
    choices = f" One of: {', '.join(map(str, action.choices))}." if action.choices else ""
    meaning = (action.help or "") % {"default": action.default} if action.help else ""
    return [", ".join(written), sentence(meaning) + choices + needed]
