"""The page that a student gets back: one file, in the notebook's language, that loads nothing.

The template (`templates/feedback.html.j2`) escapes by itself; what it takes as HTML comes from
`sanitize` and `outputs` only. A Content-Security-Policy in the page is the second wall.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from nbconvert.exporters import Exporter
from nbformat import NotebookNode
from pygments.formatters import HtmlFormatter

from autograder.core.messages import Note, texts
from autograder.core.notebook_io import (
    copied,
    course_metadata,
    grade_id,
    is_explanation,
    is_solution,
    is_test,
)
from autograder.core.notebook_language import shown_language
from autograder.core.printable import printable_value
from autograder.feedback.preprocessors import GRADES, HELD, CellGrade, Grades, Withheld
from autograder.feedback.sanitize import highlighted, lowered, markdown_to_html
from autograder.feedback.text import readable
from autograder.grading.result import GradedCell, graded_cells
from autograder.i18n import speaking
from beyond.checks import MIME_TYPE, is_record
from beyond.locale import _

MAX_NOTES = 200
"""The most notes about a submission that are looked at."""

_HEADINGS_DOWN = 2  # the page's own headings are of levels 1 and 2


@dataclass(frozen=True)
class Question:
    """A line of the table of scores."""

    name: str
    grade: CellGrade
    words: str
    held: bool = False

    @property
    def state(self) -> str:
        """ "held", "waiting", "full", "part" or "none"."""
        if self.held:
            return "held"
        if self.grade.waiting:
            return "waiting"
        if self.grade.points >= self.grade.max_points:
            return "full"
        return "part" if self.grade.points > 0 else "none"


@dataclass(frozen=True)
class Check:
    """A line of a test's checks."""

    name: str
    passed: bool
    message: str


@dataclass(frozen=True)
class Part:
    """A cell on the page.

    Attributes:
        kind: "prose", "explanation", "answer", "test", "given" or "own".
        name: the cell's grade id, or "".
        prose: markdown as HTML, for a markdown cell.
        code: highlighted source, for a code cell.
        checks: what its checks found, for a test.
        outputs: as `ReadableOutputs` made them, without the record of checks.
        comment: of a grader, as HTML.
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
    """nbconvert's way to the page, so that Formgrader and the command share it."""

    file_extension = ".html"
    output_mimetype = "text/html"

    def _preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        # nbconvert also validates the notebook after each step, which takes minutes and hundreds
        # of megabytes where outputs are many or long.
        for step in self._preprocessors:
            nb, resources = step(nb, resources)
        return nb, resources

    def from_notebook_node(
        self, nb: NotebookNode, resources: dict | None = None, **options: object
    ) -> tuple[str, dict]:
        # Points and reasons come from the whole tests, before they are reduced.
        with speaking(shown_language(nb)):
            verdicts = {one.grade_id: one for one in graded_cells(nb)}
        nb, resources = self._preprocess(copied(nb), self._init_resources(resources))
        page = render(
            nb, resources[GRADES], verdicts, resources["nbgrader"], resources.get(HELD, Withheld())
        )
        return page, resources


def render(
    nb: NotebookNode,
    grades: Grades,
    verdicts: dict[str, GradedCell],
    names: dict[str, str],
    held: Withheld = Withheld(),  # noqa: B008 - frozen
    left_out: str = "",
) -> str:
    """The page of a notebook that went through the steps of feedback.

    Args:
        verdicts: by grade id.
        names: nbgrader's "student", "assignment" and "notebook".
        held: what is held back.
        left_out: a msgid that says why the notebook isn't shown; then its cells stay away, and
            the questions are those of the gradebook.
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
                    grades.cells[name], verdicts.get(name), held if name in held.names else None
                ),
                name in held.names,
            )
            for name in order
            if name in grades.cells
        }
        shown = [one for one in questions.values() if not one.held]
        points = sum(one.grade.points for one in shown)
        # A penalty may be reckoned from the score, and would tell it.
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
            parts=[] if left_out else [_part(one, questions, grades.comments) for one in nb.cells],
            left_out=_(left_out) if left_out else "",
            highlighting=Markup(_highlighting_styles()),
        )


def _notes(nb: NotebookNode) -> list[str]:
    notes = [Note(**entry) for entry in course_metadata(nb).get("notes", [])]
    return [readable(one, 1_000, 10) for one in texts(notes[:MAX_NOTES])]


def _withheld_text(count: int, held: Withheld) -> str:
    if not count:
        return ""
    if held.until is None:
        return _("Questions held back until your instructor shows them: {count}").format(
            count=count
        )
    return _("Questions shown after {time}: {count}").format(count=count, time=_time(held.until))


def _reason(grade: CellGrade, verdict: GradedCell | None, held: Withheld | None) -> str:
    """What the table says beside the points."""
    if held is not None:
        if verdict is not None and not verdict.answered:
            return _("no answer yet")
        if held.until is None:
            return _("held back until your instructor shows it")
        return _("shown after {time}").format(time=_time(held.until))
    if grade.waiting:
        return _("waits for a person to grade it")
    if grade.by_hand:
        return _("graded by a person")
    if grade.points >= grade.max_points:
        return _("everything passed")
    if verdict is None:
        return ""
    if not verdict.answered:
        return _("no answer yet")
    return "; ".join(readable(one, 500, 3) for one in verdict.messages)


def _part(cell: NotebookNode, questions: dict[str, Question], comments: dict[str, str]) -> Part:
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
        checks=tuple(check for out in outputs for check in _checks(out)),
        outputs=tuple(out for out in outputs if MIME_TYPE not in out.get("data", {})),
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
    return "given" if cell.cell_type == "code" else "prose"


def _checks(output: NotebookNode) -> list[Check]:
    record = output.get("data", {}).get(MIME_TYPE)
    if not is_record(record):
        return []
    return [
        Check(
            readable(_(str(one.get("name", ""))), 300, 2),
            one["passed"],
            readable(one.get("message", ""), 500, 5),
        )
        for one in record["checks"][:200]
    ]


# How the page says it.


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
    """An output's HTML, which `ReadableOutputs` made harmless."""
    return Markup(lowered(cleaned, _HEADINGS_DOWN))


def _highlighting_styles() -> str:
    return HtmlFormatter(style="vs").get_style_defs(".highlight")


def warm_up() -> None:
    """Load what the first page would load."""
    highlighted("a = 1")
    _template()


@cache
def _template():
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Whatever a value's way here was, and however it was encoded in HTML.
        finalize=printable_value,
    )
    environment.filters.update(points=_points, duration=_duration, time=_time, harmless=_harmless)
    template = files("autograder.feedback").joinpath("templates/feedback.html.j2")
    return environment.from_string(template.read_text(encoding="utf-8"))
