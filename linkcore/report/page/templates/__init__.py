"""The templates of the report."""

from importlib.resources import files

__all__ = ["fill"]


def fill(name: str, **values: object) -> str:
    """Fill in a template. Every value is escaped."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_unbroken
    )
    template = environment.from_string((files(__name__) / name).read_text("utf-8"))
    return template.render(values)


def _unbroken(value: object) -> object:
    """Keep a number and its percent sign on one line."""
    return value.replace(" %", "\N{NO-BREAK SPACE}%") if isinstance(value, str) else value
