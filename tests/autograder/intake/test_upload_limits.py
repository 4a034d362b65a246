"""What hostile bytes and floods of files cost, and that they cost nobody else anything."""

from __future__ import annotations

import io
import json
import os
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from autograder.config import Course
from autograder.intake.collect import collect
from tests.autograder.intake.class_files import (
    EARLY,
    answer,
    everything,
    hand_in,
    notebook,
    notes,
    put,
    zipped,
)


@pytest.fixture
def course(quiz_course: Course) -> Course:
    return quiz_course


def test_a_zip_bomb_is_not_unpacked(course, inbox):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(5):
            archive.writestr(f"{number}.bin", b"0" * 30_000_000)
    put(inbox / "s01/quiz.zip", target.getvalue())
    put(inbox / "s02/quiz.ipynb", notebook())
    result = collect(course, "quiz", inbox)
    assert len(result.taken) == 2 and "could not be unpacked" in notes(course)
    assert sum(path.stat().st_size for path in course.term.rglob("*.bin")) == 0


def costly_notebooks() -> dict[str, bytes]:
    bad = {"output_type": "x"}
    cell = {"cell_type": "code", "id": "q1-answer", "metadata": {}, "source": "q1 = 9"}

    def made(outputs: int = 0, **metadata: object) -> dict:
        cells = [{**cell, "outputs": [bad] * outputs}]
        return {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": cells}

    deep = json.dumps(made(x="DEEP")).replace('"DEEP"', '{"a":' * 600 + "1" + "}" * 600)
    return {
        "outputs": json.dumps(made(600_000)).encode(),
        "objects": json.dumps(made(x=[{}] * 4_500_000)).encode(),
        "deep": deep.encode(),
        "deepest": b'{"nbformat": 4, "cells": ' + b"[" * 5_000_000,
        "lines": json.dumps({**made(), "cells": [{**cell, "source": "\n" * 2_000_000}]}).encode(),
        "code": json.dumps({**made(), "cells": [{**cell, "source": "#" * 19_000_000}]}).encode(),
        "language": json.dumps(made(beyond={"language": "../term/submitted/s01"})).encode(),
        "long language": json.dumps(made(beyond={"language": "x" * 300})).encode(),
    }


READABLE = {"deep", "language", "long language", "outputs"}
"""Those whose answer is read: what they have too much of is no part of the record."""


@pytest.mark.parametrize("name", sorted(costly_notebooks()))
def test_no_notebook_costs_anybody_else_anything(course, inbox, name):
    put(inbox / "s01/quiz.ipynb", costly_notebooks()[name])
    put(inbox / "s02/quiz.ipynb", notebook("q1 = 2"))
    result = collect(course, "quiz", inbox)
    assert {one.student for one in result.taken} == {"s01", "s02"}
    assert answer(course, "s02") == "q1 = 2"
    # Read for what it says, or replaced by the release with a reason.
    if name in READABLE:
        assert (answer(course), notes(course)) == ("q1 = 9", "")
    else:
        assert answer(course) == "q1 = None" and "could not be graded" in notes(course)
    assert (course.submitted / "s01/quiz/quiz.ipynb").stat().st_size < 100_000


def test_zips_share_what_they_may_hold(course, inbox):
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("quiz.ipynb", b"0" * 93_000_000)
    for number in range(12):
        put(inbox / f"s01/{number}.zip", bomb.getvalue())
    put(inbox / "s02/quiz.ipynb", notebook("q1 = 2"))
    result = collect(course, "quiz", inbox)
    assert {one.student for one in result.taken} == {"s01", "s02"} and not result.refused
    assert notes(course)


def test_what_is_too_large_is_named_and_the_rest_taken(course, inbox):
    put(inbox / "s01/quiz.ipynb", notebook("q1 = 1"))
    with (inbox / "s01/film.mp4").open("wb") as film:
        film.truncate(200_000_000)
    os.utime(inbox / "s01/film.mp4", (EARLY.timestamp(),) * 2)
    for number in range(600):
        put(inbox / f"s01/{number}.txt", b"x")
    collect(course, "quiz", inbox)
    assert answer(course) == "q1 = 1" and "not taken at all" in notes(course)
    kept = everything(course.collected / "s01/quiz/20250310T120000Z")
    assert "film.mp4" not in kept and len(kept) <= 500 and "quiz.ipynb" in kept


MANY = 21_000
"""More files than were once allowed for a whole class."""


def flooded(place: Path) -> None:
    for number in range(MANY):
        (place / f"{number:06}.csv").touch()


def deep(place: Path) -> None:
    """Folders in each other, deeper than a path can name."""
    at = os.open(place, os.O_RDONLY)
    for _depth in range(1_500):
        os.mkdir("ddd", dir_fd=at)
        inner = os.open("ddd", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = inner
    os.close(at)


def folders(place: Path) -> None:
    for number in range(6_000):
        (place / f"{number:06}").mkdir()


def wide(place: Path) -> None:
    for number in range(70):
        (place / f"{number:06}").mkdir()
        for other in range(300):
            (place / f"{number:06}" / f"{other:06}.csv").touch()


def links(place: Path) -> None:
    for number in range(MANY):
        (place / f"{number:06}").symlink_to("/dev/zero")


FLOODS = (flooded, deep, folders, wide, links)


@pytest.mark.parametrize("wrapped", ["", "submissions/"])
@pytest.mark.parametrize("flood", FLOODS)
def test_many_files_of_one_student_keep_nobody_out(course, inbox, emptied, flood, wrapped):
    put(inbox / wrapped / "s01/quiz.ipynb", notebook("q1 = 1"))
    put(inbox / wrapped / "s02/zz.ipynb", b"{")
    put(inbox / wrapped / "s02/quiz.ipynb", notebook("q1 = 2"))
    flood(inbox / wrapped / "s02")
    put(inbox / wrapped / "s03/quiz.ipynb", notebook("q1 = 3"))
    result = collect(course, "quiz", inbox)
    assert sorted(one.student for one in result.taken) == ["s01", "s02", "s03"], result.refused
    assert [answer(course, one) for one in ("s01", "s02", "s03")] == ["q1 = 1", "q1 = 2", "q1 = 3"]
    assert len(everything(course.collected / "s02")) < 1_100
    if flood in (flooded, wide):
        assert "not taken" in notes(course, "s02")


@pytest.mark.parametrize("flood", FLOODS)
def test_many_files_in_one_folder_of_the_exchange(course, emptied, flood):
    now = datetime.now(UTC)
    hand_in(course, "s01", notebook("q1 = 1"), now)
    place = hand_in(course, "s02", notebook("q1 = 2"), now)
    flood(place)
    hand_in(course, "s03", notebook("q1 = 3"), now)
    result = collect(course, "quiz")
    assert sorted(one.student for one in result.taken) == ["s01", "s02", "s03"], result.refused
    assert answer(course, "s02") == "q1 = 2"


@pytest.mark.parametrize("wrapped", ["", "submissions/"])
@pytest.mark.parametrize(
    "names",
    [
        "s02/{n:06}.csv",
        "s02/{n:06}/{n}.csv",
        "Ada Lovelace_98_assignsubmission_file_/{n:06}.csv",
        "Ada Lovelace_98_assignsubmission_file_{n:06}.csv",
        "lovelaceada_102_{n}_{n:06}.csv",
    ],
)
def test_many_files_of_one_student_in_a_class_s_zip(course, inbox, names, wrapped):
    files = {"s01/quiz.ipynb": notebook("q1 = 1")}
    for number in range(MANY):
        files[names.format(n=number)] = b""
    files |= {
        names.format(n=MANY).replace(f"{MANY:06}.csv", "quiz.ipynb"): notebook("q1 = 2"),
        "s03/quiz.ipynb": notebook("q1 = 3"),
    }
    put(inbox / "class.zip", zipped({wrapped + name: content for name, content in files.items()}))
    result = collect(course, "quiz", inbox / "class.zip")
    taken = [one.student for one in result.taken]
    assert {"s01", "s03"} <= set(taken), result.refused
    assert answer(course, "s01") == "q1 = 1" and answer(course, "s03") == "q1 = 3"
    if "s02" in taken and "/{n}.csv" not in names:
        assert answer(course, "s02") == "q1 = 2"


def test_a_large_notebook_is_small_once_it_is_collected(course, inbox):
    """What collecting has accepted, no later station may find too large."""
    data = json.loads(notebook("q1 = 3"))
    data["cells"][0]["outputs"] = [
        {"output_type": "stream", "name": "stdout", "text": ["\U0001f600" * 40] * 60_000}
    ]
    content = json.dumps(data, ensure_ascii=False).encode()
    assert 9_000_000 < len(content) < 20_000_000
    put(inbox / "s01/quiz.ipynb", content)
    collect(course, "quiz", inbox)
    assert answer(course) == "q1 = 3" and not notes(course)
    assert (course.submitted / "s01/quiz/quiz.ipynb").stat().st_size < 10_000
