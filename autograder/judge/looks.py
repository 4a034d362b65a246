"""One outcome from two looks at a submission: words from the first, hidden checks from the second.

In the second look student code has seen the hidden inputs, so nothing that it could have
written is taken from there: no output, no message, no outcome of a visible check. What is left
is one bit for each hidden check, which is what the check is for.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from beyond import checks
from beyond.checks import MIME_TYPE, is_record

from autograder.core.cell_status import CellStatus
from autograder.engine.judge import Output, ending_output, error_output
from autograder.judge.job import CellOutcome, CodeCell


def combined(
    cells: Iterable[CodeCell], seen: dict[str, CellOutcome], whole: dict[str, CellOutcome]
) -> dict[str, CellOutcome]:
    """Return the outcome of each cell.

    Args:
        seen: of the look with the tests as students have them.
        whole: of the look with whole tests.
    """
    return {
        cell.id: _of_test(seen[cell.id], whole[cell.id]) if cell.has_hidden_part else seen[cell.id]
        for cell in cells
    }


def _of_test(seen: CellOutcome, whole: CellOutcome) -> CellOutcome:
    record = record_in(whole.outputs)
    if seen.status is not CellStatus.RAN:
        return seen
    if record is not None:
        return _of_checks(seen, record)
    if _has_error(seen.outputs):
        return seen
    if whole.status is not CellStatus.RAN or _has_error(whole.outputs):
        # A hidden line failed outside the checks; its words are not the student's to read.
        status = CellStatus.TOLD_NOTHING if whole.status is CellStatus.RAN else whole.status
        return CellOutcome([ending_output(status)], status)
    # Plain asserts: all passed, or the number on the last line is what they earned. The released
    # test may end on another line, whose number earns nothing.
    others = [one for one in seen.outputs if one not in _numbers(seen.outputs)]
    return CellOutcome([*others, *_numbers(whole.outputs)])


def _of_checks(seen: CellOutcome, record: dict[str, Any]) -> CellOutcome:
    """The whole test's checks, the visible ones as the first look found them."""
    first = record_in(seen.outputs)
    if first is None and _has_error(seen.outputs):
        return seen
    shown: dict[str, list[dict[str, Any]]] = {}
    for one in first["checks"] if first else []:
        shown.setdefault(one["name"], []).append(one)
    nothing_yet = bool(first) and all(one["unanswered"] for one in first["checks"])
    merged = []
    for one in record["checks"]:
        if one["hidden"]:
            # That there is no answer is told only where the first look knows it too.
            merged.append({**one, "message": "", "unanswered": one["unanswered"] and nothing_yet})
        else:
            found = shown.get(one["name"])
            merged.append(found.pop(0) if found else {**one, "message": "", "passed": False})
    whole = {**record, "checks": merged}
    outputs: list[Output] = [
        {"output_type": "display_data", "metadata": {}, "data": checks.shown(whole)}
    ]
    failed = [one for one in merged if not one["passed"]]
    if failed and all(one["unanswered"] for one in failed):
        outputs += [one for one in seen.outputs if one["output_type"] == "stream"]
    elif failed:
        outputs.append(error_output("CheckFailed", checks.failure(whole)))
    return CellOutcome(outputs)


def record_in(outputs: Iterable[Output]) -> dict[str, Any] | None:
    """Return the record that `report` left, if it did."""
    for output in outputs:
        record = output.get("data", {}).get(MIME_TYPE)
        if is_record(record):
            return record
    return None


def _has_error(outputs: Iterable[Output]) -> bool:
    return any(one["output_type"] == "error" for one in outputs)


def _numbers(outputs: Iterable[Output]) -> list[Output]:
    return [one for one in outputs if one["output_type"] == "execute_result"]
