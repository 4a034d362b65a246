"""How long each lesson takes a learner, by its parts, beside the minutes that it states.

    python benchmarks/lesson_minutes.py          running time as the lessons state it
    python benchmarks/lesson_minutes.py --run    running time as measured: from the tests' cache in
                                                 .cache/lessons, else by running the lesson

Reading counts the English prose and the self-check at 200 words a minute; code, formulas and links
aren't words. An exercise counts the minutes that it states. What is labeled optional isn't counted:
a section whose heading begins with "Optional:", and a fold whose summary does.
"""

from __future__ import annotations

import argparse
import importlib
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]
LESSONS = ROOT / "notebooks" / "en"
WORDS_PER_MINUTE = 200

_NOT_PROSE = re.compile(
    r"```.*?```|\$\$.*?\$\$|\$[^$\n]+\$|<[^>]+>|(?<=\])\([^)]*\)|^\s*\|?[-:| ]+\|?\s*$",
    re.DOTALL | re.MULTILINE,
)
_WORD = re.compile(r"[^\W_][\w'’.,%-]*")
_HEADING = re.compile(r"^(#{2,}) (?:\d+\. )?(Optional: )?", re.MULTILINE)
_OPTIONAL_FOLD = re.compile(r"<details><summary>Optional: .*?</details>", re.DOTALL)
_STATED = re.compile(r"\*\*Time:\*\* (?:about )?(\d+) minutes")
_EXERCISE = re.compile(r"^\*Difficulty: .*?About (\d+) minutes?", re.MULTILINE)
_RUNS = re.compile(r"\*\*Runs:\*\*([^\n·]*)")
_SELF_CHECK = re.compile(
    r"from beyond\.(\w+)(?:\.(self_check\w*))? import (self_check\w*|questions)"
)


@dataclass(frozen=True)
class Minutes:
    """What a lesson takes, in minutes.

    Attributes:
        words: of prose and self-check.
        running: of its cells, as stated or measured.
        exercises: as each exercise states them.
        stated: in the title cell; 0 if it states none in the usual form.
    """

    words: int
    running: float
    exercises: int
    stated: int

    @property
    def reading(self) -> float:
        """Return the minutes of reading."""
        return self.words / WORDS_PER_MINUTE

    @property
    def total(self) -> float:
        """Return the sum of the parts."""
        return self.reading + self.running + self.exercises


def lessons() -> list[Path]:
    """Return the lessons' English notebooks, without appendices, which nobody has to read."""
    return sorted(LESSONS.glob("[0-9]*.ipynb"))


def minutes(path: Path, running: float | None = None) -> Minutes:
    """Return what a lesson takes.

    Args:
        path: its notebook.
        running: the measured minutes of its cells; None for what its title states.
    """
    notebook = nbformat.read(path, as_version=4)
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    prose = [without_optional("\n\n".join(cells))]
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    title = cells[0]
    stated = _STATED.search(title)
    return Minutes(
        words=sum(map(count_words, prose)) + sum(map(count_words, _questions(code))),
        running=stated_running(title) if running is None else running,
        exercises=sum(int(found) for text in prose for found in _EXERCISE.findall(text)),
        stated=int(stated[1]) if stated else 0,
    )


def without_optional(text: str) -> str:
    """Return a lesson's prose without the sections and folds that are labeled optional."""
    kept: list[str] = []
    end, skipped = 0, 0  # skipped: the level of the optional section's heading, or 0
    text = _OPTIONAL_FOLD.sub("", text)
    for heading in _HEADING.finditer(text):
        level = len(heading[1])
        if not skipped:
            kept.append(text[end : heading.start()])
        if not skipped or level <= skipped:
            skipped = level if heading[2] else 0
        end = heading.start()
    return "".join(kept) + ("" if skipped else text[end:])


def count_words(text: str) -> int:
    """Return the number of words that a reader reads."""
    return len(_WORD.findall(_NOT_PROSE.sub(" ", text)))


def stated_running(title: str) -> float:
    """Return the most minutes of computing that a title cell states; 1 where it says "seconds"."""
    runs = _RUNS.search(title)
    found = re.search(r"(?:(\d+) (?:to|–|-) )?(\d+) minutes?", runs[1]) if runs else None
    return float(found[2]) if found else 1.0


def _questions(code: str) -> list[str]:
    """Return the texts of the self-checks that a lesson's code imports."""
    texts = []
    for folder, module, name in sorted(set(_SELF_CHECK.findall(code))):
        if folder == "ui":
            continue
        own = importlib.import_module(f"beyond.{folder}.{module or name}")
        for question in own.questions():
            texts.append(question.text)
            texts += [f"{choice.text} {choice.why}" for choice in question.choices]
    return texts


def measured(path: Path) -> float:
    """Return the minutes that a lesson's cells take: from the tests' cache, or by running it."""
    cached = sorted(
        (ROOT / ".cache" / "lessons").glob(f"*-{path.name}.json"),
        key=lambda one: one.stat().st_mtime,
    )
    if cached:
        return float(sum(json.loads(cached[-1].read_text())["seconds"].values()) / 60)
    import time

    from nbclient import NotebookClient

    client = NotebookClient(
        nbformat.read(path, as_version=4),
        timeout=600,
        allow_errors=True,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
    )
    began = time.monotonic()
    client.execute()
    return (time.monotonic() - began) / 60


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--run", action="store_true", help="measure the running time")
    wants_measured = parser.parse_args().run
    heads = ("words", "reading", "running", "exercises", "sum", "stated")
    print(f"{'lesson':<42} " + "  ".join(heads))
    for path in lessons():
        one = minutes(path, measured(path) if wants_measured else None)
        print(
            f"{path.stem:<42} {one.words:>5}  {one.reading:>7.1f}  {one.running:>7.1f}  "
            f"{one.exercises:>9}  {one.total:>3.0f}  {one.stated:>6}"
        )


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "notebooks"))
    main()
