"""Folds: what opens one says what is in it, so no two of a lesson are called the same."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

import nbformat
import pytest

from autograder.core.plain_python import plain_python

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
USUAL = {"Hint", "Solution", "Answer", "힌트", "풀이", "답"}
SAYS_NOTHING = {"Interpretation", "Explanation", "Details", "More", "해석", "설명", "더 보기"}
LESSONS = [
    path.relative_to(NOTEBOOKS).with_suffix("").as_posix()
    for code in ("en", "ko")
    for path in sorted((NOTEBOOKS / code).glob("*.ipynb"))
]


@pytest.mark.parametrize("lesson", LESSONS)
def test_no_two_interpretations_open_with_the_same_words(lesson):
    cells = nbformat.read(NOTEBOOKS / f"{lesson}.ipynb", as_version=4).cells
    prose = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    opened = Counter(re.findall(r"<summary>(.*?)</summary>", prose))
    assert {words for words, times in opened.items() if times > 1} <= USUAL
    assert not SAYS_NOTHING & set(opened)


HINT, SOLUTION = re.compile("<summary>(Hint|힌트)<"), re.compile("<summary>(Solution|풀이)<")


def is_stub(cell):
    return cell.cell_type == "code" and "# your code here" in cell.source


@pytest.mark.parametrize("lesson", [one for one in LESSONS if "/0" in one])
def test_hints_stand_above_the_answer_and_solutions_below_its_checks(lesson):
    """So nobody sees a solution before they have tried, and finds it at the same place."""
    begun = False  # after an answer's cell, until its checks or its solution
    hinted = solved = 0
    for cell in nbformat.read(NOTEBOOKS / f"{lesson}.ipynb", as_version=4).cells:
        if is_stub(cell):
            assert not begun, cell.id
            begun, checked = True, False
        elif cell.cell_type == "code":
            checked = begun and "report(" in cell.source
        elif solution := SOLUTION.search(cell.source):
            assert begun, cell.id
            assert checked or lesson.endswith("00-start-here"), cell.id
            begun, solved = False, solved + 1
            hints = [hint.start() for hint in HINT.finditer(cell.source)]
            assert all(at > solution.start() for at in hints), cell.id  # the next step's
            hinted += len(hints)
        else:
            assert not (begun and HINT.search(cell.source)), cell.id
            hinted += len(HINT.findall(cell.source))
    assert not begun
    assert solved
    assert hinted


def optional_names(source):
    """The answers that a cell's report takes as optional."""
    names = re.search(r"^report\(stop=False, optional=\((.*),\)\)$", source, re.MULTILINE)
    return re.findall(r'"(\w+)"', names[1]) if names else []


@pytest.mark.parametrize("lesson", [one for one in LESSONS if one.startswith("en/0")])
def test_what_is_labeled_optional_is_not_marked_as_failed_while_it_is_left_open(lesson):
    labeled, said, defined = 0, [], set()
    for cell in nbformat.read(NOTEBOOKS / f"{lesson}.ipynb", as_version=4).cells:
        if cell.cell_type == "markdown":
            labeled += len(re.findall(r"^\*Optional\. Difficulty", cell.source, re.MULTILINE))
        else:
            said += optional_names(cell.source)
            defined |= set(re.findall(r"^def (\w+)", cell.source, re.MULTILINE))
    decisions = lesson == "en/04-the-cost-formula"  # one optional exercise has no checks
    assert len(said) == labeled - decisions
    assert set(said) <= defined


NOT_IN_THE_LIBRARY = {"monthly_tokens", "fraction_read", "pictures_that_fit", "best_variant"}
"""Answers for which `beyond` has nothing to import."""


@pytest.mark.parametrize("lesson", [one for one in LESSONS if one.startswith("en/0")])
def test_the_checks_see_where_an_answer_comes_from(lesson):
    cells = nbformat.read(NOTEBOOKS / f"{lesson}.ipynb", as_version=4).cells
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    asked = {
        name
        for cell in cells
        if is_stub(cell)
        for name in re.findall(r"^(?:def|class) (\w+)", cell.source, re.MULTILINE)
    }
    assert asked - NOT_IN_THE_LIBRARY == set(re.findall(r"written_here\((\w+), not_from", code))


@pytest.mark.parametrize("lesson", LESSONS)
def test_every_question_has_an_answer_and_every_guess_is_compared(lesson):
    cells = nbformat.read(NOTEBOOKS / f"{lesson}.ipynb", as_version=4).cells
    prose = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    asked = re.findall(r"\*\*(?:Apply it|적용해 보세요)", prose)
    assert len(asked) <= len(re.findall(r"<summary>(?:Answer|답)</summary>", prose))
    code = [cell.source for cell in cells if cell.cell_type == "code"]
    guesses = re.findall(r"^((?:my_)?guess\w*) = None", "\n".join(code), re.MULTILINE)
    assert len(guesses) >= len(re.findall(r"\*\*(?:Predict|예상해 보세요)", prose)) or not guesses
    for guess in guesses:
        assert sum(bool(re.search(rf"\b{guess}\b", source)) for source in code) >= 2, guess


@pytest.mark.parametrize("lesson", [one for one in LESSONS if one.startswith("en/")])
def test_a_learner_reads_plain_code(lesson):
    """What helpers print, they translate themselves."""
    for cell in nbformat.read(NOTEBOOKS / f"{lesson}.ipynb", as_version=4).cells:
        assert cell.cell_type != "code" or not re.search(r"\b_\(", cell.source), cell.id


def test_every_lesson_and_appendix_is_read():
    assert {
        f"{code}/{name}"
        for code in ("en", "ko")
        for name in (
            "00-start-here",
            "09-edge-deployment",
            "appendix-mixture-of-experts",
        )
    } <= set(LESSONS)


def _bound_and_read(source):
    """The names that a cell binds at its top level, and those that it reads but doesn't bind."""
    bound, read, waiting = set(), set(), [ast.parse(plain_python(source))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            bound.add(node.name)
            continue
        if isinstance(node, ast.Name):
            (read if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        is_own_scope = isinstance(node, ast.Lambda | ast.ListComp | ast.DictComp | ast.GeneratorExp)
        waiting += [] if is_own_scope else ast.iter_child_nodes(node)
    return bound, read - bound


@pytest.mark.parametrize("lesson", [one for one in LESSONS if one.startswith("en/")])
def test_checks_bind_no_name_that_another_cell_made_for_a_third(lesson):
    """Or running that third cell once more, after the checks, would fail or say something else."""
    cells = nbformat.read(NOTEBOOKS / f"{lesson}.ipynb", as_version=4).cells
    code = [cell.source for cell in cells if cell.cell_type == "code"]
    checks = [_bound_and_read(source)[0] for source in code if "report(" in source]
    others = [_bound_and_read(source) for source in code if "report(" not in source]
    made = set().union(*(bound for bound, _read in others))
    needed = set().union(*(read for _bound, read in others))
    assert not set().union(*checks) & made & needed - {"_"}
