"""What a test can't do once student code runs in another process, said to its author now.

Test cells reach the student's work in two ways: the value of a variable and a call of a
function, both by plain value. Whatever needs the object itself (a class, an identity, a side
effect on an argument) goes through a `@probe` in a read-only cell. This lint reads the
instructor's notebook and names each place that would not survive the boundary.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nbformat import NotebookNode

from autograder.authoring.problem import CellProblem
from autograder.core.bindings import BUILTINS, Names, bound_in, names_of, probes_in, used_in
from autograder.core.hidden_tests import hidden_lines
from autograder.core.notebook_io import course_metadata, grader_metadata, is_solution, is_test

_INTROSPECTION = {
    "inspect", "gc", "sys", "ctypes", "get_ipython", "globals", "locals", "vars", "eval", "exec",
    "id", "compile", "__import__", "setattr", "delattr",
}  # fmt: skip


_COLLECTIONS = (ast.Tuple, ast.List, ast.Set, ast.Dict)


def lint(notebook: NotebookNode) -> list[CellProblem]:
    """Everything in an instructor's notebook that would not survive the trust boundary."""
    found: list[CellProblem] = []
    cells = []
    for cell in notebook.cells:
        if cell.cell_type != "code" or not grader_metadata(cell):
            continue
        try:
            cells.append((cell, ast.parse(cell.source)))
        except SyntaxError as error:
            found.append(CellProblem(cell.id, f"isn't plain Python (line {error.lineno})"))
    names = names_of(cells)
    for cell, tree in cells:
        if is_solution(cell):
            texts = _solution_problems(cell, tree, names)
        elif is_test(cell):
            texts = _test_problems(cell, tree, names)
        else:
            texts = _read_only_cell_problems(cell, tree, names)
        found.extend(CellProblem(cell.id, text) for text in dict.fromkeys(texts))
    found.extend(_unmarked_choice_questions(cells))
    return found


def _unmarked_choice_questions(
    cells: list[tuple[NotebookNode, ast.Module]],
) -> Iterator[CellProblem]:
    """Questions with a few possible answers whose test doesn't say whether they are that.

    Whoever sees the outcome of each hand-in solves such a question by trial, so feedback holds
    it back until the due date where the test is marked.
    """
    answers: dict[str, object] = {}
    for cell, tree in cells:
        if is_solution(cell):
            answers |= _constant_answers(tree)
    for cell, tree in cells:
        if not is_test(cell) or "choice" in course_metadata(cell):
            continue
        used = used_in(cell.source)
        names = [
            name
            for name in sorted(used & answers.keys())
            if _is_one_of_few(answers[name]) or _is_compared_with_few(name, tree)
        ]
        if names:
            yield CellProblem(
                cell.id,
                f"judges {', '.join(names)}, which has only a few possible answers, and isn't "
                'marked: add {"beyond": {"choice": true}} to its metadata, so that its outcome is '
                "held back until the due date, or false if trying them all gives nothing away",
            )


def _constant_answers(tree: ast.Module) -> dict[str, object]:
    """What each name is at last, for an answer that is nothing but constants."""
    found: dict[str, object] = {}
    for node in tree.body:
        if not (isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)):
            return {}
        found |= {one.id: node.value.value for one in node.targets if isinstance(one, ast.Name)}
    return found


def _is_one_of_few(answer: object) -> bool:
    return isinstance(answer, bool) or (isinstance(answer, str) and len(answer) == 1)


def _is_compared_with_few(name: str, tree: ast.Module) -> bool:
    """Whether a test asks if the name's value is one of a list that the test writes out."""
    lists = {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, _COLLECTIONS)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if not (
            isinstance(node, ast.Compare)
            and any(isinstance(op, (ast.In, ast.NotIn)) for op in node.ops)
        ):
            continue
        if name not in used_in(ast.unparse(node.left)):
            continue
        if any(
            isinstance(side, _COLLECTIONS) or (isinstance(side, ast.Name) and side.id in lists)
            for side in node.comparators
        ):
            return True
    return False


def _solution_problems(cell: NotebookNode, tree: ast.Module, names: Names) -> Iterator[str]:
    for name in sorted(used_in(cell.source) & (names.tests - names.students - names.given)):
        if name not in bound_in(tree) and name not in BUILTINS:
            yield f"uses {name}, which only a test cell binds; define it in a read-only cell"
    for name in sorted(bound_in(tree) & (BUILTINS | names.given)):
        # Builtins and given names win over the student's, so a test could never reach it.
        yield f"binds {name}, which is a builtin or a given name; choose another name"


def _read_only_cell_problems(cell: NotebookNode, tree: ast.Module, names: Names) -> Iterator[str]:
    probes = [node for node, _fresh in probes_in(tree)]
    rest = ast.Module([node for node in tree.body if node not in probes], type_ignores=[])
    used = used_in(ast.unparse(ast.fix_missing_locations(rest)))
    for name in sorted(used & names.students):
        yield f"uses {name}, the student's, in given code; move the use into a @probe or a test"
    for probe in probes:
        body = ast.unparse(probe)
        for name in sorted(used_in(body) & (names.tests - names.students - names.given)):
            yield f"the probe {probe.name} uses {name}, which only a test cell binds; pass it in"


def _test_problems(cell: NotebookNode, tree: ast.Module, names: Names) -> Iterator[str]:
    for name in sorted(bound_in(tree) & names.students):
        yield f"binds {name}, the student's name; a test must not change the student's work"
    for name in sorted(bound_in(tree) & names.given):
        yield f"binds {name}, which a read-only cell gives; choose another name"
    yield from _use_problems(tree, names)
    yield from _shape_problems(cell, tree)


def _use_problems(tree: ast.Module, names: Names) -> Iterator[str]:
    """How a test uses the student's names and what it passes to them."""
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    local = {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
    }
    remote = names.functions | names.probes
    # `try: f(-1)` asks whether it raises, and exceptions do cross.
    expected_to_raise = {
        id(line) for node in ast.walk(tree) if isinstance(node, ast.Try) for line in node.body
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            if node.id in names.classes:
                yield f"uses the student's class {node.id}; ask what it does through a @probe"
            elif node.id in remote and id(node) not in called:
                yield f"passes {node.id} itself; only its results can cross, so call it"
            elif node.id in _INTROSPECTION:
                yield f"uses {node.id}, which can't see into the student's process"
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            modules = [name.name for name in node.names] + [getattr(node, "module", None) or ""]
            for module in sorted({name.split(".")[0] for name in modules} & _INTROSPECTION):
                yield f"uses {module}, which can't see into the student's process"
        elif (
            isinstance(node, ast.Expr)
            and _calls(node.value, remote)
            and id(node) not in expected_to_raise
        ):
            yield (
                f"calls {node.value.func.id} for an effect; effects on arguments don't cross, "
                "so look at what it returns"
            )
        elif isinstance(node, (ast.Assign, ast.AugAssign, ast.Delete)):
            targets = node.targets if hasattr(node, "targets") else [node.target]
            for name in sorted(_roots(targets) & names.students):
                yield f"changes {name}, the student's value; the change stays on this side"
        elif isinstance(node, ast.Compare) and any(
            isinstance(op, (ast.Is, ast.IsNot)) for op in node.ops
        ):
            sides = [node.left, *node.comparators]
            if not any(isinstance(side, ast.Constant) for side in sides):
                yield "compares identity with `is`; values cross as copies, so compare with =="
        if _calls(node, remote):
            for argument in [*node.args, *(word.value for word in node.keywords)]:
                if isinstance(argument, (ast.Lambda, ast.GeneratorExp)) or (
                    isinstance(argument, ast.Name) and argument.id in local
                ):
                    yield f"passes a function to {node.func.id}; only plain values can cross"


def _calls(node: ast.AST, names: set[str]) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names


def _roots(targets: list[ast.expr]) -> set[str]:
    """The names whose parts are assigned to: `x` in `x.a = 1`, `x[0] += 1`."""
    found = set()
    for target in targets:
        node = target
        while isinstance(node, (ast.Attribute, ast.Subscript)):
            node = node.value
        if isinstance(node, ast.Name) and node is not target:
            found.add(node.id)
    return found


def _shape_problems(cell: NotebookNode, tree: ast.Module) -> Iterator[str]:
    """How a test cell is built: checks with literal names, asserts inside them, `report()` last."""
    last = tree.body[-1] if tree.body else None
    if not (isinstance(last, ast.Expr) and _calls(last.value, {"report"})):
        yield "doesn't end with report()"
    if sum(_calls(node, {"report"}) for node in ast.walk(tree)) > 1:
        yield "calls report() more than once; only one report's checks have points"
    hidden = hidden_lines(cell.source)
    inside: set[int] = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.With):
            continue
        calls = [item.context_expr for item in node.items if _calls(item.context_expr, {"check"})]
        for call in calls:
            inside |= {id(part) for part in ast.walk(node)}
            if not (call.args and isinstance(call.args[0], ast.Constant)):
                yield "has a check whose name isn't a literal text, so it can't be translated"
            is_hidden = any(
                word.arg == "hidden" and getattr(word.value, "value", False) is True
                for word in call.keywords
            )
            if is_hidden and node.lineno not in hidden:
                yield "has a hidden check outside BEGIN/END HIDDEN TESTS: students would get it"
            if not is_hidden and node.lineno in hidden:
                yield "has a check in its hidden part that isn't hidden=True: it would tell values"
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert) and id(node) not in inside:
            yield "asserts outside a check, so the assert has no part of the points"
