"""Give nbgrader's partial credit: the number that a test cell ends with is its points.

In a notebook the value of a cell's last expression becomes an output, unless a semicolon
follows it, and nbgrader reads the points from there. A judge runs cells without a notebook, so
it keeps that value here.
"""

from __future__ import annotations

import ast
import io
import numbers
import sys
import tokenize
from decimal import Decimal
from typing import Any

from autograder.judge.handles import Handle


def keep_last_value(tree: ast.Module, source: str, name: str) -> None:
    """Change a cell's tree so that the value it would show is bound to `name`.

    Args:
        tree: the cell's, changed in place.
        source: what the tree was made from.
        name: the variable; no name that a cell would use.
    """
    last = tree.body[-1] if tree.body else None
    # Only where there may be a semicolon are the tokens read, which takes longer than the rest.
    if isinstance(last, ast.Expr) and not (";" in source and _is_quiet(source)):
        target = ast.Name(name, ast.Store())
        tree.body[-1] = ast.copy_location(ast.Assign([target], last.value), last)


def points_shown(value: Any) -> float | None:
    """Return the number that `value` is; None if it is none, or a boolean.

    Also numpy's numbers and arrays and tensors of no dimension. nbgrader itself reads what a
    cell printed, in which `np.float64(1.5)` and `Fraction(3, 2)` are no numbers, and then gives
    full marks.
    """
    if type(value) is Handle:
        return None  # an object that claims to be a number hasn't crossed as one
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    is_array = numpy and isinstance(value, (numpy.generic, numpy.ndarray))
    is_tensor = torch and isinstance(value, torch.Tensor)
    if (is_array or is_tensor) and value.ndim == 0:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, (numbers.Real, Decimal)):
        return None
    try:
        return float(value)
    except OverflowError:
        return float("inf")
    except (ValueError, ArithmeticError):
        return float("nan")


def _is_quiet(source: str) -> bool:
    """Return whether a semicolon ends the cell, comments aside, as IPython asks it."""
    skipped = {
        tokenize.ENDMARKER,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.COMMENT,
        tokenize.INDENT,
        tokenize.DEDENT,
    }
    last = ""
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type not in skipped:
                last = token.string
    except (tokenize.TokenError, SyntaxError):
        return False
    return last == ";"
