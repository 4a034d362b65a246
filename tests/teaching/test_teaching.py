"""The teaching pages say nothing that isn't in the lessons and assignments.

What a page cites is looked up: headings, self-check questions, quoted sentences, names in code, grade
ids and their points, and the minutes that a notebook states.
"""

from __future__ import annotations

import importlib
import re
import sys
from functools import cache
from pathlib import Path

import nbformat
import pytest
from markdown_it import MarkdownIt
from typer.main import get_command

from autograder.cli import app
from autograder.i18n import speaking

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import lesson_minutes  # noqa: E402 - benchmarks/ is no package

TEACHING = ROOT / "teaching"
LESSONS = {path.stem: path for path in sorted((ROOT / "notebooks" / "en").glob("[0-9]*.ipynb"))}
APPENDICES = {path.stem: path for path in (ROOT / "notebooks" / "en").glob("appendix-*.ipynb")}
ASSIGNMENTS = {path.stem: path for path in sorted((ROOT / "source" / "en").glob("*/*.ipynb"))}
NOTEBOOKS = {**LESSONS, **APPENDICES, **ASSIGNMENTS}
PAGES = {path.stem: path for path in sorted(TEACHING.glob("*.md"))}

LESSON_HEADINGS = [
    "Learning objectives",
    "Prerequisites",
    "Before class",
    "In 50 minutes",
    "In 75 minutes",
    "Misconceptions",
    "Questions for discussion",
    "AI assistants",
]
ASSIGNMENT_HEADINGS = [
    "What each question tests",
    "Time",
    "AI assistants",
    "Extensions and resubmissions",
]
COMMANDS = ("autograder ", "python3 ", "$")


@cache
def read(name: str) -> nbformat.NotebookNode:
    return nbformat.read(NOTEBOOKS[name], as_version=4)


def plain(text: str) -> str:
    """Return a text without emphasis and code marks, with single spaces."""
    return " ".join(re.sub(r"[*`]", "", text).split())


@cache
def headings(name: str) -> frozenset[str]:
    """Return a notebook's headings and the bold beginnings of its steps."""
    found = set()
    for cell in read(name).cells:
        if cell.cell_type == "markdown":
            found |= {plain(one) for one in re.findall(r"^#+ (.+)$", cell.source, re.MULTILINE)}
            found |= {
                plain(one).rstrip(".")
                for one in re.findall(r"^\*\*(Steps? [^*]+)\*\*", cell.source, re.MULTILINE)
            }
    return frozenset(found)


@cache
def text_of(name: str) -> str:
    """Return all that a notebook says, in prose, code and self-check, as plain text."""
    cells = read(name).cells
    parts = [cell.source for cell in cells] + [cell.id for cell in cells]
    for module in re.findall(
        r"^from (beyond\.\w+) import self_check$", "\n".join(parts), re.MULTILINE
    ):
        with speaking("en"):
            questions = importlib.import_module(f"{module}.self_check").questions()
        for question in questions:
            parts.append(question.text)
            for choice in question.choices:
                parts += [choice.text, choice.why]
    joined = "\n".join(parts)
    # A string that goes on in the next line of the code is one text.
    return plain(re.sub(r"\"\s*\n\s*\"", "", joined.replace('\\"', '"')))


def links(path: Path) -> list[tuple[str, str]]:
    """Return the page's links: their text and where they lead."""
    found = []
    for token in MarkdownIt("commonmark").enable("table").parse(path.read_text(encoding="utf-8")):
        children = token.children or []
        for number, child in enumerate(children):
            if child.type == "link_open":
                end = next(
                    n for n in range(number, len(children)) if children[n].type == "link_close"
                )
                text = " ".join(one.content for one in children[number:end] if one.content)
                found.append((text, str(child.attrs["href"])))
    return found


def cited(path: Path) -> set[str]:
    """Return the notebooks to which a page links."""
    names = {Path(target.split("#")[0]).stem for _text, target in links(path)}
    return names & set(NOTEBOOKS)


def prose(path: Path) -> list[str]:
    """Return the page's inline texts with their code marks, without links' targets."""
    parsed = MarkdownIt("commonmark").enable("table").parse(path.read_text(encoding="utf-8"))
    return [token.content for token in parsed if token.type == "inline"]


def section(path: Path, heading: str) -> str:
    """Return what stands below a heading of the second level."""
    parts = re.split(r"^## (.+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))[heading]


def rows(text: str) -> list[list[str]]:
    """Return the rows of the tables in a text, without their heads."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cut = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    heads = [n - 1 for n, row in enumerate(cut) if set("".join(row)) <= set("-: ")]
    return [row for n, row in enumerate(cut) if n not in heads and n - 1 not in heads]


def test_there_is_a_page_for_each_lesson_and_assignment():
    assert set(PAGES) == {"README", *LESSONS, *ASSIGNMENTS}


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name):
    targets = [target for _text, target in links(PAGES[name]) if not target.startswith("https:")]
    assert targets
    assert [one for one in targets if not (TEACHING / one.split("#")[0]).exists()] == []
    text = PAGES[name].read_text(encoding="utf-8")
    unresolved = re.findall(r"\]\[[\w-]+\]", "".join(prose(PAGES[name])))
    known = set(re.findall(r"^\[([\w-]+)\]: ", text, re.MULTILINE))
    assert {one[2:-1] for one in unresolved} <= known


@pytest.mark.parametrize("name", PAGES)
def test_each_cited_heading_is_in_the_notebook(name):
    """The text of a link to a notebook is one of its headings, or its short name."""
    lacking = []
    for text, target in links(PAGES[name]):
        notebook = Path(target.split("#")[0]).stem
        short = f"lesson {notebook[1]}" if notebook in LESSONS else notebook
        if target.endswith(".ipynb") and plain(text) not in headings(notebook) | {short}:
            lacking.append(f"{text} → {notebook}")
    assert lacking == []


@pytest.mark.parametrize("name", PAGES)
def test_each_quotation_is_what_the_notebook_says(name):
    """What stands in quotation marks is a notebook's or a self-check's, to the letter."""
    known = [text_of(notebook) for notebook in sorted(cited(PAGES[name]))]
    lacking = [
        quoted
        for text in prose(PAGES[name])
        for quoted in re.findall(r'"([^"]+)"', plain(re.sub(r"`[^`]*`", "", text)))
        if not any(quoted.rstrip(".,") in one for one in known)
    ]
    assert lacking == []


@pytest.mark.parametrize("name", PAGES)
def test_each_name_in_code_is_in_the_notebook(name):
    known = [text_of(notebook) for notebook in sorted(cited(PAGES[name]))]
    lacking = [
        code
        for text in prose(PAGES[name])
        for code in re.findall(r"`([^`]+)`", text)
        if not code.startswith(COMMANDS)
        and not any(plain(code) in one for one in known)
        and not (ROOT / code).exists()
    ]
    assert lacking == []


@pytest.mark.parametrize("name", LESSONS)
def test_a_lessons_page_has_its_parts(name):
    text = PAGES[name].read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == LESSON_HEADINGS
    title = next(one for one in headings(name) if one.startswith("Lesson "))
    assert text.startswith(f"# {title}\n")
    objectives = rows(section(PAGES[name], "Learning objectives"))
    assert 3 <= len(objectives) <= 6
    for objective, shown in objectives:
        assert objective.startswith("Students can "), objective
        assert "][" in shown, f"nothing shows that {objective}"
    assert len(rows(section(PAGES[name], "Misconceptions"))) >= 4
    assert all(len(row) == 3 and all(row) for row in rows(section(PAGES[name], "Misconceptions")))
    assistants = section(PAGES[name], "AI assistants")
    assert [word for word in ("**Yes:**", "**No:**", "**Ask:**") if word not in assistants] == []
    questions = section(PAGES[name], "Questions for discussion").split("\n1. ")[1:]
    assert len(questions) >= 3
    assert [one for one in questions if "A good answer" not in " ".join(one.split())] == []


@pytest.mark.parametrize("minutes", [50, 75])
@pytest.mark.parametrize("name", LESSONS)
def test_a_plan_fills_its_minutes(name, minutes):
    """Each row begins when the one before it ends, from 0 to the end."""
    now = 0
    for row in rows(section(PAGES[name], f"In {minutes} minutes")):
        begin, end = map(int, row[0].split("–"))
        assert begin == now < end, row
        assert row[1] in {"Show", "Predict", "Run", "Build", "Discuss", "Check"}, row
        now = end
    assert now == minutes


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_an_assignments_page_has_its_parts(name):
    text = PAGES[name].read_text(encoding="utf-8")
    title = read(name).cells[0].source
    assert text.splitlines()[0] == title.splitlines()[0]
    stated = re.search(r"about (\d+) minutes", plain(title))[1]
    assert f"about {stated} minutes" in plain(section(PAGES[name], "Time"))
    found = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert [heading for heading in ASSIGNMENT_HEADINGS if heading not in found] == []
    written = [cell for cell in graded(name).values() if cell.cell_type == "markdown"]
    assert ("The written answer" in found) == bool(written)
    if written:
        parts = section(PAGES[name], "The written answer")
        assert "### A full answer" in parts and "### Half an answer" in parts
    assistants = section(PAGES[name], "AI assistants")
    assert [word for word in ("**Yes:**", "**No:**", "**Ask:**") if word not in assistants] == []


def graded(name: str) -> dict[str, nbformat.NotebookNode]:
    """Return an assignment's graded cells by grade id."""
    cells = [cell for cell in read(name).cells if cell.metadata.get("nbgrader", {}).get("grade")]
    return {cell.metadata.nbgrader.grade_id: cell for cell in cells}


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_each_graded_cell_has_its_row_and_points(name):
    table = {
        re.findall(r"`([^`]+)`", row[0])[0]: row[1]
        for row in rows(section(PAGES[name], "What each question tests"))
    }
    assert table == {
        grade_id: f"{cell.metadata.nbgrader.points:g}" for grade_id, cell in graded(name).items()
    }


@pytest.mark.parametrize("name", PAGES)
def test_each_command_is_one_of_the_graders(name):
    verbs = get_command(app)
    for text in prose(PAGES[name]):
        for command in re.findall(r"`autograder ([^`]+)`", text):
            words, known = command.split(), verbs
            while words and words[0] in getattr(known, "commands", {}):
                known = known.commands[words.pop(0)]
            assert known is not verbs, command
            options = {option for parameter in known.params for option in parameter.opts}
            assert {word for word in words if word.startswith("-")} <= options, command
            assert not words or words[0] in ASSIGNMENTS, command


def test_grade_ids_on_lesson_pages_exist():
    every = {grade_id for name in ASSIGNMENTS for grade_id in graded(name)}
    for name in LESSONS:
        named = set(
            re.findall(
                r"`([a-z0-9-]+-test|words|rationale)`", section(PAGES[name], "Learning objectives")
            )
        )
        assert named <= every, name


def test_the_readme_states_the_lessons_minutes_and_computing():
    table = {
        row[0].split("]")[0].strip("["): row
        for row in rows(section(PAGES["README"], "What each lesson needs"))
    }
    assert len(table) == len(LESSONS)
    for name in LESSONS:
        source = read(name).cells[0].source
        title = plain(source.splitlines()[0].lstrip("# "))
        needed = re.search(r"\*\*Needs:\*\* (.+?) · ", source)[1]
        row = table[title]
        assert re.findall(r"\d", row[3]) == re.findall(r"lesson (\d)", needed), title
        needed_minutes, with_optional = lesson_minutes.stated(source)
        optional = f" ({with_optional})" if with_optional > needed_minutes else ""
        assert row[1] == f"{needed_minutes}{optional}", title
        assert row[2] in source, title


def test_the_pages_about_lessons_state_its_minutes():
    for name in LESSONS:
        beginning = prose(PAGES[name])[1]
        needed, with_optional = lesson_minutes.stated(read(name).cells[0].source)
        assert f"{needed} minutes" in beginning, name
        assert re.search(rf"\b{with_optional}\b", beginning), name


def test_a_reference_that_leads_nowhere_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text('See [No such heading](01-prompting.ipynb), `no_such_name`, "no such words".\n')
    assert plain(links(page)[0][0]) not in headings("01-prompting")
    assert not any("no such words" in text_of(name) for name in cited(page))
