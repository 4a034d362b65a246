"""`autograder watch` through the real command: what is graded, counted and told, and when."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from autograder.config import Course
from autograder.core import notebook_io
from autograder.core.term_locks import collecting_lock
from autograder.intake.collect import collect
from autograder.term.extensions import extend
from autograder.term.students import drop, rename, restore
from tests.autograder.watch.conftest import Place, settings, until

SLOW_ON_HIDDEN = (
    "def double(x):\n    import time\n    if x == 7:\n        time.sleep(25)\n    return 2 * x"
)


def graded(place: Place, student: str, number: int = 1) -> object:
    """Wait until a student's attempt is graded."""
    return until(lambda: [one for one in place.attempts(student)[number - 1 :] if one.graded])


def copied(place: Place, folder: Path, student: str, number: int) -> Path:
    """A further submission, as nbgrader leaves one, made of another; quicker than by nbgrader."""
    stamp = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f} UTC"
    new = folder.with_name(f"{student}+mini+{stamp}+{number}")
    hidden = new.with_name(f".{number}")
    shutil.copytree(folder, hidden)
    (hidden / "timestamp.txt").write_text(stamp)
    (hidden / "submission_secret.txt").write_text(f"secret {student} {number}")
    hidden.chmod(0o777)
    return hidden.rename(new)


def without_names(text: str) -> str:
    return re.sub(r"\b(ada|ben)\b|\d\d:\d\d:\d\d", "…", text)


def test_the_form_tells_nothing_of_hidden_checks_until_it_is_due(place, kit):
    process = place.start()
    right = place.submit("ada", kit.answered(place.course, **kit.RIGHT))
    wrong = place.submit("ben", kit.answered(place.course, **{**kit.RIGHT, "a_answer": "a = 41"}))
    blank = place.submit("cem", kit.answered(place.course, "ko"))
    for student in ("ada", "ben", "cem"):
        graded(place, student)
    before = {one: place.page(one) for one in (right, wrong, blank)}
    assert without_names(place.text(right)) == without_names(place.text(wrong))
    assert "attempt 1" in place.text(right) and "there is an answer" in place.text(right)
    assert "points" not in place.text(right).replace("Points and all other results", "")
    assert "no answer yet" not in place.text(right)
    assert 'lang="ko"' in place.page(blank) and "attempt" not in place.text(blank)
    assert "1번째 제출입니다" in place.text(blank) and "아직 답이 없음" in place.text(blank)
    assert (place.score("ada"), place.score("ben"), place.score("cem")) == (6, 4, 0)
    # Nothing is written again once it is graded.
    assert {one: place.page(one) for one in before} == before
    extend(place.course, "mini", ["ben"], datetime.now(UTC) + timedelta(days=10))
    place.due(datetime.now(UTC) - timedelta(seconds=1))
    until(lambda: "6 of 6 points" in place.text(right))
    assert "Because 42." in place.page(right) and "attempt 1" in place.text(right)
    until(lambda: "0 / 6" in place.text(blank))
    assert place.page(wrong) == before[wrong]
    last = place.stop(process)
    assert last == "mini: 3 attempts of 3 students taken, 3 graded, 0 submissions not taken."


def test_visible_checks_are_told_before_and_without_hidden_ones(place, kit):
    place.allow(show="visible")
    process = place.start()
    first = place.submit(
        "ada", kit.answered(place.course, a_answer="a = 41", double=SLOW_ON_HIDDEN)
    )
    until(lambda: "Checks that you can see" in place.text(first))
    second = place.submit(
        "ada", kit.answered(place.course, a_answer="a = 'x'", double=SLOW_ON_HIDDEN)
    )
    until(lambda: "Checks that you can see" in place.text(second))
    text = place.text(second)
    assert "passed : double(2) is 4" in text and "not passed : a is a number" in text
    assert "other numbers" not in text and "a is right" not in text
    assert "attempt 2" in text
    # Both were told while the first was still being graded, so neither waited for that.
    assert [one.graded for one in place.attempts("ada")] == [False, False]
    assert place.stop(process).endswith("1 will be graded at the next start.")


def test_points_are_told_where_they_may_be(place, kit):
    place.allow(show="points", attempts=3)
    process = place.start()
    wrong = place.submit("ada", kit.answered(place.course, **{**kit.RIGHT, "a_answer": "a = 41"}))
    until(lambda: "4 of 6 points" in place.text(wrong))
    assert "a is right" in place.text(wrong) and "Because 42." not in place.page(wrong)
    assert "attempt 1 of 3; attempts left: 2" in place.text(wrong)
    assert place.fetch("ada") == [place.page(wrong)]
    place.stop(process)


def test_limits_are_kept_and_told(place, kit):
    place.allow(show="form", attempts=2, pause_minutes=0.15)
    process = place.start()
    kept = place.submit("ada", kit.answered(place.course, **{**kit.RIGHT, "a_answer": "a = 41"}))
    until(lambda: place.page(kept))
    assert "attempts left: 1" in place.text(kept) and "can be graded from" in place.text(kept)
    held = place.submit("ada", kit.answered(place.course))
    until(lambda: "too soon" in place.text(held))
    newer = place.submit("ada", kit.answered(place.course, **kit.RIGHT))
    until(lambda: "attempts left: 0" in place.text(newer))
    graded(place, "ada", 2)
    refused = place.submit("ada", kit.answered(place.course))
    until(lambda: "had all 2 attempts" in place.text(refused))
    assert len(place.attempts("ada")) == 2 and place.score("ada") == 6
    result = collect(Course(place.course.root), "mini")
    assert result.unchanged == ["ada"] and "no attempt left" in result.warnings[0]
    # What was refused is taken once the instructor allows more.
    place.allow(show="form", attempts=3)
    until(lambda: "attempts left: 0" in place.text(refused))
    graded(place, "ada", 3)
    assert place.score("ada") == 0
    assert " 1 submission not taken" in place.stop(process)


def test_killed_at_any_moment_nothing_is_lost_or_counted_twice(place, kit):
    place.allow(show="points")
    answers = {
        "ada": kit.answered(place.course, **kit.RIGHT),
        "ben": kit.answered(place.course, a_answer="a = 42"),
        "cem": kit.answered(place.course),
    }
    dice = random.Random(7)
    folders = {}
    rounds = 4
    for number in range(rounds):
        process = place.start_only()
        if number:
            until(lambda: "Watching" in place.said())
        for student, work in answers.items():
            folders[student] = place.submit(student, work)
        time.sleep(dice.uniform(0.0, 0.8))
        process.kill()
        process.wait()
    process = place.start()
    for student in answers:
        until(lambda student=student: " of 6 points" in place.text(folders[student]))
    scores = {student: place.score(student) for student in answers}
    assert scores == {"ada": 6, "ben": 2, "cem": 0}
    for student in answers:
        attempts = place.attempts(student)
        assert [one.number for one in attempts] == list(range(1, len(attempts) + 1))
        assert len({one.folder for one in attempts}) == len(attempts) <= rounds
        assert attempts[-1].graded and attempts[-1].told == "points"
        left = list((place.course.autograded / student).glob(".mini.*"))
        assert left == []
    place.stop(process)
    # Started again, there is nothing to do.
    before = {student: place.attempts(student) for student in answers}
    process = place.start()
    assert "0 attempts" in place.stop(process)
    assert {student: place.attempts(student) for student in answers} == before


def test_who_hands_in_in_a_loop_gets_one_turn(place, kit):
    first = place.submit("ada", kit.answered(place.course))
    for number in range(150):
        last = copied(place, first, "ada", number)
    notebook_io.write(last / "mini.ipynb", kit.answered(place.course, **kit.RIGHT))
    other = place.submit("ben", kit.answered(place.course, **kit.RIGHT))
    process = place.start()
    graded(place, "ben")
    graded(place, "ada")
    assert place.page(other) and place.page(last)
    assert len(place.attempts("ada")) == 1 and place.score("ada") == 6
    for number in range(150, 190):
        copied(place, first, "ada", number)
        if number == 170:
            again = place.submit("ben", kit.answered(place.course))
    until(lambda: place.page(again))
    graded(place, "ben", 2)
    place.stop(process)


def test_a_submission_is_taken_whole_and_odd_ones_as_collect_does(place, kit):
    place.allow(show="form")
    process = place.start("--poll", "0.3")
    inbound = place.exchange / "inbound"
    stamp = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f} UTC"
    slow = inbound / f"ada+mini+{stamp}"
    slow.mkdir()
    content = notebook_io.to_bytes(kit.answered(place.course, **kit.RIGHT))
    with (slow / "mini.ipynb").open("wb", buffering=0) as file:
        step = len(content) // 8 + 1
        for at in range(0, len(content), step):
            file.write(content[at : at + step])
            time.sleep(0.4)
    (slow / "timestamp.txt").write_text(stamp)
    # Not as nbgrader leaves it, so it is taken once nothing changes any more.
    graded(place, "ada")
    assert place.score("ada") == 6 and len(place.attempts("ada")) == 1

    broken = place.submit("ben", b'{"nbformat": 4, "cel')
    many = place.submit(
        "cem",
        kit.answered(place.course, **kit.RIGHT),
        **{f"{number}.txt": b"1" for number in range(1000)},
    )
    place.submit("dan", kit.answered(place.course), **{"<img src=x onerror=alert(1)>": b"1"})
    (inbound / f"eve+mini+{stamp}").symlink_to(slow)
    (inbound / "mini from me").mkdir()
    until(lambda: "is not JSON" in place.text(broken))
    until(lambda: place.page(many))
    for student in ("ben", "cem", "dan"):
        graded(place, student)
    assert (place.score("ben"), place.score("cem")) == (0, 6)
    assert place.score("eve") is None and "eve+mini" in place.said()
    assert "mini from me in the exchange" in place.said()
    assert (place.course.collected / "ben" / "mini").is_dir()
    assert not any("<img" in one.read_text() for one in (place.exchange / "feedback").iterdir())
    place.stop(process)


def test_one_at_a_time_late_ones_and_those_who_left(place, kit):
    place.submit("gone", kit.answered(place.course, **kit.RIGHT))
    with place.course.gradebook() as gradebook:
        gradebook.update_or_create_student("gone")
    drop(place.course, ["gone"])
    place.due(datetime.now(UTC) - timedelta(hours=3))
    process = place.start()
    for words in (["watch", "mini"], ["grade", "mini"]):
        place.course.submitted.joinpath("x", "mini").mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            [sys.executable, "-m", "autograder", *words, "--course", str(place.course.root)],
            capture_output=True,
            text=True,
            env={**os.environ, "COLUMNS": "300"},
            check=False,
        )
        assert done.returncode == 3 and "Another `autograder grade` or `watch`" in done.stderr
    late = place.submit("ada", kit.answered(place.course, **kit.RIGHT))
    until(lambda: "6 of 6 points" in place.text(late))
    assert "late" in place.text(late) and "handed in late by 3.0 h" in place.said()
    assert place.attempts("gone") == [] and place.score("gone") is None
    restore(place.course, ["gone"])
    graded(place, "gone")
    place.stop(process)


def test_what_is_missing_is_one_sentence(place):
    def run(*words: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-m", "autograder", "watch", *words, "--course", place.course.root],
            capture_output=True,
            text=True,
            env={**os.environ, "COLUMNS": "300"},
            check=False,
        )

    done = run("nix")
    assert done.returncode == 2 and "no assignment 'nix'" in done.stderr
    done = run("mini", "--poll", "0")
    assert done.returncode == 2 and "--poll can't be 0" in done.stderr
    (place.course.root / "pyproject.toml").write_text(settings(show="all"))
    done = run("mini")
    assert done.returncode == 2 and "write one of form, visible, points" in done.stderr
    mistaken = place.course.root / "pyproject.toml"
    mistaken.write_text(settings() + "[tool.autograder.watch.mimi]\nattempts = 2\n")
    done = run("mini")
    said = "The table watch.mimi in [tool.autograder] names no assignment; choose one of: mini."
    assert done.returncode == 2 and done.stderr == f"autograder: {said}\n"
    mistaken.write_text(settings() + "[tool.autograder.watch.mini]\nattemps = 2\n")
    done = run("mini")
    assert done.returncode == 2 and "watch.mini in [tool.autograder] has no key" in done.stderr
    assert done.stderr.count("\n") == 1
    place.allow()
    shutil.rmtree(place.exchange)
    done = run("mini")
    assert done.returncode == 2 and "There is no exchange" in done.stderr


def test_without_settings_there_is_a_pause_between_attempts(place, kit):
    """Else a loop of submissions keeps the grader busy for ever."""
    place.allow(pause_minutes=None)
    process = place.start()
    assert "any number of attempts per student, 1 min apart" in place.said()
    first = place.submit("ada", kit.answered(place.course))
    until(lambda: "can be graded from" in place.text(first))
    for number in range(5):
        held = place.submit("ada", kit.answered(place.course, a_answer=f"a = {number}"))
        until(lambda held=held: "too soon" in place.text(held))
    assert len(place.attempts("ada")) == 1
    place.stop(process)


def test_a_submission_under_an_earlier_id_makes_no_new_student(place, kit):
    place.submit("ada", kit.answered(place.course, **kit.RIGHT))
    process = place.start()
    graded(place, "ada")
    place.stop(process)
    rename(place.course, "ada", "eve")
    said = collect(place.course, "mini")
    assert said.refused == [] and "before ada was renamed" in said.warnings[0]
    process = place.start()
    again = place.submit("ada", kit.answered(place.course))
    until(lambda: "couldn't be taken" in place.text(again))
    told = "ada is called eve now, so what ada handed in was not taken; ask eve"
    until(lambda: told in place.said())
    place.stop(process)
    (refused,) = collect(place.course, "mini").refused
    assert refused in place.said()
    with place.course.gradebook() as gradebook:
        assert [one.id for one in gradebook.students] == ["eve"]
        gradebook.add_student("ada")  # somebody else, whom the instructor has put into the class
    assert [one.student for one in collect(place.course, "mini").taken] == ["ada"]
    assert place.score("eve") == 6


def test_ctrl_c_ends_what_waits_for_another_collect(place, kit):
    place.submit("ada", kit.answered(place.course))
    with collecting_lock(place.course):
        process = place.start()
        collecting = subprocess.Popen(
            [sys.executable, "-m", "autograder", "collect", "mini", "--course", place.course.root],
            stderr=subprocess.PIPE,
            # A run of the tests in the background ignores it, and what it starts would, too.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        time.sleep(3)  # by then both wait, as a rule; the test holds if they don't
        assert "0 attempts" in place.stop(process)
        collecting.send_signal(signal.SIGINT)
        assert collecting.wait(30) in (130, -signal.SIGINT)  # the second before Python has begun
        collecting.communicate()
    assert place.attempts("ada") == []
    process = place.start()
    graded(place, "ada")
    place.stop(process)


def test_a_gradebook_in_use_only_holds_it_up(place, kit):
    process = place.start()
    connection = sqlite3.connect(place.course.term / "gradebook.db")
    try:
        connection.execute("BEGIN EXCLUSIVE")
        folder = place.submit("ada", kit.answered(place.course, **kit.RIGHT))
        until(lambda: "Trying again until that works." in place.said())
    finally:
        connection.close()
    until(lambda: place.page(folder))
    graded(place, "ada")
    assert place.score("ada") == 6 and len(place.attempts("ada")) == 1
    place.stop(process)
