"""Trials: a sound assignment passes, each kind of broken one is named."""

import pytest

from autograder.authoring import dry_run
from autograder.core import notebook_io


def changed(course, cell_id, change):
    for code in ("en", "ko"):
        path = course.source(code) / "mini" / "mini.ipynb"
        source_notebook = notebook_io.read(path)
        cell = next(one for one in source_notebook.cells if one.id == cell_id)
        cell.source = change(cell.source)
        notebook_io.write(path, source_notebook)
    return [f"{one.cell} {one.text}" for one in dry_run.problems(course, "mini", "mini")]


def test_a_sound_assignment_has_no_faults(course):
    assert dry_run.problems(course, "mini", "mini") == []


def test_a_solution_that_its_own_test_refuses(course):
    said = changed(course, "a-answer", lambda s: s.replace("a = 42", "a = 41"))
    assert said == ["a-test doesn't give the solution full marks: not passed: a is right"]


def test_a_hidden_check_may_ask_the_reference(course):
    def asks(source):
        return source.replace("given(double(7)) == 14", "given(double(7)) == reference.double(7)")

    assert changed(course, "double-test", asks) == []


def test_a_test_that_an_untouched_notebook_passes(course):
    said = changed(course, "double-test", lambda s: s.replace("given(double(2)) == 4", "True"))
    assert said == ["double-test gives an untouched notebook 3 points"]


def test_a_stub_that_stops_run_all(course):
    said = changed(course, "imports", lambda s: s + "\nassert 'a' in globals()")
    assert "imports stops Run All on an untouched en release with AssertionError" in said
    assert "imports stops Run All on an untouched ko release with AssertionError" in said


def test_the_outcome_is_kept_until_something_changes(course, monkeypatch):
    ran = []
    monkeypatch.setattr(dry_run, "problems", lambda *names: ran.append(names) or [])
    assert dry_run.cached_problems(course, "mini", "mini") == []
    assert dry_run.cached_problems(course, "mini", "mini") == []
    assert len(ran) == 1
    (course.source("en") / "mini" / "data.txt").write_text("new")
    dry_run.cached_problems(course, "mini", "mini")
    assert len(ran) == 2


@pytest.mark.parametrize("found", [["x"], []])
def test_what_is_kept_is_what_was_found(course, monkeypatch, found):
    from autograder.authoring.problem import CellProblem

    wanted = [CellProblem(cell, "says 한국어") for cell in found]
    monkeypatch.setattr(dry_run, "problems", lambda *names: wanted)
    assert dry_run.cached_problems(course, "mini", "mini") == wanted
    assert dry_run.cached_problems(course, "mini", "mini") == wanted
