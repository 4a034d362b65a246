"""Every shipped test cell says the same in one ordinary kernel and split across the boundary.

Over the instructor's solution, an untouched notebook and mutated solutions.
"""

import ast
import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from autograder.authoring.build import handout_files
from autograder.authoring.dry_run import execute
from autograder.config import Course
from autograder.core import notebook_io
from autograder.grading.result import graded_cells
from autograder.intake.rebuild import make_release, make_template, rebuild, trusted_submission
from tests.one_job import execute as execute_split
from tests.source.edge_deployment_submissions import QUICK_EXPORT

COURSE = Course.here()
MUTANTS = 5
QUICKER = {"edge-deployment": {"export": QUICK_EXPORT.strip()}}
"""Answers that do the same without the seconds that the instructor's take: in all submissions but
the solution itself, and the mutants that change this very answer."""


class Mutation(ast.NodeTransformer):
    """Change one place of a program: a number, a text, an operator, a comparison or a result."""

    def __init__(self, place: int) -> None:
        self.place = place
        self.seen = 0

    def _here(self) -> bool:
        self.seen += 1
        return self.seen - 1 == self.place

    def visit_Constant(self, node):
        if isinstance(node.value, bool) or node.value is None or not self._here():
            return node
        if isinstance(node.value, (int, float)):
            return ast.copy_location(ast.Constant(node.value + 1), node)
        if isinstance(node.value, str) and len(node.value) == 1:
            return ast.copy_location(ast.Constant("B" if node.value != "B" else "C"), node)
        return node

    def visit_BinOp(self, node):
        self.generic_visit(node)
        if self._here():
            node.op = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
        return node

    def visit_Compare(self, node):
        self.generic_visit(node)
        if self._here():
            node.ops = [ast.GtE() if isinstance(node.ops[0], ast.Lt) else ast.Lt()]
            node.comparators = node.comparators[:1]
        return node

    def visit_Return(self, node):
        self.generic_visit(node)
        return ast.copy_location(ast.Return(ast.Constant(None)), node) if self._here() else node


def solved(assignment):
    """The released notebook with the instructor's solutions in its answer cells."""
    work = make_release(COURSE, assignment, assignment, "en")
    source_notebook = notebook_io.read(COURSE.source("en") / assignment / f"{assignment}.ipynb")
    sources = {cell.id: cell.source for cell in source_notebook.cells}
    for cell in work.cells:
        if notebook_io.is_solution(cell) and cell.cell_type == "code":
            cell.source = sources[cell.id]
    return work


def quickened(assignment, work, changed=()):
    """The same with quicker answers, but for those that are changed."""
    for cell in work.cells:
        if cell.id not in changed:
            cell.source = QUICKER.get(assignment, {}).get(cell.id, cell.source)
    return work


def with_default_dtype(assignment):
    """The solutions, with a setting left that holds for the tests, too."""
    work = quickened(assignment, solved(assignment))
    first = next(c for c in work.cells if notebook_io.is_solution(c) and c.cell_type == "code")
    first.source += "\ntorch.set_default_dtype(torch.float64)"
    return work


def mutated(assignment, number):
    work = solved(assignment)
    answers = [c for c in work.cells if notebook_io.is_solution(c) and c.cell_type == "code"]
    chooser = random.Random(f"{assignment}/{number}")
    # A quiz's answers are one constant each, so change several cells at a time.
    chosen = chooser.sample(answers, k=min(len(answers), 1 + number % 3))
    for cell in chosen:
        places = Mutation(-1)
        places.visit(ast.parse(cell.source))
        tree = Mutation(chooser.randrange(max(1, places.seen))).visit(ast.parse(cell.source))
        cell.source = ast.unparse(ast.fix_missing_locations(tree))
    return quickened(assignment, work, {cell.id for cell in chosen})


def submissions(assignment):
    yield "solution", solved(assignment)
    yield "untouched", make_release(COURSE, assignment, assignment, "en")
    if any("import torch" in cell.source for cell in solved(assignment).cells):
        yield "another default", with_default_dtype(assignment)
    for number in range(MUTANTS):
        yield f"mutant {number}", mutated(assignment, number)


@pytest.mark.parametrize("assignment", COURSE.assignments())
def test_one_kernel_and_two_sides_agree(assignment):
    base = make_template(COURSE, assignment, assignment, "en")
    given = make_release(COURSE, assignment, assignment, "en")
    source_notebook = notebook_io.read(COURSE.source("en") / assignment / f"{assignment}.ipynb")
    folder = COURSE.source("en") / assignment
    files = {path.name: path.read_bytes() for path in handout_files(folder)}
    works = {
        name: rebuild(base, given, trusted_submission(base, given, work))[0]
        for name, work in submissions(assignment)
    }

    def in_one_kernel(work):
        return graded_cells(execute(COURSE, work, folder, source_notebook))

    with ThreadPoolExecutor(2) as kernels:  # a kernel mostly starts and imports, on one core
        in_one = dict(zip(works, kernels.map(in_one_kernel, works.values()), strict=True))
    scores = set()
    for name, work in works.items():
        run = execute_split(
            work, source_notebook, assignment=assignment, files=files, given_files=tuple(files)
        )
        split = graded_cells(run.notebook)
        assert split == in_one[name], name
        scores.add(sum(one.points or 0.0 for one in split))  # a person gives the others
    assert len(scores) > 2, "the mutants changed nothing"
