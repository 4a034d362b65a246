"""Prepare a collected submission for a worker, and its outcome for the gradebook.

Nothing of the submission runs here. What comes back from a worker is put into the notebook that
was sent: of a cell its outputs and how it ended are taken and nothing else, so points, tests and
metadata are always those of the instructor's notebook.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import PurePosixPath

from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader.preprocessors import LimitOutput
from nbgrader.utils import parse_utc

from autograder.config import Course
from autograder.core import notebook_io
from autograder.core.cell_status import CellStatus
from autograder.core.collection_receipt import find_receipt
from autograder.core.messages import N_, Note, note
from autograder.core.notebook_io import grade_id, grader_metadata
from autograder.core.receipts import RECEIPT
from autograder.core.release_record import solutions_changed
from autograder.core.released_values import file_of, values_to_grade
from autograder.errors import AssignmentChanged
from autograder.grading.cache_key import CacheKeys
from autograder.grading.gradebook_writer import GradebookNotebook
from autograder.grading.result_folder import ResultRecord
from autograder.grading.scoring import worth_in_words
from autograder.intake import nbgrader_files
from autograder.intake.errors import BadArchive
from autograder.intake.folders import FolderSource
from autograder.intake.given_before import record_given
from autograder.intake.identify import assignment_specs
from autograder.intake.notebook_reader import EXPLAINED
from autograder.intake.placeholder import UNREADABLE, keep_unreadable
from autograder.intake.reader import Reader
from autograder.intake.rebuild import (
    SourceNotebook,
    SourceNotebooks,
    rebuild_with_notes,
    require_ours,
)
from autograder.intake.submission import Submission
from autograder.intake.upload import BOOKKEEPING, LINKS, NOT_ASKED, TIMESTAMP
from autograder.intake.upload_limits import STUDENT_LIMITS
from autograder.judge.contract import Level
from autograder.judge.job import Assignment, CellOutcome, Job, JobOutcome, code_cells
from autograder.judge.made_files import kept_files
from autograder.notebook_metadata import entries, put
from autograder.sandbox.plain_values import MAX_BYTES
from autograder.student_values import VALUES_FILE

SHADOWS = N_("{names}: left out, because it would take the place of a module of that name.")
TOO_BIG = N_("{names}: left out, because it is too big or can't be read.")
GIVEN_UP = N_(
    "Your work ended the process that graded it, twice; so no test of it could be counted."
)

_SAME_TIME = timedelta(seconds=1)
_MODULE_ENDINGS = (".py", ".pyc", ".so", ".pyd")


@dataclass(frozen=True)
class PreparedSubmission:
    """Hold one submission, ready to run.

    Attributes:
        student: the student's id; of a preflight, what is run.
        rebuilt: the notebooks to run, by name.
        files: what else is in its result folder, by path.
        record: which submission and assignment this is, and when it came in.
        jobs: what a worker gets, one for each notebook in `rebuilt`.
        is_solution: whether it is the instructor's own, tried before the class.
    """

    student: str
    rebuilt: dict[str, NotebookNode]
    files: dict[str, bytes]
    record: ResultRecord
    jobs: list[bytes]
    is_solution: bool = False


class GraderFault(Exception):
    """Report a failure of the instructor's or the grader's code; the message has all of it."""


_MOST_FILE_BYTES = MAX_BYTES - 24 * 1024 * 1024
"""The most bytes of a submission's files: they share a message with its code."""


class SubmissionPreparer:
    """Prepare the submissions of one assignment; what they share is computed once.

    Args:
        course: the course.
        assignment: the assignment's name.
        registered: the assignment's notebooks as the gradebook has them, by name.
        reader: opens what students handed in; one of its own is started when None.
    """

    def __init__(
        self,
        course: Course,
        assignment: str,
        registered: dict[str, GradebookNotebook],
        reader: Reader | None = None,
    ) -> None:
        """Read what all submissions share."""
        self._course = course
        self._assignment = assignment
        self._registered = registered
        self._names = sorted(registered)
        self._sources = SourceNotebooks(course, assignment)
        given = {name: self._sources.get(name).released for name in self._names}
        record_given(course, assignment, given)
        self._reader = reader
        self._cache_keys = CacheKeys(course, assignment)
        self._values = values_to_grade(course, assignment)
        # Whatever nbgrader lets a student hand in belongs to an ordinary course's submission.
        self._asked: frozenset[str] | None = None
        if not course.is_by_nbgrader:
            self._asked = assignment_specs(course)[assignment].asked
        self._students_own = course.files_of_students(assignment)
        self.unsealed: dict[str, tuple[str, ...]] = {}
        """The ids of the tests that run in the student's process, by the notebook's name."""
        self.unsealed_worth = 1.0
        """The fraction of their points that these count for."""
        self._seed = int.from_bytes(hashlib.sha256(assignment.encode()).digest()[:4], "little")
        self._source_notebooks: dict[tuple[str, str], NotebookNode] = {}
        self._about: dict[tuple[str, str], Assignment] = {}
        self._given: dict[str, dict[str, bytes]] = {}
        self._checked: set[tuple[str, str]] = set()
        self.contracts: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {}
        """What test cells may do beyond plain values, by notebook and cell (`judge.contract`)."""
        self._limit = LimitOutput(config=course.nbgrader_config())

    def work(self, student: str, only: str | None = None) -> PreparedSubmission:
        """Prepare one student's submission.

        A notebook that can't be read, or is missing, is replaced by an untouched one with a note.
        Nothing that a student put there makes this raise, except a notebook of another assignment
        or language in an ordinary course, which nbgrader refuses, too.

        Args:
            student: the student's id.
            only: the one notebook to prepare; all when None.

        Raises:
            UserError: the assignment was changed after its release, or a notebook isn't of it.
            EnvironmentFault: the reader's sandbox can't be set up.
        """
        submitted, unread = self._submitted(student, only)
        receipt = find_receipt(self._course, student, self._assignment)
        received = self._received(student, receipt.received if receipt else "")
        record = ResultRecord(self._cache_keys.of(student), received)
        values = self._values.of(student, received) if self._values else {}
        values_file = {VALUES_FILE: file_of(values)} if values else {}
        own, notes = self._files(student, [*(receipt.notes if receipt else []), *unread])
        made: dict[str, NotebookNode] = {}
        jobs = []
        files: dict[str, bytes] = {}
        for name, submission in submitted.items():
            base = self._base(name, submission.language)
            made[name] = rebuild_with_notes(base, submission, notes)
            # The instructor's files win, and so does the file with the student's own values.
            files = {**own, **self._given_files(base.language), **values_file}
            if self._values and self._values.rows:  # else everybody has the same
                is_own = self._values.has_own(student, received)
                put(made[name], values=values, values_are_own=is_own)
            jobs.append(self._job(student, name, base.language, made[name], files).to_bytes())
        return PreparedSubmission(
            student, made, {**files, **self._bookkeeping(student)}, record, jobs
        )

    def results(self, work: PreparedSubmission, outcomes: list[bytes]) -> dict[str, NotebookNode]:
        """Return the graded notebooks, by name.

        Args:
            work: the submission that was run.
            outcomes: what its jobs returned, in their order.

        Raises:
            GraderFault: there is no score, and it isn't the submission's doing.
            ValueError: an outcome isn't of the notebook that was sent.
        """
        graded = {}
        for (name, sent), content in zip(work.rebuilt.items(), outcomes, strict=True):
            outcome = JobOutcome.from_bytes(content)
            if outcome.fault:
                raise GraderFault(outcome.fault)
            graded[name] = self._limited(outcome.applied_to(sent))
            self._mark_unsealed(name, graded[name])
        return graded

    def made_files(self, work: PreparedSubmission, outcomes: list[bytes]) -> dict[str, bytes]:
        """Return what a submission's code has written that belongs beside it, by path.

        What the instructor or the student has put there stays as it is. Of two notebooks that
        write the same file the last one's counts.
        """
        made: dict[str, bytes] = {}
        for content in outcomes:
            made |= JobOutcome.from_bytes(content).files
        return kept_files(made, work.files)

    def _mark_unsealed(self, name: str, graded: NotebookNode) -> None:
        """Note in a graded notebook which tests ran in the student's process, and what they count.

        A page that anything makes of it tells the student.
        """
        unsealed = self.unsealed.get(name, ())
        for number, cell in enumerate(graded.cells):
            if cell.id not in unsealed:
                continue
            marked = graded.cells[number] = notebook_io.copied(cell)
            put(marked, level=str(Level.UNSEALED))
            if self.unsealed_worth != 1:
                put(marked, worth=self.unsealed_worth)
                text = worth_in_words(self.unsealed_worth)
                said = f"autograder: {text}\n"
                marked.outputs.append(new_output("stream", name="stdout", text=said))

    def _job(
        self,
        student: str,
        name: str,
        language: str,
        notebook: NotebookNode,
        files: dict[str, bytes],
    ) -> Job:
        source = self._source_notebook(name, language)
        about = self._about.get((name, language))
        if about is None:
            about = self._about[name, language] = Assignment.of(
                source,
                self._course.settings.packages,
                [str(self._course.root)],
                self._course.settings.modules_off_limits(self._assignment),
                by_use=self._course.is_by_nbgrader,
                beside=self._given_files(language),
            )
        unsealed = self.unsealed.get(name, ())
        return Job(
            student=student,
            assignment=self._assignment,
            cells=code_cells(notebook),
            about=replace(about, unsealed=unsealed) if unsealed else about,
            files=files,
            given_files=tuple(self._given_names(language)),
            cell_seconds=notebook_io.cell_seconds(source, self._course.cell_seconds),
            seed=self._seed,
            contracts=dict(self.contracts.get(name, {})),
        )

    @property
    def names(self) -> list[str]:
        """Return the names of the assignment's notebooks."""
        return list(self._names)

    def solved(self, name: str) -> NotebookNode:
        """Return a notebook with its solutions and whole tests.

        Raises:
            UserError: nbgrader hasn't registered it.
        """
        return self._source_notebook(name, self._course.source_language)

    def given_modules(self) -> dict[str, str]:
        """Return the source of each module beside the notebooks, by its dotted name."""
        files = self._given_files(self._course.source_language)
        return {
            path.removesuffix(".py").removesuffix("/__init__").replace("/", "."): content.decode(
                "utf-8", "replace"
            )
            for path, content in files.items()
            if path.endswith(".py")
        }

    def preflights(self) -> list[PreparedSubmission]:
        """Return the solution and the untouched release of every notebook, ready to run.

        Raises:
            UserError: the assignment has been changed since its release.
        """
        works = []
        for name in self._names:
            base = self._base(name, self._course.source_language)
            solutions = {
                cell.id: cell.source for cell in self._source_notebook(name, base.language).cells
            }
            for title, is_solution in (("the solution", True), ("an untouched notebook", False)):
                notebook = notebook_io.copied(base.template)
                for cell in notebook.cells:
                    if is_solution and notebook_io.is_solution(cell):
                        cell.source = solutions[cell.id]
                files = self._given_files(base.language)
                job = self._job(title, name, base.language, notebook, files).to_bytes()
                works.append(
                    PreparedSubmission(
                        title, {name: notebook}, files, ResultRecord("", None), [job], is_solution
                    )
                )
        return works

    def unscored_results(self, work: PreparedSubmission) -> dict[str, NotebookNode]:
        """Return the graded notebooks of a submission that no worker survives: nothing was run."""
        results = {}
        for name, sent in work.rebuilt.items():
            nothing = {cell.id: CellOutcome(status=CellStatus.NOT_RUN) for cell in code_cells(sent)}
            result = results[name] = notebook_io.copied(JobOutcome(nothing).applied_to(sent))
            given_up = {"message": GIVEN_UP, "values": {}}
            put(result, notes=[given_up, *entries(result)["notes"]])
        return results

    def _limited(self, notebook: NotebookNode) -> NotebookNode:
        limited: NotebookNode = self._limit.preprocess(notebook, {})[0]
        return limited

    def _submitted(
        self, student: str, only: str | None
    ) -> tuple[dict[str, Submission], list[Note]]:
        """Read the submitted notebooks that the assignment has.

        Returns:
            At least one submission by the notebook's name, and notes on why one isn't read.
        """
        folder = self._course.place("submitted", student, self._assignment)
        found: dict[str, Submission] = {}
        notes: list[Note] = []
        wanted = self._names if only is None else [only]
        for name in wanted:
            try:
                opened = nbgrader_files.open_plain_file(folder / f"{name}.ipynb")
            except OSError:
                continue
            try:
                read = self._read(opened, name)
                if isinstance(read, str) and read in EXPLAINED:
                    collected = self._course.collected / student / self._assignment
                    keep_unreadable(opened, collected, f"{name}.ipynb")
            finally:
                os.close(opened)
            require_ours(read, student, name)
            if isinstance(read, str):
                notes.append(note(UNREADABLE, reason=f"{name}.ipynb: {EXPLAINED[read]}"))
                read = self._untouched(name)
            found[name] = read
        if not found:
            # Collecting always leaves one; other ways of putting files there may not.
            found[wanted[0]] = self._untouched(wanted[0])
        return found, notes

    def start_reader(self) -> None:
        """Start the reader, if there is none, without waiting until it can be asked."""
        if self._reader is None:
            self._reader = Reader(wait=False)

    def _read(self, descriptor: int, name: str) -> Submission | str:
        self.start_reader()
        assert self._reader is not None
        return self._reader.notebook(descriptor, self._sources.cells(name))

    def _untouched(self, name: str) -> Submission:
        """Return the notebook as released, in the source language."""
        return self._base(name, self._course.source_language).untouched

    def _base(self, name: str, language: str) -> SourceNotebook:
        """Return the source notebook for a submission, which is the one that was released.

        Args:
            name: the notebook's, without ending.
            language: one of the course's.

        Raises:
            AssignmentChanged: it has been changed since.
        """
        base = self._sources.get(name, language)
        if (name, base.language) not in self._checked and not self._course.is_by_nbgrader:
            changed = _changed_cells(base.template, self._registered[name])
            changed += solutions_changed(
                self._course, self._assignment, name, self._source_notebook(name, base.language)
            )
            if changed:
                raise AssignmentChanged(
                    f"{self._assignment} was changed after its release "
                    f"({', '.join(changed[:5])}); run `autograder release {self._assignment}` to "
                    "put the change into the gradebook, then grade."
                )
            self._checked.add((name, base.language))
        return base

    def _received(self, student: str, receipt: str) -> datetime | None:
        """Return when the submission was received, as collecting recorded it."""
        recorded: datetime | None = parse_utc(receipt) if receipt else None
        folder = self._course.place("submitted", student, self._assignment)
        written = nbgrader_files.read_timestamp(folder / TIMESTAMP, self._course.time_zone)
        if written is None:
            return recorded
        # The receipt has whole seconds; where the two disagree, it is the one out of reach.
        if recorded is None or abs(written - recorded) < _SAME_TIME:
            return written
        return recorded

    def _bookkeeping(self, student: str) -> dict[str, bytes]:
        """Return the files that nbgrader looks for next to a graded notebook."""
        return nbgrader_files.read_bookkeeping(
            self._course.place("submitted", student, self._assignment)
        )

    def _files(self, student: str, notes: list[Note]) -> tuple[dict[str, bytes], list[Note]]:
        """Read the files the assignment asks for.

        Returns:
            The files by path, and the notes with what is said about the others.
        """
        taken: dict[str, bytes] = {}
        left = _MOST_FILE_BYTES
        left_out: dict[str, list[str]] = {}
        folder = self._course.place("submitted", student, self._assignment)
        try:
            with FolderSource(folder, STUDENT_LIMITS) as source:
                left_out[LINKS] = list(source.left_out)
                for member in source.members:
                    name = member.name
                    if self._is_ours(name):
                        continue
                    if self._asked is not None and name not in self._asked:
                        left_out.setdefault(NOT_ASKED, []).append(name)
                    elif _shadows(name):
                        left_out.setdefault(SHADOWS, []).append(name)
                    else:
                        try:
                            content = source.read(member)
                        except BadArchive:
                            left_out.setdefault(TOO_BIG, []).append(name)
                            continue
                        left -= len(content)
                        if left < 0:
                            # More can't cross to the process that runs it all.
                            left += len(content)
                            left_out.setdefault(TOO_BIG, []).append(name)
                        else:
                            taken[name] = content
        except (BadArchive, OSError):
            left_out[TOO_BIG] = ["*"]
        said = list(notes)
        for message, names in left_out.items():
            new = note(message, names=", ".join(sorted(names)[:10]))
            if names and new not in said:
                said.append(new)
        return taken, said

    def _is_ours(self, name: str) -> bool:
        """Return whether a file in the submitted folder isn't meant for the student's code."""
        return name in (*BOOKKEEPING, RECEIPT) or name in [f"{one}.ipynb" for one in self._names]

    def _given_files(self, language: str) -> dict[str, bytes]:
        """Read the instructor's own files, which win over a submission's."""
        if language not in self._given:
            folder = self._course.source(language) / self._assignment
            if self._course.is_by_nbgrader:
                folder = self._course.place("source", ".", self._assignment)
            self._given[language] = {
                path.relative_to(folder).as_posix(): path.read_bytes()
                for path in sorted(folder.rglob("*"))
                if path.is_file()
                and path.suffix != ".ipynb"
                and not any(part.startswith((".", "__")) for part in path.relative_to(folder).parts)
                and path.relative_to(folder).as_posix() not in self._students_own
            }
        return self._given[language]

    def _given_names(self, language: str) -> list[str]:
        """Return the names of what the judge has beside the tests."""
        own = [VALUES_FILE] if self._values else []
        return list(dict.fromkeys([*self._given_files(language), *own]))

    def _source_notebook(self, name: str, language: str) -> NotebookNode:
        solved = self._sources.get(name, language).solved
        if solved is not None:
            return solved
        if (name, language) not in self._source_notebooks:
            path = self._course.source(language) / self._assignment / f"{name}.ipynb"
            self._source_notebooks[name, language] = notebook_io.read(path)
        return self._source_notebooks[name, language]


def _changed_cells(template: NotebookNode, registered: GradebookNotebook) -> list[str]:
    """Return the cells whose gradebook entry differs from the source notebook.

    Prose differs between languages, so of a markdown cell only its points count.
    """
    here = {
        str(grade_id(cell)): (cell.cell_type, grader_metadata(cell))
        for cell in template.cells
        if "checksum" in grader_metadata(cell)
    }
    changed = here.keys() ^ registered.checksums.keys()
    for name in here.keys() & registered.checksums.keys():
        kind, marks = here[name]
        points = float(marks["points"]) if "points" in marks else None
        if points != registered.points.get(name):
            changed.add(name)
        if kind == "code" and marks["checksum"] != registered.checksums[name]:
            changed.add(name)
    return sorted(changed)


def _shadows(name: str) -> bool:
    """Return whether a file would be imported in place of an installed module."""
    path = PurePosixPath(name)
    if len(path.parts) == 1 and path.suffix not in _MODULE_ENDINGS:
        return False
    top = path.parts[0].split(".")[0]
    try:
        return top.isidentifier() and importlib.util.find_spec(top) is not None
    except (ImportError, ValueError):
        return True
