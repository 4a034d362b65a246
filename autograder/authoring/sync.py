"""Two languages in step: what is copied, what is translated, and what no longer fits.

English leads. A translated notebook has the same cells in the same order under the same ids;
code and nbgrader metadata are the English ones to the byte, and only prose and the cell that
sets the language are its own. A translated prose cell carries the hash of the English text
that it translates, so a later change of the English makes it stale.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter

from nbformat import NotebookNode

from autograder.authoring.problem import CellProblem
from autograder.core.notebook_io import LANGUAGE_CELL, copied, course_metadata, language_cell_source


def digest(source: str) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of a cell's source."""
    return hashlib.sha256(source.encode("utf-8")).hexdigest()[:16]


def _by_id(notebook: NotebookNode) -> dict[str, NotebookNode]:
    return {cell.id: cell for cell in notebook.cells}


def synchronized(english: NotebookNode, translated: NotebookNode | None, code: str) -> NotebookNode:
    """The translated notebook with everything but its prose taken from the English one.

    A prose cell without a translation gets the English text and no hash: it counts as missing.
    """
    own = _by_id(translated) if translated is not None else {}
    result = copied(english)
    result.metadata.setdefault("beyond", NotebookNode())["language"] = code
    for cell in result.cells:
        if cell.id == LANGUAGE_CELL:
            cell.source = language_cell_source(code)
        elif cell.cell_type != "code" and cell.id in own:
            cell.source = own[cell.id].source
            if translates := course_metadata(own[cell.id]).get("translates"):
                cell.metadata.setdefault("beyond", NotebookNode())["translates"] = translates
    return result


def confirm(
    english: NotebookNode, translated: NotebookNode, cells: list[str] | None = None
) -> list[str]:
    """Record in place that prose cells translate the English text as it is now.

    Args:
        cells: the ids to confirm; None for every prose cell whose text isn't the English one.

    Returns:
        The ids of the cells whose mark changed.
    """
    leading = _by_id(english)
    changed = []
    for cell in translated.cells:
        if cell.cell_type == "code" or cell.id not in leading:
            continue
        source = leading[cell.id].source
        if cells is None and cell.source == source and has_prose(source):
            continue
        if cells is not None and cell.id not in cells:
            continue
        mark = cell.metadata.setdefault("beyond", NotebookNode())
        if mark.get("translates") != digest(source):
            mark["translates"] = digest(source)
            changed.append(cell.id)
    return changed


def has_prose(source: str) -> bool:
    """Whether a prose cell has anything to translate (a lone formula or picture has not)."""
    return bool(re.search(r"[A-Za-z]{2,}", _without_fixed_parts(source)))


def differences(english: NotebookNode, translated: NotebookNode, code: str) -> list[CellProblem]:
    """Everything that is out of step between a notebook and its translation."""
    found: list[CellProblem] = []
    leading, own = _by_id(english), _by_id(translated)
    for cell_id in leading.keys() - own.keys():
        found.append(CellProblem(cell_id, f"is missing from the {code} notebook"))
    for cell_id in own.keys() - leading.keys():
        found.append(CellProblem(cell_id, "isn't in the English notebook"))
    shared = [cell.id for cell in english.cells if cell.id in own]
    if shared != [cell.id for cell in translated.cells if cell.id in leading]:
        found.append(CellProblem(shared[0] if shared else None, "cells stand in another order"))
    for cell_id in shared:
        found.extend(
            CellProblem(cell_id, text)
            for text in _cell_differences(leading[cell_id], own[cell_id], code)
        )
    return found


def _cell_differences(english: NotebookNode, own: NotebookNode, code: str) -> list[str]:
    if english.cell_type != own.cell_type:
        return [f"is a {own.cell_type} cell but {english.cell_type} in English"]
    if english.metadata.get("nbgrader") != own.metadata.get("nbgrader"):
        return ["has other nbgrader metadata than in English"]
    if english.cell_type == "code":
        wanted = language_cell_source(code) if english.id == LANGUAGE_CELL else english.source
        return [] if own.source == wanted else ["has other code than in English"]
    if not has_prose(english.source):
        return [] if own.source == english.source else ["has nothing to translate but differs"]
    translates = course_metadata(own).get("translates")
    if translates is None:
        return [f"has no {code} translation yet (missing)"]
    faults = []
    if translates != digest(english.source):
        faults.append("translates an older English text (stale)")
    for what, parts in FIXED_PARTS.items():
        here, there = Counter(parts(own.source)), Counter(parts(english.source))
        if here != there:
            lacking = ", ".join(sorted((there - here).elements())[:4])
            extra = ", ".join(sorted((here - there).elements())[:4])
            faults.append(
                f"differs in {what}"
                + (f"; lacks {lacking}" if lacking else "")
                + (f"; has {extra} too many" if extra else "")
            )
    return faults


# What a translation must keep as it is. Each kind is looked for in what the earlier leave over,
# so that a number inside a formula isn't counted twice.

_FENCE = re.compile(r"^(```|~~~).*?^\1\s*$", re.MULTILINE | re.DOTALL)
_MATH = re.compile(r"\$\$.+?\$\$|(?<![\\$])\$(?!\s)[^$\n]+?(?<!\s)\$(?!\d)", re.DOTALL)
_CODE = re.compile(r"(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
_LINK = re.compile(r"\]\(\s*<?([^)\s>]+)>?[^)]*\)|(?:href|src)=\"([^\"]+)\"|<(https?://[^>\s]+)>")
_NUMBER = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")


def _code_parts(source: str) -> list[str]:
    fences = [match.group(0).strip() for match in _FENCE.finditer(source)]
    rest = _FENCE.sub(" ", source)
    return fences + [match.group(2).strip() for match in _CODE.finditer(rest)]


def _without_code(source: str) -> str:
    return _CODE.sub(" ", _FENCE.sub(" ", source))


def _formulas(source: str) -> list[str]:
    return ["".join(match.group(0).split()) for match in _MATH.finditer(_without_code(source))]


def _links(source: str) -> list[str]:
    rest = _MATH.sub(" ", _without_code(source))
    return [next(part for part in match.groups() if part) for match in _LINK.finditer(rest)]


def _without_fixed_parts(source: str) -> str:
    return _LINK.sub("] ", _MATH.sub(" ", _without_code(source)))


def _numbers(source: str) -> list[str]:
    # 2026-07-31 and 2026년 7월 31일 are the same date: a leading zero says nothing.
    return [number.lstrip("0") or "0" for number in _NUMBER.findall(_without_fixed_parts(source))]


FIXED_PARTS = {
    "code spans": _code_parts,
    "formulas": _formulas,
    "links": _links,
    "numbers": _numbers,
}
