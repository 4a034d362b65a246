"""The commands themselves, with hostile names: nothing reaches a terminal, a log or a table."""

import os
import subprocess
import sys
import unicodedata

import pytest
from nbformat.v4 import new_code_cell

HOSTILE = "\x1b]52;c;cm0gLXJm\x07\x9b31m\u202etxt.exe\u200b\u2066"
BIDI = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def assert_clean(data, name):
    text = data.decode("utf-8")  # half characters would end it here
    found = {
        char
        for char in text.replace("\r\n", "\n")
        if (unicodedata.category(char) in ("Cc", "Cs") and char not in "\n\t")
        or unicodedata.bidirectional(char) in BIDI
        or char == "\u200b"
    }
    assert not found, (name, found)


def command(course, *words):
    done = subprocess.run(
        [sys.executable, "-m", "autograder", *map(str, words), "--course", str(course.root)],
        capture_output=True,
        check=False,
        timeout=300,
    )
    assert_clean(done.stdout, words)
    assert_clean(done.stderr, words)
    assert b"Traceback" not in done.stderr, done.stderr
    return done


@pytest.fixture
def delivered(term, kit, tmp_path):
    """Downloads under hostile names, one of which brings a forged line of the report."""
    folder = tmp_path / "downloads"
    folder.mkdir()
    bad = f"display({HOSTILE!r}); print({HOSTILE!r}); raise ValueError({HOSTILE!r} + chr(0xd800))"
    work = kit.answered(term, a_answer=f"a = 41\n{bad}", double=f"def double(x):\n    {bad}")
    work.cells.append(new_code_cell(bad, id="mine"))
    from autograder.core import notebook_io

    content = notebook_io.to_bytes(work)
    for name in ("ada", f"eve{HOSTILE}", "x\n  refused: ada's mini was forged", "half\udcff"):
        place = folder / name
        os.makedirs(os.fsencode(str(place)))
        (place / "mini.ipynb").write_bytes(content)
    (folder / f"{HOSTILE}\nada: 9 taken.ipynb").write_bytes(b"nothing")
    roster = tmp_path / "roster.csv"
    roster.write_text(
        "id,first_name,last_name,email,lms_user_id\n"
        f"ada,=cmd|' /C calc'!A0{HOSTILE},Love\u202elace,ada@example.org,1\n",
        encoding="utf-8",
    )
    return folder, roster


def test_every_command_prints_clean_text(term, delivered):
    folder, roster = delivered
    done = command(term, "collect", "mini", folder, "--roster", roster)
    forged = [
        line for line in done.stdout.decode().splitlines() if line.startswith("  refused: ada")
    ]
    assert not forged
    assert (term.submitted / "ada" / "mini").is_dir()
    for words in (
        ["grade", "mini"],
        ["feedback", "mini"],
        ["report", "mini"],
        ["grade", f"mini{HOSTILE}"],
        ["feedback", "mini", "-s", HOSTILE],
        ["collect", "mini", f"/nowhere/{HOSTILE}"],
        [HOSTILE],
    ):
        command(term, *words)
    shown = [*term.feedback.rglob("*.html"), *(term.term / "reports").iterdir()]
    assert len(shown) >= 5
    for path in [*shown, *term.term.glob("*.log")]:
        assert_clean(path.read_bytes().removeprefix(b"\xef\xbb\xbf"), path.name)
    table = (term.term / "reports" / "mini.csv").read_text(encoding="utf-8")
    assert "'=cmd" in table
