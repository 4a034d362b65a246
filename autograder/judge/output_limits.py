"""Bound and simplify the outputs that a student's process claims, on the side that keeps them."""

from __future__ import annotations

from typing import Any

from autograder.checks import MIME_TYPE, record_in

TOTAL_BYTES = 8 * 1024 * 1024
"""The most that all of a submission's outputs may take together."""

TESTS_BYTES = 4 * 1024 * 1024
"""The most that its tests may say; a check may be made of each of a student's values."""

CUT = "[The outputs of this notebook are too large together; this one was left out.]"

_SHOWN = ("text/plain", "text/html", "text/markdown", "text/latex", "image/png", "image/jpeg")
_TRACEBACK_LINES = 200


class OutputBudget:
    """The bytes that one submission's outputs may still take.

    Args:
        size: bytes.
    """

    def __init__(self, size: int = TOTAL_BYTES) -> None:
        self._left = size
        self._has_noted = False

    def take(self, output: dict[str, Any]) -> dict[str, Any] | None:
        """Return the output if there is room for it; else a note the first time, then None."""
        size = _size(output)
        if size <= self._left:
            self._left -= size
            return output
        if self._has_noted:
            return None
        self._has_noted = True
        return {"output_type": "stream", "name": "stderr", "text": CUT}

    def take_all(self, outputs: list[dict[str, Any]]) -> bool:
        """Return whether there is room for all of these; if so, take it."""
        size = _size(outputs)
        if size > self._left:
            return False
        self._left -= size
        return True


def _size(value: Any) -> int:
    if isinstance(value, str):
        return len(value.encode("utf-8", "surrogatepass")) + 16
    if isinstance(value, dict):
        return sum(map(_size, value.values())) + 64
    if isinstance(value, list):
        return sum(map(_size, value)) + 16
    return 16


def judged_output(claim: Any, number: int) -> dict[str, Any] | None:
    """Return an output as a graded notebook keeps it; None if it has no such form.

    Args:
        claim: as a judge sent it. Should one have been tricked, this bounds what it can leave.
        number: the cell's execution count.
    """
    if not isinstance(claim, dict):
        return None
    made = plain_output(claim)
    data = claim.get("data")
    record = record_in(data)
    if record is not None:
        shown = made["data"] if made else {}
        return _display({**shown, MIME_TYPE: record})
    if made and claim.get("output_type") == "execute_result":
        return {**made, "output_type": "execute_result", "execution_count": number}
    return made


def _display(data: dict[str, Any]) -> dict[str, Any]:
    return {"output_type": "display_data", "metadata": {}, "data": data}


def plain_output(claim: dict[str, Any]) -> dict[str, Any] | None:
    """Return a notebook output from what a process claims; None if it has no such form."""
    kind = claim.get("output_type")
    text = {key: value for key, value in claim.items() if isinstance(value, str)}
    if kind == "stream" and text.get("name") in ("stdout", "stderr"):
        return {"output_type": "stream", "name": text["name"], "text": text.get("text", "")}
    if kind == "error":
        name, message = text.get("ename", "Exception"), text.get("evalue", "")
        lines = claim.get("traceback")
        if not (isinstance(lines, list) and all(isinstance(line, str) for line in lines)):
            lines = [f"{name}: {message}"]
        return {
            "output_type": "error",
            "ename": name,
            "evalue": message,
            "traceback": lines[-_TRACEBACK_LINES:],
        }
    data = claim.get("data")
    if kind in ("display_data", "execute_result") and isinstance(data, dict):
        # Only what a page can show as text, HTML or a picture; a check's record from a
        # student's cell would be a forgery.
        shown = {
            mime: value for mime, value in data.items() if mime in _SHOWN and isinstance(value, str)
        }
        return _display(shown) if shown else None
    return None
