"""Find what a test can't do because student code runs in another process.

Test cells reach the student's work in two ways, both by plain value: they read a variable or
call a function. Whatever needs the object itself (a class, its identity, a side effect on an
argument) goes through a `@probe` in a read-only cell. This linter reads the source notebook and
reports each place that relies on anything else.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from nbformat import NotebookNode

from autograder import notebook_metadata
from autograder.authoring.catalogs import hint_texts
from autograder.authoring.problem import CellProblem
from autograder.core.bindings import BUILTINS, Names, bound_in, names_of, probes_in, used_in
from autograder.core.hidden_tests import hidden_lines
from autograder.core.notebook_io import grader_metadata, is_solution, is_test
from autograder.sandbox.off_limits import is_within

_INTROSPECTION = {
    "inspect", "gc", "sys", "ctypes", "get_ipython", "globals", "locals", "vars", "eval", "exec",
    "id", "compile", "__import__", "setattr", "delattr",
}  # fmt: skip  # one name per line would fill half a page


_COLLECTIONS = (ast.Tuple, ast.List, ast.Set, ast.Dict)


def lint(notebook: NotebookNode, off_limits: Sequence[str] = ()) -> list[CellProblem]:
    """Return every place in a source notebook that can't work across the trust boundary.

    Args:
        notebook: the source notebook.
        off_limits: modules that student code can't import in this assignment.
    """
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
        found.extend(
            CellProblem(cell.id, f"imports {name}, which is off-limits; only hidden tests can")
            for name in _imported_where_students_run(cell, tree)
            if is_within(name, off_limits)
        )
    found.extend(_unmarked_choice_questions(cells, notebook_metadata.used_in(notebook)))
    return found


def _imported_where_students_run(cell: NotebookNode, tree: ast.Module) -> Iterator[str]:
    """Yield the modules that a cell imports in a student's process or kernel."""
    hidden = hidden_lines(cell.source) if is_test(cell) else set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import) and node.lineno not in hidden:
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.lineno not in hidden:
            yield from (f"{node.module}.{name.name}" for name in node.names)


def _unmarked_choice_questions(
    cells: list[tuple[NotebookNode, ast.Module]], key: str
) -> Iterator[CellProblem]:
    """Yield tests of questions with few possible answers that aren't marked as such.

    Students who see the result of each submission can find the answer by trying them all, so
    feedback withholds the result until the due date if the test is marked.
    """
    answers: dict[str, object] = {}
    for cell, tree in cells:
        if is_solution(cell):
            answers |= _constant_answers(tree)
    for cell, tree in cells:
        if not is_test(cell) or "choice" in notebook_metadata.entries(cell):
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
                f'marked: add {{"{key}": {{"choice": true}}}} to its metadata, so that its '
                "result is withheld until the due date, or false if trying them all reveals "
                "nothing",
            )


def _constant_answers(tree: ast.Module) -> dict[str, object]:
    """Return each name's value, for an answer that only assigns constants; else nothing."""
    found: dict[str, object] = {}
    for node in tree.body:
        if not (isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)):
            return {}
        found |= {one.id: node.value.value for one in node.targets if isinstance(one, ast.Name)}
    return found


def _is_one_of_few(answer: object) -> bool:
    return isinstance(answer, bool) or (isinstance(answer, str) and len(answer) == 1)


def _is_compared_with_few(name: str, tree: ast.Module) -> bool:
    """Return whether a test asks if the name's value is in a collection that it writes out."""
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
    for name in sorted(used_in(cell.source) & (names.tests - names.students - names.read_only)):
        if name not in bound_in(tree) and name not in BUILTINS:
            yield f"uses {name}, which only a test cell binds; define it in a read-only cell"
    for name in sorted(bound_in(tree) & (BUILTINS | names.read_only)):
        # Builtins and read-only cells' names shadow the student's, so no test could reach it.
        yield f"binds {name}, which is a builtin or a read-only cell's name; choose another name"


def _read_only_cell_problems(cell: NotebookNode, tree: ast.Module, names: Names) -> Iterator[str]:
    probes = [node for node, _fresh in probes_in(tree)]
    rest = ast.Module([node for node in tree.body if node not in probes], type_ignores=[])
    used = used_in(ast.unparse(ast.fix_missing_locations(rest)))
    for name in sorted(used & names.students):
        yield (
            f"uses {name}, the student's, in a read-only cell; move the use into a @probe or a test"
        )
    for probe in probes:
        body = ast.unparse(probe)
        for name in sorted(used_in(body) & (names.tests - names.students - names.read_only)):
            yield f"the probe {probe.name} uses {name}, which only a test cell binds; pass it in"


def _test_problems(cell: NotebookNode, tree: ast.Module, names: Names) -> Iterator[str]:
    for name in sorted(bound_in(tree) & names.students):
        yield f"binds {name}, the student's name; a test must not change the student's work"
    for name in sorted(bound_in(tree) & names.read_only):
        yield f"binds {name}, which a read-only cell binds; choose another name"
    yield from _use_problems(tree, names)
    yield from _expect_problems(tree)
    yield from _shape_problems(cell, tree)


def _use_problems(tree: ast.Module, names: Names) -> Iterator[str]:
    """Yield problems with how a test uses the student's names and what it passes to them."""
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    local = {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
    }
    remote = names.functions | names.probes
    # `expect(f, 1)` makes the call itself.
    called |= {id(call.args[0]) for call in _calls_of_expect(tree) if call.args}
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
            and (called_here := _call(node.value, remote))
            and id(node) not in expected_to_raise
        ):
            yield (
                f"calls {called_here[0]} for its side effects, which don't cross; "
                "check what it returns"
            )
        elif isinstance(node, (ast.Assign, ast.AugAssign, ast.Delete)):
            targets = [node.target] if isinstance(node, ast.AugAssign) else node.targets
            for name in sorted(_roots(targets) & names.students):
                yield f"changes {name}, the student's value, of which it has a copy only"
        elif isinstance(node, ast.Compare) and any(
            isinstance(op, (ast.Is, ast.IsNot)) for op in node.ops
        ):
            sides = [node.left, *node.comparators]
            if not any(isinstance(side, ast.Constant) for side in sides):
                yield "compares identity with `is`; values cross as copies, so compare with =="
        if passed := _call(node, remote):
            name, call = passed
            for argument in [*call.args, *(word.value for word in call.keywords)]:
                if isinstance(argument, (ast.Lambda, ast.GeneratorExp)) or (
                    isinstance(argument, ast.Name) and argument.id in local
                ):
                    yield f"passes a function to {name}; only plain values can cross"


def _calls_of_expect(tree: ast.AST) -> list[ast.Call]:
    return [called[1] for node in ast.walk(tree) if (called := _call(node, {"expect"}))]


def _expect_problems(tree: ast.Module) -> Iterator[str]:
    """Yield what is wrong with hints, and with what a test can't find out."""
    for call in _calls_of_expect(tree):
        for word in call.keywords:
            if word.arg == "hints" and len(hint_texts(call)) != len(
                getattr(word.value, "elts", [0])
            ):
                yield "has hints for expect that aren't written out as pairs of a result and a text"
        if not all(isinstance(text, ast.Constant) for text in hint_texts(call)):
            yield "has a hint whose text isn't a literal, so it can't be translated"
        if any(isinstance(one, ast.Starred) for one in call.args[:1]):
            yield "calls expect with a function that isn't written out"
    for node in ast.walk(tree):
        if _call(node, {"written_here"}):
            yield (
                "uses written_here, which can't see into the student's process; name the modules "
                "in the setting off-limits"
            )


def _call(node: ast.AST, names: set[str]) -> tuple[str, ast.Call] | None:
    """Return the name and the call if a node calls one of `names`."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
        return node.func.id, node
    return None


def _roots(targets: Sequence[ast.expr]) -> set[str]:
    """Return the names whose parts are assigned to: `x` in `x.a = 1` and `x[0] += 1`."""
    found = set()
    for target in targets:
        node = target
        while isinstance(node, (ast.Attribute, ast.Subscript)):
            node = node.value
        if isinstance(node, ast.Name) and node is not target:
            found.add(node.id)
    return found


def _shape_problems(cell: NotebookNode, tree: ast.Module) -> Iterator[str]:
    """Yield problems with a test cell's structure: checks, asserts inside them, `report()` last."""
    last = tree.body[-1] if tree.body else None
    if not (isinstance(last, ast.Expr) and _call(last.value, {"report"})):
        yield "doesn't end with report()"
    if sum(_call(node, {"report"}) is not None for node in ast.walk(tree)) > 1:
        yield "calls report() more than once; only one report's checks have points"
    hidden = hidden_lines(cell.source)
    inside: set[int] = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.With):
            continue
        for _name, call in filter(
            None, (_call(item.context_expr, {"check"}) for item in node.items)
        ):
            inside |= {id(part) for part in ast.walk(node)}
            if not (call.args and isinstance(call.args[0], ast.Constant)):
                yield "has a check whose name isn't a literal text, so it can't be translated"
            is_hidden = any(
                word.arg == "hidden" and getattr(word.value, "value", False) is True
                for word in call.keywords
            )
            if is_hidden and any(map(hint_texts, _calls_of_expect(node))):
                yield "has hints for expect in a hidden check, which shows none"
            if is_hidden and node.lineno not in hidden:
                yield "has a hidden check outside BEGIN/END HIDDEN TESTS: students would get it"
            if not is_hidden and node.lineno in hidden:
                yield "has a check in its hidden part without hidden=True: it would reveal values"
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert) and id(node) not in inside:
            yield "asserts outside a check, so the assertion earns no points"
        elif _call(node, {"expect"}) and id(node) not in inside:
            yield "expects something outside a check, so it earns no points"
