"""Read a notebook from its bytes, tolerantly: what grading needs is taken, the rest is dropped.

No nbformat, so that it starts at once and costs little: it runs in the sandboxed reader for
whatever students submit, and in the student's own process for `submit` and `validate`. What is
tolerated is in `notebook_json`. Refused is only what isn't JSON, has no list of cells, or is over
a limit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from autograder.core import images
from autograder.core.notebook_io import CELL_LIMIT, SIZE_LIMIT, is_python, programming_language
from autograder.intake.notebook_json import is_old_format, listed, normalized, parse
from autograder.intake.submission import (
    CODE_LIMIT,
    LINE_LIMIT,
    PICTURE_TYPES,
    PICTURES_PER_CELL,
    CourseCells,
    Picture,
    Submission,
    SubmittedCell,
    is_picture_name,
)

TOO_LARGE, NOT_JSON, OLD_FORMAT, NOT_VALID, TOO_MANY_CELLS, TOO_COSTLY = (
    "too large",
    "not json",
    "old format",
    "not valid",
    "too many cells",
    "too costly",
)
"""Why a notebook can't be read."""

FOREIGN, OTHER_LANGUAGE, OLD_METADATA = "another assignment", "another language", "old metadata"
"""Why one that can be read isn't graded, in a course that refuses such (`CourseCells.refused`)."""

NOT_OURS = {
    FOREIGN: (
        "its graded cells are all another assignment's; ask the student for the right file, or "
        "take the file away and grade again"
    ),
    OTHER_LANGUAGE: (
        "it is for another language than Python; name the kernel in the source notebook and run "
        "`nbgrader generate_assignment` again if it is Python all the same"
    ),
    OLD_METADATA: (
        "its nbgrader metadata are of an older version; run `nbgrader update` on the submission's "
        "folder and grade again"
    ),
}
"""These reasons, as the end of a sentence for the instructor."""

EXPLAINED = {
    TOO_LARGE: (
        f"it has more than the {SIZE_LIMIT:,} bytes allowed; clear its outputs and save it again"
    ),
    NOT_JSON: "it isn't a notebook: its content isn't JSON; save it again from JupyterLab",
    OLD_FORMAT: (
        "it is in the old notebook format 3 or an older one and no cells can be found in it; open "
        "it in JupyterLab and save it"
    ),
    NOT_VALID: "it is JSON but not a notebook; take the .ipynb file that JupyterLab saves",
    TOO_MANY_CELLS: (
        f"it has more than the {CELL_LIMIT:,} cells allowed; delete the ones you don't need"
    ),
    TOO_COSTLY: (
        "reading it takes more time or memory than it may; clear its outputs and save it again"
    ),
}
"""The reasons, as the end of a sentence."""

_SET_LANGUAGE = re.compile(r"""^\s*set_language\(\s*["']([a-z]{2,3})["']\s*\)""", re.MULTILINE)
_LONGEST_MARK = 200
_SCHEMA_VERSION = 3  # nbgrader's; importing it takes longer than reading a notebook


class Unreadable(ValueError):
    """Report that the bytes aren't a usable notebook; the message is one of the reasons above."""


@dataclass(frozen=True)
class RawCell:
    """Hold a cell as it came; only the reader sees it.

    Attributes:
        kind: "code", "markdown" or "raw".
        marks: the grade id, the id, and the id in the metadata, each None where there is none.
        solution: whether nbgrader's metadata call it an answer.
        has_old_metadata: whether these are of a version that nbgrader no longer reads.
    """

    kind: str
    source: str
    marks: tuple[str | None, str | None, str | None]
    solution: bool
    attachments: Any = None
    has_old_metadata: bool = False


@dataclass(frozen=True)
class RawNotebook:
    """Hold a notebook as it came; only the reader sees it.

    Attributes:
        language: what its cells set, whatever that is; empty if they set none.
        marked: what its metadata say, by the key under which they say it.
        programming_language: that of the kernel it names; empty if it names none.
    """

    language: str
    marked: Mapping[str, str]
    cells: tuple[RawCell, ...]
    programming_language: str = ""


def read_notebook(content: bytes) -> RawNotebook:
    """Read a notebook from its bytes.

    Raises:
        Unreadable: it can't be used; nothing else is raised, whatever the bytes are.
    """
    return from_plain(parsed(content))


def parsed(content: bytes) -> Any:
    """Return the JSON of a notebook's file.

    Raises:
        Unreadable: it isn't JSON, or too large.
    """
    if len(content) > SIZE_LIMIT:
        raise Unreadable(TOO_LARGE)
    try:
        return parse(content)
    except MemoryError:
        raise Unreadable(TOO_COSTLY) from None
    except (ValueError, RecursionError):
        raise Unreadable(NOT_JSON) from None


def plain_notebook(data: Any) -> dict[str, Any]:
    """Return what grading needs of a notebook, in the form of today (`notebook_json.normalized`).

    Args:
        data: its JSON.

    Raises:
        Unreadable: it has no list of cells, or is over a limit.
    """
    if len(listed(data) or ()) > CELL_LIMIT:
        raise Unreadable(TOO_MANY_CELLS)
    plain = normalized(data)
    if plain is None:
        raise Unreadable(OLD_FORMAT if is_old_format(data) else NOT_VALID)
    cells = plain["cells"]
    if sum(cell["source"].count("\n") for cell in cells) > LINE_LIMIT:
        raise Unreadable(TOO_COSTLY)
    if sum(len(cell["source"]) for cell in cells if cell["cell_type"] == "code") > CODE_LIMIT:
        raise Unreadable(TOO_COSTLY)
    return plain


def from_plain(data: object) -> RawNotebook:
    """Read a notebook from its parsed JSON.

    Raises:
        Unreadable: it can't be used.
    """
    plain = plain_notebook(data)
    cells = tuple(map(_cell, plain["cells"]))
    metadata = plain["metadata"]
    return RawNotebook(_language(cells), _marked(metadata), cells, programming_language(metadata))


def _cell(cell: dict[str, Any]) -> RawCell:
    metadata = cell["metadata"]
    grader = metadata.get("nbgrader")
    grader = grader if isinstance(grader, dict) else {}
    marks = (_mark(grader.get("grade_id")), _mark(cell["id"]), _mark(metadata.get("id")))
    return RawCell(
        cell["cell_type"],
        cell["source"],
        marks,
        bool(grader.get("solution")),
        cell.get("attachments"),
        bool(grader) and _is_old(grader.get("schema_version", 0)),
    )


def _is_old(version: object) -> bool:
    return isinstance(version, int) and version < _SCHEMA_VERSION


def _mark(value: object) -> str | None:
    return value if isinstance(value, str) and len(value) <= _LONGEST_MARK else None


def _language(cells: tuple[RawCell, ...]) -> str:
    """Return the language that the cells set; empty if they set none."""
    for cell in cells:
        if cell.kind == "code" and (found := _SET_LANGUAGE.search(cell.source)):
            return found.group(1)
    return ""


def _marked(metadata: dict[str, Any]) -> dict[str, str]:
    """Return the languages that the metadata say, by the key under which they say it."""
    return {
        key: entry["language"]
        for key, entry in metadata.items()
        if isinstance(entry, dict) and isinstance(entry.get("language"), str)
    }


def record(raw: RawNotebook, cells: CourseCells) -> Submission:
    """Reduce a notebook to its record: its cells, each matched with a cell of the course.

    Raises:
        Unreadable: the course refuses such a notebook.
    """
    claims = [raw.language, *(raw.marked.get(key, "") for key in cells.namespaces)]
    claimed = next(filter(None, claims), "")
    usual = cells.languages[0] if cells.languages else ""
    language = claimed if claimed in cells.languages else usual
    made = []
    for cell in raw.cells:
        kept = _pictures(cell.attachments) if cell.kind != "code" else ()
        made.append(
            SubmittedCell(cell.kind, cell.source, cells.find(cell.marks, cell.source), kept)
        )
    if FOREIGN in cells.refused and _is_foreign(raw, made, cells):
        raise Unreadable(FOREIGN)
    if OTHER_LANGUAGE in cells.refused and not is_python(raw.programming_language):
        raise Unreadable(OTHER_LANGUAGE)
    old = [one.cell_id for one, cell in zip(made, raw.cells, strict=True) if cell.has_old_metadata]
    if OLD_METADATA in cells.refused and any(name is not None for name in old):
        raise Unreadable(OLD_METADATA)
    return Submission(language, tuple(made))


def _is_foreign(raw: RawNotebook, made: list[SubmittedCell], cells: CourseCells) -> bool:
    """Return whether a notebook has cells that nbgrader knows, and none of this course's."""
    known = set(cells.by_grade_id.values())
    if any(cell.cell_id in known for cell in made):
        return False
    return any(cell.marks[0] for cell in raw.cells)


def _pictures(attached: object) -> tuple[Picture, ...]:
    """Return the pictures pasted into prose: whole, not too large, not too many."""
    kept: dict[str, Picture] = {}
    for name, bundle in attached.items() if isinstance(attached, dict) else ():
        for mime, encoded in bundle.items() if isinstance(bundle, dict) else ():
            if len(kept) >= PICTURES_PER_CELL:
                return tuple(kept.values())
            if not (mime in PICTURE_TYPES and is_picture_name(name)):
                continue
            if data := images.checked(mime, encoded):
                kept[name] = Picture(name, mime, data)
    return tuple(kept.values())


def submission_from_notebook(notebook: object, cells: CourseCells) -> Submission:
    """Reduce a notebook in memory (nbformat's, or plain values) to its record.

    Raises:
        Unreadable: it can't be used.
    """
    return record(from_plain(notebook), cells)
