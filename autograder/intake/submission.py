r"""Define a submission as a typed record: what was asked for, and nothing else.

| field                  | what it may be                                                       |
|------------------------|----------------------------------------------------------------------|
| `Submission.language`  | one of the course's languages                                        |
| `SubmittedCell.kind`   | "code", "markdown" or "raw"                                          |
| `.source`              | text, with `\n` between lines                                         |
| `.cell_id`             | the id of the instructor's cell that it matches; None: an own cell    |
| `.pictures`            | PNG and JPEG in prose, checked, under a name without control signs   |

An own cell's position is its position in the list: it follows the last course cell before it.

The record crosses from the sandboxed reader as plain values (`to_wire`); the receiving side
validates them (`submission_from_wire`) and counts for itself. No metadata, tag, output or name
of the notebook crosses.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from autograder.core.notebook_io import CELL_LIMIT, SIZE_LIMIT
from autograder.notebook_metadata import OWN, accepted

KINDS = ("code", "markdown", "raw")
PICTURE_TYPES = ("image/png", "image/jpeg")
PICTURES_PER_CELL = 10
LINE_LIMIT = 100_000
"""The most lines that all cells may have together: a notebook's file keeps each as a string."""

CODE_LIMIT = 4 * 1024 * 1024
"""The most characters that all code may have together: each is compiled, many times its size."""

LONGEST_PICTURE_NAME = 100


class BadRecord(ValueError):
    """Report that what came from the reader isn't a record."""


@dataclass(frozen=True)
class Picture:
    """Hold a picture pasted into prose.

    Attributes:
        data: base64 in canonical form.
    """

    name: str
    mime: str
    data: str


@dataclass(frozen=True)
class SubmittedCell:
    """Hold one submitted cell; see the module's table."""

    kind: str
    source: str
    cell_id: str | None = None
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True)
class Submission:
    """Hold one submitted notebook, in the order of its cells.

    Attributes:
        language: one of the course's; empty where it doesn't say one.
    """

    language: str = ""
    cells: tuple[SubmittedCell, ...] = ()

    def to_wire(self) -> list[Any]:
        """Return the record as plain values."""
        return [
            self.language,
            [
                [cell.kind, cell.source, cell.cell_id]
                + [[one.name, one.mime, one.data] for one in cell.pictures]
                for cell in self.cells
            ],
        ]


@dataclass(frozen=True)
class CourseCells:
    """Hold what identifies the cells of the instructor's notebook in submissions.

    Attributes:
        ids: of its cells.
        by_grade_id: nbgrader's name of a cell → its id.
        by_text: a cell's text as released, in any language → its id.
        languages: that the course has.
        namespaces: the keys under which a notebook's metadata may say its language.
        refused: the reasons (`notebook_reader`) for which a readable notebook isn't graded.
    """

    ids: frozenset[str] = frozenset()
    by_grade_id: Mapping[str, str] = field(default_factory=dict)
    by_text: Mapping[str, str] = field(default_factory=dict)
    languages: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = (OWN,)
    refused: tuple[str, ...] = ()

    def find(self, marks: Iterable[str | None], source: str) -> str | None:
        """Return the id of the course's cell that a submitted one matches; None for an own cell.

        Args:
            marks: the cell's grade id, its id, and the id that Colab keeps in the metadata.
            source: the cell's source.
        """
        grade_id, *others = marks
        if grade_id is not None and grade_id in self.by_grade_id:
            return self.by_grade_id[grade_id]
        for mark in others:
            if mark in self.ids:
                return mark
        text = normalized_source(source)
        return self.by_text.get(text) if text else None

    def to_wire(self) -> list[Any]:
        """Return the same as plain values."""
        return [
            sorted(self.ids),
            dict(self.by_grade_id),
            dict(self.by_text),
            list(self.languages),
            list(self.namespaces),
            list(self.refused),
        ]

    @classmethod
    def from_wire(cls, value: list[Any]) -> CourseCells:
        """Return the cells that `to_wire` described.

        The trusted side sent them, so they aren't validated.
        """
        ids, by_grade_id, by_text, *lists = value
        return cls(frozenset(ids), by_grade_id, by_text, *map(tuple, lists))


def course_cells(
    notebooks: Iterable[Mapping[str, Any]],
    released: Iterable[Mapping[str, Any]],
    languages: Iterable[str],
) -> CourseCells:
    """Return what identifies the cells of an instructor's notebook.

    Args:
        notebooks: the notebook, in each language there is.
        released: the same as students got them.
        languages: the codes of the course's languages.
    """
    ids: set[str] = set()
    by_grade_id: dict[str, str] = {}
    by_text: dict[str, str] = {}
    for notebook in notebooks:
        for cell in notebook["cells"]:
            ids.add(cell["id"])
            name = (cell["metadata"].get("nbgrader") or {}).get("grade_id")
            if isinstance(name, str):
                by_grade_id.setdefault(name, cell["id"])
    for notebook in released:
        for cell in notebook["cells"]:
            if text := normalized_source(cell["source"]):
                by_text.setdefault(text, cell["id"])
    return CourseCells(frozenset(ids), by_grade_id, by_text, tuple(languages), accepted())


def normalized_source(source: str) -> str:
    """Return a source for comparison: without what editors change unasked.

    That is which signs end its lines, space before those and around the whole, and whether
    accents and Hangul syllables are composed.
    """
    lines = unicodedata.normalize("NFC", source).splitlines()
    return "\n".join(line.rstrip() for line in lines).strip()


_ATTACHABLE = re.compile(r"[A-Za-z0-9+/]*={0,2}")


def submission_from_wire(value: object, cells: CourseCells) -> Submission:
    """Validate the record in what a reader sent, which may be a hijacked one.

    Args:
        value: plain values.
        cells: the course's; the record may match no others.

    Raises:
        BadRecord: it is anything but a record within the limits.
    """
    language, rows = _row(value, 2)
    if type(language) is not str or language not in (*cells.languages, ""):
        raise BadRecord("its language isn't the course's")
    if type(rows) is not list or len(rows) > CELL_LIMIT:
        raise BadRecord("it has no list of cells, or too many")
    size = lines = code = 0
    made = []
    for row in rows:
        if type(row) is not list or not 3 <= len(row) <= 3 + PICTURES_PER_CELL:
            raise BadRecord("a cell of it has another shape")
        kind, source, cell_id, *pictures = row
        if kind not in KINDS or type(source) is not str:
            raise BadRecord("a cell of it is of an unknown kind")
        if cell_id is not None and (type(cell_id) is not str or cell_id not in cells.ids):
            raise BadRecord("a cell of it matches none of the course's")
        size += len(source)
        found = tuple(map(_picture, pictures))
        size += sum(len(one.data) for one in found)
        lines += source.count("\n")
        code += len(source) if kind == "code" else 0
        if size > SIZE_LIMIT or lines > LINE_LIMIT or code > CODE_LIMIT:
            raise BadRecord("it is too large")
        made.append(SubmittedCell(kind, valid_text(source), cell_id, found))
    return Submission(language, tuple(made))


def _picture(value: object) -> Picture:
    name, mime, data = _row(value, 3)
    if type(name) is not str or not is_picture_name(name) or mime not in PICTURE_TYPES:
        raise BadRecord("a picture of it has no proper name or kind")
    if type(data) is not str or not _ATTACHABLE.fullmatch(data):
        raise BadRecord("a picture of it isn't base64")
    try:
        base64.b64decode(data, validate=True)
    except binascii.Error:
        raise BadRecord("a picture of it isn't base64") from None
    return Picture(name, mime, data)


def is_picture_name(name: str) -> bool:
    """Return whether a pasted picture may keep its name."""
    return 0 < len(name) <= LONGEST_PICTURE_NAME and name.isprintable()


def valid_text(text: str) -> str:
    """Return `text` as UTF-8 can hold it: a lone surrogate becomes a question mark."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _row(value: object, length: int) -> list[Any]:
    if type(value) is not list or len(value) != length:
        raise BadRecord("it has another shape")
    return value


def to_notebook(submission: Submission, cells: CourseCells) -> dict[str, Any]:
    """Return a record as a small notebook without outputs, which reads as the same record."""
    taken = set(cells.ids)
    used: set[str] = set()
    made = []
    number = 0
    for cell in submission.cells:
        cell_id, metadata = cell.cell_id, {}
        if cell_id is None or cell_id in used:
            if cell_id is not None:
                metadata = {"id": cell_id}  # where Colab keeps it; read as the id itself
            number += 1
            while f"own-{number}" in taken:
                number += 1
            cell_id = f"own-{number}"
        used.add(cell_id)
        one: dict[str, Any] = {
            "cell_type": cell.kind,
            "id": cell_id,
            "metadata": metadata,
            "source": cell.source,
        }
        if cell.kind == "code":
            one |= {"execution_count": None, "outputs": []}
        elif cell.pictures:
            one["attachments"] = {
                picture.name: {picture.mime: picture.data} for picture in cell.pictures
            }
        made.append(one)
    return {
        "cells": made,
        "metadata": {
            OWN: {"language": submission.language},
            "kernelspec": {
                "display_name": "Python 3 (ipykernel)",
                "language": "python",
                "name": "python3",
            },
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def to_bytes(submission: Submission, cells: CourseCells) -> bytes:
    """Return `to_notebook` as a file: the same record always gives the same bytes.

    A source is one string, not a list of lines, so that a notebook never becomes larger by this
    than a little more than it was.
    """
    text = json.dumps(to_notebook(submission, cells), ensure_ascii=False, indent=1, sort_keys=True)
    return (text + "\n").encode("utf-8", "replace")
