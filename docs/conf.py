"""The site: `make docs` builds it from this folder into build/site."""

from llmos import __version__

project = "llmos"
author = "the llmos authors"
copyright = author
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["*.py"]
myst_enable_extensions = ["attrs_block"]
myst_heading_anchors = 3
suppress_warnings = ["myst.xref_missing"]  # links out of docs/, to files of the repository
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
nitpicky = False

html_theme = "furo"
html_title = f"llmos {version}"
html_show_copyright = False
html_show_sphinx = False


def setup(app):  # type: ignore[no-untyped-def]
    """Drawings that the repository's host draws; here they are shown as they are written."""
    from pygments.lexers.special import TextLexer

    app.add_lexer("mermaid", TextLexer)
