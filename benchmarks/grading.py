"""`autograder grade` against stock `nbgrader autograde` on the same class, in turns.

    python benchmarks/grading.py --students 30 --rounds 3
    python benchmarks/grading.py --students 300 --stock-students 30

The class is copies of a few submissions with the answers below, to an assignment with PyTorch that
nbgrader alone can grade, too: those of this course ask for a solution to compare with (`reference`)
and values of each student's own, which it hasn't. Both sides start from a shell command, so
interpreter and library starts count on both, and both begin with a gradebook that has nothing
graded. What is printed is the median of the rounds and the ratio. Stock nbgrader is one process by
design; this grader takes the cores it is given (`--workers`).
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from needs import require

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook  # noqa: E402 - found by the path set above

from autograder.config import Course  # noqa: E402 - found by the path set above
from autograder.core import notebook_io  # noqa: E402 - found by the path set above

TIMESTAMP = "2026-11-20 10:00:00 UTC"

TORCH_IMPORTS = """import torch

from beyond.checks import check, given, probe, report"""
TORCH_GIVEN = """@probe
def routed(seed, tokens, experts):
    \"\"\"Weights and outputs of the student's layer on the seed's numbers.\"\"\"
    torch.manual_seed(seed)
    layer = Layer(8, experts)
    x = torch.randn(tokens, 8)
    return layer(x).detach(), weights(layer.gate(x)).detach()"""
TORCH_ANSWERS = {
    "temperature": ("temperature = 0.7", "temperature = 7", ""),
    "weights": (
        "def weights(scores):\n    return torch.softmax(scores, dim=-1)",
        "def weights(scores):\n    return torch.softmax(scores, dim=0)",
        "def weights(scores):\n    return None",
    ),
    "top": (
        "def top(scores, k):\n    return torch.topk(scores, k, dim=-1).indices",
        "def top(scores, k):\n    return torch.topk(scores, k, dim=-1).values",
        "def top(scores, k):\n    return None",
    ),
    "layer": (
        "class Layer(torch.nn.Module):\n"
        "    def __init__(self, width, experts):\n"
        "        super().__init__()\n"
        "        self.gate = torch.nn.Linear(width, experts)\n"
        "        self.experts = torch.nn.ModuleList(\n"
        "            torch.nn.Linear(width, width) for _ in range(experts)\n"
        "        )\n"
        "    def forward(self, x):\n"
        "        shares = weights(self.gate(x))\n"
        "        outs = torch.stack([one(x) for one in self.experts], dim=-1)\n"
        "        return (outs * shares[:, None, :]).sum(-1)",
        "class Layer(torch.nn.Module):\n    pass",
        "",
    ),
    "load": (
        "def load(choices, experts):\n"
        "    return torch.bincount(choices.flatten(), minlength=experts)",
        "def load(choices, experts):\n    return choices",
        "def load(choices, experts):\n    return None",
    ),
}
TORCH_TESTS = {
    "temperature": "with check('a share'):\n    assert 0 < given(temperature) < 1\nreport()",
    "weights": (
        "for n in (2, 5, 9):\n"
        "    with check('rows sum to one'):\n"
        "        found = given(weights(torch.arange(4.0 * n).reshape(4, n)))\n"
        "        assert torch.allclose(found.sum(-1), torch.ones(4))\n"
        "report()"
    ),
    "top": (
        "for k in (1, 2, 3):\n"
        "    with check('the largest'):\n"
        "        found = given(top(torch.tensor([[3.0, 1.0, 2.0, 5.0]]), k))\n"
        "        assert found.tolist() == [[3, 0, 2][:k]]\n"
        "report()"
    ),
    "layer": (
        "for seed in (1, 2):\n"
        "    with check('shape and shares'):\n"
        "        out, shares = given(routed(seed, 5, 4))\n"
        "        assert tuple(out.shape) == (5, 8) and tuple(shares.shape) == (5, 4)\n"
        "report()"
    ),
    "load": (
        "with check('counted'):\n"
        "    assert given(load(torch.tensor([0, 2, 2]), 4)).tolist() == [1, 0, 2, 0]\n"
        "report()"
    ),
}


@dataclass(frozen=True)
class Class:
    """An assignment's source notebook, and submissions to copy."""

    name: str
    master: notebook_io.NotebookNode
    submissions: list[notebook_io.NotebookNode]


def _marks(name: str, *, solution: bool = False, points: int | None = None) -> dict:
    marks = {
        "cell_type": "code",
        "grade": points is not None,
        "grade_id": name,
        "locked": not solution,
        "schema_version": 3,
        "solution": solution,
        "task": False,
    }
    return {"nbgrader": {**marks, "points": points} if points is not None else marks}


def torch_class() -> Class:
    """Five answers about a routed layer, with ten calls and a probe; right, half right, blank."""
    cells = [
        new_markdown_cell("# A routed layer", id="title"),
        new_code_cell(
            'from beyond.locale import set_language\n\nset_language("en")', id="language"
        ),
        new_code_cell(TORCH_IMPORTS, id="imports", metadata=_marks("imports")),
    ]
    for name, (right, _wrong, _blank) in TORCH_ANSWERS.items():
        solved = f"### BEGIN SOLUTION\n{right}\n### END SOLUTION"
        cells.append(new_code_cell(solved, id=name, metadata=_marks(name, solution=True)))
    cells.append(new_code_cell(TORCH_GIVEN, id="given", metadata=_marks("given")))
    for name, source in TORCH_TESTS.items():
        test = f"{name}-test"
        cells.append(new_code_cell(source, id=test, metadata=_marks(test, points=2)))
    metadata = {
        "kernelspec": {
            "display_name": "Python 3 (ipykernel)",
            "language": "python",
            "name": "python3",
        },
        "language_info": {"name": "python"},
        "beyond": {"language": "en"},
    }
    master = new_notebook(cells=cells, metadata=metadata)
    submissions = []
    for kind in ((0,) * 5, (0, 1, 0, 0, 1), (2, 2, 2, 2, 2), (0, 0, 1, 1, 0)):
        work = notebook_io.copied(master)
        for cell, which in zip(
            (cell for cell in work.cells if cell.id in TORCH_ANSWERS), kind, strict=True
        ):
            cell.source = TORCH_ANSWERS[cell.id][which]
        submissions.append(work)
    return Class("torch", master, submissions)


def _hand_in(folder: Path, made: Class, students: int) -> None:
    for number in range(students):
        place = folder / f"s{number:04}" / made.name
        place.mkdir(parents=True)
        work = made.submissions[number % len(made.submissions)]
        notebook_io.write(place / f"{made.name}.ipynb", work)
        (place / "timestamp.txt").write_text(TIMESTAMP)


def prepare_ours(folder: Path, made: Class, students: int) -> Course:
    """Return a course with the assignment released and this many submissions."""
    from autograder.authoring.release import release

    course = Course(folder, settings=Course(ROOT).settings)
    notebook_io.write(course.source("en") / made.name / f"{made.name}.ipynb", made.master)
    release(course, made.name)
    _hand_in(course.submitted, made, students)
    return course


def prepare_stock(folder: Path, made: Class, students: int) -> None:
    """Create a stock nbgrader course in which only its folder is configured."""
    notebook_io.write(folder / "source" / made.name / f"{made.name}.ipynb", made.master)
    (folder / "nbgrader_config.py").write_text(
        "c = get_config()\n"
        f"c.CourseDirectory.root = {str(folder)!r}\n"
        f"c.CourseDirectory.course_id = {Course(ROOT).id!r}\n"
        "c.ClearSolutions.enforce_metadata = False\n"
    )
    _run([sys.executable, "-m", "nbgrader", "generate_assignment", made.name], folder)
    _hand_in(folder / "submitted", made, students)


class CoreSeconds:
    """The CPU time of commands, including everything they start.

    Sandboxed processes are reparented, so a cgroup counts where one can be created (version 1,
    as root); elsewhere the whole machine's busy time is used.
    """

    def __init__(self) -> None:
        self._group = Path(f"/sys/fs/cgroup/cpuacct/beyond-benchmark-{os.getpid()}")
        try:
            self._group.mkdir()
        except OSError:
            self._group = None

    def counting(self, command: list[str]) -> list[str]:
        """Return the command line that runs `command` inside the cgroup."""
        if self._group is None:
            return command
        enter = ["/bin/sh", "-c", 'echo $$ > "$0" && exec "$@"', str(self._group / "cgroup.procs")]
        return [*enter, *command]

    def now(self) -> float:
        """Seconds so far, from some start."""
        if self._group is not None:
            return int((self._group / "cpuacct.usage").read_text()) / 1e9
        user, nice, system, _idle, _waiting, *interrupts = map(
            int, Path("/proc/stat").read_text().splitlines()[0].split()[1:8]
        )
        return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        """Remove the control group."""
        if self._group is not None:
            # Something may still be on its way out; an empty group does no harm.
            with suppress(OSError):
                self._group.rmdir()


def _run(command: list[str], folder: Path, core: CoreSeconds | None = None) -> tuple[float, float]:
    """Wall seconds and seconds of one core."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "notebooks")]),
    }
    before = core.now() if core else 0.0
    counted = core.counting(command) if core else command
    began = time.perf_counter()
    done = subprocess.run(counted, cwd=folder, env=environment, capture_output=True, text=True)
    seconds = time.perf_counter() - began
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return seconds, core.now() - before if core else 0.0


def scores(folder: Path, database: str, assignment: str) -> dict[str, float]:
    """Return the score of each student in a gradebook."""
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{folder / database}", Course(ROOT).id) as gradebook:
        return {one.student_id: one.score for one in gradebook.assignment_submissions(assignment)}


def _round(work: Path, folder: Path, command: list[str], core: CoreSeconds) -> tuple[float, float]:
    """One run on a fresh copy of the prepared course."""
    if folder.exists():
        shutil.rmtree(folder)
    shutil.copytree(work, folder)
    return _run(command, folder, core)


def measure(made: Class, folder: Path, students: int, stock_students: int, options) -> None:
    """Prepare both sides, run them in turns, print."""
    prepare_ours(folder / "ours", made, students)
    sides: dict[str, tuple[Path, list[str]]] = {
        "ours": (
            folder / "ours",
            [sys.executable, "-m", "autograder", "grade", made.name, "--course", "."]
            + (["--workers", str(options.workers)] if options.workers else []),
        )
    }
    few = max(1, students // 3)
    prepare_ours(folder / "ours few", made, few)
    sides["ours few"] = (folder / "ours few", sides["ours"][1])
    if stock_students:
        stock = [sys.executable, "-m", "nbgrader", "autograde", made.name]
        for name, count in (("stock", stock_students), ("stock one", 1)):
            # nbgrader's configuration names its folder, so it is prepared where it runs.
            place = folder / "run" / name
            prepare_stock(place, made, count)
            shutil.copytree(place, folder / name)
            sides[name] = (folder / name, stock)
        prepare_ours(folder / "ours one", made, 1)
        sides["ours one"] = (folder / "ours one", sides["ours"][1])
    core = CoreSeconds()
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for number in range(options.rounds):
        order = list(sides) if number % 2 == 0 else list(sides)[::-1]
        for name in order:
            prepared, command = sides[name]
            took[name].append(_round(prepared, folder / "run" / name, command, core))
            print(f"round {number + 1}, {name}: {took[name][-1][0]:.1f} s", flush=True)
    core.close()

    def median(name: str, which: int = 0) -> float:
        return statistics.median(one[which] for one in took[name])

    print(
        f"\n{made.name}, {students} students, {options.workers or os.cpu_count()} workers, "
        f"{options.rounds} rounds, {datetime.now(UTC):%Y-%m-%d}"
    )
    print(f"  autograder grade, whole class   {median('ours'):8.2f} s")
    if students > few:
        each = (median("ours", 1) - median("ours few", 1)) / (students - few)
        wall = (median("ours") - median("ours few")) / (students - few)
        print(f"  each further submission         {wall:8.3f} s wall, {each:.3f} s of one core")
    if not stock_students:
        return
    whole = median("stock")
    note = ""
    if stock_students < students:
        slope = (whole - median("stock one")) / (stock_students - 1)
        whole = median("stock one") + slope * (students - 1)
        note = f" (from {stock_students} students: {slope:.2f} s each)"
    print(f"  nbgrader autograde, whole class {whole:8.2f} s{note}")
    print(f"  ratio                           {whole / median('ours'):8.1f}×")
    print(f"  autograder grade, one           {median('ours one'):8.2f} s")
    print(f"  nbgrader autograde, one         {median('stock one'):8.2f} s")
    ours = scores(folder / "run" / "ours", "term/gradebook.db", made.name)
    theirs = scores(folder / "run" / "stock", "gradebook.db", made.name)
    other = [name for name in theirs if abs(theirs[name] - ours[name]) > 1e-9]
    print(f"  scores that differ              {len(other):8} of {len(theirs)}")


def main() -> None:
    """Run the benchmark, printing each round as it ends."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--students", type=int, default=30)
    parser.add_argument("--stock-students", type=int, help="stock's class; 0 leaves stock out")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--folder", type=Path, help="work here and keep it")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    require({sys.executable: ["nbgrader", "nbformat", "alembic", "beyond", "torch"]})
    asked = options.students if options.stock_students is None else options.stock_students
    with tempfile.TemporaryDirectory(prefix="beyond-benchmark-") as temporary:
        folder = options.folder or Path(temporary)
        measure(torch_class(), folder, options.students, asked, options)


if __name__ == "__main__":
    main()
