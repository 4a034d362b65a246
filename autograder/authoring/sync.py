"""Synchronize translated notebooks with the English ones, and find where they differ.

A translated notebook has the same cells in the same order with the same ids. Code and nbgrader
metadata are copied from the English notebook; only prose and the cell that sets the language are
its own. A translated cell stores the hash of the English text that it translates, so that a
later change to the English makes it stale.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable

from nbformat import NotebookNode

from autograder.authoring.problem import CellProblem
from autograder.core.notebook_io import LANGUAGE_CELL, copied
from autograder.notebook_metadata import entries, put, used_in


def digest(source: str) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of a cell's source."""
    return hashlib.sha256(source.encode("utf-8")).hexdigest()[:16]


def _by_id(notebook: NotebookNode) -> dict[str, NotebookNode]:
    return {cell.id: cell for cell in notebook.cells}


def synchronized(
    english: NotebookNode,
    translated: NotebookNode | None,
    code: str,
    language_cell: str | None = None,
) -> NotebookNode:
    """Return the translated notebook with everything but its prose taken from the English one.

    A prose cell without a translation gets the English text and no hash: it counts as missing.

    Args:
        english: the English notebook.
        translated: the translation as it is; None if there is none yet.
        code: the language of the translation.
        language_cell: the source of the cell that sets the language; None leaves it as it is.
    """
    own = _by_id(translated) if translated is not None else {}
    result = copied(english)
    namespace = used_in(english)
    put(result, namespace, language=code)
    for cell in result.cells:
        if cell.id == LANGUAGE_CELL and language_cell is not None:
            cell.source = language_cell
        elif cell.cell_type != "code" and cell.id in own:
            cell.source = own[cell.id].source
            if translates := entries(own[cell.id]).get("translates"):
                put(cell, namespace, translates=translates)
    return result


def confirm(
    english: NotebookNode, translated: NotebookNode, cells: list[str] | None = None
) -> list[str]:
    """Record in a translation that its prose cells match the current English text.

    Args:
        english: the English notebook.
        translated: the translation; changed in place.
        cells: the ids of the cells to confirm; None for every prose cell that is translated.

    Returns:
        The ids of the cells whose record changed.
    """
    originals = _by_id(english)
    changed = []
    for cell in translated.cells:
        if cell.cell_type == "code" or cell.id not in originals:
            continue
        source = originals[cell.id].source
        if cells is None and cell.source == source and has_prose(source):
            continue
        if cells is not None and cell.id not in cells:
            continue
        if entries(cell).get("translates") != digest(source):
            put(cell, used_in(english), translates=digest(source))
            changed.append(cell.id)
    return changed


def has_prose(source: str) -> bool:
    """Return whether a prose cell has anything to translate: a lone formula or image has not."""
    return bool(re.search(r"[A-Za-z]{2,}", _without_fixed_parts(source)))


def differences(
    english: NotebookNode,
    translated: NotebookNode,
    code: str,
    language_cell: str | None = None,
) -> list[CellProblem]:
    """Return every place where a translation is missing, stale, or differs where it must not.

    Args:
        english: the English notebook.
        translated: its translation.
        code: the language of the translation.
        language_cell: the source that the cell which sets the language has to have; None to
            leave that cell out.
    """
    found: list[CellProblem] = []
    originals, own = _by_id(english), _by_id(translated)
    for cell_id in originals.keys() - own.keys():
        found.append(CellProblem(cell_id, f"is missing from the {code} notebook"))
    for cell_id in own.keys() - originals.keys():
        found.append(CellProblem(cell_id, "isn't in the English notebook"))
    shared = [cell.id for cell in english.cells if cell.id in own]
    if shared != [cell.id for cell in translated.cells if cell.id in originals]:
        first = shared[0] if shared else None
        found.append(CellProblem(first, "isn't at the same place as in English"))
    for cell_id in shared:
        found.extend(
            CellProblem(cell_id, text)
            for text in _cell_differences(originals[cell_id], own[cell_id], code, language_cell)
        )
    return found


def _cell_differences(
    english: NotebookNode, own: NotebookNode, code: str, language_cell: str | None
) -> list[str]:
    if english.cell_type != own.cell_type:
        return [f"is a {own.cell_type} cell but {english.cell_type} in English"]
    if english.metadata.get("nbgrader") != own.metadata.get("nbgrader"):
        return ["has different nbgrader metadata than in English"]
    if english.cell_type == "code":
        wanted = english.source
        if english.id == LANGUAGE_CELL:
            wanted = own.source if language_cell is None else language_cell
        return [] if own.source == wanted else ["has different code than in English"]
    if not has_prose(english.source):
        return [] if own.source == english.source else ["has nothing to translate but differs"]
    translates = entries(own).get("translates")
    if translates is None:
        return [f"has no {code} translation yet (missing)"]
    found = []
    if translates != digest(english.source):
        found.append("translates an older English text (stale)")
    for what, parts in FIXED_PARTS.items():
        here, there = Counter(parts(own.source)), Counter(parts(english.source))
        if here != there:
            missing = ", ".join(sorted((there - here).elements())[:4])
            extra = ", ".join(sorted((here - there).elements())[:4])
            found.append(
                f"differs in {what}"
                + (f"; lacks {missing}" if missing else "")
                + (f"; has {extra} too many" if extra else "")
            )
    return found


# What a translation must not change. Each kind is searched for in what the earlier ones leave,
# so that a number in a formula isn't counted twice.

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
    # 2026-07-31 and 2026년 7월 31일 are the same date, so leading zeros are ignored.
    return [number.lstrip("0") or "0" for number in _NUMBER.findall(_without_fixed_parts(source))]


FIXED_PARTS: dict[str, Callable[[str], list[str]]] = {
    "code spans": _code_parts,
    "formulas": _formulas,
    "links": _links,
    "numbers": _numbers,
}
