"""Merge the outcomes of a submission's visible run and hidden run.

The visible run has the tests as students have them, the hidden run the whole ones. Everything that
a student may read comes from the visible run. In the hidden run student code has seen the hidden
inputs, so nothing that it could have written is taken from there: no output, no message, no
outcome of a visible check. What is left is one bit for each hidden check, which is what the check
is for.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from autograder import checks
from autograder.choices import merged_choice
from autograder.core.bindings import parsed
from autograder.core.cell_status import CellStatus
from autograder.judge.hidden_part import is_independent, string_literals_in
from autograder.judge.job import CellOutcome, CodeCell
from autograder.judge.judge import Output, error_output, status_output


def N_(message: str) -> str:
    """Mark a text for translation."""
    return message


UNNAMED = N_("a hidden check")


def combine_runs(
    cells: Iterable[CodeCell],
    visible: dict[str, CellOutcome],
    hidden: dict[str, CellOutcome],
    by_use: bool = False,
) -> dict[str, CellOutcome]:
    """Return the outcome of each cell by its id.

    Args:
        cells: the job's, with whole tests.
        visible: of the run with the tests as students have them, by cell id.
        hidden: of the run with whole tests, by cell id.
        by_use: whether the notebook is an ordinary one, whose tests may need what hidden lines of
            theirs or of an earlier test bind. Whether they pass is what the whole run found.
    """
    found = {}
    for cell in cells:
        seen, whole = visible[cell.id], hidden[cell.id]
        if by_use and cell.role == "test" and record_in(whole.outputs) is None:
            merged = _as_whole(cell.source, seen, whole)
        elif cell.has_hidden_part:
            merged = _of_test(cell.source, seen, whole)
        else:
            found[cell.id] = seen
            continue
        found[cell.id] = replace(merged, needs=tuple(sorted({*seen.needs, *whole.needs})))
    return found


def _as_whole(source: str, visible: CellOutcome, hidden: CellOutcome) -> CellOutcome:
    """Return the outcome of an ordinary test: the whole run's verdict, the visible run's words."""
    if visible.status is not CellStatus.RAN:
        return visible
    failed = _has_error(visible.outputs)
    if not failed or hidden.status is not CellStatus.RAN or _has_error(hidden.outputs):
        return _of_test(source, visible, hidden)
    return CellOutcome(_numbers(hidden.outputs))


def _of_test(source: str, visible: CellOutcome, hidden: CellOutcome) -> CellOutcome:
    record = record_in(hidden.outputs)
    if visible.status is not CellStatus.RAN:
        return visible
    if record is not None:
        return _of_checks(source, visible, record)
    if _has_error(visible.outputs):
        return visible
    if hidden.status is not CellStatus.RAN or _has_error(hidden.outputs):
        # A hidden line failed outside the checks. How (by an error, by never ending, by ending the
        # process) is the submission's choice, so it would tell more than that it failed.
        status = CellStatus.STOPPED
        return CellOutcome([status_output(status)], status)
    # Plain asserts: all passed, or the number on the last line is what they earned. The released
    # test may end on another line, whose number earns nothing.
    others = [one for one in visible.outputs if one not in _numbers(visible.outputs)]
    return CellOutcome([*others, *_numbers(hidden.outputs)])


def _of_checks(source: str, visible: CellOutcome, record: dict[str, Any]) -> CellOutcome:
    """Return the whole test's checks, the visible ones as the visible run found them.

    Where hidden lines may bear on visible checks, these have to pass in both runs.
    """
    first = record_in(visible.outputs)
    if first is None and _has_error(visible.outputs):
        return visible
    seen: list[dict[str, Any]] = first["checks"] if first else []
    shown: dict[str, list[dict[str, Any]]] = {}
    for one in seen:
        shown.setdefault(one["name"], []).append(one)
    choices = [one["choice"] for one in seen if "choice" in one]
    chosen = {one["question"]: one["chosen"] for one in choices}
    letters = {one["question"]: one["letters"] for one in choices if "letters" in one}
    nothing_yet = first is not None and all(one["unanswered"] for one in seen)
    tree = parsed(source)
    names, independent = string_literals_in(tree), is_independent(tree, source)
    merged = []
    for one in record["checks"]:
        # A name that the test makes up as it runs may have been made of a student's value.
        named = {**one, "message": "", "name": one["name"] if one["name"] in names else UNNAMED}
        named.pop("details", None)
        choice = merged_choice(named.pop("choice", None), chosen, names, letters)
        found = None if one["hidden"] else shown.get(one["name"])
        if one["hidden"]:
            # That there is no answer is what the visible run found of all checks, or isn't told.
            kept = {"choice": choice} if choice else {}
            merged.append({**named, **kept, "unanswered": nothing_yet and not one["passed"]})
        elif found:
            first_found = found.pop(0)
            passed = first_found["passed"] and (independent or one["passed"])
            merged.append({**first_found, "passed": passed})
        else:
            merged.append({**named, "passed": False, "unanswered": False})
    whole = {**record, "checks": merged}
    outputs: list[Output] = [
        {"output_type": "display_data", "metadata": {}, "data": checks.shown(whole)}
    ]
    failed = [one for one in merged if not one["passed"]]
    if failed and all(one["unanswered"] for one in failed):
        outputs += [one for one in visible.outputs if one["output_type"] == "stream"]
    elif failed:
        outputs.append(error_output("CheckFailed", checks.failure(whole)))
    return CellOutcome(outputs)


def record_in(outputs: Iterable[Output]) -> dict[str, Any] | None:
    """Return the record that `report` left, if it did."""
    for output in outputs:
        record = checks.record_in(output.get("data"))
        if record is not None:
            return record
    return None


def _has_error(outputs: Iterable[Output]) -> bool:
    return any(one["output_type"] == "error" for one in outputs)


def _numbers(outputs: Iterable[Output]) -> list[Output]:
    return [one for one in outputs if one["output_type"] == "execute_result"]
