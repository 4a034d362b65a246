"""Which file is the notebook, and what the student is told about the choice."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_notebook

from autograder.core import notebook_io
from autograder.errors import UserError
from autograder.intake.identify import (
    BY_HAND,
    NUMBERED,
    PLAIN,
    AssignmentSpec,
    choose,
    examine,
    find_assignment,
    name_rank,
    why_unreadable,
)

QUIZ = AssignmentSpec(
    "quiz", frozenset({"q1", "q1-test", "q2", "q2-test"}), frozenset({"q1 = None"}), frozenset()
)
OTHER = AssignmentSpec("quiz-2", frozenset({"q1", "part", "part-test"}), frozenset(), frozenset())


def graded(name: str, source: str):
    metadata = {"nbgrader": {"grade_id": name, "solution": True}}
    return new_code_cell(source, id=name, metadata=metadata)


def notebook(answer: str = "q1 = 'A'", names=("q1", "q1-test", "q2")) -> bytes:
    cells = [graded(name, answer if name == "q1" else "") for name in names]
    return notebook_io.to_bytes(new_notebook(cells=cells))


def pick(*files: tuple[str, bytes]):
    candidates = [
        candidate
        for order, (name, content) in enumerate(files)
        if (candidate := examine(name, content, order, QUIZ, [QUIZ, OTHER]))
    ]
    winner, notes = choose(candidates, QUIZ)
    return winner.name, [note.text() for note in notes]


@pytest.mark.parametrize(
    ("name", "rank"),
    [
        ("quiz.ipynb", (PLAIN, ())),
        ("Quiz.IPYNB", (PLAIN, ())),
        ("work/en/quiz/quiz.ipynb", (PLAIN, ())),
        ("quiz.ipynb.txt", (PLAIN, ())),
        ("quiz.ipynb.json", (PLAIN, ())),
        ("quiz (1).ipynb", (NUMBERED, (1,))),
        ("quiz(12).ipynb", (NUMBERED, (12,))),
        ("quiz-1.ipynb", (NUMBERED, (1,))),
        ("quiz-1 (2).ipynb", (NUMBERED, (1, 2))),
        ("quiz copy.ipynb", (BY_HAND, (1,))),
        ("quiz copy 2.ipynb", (BY_HAND, (2,))),
        ("quiz-Copy1.ipynb", (BY_HAND, (1,))),
        ("quiz - Copy (2).ipynb", (BY_HAND, (2,))),
        ("quiz 복사본.ipynb", (BY_HAND, (1,))),
        (unicodedata.normalize("NFD", "quiz 복사본.ipynb"), (BY_HAND, (1,))),
        ("quiz - 복사본 (2).ipynb", (BY_HAND, (2,))),
        ("quiz.ipynb의 사본", (BY_HAND, (1,))),
        ("quiz_ipynb의_사본.ipynb", (BY_HAND, (1,))),
        ("Copy of quiz.ipynb", (BY_HAND, ())),
        ("quiz.py", None),
        ("quizzes.ipynb", None),
        ("quiz2.ipynb", None),
        ("my quiz.ipynb", None),
        (".ipynb", None),
    ],
)
def test_names(name, rank):
    assert name_rank(name, "quiz") == rank


@given(st.text(max_size=40))
def test_any_name_is_judged(name):
    rank = name_rank(name, "quiz")
    assert rank is None or rank[0] in (BY_HAND, PLAIN, NUMBERED)


@given(st.integers(0, 999_999))
def test_numbers_are_read(number):
    assert name_rank(f"quiz ({number}).ipynb", "quiz") == (NUMBERED, (number,))
    assert name_rank(f"quiz-{number}.ipynb", "quiz") == (NUMBERED, (number,))


def test_the_plain_name_needs_no_note():
    assert pick(("quiz.ipynb", notebook())) == ("quiz.ipynb", [])


def test_another_name_with_the_cells_inside_is_taken():
    name, notes = pick(("퀴즈_김민준.ipynb", notebook()))
    assert name == "퀴즈_김민준.ipynb" and notes == ["퀴즈_김민준.ipynb was taken as quiz.ipynb."]


def test_another_name_with_other_cells_is_not():
    assert examine("notes.ipynb", notebook(names=("x", "y")), 0, QUIZ, [QUIZ, OTHER]) is None
    # One cell in common is not half of the assignment, nor more than another assignment has.
    assert examine("notes.ipynb", notebook(names=("q1",)), 0, QUIZ, [QUIZ, OTHER]) is None


def test_the_name_of_another_assignment_is_not_a_numbered_copy():
    assert examine("quiz-2.ipynb", notebook(names=("q1", "part")), 0, QUIZ, [QUIZ, OTHER]) is None
    assert examine("quiz-2.ipynb", notebook(), 0, QUIZ, [QUIZ]) is not None


def test_the_same_twice_is_one():
    name, notes = pick(("quiz.ipynb", notebook()), ("quiz (1).ipynb", notebook()))
    assert name == "quiz.ipynb"
    assert notes == ["quiz (1).ipynb: the same content as quiz.ipynb, so one of them was graded."]
    # Numbers still decide between that content and another.
    files = [("quiz.ipynb", notebook()), ("quiz (1).ipynb", notebook("q1 = 2"))]
    name, notes = pick(*files, ("quiz (2).ipynb", notebook()))
    assert name == "quiz.ipynb" and "highest number" in notes[-1]


def test_the_highest_number_wins():
    files = [(f"quiz ({n}).ipynb", notebook(f"q1 = {n}")) for n in (2, 10, 9)]
    name, notes = pick(("quiz.ipynb", notebook()), *files)
    assert name == "quiz (10).ipynb"
    assert "quiz.ipynb, quiz (2).ipynb, quiz (9).ipynb" in notes[-1]


def test_the_original_wins_over_copies_made_by_hand():
    name, notes = pick(("quiz-Copy1.ipynb", notebook("q1 = 1")), ("quiz.ipynb", notebook("q1 = 2")))
    assert name == "quiz.ipynb" and "original" in notes[0]


def test_work_wins_over_a_fresh_copy():
    name, notes = pick(("quiz.ipynb", notebook()), ("quiz (1).ipynb", notebook("q1 = None")))
    assert name == "quiz.ipynb" and "no answers" in notes[0]


def test_what_can_be_read_wins_over_what_can_not():
    name, notes = pick(("quiz.ipynb", notebook("q1 = None")), ("quiz (1).ipynb", b"{"))
    assert name == "quiz.ipynb" and "can't be read" in notes[0]


def test_the_assignments_name_wins_over_another():
    name, notes = pick(("draft.ipynb", notebook("q1 = 1")), ("quiz.ipynb", notebook("q1 = 2")))
    assert name == "quiz.ipynb" and "bears the assignment's name" in notes[0]


def test_the_outermost_folder_wins():
    name, notes = pick(("quiz.ipynb", notebook("q1 = 2")), ("old/quiz.ipynb", notebook("q1 = 1")))
    assert name == "quiz.ipynb" and "old/quiz.ipynb" in notes[0]


def test_the_order_of_files_does_not_matter():
    files = [("quiz.ipynb", notebook("q1 = 1")), ("quiz (1).ipynb", notebook("q1 = 2"))]
    assert pick(*files)[0] == pick(*reversed(files))[0] == "quiz (1).ipynb"


def test_colabs_and_vscodes_cells_are_known():
    nb = notebook_io.parse(notebook(), "quiz.ipynb")
    for cell in nb.cells:
        del cell.metadata["nbgrader"]
    by_id = examine("x.ipynb", notebook_io.to_bytes(nb), 0, QUIZ, [QUIZ, OTHER])
    assert by_id is not None
    for cell in nb.cells:
        cell.metadata["id"] = cell.id
        cell.id = "other-" + cell.id
    assert examine("x.ipynb", notebook_io.to_bytes(nb), 0, QUIZ, [QUIZ, OTHER]) is not None


def test_a_notebook_by_name_without_cells_is_told():
    _name, notes = pick(("quiz.ipynb", notebook(names=("x",))))
    assert notes == ["quiz.ipynb holds none of the assignment's cells."]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"nbformat": 3, "worksheets": []}', "old notebook format"),
        (b"[]", "form of a notebook"),
        (b'{"nbformat": 4, "cells": [{}]}', "form of a notebook"),
        (b'{"nbformat": 4, "cells": [' + b"{}," * 3_000 + b"{}]}", "more than the 2000 cells"),
        (b" " * (20 * 1024 * 1024 + 1), "larger than the 20 MiB"),
    ],
)
def test_why_a_file_can_not_be_read(content, why):
    with pytest.raises(notebook_io.BadNotebook):
        notebook_io.parse(content, "quiz.ipynb")
    assert why in why_unreadable("quiz.ipynb", content).text()
    candidate = examine("quiz.ipynb", content, 0, QUIZ, [QUIZ])
    assert candidate.notebook is None and candidate.problem.text()


@given(st.binary(max_size=200))
def test_any_bytes_are_examined(content):
    assert examine("quiz.ipynb", content, 0, QUIZ, [QUIZ, OTHER]).notebook is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 6) | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "nbformat",
                    "cells",
                    "metadata",
                    "cell_type",
                    "source",
                    "id",
                    "nbgrader",
                    "outputs",
                ]
            )
            | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON, st.lists(JSON, max_size=3))
def test_any_json_is_examined(metadata, cells):
    import json

    data = {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": cells}
    for content in (metadata, data):
        examine("quiz.ipynb", json.dumps(content).encode(), 0, QUIZ, [QUIZ, OTHER])


def test_finding_the_assignment():
    known = {"quiz": QUIZ, "quiz-2": OTHER}
    assert find_assignment([("quiz.ipynb", notebook())], known)[0] is QUIZ
    assert find_assignment([("a.ipynb", notebook())], known)[0] is QUIZ
    with pytest.raises(UserError, match="no notebook of an assignment"):
        find_assignment([("a.ipynb", b"{}")], known)
    with pytest.raises(UserError, match="several assignments"):
        find_assignment([("quiz.ipynb", notebook()), ("quiz-2.ipynb", notebook())], known)
