"""The templates of the report, and how they are filled in."""

from importlib.resources import files

__all__ = ["fill"]


def fill(name: str, **values: object) -> str:
    """Fill in a template: whatever is put into it is escaped."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_unbroken
    )
    template = environment.from_string((files(__name__) / name).read_text("utf-8"))
    return template.render(values)


def _unbroken(value: object) -> object:
    """Keep a number and its sign on one line."""
    return value.replace(" %", "\N{NO-BREAK SPACE}%") if isinstance(value, str) else value
