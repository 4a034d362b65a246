"""Find the part of a test cell that a release leaves out."""

from __future__ import annotations

BEGIN, END = "### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS"


def hidden_lines(source: str) -> set[int]:
    """Return the numbers, from 1, of the lines that a release leaves out, without the marks."""
    lines: set[int] = set()
    hidden = False
    for number, line in enumerate(source.split("\n"), 1):
        if BEGIN in line:
            hidden = True
        elif END in line:
            hidden = False
        elif hidden:
            lines.add(number)
    return lines


def released_source(source: str) -> str:
    """Return a test cell's source as students have it."""
    hidden = hidden_lines(source)
    return "\n".join(
        line for number, line in enumerate(source.split("\n"), 1) if number not in hidden
    )
