"""Turn what IPython understands beyond Python (magics, shell lines) into Python."""

from __future__ import annotations

import ast
import re
from typing import Any

_HARMLESS = {"matplotlib", "config", "load_ext", "autoreload", "precision", "pylab"}
"""Magics that only set up the notebook they stand in."""
_TIMED = re.compile(r"\A\s*%%time[ \t]*\n|^[ \t]*%time[ \t]+(?=\S)", re.MULTILINE)
"""What measures how long Python takes, and runs it as it stands."""


def without_settings(source: str) -> str:
    """Return a test's source as Python, without magics that mean nothing away from a notebook."""
    plain = plain_python(source)
    if plain == source:
        return source
    tree = ast.parse(plain)
    tree.body = [node for node in tree.body if not _is_setting(node)]
    return ast.unparse(tree)


def _indented(timed: re.Match[str]) -> str:
    found = timed.group()
    return "" if "%%" in found else found.partition("%")[0]


def _is_setting(node: ast.stmt) -> bool:
    called = node.value if isinstance(node, ast.Expr) else None
    return (
        isinstance(called, ast.Call)
        and isinstance(called.func, ast.Attribute)
        and called.func.attr == "run_line_magic"
        and isinstance(called.args[0], ast.Constant)
        and called.args[0].value in _HARMLESS
    )


def plain_python(source: str) -> str:
    """Return a cell's source as Python: a line magic becomes a call of `get_ipython()`."""
    try:
        ast.parse(source)
    except (SyntaxError, ValueError):
        source = _TIMED.sub(_indented, source)
        from IPython.core.inputtransformer2 import TransformerManager  # seldom needed, and slow

        manager: Any = TransformerManager  # it has no types
        return str(manager().transform_cell(source))
    return source
