"""Execute lessons for the course site, in both languages; the course's environment runs this.

    python docs/execute.py 00-start-here 04-the-cost-formula

`tools/lesson_store.py` executes them, or has done so before. Here the outputs are put into the
notebooks as they are now, in `.cache/site/lessons/LANGUAGE/`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from autograder.core import atomic_io  # noqa: E402 - found by the path set above
from tools import lesson_store  # noqa: E402 - found by the path set above

EXECUTED = ROOT / ".cache" / "site" / "lessons"


def write(language: str, name: str) -> bool:
    """Write a lesson with its outputs; return whether it was executed now.

    Args:
        language: the folder that the notebook is in.
        name: its file name without the suffix.

    Raises:
        SystemExit: it can't be executed to its end, or a cell failed.
    """
    lesson = lesson_store.Lesson(name, language)
    try:
        outcome = lesson.outcome()
    except lesson_store.Stopped as stop:
        raise SystemExit(str(stop)) from stop
    for failed in lesson_store.errors(outcome.cells):
        cell, _colon, error = failed.partition(": ")
        raise SystemExit(
            f"The site can't show {language}/{name}.ipynb, because its cell {cell} failed "
            f"({error}); correct that and start again."
        )
    target = EXECUTED / language / lesson.path.name
    content = (nbformat.writes(lesson.filled(outcome)) + "\n").encode()
    if not target.is_file() or target.read_bytes() != content:
        atomic_io.write_file(target, content)
    return outcome.is_new


def main(names: list[str]) -> None:
    """Execute lessons in every language."""
    for language in lesson_store.LANGUAGES:
        for name in names:
            if write(language, name):
                print(f"Executed {language}/{name}.", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
