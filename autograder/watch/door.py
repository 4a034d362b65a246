"""Decide which submission in the exchange is taken next, and take it in."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from autograder.core.atomic_io import plain_disk_errors
from autograder.core.attempt_limits import AttemptLimits
from autograder.core.attempt_records import Attempt, Seen
from autograder.core.messages import note
from autograder.core.term_locks import collecting_lock
from autograder.errors import EnvironmentFault, UserError
from autograder.intake.accept import accept
from autograder.intake.errors import BadArchive, SubmissionRefused
from autograder.intake.exchange import InboundFolder, copy_out, doubt_about_time, enroll_owner
from autograder.intake.history import read_history
from autograder.intake.identify import assignment_specs
from autograder.watch import reply
from autograder.watch.answers import Answers
from autograder.watch.attempts import AttemptBook
from autograder.watch.tools import Tools
from autograder.watch.turns import Turns

TAKEN, REFUSED, UNUSABLE = "taken", "refused", "unusable"

_TRY_AGAIN = timedelta(minutes=10)


class Door:
    """Take submissions in by turns, within the limits of attempts.

    Args:
        tools: what the session works with.
        limits: of the assignment.
        book: the attempts.
        answers: tell students whose submission isn't taken.
    """

    def __init__(
        self, tools: Tools, limits: AttemptLimits, book: AttemptBook, answers: Answers
    ) -> None:
        self._tools = tools
        self._course, self._assignment = tools.course, tools.assignment
        self._limits = limits
        self._book = book
        self._answers = answers
        self._known = assignment_specs(tools.course)
        self._arrivals: Turns[InboundFolder] = Turns()
        self._held: dict[str, tuple[str, datetime, datetime]] = {}

    @property
    def has_more(self) -> bool:
        """Return whether somebody waits to be taken in."""
        return bool(self._arrivals)

    def look(self, thoroughly: bool) -> None:
        """See what has arrived.

        Args:
            thoroughly: see also what has changed in what was there.
        """
        newest = self._tools.inbox.look(thoroughly)
        now = datetime.now(UTC)
        self._held = {who: held for who, held in self._held.items() if held[2] > now}
        while self._tools.inbox.refused:
            self._tools.say(self._tools.inbox.refused.pop(0))
        for student, found in newest.items():
            if student not in self._book.dropped and not self._is_dealt_with(student, found):
                self._arrivals.put(student, found)

    def seconds_to_next(self) -> Iterator[float | None]:
        """Yield when something has to be looked at again, in seconds; None for never."""
        yield self._tools.inbox.seconds_to_next_look()
        now = datetime.now(UTC)
        for _name, _changed, until in self._held.values():
            yield max(0.0, (until - now).total_seconds())

    def _is_dealt_with(self, student: str, found: InboundFolder) -> bool:
        held = self._held.get(student)
        if held is not None and held[:2] == (found.place.name, found.changed):
            return True
        if student not in self._book.enrolled and any(
            (one.name, one.changed) == (found.place.name, found.changed)
            for one in self._book.seen.values()
        ):
            return True  # taken before whoever was called so was renamed
        seen = self._book.seen.get(student)
        if seen is None or (seen.name, seen.changed) != (found.place.name, found.changed):
            return False
        used = len(self._book.of(student))
        return seen.outcome != REFUSED or self._limits.is_used_up(used)

    def take_next(self) -> tuple[str, Attempt] | None:
        """Take in one student's submission.

        Returns:
            The student and the attempt that it counts as; None if nothing was taken.

        Raises:
            EnvironmentFault: the term or the gradebook can't be written.
        """
        turn = self._arrivals.take()
        if turn is None:
            return None
        student, found = turn
        attempts = self._book.of(student)
        if self._limits.is_used_up(len(attempts)):
            self._refuse(student, found)
            return None
        last = self._book.last(student)
        until = self._limits.held_until(last.taken if last else None, datetime.now(UTC))
        if until is not None:
            self._hold(student, found, until)
            return None
        self._held.pop(student, None)
        seen = Seen(found.place.name, found.changed, TAKEN)
        try:
            with collecting_lock(self._course, self._tools.stop) as held:
                if not held:  # told to stop meanwhile; it is taken at the next start
                    return None
                self._collect(student, found)
            history = read_history(self._course, student, self._assignment)
        except (SubmissionRefused, BadArchive) as error:
            self._unusable(student, found, str(error))
            return None
        except EnvironmentFault:
            raise
        except (OSError, UserError) as error:
            self._postpone(student, found, error)
            return None
        attempt = self._book.take(student, history[-1].folder, seen)
        self._book.refresh()
        return student, attempt

    def _collect(self, student: str, found: InboundFolder) -> None:
        arrival = copy_out(found, self._tools.staging)
        if doubt := doubt_about_time(found, arrival):
            self._tools.say(doubt)
        if student not in self._book.enrolled and enroll_owner(self._course, student):
            self._tools.say(f"{student} wasn't in the class list and was added to it.")
        spec, due = self._known[self._assignment], self._book.due(student)
        reader, staging = self._tools.reader, self._tools.staging
        with plain_disk_errors(self._course.term):
            accept(self._course, spec, self._known, arrival, due, reader, staging)

    def _refuse(self, student: str, found: InboundFolder) -> None:
        self._answers.notice(student, found, [note(reply.NONE_LEFT, most=self._limits.attempts)])
        self._book.note_seen(student, Seen(found.place.name, found.changed, REFUSED))
        self._tools.summary.refused += 1
        self._tools.say(
            f"{student}: not taken, because all {self._limits.attempts} attempts are used up."
        )

    def _hold(self, student: str, found: InboundFolder, until: datetime) -> None:
        self._held[student] = (found.place.name, found.changed, until)
        time_told = reply.local_time(until, self._course.time_zone)
        self._answers.notice(student, found, [note(reply.HELD, time=time_told)])
        self._tools.say(f"{student}: held until {time_told}, when the pause between attempts ends.")

    def _unusable(self, student: str, found: InboundFolder, why: str) -> None:
        self._answers.notice(student, found, [note(reply.UNUSABLE)])
        self._book.note_seen(student, Seen(found.place.name, found.changed, UNUSABLE))
        self._tools.summary.refused += 1
        self._tools.say(f"{student}: not taken: {why}")

    def _postpone(self, student: str, found: InboundFolder, error: Exception) -> None:
        """Try again later: what failed may be a disk of ours, and nobody's work is lost by it."""
        until = datetime.now(UTC) + _TRY_AGAIN
        self._held[student] = (found.place.name, found.changed, until)
        self._answers.notice(student, found, [note(reply.UNUSABLE)])
        why = str(error)
        if isinstance(error, OSError):
            why = f"{error.filename or found.place.name} can't be used ({error.strerror})."
        self._tools.say(
            f"{student}: not taken: {why} It is tried again in {_TRY_AGAIN.seconds // 60} minutes."
        )
