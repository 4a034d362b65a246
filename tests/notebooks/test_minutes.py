"""The minutes that a lesson states are honest, and no lesson takes more than an hour.

Reading at 200 words a minute, the computing that its title states, and the minutes of its
exercises: `benchmarks/lesson_minutes.py` prints them, the computing also as measured.
"""

from __future__ import annotations

import sys
from pathlib import Path

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
    assert one.total <= one.stated + 0.5, (
        f"{one.words} words are {one.reading:.0f} minutes, computing {one.running:.0f}, "
        f"exercises {one.exercises}: {one.total:.0f} minutes, not {one.stated}"
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
