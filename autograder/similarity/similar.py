"""Write the page that lists an assignment's similar submissions side by side."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from autograder.config import Course
from autograder.core.atomic_io import write_file
from autograder.core.counting import counted
from autograder.core.question_titles import notebook_title
from autograder.core.term_records import dropped_students
from autograder.errors import UserError
from autograder.i18n import speaking
from autograder.intake.rebuild import SourceNotebooks
from autograder.similarity.answers import (
    given_texts,
    notebook_names,
    place_titles,
    read_answers,
    students_with_submissions,
)
from autograder.similarity.compare import Comparison, compare
from autograder.similarity.page import render
from autograder.similarity.record import page_path, record_pairs


@dataclass(frozen=True)
class SimilarResult:
    """The page that `similar` wrote, and what is in it.

    Attributes:
        students: the number of students whose submissions were read.
    """

    page: Path
    students: int
    found: Comparison

    def __str__(self) -> str:
        pairs = len(self.found.pairs)
        found = f"{counted(pairs, 'pair')} of similar submissions"
        among = counted(self.students, "student")
        short = self.found.short
        left = f"; {counted(short, 'short answer')} not compared" if short else ""
        said = f"{found} among {among}{left}.\nThe page: {self.page}"
        return said + "\nSimilarity is not proof of copying; the page names other reasons for it."


def similar(
    course: Course, assignment: str, out: Path | None = None, language: str | None = None
) -> SimilarResult:
    """Compare the collected submissions of an assignment and write `<assignment>-similar.html`.

    Args:
        course: the course.
        assignment: the assignment's name.
        out: the folder to write to; `term/reports` by default.
        language: the page's language; the source language by default.

    Raises:
        UserError: there is no such assignment or language, or nothing was collected.
        SandboxUnavailable: the sandbox that reads submissions can't be set up.
        EnvironmentFault: the gradebook can't be used, or copydetect isn't installed.
    """
    course.require_assignment(assignment)
    language = course.require_spoken(course.source_language if language is None else language)
    with course.gradebook() as gradebook:
        dropped = dropped_students(gradebook.db)
        names = {
            one.id: ", ".join(filter(None, (one.last_name, one.first_name)))
            for one in gradebook.students
        }
    students = [one for one in students_with_submissions(course, assignment) if one not in dropped]
    if not students:
        raise UserError(
            f"Nothing was collected for {assignment}, so there is nothing to compare; "
            f"run `{course.command('collect', assignment)}` first."
        )
    answers = read_answers(course, assignment, students)
    found = compare(answers, given_texts(course, assignment))
    with speaking(language):
        page = render(
            _title(course, assignment, language),
            found,
            len(students),
            names,
            place_titles(course, assignment, language),
            language,
        )
    path = page_path(course, assignment, Path(out) if out is not None else None)
    write_file(path, page.encode("utf-8"))
    record_pairs(course, assignment, len(found.pairs))
    return SimilarResult(path, len(students), found)


def _title(course: Course, assignment: str, language: str) -> str:
    sources = SourceNotebooks(course, assignment)
    titles = (
        notebook_title(sources.get(name, language).released)
        for name in notebook_names(course, assignment)
    )
    return next(filter(None, titles), assignment)
