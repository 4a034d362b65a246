"""Accept one submission that came in: check it, keep it, and make it the one to be graded."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from autograder.config import Course
from autograder.core.atomic_io import replaced_folder
from autograder.core.collection_receipt import (
    CollectionReceipt,
    find_receipt,
    record_receipt,
)
from autograder.core.messages import N_, Note, note
from autograder.core.notebook_io import SIZE_LIMIT
from autograder.core.printable import one_line
from autograder.errors import EnvironmentFault
from autograder.intake.arrival import Arrival
from autograder.intake.collect_result import CollectedSubmission
from autograder.intake.errors import SubmissionRefused
from autograder.intake.history import HistoryEntry, read_history, write_history
from autograder.intake.identify import TOO_LARGE, AssignmentSpec
from autograder.intake.nbgrader_files import is_secret, open_plain_file, read_small_file
from autograder.intake.originals import keep_originals
from autograder.intake.reader import READING_SECONDS, Reader
from autograder.intake.staging import StagingFolder
from autograder.intake.submission import to_bytes
from autograder.intake.upload import SECRET, TIMESTAMP, Upload

_NBGRADER_TIME = "%Y-%m-%d %H:%M:%S.%f %Z"

_LATE_AT_LEAST = timedelta(seconds=1)

NOT_KEPT = N_(
    "{names}: not taken at all, because it is larger than a file of a submission may be, or all "
    "files together are: hand in only what the assignment asks for."
)

ENTERED = N_(
    "{names}: what you entered in the LMS itself isn't graded; hand in the notebook's file to have "
    "it graded."
)

ENTERED_LATER = N_(
    "Later, you entered {names} in the LMS, which isn't graded; the notebook that you had handed "
    "in before counts."
)

UNTIMED = N_(
    "The LMS doesn't say when this came in, so it counts as received when it was collected, at "
    "{time}; if you handed it in earlier, tell your instructor."
)

MARKED_LATE = N_("The LMS marked this submission as late.")

REPLACED = N_("This submission replaces the one received at {time}.")


def accept(
    course: Course,
    spec: AssignmentSpec,
    known: dict[str, AssignmentSpec],
    arrival: Arrival,
    due: datetime | None,
    reader: Reader,
    staging: StagingFolder,
) -> CollectedSubmission | None:
    """Put one submission in its places in the term.

    Args:
        course: the course whose term the submission goes into.
        spec: the assignment being collected.
        known: all assignments of the course, by name.
        arrival: the submission as it came in; its files are moved out of the staging folder.
        due: the due date in UTC; None if the assignment has none.
        reader: the sandboxed reader, which alone parses the files.
        staging: where the files to be graded are written until they are in place.

    Returns:
        What was accepted; None if it changes nothing in `term/submitted`.

    Raises:
        SubmissionRefused: the submission is not taken at all.
    """
    student, assignment = arrival.student, spec.assignment
    submitted = course.submitted / student / assignment
    history = read_history(course, student, assignment)
    current = history[-1] if history and submitted.is_dir() else None
    entry = HistoryEntry("", arrival.digest(), arrival.arrived.isoformat(), arrival.sequence)
    is_new_time = current and arrival.time_given and entry.arrived != current.arrived
    if current and not is_new_time and _is_known(entry, arrival, history):
        return None
    if current and arrival.has_only_entries and not is_new_time:
        raise SubmissionRefused(_kept_before(course, spec.assignment, arrival))
    made, notes = _opened(course, spec, known, arrival, reader, staging)
    entry = replace(entry, folder=keep_originals(course, arrival, assignment, history))
    if current and not arrival.time_given and entry.is_before(current):
        write_history(course, student, assignment, [entry, *history])
        return None
    received = _received(arrival, due)
    if arrival.entries:
        notes.append(note(ENTERED, names=", ".join(arrival.entries[:10])))
    # Canvas says itself whether it was late, and that is all that the time is for.
    if arrival.untimed and arrival.late is None:
        notes.append(note(UNTIMED, time=f"{received:%Y-%m-%d %H:%M} UTC"))
    if arrival.late:
        notes.append(note(MARKED_LATE))
    if current and current.digest != entry.digest:
        notes.append(note(REPLACED, time=current.arrived))
    stamp = arrival.stamp or received.strftime(_NBGRADER_TIME)
    with replaced_folder(submitted) as beside:
        for name, place in made.items():
            (beside / name).parent.mkdir(parents=True, exist_ok=True)
            if isinstance(place, bytes):
                (beside / name).write_bytes(place)
            else:
                shutil.move(place, beside / name)
        (beside / TIMESTAMP).write_bytes(stamp.encode("ascii", "replace"))
    written = received.isoformat(timespec="seconds")
    receipt = CollectionReceipt(
        written, arrival.origin, one_line(arrival.name), notes, not arrival.untimed
    )
    record_receipt(course, student, assignment, receipt)
    write_history(course, student, assignment, [*history, entry])
    told = "unknown" if arrival.untimed else written
    return CollectedSubmission(student, told, arrival.name, notes)


def _is_known(entry: HistoryEntry, arrival: Arrival, history: list[HistoryEntry]) -> bool:
    """Return whether the same was collected before, and isn't handed in anew."""
    if entry.digest == history[-1].digest or any(map(entry.is_again, history)):
        return True
    # A time that is unknown tells nothing of content that was there before.
    is_ordered = bool(arrival.sequence)
    return arrival.untimed and not is_ordered and any(entry.digest == one.digest for one in history)


def _kept_before(course: Course, assignment: str, arrival: Arrival) -> str:
    """Tell the student that a text in the LMS replaces no file, and return the same for you."""
    entered = ", ".join(arrival.entries[:10])
    receipt = find_receipt(course, arrival.student, assignment)
    said = note(ENTERED_LATER, names=entered)
    if receipt is not None and said not in receipt.notes:
        told = replace(receipt, notes=[*receipt.notes, said])
        record_receipt(course, arrival.student, assignment, told)
    return (
        f"{arrival.student}: {entered} was entered in the LMS itself after a file had been "
        "collected, and isn't graded; the file still counts, and the student is told on the "
        "feedback page."
    )


def _opened(
    course: Course,
    spec: AssignmentSpec,
    known: dict[str, AssignmentSpec],
    arrival: Arrival,
    reader: Reader,
    staging: StagingFolder,
) -> tuple[dict[str, bytes | Path], list[Note]]:
    """Open a submission in the sandboxed reader.

    Returns:
        The files to be graded, by the assignment's own names, each as bytes or as the path of a
        staged file; and the notes for the student.

    Raises:
        SubmissionRefused: a receipt contradicts the submission.
    """
    asked: dict[str, Path] = {}

    def put(name: str, piece: bytes) -> None:
        if not piece:
            asked[name] = staging.place()
            asked[name].touch()
        else:
            with asked[name].open("ab") as target:
                target.write(piece)

    files = [one for one in arrival.files if one.name not in arrival.entries]
    found = reader.open_upload(
        Upload(
            arrival.student,
            spec.assignment,
            one_line(arrival.name),
            [(one.name, one.size) for one in files],
            arrival.links,
        ),
        spec,
        list(known.values()),
        [_opener(one.place) for one in files],
        put,
        min(READING_SECONDS, max(2.0, arrival.deadline - time.monotonic())),
    )
    if found.refused:
        raise SubmissionRefused(found.refused)
    notes = list(found.notes)
    made: dict[str, bytes | Path] = {}
    if found.submission is not None:
        content = to_bytes(found.submission, spec.cells)
        if len(content) <= SIZE_LIMIT:
            made[spec.notebook] = content
        else:
            limit = SIZE_LIMIT // (1024 * 1024)
            notes.append(note(TOO_LARGE, name=spec.notebook, limit=limit))
    made.setdefault(spec.notebook, _blank(course, spec.assignment))
    for name, place in asked.items():
        made.setdefault(name, place)
    if arrival.not_kept:
        notes.append(note(NOT_KEPT, names=", ".join(arrival.not_kept[:10])))
    if arrival.origin == "exchange":
        # Only the exchange's own file, at the top, as nbgrader's submit wrote it.
        for one in arrival.files:
            secret = read_small_file(one.place) if one.name == SECRET else None
            if secret and is_secret(secret):
                made[SECRET] = secret
    return made, notes


def _opener(place: Path) -> Callable[[], int]:
    return lambda: open_plain_file(place)


def _received(arrival: Arrival, due: datetime | None) -> datetime:
    """Return the time at which a submission counts as received.

    Canvas's archives carry the time of packing, not of handing in; Canvas's mark says whether
    it was late. So where there is a due date, the mark decides on which side of it the time
    falls.
    """
    if due is None or arrival.late is None:
        return arrival.arrived
    if arrival.late:
        return max(arrival.arrived, due + _LATE_AT_LEAST)
    return min(arrival.arrived, due)


def _blank(course: Course, assignment: str) -> bytes:
    """Return the released notebook, the placeholder where nothing can be read."""
    for language in (course.released_language, course.source_language):
        place = course.release(language) / assignment / f"{assignment}.ipynb"
        if place.is_file():
            return place.read_bytes()
    raise EnvironmentFault(
        f"{assignment} hasn't been built; run `autograder release {assignment}` and collect again."
    )
