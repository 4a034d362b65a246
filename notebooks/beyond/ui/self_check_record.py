"""Note down which questions of a lesson's self-check a learner has answered.

A saved notebook doesn't say, because the choices are in the kernel. So each answer is kept in
`work/.self-checks/`, in a file for each lesson, whichever language it is read in:

    {"questions": 5, "answered": {"1": true, "2": false}}

A question's number, and whether the last answer to it was correct. Where the notebook doesn't lie
in a course's folder (Colab, a copy elsewhere), nothing is written.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

LESSONS = "notebooks"
WORK = "work"
RECORDS = f"{WORK}/.self-checks"


def keep_answer(number: int, right: bool, questions: int) -> None:
    """Note down an answer to a self-check; a lesson goes on where that can't be done.

    Args:
        number: the question's, from 1.
        right: whether the answer was correct.
        questions: how many the self-check has.
    """
    notebook = Path(os.environ.get("JPY_SESSION_NAME", ""))  # Jupyter's server sets it
    if notebook.suffix != ".ipynb" or len(notebook.parents) < 3:
        return
    root = notebook.parents[2]
    if notebook.parents[1].name != LESSONS or not (root / WORK).is_dir():
        return
    path = root / RECORDS / f"{notebook.stem}.json"
    known = _read(path)
    before = known["answered"] if known and known["questions"] == questions else {}
    told = {"questions": questions, "answered": {**before, str(number): right}}
    beside = path.with_name(f".{path.name}.new")
    with suppress(OSError):
        path.parent.mkdir(exist_ok=True)
        beside.write_text(json.dumps(told), encoding="utf-8")
        os.replace(beside, path)


def answered(root: Path, lesson: str) -> tuple[int, int] | None:
    """Return how many questions of a lesson's self-check were answered, and how many it has.

    Args:
        root: the course's folder.
        lesson: the name of the lesson's notebook, without its ending.

    Returns:
        The two numbers; None if none was answered.
    """
    known = _read(root / RECORDS / f"{lesson}.json")
    return (len(known["answered"]), known["questions"]) if known else None


def _read(path: Path) -> dict[str, Any] | None:
    """Return a file of answers; None if there is none, or it isn't one."""
    with suppress(OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
        told = json.loads(path.read_text(encoding="utf-8"))
        questions = told["questions"]
        if type(questions) is not int:
            return None
        numbers = {str(number) for number in range(1, min(questions, 1000) + 1)}
        kept = {name: bool(right) for name, right in told["answered"].items() if name in numbers}
        return {"questions": questions, "answered": kept}
    return None
