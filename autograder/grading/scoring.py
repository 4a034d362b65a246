"""Turn what a test cell left behind into points and reasons.

The record that `autograder.checks.report` leaves in a cell's output makes the points. A warning or
anything else on stderr never costs one. A test that did not reach its report earns nothing, and
the reason says why.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import Any

from nbformat import NotebookNode
from nbgrader import utils
from nbgrader.api import Gradebook
from nbgrader.preprocessors import SaveAutoGrades

from autograder.checks import is_shown, record_in, score
from autograder.choices import outcome_in_words
from autograder.core.cell_status import CellStatus
from autograder.core.notebook_io import copied, grader_metadata
from autograder.core.term_records import align_extension, read_extensions
from autograder.i18n import _
from autograder.notebook_metadata import entries


@dataclass(frozen=True)
class CellScore:
    """Hold the points of one test cell.

    Attributes:
        points: the points earned, from 0 to the cell's points; None: a person has to grade it.
        reasons: why it isn't all of them, in the current language; empty when it is.
        answered: False when the only thing wrong is that there is no answer yet.
    """

    points: float | None
    reasons: tuple[str, ...] = ()
    answered: bool = True


def score_cell(cell: NotebookNode, reveal: bool = True) -> CellScore:
    """Score an executed graded cell.

    A cell whose points aren't a finite number from 0 to what it is worth earns 0. Of a test that
    ran in the student's process the fraction counts that the instructor has chosen.

    Args:
        cell: the cell.
        reveal: whether the reasons may name the correct option of a choice question.
    """
    found = _score(cell, reveal)
    worth = worth_of(cell)
    if worth == 1 or not found.points:
        return found
    return replace(
        found, points=found.points * worth, reasons=(*found.reasons, worth_in_words(worth))
    )


def worth_of(cell: NotebookNode) -> float:
    """Return the fraction of a test's points that counts."""
    worth = entries(cell).get("worth", 1.0)
    return worth if isinstance(worth, (int, float)) and 0 <= worth <= 1 else 1.0


def worth_in_words(worth: float) -> str:
    """Say to the student why a test counts for less."""
    said = _("the result of this test can't be verified, so it counts for {percent}% of its points")
    return str(said.format(percent=f"{100 * worth:.4g}"))


def _score(cell: NotebookNode, reveal: bool) -> CellScore:
    most = float(grader_metadata(cell).get("points", 0))
    if utils.is_solution(cell) or cell.cell_type != "code":
        points, _most = utils.determine_grade(cell)
        return CellScore(points, (), answered=points != 0)
    record = _record(cell)
    if record is not None:
        points = score(record, most)
        if points >= most:
            return CellScore(points)
        failed = [one for one in record["checks"] if not one["passed"]]
        # Where the form is wrong, the other checks have nothing to add.
        failed = [one for one in failed if one["weight"] == 0] or failed
        if failed and all(one.get("unanswered") is True for one in failed):
            return CellScore(points, (), answered=False)
        return CellScore(points, tuple(_words(one, reveal) for one in failed))
    why = stopped(cell)
    if why is not None:
        return CellScore(0.0, (why,))
    if "report()" in cell.source or cell.get("execution_count") is None:
        return CellScore(0.0, (_("the test did not come to its end"),))
    return _score_plain_assert(cell, most)


def _record(cell: NotebookNode) -> dict[str, Any] | None:
    found = [
        output.data
        for output in cell.outputs
        if output.output_type == "display_data" and is_shown(output.get("data"))
    ]
    return record_in(found[-1]) if found else None


def _words(failed: dict[str, Any], reveal: bool) -> str:
    if wrong_choice := outcome_in_words(failed, reveal):
        return wrong_choice
    name, message = _(str(failed.get("name", ""))), str(failed.get("message", ""))
    said = _("not passed: {check}").format(check=name)
    return f"{said} ({message})" if message else said


def status_of(cell: NotebookNode) -> CellStatus:
    """Return how an executed cell ended, as the grader noted it."""
    return CellStatus(entries(cell).get("status", ""))


def stopped(cell: NotebookNode) -> str | None:
    """Say why a cell ended with an exception; return None if it didn't."""
    status = status_of(cell)
    if status is CellStatus.TIMED_OUT:
        return _("ran into the time limit")
    if status is CellStatus.DIED:
        return _("the Python process ended while it ran")
    if status is CellStatus.NOT_RUN:
        return _("was not run, because an earlier cell hung or ended the Python process")
    if status is CellStatus.STOPPED:
        return _("the test stopped because of what the answer did")
    for output in cell.outputs:
        if output.output_type != "error":
            continue
        first = (str(output.evalue).splitlines() or [""])[0][:200]
        return f"{output.ename}: {first}" if first else str(output.ename)
    return None


def _score_plain_assert(cell: NotebookNode, most: float) -> CellScore:
    """Score a test without `report()`: nbgrader's own rules, but stderr costs nothing."""
    quiet = copied(cell)
    quiet.outputs = [
        out for out in cell.outputs if not (out.output_type == "stream" and out.name == "stderr")
    ]
    try:
        points, _most = utils.determine_grade(quiet)
    except (ValueError, KeyError):
        points = math.nan
    for out in quiet.outputs:
        if out.output_type == "execute_result":
            # nbgrader gives full marks for a negative number or nan.
            points = _number(out.data.get("text/plain"), otherwise=points)
    if points is not None and math.isclose(points, most, rel_tol=1e-9):
        points = most  # a sum of parts may miss it by a last digit, either way
    if points is None or not math.isfinite(points) or not 0 <= points <= most:
        return CellScore(0.0, (_("the test gave no points that count"),))
    return CellScore(points, () if points >= most else (_("partly correct"),))


def _number(text: object, otherwise: float | None) -> float | None:
    """Return the number that an output shows, also as numpy, torch and fractions write theirs."""
    if isinstance(text, list):  # as nbformat's files have it
        text = "".join(map(str, text))
    found = _WRITTEN.fullmatch(str(text).strip())
    if found is None:
        return otherwise
    above, below = found["above"], found["below"]
    try:
        return float(above) / (float(below) if below else 1.0)
    except (ValueError, ZeroDivisionError):
        return otherwise


_WRITTEN = re.compile(
    # 1.5, np.float64(1.5), tensor(1.5, dtype=torch.float64), Fraction(3, 2), Decimal('1.5')
    r"""(?:np\.\w+\(|array\(|tensor\(|Fraction\(|Decimal\(')?
    (?P<above>[-+]?(?:[\d.]+(?:e[-+]?\d+)?|inf(?:inity)?|nan))
    (?:,\ (?P<below>\d+))?(?:,\ dtype=[\w.]+)?(?:'?\))?""",
    re.VERBOSE | re.IGNORECASE,
)


class SaveScores(SaveAutoGrades):
    """Write the points into the gradebook as nbgrader's step does, with `score_cell`.

    The student's extension goes there too, before nbgrader's next step asks how late they were.
    """

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Write a notebook's points, comments and its student's extension."""
        found: tuple[NotebookNode, dict[str, Any]] = super().preprocess(nb, resources)
        about = resources["nbgrader"]
        with Gradebook(about["db_url"]) as gradebook:
            until = read_extensions(gradebook.db, about["assignment"]).get(about["student"])
            submission = gradebook.find_submission(about["assignment"], about["student"])
            align_extension(submission, until)
            gradebook.db.commit()
        return found

    def _add_score(self, cell: NotebookNode, resources: object) -> None:
        grade = self.gradebook.find_grade(
            grader_metadata(cell)["grade_id"],
            self.notebook_id,
            self.assignment_id,
            self.student_id,
        )
        grade.auto_score = score_cell(cell).points
        grade.needs_manual_grade = grade.manual_score is not None or grade.auto_score is None
        self.gradebook.db.commit()
