"""Record which values each student was given, on the side that students can't reach.

What counts is what was released, so this record, and not the submission, tells a test a
student's values. It outlasts a change of the student's id, of the declaration and of the class
list: a value that somebody was given stays, as long as the declaration allows it.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from autograder.config import Course
from autograder.core.atomic_io import is_shared, plain_disk_errors, write_file
from autograder.core.release_record import release_time
from autograder.core.term_locks import values_lock
from autograder.core.value_declarations import Value, declaration_file, declared_values
from autograder.errors import AssignmentChanged, UserError
from autograder.student_values import DECLARED, OWN, STUDENTS, VALUES_FILE, default_values, row_key

_SECRET_BYTES = 32


@dataclass(frozen=True)
class Row:
    """What one student was given.

    Attributes:
        drawn_with: the id that the values are drawn with, which a renamed student keeps.
        since: from when they count, in UTC as ISO 8601; empty for who was there at the first
            release. What came in earlier was made with the default values.
        earlier_ids: what the student was called before.
        values: by name.
        replaced: the values of before a changed declaration, each with when they were replaced;
            what came in until then was made with them.
    """

    drawn_with: str
    since: str = ""
    earlier_ids: tuple[str, ...] = ()
    values: dict[str, Value] = field(default_factory=dict)
    replaced: tuple[tuple[str, dict[str, Value]], ...] = ()

    def values_at(self, received: datetime | None) -> dict[str, Value]:
        """Return the values for what was received then, in naive UTC; None: unknown."""
        for until, values in self.replaced:
            if received is not None and received < _naive(until):
                return {**self.values, **values}
        return self.values

    def counts_at(self, received: datetime | None) -> bool:
        """Return whether they count for what was received then, in naive UTC; None: unknown."""
        if not self.since or received is None:
            return True
        return received >= _naive(self.since)


@dataclass(frozen=True)
class ReleasedValues:
    """What an assignment's students were given.

    Attributes:
        declared: the declaration as it was released, as JSON.
        rows: by the student's id.
    """

    declared: dict[str, Any]
    rows: dict[str, Row] = field(default_factory=dict)

    def of(self, student: str, received: datetime | None = None) -> dict[str, Value]:
        """Return the values that a student's submission is graded with.

        Args:
            student: the id.
            received: when the submission came in, in naive UTC; None if that is unknown.
        """
        found: dict[str, Value] = default_values(self.declared)
        if self.has_own(student, received):
            given = self.rows[student].values_at(received)
            found |= {name: value for name, value in given.items() if name in found}
        return found

    def has_own(self, student: str, received: datetime | None = None) -> bool:
        """Return whether the values that `of` returns are the student's own."""
        row = self.rows.get(student)
        return row is not None and row.counts_at(received)

    def key_of(self, student: str) -> bytes:
        """Return bytes that change whenever what a student was given does."""
        row = self.rows.get(student)
        given: list[object] = [row.values, row.since] if row else []
        if row and row.replaced:
            given.append(row.replaced)
        return json.dumps([self.declared, given], sort_keys=True).encode()

    @cached_property
    def table(self) -> dict[str, dict[str, Value]]:
        """The rows by `row_key`, as a release has them; also under a student's earlier ids."""
        made: dict[str, dict[str, Value]] = {}
        for row in self.rows.values():
            made |= {row_key(earlier): row.values for earlier in row.earlier_ids}
        # An id that somebody has now is theirs, whoever had it before.
        return made | {row_key(student): row.values for student, row in self.rows.items()}


def give_values_to_class(course: Course, assignment: str) -> None:
    """Give their values to all who are in the gradebook's class list; raises as `give_values`."""
    with values_lock(course):  # else a student who is renamed meanwhile would get others
        students: list[str] = []
        if declared_values(course, assignment):
            with course.gradebook() as gradebook:
                students = [student.id for student in gradebook.students]
        give_values(course, assignment, students)


def give_values(course: Course, assignment: str, students: Iterable[str]) -> ReleasedValues | None:
    """Record the values of an assignment that is being released; None if it declares none.

    Whoever has values keeps them. A student who is new gets some that count from now on, and an
    assignment that is released for the first time gives them to everybody from the start.

    Args:
        course: whose term it is.
        assignment: the assignment's name.
        students: the ids in the class list.

    Raises:
        UserError: the declaration or the secret can't be used.
        EnvironmentFault: the term's folder can't be written.
    """
    declarations = declared_values(course, assignment)
    before = released_values(course, assignment)
    if not declarations:
        if before is not None:
            _write(course, assignment, replace(before, declared={}))
        return None
    secret = _secret(course)
    is_first = before is None and release_time(course, assignment) is None
    time = datetime.now(UTC).isoformat(timespec="seconds")
    now = "" if is_first else time
    rows = dict(before.rows) if before else {}
    taken = {row.drawn_with for row in rows.values()}
    for student in students:
        if student not in rows:
            drawn_with = student
            while drawn_with in taken:  # whoever was called so before has been renamed
                drawn_with += "+"
            taken.add(drawn_with)
            rows[student] = Row(drawn_with, now)
    for student, row in rows.items():
        values = {
            name: row.values[name]
            if declaration.allows(row.values.get(name))
            else declaration.draw(secret, assignment, name, row.drawn_with)
            for name, declaration in declarations.items()
        }
        if any(values[name] != given for name, given in row.values.items() if name in values):
            row = replace(row, replaced=(*row.replaced, (time, row.values)))
        rows[student] = replace(row, values=values)
    released = ReleasedValues(_declared(course, assignment), rows)
    _write(course, assignment, released)
    return released


def released_values(course: Course, assignment: str) -> ReleasedValues | None:
    """Return what was released of an assignment; None if nothing was.

    Raises:
        UserError: the record is damaged.
    """
    path = _place(course, assignment)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        rows = {
            student: Row(
                **{
                    **row,
                    "earlier_ids": tuple(row["earlier_ids"]),
                    "replaced": tuple((until, old) for until, old in row.get("replaced", ())),
                }
            )
            for student, row in content["rows"].items()
        }
        return ReleasedValues(dict(content["declared"]), rows)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UserError(
            f"{path} is damaged, so nobody's values are known; put it back from a backup."
        ) from None


def values_to_grade(course: Course, assignment: str) -> ReleasedValues | None:
    """Return what an assignment's submissions are graded with; None if it declares no values.

    An assignment that nbgrader alone has released has only the default values.

    Raises:
        AssignmentChanged: the declaration was changed after the release.
        UserError: the declaration or the record can't be used.
    """
    declared = _declared(course, assignment) if declared_values(course, assignment) else {}
    released = released_values(course, assignment)
    if released is None:
        return ReleasedValues(declared) if declared else None
    if released.declared != declared:
        raise AssignmentChanged(
            f"{assignment} was changed after its release ({VALUES_FILE}); run `autograder release "
            f"{assignment}` to give out the change, then grade."
        )
    return released if declared else None


def released_file(course: Course, assignment: str, content: bytes) -> bytes:
    """Return the file as students get it: the declaration, with a row for each student.

    Args:
        course: the course.
        assignment: the assignment's name.
        content: of the file in the source.
    """
    with suppress(ValueError):
        declaration = json.loads(content)
        released = released_values(course, assignment)
        if released is not None and released.rows and isinstance(declaration, Mapping):
            whole = {**declaration, STUDENTS: dict(sorted(released.table.items()))}
            return (json.dumps(whole, indent=1, ensure_ascii=False) + "\n").encode("utf-8")
    return content


def file_of(values: Mapping[str, Value]) -> bytes:
    """Return the file that one student's submission is graded with."""
    return (json.dumps({OWN: dict(values)}, ensure_ascii=False) + "\n").encode("utf-8")


def describe_values(course: Course, assignment: str) -> str:
    """Return a sentence on who has values of their own; empty where none are declared."""
    released = released_values(course, assignment)
    if released is None or not released.declared:
        return ""
    if not released.rows:
        return (
            "Nobody is in the class list yet, so everybody has the default values; read it in "
            f"with `autograder term roster`, then run `autograder release {assignment}` again."
        )
    times = {
        student: row.replaced[-1][0] if row.replaced else row.since
        for student, row in released.rows.items()
    }
    latest = max(times.values())
    added = sorted(student for student, time in times.items() if time == latest)
    text = f"{len(released.rows)} students have values of their own"
    if not latest:
        return f"{text}."
    named = ", ".join(added[:10]) + (f" and {len(added) - 10} more" if len(added) > 10 else "")
    return f"{text}; {named} since {latest}, so they need to get the release again."


def assignments_with_values(course: Course, student: str) -> list[str]:
    """Return the assignments of which a student has values, sorted."""
    return [
        path.stem
        for path in sorted((course.term / "values").glob("*.json"))
        if (found := released_values(course, path.stem)) and student in found.rows
    ]


def rename_in_values(course: Course, old: str, new: str) -> None:
    """Give a student's values to another id, in every assignment; once done, it changes nothing.

    Raises:
        UserError: a record is damaged.
        EnvironmentFault: a record can't be written.
    """
    for assignment in assignments_with_values(course, old):
        released = released_values(course, assignment)
        assert released is not None
        rows = dict(released.rows)
        row = rows.pop(old)
        earlier = tuple(dict.fromkeys([*row.earlier_ids, old]))
        rows[new] = replace(row, earlier_ids=tuple(one for one in earlier if one != new))
        _write(course, assignment, replace(released, rows=rows))


def _naive(moment: str) -> datetime:
    return datetime.fromisoformat(moment).astimezone(UTC).replace(tzinfo=None)


def _declared(course: Course, assignment: str) -> dict[str, Any]:
    content = json.loads(declaration_file(course, assignment).read_text(encoding="utf-8"))
    found: dict[str, Any] = content[DECLARED]
    return found


def _place(course: Course, assignment: str) -> Path:
    return course.term / "values" / f"{assignment}.json"


def _write(course: Course, assignment: str, released: ReleasedValues) -> None:
    content = {
        "declared": released.declared,
        "rows": {student: asdict(row) for student, row in sorted(released.rows.items())},
    }
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    write_file(_place(course, assignment), text.encode("utf-8"))


def _secret(course: Course) -> bytes:
    """Return the course's secret, which is made the first time.

    Raises:
        UserError: the file isn't a secret of ours.
        EnvironmentFault: it can't be written.
    """
    path = course.term / "values.secret"
    if not path.exists():
        with plain_disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            _make_secret(path, 0o660 if is_shared(path.parent) else 0o600)
    try:
        found = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"{path} can't be read ({error.strerror}); release as the user who owns it."
        ) from None
    if len(found) != _SECRET_BYTES:
        raise UserError(f"{path} isn't what was written there; put it back from a backup.")
    return found


def _make_secret(path: Path, mode: int) -> None:
    """Write a secret that only instructors may read, whole or not at all, and never a second."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(_SECRET_BYTES))
            file.flush()
            os.fsync(file.fileno())
        os.chmod(beside, mode)
        with suppress(FileExistsError):  # another command was first
            os.link(beside, path)
    finally:
        beside.unlink()
