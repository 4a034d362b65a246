"""What the checks of a notebook report: one problem in one of its cells."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CellProblem:
    """One problem in a notebook.

    Attributes:
        cell: the cell's id; None for the notebook as a whole.
        text: what is wrong, as the rest of a sentence that begins with the cell.
    """

    cell: str | None
    text: str
