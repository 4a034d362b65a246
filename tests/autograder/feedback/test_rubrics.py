"""What a grader reads beside a written answer, and who else doesn't."""

import pytest
from nbconvert.exporters import HTMLExporter
from nbformat.v4 import new_markdown_cell, new_notebook

from autograder.config import Course
from autograder.core import notebook_io
from autograder.feedback.rubrics import is_manually_graded
from autograder.intake.rebuild import make_release

COURSE = Course.here()
WRITTEN = [
    (name, cell.id)
    for name in COURSE.assignments()
    for cell in notebook_io.read(COURSE.source("en") / name / f"{name}.ipynb").cells
    if is_manually_graded(cell)
]


def page(nb, **resources):
    exporter = HTMLExporter(config=COURSE.nbgrader_config())
    return exporter.from_notebook_node(nb, resources=resources)[0]


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize(("name", "cell"), WRITTEN)
def test_a_written_answer_has_its_rubric_below_it(name, cell, language):
    work = make_release(COURSE, name, name, language)
    source_notebook = notebook_io.read(COURSE.source(language) / name / f"{name}.ipynb")
    ids = [one.id for one in source_notebook.cells]
    rubric = source_notebook.cells[ids.index(cell) + 1].source
    heading = rubric.splitlines()[0].strip("*")
    assert heading not in page(work)
    shown = page(work, assignment_id=name, notebook_id=name)
    assert shown.count(heading) == 1


def test_there_is_a_written_answer():
    assert WRITTEN


def test_other_explanations_stay_away():
    name = WRITTEN[0][0]
    work = make_release(COURSE, name, name, "en")
    assert "A solution for" not in page(work, assignment_id=name, notebook_id=name)


def test_a_notebook_that_the_course_does_not_have_is_shown_as_it_is():
    nb = new_notebook(cells=[new_markdown_cell("hello")])
    assert "hello" in page(nb, assignment_id="gone", notebook_id="gone")
