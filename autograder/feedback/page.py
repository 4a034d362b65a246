"""Render the feedback page: one file, in the notebook's language, that loads nothing.

The template (`templates/feedback.html.j2`) escapes everything but the HTML that comes from
`sanitize` and `outputs`. A Content-Security-Policy in the page is the second line of defense.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup, escape
from nbconvert.exporters import Exporter
from nbconvert.exporters.exporter import ResourcesDict
from nbformat import NotebookNode

from autograder.checks import is_shown
from autograder.core.messages import Note, texts
from autograder.core.notebook_io import (
    copied,
    grade_id,
    is_explanation,
    is_solution,
    is_test,
)
from autograder.core.notebook_language import shown_language
from autograder.core.printable import printable_value
from autograder.core.question_titles import notebook_title, question_titles
from autograder.feedback.plan import PagePlan
from autograder.feedback.preprocessors import (
    ABSENT,
    EXPLAINED,
    GRADES,
    HELD,
    PLAN,
    REMARKS,
    ZONE,
    CellGrade,
    Grades,
    Withheld,
)
from autograder.feedback.questions import (
    Check,
    Question,
    QuestionCells,
    cells_by_question,
    checks_of,
)
from autograder.feedback.sanitize import highlighted, lowered, markdown_to_html
from autograder.feedback.text import readable
from autograder.grading.result import GradedCell, graded_cells
from autograder.i18n import _, speaking
from autograder.notebook_metadata import entries
from autograder.student_values import value_in_words

MAX_NOTES = 200
"""The most notes about a submission that are shown."""

MAX_OPEN_LINES, MAX_OPEN_CHARS = 20, 1_600
"""The most lines and characters of code that is shown whole; more of it scrolls."""

_HEADINGS_DOWN = 2  # the page itself has headings of levels 1 and 2 above the notebook


@dataclass(frozen=True)
class Part:
    """A cell on the page.

    Attributes:
        kind: its CSS class: "prose", "explanation", "answer", "test", "read-only" or "own"
            (added by the student).
        name: the cell's grade id, or "".
        prose: the HTML of a Markdown cell.
        code: the highlighted source of a code cell.
        checks: the results of a test's checks.
        outputs: its outputs from `ReadableOutputs`, without the record of checks.
        comment: a grader's comment, as HTML.
        mended: whether the instructor has changed this test since the student got it; `code` is
            then the test as the student had it.
    """

    kind: str
    name: str
    prose: Markup | None
    code: Markup | None
    checks: tuple[Check, ...]
    outputs: tuple[NotebookNode, ...]
    comment: Markup | None
    mended: bool = False


@dataclass(frozen=True)
class Card:
    """A question that lost points or has a comment, with what its reader needs."""

    question: Question
    task: tuple[Part, ...]
    answers: tuple[Part, ...]
    test: Part | None
    explanations: tuple[Part, ...]
    comments: tuple[Markup, ...]
    readings: tuple[str, ...]

    @property
    def checks(self) -> tuple[Check, ...]:
        """The results of the test's checks."""
        return self.test.checks if self.test else ()

    @property
    def is_choice(self) -> bool:
        """Whether the option that was chosen says it all."""
        return any(one.is_choice for one in self.checks)


class FeedbackPage(Exporter):
    """Export the page through nbconvert, so that Formgrader and the command share it."""

    file_extension = ".html"
    output_mimetype = "text/html"

    def _preprocess(
        self, nb: NotebookNode, resources: ResourcesDict
    ) -> tuple[NotebookNode, ResourcesDict]:
        # nbconvert also validates the notebook after each step, which takes minutes and hundreds
        # of megabytes where outputs are many or long.
        for step in self._preprocessors:
            nb, resources = step(nb, resources)
        return nb, resources

    def from_notebook_node(  # type: ignore[override]  # exporters of text return text
        self, nb: NotebookNode, resources: dict[str, Any] | None = None, **options: object
    ) -> tuple[str, ResourcesDict]:
        """Return the page of a graded notebook, and the resources.

        Args:
            nb: the graded notebook, as grading wrote it.
            resources: nbgrader's names of student, assignment and notebook.
            options: ignored.
        """
        prepared = self._init_resources(resources)  # type: ignore[no-untyped-call]  # nbconvert has no annotations
        reduced, prepared = self._preprocess(copied(nb), prepared)
        explained = prepared.get(EXPLAINED, False)
        # Points and reasons come from the complete tests, of which hidden parts aren't removed.
        absent = prepared.get(ABSENT, False)
        with speaking(shown_language(nb)):
            results = (
                {} if absent else {one.grade_id: one for one in graded_cells(nb, reveal=explained)}
            )
        page = render(
            reduced,
            prepared[GRADES],
            results,
            prepared["nbgrader"],
            prepared.get(HELD, Withheld()),
            explained=explained,
            plan=prepared.get(PLAN, PagePlan()),
            zone=prepared.get(ZONE),
            absent=absent,
            remarks=prepared.get(REMARKS, ()),
        )
        return page, prepared


def render(
    nb: NotebookNode,
    grades: Grades,
    results: dict[str, GradedCell],
    names: dict[str, str],
    held: Withheld = Withheld(),  # noqa: B008 - frozen
    left_out: str = "",
    explained: bool = False,
    plan: PagePlan = PagePlan(),  # noqa: B008 - frozen
    zone: tzinfo | None = None,
    absent: bool = False,
    remarks: Sequence[Note] = (),
) -> str:
    """Return the page of a notebook that the feedback preprocessors have processed.

    Args:
        nb: the processed notebook.
        grades: its grades.
        results: the results of its graded cells, by grade id.
        names: nbgrader's "student", "assignment" and "notebook".
        held: the questions whose results are withheld.
        left_out: a msgid that says why the notebook isn't shown; then the page has no cells,
            and its questions are those of the gradebook. "" to show the notebook.
        explained: whether the page may name the correct option of a choice question.
        plan: what the page may show besides.
        zone: the course's time zone, for readers without scripts; this machine's when None.
        absent: whether the student handed nothing in, so that the notebook is the released one.
        remarks: what else is said about the submission.
    """
    language = shown_language(nb)
    with speaking(language):
        titles = question_titles(nb)
        order = dict.fromkeys(name for cell in nb.cells if (name := grade_id(cell)) is not None)
        if left_out:
            order |= dict.fromkeys(grades.cells)
        parts = (
            {}
            if left_out
            else {cell.id: _part(cell, grades.comments, explained) for cell in nb.cells}
        )
        cells = cells_by_question(nb)
        questions = [
            _question(
                name,
                titles.get(name, name),
                grades.cells[name],
                results.get(name),
                held if name in held.names else None,
                tuple(
                    check
                    for cell in nb.cells
                    if grade_id(cell) == name and cell.id in parts
                    for check in parts[cell.id].checks
                ),
                zone,
            )
            for name in order
            if name in grades.cells
        ]
        shown = [one for one in questions if not one.held]
        points = sum(one.grade.points for one in shown)
        # A penalty may depend on the score, and would reveal it.
        penalty = grades.penalty if len(shown) == len(questions) else 0.0
        cards = [
            _card(one, cells.get(one.name, QuestionCells()), nb, parts, grades.comments, plan)
            for one in questions
        ]
        cards = [one for one in cards if one.question.lost or (one.comments and not absent)]
        carded = {one.question.name for one in cards}
        return _template().render(
            _=_,
            language=language,
            names=names,
            title=notebook_title(nb) or names["notebook"],
            grades=grades,
            received_words=_with_time(_("received {time}"), grades.received, zone)
            if grades.received
            else "",
            penalty=penalty,
            unfinished=[one for one in questions if one.state != "full"],
            finished=[one for one in questions if one.state == "full"],
            finished_points=sum(one.grade.points for one in questions if one.state == "full"),
            held=len(questions) - len(shown),
            held_words=_withheld_text(len(questions) - len(shown), held, zone),
            waiting=any(one.grade.waiting for one in shown),
            points=points,
            score=max(0.0, points - penalty),
            max_score=sum(one.grade.max_points for one in shown),
            notes=[*texts(list(remarks)), *_notes(nb)],
            values=_values(nb),
            values_are_own=entries(nb).get("values_are_own", False),
            cards=cards,
            carded=carded,
            states={one.name: one for one in questions},
            parts=list(parts.values()),
            left_out=_(left_out) if left_out else "",
            absent=absent,
            script=Markup(SCRIPT),
            script_hash=_script_hash(),
        )


def _notes(nb: NotebookNode) -> list[str]:
    notes = [Note(**entry) for entry in entries(nb).get("notes", [])]
    return [readable(one, 1_000, 10) for one in texts(notes[:MAX_NOTES])]


def _values(nb: NotebookNode) -> list[tuple[str, str]]:
    """Return the name and the words of each value that grading took for the student's own."""
    values = entries(nb).get("values", {})
    return [(readable(name), readable(value_in_words(value))) for name, value in values.items()]


def _withheld_text(count: int, held: Withheld, zone: tzinfo | None) -> str:
    if not count:
        return ""
    if held.until is None:
        return _("Questions withheld until your instructor releases them: {count}").format(
            count=count
        )
    return _with_time(_("Questions shown after {time}: {count}"), held.until, zone, count=count)


def _question(
    name: str,
    title: str,
    grade: CellGrade,
    result: GradedCell | None,
    held: Withheld | None,
    checks: tuple[Check, ...],
    zone: tzinfo | None,
) -> Question:
    """Return a question with what is said next to its points."""
    if held is not None:
        if result is not None and not result.answered:
            words = _("no answer yet")
        elif held.until is None:
            words = _("withheld until your instructor releases it")
        else:
            words = _with_time(_("shown after {time}"), held.until, zone)
        return Question(name, title, grade, words, held=True)
    if grade.waiting:
        return Question(name, title, grade, _("waiting for manual grading"))
    if grade.by_hand:
        return Question(name, title, grade, _("graded manually"))
    if grade.points >= grade.max_points:
        return Question(name, title, grade, _("everything passed"))
    if result is None:
        return Question(name, title, grade, "")
    if not result.answered:
        return Question(name, title, grade, _("no answer yet"))
    if checks:
        if any(one.is_choice and not one.passed for one in checks):
            return Question(name, title, grade, _("not correct"))
        passed = sum(one.passed for one in checks)
        words = _("Checks passed: {passed} of {total}").format(passed=passed, total=len(checks))
        return Question(name, title, grade, words)
    reasons = tuple(readable(one, 500, 3) for one in result.messages)
    return Question(name, title, grade, "", reasons)


def _card(
    question: Question,
    cells: QuestionCells,
    nb: NotebookNode,
    parts: Mapping[str, Part],
    comments: dict[str, str],
    plan: PagePlan,
) -> Card:
    own = [cells.test, *cells.answers]
    names = dict.fromkeys(
        [question.name, *(name for cell in nb.cells if cell.id in own and (name := grade_id(cell)))]
    )
    said = (_comment(comments.get(name)) for name in names)
    return Card(
        question,
        tuple(parts[one] for one in cells.task if one in parts),
        tuple(parts[one] for one in cells.answers if one in parts),
        parts.get(cells.test),
        tuple(parts[one] for one in cells.explanations if one in parts),
        tuple(one for one in said if one is not None),
        plan.readings.get(question.name, ()) if question.lost else (),
    )


def _comment(comment: str | None) -> Markup | None:
    if comment == "No response.":  # what nbgrader itself writes
        comment = _("No answer.")
    return Markup(markdown_to_html(comment, _HEADINGS_DOWN + 1)) if comment else None


def _part(cell: NotebookNode, comments: dict[str, str], explained: bool) -> Part:
    name = grade_id(cell) or ""
    code = cell.cell_type == "code"
    outputs = cell.get("outputs", []) if code else []
    had = entries(cell).get("had") if is_test(cell) else None
    source = readable(had) if isinstance(had, str) else cell.source
    return Part(
        kind=_kind(cell),
        name=name,
        prose=None
        if code
        else Markup(markdown_to_html(cell.source, _HEADINGS_DOWN, cell.get("attachments"))),
        code=Markup(_code(source)) if code and source.strip() else None,
        checks=tuple(check for out in outputs for check in checks_of(out, explained)),
        outputs=tuple(out for out in outputs if not is_shown(out.get("data"))),
        comment=_comment(comments.get(name)),
        mended=isinstance(had, str),
    )


def _code(source: str) -> str:
    """Return highlighted code, which the keyboard can scroll where it is long enough to."""
    shown = highlighted(source)
    return shown.replace("<pre>", '<pre tabindex="0">', 1) if _scrolls(source) else shown


def _scrolls(text: str) -> bool:
    return text.count("\n") >= MAX_OPEN_LINES or len(text) > MAX_OPEN_CHARS


def _kind(cell: NotebookNode) -> str:
    if is_explanation(cell):
        return "explanation"
    if is_solution(cell):
        return "answer"
    if is_test(cell):
        return "test"
    if cell.id.startswith("own-"):
        return "own"
    return "read-only" if cell.cell_type == "code" else "prose"


# Formatting.


def _points(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _duration(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    if minutes < 60:
        return _("{minutes} min").format(minutes=minutes)
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return _("{hours} h {minutes} min").format(hours=hours, minutes=minutes)
    return _("{days} days {hours} h").format(days=hours // 24, hours=hours % 24)


def _time(moment: datetime, zone: tzinfo | None) -> Markup:
    """Return a time in the course's zone, which the page's script puts into the reader's.

    Args:
        moment: in naive UTC, as nbgrader has it.
        zone: the course's; this machine's when None.
    """
    there = moment.replace(tzinfo=UTC)
    local = there.astimezone(zone)
    return Markup('<time datetime="{}">{}</time>').format(
        f"{there:%Y-%m-%dT%H:%M:%SZ}", f"{local:%Y-%m-%d %H:%M} {local.tzname()}"
    )


def _with_time(text: str, moment: datetime, zone: tzinfo | None, **values: object) -> Markup:
    return escape(text).format(time=_time(moment, zone), **values)


SCRIPT = """
for (const time of document.querySelectorAll("time[datetime]")) {
  const moment = new Date(time.dateTime);
  if (isNaN(moment)) continue;
  time.title = time.textContent;
  time.textContent = moment.toLocaleString(document.documentElement.lang || undefined, {
    year: "numeric", month: "short", day: "numeric", hour: "numeric", minute: "2-digit",
    timeZoneName: "short",
  });
}
const focusable = () => {
  for (const box of document.querySelectorAll(".output, .tex2jax_ignore")) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
  }
};
focusable();
document.addEventListener("toggle", focusable, true);
const reveal = () => {
  const there = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!there) return;
  for (let one = there; one; one = one.parentElement) {
    if (one.localName === "details") one.open = true;
  }
  there.scrollIntoView();
};
addEventListener("hashchange", reveal);
reveal();
"""
"""The page's only script: times in the reader's zone, scrolling by keyboard, links into folds."""


@cache
def _script_hash() -> str:
    """Return what the page's policy allows: this script, to the letter, and no other."""
    return base64.b64encode(hashlib.sha256(SCRIPT.encode("utf-8")).digest()).decode("ascii")


def _harmless(cleaned: str) -> Markup:
    """Return an output's HTML, which `ReadableOutputs` has sanitized, as markup."""
    return Markup(lowered(cleaned, _HEADINGS_DOWN))


@cache
def _template() -> Template:
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Also where a control character was encoded in HTML.
        finalize=printable_value,
    )
    environment.filters.update(points=_points, duration=_duration, harmless=_harmless)
    environment.tests.update(scrolling=_scrolls)
    template = files("autograder.feedback").joinpath("templates/feedback.html.j2")
    return environment.from_string(template.read_text(encoding="utf-8"))
