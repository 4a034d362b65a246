"""Each test can fail: it checks something, and what it checks isn't swallowed or skipped.

Read from the syntax tree. That a check is also a good one, only a reader or a broken program shows.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent

# What checks although its name doesn't begin with "assert": pytest's and Playwright's own ways.
CHECKING = {"raises", "warns", "fail", "expect"}
HELPERS = {
    "holds": "tests/attacks/conftest.py and test_instructors_faults.py: what an attack comes to",
    "_leave_and_find": "asserts what the next submission finds",
}
WITHOUT_A_CHECK = {
    "autograder/intake/test_identify.py::test_any_json_is_examined": "no exception is the point",
    "beyond/cost/test_charts.py::test_break_even_chart_draws_when_everything_is_free": (
        "matplotlib raises on an axis without an extent"
    ),
    "beyond/test_old_names.py::test_a_name_of_before_is_there": "`getattr` raises",
    "env/test_environment.py::test_a_finished_environment_needs_no_right_to_write": (
        "`ensure` raises where it needs the right, as the test before shows"
    ),
    "autograder/feedback/test_sanitize.py::test_pathological_sources_are_done_soon": (
        "hangs where it fails"
    ),
}
"""Tests whose only check is that nothing raises, and why that is one."""

CATCH_ASSERTIONS = {"AssertionError", "Exception", "BaseException"}


def parsed(source: str) -> ast.Module:
    return ast.parse(source)


def name_of(called: ast.expr) -> str:
    """Return the last part of what is called: `raises` of `pytest.raises`."""
    if isinstance(called, ast.Attribute):
        return called.attr
    return called.id if isinstance(called, ast.Name) else ""


def functions_under_test(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node


def checks(node: ast.AST, checkers: set[str]) -> Iterator[ast.AST]:
    """Yield what can fail in a piece of code, apart from what an `except` clause holds."""
    if isinstance(node, ast.ExceptHandler):
        return
    if isinstance(node, ast.Assert) or (
        isinstance(node, ast.Call)
        and (name_of(node.func) in checkers or name_of(node.func).startswith("assert_"))
    ):
        yield node
    if isinstance(node, ast.Call) and any(
        word.arg == "check" and getattr(word.value, "value", None) is True for word in node.keywords
    ):
        yield node  # subprocess.run(…, check=True)
    for child in ast.iter_child_nodes(node):
        yield from checks(child, checkers)


def checkers_in(tree: ast.Module) -> set[str]:
    """Return the functions of a file that check, or call one that does."""
    found = CHECKING | set(HELPERS)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    while True:
        more = {one.name for one in functions if next(checks(one, found), None)} - found
        if not more:
            return found
        found = found | more


def catches_assertions(handler: ast.ExceptHandler) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or name_of(kind) in CATCH_ASSERTIONS for kind in kinds)


def faults(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield each test that can't fail by what it checks, and why."""
    checkers = checkers_in(tree)
    for test in functions_under_test(tree):
        if next(checks(test, checkers), None) is None:
            yield test.name, "checks nothing, or only where an exception was caught"
        for node in ast.walk(test):
            if isinstance(node, ast.Try) and any(map(catches_assertions, node.handlers)):
                if any(next(checks(one, {"fail"}), None) for one in node.body):
                    yield test.name, "catches its own failure"
            elif isinstance(node, ast.With):
                swallowed = {
                    name_of(kind)
                    for item in node.items
                    if isinstance(item.context_expr, ast.Call)
                    and name_of(item.context_expr.func) == "suppress"
                    for kind in item.context_expr.args
                }
                if swallowed & CATCH_ASSERTIONS:
                    yield test.name, "suppresses its own failure"
        for decorator in test.decorator_list:
            if isinstance(decorator, ast.Call) and name_of(decorator.func) == "parametrize":
                values = decorator.args[1]
                if isinstance(values, (ast.List, ast.Tuple)) and not values.elts:
                    yield test.name, "has no case"


def test_every_test_can_fail() -> None:
    found = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        for name, why in faults(parsed(path.read_text(encoding="utf-8"))):
            found[f"{path.relative_to(TESTS).as_posix()}::{name}"] = why
    assert found.keys() - WITHOUT_A_CHECK.keys() == set(), found
    assert WITHOUT_A_CHECK.keys() - found.keys() == set(), "these need no exception any more"


@pytest.mark.parametrize(
    "body",
    [
        "pass",
        "function()",
        "try:\n        f()\n    except ValueError as error:\n        assert str(error)",
        "try:\n        assert f()\n    except Exception:\n        pass",
        "try:\n        assert f()\n    except (OSError, AssertionError):\n        pass",
        "with suppress(AssertionError):\n        assert f()",
    ],
)
def test_one_that_cannot_is_found(body: str) -> None:
    assert list(faults(parsed(f"def test_it():\n    {body}\n")))


def test_one_without_a_case_is_found() -> None:
    source = "@pytest.mark.parametrize('x', [])\ndef test_it(x):\n    assert x\n"
    assert list(faults(parsed(source))) == [("test_it", "has no case")]


@pytest.mark.parametrize(
    "body",
    [
        "assert f()",
        "with pytest.raises(ValueError):\n        f()",
        "helper(f())",
        "expect(page).to_be_visible()",
        "subprocess.run(command, check=True)",
        "try:\n        f()\n    except OSError:\n        g()\n    assert f()",
        "torch.testing.assert_close(f(), g())",
    ],
)
def test_one_that_can_is_not(body: str) -> None:
    source = f"def helper(x):\n    assert x\n\ndef test_it():\n    {body}\n"
    assert list(faults(parsed(source))) == []
