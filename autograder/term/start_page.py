"""Write the instructor's start page: how each assignment stands, and the next thing to do.

Markdown, because JupyterLab opens with it (`python3 env lab --instructor`).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path

from autograder.config import Course
from autograder.core import notebook_io
from autograder.core.atomic_io import write_file
from autograder.core.printable import one_line
from autograder.core.question_titles import notebook_title
from autograder.core.release_record import has_gradebook, release_time, released_assignments
from autograder.core.term_records import dropped_students
from autograder.errors import UserError
from autograder.feedback.exchange import count_returned, exchange_folder
from autograder.feedback.lms_return import LMS
from autograder.i18n import _, speaking
from autograder.intake.looked_at import looked_at
from autograder.report.gradesheet import grade_sheet
from autograder.similarity.record import page_path, recorded_pairs

START_PAGE = "START.md"
"""Its name in the folder `term`."""

_MOST_LOOKED_AT = 100_000
"""The most folders of the exchange that are counted."""


@dataclass(frozen=True)
class AssignmentState:
    """How an assignment stands.

    Attributes:
        title: what people call it.
        released: when it was released, in UTC; None if it wasn't, or that isn't recorded.
        is_released: whether its cells are in the gradebook.
        due: the due date of all, in UTC.
        arrived: the students who handed in through the exchange since it was last collected from,
            and of whom nothing was collected.
        received: the students of whom a submission was collected.
        graded: the students with a graded submission.
        ungraded: the students whose submission was collected and never graded.
        waiting: of the graded ones, those in which a person has still to grade something.
        feedback: the students with a feedback page.
        returned: the students whose page is in the exchange.
        packed: the LMSs for which the pages are packed.
        similar: the pairs of similar submissions; None if the class wasn't compared.
        pages: the addresses of the pages on it, relative to `term`, by name.
    """

    name: str
    title: str
    is_released: bool = False
    released: datetime | None = None
    due: datetime | None = None
    arrived: int = 0
    received: int = 0
    graded: int = 0
    ungraded: int = 0
    waiting: int = 0
    feedback: int = 0
    returned: int = 0
    packed: tuple[str, ...] = ()
    similar: int | None = None
    pages: tuple[tuple[str, str], ...] = ()

    def next_step(self, now: datetime, course: Course) -> tuple[str, str]:
        """Return the next thing to do, in the current language, and its command; "" for none."""
        is_open = self.due is not None and now < self.due
        name, type_in = self.name, course.command
        is_own = not course.is_by_nbgrader
        if not self.is_released:
            return _("Release it"), type_in("release", name) + (" --due DATE" if is_own else "")
        if self.arrived and not is_open:
            return _("Collect what is in the exchange"), type_in("collect", name)
        if self.ungraded:
            return _("Grade what was collected"), f"autograder grade {name}"
        if not self.received and is_open:
            return _("Hand it out, and wait until it is due"), type_in("bundle", name)
        if not self.received:
            return _("Collect"), type_in("collect", name) + (" DOWNLOADS" if is_own else "")
        if self.waiting:
            return _("Grade written answers: Nbgrader → Formgrader → Manual Grading"), ""
        if self.similar is None:
            return _("Compare the submissions"), f"autograder similar {name}"
        if self.feedback < self.graded:
            return _("Write the feedback"), type_in("feedback", name)
        if self.graded and not self.returned and not self.packed:
            back = f"autograder feedback {name} --release" if is_own else type_in("return", name)
            return _("Return the feedback"), back
        if not any(kind == "report" for kind, _address in self.pages):
            return _("Look at the class"), f"autograder report {name}"
        return _("Nothing"), ""


def write_start_page(course: Course, language: str | None = None) -> Path:
    """Write `term/START.md`.

    Args:
        course: the course.
        language: the page's language; the source language by default.

    Raises:
        UserError: there are no assignments, or there is no such language.
        EnvironmentFault: the gradebook can't be used, or the folder isn't writable.
    """
    language = course.require_spoken(course.source_language if language is None else language)
    states = assignment_states(course, language)
    with speaking(language):
        page = start_page(course, states, datetime.now(UTC))
    path = course.term / START_PAGE
    write_file(path, page.encode("utf-8"))
    return path


def assignment_states(course: Course, language: str) -> list[AssignmentState]:
    """Return how each assignment stands.

    Args:
        course: the course.
        language: that of the titles.
    """
    dues: dict[str, datetime | None] = {}
    dropped: set[str] = set()
    known = released_assignments(course) or []
    if has_gradebook(course):
        with course.gradebook() as gradebook:
            dues = {one.name: one.duedate for one in gradebook.assignments}
            dropped = dropped_students(gradebook.db)
    found = []
    for name in course.assignments():
        title = _title(course, name, language)
        if name not in known:
            found.append(AssignmentState(name, title))
            continue
        sheet = grade_sheet(course, name, language)
        received = set(course.students_in("submitted", name)) - dropped
        due = dues.get(name)
        feedback = {
            student
            for student in course.students_in("feedback", name)
            if any(course.place("feedback", student, name).glob("*.html"))
        }
        found.append(
            AssignmentState(
                name,
                title,
                is_released=True,
                released=release_time(course, name),
                due=due.replace(tzinfo=UTC) if due else None,
                arrived=len(_handed_in(course, name) - received - dropped),
                received=len(received),
                graded=len(sheet.submitted),
                ungraded=len(set(sheet.collected) - dropped),
                waiting=sum(bool(row.waiting) for row in sheet.submitted),
                feedback=len(feedback - dropped),
                returned=count_returned(course, name),
                packed=_packed(course, name),
                similar=recorded_pairs(course, name),
                pages=_pages(course, name),
            )
        )
    return found


def _handed_in(course: Course, assignment: str) -> set[str]:
    """Return who has a folder in the exchange that the last `collect` hasn't looked at.

    The names are students' own and only counted.
    """
    found: set[str] = set()
    known = looked_at(course, assignment)
    try:
        with os.scandir(exchange_folder(course) / "inbound") as entries:
            for _number, entry in zip(range(_MOST_LOOKED_AT), entries, strict=False):
                student, _plus, rest = entry.name.partition("+")
                if rest.startswith(f"{assignment}+") and (
                    known.get(entry.name) != entry.stat(follow_symlinks=False).st_ctime_ns
                ):
                    found.add(student)
    except OSError:
        pass  # there is no exchange
    return found


def _packed(course: Course, assignment: str) -> tuple[str, ...]:
    """Return the LMSs for which `feedback --pack` has written a zip."""
    found = (course.term / "returns").glob(f"{assignment}-*.zip")
    names = (path.stem.removeprefix(f"{assignment}-") for path in found)
    return tuple(sorted(name for name in names if name in LMS))


def _pages(course: Course, assignment: str) -> tuple[tuple[str, str], ...]:
    places = {
        "report": course.term / "reports" / f"{assignment}.html",
        "similar": page_path(course, assignment),
    }
    return tuple(
        (kind, path.relative_to(course.term).as_posix())
        for kind, path in places.items()
        if path.is_file()
    )


def _title(course: Course, assignment: str, language: str) -> str:
    folders = [
        course.source(code) / assignment
        for code in dict.fromkeys([language, course.source_language])
    ]
    if course.is_by_nbgrader:
        folders = [course.place("source", ".", assignment)]
    for folder in folders:
        for path in sorted(folder.glob("*.ipynb")):
            try:
                if title := notebook_title(notebook_io.read(path)):
                    return title
            except UserError:  # `check` tells
                continue
    return assignment


def start_page(course: Course, states: list[AssignmentState], now: datetime) -> str:
    """Return the page as Markdown, in the current language."""
    zone = course.time_zone
    headings = (
        _("Assignment"),
        _("Released"),
        _("Due"),
        _("Received"),
        _("Graded"),
        _("Waiting for manual grading"),
        _("Feedback: written / in the exchange / packed for an LMS"),
        _("Similar pairs"),
        _("Next"),
    )
    rows = [headings, *(_row(one, now, zone, course) for one in states)]
    table = [f"| {' | '.join(row)} |" for row in rows]
    table.insert(1, f"|{':---|' * len(headings)}")
    written = _moment(now, zone)
    seen = f"{course.settings.lessons}/{START_PAGE}"
    title = _("for instructors")
    edited, grading = _("After editing a notebook"), "`autograder doctor`"
    hints = [
        (_("Extensions, sections, students who left"), "`autograder term --help`"),
        (_("The course total"), "`autograder term total`"),
    ]
    if course.is_by_nbgrader:
        hints.append((edited, "`nbgrader generate_assignment NAME`, `autograder check NAME`"))
    else:
        hints.append((edited, "`autograder build`, `autograder check`"))
        hints.append((_("Solutions for assistants"), "`autograder bundle --for-assistants`"))
    hints.append((_("Whether this machine can grade"), grading))
    if (course.root / seen).is_file():
        hints.append((_("What students see"), f"[START](../{seen})"))
    current = _("As of {time}. To update this page: {command}")
    counted = _(
        "Run the commands in a terminal (File → New → Terminal). Received counts students; the "
        "number after a plus sign counts those in the exchange who aren't collected yet."
    )
    parts = [
        f"# {_text(course.title)}: {title}",
        current.format(time=written, command="`autograder term page`"),
        "\n".join(table),
        counted,
        "\n".join(f"- {what}: {how}" for what, how in hints),
    ]
    return "\n\n".join(parts) + "\n"


def _row(
    state: AssignmentState, now: datetime, zone: tzinfo | None, course: Course
) -> tuple[str, ...]:
    pages = dict(state.pages)
    what, command = state.next_step(now, course)
    todo = f"{what}: `{command}`" if command else what
    title = _text(state.title)
    if "report" in pages:
        title = f"[{title}]({pages['report']})"
    similar = "–" if state.similar is None else str(state.similar)
    if "similar" in pages:
        similar = f"[{similar}]({pages['similar']})"
    if not state.is_released:
        return title, "–", "–", "–", "–", "–", "–", "–", todo
    return (
        title,
        _moment(state.released, zone) if state.released else "✓",
        _moment(state.due, zone) if state.due else "–",
        f"{state.received}{f' + {state.arrived}' if state.arrived else ''}",
        str(state.graded),
        str(state.waiting),
        " / ".join([str(state.feedback), str(state.returned), *state.packed]),
        similar,
        todo,
    )


def _moment(moment: datetime, zone: tzinfo | None) -> str:
    local = moment.astimezone(zone)
    return f"{local:%Y-%m-%d %H:%M} {local.tzname() or ''}".strip()


def _text(text: str) -> str:
    """Return text for a cell of a table: on one line, and none of Markdown's signs in it."""
    plain = one_line(text)
    return "".join(f"\\{sign}" if sign in r"\`*_{}[]<>|#!" else sign for sign in plain)
