"""Whatever a student hands in, its page comes within its bounds and everybody else's comes too."""

import base64
import html
import itertools
import json
import os
import random
import subprocess
import sys
import zlib

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from autograder.core import notebook_io
from autograder.feedback import page_pool, page_worker
from autograder.feedback.feedback import feedback
from autograder.feedback.grades import CellGrade, Grades
from autograder.feedback.job import PageJob
from autograder.feedback.outputs import MAX_PAGE_IMAGE_CHARS
from autograder.feedback.page_pool import render_pages
from autograder.grading.coordinator import grade


def repeated(unit):
    return lambda size: (unit * (size // len(unit) + 1))[:size]


def counted(unit):
    """Units that differ, so that no parser can take them for one."""
    return lambda size: "".join(unit.format(number) for number in range(size // len(unit)))[:size]


UNITS = {
    "blank lines": "\n",
    "lines of spaces": " " * 39 + "\n",
    "lines of tabs": "\t\t\n",
    "lines of wide spaces": "\u00a0\u3000\n",
    "backslashes": "\\",
    "joined lines": "\\\n",
    "open brackets": "[",
    "links": "[a](",
    "pictures": "![",
    "brackets": "[]",
    "backticks": "`a",
    "emphasis": "*a_",
    "strong": "**a",
    "table": "|a" * 40 + "\n",
    "quotes": "> " * 50 + "a\n",
    "tags": "<div>",
    "unclosed": "<a href=",
    "comments": "<!--",
    "lists in lists": "<ul><li>",
    "tables in tables": "<table><tr><td>",
    "attributes": '<b title="',
    "math": "$a$",
    "fractions": "\\frac{",
    "matrices": "&\\\\",
    "strings": '"""\n',
    "f-strings": "f'{f\"{",
    "decorators": "@a\n",
    "parentheses": "(",
    "numbers": "9",
    "huge numbers": "1e999 ",
    "escapes": "\x1b[31m",
    "titles": "\x1b]0;",
    "controls": "\x00\x01\x07\x08",
    "returns": "a\r",
    "overrides": "\u202e",
    "zero width": "a\u200b",
    "surrogates": "\ud800",
    "accents": "e\u0301",
    "footnotes": "[^a]",
    "definitions": "[a]: b\n",
    "fences": "```python\n",
    "long line": "a",
    "other lexers": "```perl6\n((((\n```\n",
    "one character": "가",
}
FAMILIES = {name: repeated(unit) for name, unit in UNITS.items()}
FAMILIES["reopened"] = counted("<b id={0}><p>")
FAMILIES["attributes of every name"] = counted("<i a{0}=1>")
CELLS = 60


def shown_as(text):
    """Every way in which a student's text comes to a page."""
    shown = [
        new_output("stream", name="stdout", text=text),
        new_output("display_data", data={"text/html": text}),
        new_output("display_data", data={"text/markdown": text}),
        new_output("display_data", data={"text/latex": text}),
        new_output("error", ename=text[:50], evalue=text, traceback=[text]),
    ]
    return [new_code_cell(text, outputs=shown), new_markdown_cell(text)]


def job(folder, cells, name="mini"):
    nb = notebook_io.parse(
        b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}', "x"
    )
    nb.cells = cells
    for number, cell in enumerate(nb.cells):
        cell.id = f"own-{number}"
    path = folder / f"{name}.ipynb"
    # Not by nbformat, which looks at each of 30,000 outputs for minutes.
    path.write_text(json.dumps(nb), encoding="utf-8")
    folder.chmod(0o755)
    grades = Grades(None, None, 0.0, 0.0, {"a-test": CellGrade(1.0, 2.0, False, False)})
    return PageJob("ada", "mini", name, path, grades)


@pytest.mark.parametrize("name", FAMILIES)
def test_sixty_cells_of_it_give_a_whole_page(tmp_path, name):
    cells = [cell for _number in range(CELLS // 2) for cell in shown_as(FAMILIES[name](20_000))]
    (made,) = render_pages([job(tmp_path, cells)])
    assert made.why == "" and len(made.html) < 40_000_000


@pytest.mark.parametrize("name", FAMILIES)
def test_a_page_grows_no_faster_than_what_is_handed_in(tmp_path, name):
    sizes = (500, 1_000, 2_000, 4_000)
    jobs = [job(tmp_path, shown_as(FAMILIES[name](size)), f"n{size}") for size in sizes]
    made = {one.job.notebook: len(one.html) for one in render_pages(jobs)}
    empty = len(next(render_pages([job(tmp_path, [], "empty")])).html)
    grown = [made[f"n{size}"] - empty for size in sizes]
    for smaller, larger in itertools.pairwise(grown):
        assert larger <= 3 * smaller + 4_000


def png(pixels):
    """A true picture that doesn't compress."""
    import struct

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    rows = b"".join(b"\0" + random.Random(row).randbytes(3 * pixels) for row in range(pixels))
    head = struct.pack(">IIBBBBB", pixels, pixels, 8, 2, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows))
    return base64.b64encode(content + chunk(b"IEND", b"")).decode()


def test_twenty_two_honest_pictures_are_all_on_the_page(tmp_path):
    picture = png(400)
    shown = [new_output("display_data", data={"image/png": picture}) for _number in range(22)]
    (made,) = render_pages([job(tmp_path, [new_code_cell("plot()", outputs=shown)])])
    assert made.why == "" and made.html.count(b"data:image/png") == 22


def test_a_picture_that_is_mentioned_a_thousand_times(tmp_path):
    attached = {"a.png": {"image/png": png(600)}}
    for source in (
        "![x](attachment:a.png) " * 800,
        "[a]: attachment:a.png\n\n" + "![x][a] " * 2_000,
    ):
        cells = [new_markdown_cell(source, attachments=attached) for _number in range(3)]
        (made,) = render_pages([job(tmp_path, cells)])
        assert made.why == "" and len(made.html) < 2 * MAX_PAGE_IMAGE_CHARS


@pytest.mark.parametrize(
    "cells",
    [
        lambda: [new_code_cell("a = 1") for _number in range(2_000)],
        lambda: [
            new_code_cell("", outputs=[new_output("stream", name="stdout", text="가" * 7_500_000)])
        ],
        lambda: [
            new_code_cell(
                "",
                outputs=[
                    new_output("stream", name="stdout", text=f"{number}")
                    if number % 2
                    else new_output("display_data", data={"text/html": "<b>x</b>"})
                    for number in range(30_000)
                ],
            )
        ],
        lambda: [
            new_code_cell(
                "", outputs=[new_output("display_data", data={"text/html": "<b>x</b>" * 6_000})]
            )
            for _cell in range(300)
        ],
        lambda: [
            new_code_cell("", outputs=[new_output("display_data", data={"image/png": png(900)})])
            for _cell in range(12)
        ],
    ],
    ids=[
        "2,000 cells",
        "22 MB printed",
        "30,000 outputs",
        "300 long displays",
        "30 MB of pictures",
    ],
)
def test_a_lot_of_everything_gives_a_whole_page(tmp_path, cells):
    (made,) = render_pages([job(tmp_path, cells())])
    assert made.why == "" and len(made.html) < 2 * MAX_PAGE_IMAGE_CHARS


# What a page's process runs into, whatever it be: the plain page, and everybody else's.


@pytest.fixture
def three(term, kit):
    for student in ("ada", "ben", "eve"):
        kit.hand_in(term, student, kit.answered(term, **kit.RIGHT))
    grade(term, "mini")
    return term


def graded(course, student):
    path = course.autograded / student / "mini" / "mini.ipynb"
    path.chmod(0o644)
    return path


def others(course):
    return [
        (course.feedback / student / "mini" / "mini.html").read_bytes()
        for student in ("ada", "ben")
    ]


def broken(content):
    return lambda path: path.write_bytes(content)


def a_folder(path):
    path.unlink()
    path.mkdir()


def endless(path):
    path.unlink()
    os.mkfifo(path)


FAULTS = {
    "no JSON": broken(b"nothing"),
    "empty": broken(b""),
    "zeros": broken(b"\0" * 1_000),
    "a list": broken(b"[]"),
    "nested": broken(b'{"cells":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "no cells": broken(b'{"cells": 3, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'),
    "cells of nothing": broken(
        b'{"cells": [null, 1, {}], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'
    ),
    "not UTF-8": broken(b'{"cells": "\xff\xfe"}'),
    "too much for memory": broken(
        b'{"metadata": {"a": [' + b"{}," * 6_000_000 + b'{}]}, "cells": []}'
    ),
    "too large": lambda path: os.truncate(path, page_worker.MAX_NOTEBOOK_BYTES * 2),
    "gone": lambda path: path.unlink(),
    "a folder": a_folder,
    "a pipe": endless,
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_one_submission_stays_there(three, name, monkeypatch):
    monkeypatch.setattr(page_worker, "WALL_SECONDS", 12.0)
    feedback(three, "mini")
    before = others(three)
    FAULTS[name](graded(three, "eve"))
    result = feedback(three, "mini")
    assert others(three) == before and set(result.failed) == {"eve"} and len(result) == 3
    page = html.unescape((three.feedback / "eve" / "mini" / "mini.html").read_text("utf-8"))
    assert "6 / 6" in page and "Your notebook isn't shown here" in page
    assert "\n" not in result.failed["eve"] and result.failed["eve"].startswith("eve got points")


def test_who_is_not_in_the_gradebook_is_named(three):
    folder = three.autograded / "zoe" / "mini"
    folder.mkdir(parents=True)
    result = feedback(three, "mini")
    assert len(result) == 3 and "zoe isn't in the gradebook" in result.failed["zoe"]


def test_a_page_that_can_not_be_written_is_named(three):
    (three.feedback / "eve").mkdir(parents=True)
    (three.feedback / "eve" / "mini").write_text("in the way")
    result = feedback(three, "mini")
    assert set(result.failed) == {"eve"} and len(result) == 2
    (three.feedback / "eve" / "mini").unlink()
    assert not feedback(three, "mini").failed


def test_a_broken_version_of_the_instructors_is_told_and_stops_nothing(three):
    (three.source("ko") / "mini" / "mini.ipynb").write_text("broken")
    result = feedback(three, "mini")
    assert len(result) == 3 and not result.failed and "(ko)" in result.warnings[0]


def test_the_command_names_them_and_ends_with_1(three):
    FAULTS["no JSON"](graded(three, "eve"))
    done = subprocess.run(
        [sys.executable, "-m", "autograder", "feedback", "mini", "--course", str(three.root)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1 and "3 pages in" in done.stdout
    assert "eve got points and reasons only" in done.stdout and done.stderr == ""


def test_a_process_that_talks_nonsense_gets_a_plain_page(tmp_path):
    running = object.__new__(page_pool._Running)
    running._job, running._plain = job(tmp_path, []), None
    import multiprocessing

    ours, theirs = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("spawn").Process(target=print)
    process.start()
    running.answers, running._process, running._until = ours, process, 1e18
    theirs.send_bytes(b"?\x1b[31m")
    made = running.look()
    assert made.why == "its process sent an invalid message" and b"1 / 2" in made.html


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has rights to give up")
def test_a_page_is_made_without_root(tmp_path, monkeypatch):
    made = []
    child = os.fork()
    if child == 0:
        page_worker._give_up_rights()
        os._exit(0 if os.getuid() == os.geteuid() == os.getgid() == 65534 else 1)
    assert os.waitpid(child, 0)[1] == 0 and not made
