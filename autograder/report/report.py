"""The class at a glance: one printed page for the instructor, and tables for the LMS."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from autograder.config import Course
from autograder.core.atomic_io import write_file
from autograder.core.printable import printable_value
from autograder.i18n import speaking
from autograder.report import csv_export, statistics
from autograder.report.gradesheet import GradeSheet, Question, Row, grade_sheet
from beyond.locale import _

BINS = 10
MAX_MISSED = 5


@dataclass(frozen=True)
class QuestionStatistics:
    """One question in the report.

    Attributes:
        answered: submissions in which it has its score (it doesn't wait for a person).
        waiting: submissions in which it waits.
        mean: the mean score in points; None if nobody has one.
        discrimination: corrected item-total correlation, see `item_analysis.discrimination`.
        below_full: submissions with less than all its points.
        at_zero: of these, those with none.
    """

    question: Question
    answered: int
    waiting: int
    mean: float | None
    discrimination: float | None
    below_full: int
    at_zero: int

    @property
    def mean_fraction(self) -> float | None:
        """The mean as a share of the points."""
        if self.mean is None or self.question.points <= 0:
            return None
        return self.mean / self.question.points

    @property
    def missed_fraction(self) -> float:
        return self.below_full / self.answered if self.answered else 0.0


@dataclass(frozen=True)
class ClassStatistics:
    """What the report says of a class.

    `mean`, `median` and `deviation` are of the scores that count (after penalties) of all
    graded submissions, in points; those that wait for a person count with what they have.
    """

    submitted: int
    missing: int
    waiting: int
    late: int
    uncollected: int
    max_score: float
    mean: float | None
    median: float | None
    deviation: float | None
    bins: list[int]
    questions: list[QuestionStatistics]

    @property
    def most_missed(self) -> list[QuestionStatistics]:
        """The questions most often below full points, at most five, the worst first."""
        missed = [one for one in self.questions if one.below_full]
        missed.sort(key=lambda one: (-one.missed_fraction, -one.at_zero / one.answered))
        return missed[:MAX_MISSED]


@dataclass(frozen=True)
class ReportResult:
    """What `report` wrote, and its figures."""

    html: Path
    csv: Path
    canvas: Path
    moodle: Path
    figures: ClassStatistics

    def __str__(self) -> str:
        found = self.figures
        return "\n".join(
            [
                _(
                    "{submitted} submitted, {missing} missing, {waiting} waiting for manual grading, "
                    "{late} late; mean {mean} of {most} points."
                ).format(
                    submitted=found.submitted,
                    missing=found.missing,
                    waiting=found.waiting,
                    late=found.late,
                    mean=_points(found.mean),
                    most=_points(found.max_score),
                ),
                _("The page: {path}").format(path=self.html),
                _("For a spreadsheet: {path}").format(path=self.csv),
                _("For Canvas: {path}").format(path=self.canvas),
                _("For Moodle: {path}").format(path=self.moodle),
            ]
        )


def report(
    course: Course,
    assignment: str,
    out: Path | None = None,
    language: str = "en",
    excel: bool = False,
) -> ReportResult:
    """Write the report of an assignment: `<assignment>.html`, and CSV for people and LMSs.

    Args:
        out: the folder to write to; `term/reports` by default.
        language: the page's language.
        excel: begin the full CSV with a byte order mark, for Excel.

    Raises:
        UserError: the gradebook doesn't know the assignment, or the language isn't one.
        EnvironmentFault: the gradebook is in use, the disk is full.
    """
    sheet = grade_sheet(course, assignment)
    found = figures(sheet)
    with speaking(language):
        page = render(sheet, found, language)
    folder = Path(out) if out is not None else course.term / "reports"
    written = {
        folder / f"{assignment}.html": page.encode("utf-8"),
        folder / f"{assignment}.csv": csv_export.full_csv(sheet, excel),
        folder / f"{assignment}-canvas.csv": csv_export.canvas_csv(sheet),
        folder / f"{assignment}-moodle.csv": csv_export.moodle_csv(sheet),
    }
    for path, content in written.items():
        write_file(path, content)
    return ReportResult(*written, figures=found)


def figures(sheet: GradeSheet) -> ClassStatistics:
    """The report's numbers."""
    submitted = sheet.submitted
    scores = [row.score for row in submitted]
    shares = [score / sheet.max_score for score in scores] if sheet.max_score > 0 else []
    return ClassStatistics(
        submitted=len(submitted),
        missing=len([row for row in sheet.rows if row.student not in set(sheet.collected)])
        - len(submitted),
        waiting=sum(bool(row.waiting) for row in submitted),
        late=sum(row.late_seconds > 0 for row in submitted),
        uncollected=len(sheet.collected),
        max_score=sheet.max_score,
        mean=statistics.mean(scores),
        median=statistics.median(scores),
        deviation=statistics.standard_deviation(scores),
        bins=statistics.histogram(shares, BINS),
        questions=[_question_statistics(question, sheet) for question in sheet.questions],
    )


def _question_statistics(question: Question, sheet: GradeSheet) -> QuestionStatistics:
    submitted = sheet.submitted
    have = [row for row in submitted if question.key not in row.waiting]
    scores = [row.scores.get(question.key, 0.0) for row in have]
    # A question that waits for someone would pull that student's total down, so it is left
    # out of everybody's.
    pending = set().union(*(row.waiting for row in submitted))
    counted = [
        other.key
        for other in sheet.questions
        if other.key != question.key and other.key not in pending
    ]
    below = [score for score in scores if score < question.points - 1e-9]
    return QuestionStatistics(
        question=question,
        answered=len(have),
        waiting=len(submitted) - len(have),
        mean=statistics.mean(scores),
        discrimination=statistics.discrimination(scores, [_rest(row, counted) for row in have]),
        below_full=len(below),
        at_zero=sum(score <= 1e-9 for score in below),
    )


def _rest(row: Row, counted: list[str]) -> float:
    return sum(row.scores.get(key, 0.0) for key in counted)


# How the page says it.

UNDEFINED = "–"
"""What stands where a figure can't be had."""


def _points(value: float | None) -> str:
    return UNDEFINED if value is None else f"{value:.1f}".removesuffix(".0")


def _mean(value: float | None) -> str:
    return UNDEFINED if value is None else f"{value:.2f}"


def _percent(value: float | None) -> str:
    return UNDEFINED if value is None else f"{value * 100:.0f} %"


def _signed(value: float | None) -> str:
    if value is None:
        return UNDEFINED
    text = f"{value:.2f}"
    return "0.00" if text == "-0.00" else text.replace("-", "−")


def _edge(place: int) -> str:
    return f"{round(100 * place / BINS)}"


@cache
def _template():
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=printable_value,
    )
    environment.filters.update(points=_points, mean=_mean, percent=_percent, signed=_signed)
    environment.globals.update(edge=_edge, UNDEFINED=UNDEFINED)
    text = files("autograder.report").joinpath("templates/report.html").read_text(encoding="utf-8")
    return environment.from_string(text)


def render(sheet: GradeSheet, found: ClassStatistics, language: str) -> str:
    """The page, in the language that is set now."""
    columns = _columns(found.questions)
    return _template().render(
        _=_,
        language=language,
        assignment=sheet.assignment,
        figures=found,
        bars=_bars(found.bins),
        columns=columns,
        row_height=_row_height(max(map(len, columns))),
        undefined=any(one.discrimination is None for one in found.questions),
        negative=any((one.discrimination or 0) < 0 for one in found.questions),
    )


MAX_ROWS = 20
"""The most questions that are listed in one column, with a bar each."""


def _columns(questions: list[QuestionStatistics]) -> list[list[QuestionStatistics]]:
    """One column of questions, or two where one would run over the page."""
    if len(questions) <= MAX_ROWS:
        return [questions]
    half = (len(questions) + 1) // 2
    return [questions[:half], questions[half:]]


def _row_height(rows: int) -> float:
    """Millimetres for a line of the questions' table, so that the page stays one page."""
    return round(max(2.2, min(6.0, 96 / (rows + 1))), 2)


@dataclass(frozen=True)
class Bar:
    """One bar of the histogram, in the picture's own units."""

    x: float
    y: float
    width: float
    height: float
    count: int
    label: str


CHART_SIZE = (520, 190)
"""The width and height of the drawing, as the template has them."""
_BASE, _TOP, _LEFT = 160, 22, 10


def _bars(counts: list[int]) -> list[Bar]:
    """The histogram drawn: the highest bar fills the picture's height."""
    highest = max(counts, default=0) or 1
    step = (CHART_SIZE[0] - 2 * _LEFT) / len(counts)
    bars = []
    for place, count in enumerate(counts):
        height = round((_BASE - _TOP) * count / highest, 1)
        bars.append(
            Bar(
                x=round(_LEFT + place * step + 2, 1),
                y=round(_BASE - height, 1),
                width=round(step - 4, 1),
                height=height,
                count=count,
                label=f"{_edge(place)}–{_edge(place + 1)}",
            )
        )
    return bars
