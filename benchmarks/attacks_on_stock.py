"""Which attacks win on nbgrader alone, and what they get here.

Writes the table in autograder/ATTACKS.md and its sums in autograder/README.md.

    python benchmarks/attacks_on_stock.py            both columns, about twenty minutes
    python benchmarks/attacks_on_stock.py --here     this autograder's column only
    python benchmarks/attacks_on_stock.py -k NAME    only the rows with this in their name

nbgrader alone is its Autograde with its default steps, on the same questions as plain asserts
and a partial-credit value, as its documentation writes them. Attacks that could take the machine
along, or show what others on it have, aren't tried there: nothing would stand in their way.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import re
import shutil
import signal
import sys
import tempfile
import warnings
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.attacks import (  # noqa: E402
    small_course,
    test_cells_and_metadata,
    test_files_and_processes,
    test_forging,
    test_honest_students,
    test_readers_browser,
    test_wearing_down,
)
from tests.attacks.attack import Attack, Place  # noqa: E402
from tests.attacks.small_course import ASSIGNMENT, HIDDEN_INPUTS, RIGHT, SECRETS  # noqa: E402

TABLE = ROOT / "autograder" / "ATTACKS.md"
SUMS = ROOT / "autograder" / "README.md"
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"

FAMILIES = {
    "Forging a score": test_forging.ATTACKS,
    "Cells and metadata": test_cells_and_metadata.ATTACKS,
    "Files and processes": test_files_and_processes.ATTACKS,
    "Wearing it down": test_wearing_down.ATTACKS,
    "The reader's browser": test_readers_browser.ATTACKS,
    "Honest students": test_honest_students.ATTACKS,
}

NOT_TRIED = "not tried: too rough"
_SECONDS = 8  # for a cell on nbgrader alone; its own default is 30
_PATIENCE = 90  # seconds for a submission on nbgrader alone
_CLOSED = ("SOLUTION", "GRADEBOOK", "OTHER", "ENVIRONMENT")


@dataclass(frozen=True)
class Result:
    """What an attack got: the tests' points (None: left ungraded) and what else went wrong."""

    points: tuple[float | None, float | None] | None
    wrong: tuple[str, ...] = ()

    def text(self) -> str:
        if self.points is None:
            return "; ".join(self.wrong)
        shown = ["ungraded" if one is None else f"{one:g}" for one in self.points]
        return "; ".join([" + ".join(shown), *self.wrong])

    def is_well(self, attack: Attack) -> bool:
        """Whether the attacker gets what is deserved, and nobody else gets anything."""
        if self.points is None or None in self.points or self.wrong:
            return False
        if attack.honest:
            return self.points == attack.deserves
        # A test of plain asserts is all or nothing, so it may well give less. And where an
        # attack ends its own process here, or its file is refused, what the answers themselves
        # deserve is no gain elsewhere.
        most = [max(pair) for pair in zip(attack.deserves, (0, 1), strict=True)]
        return all(got <= due for got, due in zip(self.points, most, strict=True))


def _leaks(shown: str, attack: Attack) -> tuple[str, ...]:
    """What came back to the student, in words."""
    found = []
    if any(secret in shown for secret in HIDDEN_INPUTS):
        found.append("shows hidden inputs")
    if any(f"CANARY-{secret}" in shown for secret in _CLOSED):
        found.append("shows what isn't the student's")
    if any(word in shown for word in attack.never):
        found.append("gets through")
    return tuple(found)


# nbgrader alone


def _stock_course(root: Path, seconds: float):
    from nbgrader.apps.api import NbGraderAPI
    from nbgrader.coursedir import CourseDirectory
    from traitlets.config import Config

    config = Config()
    config.CourseDirectory.root = str(root)
    config.CourseDirectory.course_id = "stock"
    # Where the attacks on this autograder's course look for it.
    config.CourseDirectory.source_directory = "source/en"
    config.CourseDirectory.release_directory = "release/en"
    config.CourseDirectory.submitted_directory = "term/submitted"
    config.CourseDirectory.autograded_directory = "term/autograded"
    config.CourseDirectory.feedback_directory = "term/feedback"
    config.CourseDirectory.db_url = f"sqlite:///{root}/term/gradebook.db"
    config.Execute.timeout = seconds
    config.Execute.extra_arguments = ["--IPKernelApp.log_level=ERROR"]
    config.Exchange.root = str(root / "exchange")
    (root / "term").mkdir(exist_ok=True)
    api = NbGraderAPI(CourseDirectory(config=config), config=config)
    api.log.setLevel(logging.CRITICAL)
    api.log.propagate = False
    return api


def _quiet() -> None:
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)


def make_stock_course(root: Path) -> None:
    """The assignment with plain asserts, released, with another student's work beside it."""
    from nbgrader.api import Gradebook

    from autograder import notebooks

    path = root / "source" / "en" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
    notebooks.write(path, small_course.master(stock=True))
    result = _stock_course(root, _SECONDS).generate_assignment(ASSIGNMENT, force=True, create=True)
    assert result["success"], result
    with Gradebook(f"sqlite:///{root}/term/gradebook.db", "stock") as gradebook:
        gradebook.update_or_create_student("other", first_name="CANARY-GRADEBOOK")
    other = root / "term" / "submitted" / "other" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
    released = notebooks.read(root / "release" / "en" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb")
    answers = {**RIGHT, "essay": 'why = "CANARY-OTHER"'}
    notebooks.write(other, small_course.answered(released, answers))


def attack_stock(made: Path, attack: Attack, place: Place) -> Result:
    """Grade one attack with nbgrader alone, in a course of its own."""
    from nbgrader.api import Gradebook

    from autograder import notebooks
    from tests.attacks.grader import submission

    if attack.rough:
        return Result(None, (NOT_TRIED,))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        root = Path(shutil.copytree(made, Path(folder) / "course"))
        here = Place(**{**vars(place), "course": root})
        released = notebooks.read(root / "release" / "en" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb")
        path = root / "term" / "submitted" / "attacker" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_bytes(submission(attack, released, here))
        for name, content in attack.files:
            (path.parent / name).write_bytes(content)
        api = _stock_course(root, max(_SECONDS, attack.seconds))
        result = api.autograde(ASSIGNMENT, "attacker", force=True, create=True)
        if not result["success"]:
            return Result(None, ("not graded",))
        try:
            with Gradebook(f"sqlite:///{root}/term/gradebook.db", "stock") as gradebook:
                points = tuple(
                    gradebook.find_grade(name, ASSIGNMENT, ASSIGNMENT, "attacker").auto_score
                    for name in ("double-test", "parts-test")
                )
        except Exception as error:
            return Result(None, (f"no score in the gradebook ({type(error).__name__})",))
        graded = root / "term" / "autograded" / "attacker" / ASSIGNMENT / path.name
        cells = json.loads(graded.read_text())["cells"]
        shown = json.dumps(
            # nbgrader shows hidden lines in tracebacks anyway: those aren't counted.
            [{**output, "traceback": []} for cell in cells for output in cell.get("outputs", [])],
            ensure_ascii=False,
        )
        wrong = _leaks(shown, attack)
        if attack in test_readers_browser.ATTACKS:
            wrong += _acts_on_stock_page(api, root)
        return Result(points, wrong)


def in_own_process(made: Path, attack: Attack, place: Place) -> Result:
    """`attack_stock`, where an attack may end or stop the process that grades it."""
    ours, theirs = get_context("fork").Pipe(duplex=False)

    def work() -> None:
        os.setsid()
        try:
            theirs.send(attack_stock(made, attack, place))
        except Exception as error:
            theirs.send(Result(None, (f"not graded ({type(error).__name__})",)))

    process = get_context("fork").Process(target=work)
    process.start()
    theirs.close()
    try:
        return ours.recv() if ours.poll(_PATIENCE) else Result(None, ("hangs",))
    except EOFError:
        return Result(None, ("not graded",))
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # its kernel too
        process.join()


def _acts_on_stock_page(api, root: Path) -> tuple[str, ...]:
    result = api.generate_feedback(ASSIGNMENT, "attacker", force=True)
    if not result["success"]:
        return ("no feedback can be made",)
    page = root / "term" / "feedback" / "attacker" / ASSIGNMENT / f"{ASSIGNMENT}.html"
    found = test_readers_browser.acting(page.read_text())
    # nbgrader's own page has scripts, handlers and a body in a body; what counts is the student's.
    frames = {f"<{tag}>" for tag in test_readers_browser.FORBIDDEN}
    evil = [
        one
        for one in found
        if one in frames or (test_readers_browser.EVIL in one and " class=" not in one)
    ]
    if found.count("<body>") > 1:
        evil.append("<body>")
    return ("acts on the page",) if evil else ()


# This autograder


def attack_here(grader, attack: Attack, place: Place) -> Result:
    """Grade one attack with the engine."""
    from tests.attacks.grader import WorkerLost, left_running, submission

    content = submission(attack, grader.given, place)
    try:
        found = grader.grade(content, dict(attack.files), attack.seconds)
    except WorkerLost as error:
        return Result(None, (str(error),))
    wrong = _leaks(found.shown, attack)
    if any(secret in found.shown for secret in SECRETS) and not wrong:
        wrong = ("shows a secret",)
    if left_running():
        wrong = (*wrong, "leaves processes behind")
    return Result(found.tests, wrong)


def pages_here(course, place: Place) -> dict[str, Result]:
    """What acts on the feedback pages, by attack."""
    found = {}
    for name, (verdict, page) in test_readers_browser.make_pages(course, place).items():
        points = {cell.grade_id: cell.points for cell in verdict.cells}
        acts = ("acts on the page",) if test_readers_browser.acting(page) else ()
        found[name] = Result((points["double-test"], points["parts-test"]), acts)
    return found


# The table


def rows(stock: dict[str, str], here: dict[str, str]) -> str:
    """The table as markdown, a heading a family."""
    tried = [text for text in stock.values() if text != NOT_TRIED]
    lines = [
        f"Something goes wrong in {_bold(tried)} of the {len(tried)} cases tried on nbgrader alone, "
        f"and in {_bold(here.values())} of {len(here)} here.",
        "",
    ]
    for title, attacks in FAMILIES.items():
        lines += [f"### {title}", ""]
        lines += ["| Attack | The student | Deserves | nbgrader alone | Here |"]
        lines += ["|---|---|---|---|---|"]
        for attack in attacks:
            deserves = " + ".join(f"{one:g}" for one in attack.deserves)
            columns = [attack.name, attack.what, deserves, stock[attack.name], here[attack.name]]
            lines.append("| " + " | ".join(columns) + " |")
        lines.append("")
    return "\n".join(lines)


def sums(stock: dict[str, str], here: dict[str, str]) -> str:
    """How often something goes wrong, by family, as a markdown table."""
    lines = ["| Family | Tried | Wrong on nbgrader alone | Wrong here |", "|---|---|---|---|"]
    for title, attacks in FAMILIES.items():
        tried = [stock[one.name] for one in attacks if stock[one.name] != NOT_TRIED]
        wrong = _bold(here[one.name] for one in attacks)
        lines.append(f"| {title} | {len(attacks)} | {_bold(tried)} of {len(tried)} | {wrong} |")
    return "\n".join(lines) + "\n"


def _cell(result: Result, attack: Attack) -> str:
    text = result.text()
    return text if result.is_well(attack) or NOT_TRIED in text else f"**{text}**"


def _bold(texts: Iterable[str]) -> int:
    return sum(text.startswith("**") for text in texts)


def _table_part(page: str) -> re.Match:
    found = re.search(f"{re.escape(BEGIN)}\n(.*?){re.escape(END)}", page, re.DOTALL)
    assert found, f"the page has no {BEGIN}"
    return found


def _write(path: Path, table: str) -> None:
    page = path.read_text(encoding="utf-8")
    part = _table_part(page)
    path.write_text(page[: part.start(1)] + table + page[part.end(1) :], "utf-8")


def column(page: str, number: int) -> dict[str, str]:
    """A column of the table that stands in the file, by attack."""
    found = {}
    for line in _table_part(page)[1].splitlines():
        parts = [part.strip() for part in line.strip("|").split(" | ")]
        if len(parts) == 5 and parts[0] != "Attack":
            found[parts[0]] = parts[number]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--here", action="store_true", help="this autograder's column only")
    parser.add_argument("--stock", action="store_true", help="nbgrader's column only")
    parser.add_argument("-k", metavar="NAME", help="only attacks with this in their name")
    arguments = parser.parse_args()
    attacks = [one for family in FAMILIES.values() for one in family]
    if arguments.k:
        attacks = [one for one in attacks if arguments.k in one.name]
    from tests.attacks.grader import Grader, Listeners, place_for, release_small_course

    _quiet()
    os.environ["GRADER_TOKEN"] = "CANARY-ENVIRONMENT"
    stock: dict[str, str] = {}
    here: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        runtime = folder / "runtime"
        runtime.mkdir()
        os.environ["JUPYTER_RUNTIME_DIR"] = str(runtime)
        course = release_small_course(folder / "course")
        listeners = Listeners(folder)
        place = place_for(course, listeners, runtime)
        if not arguments.stock:
            grader = Grader(course)
            pages = pages_here(course, place)
            for attack in attacks:
                result = pages.get(attack.name) or attack_here(grader, attack, place)
                here[attack.name] = _cell(result, attack)
                print(f"here   {attack.name}: {here[attack.name]}", flush=True)
            grader.close()
        if not arguments.here:
            make_stock_course(folder / "stock")
            for attack in attacks:
                stock[attack.name] = _cell(in_own_process(folder / "stock", attack, place), attack)
                print(f"stock  {attack.name}: {stock[attack.name]}", flush=True)
        listeners.close()
    page = TABLE.read_text(encoding="utf-8")
    unknown = {one.name: "not run yet" for family in FAMILIES.values() for one in family}
    stock = unknown | column(page, 3) | stock
    here = unknown | column(page, 4) | here
    _write(TABLE, rows(stock, here))
    _write(SUMS, sums(stock, here))


if __name__ == "__main__":
    main()
