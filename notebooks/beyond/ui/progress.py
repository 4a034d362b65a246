"""Tell how far a learner has come in a lesson, by its notebook as it was saved."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from autograder.student.standing import is_run, saved_cells

_HEADING = re.compile(r"^(#{2,}) (?:\d+\. )?(Optional: |선택: )?", re.MULTILINE)
_OPTIONAL_EXERCISE = re.compile(r"^\*(?:Optional|선택)\. ", re.MULTILINE)
_LABEL = re.compile(r"^\*\*[^*\n]+\*\* *([^·\n]+)", re.MULTILINE)
_SELF_CHECK = re.compile(r"^SelfCheck\(", re.MULTILINE)


@dataclass(frozen=True)
class Progress:
    """How far a lesson's notebook is.

    Attributes:
        cells: how many code cells it has, without those of optional parts.
        ran: how many of them have run.
        minutes: what its title says that it takes; "" if it says nothing.
        has_self_check: whether it has one.
    """

    cells: int = 0
    ran: int = 0
    minutes: str = ""
    has_self_check: bool = False

    @property
    def done(self) -> bool:
        """Return whether every cell that isn't optional has run."""
        return self.cells > 0 and self.ran == self.cells


def of_notebook(path: Path) -> Progress:
    """Return how far a notebook is, as it was saved last."""
    try:
        status = path.stat()
    except OSError:
        return Progress()
    return _of_file(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=64)
def _of_file(path: Path, _mtime: int, _size: int) -> Progress:
    cells = saved_cells(path) or []
    counted = [one for one in needed(cells) if one.get("cell_type") == "code" and _source(one)]
    first = next((one for one in cells if one.get("cell_type") == "markdown"), {})
    label = _LABEL.search(_source(first))
    return Progress(
        cells=len(counted),
        ran=sum(map(is_run, counted)),
        minutes=label[1].strip() if label else "",
        has_self_check=any(_SELF_CHECK.search(_source(one)) for one in cells),
    )


def needed(cells: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the cells outside of sections and exercises that are labeled optional."""
    kept = []
    skipped = 0  # the level of the optional section's heading, or 0
    for cell in cells:
        if cell.get("cell_type") == "markdown":
            text = _source(cell)
            for heading in _HEADING.finditer(text):
                level = len(heading[1])
                if not skipped or level <= skipped:
                    skipped = level if heading[2] else 0
                last = level
            if not skipped and _HEADING.search(text) and _OPTIONAL_EXERCISE.search(text):
                skipped = last
        if not skipped:
            kept.append(cell)
    return kept


def _source(cell: dict[str, Any]) -> str:
    source = cell.get("source", "")
    return "".join(map(str, source)) if isinstance(source, list) else str(source)
