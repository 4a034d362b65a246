"""Write the report of an assignment: one page for the instructor, and CSV files for an LMS."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from autograder.config import Course
from autograder.core.atomic_io import write_file
from autograder.core.printable import printable_value
from autograder.i18n import _, speaking
from autograder.report import csv_export, statistics
from autograder.report.answers import AnswerCounts, count_answers
from autograder.report.gradesheet import GradeSheet, Question, Row, grade_sheet
from autograder.report.levels import LevelTable, level_table, level_words
from autograder.report.students import StudentTable, state_words, student_table
from autograder.similarity.record import page_path, recorded_pairs

if TYPE_CHECKING:
    from jinja2 import Template

BINS = 10
"""How many bins the histogram has."""

MAX_MISSED = 5
"""How many of the most often missed questions are listed."""


@dataclass(frozen=True)
class QuestionStatistics:
    """The statistics of one question.

    Attributes:
        question: the question.
        answered: the number of submissions in which it is graded.
        waiting: the number of those in which it is waiting for manual grading.
        mean: the mean score in points; None if nobody has one.
        discrimination: the corrected item-total correlation, see `statistics.discrimination`.
        below_full: the number of submissions with less than full points.
        at_zero: the number of those with no points.
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
        """The mean as a fraction of the points, 0 to 1."""
        if self.mean is None or self.question.points <= 0:
            return None
        return self.mean / self.question.points

    @property
    def missed_fraction(self) -> float:
        """The fraction of the graded submissions with less than full points, 0 to 1."""
        return self.below_full / self.answered if self.answered else 0.0


@dataclass(frozen=True)
class ClassStatistics:
    """The statistics of a class.

    `mean`, `median` and `deviation` (sample standard deviation) are of the scores after
    penalties of all graded submissions, in points; answers that are waiting for manual grading
    count 0.
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
        """The questions most often below full points, at most `MAX_MISSED`, the worst first."""
        missed = [one for one in self.questions if one.below_full]
        missed.sort(key=lambda one: (-one.missed_fraction, -one.at_zero / one.answered))
        return missed[:MAX_MISSED]


@dataclass(frozen=True)
class ReportResult:
    """The files that `report` wrote, and the statistics in them."""

    html: Path
    csv: Path
    canvas: Path
    moodle: Path
    figures: ClassStatistics
    levels: LevelTable | None = None

    def __str__(self) -> str:
        found = self.figures
        return "\n".join(
            [
                _(
                    "{submitted} submitted, {missing} missing, "
                    "{waiting} waiting for manual grading, {late} late; "
                    "mean {mean} of {most} points."
                ).format(
                    submitted=found.submitted,
                    missing=found.missing,
                    waiting=found.waiting,
                    late=found.late,
                    mean=_points(found.mean),
                    most=_points(found.max_score),
                ),
                *_level_sentences(self.levels),
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
    language: str | None = None,
    excel: bool = False,
) -> ReportResult:
    """Write the report of an assignment: `<assignment>.html` and three CSV files.

    Args:
        course: the course.
        assignment: the assignment's name.
        out: the folder to write to; `term/reports` by default.
        language: the page's language; the source language by default.
        excel: whether the full CSV begins with a byte order mark, for Excel.

    Raises:
        UserError: the gradebook doesn't have the assignment, or there is no such language.
        EnvironmentFault: the gradebook is in use or can't be reached, or the disk is full.
    """
    language = course.require_spoken(course.source_language if language is None else language)
    sheet = grade_sheet(course, assignment, language)
    found = figures(sheet)
    folder = Path(out) if out is not None else course.term / "reports"
    with speaking(language):
        students = student_table(course, sheet, folder.resolve())
        similar = _similar_submissions(course, assignment, folder.resolve())
        levels = level_table(course, sheet)
        answers = count_answers(course, sheet)
        page = render(sheet, found, language, answers, students, similar, levels)
    written = ReportResult(
        html=folder / f"{assignment}.html",
        csv=folder / f"{assignment}.csv",
        canvas=folder / f"{assignment}-canvas.csv",
        moodle=folder / f"{assignment}-moodle.csv",
        figures=found,
        levels=levels,
    )
    write_file(written.html, page.encode("utf-8"))
    write_file(written.csv, csv_export.full_csv(sheet, excel))
    write_file(written.canvas, csv_export.canvas_csv(sheet))
    write_file(written.moodle, csv_export.moodle_csv(sheet))
    return written


def _level_sentences(levels: LevelTable | None) -> list[str]:
    """Return how many points the tests of each level are worth, and earned on average."""
    if levels is None:
        return []
    words = level_words()
    parts = [
        _("{points} {level} (mean {mean})").format(
            points=_points(line.points), level=words[line.level][0], mean=_points(line.mean)
        )
        for line in levels.lines
    ]
    return [_("Points for tests: {parts}.").format(parts=", ".join(parts))]


@dataclass(frozen=True)
class SimilarSubmissions:
    """Where an assignment's similar submissions are listed.

    Attributes:
        pairs: how many pairs the page lists.
        page: its address, relative to the report.
    """

    pairs: int
    page: str


def _similar_submissions(
    course: Course, assignment: str, folder: Path
) -> SimilarSubmissions | None:
    pairs = recorded_pairs(course, assignment)
    page = page_path(course, assignment)
    if pairs is None or not page.is_file():
        return None
    return SimilarSubmissions(pairs, quote(Path(os.path.relpath(page, folder)).as_posix()))


def figures(sheet: GradeSheet) -> ClassStatistics:
    """Compute the statistics of a class."""
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
    # A question that isn't graded for some would lower their totals, so it is left out of all.
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


# Formatting.

UNDEFINED = "–"
"""What is shown in place of an undefined number."""


def _points(value: float | None) -> str:
    return UNDEFINED if value is None else f"{value:.1f}".removesuffix(".0")


def _mean(value: float | None) -> str:
    return UNDEFINED if value is None else f"{value:.2f}"


def _percent(value: float | None) -> str:
    return UNDEFINED if value is None else f"{value * 100:.0f}%"


def _signed(value: float | None) -> str:
    if value is None:
        return UNDEFINED
    text = f"{value:.2f}"
    return "0.00" if text == "-0.00" else text.replace("-", "−")


def _edge(place: int) -> str:
    return f"{round(100 * place / BINS)}"


@cache
def _template() -> Template:
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


def render(
    sheet: GradeSheet,
    found: ClassStatistics,
    language: str,
    answers: AnswerCounts | None = None,
    students: StudentTable | None = None,
    similar: SimilarSubmissions | None = None,
    levels: LevelTable | None = None,
) -> str:
    """Return the page, in the current language.

    Args:
        sheet: the class's results.
        found: the statistics.
        language: the current language's code.
        answers: what the class answered.
        students: the table of the students.
        similar: where similar submissions are listed, if the class was compared.
        levels: how much of the scores stands at each level, of an ordinary course.
    """
    columns = _columns(found.questions)
    return _template().render(
        _=_,
        language=language,
        assignment=sheet.title,
        name=sheet.assignment,
        answers=answers or AnswerCounts(),
        students=students,
        similar=similar,
        levels=levels,
        level_words=level_words(),
        state_words=state_words(),
        figures=found,
        bars=_bars(found.bins),
        columns=columns,
        row_height=_row_height(max(map(len, columns))),
        undefined=any(one.discrimination is None for one in found.questions),
        negative=any((one.discrimination or 0) < 0 for one in found.questions),
    )


MAX_ROWS = 20
"""The most questions that are listed in one column."""


def _columns(questions: list[QuestionStatistics]) -> list[list[QuestionStatistics]]:
    """Return the questions in one column, or in two if one would be longer than the page."""
    if len(questions) <= MAX_ROWS:
        return [questions]
    half = (len(questions) + 1) // 2
    return [questions[:half], questions[half:]]


def _row_height(rows: int) -> float:
    """Return the height of a row in the question table, in mm, so that all fits on one page."""
    return round(max(2.2, min(6.0, 96 / (rows + 1))), 2)


@dataclass(frozen=True)
class Bar:
    """One bar of the histogram, in units of the SVG's view box."""

    x: float
    y: float
    width: float
    height: float
    count: int
    label: str


CHART_SIZE = (520, 190)
"""The width and height of the view box, as in the template."""
_BASE, _TOP, _LEFT = 160, 22, 10


def _bars(counts: list[int]) -> list[Bar]:
    """Return the bars of the histogram; the highest fills the height."""
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
