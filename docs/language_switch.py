"""Tell each page its address in the other language."""

from __future__ import annotations

import posixpath
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx

NAMES = {"en": "English", "ko": "한국어"}
_SAME_SUFFIX = (".md", ".ipynb")


def _add_address(
    app: Sphinx, page: str, template: str, context: dict, doctree: nodes.document | None
) -> None:
    """Put the other language's address into what the template sees."""
    language = str(app.config.language)
    other = next(code for code in NAMES if code != language)
    twin = page
    staged = Path(app.srcdir).parent / other
    is_page = any((staged / f"{page}{suffix}").is_file() for suffix in _SAME_SUFFIX)
    if not is_page and page != "search":
        # A page that only one language has: the list of guides says so.
        twin = "guides/index"
    context["other_language"] = other
    context["other_language_name"] = NAMES[other]
    context["has_translation"] = twin == page
    way = f"../{other}/{twin}.html"
    context["other_language_address"] = posixpath.relpath(way, posixpath.dirname(page) or ".")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the event."""
    app.connect("html-page-context", _add_address)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
