"""Analyze the hidden part of a test cell's source, before anything runs."""

from __future__ import annotations

import ast

from autograder.core.bindings import bound_in, used_in
from autograder.core.hidden_tests import hidden_lines


def string_literals_in(tree: ast.Module) -> set[str]:
    """Return the string literals of a cell, as the names of its checks should be."""
    found: set[str] = set()
    nodes: list[ast.AST] = [tree]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Constant):
            if isinstance(node.value, str):
                found.add(node.value)
        elif not isinstance(node, ast.JoinedStr):
            nodes.extend(ast.iter_child_nodes(node))
    return found


def is_independent(tree: ast.Module, source: str) -> bool:
    """Return whether a test cell's hidden lines leave its visible checks alone.

    They do if each is part of a statement that is hidden as a whole, and no visible check that
    follows uses a name that such a statement changes. An assert that is hidden inside a
    visible check isn't independent, nor is a number that is hidden in a list of cases.

    Args:
        tree: the cell's syntax tree.
        source: the text that the tree was made from.
    """
    hidden, lines = hidden_lines(source), source.split("\n")
    unseen: list[ast.stmt] = []
    visible: list[ast.stmt] = []
    follows = False
    for node in tree.body:
        first = min(one.lineno for one in (node, *getattr(node, "decorator_list", ())))
        inside = {
            number
            for number in range(first, (node.end_lineno or first) + 1)
            if lines[number - 1].strip()
        }
        if inside <= hidden:
            unseen.append(node)
        elif inside & hidden:
            return False
        else:
            visible.append(node)
            follows = follows or bool(unseen and not _is_report(node))
    if not follows:  # as in nearly every test
        return True
    changed = set().union(*map(_changed_in, unseen))
    return not any(changed & _used_in(node) for node in visible)


def _used_in(statement: ast.stmt) -> set[str]:
    """Return the names that a statement takes from others."""
    module = ast.Module([statement], type_ignores=[])
    return used_in(ast.unparse(module)) - bound_in(module)


def _changed_in(statement: ast.stmt) -> set[str]:
    """Return the names that a statement binds, assigns to a part of, or calls a method of."""
    found = bound_in(ast.Module([statement], type_ignores=[]))
    for node in ast.walk(statement):
        if isinstance(node, (ast.Attribute, ast.Subscript)) and not isinstance(node.ctx, ast.Load):
            found |= _root(node)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            found |= _root(node.value.func)
    return found


def _root(node: ast.expr) -> set[str]:
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return {node.id} if isinstance(node, ast.Name) else set()


def _is_report(node: ast.stmt) -> bool:
    called = node.value if isinstance(node, ast.Expr) else None
    return isinstance(called, ast.Call) and _root(called) == {"report"}
