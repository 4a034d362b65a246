"""Identify which of the files a student submitted is the assignment's notebook.

| What came in | What is taken |
|---|---|
| the assignment's name, in any case or Unicode form, also `quiz.ipynb.txt` | that file |
| `quiz (1).ipynb`, `quiz-1.ipynb` (browsers, Canvas) | that file; a higher number is later |
| `quiz copy.ipynb`, `quiz-Copy1.ipynb`, `quiz 복사본.ipynb`, `Copy of quiz.ipynb` | that file |
| `quiz.ipynb의 사본`, `quiz_ipynb의_사본.ipynb` (Google Drive) | that file |
| another name, but the assignment's cells inside | that file |
| the same bytes more than once | one of them |
| different versions | the first difference in this list decides |

Between versions: one that can be read; one that holds cells of the assignment; one with
answers (a fresh copy of the assignment never beats work); one with the assignment's name;
one numbered by a browser or LMS over the plain name, and the plain name over a copy made by
hand; the highest number; the one in the outermost folder; the one that comes last.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from autograder.core.messages import N_, Note, note
from autograder.core.notebook_io import CELL_LIMIT, SIZE_LIMIT, grade_id, read
from autograder.errors import UserError
from autograder.intake import notebook_reader
from autograder.intake.notebook_reader import RawNotebook, Unreadable, read_notebook
from autograder.intake.submission import CourseCells, course_cells, normalized_source
from autograder.notebook_metadata import entries

if TYPE_CHECKING:
    from autograder.config import Course

BY_HAND, PLAIN, NUMBERED = 0, 1, 2
"""The kinds of names: of a copy made by hand, the assignment's own, a numbered one."""

_ENDING = re.compile(r"\.ipynb(?:\.(?:txt|json))?$|(?<=[._]ipynb의[ _]사본)$", re.IGNORECASE)
_NUMBERED = re.compile(r" ?\((\d{1,6})\)|[-_](\d{1,6})")
_COPIED = re.compile(
    r"[ _-]*(?:[._]ipynb)?(?:copy|복사본|사본|의[ _]사본|의[ _]복사본)[ _-]*\(?(\d{0,6})\)?"
)
_COPY_OF = re.compile(r"^(?:copy of|사본|복사본)[ _-]+")

TOO_LARGE = N_(
    "{name} is larger than the {limit} MiB a notebook may have, so it could not be graded: "
    "clear its outputs, save it and hand it in again."
)
TOO_MANY_CELLS = N_(
    "{name} has more than the {limit} cells a notebook may have, so it could not be graded: "
    "delete cells and hand it in again."
)
NOT_JSON = N_(
    "{name} is not a notebook, or only a part of one (its content is not JSON), so it could not "
    "be graded: save it from JupyterLab and hand it in again."
)
OLD_FORMAT = N_(
    "{name} is in an old notebook format, so it could not be graded: "
    "open it in JupyterLab, save it and hand it in again."
)
NOT_VALID = N_(
    "{name} does not have the form of a notebook, so it could not be graded: "
    "save it from JupyterLab and hand it in again."
)
TOO_COSTLY = N_(
    "{name} takes more memory than reading a notebook may take, so it could not be graded: "
    "clear its outputs, save it and hand it in again."
)
TAKEN_AS = N_("{name} was taken as {notebook}.")
NO_CELLS = N_("{name} holds none of the assignment's cells.")
SAME_TWICE = N_("{others}: the same content as {name}, so one of them was graded.")
CHOSEN_READABLE = N_("{name} was graded; left out, because they can't be read: {others}.")
CHOSEN_CELLS = N_(
    "{name} was graded; left out, because they hold no cells of the assignment: {others}."
)
CHOSEN_ANSWERED = N_("{name} was graded; left out, because they hold no answers: {others}.")
CHOSEN_NAMED = N_("{name} was graded, because it bears the assignment's name; left out: {others}.")
CHOSEN_NUMBERED = N_(
    "{name} was graded, because the highest number is the latest version; left out: {others}."
)
CHOSEN_ORIGINAL = N_(
    "{name} was graded, because it is the original and not a copy; left out: {others}."
)
CHOSEN_PLACE = N_("{name} was graded; other versions left out: {others}.")
# In the order of `Candidate.rank`.
_REASONS = (
    CHOSEN_READABLE,
    CHOSEN_CELLS,
    CHOSEN_ANSWERED,
    CHOSEN_NAMED,
    CHOSEN_NUMBERED,
    CHOSEN_NUMBERED,
    CHOSEN_PLACE,
    CHOSEN_PLACE,
)


@dataclass(frozen=True)
class AssignmentSpec:
    """Describe an assignment as far as its submissions are recognized, from release or source.

    Attributes:
        assignment: its name.
        grade_ids: of all its cells.
        released_sources: the sources of its cells as released, in every language.
        asked: the files, besides the notebook, that belong to a submission.
        cells: what recognizes its notebook's cells.
    """

    assignment: str
    grade_ids: frozenset[str]
    released_sources: frozenset[str]
    asked: frozenset[str]
    cells: CourseCells = field(default_factory=CourseCells)

    @property
    def notebook(self) -> str:
        """Return the notebook's file name."""
        return f"{self.assignment}.ipynb"

    def to_wire(self) -> list[Any]:
        """Return the same as plain values."""
        sets = (self.grade_ids, self.released_sources, self.asked)
        return [self.assignment, *map(sorted, sets), self.cells.to_wire()]

    @classmethod
    def from_wire(cls, value: list[Any]) -> AssignmentSpec:
        """Return the spec that `to_wire` described.

        The trusted side sent it, so it isn't validated.
        """
        assignment, grade_ids, sources, asked, cells = value
        return cls(
            assignment,
            frozenset(grade_ids),
            frozenset(sources),
            frozenset(asked),
            CourseCells.from_wire(cells),
        )


def assignment_specs(course: Course) -> dict[str, AssignmentSpec]:
    """Return every assignment of the course, by name, from `release/` and from `source/`."""
    names: set[str] = set()
    released = course.language_folders("release")
    folders = [*released, *course.language_folders("source")]
    for folder in folders:
        for path in folder.iterdir():
            if (path / f"{path.name}.ipynb").is_file():
                names.add(path.name)
    return {name: _assignment_spec(course, folders, released, name) for name in sorted(names)}


def _assignment_spec(
    course: Course, folders: Sequence[Path], released_folders: Sequence[Path], name: str
) -> AssignmentSpec:
    grade_ids: set[str] = set()
    released_sources: set[str] = set()
    asked: set[str] = set()
    every, released = [], []
    for folder in folders:
        place = folder / name
        if not (place / f"{name}.ipynb").is_file():
            continue
        notebook = read(place / f"{name}.ipynb")
        every.append(notebook)
        grade_ids.update(filter(None, map(grade_id, notebook.cells)))
        if folder in released_folders:
            released.append(notebook)
            released_sources.update(normalized_source(cell.source) for cell in notebook.cells)
        listed = entries(notebook).get("files", [])
        asked.update(file for file in listed if isinstance(file, str))
        asked.update(
            unicodedata.normalize("NFC", path.relative_to(place).as_posix())
            for path in place.rglob("*")
            if path.is_file()
            and not any(part.startswith(".") for part in path.relative_to(place).parts)
        )
    asked.discard(f"{name}.ipynb")
    languages = dict.fromkeys(
        "" if folder.parent == course.root else folder.name for folder in folders
    )
    cells = course_cells(every, released, languages)
    return AssignmentSpec(
        name, frozenset(grade_ids), frozenset(released_sources), frozenset(asked), cells
    )


def is_notebook_name(file: str) -> bool:
    """Return whether a file is named as notebooks are."""
    return _ENDING.search(file) is not None


def name_rank(file: str, assignment: str) -> tuple[int, tuple[int, ...]] | None:
    """Return how close a file's name is to the assignment's.

    Args:
        file: its path.
        assignment: the assignment's name.

    Returns:
        The kind of the name (`BY_HAND`, `PLAIN` or `NUMBERED`) and its numbers; None if it is
        neither the assignment's name nor that of a copy.
    """
    base = unicodedata.normalize("NFC", PurePosixPath(file).name).casefold()
    if not is_notebook_name(base):
        return None
    stem = _ENDING.sub("", base).strip()
    kind = PLAIN
    if opening := _COPY_OF.match(stem):
        kind, stem = BY_HAND, stem[opening.end() :]
    wanted = unicodedata.normalize("NFC", assignment).casefold()
    if not stem.startswith(wanted):
        return None
    rest = stem[len(wanted) :]
    numbers: list[int] = []
    while rest:
        if found := _NUMBERED.match(rest):
            kind = max(kind, NUMBERED) if kind != BY_HAND else BY_HAND
            numbers.append(int(found[1] or found[2]))
        elif found := _COPIED.match(rest):
            kind = BY_HAND
            numbers.append(int(found[1] or 1))
        else:
            return None
        rest = rest[found.end() :]
    return kind, tuple(numbers)


def cells_known(notebook: RawNotebook, spec: AssignmentSpec) -> set[str]:
    """Return the assignment's cells that a notebook holds: by nbgrader's name, by id or by text.

    A cell's id equals its grade_id in this course, so an editor that drops one of the two
    still leaves it recognizable; Colab moves the id into the cell's metadata.
    """
    names = {cell_id: name for name, cell_id in spec.cells.by_grade_id.items()}
    found: set[str] = set()
    for cell in notebook.cells:
        found.update(mark for mark in cell.marks if mark in spec.grade_ids)
        if (name := names.get(spec.cells.find(cell.marks, cell.source) or "")) is not None:
            found.add(name)
    return found


@dataclass(frozen=True)
class Candidate:
    """Describe a file that may be the assignment's notebook.

    Attributes:
        name: as the student named it.
        sha256: of its content.
        notebook: None if it can't be read; `problem` then says why.
        problem: why it can't be read; None if it can.
        rank: the higher one wins; see the module's docstring for the order.
        named: whether it has the assignment's name.
        known: the assignment's cells that it holds.
    """

    name: str
    sha256: str
    notebook: RawNotebook | None
    problem: Note | None
    rank: tuple[Any, ...]
    named: bool
    known: frozenset[str]

    @property
    def readable(self) -> bool:
        """Return whether it could be read."""
        return self.problem is None


def examine(
    name: str, content: bytes, order: int, spec: AssignmentSpec, others: Iterable[AssignmentSpec]
) -> Candidate | None:
    """Return a file as a candidate; None if nothing suggests that it is the assignment's notebook.

    Args:
        name: as the student named it.
        content: its bytes.
        order: its index among the submitted files.
        spec: the assignment.
        others: the course's other assignments, whose notebooks are not taken for this one's.
    """
    others = [other for other in others if other.assignment != spec.assignment]
    by_name = name_rank(name, spec.assignment)
    if by_name and any(name_rank(name, other.assignment) == (PLAIN, ()) for other in others):
        by_name = None  # `quiz-2.ipynb`, where there is an assignment `quiz-2`
    if by_name is None and not is_notebook_name(name):
        return None
    notebook, problem = None, None
    try:
        notebook = read_notebook(content)
    except Unreadable as error:
        problem = _problem(name, str(error))
    known = cells_known(notebook, spec) if notebook is not None else set()
    if by_name is None:
        best = (
            max((len(cells_known(notebook, other)) for other in others), default=0)
            if (notebook is not None)
            else 0
        )
        if not known or len(known) <= best or 2 * len(known) < len(spec.grade_ids):
            return None
    kind, numbers = by_name or (BY_HAND, ())
    rank = (
        notebook is not None,
        bool(known),
        notebook is not None and _has_answers(notebook, spec),
        by_name is not None,
        kind,
        numbers,
        -name.count("/"),
        order,
    )
    return Candidate(
        name=name,
        sha256=hashlib.sha256(content).hexdigest(),
        notebook=notebook,
        problem=problem,
        rank=rank,
        named=by_name is not None,
        known=frozenset(known),
    )


def _has_answers(notebook: RawNotebook, spec: AssignmentSpec) -> bool:
    """Return whether a notebook differs from the release where a student may write."""
    return any(
        (text := normalized_source(cell.source)) and text not in spec.released_sources
        for cell in notebook.cells
        if cell.kind == "code" or cell.solution
    )


def choose(candidates: Sequence[Candidate], spec: AssignmentSpec) -> tuple[Candidate, list[Note]]:
    """Choose the candidate that is graded.

    Args:
        candidates: at least one.
        spec: the assignment.

    Returns:
        The candidate, and what the student is told about the choice.

    Raises:
        ValueError: there are no candidates.
    """
    best = max(candidates, key=lambda candidate: candidate.rank)
    # Of files with the same content, the one that needs the least explaining.
    winner = max(
        (one for one in candidates if one.sha256 == best.sha256),
        key=lambda one: (PurePosixPath(one.name).name == spec.notebook, one.rank),
    )
    notes: list[Note] = []
    shown = _shown(winner.name)
    same = [c for c in candidates if c is not winner and c.sha256 == winner.sha256]
    if same:
        notes.append(note(SAME_TWICE, name=shown, others=_listed(same)))
    losers = [c for c in candidates if c is not winner and c.sha256 != winner.sha256]
    renamed = unicodedata.normalize("NFC", shown) != spec.notebook
    if renamed and winner.readable and not losers:
        notes.insert(0, note(TAKEN_AS, name=shown, notebook=spec.notebook))
    by_reason: dict[str, list[Candidate]] = {}
    for loser in losers:
        by_reason.setdefault(_reason(best, loser), []).append(loser)
    notes.extend(
        note(reason, name=shown, others=_listed(group)) for reason, group in by_reason.items()
    )
    if winner.readable and not winner.known:
        notes.append(note(NO_CELLS, name=shown))
    return winner, notes


def _reason(winner: Candidate, loser: Candidate) -> str:
    for place, (won, lost) in enumerate(zip(winner.rank, loser.rank, strict=True)):
        if won != lost:
            if place == 4 and winner.rank[4] == PLAIN:
                return CHOSEN_ORIGINAL
            return _REASONS[place]
    return CHOSEN_PLACE


def _shown(name: str) -> str:
    return PurePosixPath(name).name if name.count("/") == 0 else name


def _listed(candidates: Iterable[Candidate]) -> str:
    return ", ".join(_shown(candidate.name) for candidate in candidates)


def why_unreadable(name: str, content: bytes) -> Note | None:
    """Return what a student is told about a file that can't be read as a notebook.

    Args:
        name: as the student named it.
        content: its bytes.

    Returns:
        A note; None if the file can be read.
    """
    try:
        read_notebook(content)
    except Unreadable as error:
        return _problem(name, str(error))
    return None


_PROBLEMS = {
    notebook_reader.TOO_LARGE: TOO_LARGE,
    notebook_reader.NOT_JSON: NOT_JSON,
    notebook_reader.OLD_FORMAT: OLD_FORMAT,
    notebook_reader.NOT_VALID: NOT_VALID,
    notebook_reader.TOO_MANY_CELLS: TOO_MANY_CELLS,
    notebook_reader.TOO_COSTLY: TOO_COSTLY,
}
_LIMITS = {TOO_LARGE: SIZE_LIMIT // (1024 * 1024), TOO_MANY_CELLS: CELL_LIMIT}


def _problem(name: str, reason: str) -> Note:
    message = _PROBLEMS[reason]
    limit = {"limit": _LIMITS[message]} if message in _LIMITS else {}
    return note(message, name=name, **limit)


def find_assignment(
    files: Sequence[tuple[str, bytes]], known: dict[str, AssignmentSpec]
) -> tuple[AssignmentSpec, list[Candidate]]:
    """Find the assignment that files belong to: by the notebook's name, else by its cells.

    Args:
        files: each file's name and bytes.
        known: all assignments of the course, by name.

    Returns:
        The assignment, and the files that may be its notebook.

    Raises:
        UserError: to none, or to more than one.
    """
    found: dict[str, list[Candidate]] = {}
    for spec in known.values():
        candidates = [
            candidate
            for order, (name, content) in enumerate(files)
            if (candidate := examine(name, content, order, spec, known.values()))
        ]
        if candidates:
            found[spec.assignment] = candidates
    if not known:
        raise UserError(
            "There is no assignment here that the notebook could be of; run this in the course's "
            "folder, where release/ is. Without one, hand in the notebook itself."
        )
    if not found:
        raise UserError(
            "There is no notebook of an assignment here; name the notebook of one of: "
            f"{', '.join(known)}."
        )
    if len(found) > 1:
        raise UserError(
            f"There are notebooks of several assignments here ({', '.join(found)}); "
            "name the file of the one to hand in."
        )
    [(assignment, candidates)] = found.items()
    return known[assignment], candidates
