"""Write Markdown."""

__all__ = ["sentence", "table"]


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """Write a table, a line of the page in each line."""
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |" for line in lines]


def sentence(text: str) -> str:
    """Begin a text with a capital and end it with a full stop."""
    text = text.replace("``", "`").strip()
    if not text:
        return ""
    return text[0].upper() + text[1:] + ("" if text.endswith(".") else ".")
