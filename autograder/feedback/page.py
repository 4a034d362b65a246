"""Render the feedback page: one file, in the notebook's language, that loads nothing.

The template (`templates/feedback.html.j2`) escapes everything but the HTML that comes from
`sanitize` and `outputs`. A Content-Security-Policy in the page is the second line of defense.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup
from nbconvert.exporters import Exporter
from nbconvert.exporters.exporter import ResourcesDict
from nbformat import NotebookNode
from pygments.formatters import HtmlFormatter

from autograder.checks import is_shown, record_in
from autograder.choices import outcome_in_words
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
from autograder.feedback.preprocessors import (
    EXPLAINED,
    GRADES,
    HELD,
    CellGrade,
    Grades,
    Withheld,
)
from autograder.feedback.sanitize import highlighted, lowered, markdown_to_html
from autograder.feedback.text import readable
from autograder.grading.result import GradedCell, graded_cells
from autograder.i18n import _, speaking
from autograder.notebook_metadata import entries

MAX_NOTES = 200
"""The most notes about a submission that are shown."""

_HEADINGS_DOWN = 2  # the page itself has headings of levels 1 and 2


@dataclass(frozen=True)
class Question:
    """One row of the score table.

    Attributes:
        name: the grade id.
        grade: the points.
        words: why it got these points.
        held: whether its result is withheld.
    """

    name: str
    grade: CellGrade
    words: str
    held: bool = False

    @property
    def state(self) -> str:
        """Its CSS class: "held", "waiting", "full", "part" or "none"."""
        if self.held:
            return "held"
        if self.grade.waiting:
            return "waiting"
        if self.grade.points >= self.grade.max_points:
            return "full"
        return "part" if self.grade.points > 0 else "none"


@dataclass(frozen=True)
class Check:
    """One check of a test."""

    name: str
    passed: bool
    message: str


@dataclass(frozen=True)
class Part:
    """A cell on the page.

    Attributes:
        kind: its CSS class: "prose", "explanation", "answer", "test", "read-only" or "own"
            (added by the student).
        name: the cell's grade id, or "".
        question: its row in the score table, if it has one.
        prose: the HTML of a Markdown cell.
        code: the highlighted source of a code cell.
        checks: the results of a test's checks.
        outputs: its outputs from `ReadableOutputs`, without the record of checks.
        comment: a grader's comment, as HTML.
    """

    kind: str
    name: str
    question: Question | None
    prose: Markup | None
    code: Markup | None
    checks: tuple[Check, ...]
    outputs: tuple[NotebookNode, ...]
    comment: Markup | None


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
        with speaking(shown_language(nb)):
            results = {one.grade_id: one for one in graded_cells(nb, reveal=explained)}
        page = render(
            reduced,
            prepared[GRADES],
            results,
            prepared["nbgrader"],
            prepared.get(HELD, Withheld()),
            explained=explained,
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
    """
    language = shown_language(nb)
    with speaking(language):
        order = dict.fromkeys(name for cell in nb.cells if (name := grade_id(cell)) is not None)
        if left_out:
            order |= dict.fromkeys(grades.cells)
        questions = {
            name: Question(
                name,
                grades.cells[name],
                _reason(
                    grades.cells[name], results.get(name), held if name in held.names else None
                ),
                name in held.names,
            )
            for name in order
            if name in grades.cells
        }
        shown = [one for one in questions.values() if not one.held]
        points = sum(one.grade.points for one in shown)
        # A penalty may depend on the score, and would reveal it.
        penalty = grades.penalty if len(shown) == len(questions) else 0.0
        return _template().render(
            _=_,
            language=language,
            names=names,
            grades=grades,
            penalty=penalty,
            questions=list(questions.values()),
            held=len(questions) - len(shown),
            held_words=_withheld_text(len(questions) - len(shown), held),
            waiting=any(one.grade.waiting for one in shown),
            points=points,
            score=max(0.0, points - penalty),
            max_score=sum(one.grade.max_points for one in shown),
            notes=_notes(nb),
            parts=[]
            if left_out
            else [_part(one, questions, grades.comments, explained) for one in nb.cells],
            left_out=_(left_out) if left_out else "",
            highlighting=Markup(_highlighting_styles()),
        )


def _notes(nb: NotebookNode) -> list[str]:
    notes = [Note(**entry) for entry in entries(nb).get("notes", [])]
    return [readable(one, 1_000, 10) for one in texts(notes[:MAX_NOTES])]


def _withheld_text(count: int, held: Withheld) -> str:
    if not count:
        return ""
    if held.until is None:
        return _("Questions withheld until your instructor releases them: {count}").format(
            count=count
        )
    return _("Questions shown after {time}: {count}").format(count=count, time=_time(held.until))


def _reason(grade: CellGrade, result: GradedCell | None, held: Withheld | None) -> str:
    """Return what the table says next to the points."""
    if held is not None:
        if result is not None and not result.answered:
            return _("no answer yet")
        if held.until is None:
            return _("withheld until your instructor releases it")
        return _("shown after {time}").format(time=_time(held.until))
    if grade.waiting:
        return _("waiting for manual grading")
    if grade.by_hand:
        return _("graded manually")
    if grade.points >= grade.max_points:
        return _("everything passed")
    if result is None:
        return ""
    if not result.answered:
        return _("no answer yet")
    return "; ".join(readable(one, 500, 3) for one in result.messages)


def _part(
    cell: NotebookNode,
    questions: dict[str, Question],
    comments: dict[str, str],
    explained: bool,
) -> Part:
    name = grade_id(cell) or ""
    code = cell.cell_type == "code"
    comment = comments.get(name)
    if comment == "No response.":  # what nbgrader itself writes
        comment = _("No answer.")
    outputs = cell.get("outputs", []) if code else []
    return Part(
        kind=_kind(cell),
        name=name,
        question=questions.get(name),
        prose=None
        if code
        else Markup(markdown_to_html(cell.source, _HEADINGS_DOWN, cell.get("attachments"))),
        code=Markup(highlighted(cell.source)) if code and cell.source.strip() else None,
        checks=tuple(check for out in outputs for check in _checks(out, explained)),
        outputs=tuple(out for out in outputs if not is_shown(out.get("data"))),
        comment=Markup(markdown_to_html(comment, _HEADINGS_DOWN)) if comment else None,
    )


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


def _checks(output: NotebookNode, explained: bool) -> list[Check]:
    record = record_in(output.get("data"))
    if record is None:
        return []
    return [
        Check(
            readable(outcome_in_words(one, explained) or _(str(one.get("name", ""))), 300, 2),
            one["passed"],
            readable(one.get("message", ""), 500, 5),
        )
        for one in record["checks"][:200]
    ]


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


def _time(value: datetime) -> str:
    return f"{value:%Y-%m-%d %H:%M} UTC"


def _harmless(cleaned: str) -> Markup:
    """Return an output's HTML, which `ReadableOutputs` has sanitized, as markup."""
    return Markup(lowered(cleaned, _HEADINGS_DOWN))


def _highlighting_styles() -> str:
    return str(HtmlFormatter(style="vs").get_style_defs(".highlight"))


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
    environment.filters.update(points=_points, duration=_duration, time=_time, harmless=_harmless)
    template = files("autograder.feedback").joinpath("templates/feedback.html.j2")
    return environment.from_string(template.read_text(encoding="utf-8"))
