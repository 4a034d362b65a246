"""Write every student's feedback page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from autograder import i18n
from autograder.config import Course
from autograder.core import notebook_io
from autograder.core.atomic_io import write_file
from autograder.core.messages import Note
from autograder.core.printable import one_line
from autograder.core.student_id import require_student_id
from autograder.errors import UserError
from autograder.feedback.grades import Grades, read_absent, read_grades
from autograder.feedback.job import PageJob
from autograder.feedback.page_pool import RenderedPage, render_pages
from autograder.feedback.plan import PagePlan, page_plan
from autograder.feedback.preprocessors import is_over
from autograder.grading.coordinator import Progress, submitted_students
from autograder.intake.rebuild import make_release
from autograder.notebook_metadata import accepted, put


@dataclass
class FeedbackResult:
    """What `feedback` wrote; iterating yields the pages.

    Attributes:
        pages: the pages written, complete or reduced.
        failed: by student, a sentence that says what could not be done.
        held: a sentence that says which results are withheld, or "".
        warnings: a sentence for each problem with a source notebook.
    """

    pages: list[Path] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    held: str = ""
    warnings: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[Path]:
        return iter(self.pages)

    def __len__(self) -> int:
        return len(self.pages)


def feedback(
    course: Course,
    assignment: str,
    students: list[str] | None = None,
    explain: bool = False,
    progress: Progress | None = None,
    choices_shown: bool = False,
) -> FeedbackResult:
    """Write one HTML page for each graded notebook to `term/feedback`.

    Whoever handed nothing in gets one with the explanations once the due date has passed.

    An error in one student's page doesn't affect the others.

    Args:
        course: the course.
        assignment: the assignment's name.
        students: only these; None for everyone graded.
        explain: explain the answers even before the due date, or without one.
        progress: called with the number of pages done, the number of all, and the student.
        choices_shown: show the results of choice questions even before the due date, or without
            one; `explain` implies it.

    Raises:
        UserError: there is no such assignment, or a student's (or nobody's) was graded.
        EnvironmentFault: the gradebook is in use or can't be reached.
    """
    course.require_assignment(assignment)
    course.require_free_gradebook()
    found = sorted(path.parent.name for path in course.autograded.glob(f"*/{assignment}"))
    if not found:
        raise UserError(f"No {assignment} has been graded; run `autograder grade {assignment}`.")
    with course.gradebook() as gradebook:
        grades = read_grades(gradebook, assignment)
        present = {*found, *submitted_students(course, assignment)}
        absent = {
            student: own
            for student, own in read_absent(gradebook, assignment, present).items()
            if any(is_over(one.due) for one in own.values())
        }
    for student in students or []:
        if require_student_id(student) not in (*found, *absent):
            raise UserError(
                f"{student} has no graded {assignment}; run `autograder grade {assignment}` first."
            )
    run = FeedbackRun(course, assignment, explain, choices_shown)
    chosen = list(dict.fromkeys(students or [*found, *sorted(absent)]))
    jobs = [
        job
        for student in chosen
        for job in (
            run.blank_jobs(student, absent[student])
            if student in absent
            else run.jobs(student, grades.get(student, {}))
        )
    ]
    if progress:
        progress(0, len(jobs), "")
    for number, made in enumerate(render_pages(jobs)):
        run.write(made)
        if progress:
            progress(number + 1, len(jobs), made.job.student)
    run.result.pages.sort()
    run.note_withheld(jobs)
    return run.result


class FeedbackRun:
    """Make the pages of one run of `feedback`: its options and its results so far."""

    def __init__(self, course: Course, assignment: str, explain: bool, choices_shown: bool) -> None:
        self.result = FeedbackResult()
        self._course = course
        self._assignment = assignment
        self._explain = explain
        self._choices_shown = choices_shown
        self._plans: dict[str, dict[str, PagePlan]] = {}
        self._blanks: dict[str, bytes] = {}

    def jobs(
        self, student: str, grades: dict[str, Grades], remarks: Sequence[Note] = ()
    ) -> Iterator[PageJob]:
        """Yield the jobs that make a student's pages.

        Args:
            student: the student's id.
            grades: by notebook.
            remarks: what else is said about the submission.
        """
        again = f"run `autograder grade {self._assignment} --again -s {student}`"
        if not grades:
            self.result.failed[student] = f"{student} isn't in the gradebook; {again}."
        for notebook, own in sorted(grades.items()):
            path = self._course.autograded / student / self._assignment / f"{notebook}.ipynb"
            yield PageJob(
                student,
                self._assignment,
                notebook,
                path,
                own,
                self._plans_of(notebook),
                self._explain,
                self._choices_shown,
                i18n.domains(),
                accepted(),
                self._course.time_zone,
                remarks=tuple(remarks),
            )

    def blank_jobs(self, student: str, grades: dict[str, Grades]) -> Iterator[PageJob]:
        """Yield the jobs that make the pages of a student who handed nothing in."""
        for notebook, own in sorted(grades.items()):
            if blank := self._blank(notebook):
                yield PageJob(
                    student,
                    self._assignment,
                    notebook,
                    Path(),
                    own,
                    self._plans_of(notebook),
                    texts=i18n.domains(),
                    namespaces=accepted(),
                    zone=self._course.time_zone,
                    blank=blank,
                )

    def _blank(self, notebook: str) -> bytes:
        """Return a notebook as it was released; empty if its source can't be used."""
        if notebook not in self._blanks:
            language = self._course.released_language
            try:
                made = make_release(self._course, self._assignment, notebook, language)
            except UserError as error:
                self.result.warnings.append(
                    f"The source notebook {notebook} ({language}) couldn't be used for those who "
                    f"handed nothing in: {error}"
                )
                self._blanks[notebook] = b""
            else:
                put(made, language=language)
                self._blanks[notebook] = notebook_io.to_bytes(made)
        return self._blanks[notebook]

    def _plans_of(self, notebook: str) -> dict[str, PagePlan]:
        """Return the plan of a notebook's page in each language, read only once."""
        if notebook not in self._plans:
            plans = self._plans[notebook] = {}
            for language in self._course.languages():
                if not self._course.is_translated(Path(self._assignment), language):
                    continue
                try:
                    plans[language] = page_plan(self._course, language, self._assignment, notebook)
                except UserError as error:
                    self.result.warnings.append(
                        f"The source notebook {notebook} ({language}) couldn't be used for "
                        f"explanations: {error}"
                    )
        return self._plans[notebook]

    def write(self, made: RenderedPage) -> None:
        """Write a page, and note if it could only be made in part."""
        job = made.job
        path = self._course.feedback / job.student / self._assignment / f"{job.notebook}.html"
        try:
            write_file(path, made.html)
        except (UserError, OSError) as error:
            self.result.failed[job.student] = (
                f"The page of {job.student} could not be written: {one_line(error)}"
            )
            return
        self.result.pages.append(path)
        if made.why:
            self.result.failed[job.student] = (
                f"{job.student} got points and reasons only, without the notebook: {made.why}."
            )

    def note_withheld(self, jobs: list[PageJob]) -> None:
        """Note which results are withheld, and how to show them."""
        if self._explain or self._choices_shown:
            return
        count, until = 0, []
        for job in jobs:
            plans = job.plans.values()
            names = frozenset().union(*(plan.choices for plan in plans)) & set(job.grades.cells)
            if names and not is_over(job.grades.due) and not any(p.choices_shown for p in plans):
                count = max(count, len(names))
                until.append(job.grades.due)
        if count:
            self.result.held = _withheld_sentence(self._assignment, count, until)


def _withheld_sentence(assignment: str, count: int, until: list[datetime | None]) -> str:
    known = [one for one in until if one is not None]
    what = f"The results of {count} choice question{'' if count == 1 else 's'} are withheld"
    show = f"`autograder feedback {assignment} --show-choices` shows them now"
    if not known:
        return f"{what}, because {assignment} has no due date; {show}."
    return (
        f"{what} until {max(known):%Y-%m-%d %H:%M} UTC, because until then a quiz could be solved "
        f"by submitting again; run `feedback` again after that, or {show}."
    )
