"""Name an assignment and its questions as their readers know them: by headings, not by cell ids."""

from __future__ import annotations

import re
from collections import Counter

from nbformat import NotebookNode

from autograder.core.notebook_io import (
    grade_id,
    grader_metadata,
    is_explanation,
    is_solution,
)

MAX_TITLE_CHARS = 120
"""The most characters of a title; a longer one is cut."""

_FENCED = re.compile(r"^ {0,3}(```|~~~).*?^ {0,3}\1[`~]*[ \t]*$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^ {0,3}(#{1,6})[ \t]+(\S.*)$", re.MULTILINE)
_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()\s]*\)")
_MARKS = re.compile(r"[`*$]|(?<!\w)_|_(?!\w)")


def headings(source: str) -> list[tuple[int, str]]:
    """Return the level and the text of each heading in Markdown, without its marks."""
    found = _HEADING.findall(_FENCED.sub("", source))
    return [(len(marks), text) for marks, line in found if (text := _plain(line))]


def notebook_title(notebook: NotebookNode) -> str:
    """Return the first heading of the highest level in a notebook's own prose; "" without one."""
    for cell in notebook.cells:
        if _is_prose(cell):
            for level, text in headings(cell.source):
                if level == 1:
                    return text
    return ""


def question_titles(notebook: NotebookNode) -> dict[str, str]:
    """Return the title of each graded cell by its grade id, in the notebook's order.

    It is the last heading above the cell that isn't the notebook's title; without one, the grade
    id. Cells below the same heading are numbered. What a student wrote names no question.
    """
    found: dict[str, str] = {}
    heading = ""
    for cell in notebook.cells:
        if _is_prose(cell):
            below_title = [text for level, text in headings(cell.source) if level > 1]
            heading = below_title[-1] if below_title else heading
        name = grade_id(cell)
        if name is not None and grader_metadata(cell).get("grade"):
            found[name] = heading or name
    return _told_apart(found)


def _is_prose(cell: NotebookNode) -> bool:
    if cell.cell_type != "markdown" or is_explanation(cell):
        return False
    is_added = str(cell.get("id", "")).startswith("own-") and not grader_metadata(cell)
    return not is_added and not is_solution(cell)


def _told_apart(titles: dict[str, str]) -> dict[str, str]:
    """Number the questions that share a title."""
    count = Counter(titles.values())
    seen: Counter[str] = Counter()
    made = {}
    for name, title in titles.items():
        seen[title] += 1
        made[name] = title if count[title] == 1 else f"{title} ({seen[title]}/{count[title]})"
    return made


def _plain(line: str) -> str:
    text = re.sub(r"[ \t]+#+$", "", line.strip())
    text = " ".join(_MARKS.sub("", _LINK.sub(r"\1", text)).split())
    return text if len(text) <= MAX_TITLE_CHARS else text[: MAX_TITLE_CHARS - 1] + "…"
