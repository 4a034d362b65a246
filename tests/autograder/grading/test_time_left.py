"""What a run says of itself while it goes on, and what it says at its end."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from autograder import cli
from autograder.grading.time_left import TimeLeft


class Clock:
    """A clock that a test turns on."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def played(loops: set[int], count: int = 200, width: int = 2, limit: float = 90.0):
    """Play a class in which some loop for ever; yield (seconds left, of what runs long, estimated)."""
    clock = Clock()
    left = TimeLeft(now=clock)
    left.begin(count, width, limit)
    takes = [limit if number in loops else 0.1 for number in range(count)]
    # When each ends, if the workers take them in order.
    free, ends = [0.0] * width, []
    for seconds in takes:
        at = min(range(width), key=free.__getitem__)
        free[at] += seconds
        ends.append(free[at])
    over, following = max(ends), 0
    order = sorted(range(count), key=ends.__getitem__)
    waiting = list(range(count))
    for _ in range(min(2 * width, count)):
        left.submitted(str(waiting.pop(0)))
    starts = [end - seconds for end, seconds in zip(ends, takes, strict=True)]
    while following < count:
        clock.now = ends[order[following]]
        left.ended(str(order[following]))
        following += 1
        if waiting:
            left.submitted(str(waiting.pop(0)))
        if following < count:
            # In the middle of what comes next, while the loops run on.
            clock.now += (ends[order[following]] - clock.now) / 2
            running = [n for n in order[following:] if starts[n] < clock.now - 2]
            rest = max((ends[n] - clock.now for n in running), default=0.0)
            yield over - clock.now, rest, left.seconds()


def test_without_loops_it_is_what_is_left():
    for true, _rest, told in list(played(set()))[5:]:
        assert told == pytest.approx(true, abs=0.5)


@pytest.mark.parametrize(
    "loops", [{196, 197, 198, 199}, {10, 60, 110, 160}, {50, 51, 52, 53}, {0, 1, 2, 3}]
)
def test_what_runs_on_is_never_said_to_be_over_sooner_than_it_is(loops):
    """Nothing else has taken as long, or only other loops: their limit is what is known."""
    seen = 0
    for _true, rest, told in played(loops):
        seen += rest > 0
        assert told is None or told >= rest - 0.1
    assert seen


def test_nothing_is_told_before_anything_is_known():
    left = TimeLeft(now=Clock())
    assert left.seconds() is None and left.in_words() == ""
    left.begin(2, 2, 90)
    left.submitted("a")
    assert left.in_words() == ""


def test_piped_progress_is_plain_lines(monkeypatch, capsys):
    monkeypatch.setattr(cli, "err", cli.Console(stderr=True, soft_wrap=True, highlight=False))
    monkeypatch.setattr(cli, "SECONDS_BETWEEN_LINES", 0)
    left = TimeLeft()
    left.begin(3, 1, 90)
    with cli._progress("grading mini", left) as show:
        show(0, 3, "\x1b[31mkim")
        left.on_tick()
        show(3, 3, "")
    said = capsys.readouterr().err
    assert said.splitlines() == ["grading mini: 0 of 3 done"] * 2 + ["grading mini: 3 of 3 done"]
    assert said.replace("\n", "").isprintable()


def test_grade_ends_with_a_summary_and_knows_what_people_gave(term, kit):
    kit.hand_in(term, "a", kit.answered(term, **kit.RIGHT))
    kit.hand_in(term, "b", kit.answered(term, a_answer="a = 42"))

    def graded() -> subprocess.CompletedProcess:
        words = ["-m", "autograder", "grade", "mini", "--course", str(term.root)]
        return subprocess.run(
            [sys.executable, *words],
            capture_output=True,
            text=True,
            env={**os.environ, "COLUMNS": "200"},
        )

    done = graded()
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().splitlines()[-1] == (
        "2 submissions: mean 4.00 of 6 points, 1 with all of them; none late; none waiting for a "
        "person."
    )
    assert done.stderr.splitlines()[-1] == "grading mini: 2 of 2 done"
    assert "\r" not in done.stderr and "\x1b" not in done.stderr
    with term.gradebook() as book:
        book.find_grade("double-test", "mini", "mini", "b").manual_score = 3.0
        book.find_grade("a-test", "mini", "mini", "a").manual_score = 1.0
        book.find_grade("a-test", "mini", "mini", "a").needs_manual_grade = True
        book.db.commit()
    done = graded()
    assert "double-test: 3 of 4 points, given by a person" in done.stdout
    assert "a-test: changed since a person graded it" in done.stdout
    assert "no answer yet" not in done.stdout
    assert "1 waiting for a person to grade" in done.stdout.strip().splitlines()[-1]
