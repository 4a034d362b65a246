"""Make empty heads of tables plain cells: a screen reader announces a head, even without a name."""

from __future__ import annotations

import re

from docutils import nodes
from sphinx.application import Sphinx

_EMPTY = re.compile(r"<th(?: [^>]*)?>\s*(?:<p>\s*</p>)?\s*</th>")


def _fill(
    app: Sphinx, page: str, template: str, context: dict, doctree: nodes.document | None
) -> None:
    if "body" in context:
        context["body"] = _EMPTY.sub("<td></td>", context["body"])


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the event."""
    app.connect("html-page-context", _fill)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
