"""Make the pages that tell a student what became of a submission before points may be shown.

Nothing on them depends on a hidden test: they are made of what the submission itself is, of the
student's earlier attempts, and of a run of the tests as students have them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import cache
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, Template
from nbformat import NotebookNode
from nbgrader import utils

from autograder.core.attempt_limits import FORM, VISIBLE, AttemptLimits
from autograder.core.messages import N_, Note, note, texts
from autograder.core.notebook_io import grader_metadata
from autograder.core.notebook_language import shown_language
from autograder.core.printable import printable_value
from autograder.core.question_titles import notebook_title, question_titles
from autograder.feedback.questions import Check, cells_by_question, checks_of
from autograder.feedback.text import readable
from autograder.grading.scoring import stopped
from autograder.i18n import _, speaking
from autograder.notebook_metadata import entries

MOST_NOTES = 200

ATTEMPT_OF = N_("This is your attempt {number} of {most}; attempts left: {left}.")
ATTEMPT = N_("This is your attempt {number}.")
LAST_COUNTS = N_("The last attempt counts, not the best one.")
NEXT_FROM = N_("The next attempt can be graded from {time} on.")
NONE_LEFT = N_(
    "This submission isn't graded, because you have had all {most} attempts. Your last attempt "
    "counts."
)
HELD = N_(
    "This submission came too soon after your previous attempt. It will be taken at {time}, unless "
    "you submit a newer one before then."
)
UNUSABLE = N_(
    "This submission couldn't be taken, and your instructor has been told why. Submit again, or "
    "ask your instructor."
)
FORM_ONLY = N_(
    "Your work has arrived. Until the due date, you see only whether it can be read and which "
    "questions have an answer, not whether the answers are correct."
)
VISIBLE_ONLY = N_(
    "Until the due date, you see only the results of the visible checks. Points also depend on "
    "other checks."
)
SHOWN_AFTER = N_("Points and all other results are shown after {time}.")
SHOWN_LATER = N_("Your instructor will show points and all other results later.")
IN_PROGRESS = N_("Your work has arrived and is being graded; fetch the feedback again in a while.")


@dataclass(frozen=True)
class AnswerState:
    """Say what may be told of one question.

    Attributes:
        title: what its readers call it.
        answered: whether there is an answer, right or wrong.
        checks: the visible checks' results; empty where they aren't told.
        stopped: why the visible checks didn't come to their end; empty if they did.
    """

    title: str
    answered: bool
    checks: tuple[Check, ...] = ()
    stopped: str = ""


def local_time(moment: datetime, zone: tzinfo | None) -> str:
    """Return a time in the course's zone, in words.

    Args:
        moment: with a time zone.
        zone: the course's; this machine's when None.
    """
    local = moment.astimezone(zone)
    return f"{local:%Y-%m-%d %H:%M:%S} {local.tzname()}"


def attempt_notes(
    limits: AttemptLimits, number: int, taken: datetime, zone: tzinfo | None
) -> list[Note]:
    """Return what a student is told of an attempt and of those to come.

    Args:
        limits: of the assignment.
        number: the attempt's.
        taken: when it was taken.
        zone: the course's time zone.
    """
    if limits.attempts is None:
        said = [note(ATTEMPT, number=number)]
        has_more = True
    else:
        left = max(0, limits.attempts - number)
        said = [note(ATTEMPT_OF, number=number, most=limits.attempts, left=left)]
        has_more = left > 0
    if limits.pause and has_more:
        said.append(note(NEXT_FROM, time=local_time(taken + limits.pause, zone)))
    said.append(note(LAST_COUNTS))
    return said


def shown_notes(
    told: str, show: str, due: datetime | None, is_over: bool, zone: tzinfo | None
) -> list[Note]:
    """Return what a student is told of what the page holds and what will follow.

    Args:
        told: what the page shows, one of `config.SHOWN`.
        show: the most that is shown before the due date.
        due: the student's own due date; None without one.
        is_over: whether it has passed.
        zone: the course's time zone.
    """
    if is_over or show not in (FORM, VISIBLE):
        return [note(IN_PROGRESS)]
    rest = note(SHOWN_AFTER, time=local_time(due, zone)) if due else note(SHOWN_LATER)
    return [note(VISIBLE_ONLY if told == VISIBLE else FORM_ONLY), rest]


def reply_page(student: str, notebook: NotebookNode, said: Sequence[Note], told: str) -> bytes:
    """Return the page on a submission that was taken.

    Args:
        student: the student's id.
        notebook: the rebuilt one, or the one that the visible run left.
        said: what is told besides.
        told: `FORM`, or `VISIBLE` for the visible checks too.
    """
    own = [Note(**entry) for entry in entries(notebook).get("notes", [])]
    language = shown_language(notebook)
    with speaking(language):
        states = answer_states(notebook, with_checks=told == VISIBLE)
        return _page(
            language,
            student,
            notebook_title(notebook),
            [*texts(list(said)), *texts(own[:MOST_NOTES])],
            states,
            with_checks=told == VISIBLE,
        )


def notice_page(student: str, released: NotebookNode, language: str, said: Sequence[Note]) -> bytes:
    """Return the page on a submission that was not taken.

    Args:
        student: the student's id.
        released: the notebook as it was handed out.
        language: in which to speak.
        said: what is told.
    """
    with speaking(language):
        return _page(language, student, notebook_title(released), texts(list(said)), [], False)


def answer_states(notebook: NotebookNode, with_checks: bool) -> list[AnswerState]:
    """Return what may be told of each question, in the current language.

    Args:
        notebook: the rebuilt one, or the one that the visible run left.
        with_checks: whether the checks are told.
    """
    cells = {cell.id: cell for cell in notebook.cells}
    grouped = cells_by_question(notebook)
    found = []
    for name, title in question_titles(notebook).items():
        parts = grouped.get(name)
        answers = [cells[one] for one in parts.answers] if parts else []
        test = cells.get(parts.test) if parts else None
        checks: tuple[Check, ...] = ()
        why = ""
        if with_checks and test is not None:
            checks = tuple(
                check for output in test.outputs for check in checks_of(output, explained=False)
            )
            why = "" if checks else readable(stopped(test) or "", 500, 3)
        found.append(AnswerState(title, any(map(_has_answer, answers)), checks, why))
    return found


def _has_answer(cell: NotebookNode) -> bool:
    if not cell.source.strip():
        return False
    given = grader_metadata(cell).get("checksum")
    return given is None or given != utils.compute_checksum(cell)


def _page(
    language: str,
    student: str,
    title: str,
    notes: Sequence[str],
    questions: Sequence[AnswerState],
    with_checks: bool,
) -> bytes:
    page = _template().render(
        _=_,
        language=language,
        student=student,
        title=title,
        notes=[readable(one, 1_000, 10) for one in notes],
        questions=questions,
        with_checks=with_checks,
    )
    return page.encode("utf-8", "replace")


@cache
def _template() -> Template:
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=printable_value,
    )
    template = files("autograder.watch").joinpath("templates/reply.html.j2")
    return environment.from_string(template.read_text(encoding="utf-8"))
