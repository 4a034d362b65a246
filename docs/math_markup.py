"""Render formulas as MathML, which browsers show without a script or a font from elsewhere."""

from __future__ import annotations

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.writers.html5 import HTML5Translator


def mathml(tex: str, display: str) -> str:
    r"""Return a formula as a `<math>` element, with its TeX for whoever copies or reads it aloud.

    Args:
        tex: the formula, without its dollars.
        display: "inline" or "block".

    Raises:
        ExtensionError: it can't be converted.
    """
    try:
        return convert(tex.strip(), display=display)
    # The converter has an exception for each kind of invalid TeX, and for some it raises KeyError.
    except Exception as error:
        raise ExtensionError(f"The formula {tex!r} can't be converted ({error!r}).") from error


def _inline(self: HTML5Translator, node: nodes.math) -> None:
    self.body.append(mathml(node.astext(), "inline"))
    raise nodes.SkipNode


def _block(self: HTML5Translator, node: nodes.math_block) -> None:
    # Wider than a phone at times: it scrolls, by keyboard too.
    self.body.append(f'<div class="formula" tabindex="0">{mathml(node.astext(), "block")}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the renderer."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
