"""Settings of the documentation site, which Sphinx builds from the pages in this folder: ``poe site``."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docutils.utils.math.latex2mathml import tex2mathml

sys.path.insert(0, str(Path(__file__).parent))

from generated.pages import filled

import linkcore

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.application import Sphinx
    from sphinx.writers.html5 import HTML5Translator

ROOT = Path(__file__).parent.parent

project = "linkcore"
author = "The linkcore authors"
project_copyright = "2026 The linkcore authors. Documentation: Open Government Licence v3.0"
version = release = linkcore.__version__
language = "en-GB"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
highlight_language = "text"
autodoc_typehints = "none"  # the docstrings say what each parameter is
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_rtype = False

html_theme = "furo"
html_title = f"linkcore {version}"
html_show_sourcelink = False
html_show_sphinx = False
html_copy_source = False
html_static_path = ["static"]
html_css_files = ["wide.css"]
html_math_renderer = "mathml"


def setup(app: "Sphinx") -> None:
    """Fill in what the pages take from the code and from the top of the repository; draw formulae without a network."""
    app.connect("source-read", read_page)
    app.add_html_math_renderer("mathml", (inline_formula, None), (formula, None))


def read_page(_: "Sphinx", page: str, content: list[str]) -> None:
    """Fill in a page, and make its links to the README and the changelog lead to their pages of the site."""
    # Sphinx hands over a list of one text, to be changed.
    text = filled(content[0], ROOT)
    up = "../" * page.count("/")
    for file, own in {"README.md": "index.md", "CHANGELOG.md": "changes.md"}.items():
        text = text.replace(f"]({up}../{file}", f"]({up}{own}")
    content[0] = text


def inline_formula(translator: "HTML5Translator", node: "nodes.math") -> None:
    """Write a formula within a sentence as MathML, which browsers draw themselves."""
    _write(translator, node, as_block=False)


def formula(translator: "HTML5Translator", node: "nodes.math_block") -> None:
    """Write a formula on a line of its own."""
    _write(translator, node, as_block=True)


def _write(translator: "HTML5Translator", node: Any, *, as_block: bool) -> None:
    from docutils import nodes

    markup = tex2mathml(node.astext(), as_block=as_block)
    translator.body.append(f'<div class="formula">{markup}</div>' if as_block else markup)
    raise nodes.SkipNode
