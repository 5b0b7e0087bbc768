"""The templates of the report."""

from importlib.resources import files

from linkcore.plain_text import escaped

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
    """Keep a number and its percent sign on one line, and show characters that would turn text around as escapes."""
    if not isinstance(value, str):
        return value
    plain = value if hasattr(value, "__html__") else escaped(value)
    return plain.replace(" %", "\N{NO-BREAK SPACE}%")
