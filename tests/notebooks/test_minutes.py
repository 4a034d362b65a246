"""The minutes that a lesson states are honest, and no lesson takes more than an hour.

Reading at 200 words a minute, the computing that its title states, the minutes of its exercises,
and a minute for each prediction, transfer question and question of the self-check. What is labeled
optional is stated apart. `benchmarks/lesson_minutes.py` prints all of it, the computing also as
measured.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import lesson_minutes  # noqa: E402 - benchmarks/ is no package

LESSONS = lesson_minutes.lessons()
MOST = {"00-start-here": 20}
"""Minutes, where a lesson promises less than an hour."""


@pytest.mark.parametrize("path", LESSONS, ids=[path.stem for path in LESSONS])
def test_a_lesson_takes_the_minutes_that_it_states(path):
    one = lesson_minutes.minutes(path)
    assert one.stated, "the title cell has no **Time:** N minutes"
    assert one.stated <= MOST.get(path.stem, 60)
    assert one.total <= one.stated + 0.5, parts(one)


@pytest.mark.parametrize("path", LESSONS, ids=[path.stem for path in LESSONS])
def test_the_clock_runs_for_the_minutes_that_the_title_states(path):
    (shown,) = re.findall(r"Clock\(minutes=(\d+)\)", path.read_text(encoding="utf-8"))
    assert int(shown) == lesson_minutes.minutes(path).stated


@pytest.mark.parametrize("path", LESSONS, ids=[path.stem for path in LESSONS])
def test_a_lesson_states_what_its_optional_parts_add(path):
    needed = lesson_minutes.minutes(path)
    one = lesson_minutes.minutes(path, optional=True)
    if one.total - needed.total < 3 and one.stated == needed.stated:
        return  # a fold or two that nobody has to plan for
    assert one.total - 2.5 <= one.stated <= one.total + 5, parts(one)


@pytest.mark.parametrize("path", LESSONS[1:], ids=[path.stem for path in LESSONS[1:]])
def test_a_lessons_build_is_not_optional(path):
    """Something of 25 minutes or more is built by everybody."""
    assert 25 <= lesson_minutes.minutes(path).exercises <= 40


@pytest.mark.parametrize("path", LESSONS, ids=[path.stem for path in LESSONS])
def test_korean_labels_the_same_exercises_optional(path):
    korean = (path.parents[1] / "ko" / path.name).read_text(encoding="utf-8")
    assert [
        (bool(optional), int(took))
        for optional, took in re.findall(r'"\*(선택\. )?난이도: .*?약 (\d+)분', korean)
    ] == lesson_minutes.exercises(prose(path))


def prose(path):
    cells = nbformat.read(path, as_version=4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def parts(one):
    return (
        f"{one.words} words are {one.reading:.0f} minutes, computing {one.running:.0f}, exercises "
        f"{one.exercises}, {one.questions} questions: {one.total:.1f} minutes, not {one.stated}"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Two words.", 2),
        ("A [link](https://example.org/a/b) and `code`", 4),
        ("```python\nx = 1\n```\nafter", 1),
        ("$a + b$ is a sum", 3),
        ("<details><summary>Open</summary>\n\nText</details>", 2),
        ("| a | b |\n|---|---|\n| 1 | 2 |", 4),
        ("It's 3.5 don't", 3),
    ],
)
def test_words(text, words):
    assert lesson_minutes.count_words(text) == words


@pytest.mark.parametrize(
    ("runs", "minutes"),
    [
        ("offline, about 3 minutes of computing on two cores", 3),
        ("offline, about 2 to 3 minutes of computing, 1 GB of disk", 3),
        ("offline, each cell in seconds", 1),
        ("offline, about 1 minute in all", 1),
    ],
)
def test_stated_running(runs, minutes):
    title = f"# Lesson 1 · X\n\n**Time:** 55 minutes · **Needs:** y · **Runs:** {runs}"
    assert lesson_minutes.stated_running(title) == minutes


def test_what_is_labeled_optional_is_not_counted():
    """An optional section ends at the next heading of its level or above, a fold where it ends."""
    text = """## 1. Needed
one <details><summary>Optional: why</summary>

two

</details> three
### Optional: more
four
#### Deeper
five
## 2. Optional: a game
six
### Part of it
seven
## 3. Needed too
eight"""
    kept = lesson_minutes.without_optional(text)
    numbers = ("one", "two", "three", "four", "five", "six", "seven", "eight")
    assert [word for word in numbers if word in kept] == ["one", "three", "eight"]


def test_an_optional_exercise_is_told_from_one_that_everybody_does():
    text = """### Exercise
*Difficulty: 2 of 5. Importance: 5 of 5. About 9 minutes.*
### Another
*Optional. Difficulty: 4 of 5. Importance: 2 of 5. About 12 minutes.*
Not one: *Difficulty: 1 of 5. About 3 minutes.*"""
    assert lesson_minutes.exercises(text) == [(False, 9), (True, 12)]


@pytest.mark.parametrize(
    ("time", "minutes"),
    [
        ("60 minutes", (60, 60)),
        ("about 60 minutes", (60, 60)),
        ("60 minutes, 80 with the optional parts", (60, 80)),
        ("60 minutes, 80 with dessert", (0, 0)),
        ("an hour", (0, 0)),
    ],
)
def test_stated(time, minutes):
    title = f"# Lesson 1 · X\n\n**Time:** {time} · **Needs:** y"
    assert lesson_minutes.stated(title) == minutes


def test_predictions_and_transfer_questions_are_counted():
    text = """**Predict:** how many? And then, **Predict** before you run it.
**Think first:** why? **Transfer:** where? **Apply it:** when? **Predictable** isn't one."""
    assert lesson_minutes.count_questions(text) == 5


def test_only_the_self_check_that_a_lesson_shows_is_counted():
    from beyond.moe import self_check

    code = "from beyond.moe import self_check\n\nSelfCheck(self_check.layer_questions())"
    assert lesson_minutes.count_self_check(code) == len(self_check.layer_questions())
    assert lesson_minutes.count_self_check("x = 1") == 0
