"""An ordinary nbgrader course: made by nbgrader's commands, with one line for this grader."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

ROOT = Path(__file__).resolve().parents[3]


class OrdinaryCourse:
    """A folder that `nbgrader quickstart` could have made, and its commands."""

    def __init__(self, root: Path, home: Path) -> None:
        self.root = root
        self._home = home

    def run(self, *words: str, code: int = 0) -> str:
        """Run a command in the course's folder, and return what it said."""
        if words[0] in ("nbgrader", "autograder"):
            words = (sys.executable, "-m", *words)
        environment = {
            **os.environ,
            "HOME": str(self._home),
            "JUPYTER_CONFIG_DIR": str(self._home / "config"),
            "JUPYTER_DATA_DIR": str(self._home / "data"),
            "PYTHONPATH": str(ROOT),
            "COLUMNS": "300",
        }
        done = subprocess.run(
            words, cwd=self.root, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def config(self, *lines: str) -> None:
        """Write nbgrader's configuration with our line and these."""
        path = self.root / "nbgrader_config.py"
        before = path.read_text() if path.exists() else "c = get_config()\n"
        path.write_text("\n".join([before, "import autograder", "autograder.configure(c)", *lines]))

    def source(self, assignment: str, name: str, cells, minor: int = 4, **metadata) -> None:
        """Write a source notebook, in a format without cell ids unless another is asked for."""
        notebook = new_notebook(cells=list(cells), metadata=metadata)
        notebook.nbformat_minor = minor
        if minor < 5:
            for cell in notebook.cells:
                cell.pop("id", None)
        path = self.root / "source" / assignment / f"{name}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, path)

    def hand_in(self, student: str, assignment: str, **answers: dict[str, str]) -> None:
        """Submit the release with some cells' sources replaced, by notebook and grade id."""
        place = self.root / "submitted" / student / assignment
        shutil.copytree(self.root / "release" / assignment, place)
        for notebook, sources in answers.items():
            path = place / f"{notebook}.ipynb"
            found = nbformat.read(path, nbformat.NO_CONVERT)
            for cell in found.cells:
                name = cell.metadata.get("nbgrader", {}).get("grade_id", cell.source)
                cell.source = sources.get(name, cell.source)
            nbformat.write(found, path)

    def beside(self, name: str = "stock") -> OrdinaryCourse:
        """Return a copy of the course as it is now, without our line in its configuration."""
        other = OrdinaryCourse(self.root.parent / f"{self.root.name}-{name}", self._home)
        shutil.copytree(self.root, other.root)
        path = other.root / "nbgrader_config.py"
        lines = path.read_text().splitlines()
        path.write_text("\n".join(one for one in lines if "autograder" not in one))
        return other

    def scores(self, student: str, assignment: str, db: str | None = None) -> dict[str, float]:
        """Return the points in the gradebook, by grade id."""
        from nbgrader.api import Gradebook

        with Gradebook(db or f"sqlite:///{self.root / 'gradebook.db'}") as gradebook:
            found = gradebook.find_submission(assignment, student)
            return {grade.name: grade.auto_score for one in found.notebooks for grade in one.grades}


def marks(name: str, **given) -> dict:
    """nbgrader's metadata of a cell."""
    usual = {"grade": False, "solution": False, "locked": False, "task": False, "schema_version": 3}
    return {"nbgrader": {**usual, "grade_id": name, **given}}


def answer(name: str, solution: str, stub: str = ""):
    """An answer cell, the whole of it a solution."""
    text = f"{stub}### BEGIN SOLUTION\n{solution}\n### END SOLUTION"
    return new_code_cell(text, metadata=marks(name, solution=True))


def checking(name: str, source: str):
    """A test cell worth a point."""
    return new_code_cell(source, metadata=marks(name, grade=True, locked=True, points=1))


def given(name: str, source: str):
    """A read-only cell of the instructor's."""
    return new_code_cell(source, metadata=marks(name, locked=True))


def plain(source: str):
    """A cell that nbgrader doesn't know."""
    return new_code_cell(source)


def prose(source: str):
    """A cell of text."""
    return new_markdown_cell(source)


@pytest.fixture
def ordinary(tmp_path):
    """An empty course with our line in its configuration."""
    for folder in ("cs101", "home"):
        (tmp_path / folder).mkdir()
    course = OrdinaryCourse(tmp_path / "cs101", tmp_path / "home")
    course.config('c.CourseDirectory.course_id = "cs101"')
    return course
