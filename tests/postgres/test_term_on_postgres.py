"""A term whose gradebook is on a PostgreSQL server."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime

import psycopg
import pytest
import sqlalchemy
from nbgrader.api import Grade
from sqlalchemy.orm import Session

from autograder.authoring.release import release
from autograder.config import Course
from autograder.errors import EnvironmentFault
from autograder.feedback.feedback import feedback
from autograder.grading import coordinator as grading
from autograder.grading.coordinator import grade
from autograder.grading.gradebook_writer import GradebookWriter
from autograder.grading.result import submission_results
from autograder.report.report import report
from autograder.term.extensions import extend
from autograder.term.students import drop, rename, set_section
from autograder.term.total import course_total

DUE = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


@pytest.fixture
def on_server(course: Course, server) -> Course:
    """A course whose `mini` is released in a gradebook on the server."""
    there = replace(course, db=server())
    release(there, "mini", due=DUE)
    return there


@pytest.fixture
def on_workers(monkeypatch, stand_ins):
    monkeypatch.setattr(grading, "_runner", lambda: stand_ins.run_submission)


def hand_in_class(course: Course, kit) -> None:
    kit.hand_in(course, "right", kit.answered(course, **kit.RIGHT))
    kit.hand_in(course, "김하나", kit.answered(course, "ko", a_answer="a = 42"))
    kit.hand_in(course, "blank", kit.answered(course))


def test_a_term(on_server, kit, on_workers):
    hand_in_class(on_server, kit)
    found = {one.student: one for one in grade(on_server, "mini", workers=2)}
    assert {name: one.score for name, one in found.items()} == {"right": 6, "김하나": 2, "blank": 0}
    assert {one.late_seconds for one in found.values()} == {3600}
    assert {one.student: one for one in submission_results(on_server, "mini")} == found
    written = report(on_server, "mini")
    assert "김하나" in (on_server.term / "reports" / "mini.csv").read_text()
    assert written.figures
    assert len(feedback(on_server, "mini")) == 3
    assert not (on_server.term / "gradebook.db").exists()
    # A second time, and after everyone handed in again.
    assert {one.student: one for one in grade(on_server, "mini", again=True)} == found
    hand_in_class(on_server, kit)
    kit.hand_in(on_server, "blank", kit.answered(on_server, **kit.RIGHT))
    assert [one.score for one in grade(on_server, "mini", ["blank"])] == [6]


def test_the_rows_are_the_same_as_in_a_file(on_server, course, kit, on_workers):
    release(course, "mini", due=DUE)
    hand_in_class(course, kit)
    grade(course, "mini", again=True)
    in_file = kit.rows(course)
    grade(on_server, "mini", again=True)
    on_it = kit.rows(on_server)

    def plain(rows):
        return {
            name: sorted((tuple(map(_plain, row)) for row in found), key=repr)
            for name, found in rows.items()
        }

    assert plain(on_it) == plain(in_file)


def _plain(value: object) -> object:
    """SQLite has no times and no truth values of its own."""
    if isinstance(value, datetime):
        return value.isoformat(" ", "microseconds")
    return int(value) if isinstance(value, bool) else value


def test_formgraders_way_of_grading_works_too(on_server, kit):
    kit.hand_in(on_server, "right", kit.answered(on_server, **kit.RIGHT))
    result = on_server.api().autograde("mini", "right", force=True)
    assert result["success"], result
    assert [one.score for one in submission_results(on_server, "mini")] == [6]


def test_a_score_that_a_person_saves_meanwhile_stays(on_server, kit, on_workers):
    kit.hand_in(on_server, "right", kit.answered(on_server, **kit.RIGHT))
    grade(on_server, "mini")
    engine = sqlalchemy.create_engine(on_server.database)
    person = Session(engine)
    given = person.scalars(sqlalchemy.select(Grade).with_for_update(of=Grade)).first()
    given.manual_score, given.needs_manual_grade = 0.5, False
    person.flush()
    ended = threading.Event()

    def again() -> None:
        with GradebookWriter(on_server, "mini") as writer:
            writer.write("right", {}, None)
        ended.set()

    thread = threading.Thread(target=again)
    thread.start()
    assert not ended.wait(1.0), "it wrote without waiting for the person"
    person.commit()
    thread.join(30)
    with Session(engine) as fresh:
        now = fresh.get(Grade, given.id)
        assert (now.manual_score, now.auto_score) == (0.5, 0.0)
    person.close()
    engine.dispose()


def test_a_server_that_goes_away_is_a_sentence_and_nothing_is_lost(
    on_server, kit, on_workers, monkeypatch
):
    hand_in_class(on_server, kit)
    write = GradebookWriter.write
    cut = []

    def broken(self, student, *rest):
        if not cut:
            with psycopg.connect(on_server.database, autocommit=True) as other:
                other.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            cut.append(student)
        write(self, student, *rest)

    monkeypatch.setattr(GradebookWriter, "write", broken)
    with pytest.raises(EnvironmentFault, match="can't be used"):
        grade(on_server, "mini", workers=1)
    monkeypatch.setattr(GradebookWriter, "write", write)
    assert sorted(one.score for one in grade(on_server, "mini")) == [0, 2, 6]


def test_extensions_sections_and_a_new_id(on_server, kit, on_workers):
    hand_in_class(on_server, kit)
    with on_server.gradebook() as book:
        book.add_student("absent")
    extend(on_server, "mini", ["right", "absent"], datetime(2026, 11, 20, 10, tzinfo=UTC))
    set_section(on_server, ["right"], "월요일")
    found = {one.student: one.late_seconds for one in grade(on_server, "mini", workers=2)}
    assert found == {"right": 0, "김하나": 3600, "blank": 3600}
    rename(on_server, "right", "renamed")
    drop(on_server, ["blank"])
    extend(on_server, "mini", ["renamed"], None)
    found = {one.student: one.late_seconds for one in grade(on_server, "mini", workers=2)}
    assert found == {"renamed": 3600, "김하나": 3600}
    totals = {one.student: (one.section, one.percent) for one in course_total(on_server).students}
    assert totals["renamed"] == ("월요일", 100) and totals["absent"] == ("", 0)
