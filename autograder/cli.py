"""The `autograder` command: each verb reads its words, calls one function and prints the result.

What a verb does lives in the module of the same name; modules are imported when their verb
runs, because nbgrader and babel take seconds to load and `--help` should not.

Exit codes: 0 all is well · 1 the answer is no (problems found, a test fails, somebody was left
out) · 2 the input can't be used · 3 something in the surroundings is in the way.
"""

from __future__ import annotations

import codecs
import gc
import io
import logging
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from autograder.config import NBGRADER_FILE, Course, is_students_side, put_scripts_on_path
from autograder.core.console import Console
from autograder.core.counting import counted
from autograder.core.printable import PrintableStream, one_line
from autograder.errors import EnvironmentFault, UserError
from autograder.sandbox.errors import SandboxUnavailable

if TYPE_CHECKING:
    from autograder.grading.result import SubmissionResult
    from autograder.grading.time_left import TimeLeft
    from autograder.intake.roster_file import Roster
    from autograder.term.total import StudentTotal

app = typer.Typer(
    help="Build, release, collect, grade and report the assignments of a Jupyter course.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)
REASONS_SHOWN = 4
SECONDS_BETWEEN_LINES = 10.0
STUDENTS_COMMANDS = ("history", "submit", "translate", "validate")
INTERRUPTED = 130  # what typer makes of Ctrl-C
# A wrong word on the command line. Typer carries a click of its own and names this class nowhere.
UsageError: Any = typer.BadParameter.__base__

Assignment = Annotated[str, typer.Argument(help="The assignment's name, such as quiz.")]
Students = Annotated[
    list[str] | None,
    typer.Option("--student", "-s", help="Only this student; may be given several times."),
]
CourseFolder = Annotated[
    Path | None,
    typer.Option("--course", help="The course's folder, when it isn't this one's."),
]


Database = Annotated[
    str | None,
    typer.Option(
        "--db",
        help="The gradebook's address, such as postgresql://user@host/name.",
    ),
]


def _own_course(instead: str, folder: Path | None, **given: Any) -> Course:
    """Return the course, if its assignments are built and collected by this package.

    Args:
        instead: what does the same for a course that nbgrader's configuration describes.
        folder: as `_course` has it.
        **given: likewise.
    """
    where = _course(folder, **given)
    if where.is_by_nbgrader:
        raise UserError(
            f"{where.root} is a course that nbgrader itself describes ({NBGRADER_FILE}); "
            f"use {instead} there."
        )
    return where


def _course(folder: Path | None, **given: Any) -> Course:
    changes = {name: value for name, value in given.items() if value is not None}
    if folder is None:
        return replace(Course.here(), **changes)
    if not folder.is_dir():
        raise UserError(f"There is no folder {folder}; name the course's folder.")
    return replace(Course.in_folder(folder.resolve()), **changes)


_OBJECTS_PER_COLLECTION = 50_000


def main() -> None:
    """Run the command; errors become one sentence on stderr and an exit code."""
    # Importing makes many objects and next to no garbage: searching it took a tenth of the time.
    gc.set_threshold(_OBJECTS_PER_COLLECTION)
    put_scripts_on_path()
    if is_students_side():
        _keep_students_commands()
    logging.getLogger("nbgrader").setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore")
    try:
        with _printable_streams():
            _run()
    finally:
        gc.freeze()  # Python would search all modules once more before it ends


def _keep_students_commands() -> None:
    """Forget the commands whose modules aren't installed here, so that help doesn't list them."""
    app.info.help = "Check your notebooks and hand them in."
    app.registered_groups.clear()
    app.registered_commands[:] = [
        one
        for one in app.registered_commands
        if one.callback is not None and one.callback.__name__ in STUDENTS_COMMANDS
    ]


_PLAIN = "autograder.plain"
_IN_ASCII = {"✓": "+", "✗": "x", "…": "...", "–": "-", "×": "x", "·": "-"}


def _in_plain(error: UnicodeError) -> tuple[str, int]:
    """Return what stands for characters that a terminal can't show, and where to go on."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lost = error.object[error.start : error.end]
    return "".join(_IN_ASCII.get(one, "?") for one in lost), error.end


codecs.register_error(_PLAIN, _in_plain)


@contextmanager
def _printable_streams() -> Iterator[None]:
    """Filter what is printed past the consoles too: a library's warning, a traceback."""
    before = sys.stdout, sys.stderr
    for stream in before:
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that can't show a character shows another, and work goes on.
            stream.reconfigure(errors=_PLAIN)
    sys.stdout, sys.stderr = map(PrintableStream, before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def _run() -> None:
    try:
        code = app(sys.argv[1:] or ["--help"], standalone_mode=False)
    except UsageError as error:
        where = error.ctx.command_path if error.ctx else "autograder"
        said = error.format_message().strip().rstrip(".")
        _say_error(f"{said}; {where} --help tells what there is.")
        sys.exit(error.exit_code)
    except (UserError, SandboxUnavailable) as error:
        _say_error(str(error))
        sys.exit(error.exit_code)
    except OSError as error:
        fault = EnvironmentFault(
            f"{error.filename or 'a file'} can't be used ({error.strerror or error}); "
            "fix that and try again."
        )
        _say_error(str(fault))
        sys.exit(fault.exit_code)
    except Exception:
        # A fault of ours, in full, but not as Python itself prints it: with a student's words.
        sys.stderr.write(traceback.format_exc())
        sys.exit(EnvironmentFault.exit_code)
    if code == INTERRUPTED:
        err.print("autograder: stopped; what was finished is kept, run the same command to go on.")
    sys.exit(code if sys.argv[1:] else UserError.exit_code)


def _say_error(sentence: str) -> None:
    err.print(f"autograder: {escape(one_line(sentence))}", style="red")


class _TimeLeftColumn(ProgressColumn):
    """Show the time that a run estimates for itself."""

    def __init__(self, time_left: TimeLeft) -> None:
        super().__init__()
        self._time_left = time_left

    def render(self, task: Task) -> Text:
        """Return the time left."""
        return Text(self._time_left.in_words())


@contextmanager
def _progress(
    title: str, time_left: TimeLeft | None = None
) -> Iterator[Callable[[int, int, str], None]]:
    """Show students done and time left, on stderr so that output can be piped.

    At a terminal it is a bar; elsewhere a plain line now and then, where the run can take long.
    """
    if not err.is_terminal:
        if time_left is None:
            yield lambda *_told: None
            return
        lines = _ProgressLines(title, time_left)
        time_left.on_tick = lines.tick
        yield lines.show
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn() if time_left is None else _TimeLeftColumn(time_left),
        TextColumn("{task.fields[at]}"),
    )
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task(title, total=None, at="")

        def show(done: int, total: int, at: str) -> None:
            bar.update(task, completed=done, total=total, at=escape(one_line(at)))

        yield show


class _ProgressLines:
    """Print how far a run is as plain lines, seldom enough for a log."""

    def __init__(self, title: str, time_left: TimeLeft) -> None:
        self._title = title
        self._time_left = time_left
        self._last = time.monotonic()
        self._done, self._total = 0, 0

    def show(self, done: int, total: int, _at: str) -> None:
        """Note how far it is; print that at the end, or if it's time again."""
        self._done, self._total = done, total
        self.tick(is_over=done == total)

    def tick(self, is_over: bool = False) -> None:
        """Print a line, if it's time again."""
        if not is_over and time.monotonic() < self._last + SECONDS_BETWEEN_LINES:
            return
        self._last = time.monotonic()
        left = "" if is_over else self._time_left.in_words()
        told = f"{self._title}: {self._done} of {self._total} done{', ' if left else ''}{left}"
        err.print(escape(one_line(told)))


def print_results(results: list[SubmissionResult], console: Console = out) -> None:
    """Print a table of the class for each assignment: who, score, why."""
    for assignment in sorted({one.assignment for one in results}):
        table = Table(title=assignment, title_justify="left")
        table.add_column("Student", overflow="fold")
        table.add_column("Score", justify="right", no_wrap=True)
        table.add_column("Why", overflow="fold")
        for one in sorted(results, key=lambda one: one.student):
            if one.assignment == assignment:
                score = f"{round(one.score, 2):g} / {one.max_score:g}"
                why = "\n".join(map(one_line, _why(one)))
                table.add_row(escape(one_line(one.student)), score, escape(why))
        console.print(table)


def _why(result: SubmissionResult) -> list[str]:
    """Return the reasons that fit a table; the feedback page has them all."""
    lines = list(result.reasons)
    if len(lines) > REASONS_SHOWN:
        lines[REASONS_SHOWN - 1 :] = [
            f"… and {counted(len(lines) - REASONS_SHOWN + 1, 'more reason')}"
        ]
    if result.late_seconds:
        hours = result.late_seconds / 3600
        late = f"{hours / 24:.1f} days" if hours >= 48 else f"{hours:.1f} h"
        cost = f", which cost {round(result.penalty, 2):g} points" if result.penalty else ""
        lines.append(f"handed in late by {late}{cost}")
    return lines


@app.command()
def build(course: CourseFolder = None) -> None:
    """Write what the masters make: release/, translations.

    Code of translated notebooks, both languages' releases and the compiled catalogs. The same
    masters give the same bytes each time. No gradebook is touched.
    """
    from autograder.authoring.build import build as build_course

    where = _own_course("`nbgrader generate_assignment`", course)
    changed = build_course(where)
    for path in changed:
        out.print(path.relative_to(where.root), markup=False)
    out.print(
        f"{counted(len(changed), 'file')} changed." if changed else "Everything was up to date."
    )


@app.command()
def check(
    assignment: Annotated[
        str | None, typer.Argument(help="Only this assignment; all when left out.")
    ] = None,
    course: CourseFolder = None,
) -> None:
    """Find what would go wrong before students do.

    Ids, outputs, translations, built files, leaks, the trust boundary, and trial runs of the
    solution and of the untouched release. In a course that nbgrader's own configuration describes,
    the level of each test of an assignment that is named, why, and what to write to raise it.

    Ends with exit code 1 and a line for each problem, naming file and cell.
    """
    from autograder.authoring.check import check as check_course

    where = _course(course)

    def show(title: str) -> None:
        err.print(one_line(f"checking {title} …"), markup=False)

    if where.is_by_nbgrader:
        from autograder.authoring.check_ordinary import check_ordinary
        from autograder.grading.run_privileges import without_root

        with without_root(where):
            found = check_ordinary(where, show, assignment)
        problems = found.problems
        for remark in found.remarks:
            out.print(one_line(remark), markup=False)
    else:
        problems = check_course(where, show, assignment)
    for problem in problems:
        out.print(str(problem), markup=False)
    if problems:
        out.print(f"{counted(len(problems), 'problem')}.")
        raise typer.Exit(1)
    out.print("No problems.")


@app.command()
def release(
    assignment: Assignment,
    language: Annotated[str | None, typer.Option(help="The language nbgrader hands out.")] = None,
    due: Annotated[
        str | None,
        typer.Option(
            metavar="DATE",
            help="When it is due: 2025-03-14 (the end of that day), 2025-03-14 18:00, either with "
            "a time zone such as Asia/Seoul, UTC or +09:00, else in the course's or this "
            "machine's.",
        ),
    ] = None,
    exchange: Annotated[bool, typer.Option("--exchange", help="Also into the exchange.")] = False,
    db: Database = None,
    course: CourseFolder = None,
) -> None:
    """Register an assignment, ready to hand out."""
    from autograder.authoring.release import release as release_assignment
    from autograder.core.dates import read_date
    from autograder.core.due_dates import describe_due_date
    from autograder.core.released_values import describe_values

    where = _own_course(
        "`nbgrader generate_assignment` and `nbgrader release_assignment`",
        course,
        language=language,
        db=db,
    )
    where.require_language(where.released_language)
    when = read_date(due, "--due", where.time_zone) if due is not None else None
    folder = release_assignment(where, assignment, when, exchange)
    out.print(f"{assignment} is released: {folder}", markup=False)
    out.print(describe_due_date(where, assignment, when), markup=False)
    if said := describe_values(where, assignment):
        out.print(said, markup=False)


@app.command()
def bundle(
    assignments: Annotated[
        list[str] | None,
        typer.Argument(help="The assignments; all that are released when left out."),
    ] = None,
    to: Annotated[Path | None, typer.Option("--to", help="The zip to write.")] = None,
    for_assistants: Annotated[
        bool,
        typer.Option(
            "--for-assistants",
            help="Instead, the notebooks with solutions and rubrics, for those who grade.",
        ),
    ] = False,
    db: Database = None,
    course: CourseFolder = None,
) -> None:
    """Pack what students get into one zip.

    Of the assignments it packs those that are released, or the named ones of these; before the
    first is released, all that are built.
    """
    from autograder.authoring.assistants_bundle import bundle_for_assistants
    from autograder.authoring.bundle import assignments_to_pack
    from autograder.authoring.bundle import bundle as bundle_course

    where = _own_course("the assignment's folder in release", course, db=db)
    if for_assistants:
        path = bundle_for_assistants(where, to, assignments or ())
        out.print(f"For assistants only, with solutions and rubrics: {path}", markup=False)
        out.print("Hidden tests aren't in it; keep it where students can't get at it.")
        return
    packed = assignments_to_pack(where, assignments or ())
    out.print(f"The students' bundle: {bundle_course(where, to, packed)}", markup=False)
    out.print(one_line(f"Its assignments: {', '.join(packed)}."), markup=False)
    if left := [one for one in where.assignments() if one not in packed]:
        out.print(one_line(f"Not in it: {', '.join(left)}."), markup=False)


@app.command()
def submit(
    path: Annotated[Path, typer.Argument(help="Your notebook, or the assignment's folder.")],
    student: Annotated[str, typer.Option("--student", "-s", help="Your student id.")],
    to: Annotated[Path | None, typer.Option("--to", help="The folder for the zip.")] = None,
    exchange: Annotated[bool, typer.Option("--exchange", help="Into nbgrader's exchange.")] = False,
    course: CourseFolder = None,
) -> None:
    """Pack your answers with a receipt, for the LMS."""
    from autograder.student.submit import submit as submit_work

    result = submit_work(path, student, _course(course), to, exchange=exchange)
    out.print(str(result), markup=False)


@app.command()
def collect(
    assignment: Assignment,
    origin: Annotated[
        Path | None,
        typer.Argument(help="A folder or zip of LMS downloads; the exchange when left out."),
    ] = None,
    roster: Annotated[
        Path | None,
        typer.Option(
            help="The class: a CSV with id, first_name, last_name, email, lms_user_id, or the "
            "gradebook that Canvas, Moodle or Blackboard exports."
        ),
    ] = None,
    received: Annotated[
        str | None,
        typer.Option(
            metavar="DATE",
            help="When these came in, where the download doesn't say; written as for release "
            "--due, so a day alone means its end.",
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Tell how the roster is understood, and stop there."),
    ] = False,
    db: Database = None,
    course: CourseFolder = None,
) -> None:
    """Take in submissions: exchange, Canvas, Moodle, Blackboard.

    What was understood of a roster is told before anybody is enrolled; at a terminal you are asked
    whether it is right when it changes the class list.
    """
    from autograder.core.dates import in_words, read_date
    from autograder.intake.collect import collect as collect_submissions

    where = _own_course("`nbgrader collect` or `nbgrader zip_collect`", course, db=db)
    when = read_date(received, "--received", where.time_zone) if received is not None else None
    if when:
        out.print(f"All of these count as received {in_words(when)}.", markup=False)
    if dry_run and roster is None:
        raise UserError("--dry-run tells how a roster is understood; name one with --roster.")
    result = collect_submissions(
        where,
        assignment,
        origin,
        roster=roster,
        received=when,
        before_enrolling=lambda found: _show_roster(where, found, dry_run),
    )
    out.print(str(result), markup=False)
    if result.refused:
        raise typer.Exit(1)


def _show_roster(course: Course, roster: Roster, is_dry_run: bool) -> None:
    """Print what was understood of a roster; stop if it is a dry run or isn't what was meant."""
    from autograder.intake.roster import find_changes

    new, changed = find_changes(course, roster.people)
    out.print(roster.describe(), markup=False)
    out.print(f"  {len(new)} new to the class list, {len(changed)} changed in it.", markup=False)
    if is_dry_run:
        out.print("Nobody was enrolled and nothing collected.")
        raise typer.Exit
    is_asked = (new or changed) and sys.stdin.isatty() and out.is_terminal
    if is_asked and not typer.confirm("Enroll them so?", default=True):
        out.print("Nobody was enrolled and nothing collected.")
        raise typer.Exit(1)


@app.command()
def grade(
    assignment: Assignment,
    student: Students = None,
    again: Annotated[bool, typer.Option("--again", help="Also what hasn't changed.")] = False,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Processes on this machine; one a core when left out."),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            envvar="AUTOGRADER_SCHEDULER",
            help="A Dask scheduler whose workers grade, such as tcp://host:8786.",
        ),
    ] = None,
    db: Database = None,
    course: CourseFolder = None,
) -> None:
    """Grade everyone; show who has what and why."""
    from autograder.grading.run_privileges import without_root

    where = _course(course, db=db)
    with without_root(where):
        from autograder.grading.coordinator import grade as grade_submissions
        from autograder.grading.time_left import TimeLeft

        left = TimeLeft()
        told: list[str] = []
        with _progress(f"grading {assignment}", left) as show:
            results = grade_submissions(
                where, assignment, student, again, show, workers, scheduler, left, told.append
            )
        from autograder.grading.result import class_summary
    print_results(results)
    out.print(class_summary(results), markup=False)
    for sentence in told:
        err.print(one_line(sentence), markup=False)


@app.command()
def watch(
    assignment: Assignment,
    poll: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="Scan the exchange this often, if it is on a network drive, where the system "
            "doesn't report what other machines write.",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Submissions at a time; by default one per core, at least two."),
    ] = None,
    db: Database = None,
    course: CourseFolder = None,
) -> None:
    """Grade what arrives in the exchange, as it arrives.

    Students fetch a reply to each submission as feedback. The table watch in the course's
    settings says how often they may submit and what they see before the due date. Press Ctrl-C
    to stop; the same command continues where it stopped.
    """
    from autograder.feedback.server import start_server
    from autograder.grading.run_privileges import without_root

    where = _own_course("`nbgrader collect` and `autograder grade`", course, db=db)
    exchange = Path(where.nbgrader_config().Exchange.root)
    with without_root(where, exchange, prepare=start_server):
        from autograder.watch.watcher import require_poll
        from autograder.watch.watcher import watch as watch_exchange

        require_poll(poll)
        summary = watch_exchange(where, assignment, _say_now, poll, workers)
    out.print(str(summary), markup=False)


def _say_now(sentence: str) -> None:
    out.print(one_line(sentence), markup=False)
    sys.stdout.flush()


@app.command()
def feedback(
    assignment: Assignment,
    student: Students = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Explain the answers before the due date too.")
    ] = False,
    show_choices: Annotated[
        bool,
        typer.Option("--show-choices", help="Show choice questions before the due date too."),
    ] = False,
    release: Annotated[
        bool,
        typer.Option("--release", help="Also into the exchange, for students to fetch."),
    ] = False,
    pack: Annotated[
        str | None,
        typer.Option(
            "--pack",
            metavar="LMS",
            help="Also as the zip that returns them through an LMS: canvas or moodle.",
        ),
    ] = None,
    db: Database = None,
    course: CourseFolder = None,
) -> None:
    """Write a feedback page for every student.

    Answers are explained once the due date has passed; what became of choice questions is held
    back until then. Whoever handed in nothing gets the explanations after the due date.
    """
    from autograder.feedback.page_privileges import give_up_root

    where = _own_course("`nbgrader generate_feedback`", course, db=db)
    exchange = [Path(where.nbgrader_config().Exchange.root)] if release else []
    give_up_root(where, *exchange)
    from autograder.feedback.feedback import feedback as write_feedback

    with _progress(f"feedback on {assignment}") as show:
        result = write_feedback(where, assignment, student, explain, show, show_choices)
    out.print(f"{counted(len(result), 'page')} in {where.feedback}.", markup=False)
    for sentence in filter(None, [result.held, *result.warnings, *result.failed.values()]):
        out.print(one_line(sentence), markup=False)
    if release:
        from autograder.feedback.exchange import release_feedback

        out.print(one_line(release_feedback(where, assignment, result.pages)), markup=False)
    if pack is not None:
        from autograder.feedback.lms_return import pack_feedback

        out.print(one_line(pack_feedback(where, assignment, pack, result.pages)), markup=False)
    if result.failed or result.warnings:
        raise typer.Exit(1)


@app.command()
def report(
    assignment: Assignment,
    to: Annotated[Path | None, typer.Option("--to", help="The folder to write to.")] = None,
    language: Annotated[str | None, typer.Option(help="The page's language.")] = None,
    excel: Annotated[bool, typer.Option("--excel", help="Mark the CSV for Excel.")] = False,
    db: Database = None,
    course: CourseFolder = None,
) -> None:
    """One page about the class, and CSVs for an LMS."""
    from autograder.report.report import report as write_report

    result = write_report(_course(course, db=db), assignment, to, language, excel=excel)
    out.print(str(result), markup=False)


@app.command()
def similar(
    assignment: Assignment,
    to: Annotated[Path | None, typer.Option("--to", help="The folder to write to.")] = None,
    language: Annotated[str | None, typer.Option(help="The page's language.")] = None,
    db: Database = None,
    course: CourseFolder = None,
) -> None:
    """List similar submissions side by side, for a person to judge.

    Answers are compared cell by cell, leaving out what students were given. Similarity is not
    proof of copying.
    """
    from autograder.grading.run_privileges import without_root

    where = _course(course, db=db)
    with without_root(where):
        from autograder.similarity.similar import similar as compare_submissions

        result = compare_submissions(where, assignment, to, language)
    out.print(str(result), markup=False)


term_app = typer.Typer(
    help="Extensions, sections, who is in the class, the course total; alone, how things stand.",
    invoke_without_command=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(term_app, name="term")

Enrolled = Annotated[list[str], typer.Argument(help="The students' ids.", metavar="STUDENT...")]


@term_app.callback()
def term(context: typer.Context, db: Database = None, course: CourseFolder = None) -> None:
    """Extensions, sections, who is in the class, the course total; alone, how things stand."""
    if context.invoked_subcommand is not None:
        if db is not None or course is not None:
            raise UserError("Write --db and --course at the end, after the rest of the command.")
        return
    from autograder.term.overview import describe_term

    for line in describe_term(_course(course, db=db)):
        out.print(one_line(line), markup=False)


@term_app.command("page")
def term_page(
    language: Annotated[str | None, typer.Option(help="The page's language.")] = None,
    db: Database = None,
    course: CourseFolder = None,
) -> None:
    """Write the instructor's start page: how each assignment stands, and the next thing to do."""
    from autograder.term.start_page import write_start_page

    out.print(f"The page: {write_start_page(_course(course, db=db), language)}", markup=False)


@term_app.command("extend")
def term_extend(
    assignment: Assignment,
    students: Enrolled,
    until: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="Until when; written as for release --due."),
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take the extension back.")] = False,
    db: Database = None,
    course: CourseFolder = None,
) -> None:
    """Give students more time, before or after they hand in; penalties change at the next grade."""
    from autograder.core.dates import in_words, read_date
    from autograder.core.due_record import write_due_record
    from autograder.term.extensions import extend

    if (until is None) != remove:
        raise UserError("Say until when with --until DATE, or --remove to take an extension back.")
    where = _course(course, db=db)
    when = read_date(until, "--until", where.time_zone) if until is not None else None
    found = extend(where, assignment, students, when)
    write_due_record(where)  # Formgrader may have changed a date of all
    for one in found:
        time = f"until {in_words(one.until)}" if one.until else "no extension any more"
        out.print(one_line(f"{one.student} has {time} for {assignment}."), markup=False)
    if any(one.handed_in for one in found):
        out.print(f"Run `autograder grade {assignment}` to bring penalties up to date.")


@term_app.command("section")
def term_section(
    name: Annotated[str, typer.Argument(help="The section's name; '' for none.")],
    students: Enrolled,
    db: Database = None,
    course: CourseFolder = None,
) -> None:
    """Put students into a section."""
    from autograder.term.students import set_section

    changed = set_section(_course(course, db=db), students, name)
    where = f"in section {name}" if name.strip() else "in no section"
    out.print(one_line(f"Now {where}: {', '.join(changed)}."), markup=False)


@term_app.command("drop")
def term_drop(students: Enrolled, db: Database = None, course: CourseFolder = None) -> None:
    """Note that students left: no longer graded, reported or counted; nothing is removed."""
    from autograder.term.students import drop

    changed = drop(_course(course, db=db), students)
    out.print(one_line(f"Left the course: {', '.join(changed)}."), markup=False)


@term_app.command("restore")
def term_restore(students: Enrolled, db: Database = None, course: CourseFolder = None) -> None:
    """Take back that students left."""
    from autograder.term.students import restore

    changed = restore(_course(course, db=db), students)
    out.print(one_line(f"In the course again: {', '.join(changed)}."), markup=False)


@term_app.command("rename")
def term_rename(
    old: Annotated[str, typer.Argument(help="The id so far.")],
    new: Annotated[str, typer.Argument(help="The new id.")],
    db: Database = None,
    course: CourseFolder = None,
) -> None:
    """Give a student another id, with everything that is theirs."""
    from autograder.core.released_values import assignments_with_values
    from autograder.term.students import rename

    where = _course(course, db=db)
    moved = rename(where, old, new)
    renamed = f"{counted(len(moved), 'folder')} {'was' if len(moved) == 1 else 'were'} renamed"
    out.print(one_line(f"{old} is now {new}; {renamed}."), markup=False)
    if again := assignments_with_values(where, new):
        text = (
            f"{new} keeps the values of {', '.join(again)}; release again, so that they are found "
            "under the new id too."
        )
        out.print(one_line(text), markup=False)


@term_app.command("roster")
def term_roster(
    file: Annotated[Path, typer.Argument(help="The class list, as for collect --roster.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell how it is understood, and stop there.")
    ] = False,
    db: Database = None,
    course: CourseFolder = None,
) -> None:
    """Take in the class list, with sections, before anything is collected."""
    from autograder.intake.roster import enroll
    from autograder.intake.roster_file import read_roster

    where = _course(course, db=db)
    found = read_roster(file)
    _show_roster(where, found, dry_run)
    enroll(where, found.people)


@term_app.command("total")
def term_total(
    section: Annotated[str | None, typer.Option(help="Only this section.")] = None,
    to: Annotated[Path | None, typer.Option("--to", help="The CSV to write.")] = None,
    db: Database = None,
    course: CourseFolder = None,
) -> None:
    """Add up every student's scores over the course."""
    from autograder.term.total import course_total, write_total

    where = _course(course, db=db)
    found = course_total(where, section)
    table = Table()
    for heading in ("Student", "Section"):
        table.add_column(heading, overflow="fold")
    for name, points in found.points.items():
        table.add_column(escape(one_line(f"{name} / {points:g}")), justify="right")
    table.add_column("Total", justify="right")
    for one in found.students:
        cells = [_total_cell(one, name) for name in found.points]
        percent = "–" if one.percent is None else f"{one.percent:.1f}%"
        who = [one_line(one.student), one_line(one.section)]
        table.add_row(*map(escape, who), *cells, percent)
    out.print(table)
    if any(one.waiting for one in found.students):
        out.print("* a person has still to grade something of it, which counts 0 so far")
    out.print(f"For a spreadsheet: {write_total(where, found, to)}", markup=False)


def _total_cell(total: StudentTotal, assignment: str) -> str:
    if assignment in total.missing:
        return "missing"
    mark = "*" if assignment in total.waiting else ""
    score = total.scores.get(assignment)
    return f"{score:.4g}{mark}" if score is not None else mark or "–"


@app.command()
def validate(
    path: Annotated[Path, typer.Argument(help="Your notebook.")],
    course: CourseFolder = None,
) -> None:
    """Run your notebook's visible checks, as Validate."""
    from autograder.student.validate import validate as validate_notebook

    result = validate_notebook(path, _course(course))
    out.print(str(result), markup=False)
    if not result.ok:
        raise typer.Exit(1)


@app.command()
def history(
    name: Annotated[
        str | None, typer.Argument(help="The notebook, or the assignment's name; all if left out.")
    ] = None,
    restore: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="Put back the version saved then, as it is listed."),
    ] = None,
    course: CourseFolder = None,
) -> None:
    """List the saved versions of your notebooks, or put one back.

    JupyterLab keeps a version in work/.history each time a notebook in work/ is saved changed.
    What is there now is kept as well before another version takes its place.
    """
    from autograder.student.work_history import histories
    from autograder.student.work_history import restore as restore_version

    where = _course(course)
    if restore is None:
        for one in histories(where, name):
            out.print(str(one), markup=False)
    elif name is None:
        raise UserError("Name the notebook that you want back, as in: autograder history quiz.")
    else:
        out.print(str(restore_version(where, name, restore)), markup=False)


@app.command()
def translate(
    path: Annotated[Path, typer.Argument(help="The notebook to switch, in place.")],
    to: Annotated[str | None, typer.Option("--to", help="The language, such as ko.")] = None,
    confirm: Annotated[
        bool,
        typer.Option("--confirm", help="For authors: this translation fits the source of now."),
    ] = False,
    cell: Annotated[
        list[str] | None,
        typer.Option("--cell", help="With --confirm: only this cell."),
    ] = None,
    course: CourseFolder = None,
) -> None:
    """Switch a notebook to another language in place.

    Answers, own cells and prose that you have edited stay.
    """
    from autograder.student.translate import translate as translate_notebook

    where = _course(course)
    if confirm:
        from autograder.authoring.confirm import confirm_translation

        changed = confirm_translation(where, path, cell)
        cells = counted(len(changed), "cell")
        out.print(f"{cells} confirmed: {', '.join(changed) or 'none'}", markup=False)
        return
    if to is None:
        raise UserError("Say which language to switch to, for example --to ko.")
    result = translate_notebook(where, path, to)
    out.print(
        f"{path.name} is now in {to}: {counted(result.switched, 'cell')} switched.", markup=False
    )
    if result.kept:
        out.print(f"Left as you wrote them: {', '.join(result.kept)}.", markup=False)


@app.command()
def doctor() -> None:
    """Tell whether this machine can grade, and what to do if not.

    Ends with exit code 1 where it can't.
    """
    if sys.platform != "linux":
        raise UserError("Grading needs Linux; grade in the container that env/container describes.")
    from autograder.grading.run_privileges import try_roles
    from autograder.sandbox.doctor import can_grade
    from autograder.sandbox.doctor import doctor as look

    findings = look(try_roles)
    for one in findings:
        out.print(f"{'✓' if one.ok else '✗'} {one.name}: {one.text}", markup=False)
    if not can_grade(findings):
        raise typer.Exit(1)


@app.command()
def demo(
    folder: Annotated[
        Path | None,
        typer.Option("--keep", help="Play in this empty folder and keep it."),
    ] = None,
) -> None:
    """Play a whole term with a small class.

    The class ships as test data; your own course isn't touched.
    """
    import tempfile

    from autograder.demo import play

    def say(text: str) -> None:
        err.print(text, markup=False)

    if folder is not None:
        if folder.exists() and any(folder.iterdir()):
            raise UserError(f"{folder} isn't empty; name a new folder.")
        print_results(play(folder, Course.here(), say))
        return
    with tempfile.TemporaryDirectory(prefix="autograder-demo-") as place:
        print_results(play(Path(place), Course.here(), say))
    say("The folder was deleted again; `autograder demo --keep FOLDER` leaves it for a look.")
