"""How long a quiz takes from being handed in until its student can fetch what became of it.

    python benchmarks/watch.py
    python benchmarks/watch.py --submissions 40 --show visible

A course of its own in a temporary folder, with the quiz in its exchange and `autograder watch`
running, gets submissions by `autograder submit --exchange` and by `nbgrader submit`, in turns. A
submission counts as handed in once nothing of it changes any more, and as answered when its page
lies in the exchange's feedback folder; both times are the file system's. What the two commands
take themselves is printed apart.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from needs import require

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from autograder.config import Course  # noqa: E402 - found by the path set above
from autograder.core import notebook_io  # noqa: E402 - found by the path set above

ANSWERS = ("A", "B", "C", "D")
LEVELS = {"form": "attempt 1", "visible": "Checks that you can see", "points": "shown so far"}
"""What the page of each level says that no page before it does."""


def environment() -> dict[str, str]:
    """Return this process's environment, with this checkout and its commands found first."""
    scripts = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    paths = os.pathsep.join([str(ROOT), str(ROOT / "notebooks")])
    return {**os.environ, "PATH": scripts, "PYTHONPATH": paths, "COLUMNS": "200"}


def prepare(folder: Path, show: str) -> Course:
    """Return a course with the quiz in its exchange, due in a week."""
    from autograder.authoring.release import release

    shutil.copytree(ROOT / "source", folder / "source")
    settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    folder.joinpath("pyproject.toml").write_text(
        f'{settings}\n[tool.autograder.watch]\nshow = "{show}"\npause-minutes = 0\n',
        encoding="utf-8",
    )
    course = Course(folder, exchange=folder / "exchange")
    release(course, "quiz", due=datetime.now(UTC) + timedelta(days=7), to_exchange=True)
    return course


def hand_in(course: Course, home: Path, number: int) -> tuple[Path, float]:
    """Hand in one quiz; return its folder in the exchange and the seconds of the command."""
    student = f"s{number:03}"
    work = home / student / "quiz"
    work.mkdir(parents=True)
    language = ("en", "ko")[number // 2 % 2]
    notebook = notebook_io.read(course.release(language) / "quiz" / "quiz.ipynb")
    for cell in notebook.cells:
        if notebook_io.is_solution(cell):
            cell.source = cell.source.replace("None", repr(ANSWERS[number % 4]))
    notebook_io.write(work / "quiz.ipynb", notebook)
    if number % 2:
        command = [sys.executable, "-m", "nbgrader", "submit", "quiz", f"--student={student}"]
        config = {
            "CourseDirectory": {"course_id": course.id},
            "Exchange": {"root": str(course.exchange)},
        }
        (work.parent / "nbgrader_config.json").write_text(json.dumps(config))
    else:
        command = [sys.executable, "-m", "autograder", "submit", str(work), "-s", student]
        command += ["--exchange", "--course", str(course.root)]
    before = time.perf_counter()
    done = subprocess.run(
        command,
        cwd=work.parent,
        env={**environment(), "HOME": str(work.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    took = time.perf_counter() - before
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    (folder,) = (course.exchange / course.id / "inbound").glob(f"{student}+quiz+*")
    return folder, took


def seconds_to_page(course: Course, folder: Path, level: str) -> float:
    """Wait for a page that says enough; return the seconds from the last change of the folder."""
    from nbgrader.utils import notebook_hash

    secret = (folder / "submission_secret.txt").read_text()
    name = notebook_hash(secret=secret, notebook_id="quiz")
    page = course.exchange / course.id / "feedback" / f"{name}.html"
    korean = {
        "attempt 1": "1번째",
        "Checks that you can see": "볼 수 있는",
        "shown so far": "지금까지",
    }
    wanted = (LEVELS[level], korean[LEVELS[level]])
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if page.exists() and any(one in page.read_text(encoding="utf-8") for one in wanted):
            handed_in = max(one.lstat().st_ctime for one in (folder, *folder.iterdir()))
            return page.stat().st_ctime - handed_in
        time.sleep(0.01)
    sys.exit(f"No page for {folder.name} within a minute.")


def measure(show: str, submissions: int) -> None:
    """Hand in, wait, print."""
    with tempfile.TemporaryDirectory(prefix="watch-benchmark-") as place:
        course = prepare(Path(place) / "course", show)
        log = Path(place) / "watch.log"
        command = [sys.executable, "-m", "autograder", "watch", "quiz", "--course"]
        with log.open("wb") as stream:
            watching = subprocess.Popen(
                [*command, str(course.root)],
                env={**environment(), "AUTOGRADER_EXCHANGE": str(course.exchange)},
                stdout=stream,
                stderr=subprocess.STDOUT,
            )
        try:
            before = time.monotonic()
            while "Watching" not in log.read_text():
                if watching.poll() is not None:
                    sys.exit(f"watch ended:\n{log.read_text()}")
                time.sleep(0.05)
            started = time.monotonic() - before
            waits, commands = [], []
            for number in range(submissions):
                folder, took = hand_in(course, Path(place) / "homes", number)
                waits.append(seconds_to_page(course, folder, show))
                commands.append(took)
        finally:
            watching.send_signal(signal.SIGINT)
            watching.wait(30)
        print(
            f"{show}: from handed in to the page, median {statistics.median(waits):.2f} s, longest "
            f"{max(waits):.2f} s, {submissions} submissions; the submit command itself "
            f"{statistics.median(commands):.1f} s, watch's start {started:.1f} s",
            flush=True,
        )


def main() -> None:
    """Read the options and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--submissions", type=int, default=20)
    parser.add_argument("--show", choices=list(LEVELS), action="append")
    options = parser.parse_args()
    require({sys.executable: ["nbgrader", "watchfiles"]})
    for show in options.show or LEVELS:
        measure(show, options.submissions)


if __name__ == "__main__":
    main()
