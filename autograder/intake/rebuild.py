"""Rebuild a submission on the instructor's notebook before anything of it runs.

From the submission come two things: the source of the answer cells and the source of the
student's own extra cells; with prose, the pictures pasted into it. Order, tags, points,
tests, read-only code and everything else come from the instructor's notebook, so a deleted test
is restored, a duplicated one is single, and an edited one is as it was. Each decision becomes a
note to the student.

| in the submission                         | what counts                                        |
|-------------------------------------------|----------------------------------------------------|
| an answer cell once                       | its source                                         |
| an answer cell several times              | the last one that isn't the empty stub; others run |
|                                           | before it, where they stand above it               |
| an answer cell gone                       | the empty stub: not answered                       |
| an answer in an own cell below the stub,  | it runs where it is, after the stub                |
| or where the answer cell was              |                                                    |
| an answer anywhere above the stub         | it runs where it is, and the stub doesn't          |
| an answer in an own cell behind the test  | it runs after the stub                             |
| a written answer in own cells below       | it is taken as if it stood in the answer cell      |
| a test or read-only cell changed, missing | the instructor's, in the instructor's position     |
| or moved                                  |                                                    |
| a test that the instructor mended since   | the mended one; the student's stays to be shown    |
| an own cell                               | it runs after the course's cell that it followed   |
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path

from nbconvert.exporters.exporter import ResourcesDict
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_raw_cell
from nbgrader.preprocessors import NbGraderPreprocessor

from autograder.config import Course
from autograder.core import notebook_io
from autograder.core.collection_receipt import find_receipt
from autograder.core.messages import N_, Note, note
from autograder.core.notebook_io import grade_id, is_solution, is_test
from autograder.core.preprocessing import apply_preprocessors
from autograder.core.registered_notebook import registered_notebook
from autograder.errors import UserError
from autograder.intake.answered_elsewhere import bound_by, bound_by_stub, without_bound
from autograder.intake.given_before import GivenBefore, given_before, source_digest
from autograder.intake.notebook_reader import (
    FOREIGN,
    NOT_OURS,
    OLD_METADATA,
    OTHER_LANGUAGE,
    submission_from_notebook,
)
from autograder.intake.submission import (
    PICTURES_PER_CELL,
    CourseCells,
    Submission,
    SubmittedCell,
    course_cells,
    normalized_source,
)
from autograder.notebook_metadata import put

_TEMPLATE_STEPS = (
    "nbgrader.preprocessors.LockCells",
    "autograder.core.stubs.LeaveStubs",
    "nbgrader.preprocessors.ClearOutput",
    "autograder.authoring.preprocessors.DropExplanations",
    "nbgrader.preprocessors.ComputeChecksums",
)
_OWN = "own"
"""How the id of a student's own cell begins in a rebuilt notebook."""
_RELEASED_STEPS = (*_TEMPLATE_STEPS, "nbgrader.preprocessors.ClearHiddenTests")


def make_template(course: Course, assignment: str, notebook: str, language: str) -> NotebookNode:
    """Return the instructor's notebook without solutions but with whole tests."""
    path = course.source(language) / assignment / f"{notebook}.ipynb"
    return apply_preprocessors(course, notebook_io.read(path), assignment, _TEMPLATE_STEPS)


def make_release(course: Course, assignment: str, notebook: str, language: str) -> NotebookNode:
    """Return the notebook as the student got it: what an untouched cell looks like."""
    path = course.source(language) / assignment / f"{notebook}.ipynb"
    return apply_preprocessors(course, notebook_io.read(path), assignment, _RELEASED_STEPS)


def rebuild(
    template: NotebookNode,
    released: NotebookNode,
    submission: Submission,
    given: GivenBefore | None = None,
    open_cells: frozenset[str] = frozenset(),
) -> tuple[NotebookNode, list[Note]]:
    """Rebuild a submission on the instructor's notebook.

    Args:
        template: the instructor's notebook (`make_template`).
        released: the same as the student got it (`make_release`), to tell what was changed.
        submission: what came back, read with the cells of `template`.
        given: earlier versions of the read-only cells, which a student who has them didn't change.
        open_cells: the ids of cells that anybody may change, as nbgrader leaves those that it
            doesn't know; a changed one runs in place of the one that was given, and none where
            it was deleted.

    Returns:
        The rebuilt notebook, without outputs, and the notes for the student.
    """
    untouched = {cell.id: cell.source for cell in released.cells}
    answers = {
        cell.id: _answer_of(cell, untouched[cell.id], submission)
        for cell in template.cells
        if is_solution(cell)
    }
    opened = {name: normalized_source(untouched[name]) for name in open_cells}
    matched, own = _matched(submission, answers, [cell.id for cell in template.cells], opened)
    own = _after_missing_answers(template, matched, own)
    _bring_forward(template, answers, own)
    result = notebook_io.copied(template)
    notes: list[Note] = []
    cells = _own_cells(own.get(None, []))
    bound = bound_by(_code(cells))
    for cell in result.cells:
        below = own.get(cell.id, [])
        if cell.id in opened and not _has_as_given(matched.get(cell.id, []), opened[cell.id]):
            cells.extend(made := _own_cells(below))
            bound |= bound_by(_code(made))
            continue
        if is_solution(cell):
            answer = answers[cell.id]
            cells.extend(before := _own_cells(own.get((cell.id, "before"), [])))
            bound |= bound_by(_code(before))
            below, said = _fill_in(cell, answer, below, bound)
            bound |= bound_by(_code([cell]))
        else:
            earlier = (given or {}).get(cell.id, frozenset())
            said = _restored(cell, untouched[cell.id], matched.get(cell.id, []), earlier)
        notes.extend(said)
        cells.append(cell)
        cells.extend(made := _own_cells(below))
        bound |= bound_by(_code(made))
    _unique_ids(cells, {cell.id for cell in template.cells})
    result.cells = cells
    return result, notes


def _has_as_given(found: Iterable[SubmittedCell], given: str) -> bool:
    return any(normalized_source(one.source) == given for one in found)


@dataclass(frozen=True)
class _Answer:
    """Hold the submitted cells that claim to be one answer cell.

    Attributes:
        counts: the one whose source is the answer; None if it is as it was given, or missing.
        earlier: the others with work in them, each text once, in their order.
        found: how many there are.
        emptied: whether the student has left nothing of it.
        stub: as it was given.
    """

    counts: SubmittedCell | None
    earlier: tuple[SubmittedCell, ...]
    found: int
    emptied: bool
    stub: str


def _answer_of(cell: NotebookNode, stub: str, submission: Submission) -> _Answer:
    """Find what counts as the answer in one answer cell.

    The last one with work in it; one that was turned into prose, which is how people put code
    aside, only where there is no other.
    """
    found = [one for one in submission.cells if one.cell_id == cell.id]
    nothing = ("", normalized_source(stub))
    written = [one for one in found if normalized_source(one.source) not in nothing]
    counts = max(
        enumerate(written),
        key=lambda place: (place[1].kind == cell.cell_type, place[0]),
        default=(0, None),
    )[1]
    seen = {normalized_source(counts.source)} if counts else set()
    earlier: list[SubmittedCell] = []
    for one in reversed(written):
        if (text := normalized_source(one.source)) not in seen:
            earlier.insert(0, one)
            seen.add(text)
    emptied = bool(found) and not any(normalized_source(one.source) for one in found)
    return _Answer(counts, tuple(earlier), len(found), emptied, stub)


_Place = str | tuple[str, str] | None
"""After which of the course's cells own cells run; ("x", "before"): before the answer cell x."""


def _matched(
    submission: Submission,
    answers: dict[str, _Answer],
    order: list[str],
    opened: Mapping[str, str],
) -> tuple[dict[str, list[SubmittedCell]], dict[_Place, list[SubmittedCell]]]:
    """Group the submitted cells by the course's cell that they match.

    The student's own cells are filed under the course's cell that precedes them. So are earlier
    versions of an answer, unless that would let them undo the one that counts.

    Returns:
        The matched cells by the course's cell id, and the own cells by their place.
    """
    matched: dict[str, list[SubmittedCell]] = {}
    own: dict[_Place, list[SubmittedCell]] = {}
    places = {name: number for number, name in enumerate(order)}
    last: str | None = None
    for cell in submission.cells:
        name = cell.cell_id
        if name is None:
            own.setdefault(last, []).append(cell)
            continue
        matched.setdefault(name, []).append(cell)
        if name in opened and normalized_source(cell.source) != opened[name]:
            last = name
            own.setdefault(name, []).append(cell)
            continue
        answer = answers.get(name)
        if answer and any(cell is one for one in answer.earlier):
            stands_above = last is None or places[last] < places[name]
            own.setdefault(last if stands_above else (name, "before"), []).append(cell)
        elif answer is None or answer.counts is None or cell is answer.counts:
            last = name
    return matched, own


def _after_missing_answers(
    template: NotebookNode,
    matched: dict[str, list[SubmittedCell]],
    own: dict[_Place, list[SubmittedCell]],
) -> dict[_Place, list[SubmittedCell]]:
    """File own cells that take the place of a missing answer cell under that cell.

    So the stub that is put back comes before them, and doesn't undo what they define.
    """
    result = dict(own)
    above: str | None = None
    answer: str | None = None
    is_open = True
    for cell in template.cells:
        if cell.id in matched:
            above, answer, is_open = cell.id, None, True
        elif is_test(cell):
            is_open = False
        elif is_solution(cell) and is_open and (mine := result.pop(answer or above, None)):
            answer = cell.id
            result[answer] = mine
    return result


def _bring_forward(
    template: NotebookNode, answers: dict[str, _Answer], own: dict[_Place, list[SubmittedCell]]
) -> None:
    """File own cells that answer further down, behind the tests, under the answer cell itself.

    Only for an answer cell without work in it whose names nothing before its test binds.

    Args:
        template: the instructor's notebook.
        answers: what was submitted of each answer cell.
        own: the own cells by their place; changed in place.
    """
    places: list[_Place] = [None]
    for cell in template.cells:
        places += [(cell.id, "before"), cell.id]
    for number, cell in enumerate(template.cells):
        answer = answers.get(cell.id)
        if answer is None or answer.counts or cell.cell_type != "code":
            continue
        if not (wanted := bound_by_stub(answer.stub)):
            continue
        tests = (n for n, one in enumerate(template.cells) if n > number and is_test(one))
        until = 2 * next(tests, len(template.cells)) + 1
        above = [answers[one.id].counts for one in template.cells[:number] if one.id in answers]
        before = [one for place in places[:until] for one in own.get(place, [])]
        if wanted & bound_by(one.source for one in [*above, *before] if one and one.kind == "code"):
            continue
        for place in places[until:]:
            mine = own.get(place, [])
            moved = [one for one in mine if one.kind == "code" and wanted & bound_by([one.source])]
            if moved:
                own[place] = [one for one in mine if one not in moved]
                own.setdefault(cell.id, []).extend(moved)


def _code(cells: Iterable[NotebookNode]) -> Iterable[str]:
    return (cell.source for cell in cells if cell.cell_type == "code")


def _fill_in(
    cell: NotebookNode, answer: _Answer, below: list[SubmittedCell], bound: set[str]
) -> tuple[list[SubmittedCell], list[Note]]:
    """Put what counts as the answer into an answer cell.

    Args:
        cell: the cell, which is changed in place.
        answer: what was submitted of it.
        below: the student's own cells that follow it.
        bound: the names that the student's cells above it may bind.

    Returns:
        Those own cells that still follow it, and the notes for the student.
    """
    name = grade_id(cell)
    if answer.counts:
        cell.source = answer.counts.source
        if cell.cell_type == "markdown":
            _take_pictures(cell, [answer.counts])
        if not answer.earlier:
            return below, []
        text = N_(
            "Of answer cells that stood there several times the last one counts, and those before "
            "it ran too: {cell}."
        )
        if cell.cell_type != "code":
            text = N_("Of answer cells that stood there several times the last one counts: {cell}.")
        return below, [note(text, cell=name)]
    cell.source = "" if answer.emptied else answer.stub
    mine = [one for one in below if one.kind == cell.cell_type and one.source.strip()]
    if cell.cell_type == "markdown" and mine:
        cell.source = "\n\n".join(one.source for one in mine)
        _take_pictures(cell, mine)
        text = N_("Written answers were taken from your own cells in their place: {cell}.")
        return [one for one in below if one not in mine], [note(text, cell=name)]
    if cell.cell_type == "code" and (kept := without_bound(cell.source, bound)) != cell.source:
        cell.source = kept
        text = N_("Answer cells did not run, because your cells above them answer: {cell}.")
        return below, [note(text, cell=name)]
    if mine:
        text = N_(
            "Answer cells are as they were given; your own cells below them ran after them: {cell}."
        )
        return below, [note(text, cell=name)]
    if not answer.found:
        text = N_("Missing answer cells count as not answered: {cell}.")
        return below, [note(text, cell=name)]
    return below, []


def _restored(
    cell: NotebookNode, released: str, found: list[SubmittedCell], earlier: frozenset[str]
) -> list[Note]:
    """Return what to tell about a read-only cell, which keeps an earlier version as `had`."""
    name = grade_id(cell)
    if name is None:
        return []
    if not found:
        text = (
            N_("Missing test cells were put back: {cell}.")
            if is_test(cell)
            else N_("Missing given cells were put back: {cell}.")
        )
        return [note(text, cell=name)]
    notes = []
    if len(found) > 1:
        notes.append(note(N_("Cells that stood there several times ran once: {cell}."), cell=name))
    changed = [
        one.source for one in found if normalized_source(one.source) != normalized_source(released)
    ]
    if changed and all(source_digest(one) in earlier for one in changed):
        put(cell, had=changed[-1])
        text = N_(
            "Your instructor has corrected these cells since you got them; the corrected ones ran: "
            "{cell}."
        )
        notes.append(note(text, cell=name))
    elif changed:
        text = N_("Changed cells ran in their original form: {cell}.")
        notes.append(note(text, cell=name))
    return notes


_NEW_CELL: dict[str, Callable[..., NotebookNode]] = {
    "code": new_code_cell,
    "markdown": new_markdown_cell,
    "raw": new_raw_cell,
}


def _own_cells(found: list[SubmittedCell]) -> list[NotebookNode]:
    """Make new cells from the source of the student's own cells, and from nothing else."""
    made = [_NEW_CELL[cell.kind](cell.source, id=_OWN) for cell in found]
    for cell, theirs in zip(made, found, strict=True):
        if cell.cell_type == "markdown":
            _take_pictures(cell, [theirs])
    return made


def _take_pictures(cell: NotebookNode, found: list[SubmittedCell]) -> None:
    """Keep the pictures that were pasted into prose, up to the limit."""
    kept: dict[str, dict[str, str]] = {}
    for one in found:
        for picture in one.pictures:
            if len(kept) < PICTURES_PER_CELL:
                kept[picture.name] = {picture.mime: picture.data}
    if kept:
        cell["attachments"] = kept


def _unique_ids(cells: list[NotebookNode], taken: set[str]) -> None:
    """Number the student's own cells, the same way each time."""
    number = 0
    for cell in cells:
        if cell.id == _OWN:
            number += 1
            while f"{_OWN}-{number}" in taken:
                number += 1
            cell.id = f"{_OWN}-{number}"


@dataclass(frozen=True)
class SourceNotebook:
    """Hold the instructor's notebook in the two versions that submissions are rebuilt with.

    Attributes:
        template: without solutions but with whole tests.
        released: as students got it.
        language: which of the course's languages it is in.
        given: earlier versions of its read-only cells.
        solved: with whole tests and the solutions; None where the source's file has them.
        open_cells: the ids of its cells that anybody may change.
    """

    template: NotebookNode
    released: NotebookNode
    language: str
    given: GivenBefore = field(default_factory=dict)
    solved: NotebookNode | None = None
    open_cells: frozenset[str] = frozenset()

    @classmethod
    def registered(cls, course: Course, assignment: str, notebook: str) -> SourceNotebook:
        """Return a notebook of an ordinary course, as nbgrader has registered it.

        Raises:
            UserError: it isn't registered.
        """
        found = registered_notebook(course, assignment, notebook)
        return cls(
            found.template,
            found.released,
            "",
            given_before(course, assignment, notebook),
            found.source,
            frozenset(cell.id for cell in found.released.cells if grade_id(cell) is None),
        )

    @cached_property
    def untouched(self) -> Submission:
        """Return the placeholder for a submission that can't be read: the notebook as released."""
        cells = course_cells([self.template], [self.released], [self.language])
        return submission_from_notebook(self.released, cells)


class SourceNotebooks:
    """Make the source notebooks of one assignment, each once.

    Args:
        course: the course.
        assignment: the assignment's name.
    """

    def __init__(self, course: Course, assignment: str) -> None:
        self._course = course
        self._assignment = assignment
        self._languages = course.languages()
        self._made: dict[tuple[str, str], SourceNotebook] = {}
        self._cells: dict[str, CourseCells] = {}

    def get(self, notebook: str, language: str | None = None) -> SourceNotebook:
        """Return the notebook in a language, or in the source language where there is none.

        Args:
            notebook: its name, without ending.
            language: one of the course's; any other is the source language.
        """
        if self._course.is_by_nbgrader:
            if (notebook, "") not in self._made:
                self._made[notebook, ""] = SourceNotebook.registered(
                    self._course, self._assignment, notebook
                )
            return self._made[notebook, ""]
        if (
            language is None
            or language not in self._languages
            or not self._path(notebook, language).is_file()
        ):
            language = self._course.source_language
        made = self._made.get((notebook, language))
        if made is None:
            where = (self._course, self._assignment, notebook, language)
            made = self._made[notebook, language] = SourceNotebook(
                make_template(*where),
                make_release(*where),
                language,
                given_before(self._course, self._assignment, notebook),
            )
        return made

    def cells(self, notebook: str) -> CourseCells:
        """Return what identifies this notebook's cells in submissions, in all languages."""
        found = self._cells.get(notebook)
        if found is None:
            there = [code for code in self._languages if self._path(notebook, code).is_file()]
            there = [""] if self._course.is_by_nbgrader else there
            made = [self.get(notebook, code) for code in there]
            found = course_cells(
                [one.template for one in made], [one.released for one in made], there
            )
            if self._course.is_by_nbgrader:
                found = replace(found, refused=_refused(made[0].released))
            self._cells[notebook] = found
        return found

    def _path(self, notebook: str, language: str) -> Path:
        return self._course.source(language) / self._assignment / f"{notebook}.ipynb"


def _refused(released: NotebookNode) -> tuple[str, ...]:
    """Return why a readable submission of an ordinary notebook is refused, as nbgrader would."""
    if notebook_io.programming_language(released.metadata):
        return FOREIGN, OLD_METADATA  # it runs in the kernel that the instructor named
    return FOREIGN, OLD_METADATA, OTHER_LANGUAGE


def require_ours(read: object, student: str, notebook: str) -> None:
    """Nothing, unless the reader refused a notebook that it could read.

    Args:
        read: what `Reader.notebook` returned.
        student: who handed it in.
        notebook: its name.

    Raises:
        UserError: it did; the message says why.
    """
    if isinstance(read, str) and read in NOT_OURS:
        raise UserError(f"{notebook}.ipynb of {student} can't be graded: {NOT_OURS[read]}.")


def rebuild_with_notes(
    source: SourceNotebook, submission: Submission, notes: Iterable[Note] = ()
) -> NotebookNode:
    """Rebuild a submission into the notebook to run, which carries the notes for its student.

    Args:
        source: the instructor's notebook.
        submission: what came back.
        notes: what was decided before, when the submission was collected.
    """
    result, said = rebuild(
        source.template, source.released, submission, source.given, source.open_cells
    )
    put(result, language=source.language, notes=[asdict(one) for one in [*notes, *said]])
    return result


def trusted_submission(
    template: NotebookNode, released: NotebookNode, notebook: NotebookNode
) -> Submission:
    """Reduce a notebook in memory to its record, with the instructor's cells.

    For notebooks that this process has made or may trust: the student's own, in `validate`.
    """
    return submission_from_notebook(
        notebook, course_cells([template], [released], [notebook_io.language_of(notebook)])
    )


def is_student_cell(cell: NotebookNode) -> bool:
    """Return whether the source of a cell of a rebuilt notebook is the student's."""
    return is_solution(cell) or cell.id.startswith(f"{_OWN}-")


class Rebuild(NbGraderPreprocessor):
    """Rebuild the submission as the first step of autograding, for Formgrader's button.

    Its input is what the sandboxed reader made of the submission (`exporter`).
    """

    def preprocess(
        self, nb: NotebookNode, resources: ResourcesDict
    ) -> tuple[NotebookNode, ResourcesDict]:
        """Return the rebuilt notebook."""
        course = Course.of_step(self)
        names = resources["nbgrader"]
        assignment, notebook = names["assignment"], names["notebook"]
        receipt = find_receipt(course, names["student"], assignment)
        sources = SourceNotebooks(course, assignment)
        submission = submission_from_notebook(nb, sources.cells(notebook))
        source = sources.get(notebook, submission.language)
        return rebuild_with_notes(source, submission, receipt.notes if receipt else ()), resources
