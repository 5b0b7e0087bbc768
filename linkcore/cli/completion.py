"""The script by which a shell completes commands and options: made from the parser, and run by the shell alone."""

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Final

from linkcore.cli import options
from linkcore.cli.saying import say

if TYPE_CHECKING:
    from linkcore.cli.options import Commands

__all__ = ["add"]

# In both scripts, the path is the words before the cursor that name a command or an action.
_BASH: Final = """\
_linkcore() {
    local path="" word words="" current="${COMP_WORDS[COMP_CWORD]}"
    for word in "${COMP_WORDS[@]:1:$((COMP_CWORD - 1))}"; do
        case "$path $word" in
            %PATHS%) path="$path $word" ;;
        esac
    done
    case "$path" in
%CASES%
    esac
    # Files are completed where neither a command nor an option is due.
    COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -o bashdefault -F _linkcore linkcore
"""
_FISH: Final = """\
function __linkcore_at
    set -l path
    for word in (commandline -opc)[2..]
        contains -- (string join ' ' $path $word) %PATHS%; and set -a path $word
    end
    test "$path" = "$argv"
end
%LINES%
"""


def add(commands: "Commands", parser: argparse.ArgumentParser) -> None:
    """Add ``completion``."""
    added = options.command(
        commands, "completion", partial(_completion, parser), "print the script that completes commands in a shell"
    )
    added.add_argument("shell", choices=sorted(_SCRIPTS), help='for bash and zsh: eval "$(linkcore completion bash)"')


def _completion(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    say(*_SCRIPTS[arguments.shell](dict(_below(parser, ""))).splitlines())


_Parsers = dict[str, argparse.ArgumentParser]


def _below(parser: argparse.ArgumentParser, path: str) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Yield the parser at each path, such as ``keys signing new``."""
    yield path, parser
    for name, (_, sub) in _commands(parser).items():
        yield from _below(sub, f"{path} {name}".strip())


def _commands(parser: argparse.ArgumentParser) -> dict[str, tuple[str, argparse.ArgumentParser]]:
    """Return the commands of a parser, each with its help and its own parser."""
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return {
        each.dest: (each.help or "", group.choices[each.dest]) for group in groups for each in group._choices_actions
    }


def _options(parser: argparse.ArgumentParser) -> dict[str, str]:
    """Return the options of a parser, each with its help."""
    return {
        option: (action.help or "").partition(";")[0]
        for action in parser._actions
        for option in action.option_strings
        if option.startswith("--")
    }


def _bash(parsers: _Parsers) -> str:
    cases = []
    for path, parser in parsers.items():
        place, own = f'"{" " * bool(path)}{path}"', " ".join(_options(parser))
        before = " ".join(_commands(parser))
        cases.append(f'        {place}) [[ $current == -* ]] && words="{own}" || words="{before}" ;;')
    paths = "|".join(f'" {path}"' for path in parsers if path)
    return _BASH.replace("%PATHS%", paths).replace("%CASES%", "\n".join(cases))


def _zsh(parsers: _Parsers) -> str:
    return "autoload -U +X compinit bashcompinit\ncompinit\nbashcompinit\n" + _bash(parsers)


def _fish(parsers: _Parsers) -> str:
    lines = []
    for path, parser in parsers.items():
        for name, (about, _) in _commands(parser).items():
            lines.append(f"complete -c linkcore -f -n '__linkcore_at {path}' -a {name} -d {_quoted(about)}")
        for option, about in _options(parser).items():
            lines.append(f"complete -c linkcore -n '__linkcore_at {path}' -l {option[2:]} -d {_quoted(about)}")
    paths = " ".join(f"'{path}'" for path in parsers if path)
    return _FISH.replace("%PATHS%", paths).replace("%LINES%", "\n".join(lines))


def _quoted(text: str) -> str:
    """Quote a text for fish."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


_SCRIPTS: Final[dict[str, Callable[[_Parsers], str]]] = {"bash": _bash, "zsh": _zsh, "fish": _fish}
