"""Pack a student's answer as a zip with a receipt, or pass it to nbgrader's exchange.

Works where there is only `release/`, as in the students' bundle. The receipt lists each file
with its SHA-256, in the form `sha256sum` prints, and one over the whole list:
`sha256sum <the files, sorted by name> | sha256sum` gives it again.
"""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from autograder.config import Course
from autograder.core.atomic_io import read_file, write_file
from autograder.core.attempt_limits import AttemptLimits
from autograder.core.messages import N_, Note, note
from autograder.core.notebook_io import SIZE_LIMIT, language_of
from autograder.core.receipts import RECEIPT, STAMP, make_receipt
from autograder.core.student_id import require_student_id
from autograder.errors import EnvironmentFault, UserError
from autograder.i18n import _, speaking
from autograder.intake.folders import FolderSource
from autograder.intake.identify import (
    PLAIN,
    AssignmentSpec,
    Candidate,
    assignment_specs,
    find_assignment,
    is_notebook_name,
)
from autograder.intake.upload_limits import STUDENT_LIMITS
from autograder.student.own_notebook import parse_own
from autograder.student_values import VALUES_FILE

CELLS_MISSING = N_(
    "These cells of the assignment are missing and will be put back as they were given: {cells}."
)
COPIES_LEFT_OUT = N_("{name} was taken; these other versions were left out: {others}.")
FILE_MISSING = N_("The assignment asks for {name}, which isn't beside the notebook.")


@dataclass(frozen=True)
class SubmitResult:
    """Describe what was submitted.

    Attributes:
        path: the zip, or the folder in the exchange.
        assignment: the assignment's name.
        student: the student's id.
        time: when, in UTC, ISO 8601.
        files: each file with its SHA-256.
        sha256: over the list of files; students may note it down as proof.
        notes: what the student should know.
        exchange: whether it went to the exchange.
        language: the notebook's, in which messages are shown.
    """

    path: Path
    assignment: str
    student: str
    time: str
    files: dict[str, str]
    sha256: str
    notes: list[Note] = field(default_factory=list)
    exchange: bool = False
    language: str = ""

    def __str__(self) -> str:
        with speaking(self.language):
            return self._words()

    def _words(self) -> str:
        lines = [one.text() for one in self.notes]
        if self.exchange:
            text = _("{assignment} was handed in for {student} at {time}.")
        else:
            text = _("{assignment} of {student} was packed at {time}; upload this file: {path}")
        lines.append(
            text.format(
                assignment=self.assignment, student=self.student, time=self.time, path=self.path
            )
        )
        lines.append(_("Receipt (SHA-256): {sha256}").format(sha256=self.sha256))
        return "\n".join(lines)


def submit(
    path: Path,
    student: str,
    course: Course | None = None,
    out_dir: Path | None = None,
    exchange: bool = False,
    now: datetime | None = None,
) -> SubmitResult:
    """Pack the notebook at `path`, or the one in the folder `path`, for submission.

    Args:
        path: a notebook, or the folder of an assignment.
        student: the id the course knows the student by.
        course: the course; by default the one this package is in.
        out_dir: where the zip goes; next to the notebook when None.
        exchange: pass it to nbgrader's exchange instead of writing a zip.
        now: the time of packing; the clock's when None.

    Raises:
        UserError: no such file, not a notebook, of no or of several assignments, not a student
            id, several versions and none with the assignment's own name.
        EnvironmentFault: the disk is full or the place isn't writable; nothing was changed.
    """
    path = Path(path)
    student = require_student_id(student)
    course = course or Course.here()
    folder, files = _found(path)
    if len(files) == 1 and is_notebook_name(files[0][0]):
        parse_own(files[0][1], files[0][0])  # says what is wrong with it
    spec, candidates = find_assignment(files, assignment_specs(course))
    chosen, notes = _chosen(candidates, spec, path)
    content = dict(files)[chosen.name]
    notebook = parse_own(content, chosen.name)
    if not chosen.known:
        raise UserError(
            f"{chosen.name} holds none of {spec.assignment}'s cells; "
            "take the notebook of the assignment, put your answers into it and hand that in."
        )
    if missing := spec.grade_ids - chosen.known:
        notes.append(note(CELLS_MISSING, cells=", ".join(sorted(missing))))
    packed = {spec.notebook: content}
    for name in sorted(spec.asked - {VALUES_FILE}):  # the grader has its own
        place = (folder / chosen.name).parent / name
        if place.is_file() and not place.is_symlink():
            packed[name] = read_file(place, STUDENT_LIMITS.member_bytes)
        else:
            notes.append(note(FILE_MISSING, name=name))
    if exchange and course.settings.watch:  # else nobody may ever watch
        notes += AttemptLimits.of(course, spec.assignment).notes()
    time = (now or datetime.now(UTC)).astimezone(UTC).replace(microsecond=0)
    receipt = make_receipt(spec.assignment, student, time, packed)
    digests = cast(dict[str, str], receipt["files"])
    everything = {**packed, RECEIPT: _as_json(receipt)}
    if exchange:
        with speaking(language_of(notebook)):
            place = _to_exchange(course, spec.assignment, student, everything)
    else:
        name = f"{spec.assignment}-{student}-{time.strftime(STAMP)}.zip"
        place = (Path(out_dir) if out_dir else (folder / chosen.name).parent) / name
        write_file(place, _zipped(everything, time))
    return SubmitResult(
        path=place,
        assignment=spec.assignment,
        student=student,
        time=str(receipt["time"]),
        files=digests,
        sha256=str(receipt["sha256"]),
        notes=notes,
        exchange=exchange,
        language=language_of(notebook),
    )


def _found(path: Path) -> tuple[Path, list[tuple[str, bytes]]]:
    """Return the folder, and the notebooks that may be meant, named from there."""
    if not path.exists():
        raise UserError(f"{path} doesn't exist; check the name and the folder.")
    if not path.is_dir():
        return path.parent, [(path.name, read_file(path, SIZE_LIMIT))]
    with FolderSource(path, STUDENT_LIMITS) as source:
        files = [
            (str(Path(str(member.key)).relative_to(path)), source.read(member))
            for member in source.members
            if ".ipynb" in member.base.casefold()
        ]
    if not files:
        raise UserError(f"There is no notebook in {path}; name the notebook to hand in.")
    return path, files


def _chosen(
    candidates: list[Candidate], spec: AssignmentSpec, path: Path
) -> tuple[Candidate, list[Note]]:
    """Return the notebook meant; unless that is obvious, ask the student to name it."""
    if len(candidates) == 1:
        return candidates[0], []
    shown = sorted(candidate.name for candidate in candidates)
    # rank[4:6] is the name's kind and its numbers.
    original = [one for one in candidates if one.named and one.rank[4:6] == (PLAIN, ())]
    if len(original) != 1:
        raise UserError(
            f"{path} holds several versions of {spec.assignment} ({', '.join(shown)}); "
            "name the file to hand in."
        )
    shown.remove(original[0].name)
    said = note(COPIES_LEFT_OUT, name=original[0].name, others=", ".join(shown))
    return original[0], [said]


def _as_json(receipt: dict[str, Any]) -> bytes:
    return (json.dumps(receipt, ensure_ascii=False, indent=1) + "\n").encode("utf-8")


def _zipped(files: dict[str, bytes], time: datetime) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name, time.timetuple()[:6])
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            archive.writestr(info, content)
    return target.getvalue()


def _to_exchange(course: Course, assignment: str, student: str, files: dict[str, bytes]) -> Path:
    """Submit files through nbgrader's own exchange, whichever the configuration names."""
    from nbgrader.auth import Authenticator
    from nbgrader.coursedir import CourseDirectory
    from nbgrader.exchange import ExchangeError, ExchangeFactory

    from autograder.student.exchange_submit import NotHandedIn

    config = course.nbgrader_config()
    coursedir = CourseDirectory(config=config)
    coursedir.assignment_id = assignment
    coursedir.student_id = student
    factory = ExchangeFactory(config=config)
    app = factory.Submit(
        coursedir=coursedir, authenticator=Authenticator(config=config), config=config
    )
    # A clean copy under the assignment's own names, whatever else is in the student's folder.
    with tempfile.TemporaryDirectory(prefix="submit-") as place:
        for name, content in files.items():
            write_file(Path(place) / assignment / name, content)
        app.assignment_dir = place
        app.path_includes_course = False
        try:
            app.start()
        except NotHandedIn as error:
            raise EnvironmentFault(str(error)) from None
        except ExchangeError as error:
            raise UserError(
                f"{assignment} could not be handed in through the exchange ({error}); ask your "
                "instructor, or hand in a zip: leave out --exchange."
            ) from None
        except OSError as error:
            raise EnvironmentFault(
                f"The exchange {config.Exchange.root} can't be written ({error.strerror}); "
                "ask your instructor, or hand in a zip: leave out --exchange."
            ) from None
    inbound = getattr(app, "inbound_path", str(config.Exchange.root))
    return Path(inbound) / getattr(app, "assignment_filename", "")
