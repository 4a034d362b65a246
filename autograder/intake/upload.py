"""Open what one student submitted: zips, receipts, the notebook, the files asked for.

All of it runs in the sandboxed reader, which has nothing but the standard library and a few of
the grader's modules. Files are requested one by one, and only those that matter are opened:
notebooks, zips, receipts, and what the assignment asks for.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import IO

from autograder.core.messages import N_, Note, note
from autograder.core.notebook_io import SIZE_LIMIT
from autograder.core.receipts import RECEIPT, read_receipt, receipt_problem
from autograder.intake.archives import ZipSource
from autograder.intake.errors import BadArchive
from autograder.intake.identify import (
    AssignmentSpec,
    Candidate,
    choose,
    examine,
    is_notebook_name,
    why_unreadable,
)
from autograder.intake.notebook_reader import RawNotebook, record
from autograder.intake.sources import Member
from autograder.intake.submission import Submission
from autograder.intake.upload_limits import STUDENT_LIMITS, Budget

TIMESTAMP = "timestamp.txt"
SECRET = "submission_secret.txt"
"""nbgrader's key to the feedback of a submission through the exchange."""

BOOKKEEPING = frozenset({TIMESTAMP, SECRET, RECEIPT})

NOT_ASKED = N_("{names}: left out, because the assignment doesn't ask for it.")
LINKS = N_("{names}: left out, because it is a link and not a file.")
BAD_ZIP = N_("{name} could not be unpacked, so nothing in it was graded: pack it again.")
NESTED_ZIP = N_("{name} is a zip inside a zip and was not opened: hand in the files themselves.")
NOTHING = N_(
    "There was no notebook of the assignment in what you handed in ({names}), "
    "so nothing could be graded."
)
UNUSABLE = N_(
    "{names}: left out, because it can't be unpacked under that name or in that way: hand in the "
    "file itself."
)
TOO_BIG_TO_TAKE = N_("{names}: left out, because it is larger than a file may be.")

_RECEIPT_BYTES = 1024 * 1024
_MAX_NAMED = 10


@dataclass(frozen=True)
class UploadedFile:
    """Describe one of the submitted files.

    Attributes:
        name: path with "/" between its parts.
        size: in bytes, as far as it is known before it is read.
        read: returns its bytes, up to a limit.
    """

    name: str
    size: int
    read: Callable[[int], bytes]

    def digest(self) -> str:
        """Return the SHA-256 of its content."""
        return hashlib.sha256(self.read(STUDENT_LIMITS.member_bytes + 1)).hexdigest()


@dataclass
class Upload:
    """Describe what one student submitted, as far as it is known from outside.

    Attributes:
        student: the student's id.
        assignment: the assignment's name.
        name: what to call it in a message.
        files: the name and the size in bytes of each file.
        links: the names of links and devices.
    """

    student: str
    assignment: str
    name: str
    files: list[tuple[str, int]]
    links: list[str] = field(default_factory=list)


@dataclass
class OpenedUpload:
    """Hold what an upload comes to.

    Attributes:
        refused: why it isn't taken at all, as a sentence; empty if it is.
        submission: the notebook; None if there is none that can be read.
        notes: what the student is told.
    """

    refused: str = ""
    submission: Submission | None = None
    notes: list[Note] = field(default_factory=list)


Put = Callable[[str, bytes], None]
"""Takes a file that the assignment asks for, under the name that the assignment has for it."""


def open_upload(
    upload: Upload,
    spec: AssignmentSpec,
    every: Sequence[AssignmentSpec],
    open_file: Callable[[int], IO[bytes]],
    put: Put,
) -> OpenedUpload:
    """Open an upload.

    Args:
        upload: names, sizes and links of the submitted files.
        spec: the assignment.
        every: all assignments of the course.
        open_file: opens the upload's n-th file.
        put: is called for each file that the assignment asks for.
    """
    result = OpenedUpload()
    files, links, result.refused = _unpacked(upload, open_file, result.notes)
    if result.refused:
        return result
    candidates, winner, rest = _candidates(files, spec, every)
    if candidates:
        chosen, said = choose(candidates, spec)
        result.notes += said
        if chosen.problem is not None:
            result.notes.append(chosen.problem)
        elif winner is not None:
            result.submission = record(winner, spec.cells)
    else:
        result.notes += _why_nothing(files, rest)
    left_out = _take_asked(rest, spec, put, result.notes)
    if left_out and candidates:
        result.notes.append(note(NOT_ASKED, names=_listed(left_out)))
    if links:
        result.notes.append(note(LINKS, names=_listed(links)))
    return result


def _unpacked(
    upload: Upload, open_file: Callable[[int], IO[bytes]], notes: list[Note]
) -> tuple[list[UploadedFile], list[str], str]:
    """Return the files with the student's zips opened, one level deep.

    Returns:
        The files, the names of links, and why the upload is refused, if it is.
    """
    budget = Budget(STUDENT_LIMITS)
    budget.members -= len(upload.files)
    budget.total_bytes -= sum(size for _name, size in upload.files)
    files: list[UploadedFile] = []
    plain: list[UploadedFile] = []
    links = list(upload.links)
    for number, (name, size) in enumerate(upload.files):
        handed = UploadedFile(name, size, _reads(open_file, number))
        if not _is_zip(name, handed):
            plain.append(handed)
            files.append(handed)
            continue
        try:
            source = ZipSource(
                open_file(number),
                PurePosixPath(name).name,
                STUDENT_LIMITS,
                budget,
                leaves_out=True,
            )
            inner = [_inner(source, member) for member in source.members]
            budget.total_bytes -= sum(one.size for one in inner)
            if budget.total_bytes < 0:
                raise BadArchive("more than fits")
        except BadArchive:
            notes.append(note(BAD_ZIP, name=name))
            continue
        links += source.left_out
        if source.unusable and not inner:
            notes.append(note(BAD_ZIP, name=name))
            continue
        if source.unusable:
            notes.append(note(UNUSABLE, names=_listed(source.unusable)))
        try:
            if refused := _wrong_receipt(upload, inner):
                return [], [], refused
            for one in inner:
                if _is_zip(one.name, one):
                    notes.append(note(NESTED_ZIP, name=one.name))
                else:
                    files.append(one)
        except BadArchive:
            notes.append(note(BAD_ZIP, name=name))
    return files, links, _wrong_receipt(upload, plain)


def _reads(open_file: Callable[[int], IO[bytes]], number: int) -> Callable[[int], bytes]:
    def read(limit: int) -> bytes:
        with open_file(number) as stream:
            return stream.read(limit)

    return read


def _inner(source: ZipSource, member: Member) -> UploadedFile:
    def read(limit: int) -> bytes:
        return source.peek(member, limit)

    return UploadedFile(member.name, source.declared(member), read)


def _is_zip(name: str, handed: UploadedFile) -> bool:
    return name.casefold().endswith(".zip") and handed.read(2) == b"PK"


def _wrong_receipt(upload: Upload, files: list[UploadedFile]) -> str:
    """Return why a receipt among these files forbids taking them; empty if none does."""
    for one in files:
        path = PurePosixPath(one.name)
        if path.name != RECEIPT or (receipt := read_receipt(one.read(_RECEIPT_BYTES))) is None:
            continue
        beside: dict[str, UploadedFile] = {}
        for other in files:
            if PurePosixPath(other.name).is_relative_to(path.parent):
                beside.setdefault(
                    PurePosixPath(other.name).relative_to(path.parent).as_posix(), other
                )

        def digest(name: str, beside: dict[str, UploadedFile] = beside) -> str | None:
            return beside[name].digest() if name in beside else None

        problem = receipt_problem(receipt, upload.student, upload.assignment, digest)
        if problem:
            return (
                f"The submission {upload.name} of {upload.student} was not taken: {problem}; "
                "ask the student to hand in again."
            )
    return ""


def _candidates(
    files: list[UploadedFile], spec: AssignmentSpec, every: Sequence[AssignmentSpec]
) -> tuple[list[Candidate], RawNotebook | None, list[UploadedFile]]:
    """Return the files that may be the notebook, the best one as read, and the other files."""
    candidates: list[Candidate] = []
    best: Candidate | None = None
    rest: list[UploadedFile] = []
    for order, one in enumerate(files):
        # A file that isn't named like a notebook isn't even read.
        content = _notebook_bytes(one) if ".ipynb" in one.name.casefold() else b""
        found = examine(one.name, content, order, spec, every)
        if found is None:
            if PurePosixPath(one.name).name not in BOOKKEEPING:
                rest.append(one)
            continue
        if best is None or found.rank > best.rank:
            best = found
        # Only the best is kept as it was read: the others may be large.
        candidates.append(_without_notebook(found))
    return candidates, best.notebook if best else None, rest


def _notebook_bytes(handed: UploadedFile) -> bytes:
    try:
        return handed.read(SIZE_LIMIT + 1)
    except BadArchive:
        return b""


def _without_notebook(found: Candidate) -> Candidate:
    return Candidate(
        found.name, found.sha256, None, found.problem, found.rank, found.named, found.known
    )


def _why_nothing(files: list[UploadedFile], rest: list[UploadedFile]) -> list[Note]:
    names = [one.name for one in files if PurePosixPath(one.name).name not in BOOKKEEPING]
    problems = [
        problem
        for one in rest
        if is_notebook_name(one.name)
        and (problem := why_unreadable(one.name, _notebook_bytes(one))) is not None
    ]
    if problems:
        return problems[:3]
    return [note(NOTHING, names=_listed(names))] if names else []


def _take_asked(
    rest: Iterable[UploadedFile], spec: AssignmentSpec, put: Put, notes: list[Note]
) -> list[str]:
    """Pass on the files asked for, and return the names of the others."""
    taken: set[str] = set()
    left_out: list[str] = []
    too_big: list[str] = []
    # The file itself before one of the same name in another folder.
    for one in sorted(rest, key=lambda one: _composed(one.name) not in spec.asked):
        asked = _asked_name(one.name, spec)
        if asked is None or asked in taken:
            left_out.append(one.name)
            continue
        try:
            content = one.read(STUDENT_LIMITS.member_bytes + 1)
        except BadArchive:
            content = None
        if content is None or len(content) > STUDENT_LIMITS.member_bytes:
            too_big.append(one.name)
            continue
        taken.add(asked)
        put(asked, content)
    if too_big:
        notes.append(note(TOO_BIG_TO_TAKE, names=_listed(too_big)))
    return left_out


def _asked_name(name: str, spec: AssignmentSpec) -> str | None:
    """Return the asked-for file that `name` is: by its whole path, or below a folder."""
    composed = _composed(name)
    for asked in sorted(spec.asked):
        if composed == asked or composed.endswith("/" + asked):
            return asked
    return None


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_MAX_NAMED])
