r"""Take from a notebook's file what grading needs, however an editor or a disk left the rest.

    plain = normalized(parse(content))

Every path by which a student's notebook comes in reads it here: collecting, `submit`, `validate`,
`translate`, and JupyterLab's button. Outputs, tags, kernels and formats are not looked at, so a
slip in them costs nothing.

| in the file                                    | is read as                                 |
|------------------------------------------------|--------------------------------------------|
| UTF-8, UTF-16, UTF-32; Windows-1252, CP949     | text                                       |
| bytes that fit none of these                   | replacement characters                     |
| control characters in strings, NaN             | what they are                              |
| anything behind the notebook (zeros, remains)  | nothing                                    |
| format 3: `worksheets`, `input`, headings      | cells, sources, markdown                   |
| a source in lines, as a number, missing        | text                                       |
| lines that end in `\r\n` or `\r`                | lines that end in `\n`                      |
| a cell without a kind                          | code if it has what only code has          |

Imports nothing but the standard library, because it runs in the sandboxed reader.
"""

from __future__ import annotations

import ast
import json
import re
import warnings
from typing import Any

_BEHIND_CODE = ("outputs", "execution_count", "prompt_number", "input")
"""The keys that only code cells have."""

_SOURCES = ("source", "input")
"""The keys of a cell's text; format 3 kept that of code under the second."""

_LINE_ENDS = re.compile(r"\r+\n|\r")
_SEPARATORS = re.compile("[\u2028\u2029\x85]")
_KOREAN_PAIR = re.compile(rb"[\xa1-\xac\xb0-\xc8\xca-\xfd][\xa1-\xfe]")
_HANGUL_PAIR = re.compile(rb"[\xb0-\xc8][\xa1-\xfe]")
_HIGH_BYTES = re.compile(rb"[\x80-\xff]+")


def parse(content: bytes) -> Any:
    """Return the JSON value that a file begins with.

    Raises:
        ValueError: it begins with none.
        RecursionError: it is nested too deeply.
    """
    return _parsed(_decoded(content))[0]


def is_read_whole(content: bytes) -> bool:
    """Return whether everything in a file that `parse` reads is in what it returns.

    Not so where bytes fit no encoding, and where something stands behind the notebook.
    """
    text = _decoded(content)
    if text.count("\ufffd") > content.count("\ufffd".encode()):
        return False
    return not _parsed(text)[1]


def _parsed(text: str) -> tuple[Any, str]:
    """Return the JSON value that a text begins with, and what stands behind it."""
    text = text.strip("\ufeff \t\r\n\x00")
    value, end = json.JSONDecoder(strict=False, parse_int=_whole_number).raw_decode(text)
    return value, text[end:]


def _whole_number(digits: str) -> int:
    return int(digits) if len(digits) < 4000 else 0  # Python refuses to read more


def _decoded(content: bytes) -> str:
    """Return the text of a file in whichever encoding it was saved."""
    encoding = json.detect_encoding(content)
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        if not encoding.startswith("utf-8"):
            return content.decode(encoding, "replace")
    high = b"".join(_HIGH_BYTES.findall(content))
    text = content.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    if sum(character > "\x7f" for character in text) > 2 * broken:
        return text  # UTF-8 with a few bytes damaged
    if not _KOREAN_PAIR.sub(b"", high) and len(_HANGUL_PAIR.findall(high)) * 4 > len(high):
        return content.decode("cp949", "replace")
    return content.decode("cp1252", "replace")


def listed(data: Any) -> list[Any] | None:
    """Return whatever a notebook lists as its cells; None if it has no list.

    Args:
        data: the file's JSON.
    """
    if not isinstance(data, dict):
        return None
    lists = [data.get("cells")]
    sheets = data.get("worksheets")
    if not lists[0] and isinstance(sheets, list):
        lists = [sheet.get("cells") for sheet in sheets if isinstance(sheet, dict)]
    found = [one for one in lists if isinstance(one, list)]
    return [row for one in found for row in one] if found else None


def rows(data: Any) -> list[dict[str, Any]] | None:
    """Return a notebook's cells as they stand in its file; None if it has no list of them.

    Args:
        data: the file's JSON.
    """
    every = listed(data)
    if every is None:
        return None
    found = [row for row in every if isinstance(row, dict) and _is_cell(row)]
    return None if every and not found else found


def is_old_format(data: Any) -> bool:
    """Return whether a notebook is of format 3 or older."""
    if not isinstance(data, dict):
        return False
    version = data.get("nbformat")
    return "worksheets" in data or (isinstance(version, int) and version < 4)


def _is_cell(row: dict[str, Any]) -> bool:
    return isinstance(row.get("cell_type"), str) or any(key in row for key in _SOURCES)


def source_key(row: dict[str, Any]) -> str:
    """Return the key under which a cell has its text."""
    return next((key for key in _SOURCES if row.get(key) is not None), _SOURCES[0])


def source(row: dict[str, Any]) -> str:
    """Return a cell's text as it stands in the file, whichever line ends it has."""
    value = row.get(source_key(row))
    if isinstance(value, list):
        value = "".join(map(_text, value))
    return _text(value).encode("utf-8", "replace").decode("utf-8")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return str(value) if type(value) in (int, float) else ""


def unix_lines(text: str, kind: str = "code") -> str:
    r"""Return a text with `\n` at the ends of its lines.

    Unicode's own line separators end lines in some editors, but in Python only where a text
    stands: in code they are replaced if it can't be read with them and can without.
    """
    text = _LINE_ENDS.sub("\n", text)
    if kind == "code" and _SEPARATORS.search(text) and not _is_python(text):
        replaced = _SEPARATORS.sub("\n", text)
        return replaced if _is_python(replaced) else text
    return text


def _is_python(text: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def kind_of(row: dict[str, Any]) -> str:
    """Return "code", "markdown" or "raw", whatever name an editor has for it."""
    kind = row.get("cell_type")
    kind = kind.strip().casefold() if isinstance(kind, str) else ""
    if kind in ("code", "markdown", "raw"):
        return kind
    if kind == "heading":
        return "markdown"
    return "code" if not kind and any(key in row for key in _BEHIND_CODE) else "raw"


def normalized(data: Any) -> dict[str, Any] | None:
    """Return a notebook in the form of today with what grading needs of it and nothing else.

    Args:
        data: the file's JSON.

    Returns:
        Each cell's kind, source, id (None where it has none), metadata and attachments, and the
        notebook's metadata; None if it has no list of cells.
    """
    found = rows(data)
    if found is None:
        return None
    metadata = data.get("metadata")
    return {
        "cells": [_cell(row) for row in found],
        "metadata": metadata if isinstance(metadata, dict) else {},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _cell(row: dict[str, Any]) -> dict[str, Any]:
    kind = kind_of(row)
    text = unix_lines(source(row), kind)
    if row.get("cell_type") == "heading":
        level = row.get("level")
        text = f"{'#' * (level if isinstance(level, int) and 1 <= level <= 6 else 1)} {text}"
    cell_id, metadata = row.get("id"), row.get("metadata")
    made = {
        "cell_type": kind,
        "id": cell_id if isinstance(cell_id, str) else None,
        "metadata": metadata if isinstance(metadata, dict) else {},
        "source": text,
    }
    if isinstance(attached := row.get("attachments"), dict) and kind != "code":
        made["attachments"] = attached
    return made
