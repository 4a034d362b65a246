"""The parts of `watch` by themselves: turns, limits, and what its settings may say."""

from __future__ import annotations

import errno
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from nbgrader.utils import notebook_hash

from autograder.config import Course, Settings
from autograder.core.attempt_limits import AttemptLimits
from autograder.core.attempt_records import Seen
from autograder.errors import EnvironmentFault, UserError
from autograder.feedback.grades import Grades
from autograder.feedback.job import PageJob
from autograder.feedback.page_pool import RenderedPage
from autograder.grading.gradebook_writer import GradebookWriter
from autograder.grading.result_folder import ResultFolder
from autograder.intake.errors import SubmissionRefused
from autograder.term.extensions import extend
from autograder.term.students import rename
from autograder.watch import inbox, session, watcher
from autograder.watch.answers import Answers
from autograder.watch.attempts import AttemptBook
from autograder.watch.door import Door
from autograder.watch.summary import WatchSummary
from autograder.watch.turns import Turns

ZERO = timedelta()
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def test_who_has_waited_longest_since_their_last_turn_is_next():
    turns: Turns[int] = Turns()
    for student in ("ada", "ben"):
        turns.put(student, 1)
    assert turns.take() == ("ada", 1)
    turns.put("ada", 2)
    turns.put("cem", 1)
    assert turns.take() == ("ben", 1)
    turns.put("ben", 2)
    # Who has had no turn yet comes first, then who had theirs longest ago.
    assert [turns.take() for _ in range(3)] == [("cem", 1), ("ada", 2), ("ben", 2)]
    turns.put("ada", 3)
    assert turns.take(busy=["ada"]) is None and turns.take() == ("ada", 3)


def test_one_who_keeps_handing_in_waits_for_all_others():
    turns: Turns[int] = Turns()
    for student in ("ben", "cem", "dan"):
        turns.put(student, 0)
    order = []
    for number in range(8):
        turns.put("ada", number)
        turn = turns.take()
        assert turn is not None
        order.append(turn[0])
    assert order[:4] == ["ben", "cem", "dan", "ada"]
    assert len(turns) == 0 or list(turns) == ["ada"]


def test_a_newer_one_takes_the_place_of_the_one_that_waits():
    turns: Turns[str] = Turns()
    turns.put("ada", "old")
    turns.put("ben", "x")
    turns.put("ada", "new")
    assert turns.take() == ("ada", "new")
    assert "ada" not in turns and turns.take() == ("ben", "x") and turns.take() is None


def course_with(tmp_path: Path, **table: object) -> Course:
    return Course(tmp_path, settings=Settings.of({"watch": table}, tmp_path / "pyproject.toml"))


def test_an_assignments_own_table_comes_first(tmp_path):
    course = course_with(
        tmp_path, **{"attempts": 5, "pause-minutes": 10, "quiz": {"attempts": 1, "show": "points"}}
    )
    assert AttemptLimits.of(course, "mini") == AttemptLimits(5, timedelta(minutes=10), "form")
    assert AttemptLimits.of(course, "quiz") == AttemptLimits(1, timedelta(minutes=10), "points")
    assert AttemptLimits.of(course_with(tmp_path), "quiz") == AttemptLimits()
    assert AttemptLimits().pause == timedelta(minutes=1)  # whoever submits in a loop waits
    assert AttemptLimits.of(course_with(tmp_path, **{"pause-minutes": 0}), "quiz").pause == ZERO
    assert not AttemptLimits().is_used_up(10**6) and AttemptLimits(pause=ZERO).notes() == []
    assert len(AttemptLimits.of(course, "mini").notes()) == 3


def test_the_pause_is_from_one_attempt_to_the_next():
    limits = AttemptLimits(pause=timedelta(minutes=10))
    assert limits.held_until(None, NOW) is None
    assert limits.held_until(NOW - timedelta(minutes=10), NOW) is None
    assert limits.held_until(NOW - timedelta(minutes=9), NOW) == NOW + timedelta(minutes=1)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"attempts": 0}, "whole number above 0"),
        ({"attempts": True}, "whole number above 0"),
        ({"attempts": 1.5}, "whole number above 0"),
        ({"pause-minutes": -1}, "minutes, 0 or more"),
        ({"pause-minutes": float("inf")}, "minutes, 0 or more"),
        ({"show": "everything"}, "one of form, visible, points"),
        ({"show": []}, "one of form, visible, points"),
        ({"pause": 3}, "has no key 'pause'"),
        ({"quiz": {"shows": "form"}}, "watch.quiz in .* has no key 'shows'; choose one of: att"),
        ({"quiz": {"show": {"show": "form"}}}, "one of form, visible, points"),
        (3, "has to be a table"),
    ],
)
def test_settings_that_can_not_be_meant_are_one_sentence(tmp_path, table, said):
    with pytest.raises(UserError, match=said):
        Settings.of({"watch": table}, tmp_path / "pyproject.toml")


def test_attempts_go_with_a_student_who_is_renamed(term, kit):
    kit.hand_in(term, "ada", kit.answered(term))
    with GradebookWriter(term, "mini") as writer:
        book = AttemptBook(writer)
        book.take("ada", "20261128T120000Z", Seen("ada+mini+x", NOW, "taken"))
        book.take("ada", "20261128T120000Z", Seen("ada+mini+x", NOW, "taken"))
        assert [one.number for one in book.of("ada")] == [1]  # counted once
        book.take("ada", "20261128T130000Z", Seen("ada+mini+y", NOW, "taken"))
        book.update("ada", 2, graded=True, told="points")
        kept = book.of("ada")
    rename(term, "ada", "eve")
    with GradebookWriter(term, "mini") as writer:
        book = AttemptBook(writer)
        assert book.of("eve") == kept and book.of("ada") == []
        assert book.seen == {"eve": Seen("ada+mini+y", NOW, "taken")}
        assert book.due("eve") is None and not book.is_over("eve")


def test_an_extension_of_either_kind_counts(term, kit):
    due = datetime.now(UTC).replace(tzinfo=None) - timedelta(hours=1)
    for student in ("ada", "ben", "cem"):
        kit.hand_in(term, student, kit.answered(term))
    with term.gradebook() as gradebook:
        gradebook.update_or_create_assignment("mini", duedate=due)
        for student in ("ada", "ben", "cem"):
            gradebook.update_or_create_student(student)
        gradebook.update_or_create_submission("mini", "ben")
        gradebook.grant_extension("mini", "ben", hours=2)
    extend(term, "mini", ["cem"], datetime.now(UTC) + timedelta(days=1))
    with GradebookWriter(term, "mini") as writer:
        book = AttemptBook(writer)
        assert [book.is_over(one) for one in ("ada", "ben", "cem")] == [True, False, False]


def inbound(course: Course, *students: str) -> Path:
    """An exchange with complete submissions, as nbgrader leaves them."""
    folder = Path(course.nbgrader_config().Exchange.root) / course.id / "inbound"
    for student in students:
        place = folder / f"{student}+mini+{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f} UTC+x"
        place.mkdir(parents=True)
        (place / "submission_secret.txt").write_text(f"secret of {student}")
        place.chmod(0o777)
    return folder


def test_a_folder_that_could_not_be_judged_for_a_moment_is_seen_again(tmp_path, monkeypatch):
    course = course_with(tmp_path)
    box = inbox.Inbox(course, "mini", inbound(course, "ada"))
    judge, down = inbox.inspect, [True]

    def inspect(*words):
        if down:
            raise SubmissionRefused("ada's folder belongs to user 1001")
        return judge(*words)

    monkeypatch.setattr(inbox, "inspect", inspect)
    assert [box.look(thoroughly) for thoroughly in (False, True, True)] == [{}, {}, {}]
    assert len(box.refused) == 1  # told once
    down.clear()
    assert box.look() == {}
    assert set(box.look(thoroughly=True)) == {"ada"}


def test_what_a_fault_of_ours_kept_out_is_tried_again(term, monkeypatch):
    folder = inbound(term, "ada", "ben")
    said = []
    faults = {"ada": OSError(errno.EIO, "Input/output error"), "ben": UserError("Damaged.")}

    def collect(_door, student, _found):
        raise faults[student]

    monkeypatch.setattr(Door, "_collect", collect)
    with GradebookWriter(term, "mini") as writer:
        tools = SimpleNamespace(
            course=term,
            assignment="mini",
            inbox=inbox.Inbox(term, "mini", folder),
            say=said.append,
            summary=WatchSummary("mini"),
            stop=None,
        )
        answers = SimpleNamespace(notice=lambda *_: None)
        book = AttemptBook(writer)
        door = Door(tools, AttemptLimits(), book, answers)
        door.look(thoroughly=True)
        assert door.take_next() is None and door.take_next() is None
        door.look(thoroughly=True)
        assert not door.has_more and book.seen == {}
        assert len(said) == 2 and all("tried again in 10 minutes" in one for one in said)
        for student, held in list(door._held.items()):
            door._held[student] = (*held[:2], NOW - timedelta(days=999))
        door.look(thoroughly=True)
        assert door.has_more


def test_an_earlier_attempts_page_is_never_released_for_another(term, monkeypatch):
    inbound(term, "ada")
    graded = term.autograded / "ada" / "mini"
    graded.mkdir(parents=True)
    (graded / "submission_secret.txt").write_text("secret of ada")
    old = term.feedback / "ada" / "mini" / "mini.html"
    old.parent.mkdir(parents=True)
    old.write_text("of the first attempt")

    def full(path, *_more):
        raise EnvironmentFault(f"The disk is full, so {path} was left as it was.")

    with GradebookWriter(term, "mini") as writer:
        book = AttemptBook(writer)
        book.take("ada", "20261128T120000Z", Seen("ada+mini+x", NOW, "taken"))
        tools = SimpleNamespace(course=term, assignment="mini", writer=writer, say=None)
        answers = Answers(tools, AttemptLimits(), book)
        made = [
            RenderedPage(
                PageJob("ada", "mini", "mini", Path(), Grades(None, None, 0.0, 0.0)),
                b"of the second",
            )
        ]
        with monkeypatch.context() as patch:
            patch.setattr("autograder.feedback.feedback.write_file", full)
            with pytest.raises(UserError, match="disk is full"):
                answers.release("ada", 1, made, "points")
        name = notebook_hash(secret="secret of ada", notebook_id="mini")
        page = Path(term.nbgrader_config().Exchange.root) / term.id / "feedback" / f"{name}.html"
        assert not page.exists() and book.of("ada")[0].told == ""
        answers.release("ada", 1, made, "points")
        assert page.read_bytes() == b"of the second" and book.of("ada")[0].told == "points"


def test_a_result_that_the_gradebook_has_not_taken_is_not_graded(tmp_path, monkeypatch):
    course = course_with(tmp_path)
    monkeypatch.setattr(session, "is_graded", lambda *_: True)
    writer = SimpleNamespace(students=lambda: {"ada"})
    at_work = object.__new__(session.GradingSession)
    at_work._course, at_work._assignment, at_work._cache_keys = course, "mini", None
    at_work._tools = SimpleNamespace(writer=writer)
    assert at_work._is_graded("ada")
    ResultFolder(course, "ada", "mini").finished.mkdir(parents=True)
    assert not at_work._is_graded("ada")


def test_values_given_by_formgraders_button_start_a_session_anew(tmp_path):
    course = course_with(tmp_path)
    before = watcher._version(course, "mini")
    (course.term / "values").mkdir(parents=True)
    (course.term / "values" / "mini.json").write_text("{}")
    assert watcher._version(course, "mini") != before


def test_what_was_taken_of_a_renamed_student_enrolls_nobody(term):
    box = inbox.Inbox(term, "mini", inbound(term, "ada"))
    found = box.look(thoroughly=True)["ada"]
    with term.gradebook() as gradebook:
        gradebook.update_or_create_student("ada")
    with GradebookWriter(term, "mini") as writer:
        AttemptBook(writer).take("ada", "x", Seen(found.place.name, found.changed, "taken"))
    rename(term, "ada", "eve")
    with GradebookWriter(term, "mini") as writer:
        tools = SimpleNamespace(course=term, assignment="mini", inbox=box)
        door = Door(tools, AttemptLimits(), AttemptBook(writer), None)
        door.look(thoroughly=True)
        assert not door.has_more
        (found.place / "mini.ipynb").write_text("{}")  # handed in anew, under the old name
        door.look(thoroughly=True)
        assert door.has_more
