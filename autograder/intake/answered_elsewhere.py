"""Tell whether a student has answered above an answer cell, so that its stub undoes nothing.

People collect their functions in one cell at the top, or merge two answer cells into one. The
stub that stands, or is put back, below would bind the same names again, to nothing.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable

from autograder.core.bindings import bound_in, parsed

_DEFINED = re.compile(r"\s*(?:async\s+)?(?:def|class)\s+(\w+)")
_IMPORTED = re.compile(r"\s*(?:from\s+[\w.]+\s+)?import\b(.*)")
_ASSIGNED = re.compile(r"\s*\(?([^()=\n]*?)[-+*/%&|^@<>]{0,2}=(?!=)")
_WORD = re.compile(r"[^\W\d]\w*")
_LONGEST_LINE = 2_000


def bound_by(sources: Iterable[str]) -> set[str]:
    """Return the names that students' code may bind, near enough: it is never parsed here.

    Args:
        sources: of code cells.
    """
    found: set[str] = set()
    for source in sources:
        found |= _bound_in_source(source)
    return found


def bound_by_stub(stub: str) -> set[str]:
    """Return the names that an answer cell binds as it was given; none if it isn't plain Python."""
    try:
        return bound_in(parsed(stub))
    except (SyntaxError, ValueError):
        return set()


def _bound_in_source(source: str) -> set[str]:
    """Return the names that the lines outside of functions and classes may bind."""
    found: set[str] = set()
    inside: int | None = None  # the indent of the function or class that the lines belong to
    for line in source.splitlines():
        indent = len(line) - len(line.lstrip())
        if indent == len(line) or (inside is not None and indent > inside):
            continue
        inside = None
        if defined := _DEFINED.match(line):
            found.add(defined[1])
            inside = indent
        elif imported := _IMPORTED.match(line):
            found.update(_WORD.findall(imported[1]))
        elif assigned := _ASSIGNED.match(line[:_LONGEST_LINE]):
            found.update(_WORD.findall(assigned[1]))
    return found


def without_bound(stub: str, bound: set[str]) -> str:
    """Return a stub without the statements that bind only names which are bound already.

    Args:
        stub: the instructor's; what isn't plain Python stays as it is.
        bound: the names.
    """
    try:
        tree = parsed(stub)
    except (SyntaxError, ValueError):
        return stub
    lines = stub.split("\n")
    for node in reversed(tree.body):
        names = bound_in(ast.Module(body=[node], type_ignores=[]))
        if names and names <= bound:
            decorators = getattr(node, "decorator_list", [])
            first = min([node.lineno, *(one.lineno for one in decorators)])
            del lines[first - 1 : node.end_lineno]
    kept = "\n".join(lines)
    if kept == stub:
        return stub
    return "" if not parsed(kept).body else kept.strip("\n")
