"""`nbgrader quickstart` and one line: nbgrader's own commands grade with this engine."""

import shutil

from .conftest import OrdinaryCourse, answer, checking, plain


def test_the_course_that_quickstart_makes(tmp_path):
    (tmp_path / "home").mkdir()
    outside = OrdinaryCourse(tmp_path, tmp_path / "home")
    outside.run("nbgrader", "quickstart", "cs101")
    course = OrdinaryCourse(tmp_path / "cs101", tmp_path / "home")
    exchange = tmp_path / "exchange"
    exchange.mkdir(mode=0o777)
    exchange.chmod(0o777)
    course.config(f"c.Exchange.root = {str(exchange)!r}")
    course.run("nbgrader", "generate_assignment", "ps1")
    course.run("nbgrader", "release_assignment", "ps1")
    (tmp_path / "desk").mkdir()
    desk = OrdinaryCourse(tmp_path / "desk", tmp_path / "home")
    shutil.copy(course.root / "nbgrader_config.py", desk.root)
    desk.run("nbgrader", "fetch_assignment", "ps1")
    desk.run("nbgrader", "submit", "ps1")
    course.run("nbgrader", "collect", "ps1")
    (collected,) = (one.name for one in (course.root / "submitted").iterdir())
    course.hand_in("right", "ps1")
    for name in ("problem1", "problem2"):
        shutil.copy(course.root / f"source/ps1/{name}.ipynb", course.root / "submitted/right/ps1")
    said = course.run("nbgrader", "autograde", "ps1")
    right = course.scores("right", "ps1")
    assert right["correct_squares"] == 1 and right["sum_of_squares_uses_squares"] == 0.5
    assert right["sum_of_squares_equation"] is None and right["part-b"] is None
    nothing = course.scores(collected, "ps1")
    assert {one for name, one in nothing.items() if not name.startswith("cell-")} == {0}
    # It deletes a name of the student's, which is done in the student's process.
    assert said.count("the test sum_of_squares_uses_squares uses objects in the student's own") == 1
    # The other way in gives the same, and tells the same.
    shutil.rmtree(course.root / "autograded")
    said = course.run("autograder", "grade", "ps1", "--course", str(course.root))
    assert course.scores("right", "ps1") == right
    assert "sum_of_squares_uses_squares uses objects in the student's own process" in said
    checked = course.run("autograder", "check", "--course", str(course.root))
    assert "No problems." in checked and len(checked.splitlines()) < 5
    course.run("nbgrader", "generate_feedback", "ps1")
    assert (course.root / "feedback/right/ps1/problem1.html").is_file()


def test_folders_gradebook_and_time_limit_are_nbgraders_own(ordinary, tmp_path):
    ordinary.config(
        'c.CourseDirectory.source_directory = "masters"',
        'c.CourseDirectory.submitted_directory = "in"',
        'c.CourseDirectory.autograded_directory = "out"',
        'c.CourseDirectory.directory_structure = "{student_id}/{nbgrader_step}/{assignment_id}"',
        "c.Execute.timeout = 2",
    )
    cells = [answer("a1", "def f(x):\n    return x + 1"), checking("t1", "assert f(1) == 2")]
    ordinary.source("ps1", "p1", cells)
    (ordinary.root / "masters").mkdir()
    shutil.move(ordinary.root / "source", ordinary.root / "masters")
    shutil.move(ordinary.root / "masters/source/ps1", ordinary.root / "masters/ps1")
    db = f"sqlite:///{tmp_path / 'elsewhere.db'}"
    ordinary.run("nbgrader", "generate_assignment", "ps1", "--db", db)
    for student, code in (("ada", "f = lambda x: x + 1"), ("bob", "def f(x):\n  while True: 0")):
        place = ordinary.root / student / "in" / "ps1"
        shutil.copytree(ordinary.root / "release/ps1", place)
        text = (place / "p1.ipynb").read_text()
        (place / "p1.ipynb").write_text(
            text.replace("# YOUR CODE HERE", code.replace("\n", "\\n")).replace(
                "raise NotImplementedError()", ""
            )
        )
    ordinary.run("nbgrader", "autograde", "ps1", "--db", db)
    assert ordinary.scores("ada", "ps1", db) == {"t1": 1}
    assert ordinary.scores("bob", "ps1", db) == {"t1": 0}
    assert (ordinary.root / "ada/out/ps1/p1.ipynb").is_file()
    assert not (ordinary.root / "gradebook.db").exists()


def test_two_notebooks_of_any_name_one_of_them_not_handed_in(ordinary):
    for name in ("Part A", "b-2"):
        ordinary.source(
            "ps1",
            name,
            [answer(f"a{name[-1]}", "v = 3"), checking(f"t{name[-1]}", "assert v == 3")],
        )
    ordinary.run("nbgrader", "generate_assignment", "ps1")
    ordinary.hand_in("ada", "ps1", **{"Part A": {"aA": "v = 3"}, "b-2": {"a2": "v = 4"}})
    ordinary.hand_in("bob", "ps1", **{"Part A": {"aA": "v = 3"}})
    (ordinary.root / "submitted/bob/ps1/b-2.ipynb").unlink()
    ordinary.run("nbgrader", "autograde", "ps1")
    assert ordinary.scores("ada", "ps1") == {"tA": 1, "t2": 0}
    assert ordinary.scores("bob", "ps1") == {"tA": 1, "t2": 0}


def test_a_kernel_of_another_name_is_python_and_one_of_another_language_is_refused(ordinary):
    cells = [answer("a1", "v = 3"), checking("t1", "assert v == 3")]
    kernel = {"name": "conda-env-x", "display_name": "X", "language": "python"}
    ordinary.source("ps1", "p1", cells, kernelspec=kernel)
    ordinary.source("ps2", "p1", cells, kernelspec={**kernel, "name": "ir", "language": "R"})
    ordinary.config('c.ClearSolutions.code_stub = {"python": "# ?", "R": "# ?"}')
    for name, code in (("ps1", 0), ("ps2", 1)):
        ordinary.run("nbgrader", "generate_assignment", name)
        ordinary.hand_in("ada", name, p1={"a1": "v = 3"})
        said = ordinary.run("nbgrader", "autograde", name, code=code)
    assert ordinary.scores("ada", "ps1") == {"t1": 1}
    assert "this grader runs Python" in said


def test_what_a_student_changes_in_an_open_cell_counts(ordinary):
    cells = [plain("size = 1"), answer("a1", "v = size"), checking("t1", "assert v == 2")]
    ordinary.source("ps1", "p1", cells)
    ordinary.run("nbgrader", "generate_assignment", "ps1")
    ordinary.hand_in("ada", "ps1", p1={"size = 1": "size = 2", "a1": "v = size"})
    said = ordinary.run("nbgrader", "autograde", "ps1")
    assert ordinary.scores("ada", "ps1") == {"t1": 1}
    assert "gives your own solution 0 of 1 points" in said  # with nbgrader alone as well
