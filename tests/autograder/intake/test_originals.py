"""Original files are all kept, whatever their names."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.config import Course
from autograder.intake.collect import collect
from autograder.intake.originals import storable_path
from tests.autograder.intake.class_files import (
    LATER,
    everything,
    notebook,
    put,
    zipped,
)


@pytest.fixture
def course(quiz_course: Course) -> Course:
    return quiz_course


def test_names_that_clash_or_are_too_long_are_all_kept(course, inbox):
    long = "가" * 80 + ".txt"
    files = {"a": b"1", "a/b": b"2", "A": b"3", long: b"4", "quiz.ipynb": notebook()}
    content = zipped({f"s01/{name}": data for name, data in files.items()})
    collect(course, "quiz", put(inbox / "class.zip", content))
    kept = everything(course.collected / "s01/quiz/20250310T120000Z")
    assert sorted(kept.values()) == sorted(files.values())


@given(st.lists(st.text("aAb/.~", min_size=1, max_size=6), max_size=9))
def test_stored_names_never_clash(names):
    used: set[str] = set()
    safe = ["/".join(p for p in name.split("/") if p not in ("", ".", "..")) for name in names]
    places = [storable_path(name, used) for name in safe if name]
    folded = [place.casefold() for place in places]
    assert len(set(folded)) == len(folded)
    parents = {str(p) for place in folded for p in Path(place).parents}
    assert not parents & set(folded)


def test_long_names_that_clash_are_kept(course, inbox):
    for name in ("가" * 60, "나" * 60):
        put(inbox / "s01" / name / name / "quiz.ipynb", notebook())
        put(inbox / "s01" / name / f"{name}.txt", b"x")
    deep = "/".join(["ab" * 40] * 12)
    files = {f"s01/{deep}/quiz.ipynb": notebook(), f"s01/{deep.upper()}/QUIZ.ipynb": notebook()}
    put(inbox / "s02/quiz.ipynb", notebook())
    assert len(collect(course, "quiz", inbox).taken) == 2
    zipped_class = put(inbox.parent / "class.zip", zipped(files, LATER))
    assert len(collect(course, "quiz", zipped_class).taken) == 1
