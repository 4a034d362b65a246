"""The table of attacks: which win on nbgrader alone, and what they come to here.

Writes autograder/ATTACKS.md and its sums in autograder/README.md.

    python benchmarks/attacks_on_stock.py            from the suite's last run and what is known
    python benchmarks/attacks_on_stock.py --stock    tries on nbgrader alone what wasn't tried yet
    python benchmarks/attacks_on_stock.py --stock -k NAME    tries these once more

The column of this autograder, its seconds and its memory come from `.cache/attacks.json`, which
`pytest tests/attacks` writes; an attack that this lacks is said not to have been run, and without
the file the column stays as it is. nbgrader
alone is its Autograde with its default steps, on the same questions as plain asserts and a
partial-credit value, as its documentation writes them. Attacks that could take the machine along,
show what others on it have, or are handed in otherwise than as one notebook, aren't tried there.
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

from tests.attacks import families, small_course, test_readers_browser  # noqa: E402 - found by the path set above
from tests.attacks.attack import Attack, Place  # noqa: E402 - found by the path set above
from tests.attacks.small_course import ASSIGNMENT, HIDDEN_INPUTS, RIGHT  # noqa: E402 - found by the path set above
from tests.attacks.suite import CACHE, STATIONS, class_of  # noqa: E402 - found by the path set above

TABLE = ROOT / "autograder" / "ATTACKS.md"
SUMS = ROOT / "autograder" / "README.md"
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"

FAMILIES = families.FAMILIES
NOT_TRIED = "not tried"
NOT_RUN = "not run"
# What these do, they do to the machine that runs them.
_NOT_ON_STOCK = (
    "System calls and neighbors",
    "Each barrier",
    "Handing in",
    "Stopping the class",
    "Known from other graders",
)
_SECONDS = 8  # for a cell on nbgrader alone; its own default is 30
_PATIENCE = 90  # seconds for a submission on nbgrader alone
_CLOSED = ("SOLUTION", "GRADEBOOK", "OTHER", "ENVIRONMENT")


@dataclass(frozen=True)
class Result:
    """What an attack got: the tests' points (None: left ungraded) and what else went wrong."""

    points: tuple[float | None, float | None] | None
    wrong: tuple[str, ...] = ()

    def text(self) -> str:
        """Return it as a cell of the table."""
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
        if attack.deserves is None:
            return not any(self.points)
        # A test of plain asserts is all or nothing, so it may well give less. And where an
        # attack ends its own process here, or its file is refused, what the answers themselves
        # deserve is no gain elsewhere.
        most = [max(pair) for pair in zip(attack.deserves, (0, 1), strict=True)]
        return all(got <= due for got, due in zip(self.points, most, strict=True))


def _leaks(shown: str, attack: Attack) -> tuple[str, ...]:
    """Describe what came back to the student."""
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

    from autograder.core import notebook_io

    path = root / "source" / "en" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
    notebook_io.write(path, small_course.source_notebook(stock=True))
    result = _stock_course(root, _SECONDS).generate_assignment(ASSIGNMENT, force=True, create=True)
    assert result["success"], result
    with Gradebook(f"sqlite:///{root}/term/gradebook.db", "stock") as gradebook:
        gradebook.update_or_create_student("other", first_name="CANARY-GRADEBOOK")
    other = root / "term" / "submitted" / "other" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
    released = notebook_io.read(root / "release" / "en" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb")
    answers = {**RIGHT, "essay": 'why = "CANARY-OTHER"'}
    notebook_io.write(other, small_course.answered(released, answers))


def attack_stock(made: Path, attack: Attack, place: Place) -> Result:
    """Grade one attack with nbgrader alone, in its own course."""
    from nbgrader.api import Gradebook

    from autograder.core import notebook_io
    from tests.attacks.surroundings import submission

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        root = Path(shutil.copytree(made, Path(folder) / "course"))
        here = Place(**{**vars(place), "course": root})
        released = notebook_io.read(root / "release" / "en" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb")
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


def is_for_stock(attack: Attack, family: str) -> bool:
    """Return whether this one is tried on nbgrader alone."""
    plain = class_of(attack)[0] == "exchange" and attack.assignment == ASSIGNMENT
    special = attack.rough or attack.hand_in or attack.afterwards or attack.together or attack.again
    return plain and not special and family not in _NOT_ON_STOCK


# This autograder


def here_text(attack: Attack, recorded: dict | None) -> str:
    """Return the suite's result for an attack, formatted for the table."""
    if recorded is None:
        return NOT_RUN
    points = recorded["points"]
    shown = (
        "left out"
        if points is None
        else " + ".join("ungraded" if one is None else f"{one:g}" for one in points)
    )
    if not recorded["faults"]:
        return shown
    return f"**{shown}; {_plain(recorded['faults'][0])}**"


def _plain(fault: str) -> str:
    """The beginning of a fault as one cell of a table."""
    text = " ".join(re.sub(r"[|*`<>\[\]]", " ", fault.split(":")[0]).split())
    return text[:80]


# The table


def rows(stock: dict[str, str], here: dict[str, str], recorded: dict[str, dict]) -> str:
    """Return the table as Markdown, with a heading per family."""
    tried = [text for text in stock.values() if text != NOT_TRIED]
    ran = [text for text in here.values() if text != NOT_RUN]
    lines = [
        f"Something goes wrong in {_bold(tried)} of the {len(tried)} cases tried on nbgrader "
        f"alone, and in {_bold(ran)} of {len(ran)} here.",
        "",
        *_costs(recorded),
    ]
    for title, attacks in FAMILIES.items():
        lines += [f"### {title}", ""]
        lines += ["| Attack | The student | Deserves | nbgrader alone | Here |"]
        lines += ["|---|---|---|---|---|"]
        for attack in attacks:
            columns = [attack.name, attack.what, deserved(attack), stock[attack.name]]
            lines.append("| " + " | ".join([*columns, here[attack.name]]) + " |")
        lines.append("")
    return "\n".join(lines)


def deserved(attack: Attack) -> str:
    """Return the points that an attack deserves, formatted for the table."""
    if attack.deserves is None:
        return "nothing"
    points = " + ".join(f"{one:g}" for one in attack.deserves)
    return f"at most {points}" if attack.or_less else points


def _costs(recorded: dict[str, dict]) -> list[str]:
    """Return the most expensive class at each station, from the suite's own run."""
    lines = ["| Station | Most seconds of a class | Most memory |", "|---|---|---|"]
    for station in STATIONS:
        known = [
            (one["seconds"][station], one["peak"][station], one["classmates"])
            for one in recorded.values()
            if station in one["seconds"]
        ]
        if known:
            seconds, _peak, mates = max(known)
            most = max(peak for _seconds, peak, _mates in known)
            lines.append(f"| {station} | {seconds:.0f} ({mates + 2} students) | {most >> 20} MiB |")
    return [*lines, ""] if len(lines) > 2 else []


def sums(stock: dict[str, str], here: dict[str, str]) -> str:
    """Return how often something goes wrong, by family, as a Markdown table."""
    lines = ["| Family | Tried | Wrong on nbgrader alone | Wrong here |", "|---|---|---|---|"]
    for title, attacks in FAMILIES.items():
        tried = [stock[one.name] for one in attacks if stock[one.name] != NOT_TRIED]
        wrong = _bold(here[one.name] for one in attacks)
        if left := sum(here[one.name] == NOT_RUN for one in attacks):
            wrong = f"{wrong}, and {left} {NOT_RUN}"
        on_stock = f"{_bold(tried)} of {len(tried)}" if tried else NOT_TRIED
        lines.append(f"| {title} | {len(attacks)} | {on_stock} | {wrong} |")
    return "\n".join(lines) + "\n"


def _cell(result: Result, attack: Attack) -> str:
    text = result.text()
    return text if result.is_well(attack) else f"**{text}**"


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
    """Return a column of the existing table, by attack."""
    found = {}
    for line in _table_part(page)[1].splitlines():
        parts = [part.strip() for part in line.strip("|").split(" | ")]
        if len(parts) == 5 and parts[0] != "Attack":
            found[parts[0]] = parts[number]
    return found


def main() -> None:
    """Write the tables, or try new attacks on nbgrader alone."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stock", action="store_true", help="try on nbgrader alone too")
    parser.add_argument("-k", metavar="NAME", help="only attacks with this in their name")
    arguments = parser.parse_args()
    known = _known(TABLE.read_text("utf-8"))
    recorded = json.loads(CACHE.read_text("utf-8")) if CACHE.is_file() else {}
    attacks = [one for family in FAMILIES.values() for one in family]
    stock = {one.name: known.get(one.name, {}).get("stock", NOT_TRIED) for one in attacks}
    here = {
        one.name: here_text(one, recorded[one.name])
        if one.name in recorded
        else NOT_RUN
        if recorded
        else known.get(one.name, {}).get("here", NOT_RUN)
        for one in attacks
    }
    if arguments.stock:
        stock |= try_on_stock(stock, arguments.k)
    _write(TABLE, rows(stock, here, recorded))
    _write(SUMS, sums(stock, here))
    print("\n" + sums(stock, here))


def _known(page: str) -> dict[str, dict[str, str]]:
    stock, here = column(page, 3), column(page, 4)
    return {
        name: {"stock": NOT_TRIED if text.startswith(NOT_TRIED) else text, "here": here[name]}
        for name, text in stock.items()
    }


def try_on_stock(stock: dict[str, str], part: str | None) -> dict[str, str]:
    """What nbgrader alone makes of the attacks that weren't tried, or have `part` in their name."""
    from tests.attacks.surroundings import Listeners, place_for

    _quiet()
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    os.environ["GRADER_TOKEN"] = "CANARY-ENVIRONMENT"
    found: dict[str, str] = {}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        runtime = folder / "runtime"
        runtime.mkdir()
        os.environ["JUPYTER_RUNTIME_DIR"] = str(runtime)
        listeners = Listeners(folder)
        place = place_for(folder / "course", listeners, runtime)
        make_stock_course(folder / "stock")
        for family, attacks in FAMILIES.items():
            for attack in attacks:
                wanted = part in attack.name if part else stock[attack.name] == NOT_TRIED
                if not wanted or not is_for_stock(attack, family):
                    continue
                result = in_own_process(folder / "stock", attack, place)
                if listeners.reached():
                    result = Result(result.points, (*result.wrong, "reaches the network"))
                found[attack.name] = _cell(result, attack)
                print(f"stock  {attack.name}: {found[attack.name]}", flush=True)
        listeners.close()
    return found


if __name__ == "__main__":
    main()
