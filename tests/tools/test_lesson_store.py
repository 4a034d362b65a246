"""Outcomes of lessons: executed once, and again as soon as anything that they depend on changes."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import nbformat
import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import write_po

from tools import lesson_store
from tools.lesson_store import Lesson

FILES = {
    "pyproject.toml": '[tool.autograder]\ntext-functions = ["say"]\n',
    "autograder/__init__.py": "",
    "autograder/core.py": "import gettext, os\nspoken = []\n",
    "autograder/cli.py": "raise SystemExit\n",
    "autograder/README.md": "All of it.\n",
    "env/lock/course.txt": "numpy==2.3.0\n",
    "env/models.txt": "model==1\n",
    "notebooks/beyond/__init__.py": "",
    "notebooks/beyond/locale/__init__.py": (
        "import gettext\nfrom pathlib import Path\nfrom autograder import core\n"
        "def set_language(code):\n"
        "    core.spoken[:] = [gettext.translation('beyond', Path(__file__).parent, [code])] "
        "if code != 'en' else []\n"
        "def say(text):\n    print(core.spoken[0].gettext(text) if core.spoken else text)\n"
    ),
    "notebooks/beyond/one/__init__.py": "from . import numbers\n",
    "notebooks/beyond/one/numbers.py": (
        "def told():\n    from beyond import late\n    return late.told()\n"
    ),
    "notebooks/beyond/one/table.json": "[1, 2]\n",
    "notebooks/beyond/one/model/weights.bin": "0101\n",
    "notebooks/beyond/late.py": "def told():\n    return 'late'\n",
    "notebooks/beyond/unused/__init__.py": "",
    "notebooks/beyond/unused/table.json": "[3]\n",
    "notebooks/elsewhere.json": "[4]\n",
}
DEPENDS = [
    *("autograder/__init__.py", "autograder/core.py", "env/lock/course.txt", "env/models.txt"),
    *("notebooks/beyond/__init__.py", "notebooks/beyond/late.py"),
    *("notebooks/beyond/locale/__init__.py", "notebooks/beyond/one/__init__.py"),
    *("notebooks/beyond/one/model/weights.bin", "notebooks/beyond/one/numbers.py"),
    "notebooks/beyond/one/table.json",
]
CELLS = {
    "language": "from beyond.locale import set_language, say\nset_language({language!r})",
    "reads": "import beyond.one as one\nopen('../elsewhere.json').read() + one.numbers.told()",
    "writes": "open('made.txt', 'w').write('x'), open('made.txt').read()",
    "says": "say('Good morning.')",
    "busy": "import time\ntime.sleep(2.2)  # as on a busy machine\nsay('Good evening.')",
    "slow": (
        "end = time.process_time() + 2.1\nwhile time.process_time() < end:\n    pass\n"
        "say('Good night.')"
    ),
    "network": (
        "import socket\ntry:\n    socket.create_connection(('192.0.2.1', 80), 1)\n"
        "except OSError as error:\n    print(error)"
    ),
}
KOREAN = {
    "Good morning.": "좋은 아침입니다.",
    "Good evening.": "좋은 저녁입니다.",
    "Good night.": "안녕히 주무세요.",
    "Bye.": "안녕.",
}


def write_lesson(root: Path, language: str, cells: dict[str, str], prose: str = "# A\n") -> None:
    made = [nbformat.v4.new_markdown_cell(prose, id="title")]
    for name, source in cells.items():
        code = source.format(language=language) if name == "language" else source
        made.append(nbformat.v4.new_code_cell(code, id=name))
    path = root / "notebooks" / language / "a.ipynb"
    path.parent.mkdir(exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=made), path)


def write_catalog(root: Path, korean: dict[str, str]) -> None:
    catalog = Catalog(locale="ko")
    for text, said in korean.items():
        place = "notebooks/beyond/unused/__init__.py" if text == "Bye." else "notebooks/en/a.ipynb"
        catalog.add(text, said, locations=[(place, 1)])
    folder = root / "notebooks/beyond/locale/ko/LC_MESSAGES"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "beyond.po").open("wb") as text_file:
        write_po(text_file, catalog, include_lineno=False)
    with (folder / "beyond.mo").open("wb") as compiled:
        write_mo(compiled, catalog)


def make_course(root: Path) -> None:
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for language in lesson_store.LANGUAGES:
        write_lesson(root, language, CELLS)
    write_catalog(root, KOREAN)


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """A small course whose lesson has been executed, and the outcome."""
    root = tmp_path_factory.mktemp("course")
    make_course(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(root), str(root / "notebooks")]))
        return root, Lesson("a", root=root).outcome()


@pytest.fixture
def course(executed, tmp_path, monkeypatch):
    """A copy of that course, in which nothing is executed again; what would be is counted."""
    shutil.copytree(executed[0], tmp_path / "course")
    asked = []

    def again(lesson):
        asked.append(lesson.name)
        return executed[1], {"read": ["notebooks/elsewhere.json"], "modules": [], "texts": {}}

    monkeypatch.setattr(Lesson, "_execute", again)
    return tmp_path / "course", asked


def shown(cells):
    return {
        cell.id: "".join(
            one.get("text", "") or one.get("data", {}).get("text/plain", "") for one in cell.outputs
        ).strip()
        for cell in cells
    }


# What an outcome has


def test_it_has_all_cells_and_the_quick_ones_in_the_other_language(executed):
    _root, outcome = executed
    assert outcome.is_new
    assert lesson_store.errors([*outcome.cells, *outcome.again]) == []
    whole = shown(outcome.cells)
    assert list(whole) == list(CELLS)
    assert whole["says"] == "Good morning." and whole["slow"] == "Good night."
    assert whole["reads"] == repr("[4]\nlate")
    assert shown(outcome.again) == {
        **{"language": "", "says": "좋은 아침입니다.", "busy": "좋은 저녁입니다."}
    }
    assert [cell.count for cell in outcome.cells] == list(range(1, len(CELLS) + 1))
    assert next(cell for cell in outcome.cells if cell.id == "busy").seconds > 2


def test_the_network_is_refused(executed):
    assert "a lesson tried to reach ('192.0.2.1', 80)" in shown(executed[1].cells)["network"]


def test_what_is_kept_is_what_was_made(course, executed):
    root, asked = course
    kept = Lesson("a", root=root).outcome()
    assert not kept.is_new and asked == []
    assert (kept.cells, kept.again) == (executed[1].cells, executed[1].again)


def test_a_filled_notebook_has_todays_prose_and_the_outputs(course):
    root, asked = course
    write_lesson(root, "en", CELLS, prose="# New\n")
    lesson = Lesson("a", root=root)
    notebook = lesson.filled(lesson.outcome())
    assert asked == []
    assert notebook.cells[0].source == "# New\n"
    assert notebook.cells[4].outputs[0].text == "Good morning.\n"
    nbformat.validate(notebook)


# When it is executed again


def changed(path: Path) -> None:
    """Change the last byte of a file."""
    content = path.read_bytes() or b"\n"
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def test_its_files_are_all_that_it_can_import_and_the_data_beside(course):
    assert Lesson("a", root=course[0]).files == sorted(DEPENDS)


@pytest.mark.parametrize("name", DEPENDS)
def test_a_changed_byte_of_a_file_changes_the_key(course, name):
    root, _asked = course
    before = Lesson("a", root=root).key
    # A comment, so that it is still Python.
    with (root / name).open("a") as file:
        file.write("#0\n")
    first = Lesson("a", root=root).key
    path = root / name
    path.write_bytes(path.read_bytes()[:-2] + b"1\n")
    assert len({before, first, Lesson("a", root=root).key}) == 3


@pytest.mark.parametrize("language", lesson_store.LANGUAGES)
def test_a_changed_cell_changes_the_key(course, language):
    root, _asked = course
    before = Lesson("a", root=root).key
    write_lesson(root, language, CELLS | {"says": "say('Good morning!')"})
    assert Lesson("a", root=root).key != before


def test_a_changed_translation_changes_the_key(course):
    root, _asked = course
    before = Lesson("a", root=root).key
    write_catalog(root, KOREAN | {"Good night.": "안녕히 주무십시오."})
    assert Lesson("a", root=root).key != before


def test_another_python_changes_the_key(course, monkeypatch):
    before = Lesson("a", root=course[0]).key
    monkeypatch.setattr(sys, "version", sys.version.replace("3.", "4.", 1))
    assert Lesson("a", root=course[0]).key != before


def test_new_data_changes_the_key(course):
    root, _asked = course
    before = Lesson("a", root=root).key
    (root / "notebooks/beyond/one/model/more.bin").write_text("1")
    assert Lesson("a", root=root).key != before


def test_what_the_lesson_cannot_depend_on_changes_nothing(course):
    root, asked = course
    for name in set(FILES) - {*DEPENDS, "pyproject.toml", "notebooks/elsewhere.json"}:
        changed(root / name)
    write_catalog(root, KOREAN | {"Bye.": "잘 가."})
    for language in lesson_store.LANGUAGES:
        write_lesson(root, language, CELLS, prose="# Else\n")
    assert not Lesson("a", root=root).outcome().is_new
    assert asked == []


def test_a_file_that_it_was_seen_to_read_counts_too(course):
    root, asked = course
    also = json.loads(Lesson("a", root=root).place.read_text())["outcome"]["also"]
    assert list(also["files"]) == ["notebooks/elsewhere.json"]  # made.txt is its own
    changed(root / "notebooks/elsewhere.json")
    lesson = Lesson("a", root=root)
    assert lesson.kept() is None
    lesson.outcome()
    assert asked == ["a"]
    assert Lesson("a", root=root).kept() is not None


def test_a_text_from_elsewhere_that_it_was_seen_to_look_up_counts_too(course):
    root, _asked = course
    lesson = Lesson("a", root=root)
    packed = json.loads(lesson.place.read_text())
    packed["outcome"]["also"]["texts"] = {"Bye.": "안녕."}
    packed["digest"] = lesson_store._hash(packed["outcome"])
    lesson.place.write_text(json.dumps(packed))
    assert lesson.kept() is not None
    write_catalog(root, KOREAN | {"Bye.": "잘 가."})
    assert Lesson("a", root=root).kept() is None


def flip(text: bytes) -> bytes:
    """Change what a cell gave; the file stays JSON."""
    return text.replace(b"Good morning.", b"Bad morning..", 1)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[: len(text) // 2],
        lambda text: b"",
        flip,
        lambda text: b"[]",
        lambda text: b"\xff" + text,
        lambda text: text.replace(b'"digest": "', b'"digest": "0', 1),
    ],
    ids=["half", "empty", "another byte", "something else", "no text", "another digest"],
)
def test_a_broken_entry_is_made_again(course, executed, spoil):
    root, asked = course
    lesson = Lesson("a", root=root)
    whole = lesson.place.read_bytes()
    broken = spoil(whole)
    assert broken != whole
    lesson.place.write_bytes(broken)
    assert lesson.outcome().cells == executed[1].cells
    assert asked == ["a"]
    assert lesson.kept() is not None and asked == ["a"]
    assert [path.name for path in lesson.place.parent.iterdir()] == [lesson.place.name]


def test_a_run_with_an_error_is_not_kept(course, monkeypatch):
    root, _asked = course
    write_lesson(root, "en", CELLS | {"says": "1 / 0"})
    error = nbformat.v4.new_output("error", ename="ZeroDivisionError", evalue="by zero")
    failed = lesson_store.Outcome([lesson_store.Cell("says", 0, 1, [error])], [], is_new=True)
    seen = {"read": [], "modules": [], "texts": {}}
    monkeypatch.setattr(Lesson, "_execute", lambda self: (failed, seen))
    lesson = Lesson("a", root=root)
    assert lesson_store.errors(lesson.outcome().cells) == ["says: ZeroDivisionError: by zero"]
    assert lesson.kept() is None


def test_a_kernel_that_ends_and_a_cell_that_never_does_are_a_sentence(tmp_path, monkeypatch):
    make_course(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(tmp_path / "notebooks")]))
    monkeypatch.setattr(lesson_store, "TIMEOUT", 3)
    for code, told in (
        ("import os\nos._exit(1)", "The kernel of en/a ended"),
        ("while True:\n    pass", "A cell of en/a took longer than 3 seconds"),
    ):
        write_lesson(tmp_path, "en", {"says": code})
        with pytest.raises(lesson_store.Stopped, match=told):
            Lesson("a", root=tmp_path).outcome()
        assert Lesson("a", root=tmp_path).kept() is None


def test_what_changes_while_it_runs_is_not_kept_as_either(course, monkeypatch):
    root, _asked = course
    write_lesson(root, "en", CELLS | {"says": "say('Bye.')"})
    execute = Lesson._execute

    def meanwhile(lesson):
        changed(root / "notebooks/beyond/one/table.json")
        return execute(lesson)

    monkeypatch.setattr(Lesson, "_execute", meanwhile)
    Lesson("a", root=root).outcome()
    assert Lesson("a", root=root).kept() is None


def test_only_the_last_outcomes_are_kept(course):
    root, _asked = course
    for number in range(lesson_store.KEPT + 2):
        write_lesson(root, "en", CELLS | {"says": f"say({number})"})
        Lesson("a", root=root).outcome()
    assert len(list((root / ".cache/lessons").iterdir())) == lesson_store.KEPT
    assert Lesson("a", root=root).kept() is not None


# The course's own lessons


@pytest.mark.parametrize("name", lesson_store.names())
def test_a_lesson_depends_on_its_own_folder_and_on_no_other_lessons(name):
    folders = {Path(one).parts[2] for one in Lesson(name).files if one.startswith("notebooks/")}
    own = {"01": "prompting", "02": "retrieval", "03": "fine_tuning", "09": "edge"}.get(name[:2])
    assert {"locale", "ui"} <= folders
    if own:
        assert own in folders
        assert not folders & ({"prompting", "retrieval", "fine_tuning", "moe", "vision"} - {own})
