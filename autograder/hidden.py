"""What a hidden test passes to student code must not come back as text.

A student's function can keep its arguments and show them later: in a cell of its own, in an
error, in the message of a visible check. So the text from after the first hidden call isn't
taken from the run that makes the score, but from a second one in which the tests are as students
have them (`released`). `retold` puts the two together: points from the first, words from the
second. A submission that shows nothing after a hidden call needs no second run.
"""

from __future__ import annotations

from beyond import checks
from beyond.checks import MIME_TYPE, is_record
from nbformat import NotebookNode
from nbformat.v4 import new_output

from autograder.endings import is_ours
from autograder.notebooks import copied, is_test
from autograder.speaking import shown_language, speaking

BEGIN, END = "### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS"

NOT_SHOWN = "TestStopped"
"""The error of a test that ended outside its checks, where its own words can't be shown."""


def hidden_lines(source: str) -> set[int]:
    """The numbers, from 1, of the lines that a release leaves out, without the marks."""
    lines: set[int] = set()
    hidden = False
    for number, line in enumerate(source.splitlines(), 1):
        if BEGIN in line:
            hidden = True
        elif END in line:
            hidden = False
        elif hidden:
            lines.add(number)
    return lines


def released(notebook: NotebookNode) -> NotebookNode:
    """A rebuilt notebook whose tests are as students have them."""
    result = copied(notebook)
    for cell in result.cells:
        if cell.cell_type == "code" and is_test(cell):
            hidden = hidden_lines(cell.source)
            cell.source = "\n".join(
                line
                for number, line in enumerate(cell.source.splitlines(), 1)
                if number not in hidden
            )
    return result


def has_words(executed: NotebookNode, since: str) -> bool:
    """Whether anything that student code may have written stands in an output.

    Args:
        executed: a run with whole tests.
        since: the id of the first cell to look at.
    """
    return any(
        bool(cell.outputs)
        and not _ended_by_us(cell)
        and (not is_test(cell) or _test_has_words(cell))
        for cell in _code_cells(executed, since)
    )


def _test_has_words(cell: NotebookNode) -> bool:
    record = _record(cell)
    if record is None:
        return bool(cell.outputs)
    return any(one["message"] and not one["unanswered"] for one in record["checks"])


def retold(executed: NotebookNode, clean: NotebookNode | None, since: str) -> NotebookNode:
    """The run that makes the score, with the words of a run without hidden tests.

    Args:
        executed: a run with whole tests.
        clean: the same cells run without hidden tests; None if there was no such run, and then
            the words are left out.
        since: the id of the first cell in which a hidden test called the student's code.
    """
    result = copied(executed)
    words = {cell.id: cell for cell in clean.cells} if clean else {}
    with speaking(shown_language(result)):
        for cell in _code_cells(result, since):
            other = words.get(cell.id)
            if not is_test(cell):
                cell.outputs = _retold_outputs(cell, other)
            elif _record(cell) is not None:
                cell.outputs = _retold_checks(cell, other)
            elif any(output.output_type == "error" for output in cell.outputs):
                cell.outputs = _retold_stop(cell, other)
    return result


def _code_cells(notebook: NotebookNode, since: str) -> list[NotebookNode]:
    ids = [cell.id for cell in notebook.cells]
    return [cell for cell in notebook.cells[ids.index(since) :] if cell.cell_type == "code"]


def _record(cell: NotebookNode) -> dict | None:
    for output in cell.outputs:
        if is_record(output.get("data", {}).get(MIME_TYPE)):
            return output.data[MIME_TYPE]
    return None


def _retold_outputs(cell: NotebookNode, other: NotebookNode | None) -> list[NotebookNode]:
    """An answer's outputs as they are without hidden tests; its end stays what it was."""
    if _ended_by_us(cell):
        return cell.outputs
    return other.outputs if other and not _ended_by_us(other) else []


def _ended_by_us(cell: NotebookNode) -> bool:
    """Whether all it shows is how grading ended it, in the course's own words."""
    return bool(cell.outputs) and all(
        output.output_type == "error" and is_ours(output.ename, output.evalue, output.traceback)
        for output in cell.outputs
    )


def _retold_checks(cell: NotebookNode, other: NotebookNode | None) -> list[NotebookNode]:
    """A test cell's outputs with every check's outcome as it was and its message retold."""
    said: dict[str, list[str]] = {}
    for one in (_record(other) or {"checks": []})["checks"] if other else []:
        said.setdefault(one["name"], []).append(one["message"])
    record = _record(cell)
    for one in record["checks"]:
        if not one["hidden"] and not one["unanswered"]:
            clean = said.get(one["name"])
            one["message"] = clean.pop(0) if clean and not one["passed"] else ""
    retold_outputs = []
    for output in cell.outputs:
        if MIME_TYPE in output.get("data", {}):
            retold_outputs.append(new_output("display_data", data=checks.shown(record)))
        elif output.output_type == "error":
            message = checks.failure(record)
            retold_outputs.append(
                new_output(
                    "error",
                    ename=output.ename,
                    evalue=message,
                    traceback=[f"{output.ename}: {message}"],
                )
            )
        else:  # "Not answered yet: …", in the course's own words
            retold_outputs.append(output)
    return retold_outputs


def _retold_stop(cell: NotebookNode, other: NotebookNode | None) -> list[NotebookNode]:
    """The outputs of a test cell that ended outside its checks, or could not run."""
    if _ended_by_us(cell):
        return cell.outputs
    clean = [one for one in other.outputs if one.output_type == "error"] if other else []
    why = "the test stopped because of what the answer did"
    return clean or [new_output("error", ename=NOT_SHOWN, evalue=why, traceback=[why])]
