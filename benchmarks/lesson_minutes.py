"""How long each lesson takes a learner, by its parts, beside the minutes that it states.

    python benchmarks/lesson_minutes.py          running time as the lessons state it
    python benchmarks/lesson_minutes.py --run    running time as measured: from the outcomes in
                                                 .cache/lessons, else by running the lesson

Reading counts the English prose at 200 words a minute; code, formulas and links aren't words. An
exercise counts the minutes that it states, a prediction, an "Apply it" question and a question of
the self-check one minute each. What is labeled optional counts only in the last two columns: a
section whose heading begins with "Optional:", a fold whose summary does, and an exercise whose line
does ("*Optional. Difficulty: …"), whose text is read all the same.
"""

from __future__ import annotations

import argparse
import importlib
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
_STATED = re.compile(
    r"\*\*Time:\*\* (?:about )?(\d+) minutes(?:, (\d+) with the optional parts)?(?= ·|\n|$)"
)
_EXERCISE = re.compile(r"^\*(Optional\. )?Difficulty: .*?About (\d+) minutes?", re.MULTILINE)
_QUESTION = re.compile(r"\*\*(?:Predict|Think first|Transfer|Apply it)\b")
_RUNS = re.compile(r"\*\*Runs:\*\*([^\n·]*)")
_SELF_CHECK_MODULE = re.compile(r"from beyond\.(\w+) import self_check$", re.MULTILINE)
_SELF_CHECK_SHOWN = re.compile(r"SelfCheck\(self_check\.(\w+)\(\)\)")


@dataclass(frozen=True)
class Minutes:
    """What a lesson takes, in minutes.

    Attributes:
        words: of prose.
        running: of its cells, as stated or measured.
        exercises: as each exercise states them.
        questions: predictions, "Apply it" questions and questions of the self-check, a minute each.
        stated: in the title cell; 0 if it states none in the usual form.
    """

    words: int
    running: float
    exercises: int
    questions: int
    stated: int

    @property
    def reading(self) -> float:
        """Return the minutes of reading."""
        return self.words / WORDS_PER_MINUTE

    @property
    def total(self) -> float:
        """Return the sum of the parts."""
        return self.reading + self.running + self.exercises + self.questions


def lessons() -> list[Path]:
    """Return the lessons' English notebooks, without appendices, which nobody has to read."""
    return sorted(LESSONS.glob("[0-9]*.ipynb"))


def minutes(path: Path, running: float | None = None, *, optional: bool = False) -> Minutes:
    """Return what a lesson takes.

    Args:
        path: its notebook.
        running: the measured minutes of its cells; None for what its title states.
        optional: count what is labeled optional too.
    """
    notebook = nbformat.read(path, as_version=4)
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    prose = "\n\n".join(cells)
    if not optional:
        prose = without_optional(prose)
    needed, with_optional = stated(cells[0])
    return Minutes(
        words=count_words(prose),
        running=stated_running(cells[0]) if running is None else running,
        exercises=sum(took for extra, took in exercises(prose) if optional or not extra),
        questions=count_questions(prose) + count_self_check(code),
        stated=with_optional if optional else needed,
    )


def stated(title: str) -> tuple[int, int]:
    """Return the minutes that a title states, without and with its optional parts; 0 if none."""
    found = _STATED.search(title)
    return (int(found[1]), int(found[2] or found[1])) if found else (0, 0)


def exercises(text: str) -> list[tuple[bool, int]]:
    """Return for each exercise in a text whether it is optional, and the minutes that it states."""
    return [(bool(optional), int(took)) for optional, took in _EXERCISE.findall(text)]


def count_questions(text: str) -> int:
    """Return the number of predictions and "Apply it" questions in a text."""
    return len(_QUESTION.findall(text))


def count_self_check(code: str) -> int:
    """Return the number of questions in the self-check that a lesson's code shows."""
    module, shown = _SELF_CHECK_MODULE.search(code), _SELF_CHECK_SHOWN.search(code)
    if not (module and shown):
        return 0
    own = importlib.import_module(f"beyond.{module[1]}.self_check")
    return len(getattr(own, shown[1])())


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


def measured(path: Path) -> float:
    """Return the minutes that a lesson's cells take: as kept, or by running it."""
    from tools import lesson_store

    lesson = lesson_store.Lesson(path.stem)
    return lesson.outcome().seconds / 60


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--run", action="store_true", help="measure the running time")
    wants_measured = parser.parse_args().run
    heads = ("words", "reading", "running", "exercises", "questions", "sum", "stated")
    print(f"{'lesson':<42} " + "  ".join(heads) + "  with optional  stated")
    for path in lessons():
        running = measured(path) if wants_measured else None
        one, everything = minutes(path, running), minutes(path, running, optional=True)
        print(
            f"{path.stem:<42} {one.words:>5}  {one.reading:>7.1f}  {one.running:>7.1f}  "
            f"{one.exercises:>9}  {one.questions:>9}  {one.total:>3.0f}  {one.stated:>6}  "
            f"{everything.total:>13.0f}  {everything.stated:>6}"
        )


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "notebooks")]
    main()
