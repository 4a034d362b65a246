"""The assignment on the gate: right work scores, each mistake costs what it deserves."""

from __future__ import annotations

import ast

import pytest

from autograder.authoring import sync
from autograder.authoring.dry_run import reference_cell
from autograder.authoring.lint import lint
from autograder.core import notebook_io
from autograder.grading.result import graded_cells
from tests.source.engine_grading import grading, points, records
from tests.source.moe_gate_submissions import (
    CHECKS,
    CONSTANTS,
    FITTING,
    FORGERIES,
    HONEST,
    MISTAKES,
    POINTS,
    RIGHT,
)

NAME = "moe-gate"


@pytest.fixture(scope="module")
def source_notebook(assignments):
    return assignments.source_notebook(NAME)


@pytest.fixture(scope="module")
def grade(source_notebook):
    return grading(NAME, source_notebook)


def test_points_and_cells(source_notebook, assignments):
    tests = assignments.tests(source_notebook)
    assert {name: assignments.grader(cell)["points"] for name, cell in tests.items()} == {
        **{f"{cell}-test": worth for cell, worth in POINTS.items()},
        "words": 3,
    }
    assert sum(POINTS.values()) == RIGHT


def test_korean_is_in_step(source_notebook, assignments):
    assert sync.differences(source_notebook, assignments.source_notebook(NAME, "ko"), "ko") == []


def test_the_tests_keep_to_the_trust_boundary(source_notebook):
    assert lint(source_notebook) == []


def test_the_solution_scores_everything_and_the_written_answer_waits(
    source_notebook, assignments, grade
):
    outcome = grade(assignments.solutions(source_notebook))
    assert points(outcome) == RIGHT
    assert {one.grade_id: one.points for one in graded_cells(outcome.notebook)}["words"] is None


def test_the_checks_listed_are_all_there_are(source_notebook, assignments, grade):
    for cell, checks in records(grade(assignments.solutions(source_notebook))).items():
        found = {(one["name"], one["weight"]) for one in checks}
        assert found == set(CHECKS[cell].values())


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_mistake_costs_the_checks_it_breaks(source_notebook, assignments, grade, mistake):
    one, right = MISTAKES[mistake], assignments.solutions(source_notebook)
    outcome = grade({**right, one.cell: one.answer(right[one.cell])})
    names = {name: short for checks in CHECKS.values() for short, (name, _) in checks.items()}
    broken = {
        cell: {names[check["name"]] for check in checks if not check["passed"]}
        for cell, checks in records(outcome).items()
    }
    assert {cell: checks for cell, checks in broken.items() if checks} == one.broken
    assert points(outcome) == pytest.approx(float(one.score))
    seen = [check for check in records(outcome)[one.cell] if not check["hidden"]]
    assert all(check["message"] for check in seen if not check["passed"])
    assert set(one.broken) == {one.cell}  # one slip costs nothing in another cell
    hints = [check["message"].partition("Hint: ")[2] for check in seen if not check["passed"]]
    assert not [hint for hint in hints if hint and not hint.startswith(FITTING.get(mistake, ()))]


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_mistake_costs_the_same_where_tests_and_answers_share_a_kernel(
    source_notebook, assignments, run, mistake
):
    """As in a student's own JupyterLab: what passes there must not depend on sharing objects."""
    one, right = MISTAKES[mistake], assignments.solutions(source_notebook)
    notebook = assignments.answered(source_notebook, {one.cell: one.answer(right[one.cell])})
    notebook.cells.insert(0, reference_cell(source_notebook))
    ran = run(notebook)
    failed = {cell: ran[f"{cell}-test"].failed for cell in CHECKS}
    assert {cell: names for cell, names in failed.items() if names} == {
        cell: {CHECKS[cell][short][0] for short in broken} for cell, broken in one.broken.items()
    }


@pytest.mark.parametrize(
    ("cell", "change", "said"),
    [
        ("gate", ("torch.softmax(scores, dim=-1)", "scores"), "apply the softmax"),
        ("gate", ("    return torch.softmax", "    torch.softmax"), "did you forget `return`"),
        ("top-k", ("if renormalize", "if True"), "when renormalize is False"),
        ("top-k", ("weights.sum(dim=-1, keepdim=True)", "weights.sum(dim=-1)"), "keepdim=True"),
        ("mixture", (" * weights[rows, places].unsqueeze(-1)", ""), "answer by its weight"),
        (
            "mixture",
            ("            answers =", "            with torch.no_grad():\n                answers ="),
            "no_grad()",
        ),
        ("balance-loss", ("probabilities.mean", "probabilities.softmax(-1).mean"), "already a soft"),
        ("balance-loss", ("experts * (fractions", "(fractions"), "by the number of experts"),
        ("balance-loss", ("chosen.flatten()", "chosen[:, :1].repeat(1, chosen.shape[1]).flatten()"),
         "All k choices"),
        ("balance-loss", (".sum()", ".sum().item()"), ".item() cut off"),
        ("balance-loss", ("probabilities.mean", "probabilities.detach().mean"), ".item() cut off"),
        ("capacity", ("torch.where(place <= capacity, queue, -1)", "(place <= capacity)"),
         "not True and False"),
        ("mixture", ("weights[rows, places].unsqueeze(-1)", "weights[rows, places]"),
         "One weight is for a whole row"),
        ("capacity", (".reshape(k, tokens).T", ".reshape(tokens, k)"), "then transpose"),
        ("layer", ("gate(tokens, self.router)", "torch.softmax(tokens @ self.router.T, dim=-1)"),
         "by their names"),
        ("layer", ("top_k(probabilities, self.k)", "probabilities.topk(self.k)"), "by their names"),
        ("layer", ("top_k(probabilities, self.k)", "top_k(probabilities, self.k, False)"),
         "to be renormalized"),
        ("layer", ("if self.factor is not None", "if False"), "Nothing was dropped"),
        ("layer", ("(x.shape), loss", "(x.shape), 0 * loss"), "expected 0.5134"),
        ("layer", ("        tokens =", "        torch.nothing_such\n        tokens ="), "no attribute"),
    ],
)  # fmt: skip  # a row a line
def test_a_visible_check_explains_a_likely_mistake(
    source_notebook, assignments, grade, cell, change, said
):
    right = assignments.solutions(source_notebook)
    assert right[cell].count(change[0]) == 1
    outcome = grade({**right, cell: right[cell].replace(*change)})
    seen = [check["message"] for check in records(outcome)[cell] if not check["hidden"]]
    assert [message for message in seen if said in message], seen


@pytest.mark.parametrize("slip", [".reshape(tokens, k)", ".view(tokens, k)"])
def test_a_line_viewed_the_wrong_way_round_isn_t_taken_for_one_that_changed_its_argument(
    source_notebook, assignments, grade, slip
):
    right = assignments.solutions(source_notebook)
    outcome = grade({**right, "capacity": right["capacity"].replace(".reshape(k, tokens).T", slip)})
    seen = {one["name"]: one for one in records(outcome)["capacity"] if not one["hidden"]}
    assert [name for name, one in seen.items() if one["passed"]] == [
        "the choices passed in stay as they were"
    ]
    assert all(
        "as [k, tokens], then transpose" in one["message"]
        for one in seen.values()
        if not one["passed"]
    )


def test_without_a_guard_for_no_tokens_each_check_explains_the_weight_of_a_row(
    source_notebook, assignments, grade
):
    """An expert without tokens raises in every check but where each one has some."""
    changed = assignments.solutions(source_notebook)["mixture"]
    changed = changed.replace("if len(rows):", "if True:").replace(".unsqueeze(-1)", "")
    outcome = grade({**assignments.solutions(source_notebook), "mixture": changed})
    seen = [one["message"] for one in records(outcome)["mixture"] if not one["hidden"]]
    raised = [message for message in seen if "RuntimeError" in message]
    assert len(raised) >= 3
    assert all("unsqueeze(-1)" in message for message in raised)


def test_a_visible_check_has_no_hint_for_every_failure_and_says_what_it_expected(
    source_notebook, assignments
):
    """A hint belongs to a result; what only asserts gives its reason."""
    for cell in assignments.tests(assignments.released(source_notebook)).values():
        for node in ast.walk(ast.parse(cell.source if cell.cell_type == "code" else "")):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "check":
                assert [word.arg for word in node.keywords] == []
            if isinstance(node, ast.Assert):
                assert node.msg is not None, ast.unparse(node)


def test_a_name_that_isn_t_there_gets_no_hint_about_numbers(source_notebook, assignments, grade):
    right = assignments.solutions(source_notebook)
    outcome = grade({**right, "balance-loss": "def balance_loss(*given):\n    return missing"})
    seen = [one["message"] for one in records(outcome)["balance-loss"] if not one["hidden"]]
    assert all("NameError" in one and "Hint" not in one for one in seen)


@pytest.mark.parametrize("language", ["en", "ko"])
def test_other_ways_to_be_right_score_everything(grade, language):
    assert points(grade(HONEST, language)) == RIGHT


def test_constants_of_the_right_shape_pass_no_check(grade):
    outcome = grade(CONSTANTS)
    assert not [one for checks in records(outcome).values() for one in checks if one["passed"]]
    assert points(outcome) == 0


@pytest.mark.parametrize("language", ["en", "ko"])
def test_an_untouched_notebook_scores_nothing_and_stops_nowhere(grade, language):
    outcome = grade({}, language)
    assert points(outcome) == 0
    for cell in outcome.notebook.cells:
        outputs = cell.get("outputs", [])
        assert not [one for one in outputs if one.output_type == "error"], cell.id
    assert not any(one.answered for one in graded_cells(outcome.notebook))


def test_what_korean_students_read_stays_korean_after_the_reference_was_asked(
    source_notebook, assignments, grade
):
    outcome = grade(assignments.solutions(source_notebook), "ko")
    for cell in outcome.notebook.cells:
        if notebook_io.is_test(cell):
            [output] = cell.outputs
            assert "개 통과" in output.data["text/plain"]


@pytest.mark.parametrize("forgery", FORGERIES)
def test_what_a_submission_says_of_itself_earns_nothing(
    source_notebook, assignments, grade, forgery
):
    cell, source, broken = FORGERIES[forgery]
    outcome = grade({**assignments.solutions(source_notebook), cell: source})
    failed = {
        name: {one["name"] for one in checks if not one["passed"]}
        for name, checks in records(outcome).items()
    }
    assert {name: found for name, found in failed.items() if found} == {
        name: {CHECKS[name][short][0] for short in shorts} for name, shorts in broken.items()
    }


def test_hidden_failures_tell_nothing(source_notebook, assignments, grade):
    answers = assignments.solutions(source_notebook)
    answers["gate"] = (
        "def gate(x, router):\n    print('seen', x)\n    raise RuntimeError(f'seen {x}')"
    )
    outcome = grade(answers)
    hidden = [check for check in records(outcome)["gate"] if check["hidden"]]
    assert len(hidden) == 2 and not any(check["message"] for check in hidden)


def test_the_release_has_neither_solutions_nor_hidden_tests(source_notebook, assignments):
    text = str(assignments.released(source_notebook).cells)
    assert text.count("# YOUR CODE HERE") == len(POINTS) + 1  # the layer has two methods
    for told in (
        "index_add_(0",
        "cumsum",
        "hidden=",
        "HIDDEN",
        "seeded(",
        "reference.",
        "residual",
    ):
        assert told not in text
        assert told in str(source_notebook.cells)
