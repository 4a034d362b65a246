"""A notebook of another assignment, or for another language, is refused; the class goes on."""

import nbformat

from .conftest import answer, checking, marks, plain


def _course(ordinary, **metadata):
    ordinary.source(
        "ps1", "p1", [answer("a1", "v = 3"), checking("t1", "assert v == 3")], **metadata
    )
    ordinary.run("nbgrader", "generate_assignment", "ps1")
    ordinary.hand_in("ada", "ps1", p1={"a1": "v = 3"})


def _changed(ordinary, student, change):
    """Hand in the release with a right answer, after `change` of the notebook."""
    ordinary.hand_in(student, "ps1", p1={"a1": "v = 3"})
    path = ordinary.root / f"submitted/{student}/ps1/p1.ipynb"
    notebook = nbformat.read(path, nbformat.NO_CONVERT)
    change(notebook)
    nbformat.write(notebook, path)


def _of_another_assignment(notebook):
    for cell in notebook.cells:
        cell.metadata.nbgrader.grade_id += "-of-ps0"
        cell.source += "\nand_more = 4"


def test_a_notebook_of_another_assignment_is_refused_by_both_commands(ordinary):
    _course(ordinary)
    _changed(ordinary, "bob", _of_another_assignment)
    said = ordinary.run("nbgrader", "autograde", "ps1", code=1)
    assert "p1.ipynb of bob can't be graded: its graded cells are all another assignment's" in said
    assert ordinary.scores("ada", "ps1") == {"t1": 1}
    assert ordinary.scores("bob", "ps1") == {"t1": None}
    assert not (ordinary.root / "autograded/bob/ps1").exists()
    said = ordinary.run("autograder", "grade", "ps1", "--course", str(ordinary.root), code=2)
    assert "ps1 of bob could not be graded, everyone else was" in said


def test_a_cell_of_another_assignment_among_ones_own_costs_nothing(ordinary):
    _course(ordinary)

    def paste(notebook):
        notebook.cells.insert(0, plain("w = 2"))
        notebook.cells[0].pop("id", None)
        notebook.cells[0].metadata = nbformat.from_dict(marks("old", solution=True))

    _changed(ordinary, "bob", paste)
    ordinary.run("nbgrader", "autograde", "ps1")
    assert ordinary.scores("bob", "ps1") == {"t1": 1}


def test_where_the_source_names_no_kernel_the_submission_has_to_be_python(ordinary):
    _course(ordinary)
    kernel = {"name": "mine", "display_name": "X"}
    for student, language in (("bob", "python"), ("cyd", "R")):
        _changed(
            ordinary,
            student,
            lambda one, language=language: one.metadata.update(
                kernelspec={**kernel, "language": language}
            ),
        )
    said = ordinary.run("nbgrader", "autograde", "ps1", code=1)
    assert "p1.ipynb of cyd can't be graded: it is for another language than Python" in said
    assert ordinary.scores("bob", "ps1") == {"t1": 1}
    assert not (ordinary.root / "autograded/cyd/ps1").exists()


def test_where_the_source_names_a_kernel_a_submissions_does_not_matter(ordinary):
    python = {"name": "python3", "display_name": "P", "language": "python"}
    _course(ordinary, kernelspec=python)
    _changed(
        ordinary,
        "bob",
        lambda one: one.metadata.update(kernelspec={**python, "language": "R"}),
    )
    ordinary.run("nbgrader", "autograde", "ps1")
    assert ordinary.scores("bob", "ps1") == {"t1": 1}


def _of_an_older_version(notebook):
    for cell in notebook.cells:
        cell.metadata.nbgrader.pop("schema_version")


def test_metadata_of_an_older_version_stop_only_their_student(ordinary):
    _course(ordinary)
    _changed(ordinary, "bob", _of_an_older_version)
    said = ordinary.run("nbgrader", "autograde", "ps1", code=1)
    assert "p1.ipynb of bob can't be graded: its nbgrader metadata are of an older version" in said
    assert ordinary.scores("ada", "ps1") == {"t1": 1}
    assert ordinary.scores("bob", "ps1") == {"t1": None}
    ordinary.run("nbgrader", "update", str(ordinary.root / "submitted"))
    ordinary.run("nbgrader", "autograde", "ps1")
    assert ordinary.scores("bob", "ps1") == {"t1": 1}


def test_an_old_cell_of_another_assignment_costs_nothing(ordinary):
    _course(ordinary)

    def paste(notebook):
        notebook.cells.insert(0, plain("w = 2"))
        notebook.cells[0].pop("id", None)
        notebook.cells[0].metadata = nbformat.from_dict(marks("old", solution=True))
        notebook.cells[0].metadata.nbgrader.pop("schema_version")

    _changed(ordinary, "bob", paste)
    ordinary.run("nbgrader", "autograde", "ps1")
    assert ordinary.scores("bob", "ps1") == {"t1": 1}


def test_a_release_of_an_older_version_is_read_as_it_was_meant(ordinary):
    _course(ordinary)
    path = ordinary.root / "release/ps1/p1.ipynb"
    notebook = nbformat.read(path, nbformat.NO_CONVERT)
    _of_an_older_version(notebook)
    nbformat.write(notebook, path)
    ordinary.run("nbgrader", "autograde", "ps1")
    assert ordinary.scores("ada", "ps1") == {"t1": 1}
