"""Make the small class in `tests/data/class/`: what students hand in, as it really comes in.

Run it again after an assignment has changed: `python tests/data/make_class.py`. The answers come
from the solutions in `source/`, so the scores in `class/expected.json` stay as they were
reasoned out by hand: "the first 10 right" is 10 points, whatever the key is.

What the class hands in to `quiz`, by the way it comes in:

| Canvas | |
|---|---|
| ada | everything right |
| ben | 10 right, 6 wrong |
| chloe | 5 right, 3 wrong, 8 not answered; late; handed in again, so the file is `quiz-1.ipynb` |
| dana | untouched |
| emil | an own cell at the top crashes, and q1 needs what it would have made; the rest is right |
| finn | an own cell after q4 ends the Python process; the rest is right |
| gina | q3 loops for ever; the rest is right |
| hana | everything right, every test cell deleted |
| jisoo | the Korean notebook, 14 right |
| nobody | a file of somebody who isn't in the class |

| Moodle | |
|---|---|
| kai | `quiz (1).ipynb`, 12 right |
| minjun | `퀴즈_김민준.ipynb` with decomposed Hangul, 13 right |
| seoyeon | a zip with CP949 names, 11 right |
| leo | saved from VS Code, 15 right |
| mina | saved from Colab, 14 right |

| a folder | |
|---|---|
| noah | everything right, each answer in a new cell below the empty stub |
| olga | the same notebook twice, 9 right |
| pia | two versions: `quiz.ipynb` with 6 right, `quiz (1).ipynb` with 15 |
| quin | the test cell of q2 twice, 8 right |
| rosa | a file that was cut off |
| sam | packed by `autograder submit`, everything right |
| tom | sam's zip, handed in as his own |

To `cost-formula`, by Canvas: ada everything right; ben `call_cost` only; chloe `call_cost`
without refusing bad numbers; dana untouched; jisoo everything right, in Korean; leo everything
right but a break-even that divides without looking, from VS Code.

To `moe-gate`, by Canvas: ada everything right, with a written answer; ben the first two functions;
chloe everything right but a second softmax where the k weights should be divided by their sum;
dana untouched; jisoo everything right, in Korean.
"""

from __future__ import annotations

import calendar
import copy
import csv
import hashlib
import io
import json
import re
import struct
import sys
import unicodedata
import zipfile
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

ROOT = Path(__file__).resolve().parents[2]
CLASS = Path(__file__).resolve().parent / "class"
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from autograder.authoring.build import released_notebook  # noqa: E402 - found by the path set above
from autograder.config import Course  # noqa: E402 - found by the path set above
from autograder.core import notebook_io  # noqa: E402 - found by the path set above
from autograder.core.receipts import make_receipt  # noqa: E402 - found by the path set above

ROSTER = [
    # id, first name, last name, e-mail, the LMS's user id
    ("ada", "Ada", "Lovelace", "ada@example.org", "1001"),
    ("ben", "Ben", "Okafor", "ben@example.org", "1002"),
    ("chloe", "Chloé", "Martin", "chloe@example.org", "1003"),
    ("dana", "Dana", "Levi", "dana@example.org", "1004"),
    ("emil", "Emil", "Novák", "emil@example.org", "1005"),
    ("finn", "Finn", "O'Brien", "finn@example.org", "1006"),
    ("gina", "Gina", "Rossi", "gina@example.org", "1007"),
    ("hana", "Hana", "Suzuki", "hana@example.org", "1008"),
    ("jisoo", "지수", "박", "jisoo@example.org", "1009"),
    ("kai", "Kai", "Larsen", "kai@example.org", "1010"),
    ("minjun", "민준", "김", "minjun@example.org", "1011"),
    ("seoyeon", "서연", "이", "seoyeon@example.org", "1012"),
    ("leo", "Leo", "Dubois", "leo@example.org", "1013"),
    ("mina", "Mina", "Haddad", "mina@example.org", "1014"),
    ("noah", "Noah", "Smith", "noah@example.org", "1015"),
    ("olga", "Olga", "Petrova", "olga@example.org", "1016"),
    ("pia", "Pia", "Weber", "pia@example.org", "1017"),
    ("quin", "Quin", "Taylor", "quin@example.org", "1018"),
    ("rosa", "Rosa", "García", "rosa@example.org", "1019"),
    ("sam", "Sam", "Nguyen", "sam@example.org", "1020"),
    ("tom", "Tom", "Müller", "tom@example.org", "1021"),
]
ON_TIME = datetime(2025, 3, 12, 9, 30, 0, tzinfo=UTC)
LATE = datetime(2025, 3, 16, 21, 5, 0, tzinfo=UTC)


# Answering -----------------------------------------------------------------------------------


def release(assignment: str, language: str = "en") -> NotebookNode:
    """The notebook as a student gets it, made from the source notebook (`release/` may lag behind)."""
    return notebook_io.copied(_release(assignment, language))


@cache
def _release(assignment: str, language: str) -> NotebookNode:
    source_notebook = ROOT / "source" / language / assignment / f"{assignment}.ipynb"
    return released_notebook(Course(ROOT), notebook_io.read(source_notebook), assignment)


def solutions(assignment: str) -> dict[str, str]:
    """The answer cells as a student who is right would write them, by cell."""
    source = notebook_io.read(ROOT / "source" / "en" / assignment / f"{assignment}.ipynb")
    return {
        cell.id: _without_marks(cell.source)
        for cell in source.cells
        if notebook_io.is_solution(cell)
    }


def _without_marks(source: str) -> str:
    # Who isn't in the class list when the assignment is released has the author's order of options.
    source = re.sub(r'"ABCD"\[mine\["q\d+_order"\]\.index\(("[A-D]")\)\]', r"\1", source)
    lines = [line for line in source.split("\n") if not re.match(r"\s*### (BEGIN|END) ", line)]
    # "q1 = None" stood before the solution so that the cell runs without an answer.
    if re.fullmatch(r"q\d+ = None", lines[0]) and len(lines) > 1:
        del lines[0]
    return "\n".join(lines)


def questions() -> list[str]:
    """The answer cells of the quiz in their order."""
    return [cell.id for cell in release("quiz").cells if notebook_io.is_solution(cell)]


def wrong(answer: str) -> str:
    """Another letter than the right one."""
    letter = answer.split('"')[1]
    return answer.replace(f'"{letter}"', f'"{"BCDA"["ABCD".index(letter)]}"')


def quiz(right: int, language: str = "en", unanswered: int = 0) -> NotebookNode:
    """A quiz with the first `right` answers right, the last `unanswered` left alone."""
    notebook = release("quiz", language)
    key, names = solutions("quiz"), questions()
    for number, name in enumerate(names):
        if number < len(names) - unanswered:
            cell(notebook, name).source = key[name] if number < right else wrong(key[name])
    return notebook


def cell(notebook: NotebookNode, name: str) -> NotebookNode:
    """The cell of that id."""
    return next(one for one in notebook.cells if one.id == name)


def insert(notebook: NotebookNode, after: str, source: str, name: str) -> None:
    """Put a code cell of the student's own after the cell `after`."""
    place = [one.id for one in notebook.cells].index(after)
    notebook.cells.insert(place + 1, new_code_cell(source, id=name))


def ran(notebook: NotebookNode) -> NotebookNode:
    """With the numbers that running every cell leaves behind."""
    number = 0
    for one in notebook.cells:
        if one.cell_type == "code":
            number += 1
            one.execution_count = number
    return notebook


def crashing() -> NotebookNode:
    notebook = quiz(16)
    insert(notebook, "imports", "import my_notes  # only on Emil's own machine", "my-notes")
    cell(notebook, "q1-answer").source = "q1 = my_notes.best_answer"
    return notebook


def exiting() -> NotebookNode:
    notebook = quiz(16)
    insert(notebook, "q4-test", "import os\n\nos._exit(0)", "leave")
    return notebook


def looping() -> NotebookNode:
    notebook = quiz(16)
    cell(notebook, "q3-answer").source = "while True:\n    pass"
    return notebook


def without_tests() -> NotebookNode:
    notebook = quiz(16)
    notebook.cells = [one for one in notebook.cells if not notebook_io.is_test(one)]
    return notebook


def answers_below() -> NotebookNode:
    notebook = release("quiz")
    for name in questions():
        insert(notebook, name, solutions("quiz")[name], f"my-{name}")
    return notebook


def doubled_test() -> NotebookNode:
    notebook = quiz(8)
    place = [one.id for one in notebook.cells].index("q2-test")
    twin = copy.deepcopy(notebook.cells[place])
    twin.id = "q2-test-again"  # JupyterLab gives a pasted cell a new id and keeps its metadata
    notebook.cells.insert(place + 1, twin)
    return notebook


CALL_COST_UNGUARDED = """\
def call_cost(input_tokens, output_tokens, input_price, output_price):
    return (input_tokens * input_price + output_tokens * output_price) / 1_000_000"""

BREAK_EVEN_UNGUARDED = """\
def break_even_calls(fixed_cost, cost_before, cost_after):
    for number in (fixed_cost, cost_before, cost_after):
        if not math.isfinite(number) or number < 0:
            raise ValueError("costs must be finite and not negative")
    return fixed_cost / (cost_before - cost_after)"""


TOP_K_SOFTMAX_AGAIN = """\
def top_k(probabilities, k, renormalize=True):
    weights, chosen = torch.topk(probabilities, k, dim=-1)
    if renormalize:
        weights = torch.softmax(weights, dim=-1)
    return weights, chosen"""


def cost_formula(language: str = "en", **answers: str | None) -> NotebookNode:
    """The cost formula with these answers: None for the right one, else the text of it."""
    return answered("cost-formula", language, answers)


def moe_gate(language: str = "en", **answers: str | None) -> NotebookNode:
    """The gate of a mixture of experts, in the same way."""
    return answered("moe-gate", language, answers)


def answered(assignment: str, language: str, answers: dict[str, str | None]) -> NotebookNode:
    """An assignment with these answers: None for the right one, else the text of it."""
    notebook = release(assignment, language)
    for name, text in answers.items():
        name = name.replace("_", "-")
        cell(notebook, name).source = text or solutions(assignment)[name]
    return notebook


EVERYTHING = {"call_cost": None, "monthly_cost": None, "break_even": None, "tornado": None}
WHOLE_GATE = dict.fromkeys(
    ("gate", "top_k", "mixture", "balance_loss", "capacity", "layer", "words")
)


# What programs write ------------------------------------------------------------------------------


def as_jupyterlab(notebook: NotebookNode) -> bytes:
    """Format 4.5 as JupyterLab 4 saves it: its kernel's full name, one space, a newline."""
    data = json.loads(nbformat.writes(notebook, 4))
    data["metadata"]["kernelspec"]["display_name"] = "Python 3 (ipykernel)"
    data["metadata"]["language_info"] = language_info("3.11.9")
    data["nbformat_minor"] = 5
    return (json.dumps(data, indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode("utf-8")


def language_info(version: str) -> dict:
    """What the Python kernel says of itself, in the order of the keys that editors keep."""
    return {
        "codemirror_mode": {"name": "ipython", "version": 3},
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "nbconvert_exporter": "python",
        "pygments_lexer": "ipython3",
        "version": version,
    }


def as_vscode(notebook: NotebookNode) -> bytes:
    """As VS Code saves a notebook that it made itself: format 4.2, so cells without ids.

    One space of indent, no newline at the end, the chosen environment as kernel, the language
    of a cell in its metadata where it was picked by hand, the interpreter's hash.
    """
    cells = []
    for one in ran(notebook).cells:
        entry = {"cell_type": one.cell_type}
        if one.cell_type == "code":
            entry["execution_count"] = one.execution_count
        entry["metadata"] = json.loads(json.dumps(one.metadata))
        if one.id == "language":
            entry["metadata"]["vscode"] = {"languageId": "python"}
        if one.cell_type == "code":
            entry["outputs"] = []
        entry["source"] = one.source.splitlines(keepends=True)
        cells.append(entry)
    data = {
        "cells": cells,
        "metadata": {
            "kernelspec": {
                "display_name": ".venv (3.12.3)",
                "language": "python",
                "name": "python3",
            },
            "language_info": language_info("3.12.3"),
            "orig_nbformat": 4,
            "vscode": {"interpreter": {"hash": hashlib.sha256(b"/usr/bin/python3").hexdigest()}},
        },
        "nbformat": 4,
        "nbformat_minor": 2,
    }
    return json.dumps(data, indent=1, ensure_ascii=False).encode("utf-8")


def as_colab(notebook: NotebookNode) -> bytes:
    """As Colab saves: format 4.0, no ids of cells but `metadata.id`, its own notebook metadata.

    Two spaces of indent, the keys of a cell in Colab's order, an output's id in the metadata
    of cells that have run, all other notebook metadata gone.
    """
    cells = []
    for number, one in enumerate(ran(notebook).cells):
        mark = hashlib.sha256(f"colab {number}".encode()).hexdigest()
        metadata = json.loads(json.dumps(one.metadata))
        metadata["id"] = mark[:12]
        entry = {
            "cell_type": one.cell_type,
            "source": one.source.splitlines(keepends=True),
            "metadata": metadata,
        }
        if one.cell_type == "code":
            entry["execution_count"] = one.execution_count
            entry["outputs"] = []
            if notebook_io.is_test(one):
                metadata["colab"] = {"base_uri": "https://localhost:8080/"}
                metadata["outputId"] = "-".join(
                    (mark[12:20], mark[20:24], mark[24:28], mark[28:32], mark[32:44])
                )
                entry["outputs"] = [
                    {
                        "output_type": "stream",
                        "name": "stderr",
                        "text": ["Not answered yet: nothing, all is well.\n"],
                    }
                ]
        cells.append(entry)
    data = {
        "nbformat": 4,
        "nbformat_minor": 0,
        "metadata": {
            "colab": {"provenance": [], "gpuType": "T4", "toc_visible": True},
            "kernelspec": {"name": "python3", "display_name": "Python 3"},
            "language_info": {"name": "python"},
            "accelerator": "GPU",
        },
        "cells": cells,
    }
    return json.dumps(data, indent=2, ensure_ascii=False).encode("utf-8")


# What an LMS packs ------------------------------------------------------------------------------


class _Info(zipfile.ZipInfo):
    """An entry whose name is written as these bytes, without the UTF-8 flag, if given."""

    raw: bytes | None = None

    def _encodeFilenameFlags(self):  # zipfile's own name
        if self.raw is None:
            return super()._encodeFilenameFlags()
        return self.raw, self.flag_bits & ~0x800


def zipped(files: list[tuple[str | bytes, bytes, datetime]]) -> bytes:
    """A zip, stored without compression so that every machine makes the same bytes."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, content, time in files:
            shown = name if isinstance(name, str) else "x" * len(name)
            info = _Info(shown, time.timetuple()[:6])
            if isinstance(name, bytes):
                info.raw = name
            else:
                # The exact time in UTC, as Info-ZIP and its like add it.
                seconds = calendar.timegm(time.timetuple())
                info.extra = struct.pack("<HHBl", 0x5455, 5, 1, seconds)
            info.create_system = 3
            info.external_attr = 0o100644 << 16
            archive.writestr(info, content)
    return target.getvalue()


def canvas_name(student: str, file_id: int, name: str, late: bool = False) -> str:
    """As Canvas names a file in a bulk download."""
    _, first, last, _, number = next(row for row in ROSTER if row[0] == student)
    owner = re.sub(r"\W|_", "", f"{last}{first}").lower()
    return "_".join([owner, *(["LATE"] if late else []), number, str(file_id), name])


def moodle_name(student: str, number: int, name: str) -> str:
    """As Moodle names a file in a bulk download with folders."""
    _, first, last, _, _ = next(row for row in ROSTER if row[0] == student)
    return f"{first} {last}_{number}_assignsubmission_file_/{name}"


def own_zip(assignment: str, student: str, notebook: bytes) -> bytes:
    """As `autograder submit` packs it, but stored."""
    files = {f"{assignment}.ipynb": notebook}
    receipt = make_receipt(assignment, student, ON_TIME, files)
    text = json.dumps(receipt, ensure_ascii=False, indent=1) + "\n"
    files["receipt.json"] = text.encode("utf-8")
    return zipped([(name, content, ON_TIME) for name, content in files.items()])


def quiz_canvas() -> bytes:
    entries = [
        ("ada", quiz(16)),
        ("ben", quiz(10)),
        ("dana", release("quiz")),
        ("emil", crashing()),
        ("finn", exiting()),
        ("gina", looping()),
        ("hana", without_tests()),
        ("jisoo", quiz(14, "ko")),
    ]
    files: list = [
        (canvas_name(student, 50_001 + number, "quiz.ipynb"), as_jupyterlab(notebook), ON_TIME)
        for number, (student, notebook) in enumerate(entries)
    ]
    late = canvas_name("chloe", 50_020, "quiz-1.ipynb", late=True)
    files.append((late, as_jupyterlab(quiz(5, unanswered=8)), LATE))
    files.append(("nobodyknown_9999_50030_quiz.ipynb", as_jupyterlab(quiz(3)), ON_TIME))
    return zipped(files)


def quiz_moodle() -> bytes:
    decomposed = unicodedata.normalize("NFD", "퀴즈_김민준.ipynb")
    thanks = "감사합니다.\r\n".encode("cp949")
    windows_zip = zipped(
        [
            ("퀴즈/퀴즈_이서연.ipynb".encode("cp949"), as_jupyterlab(quiz(11)), ON_TIME),
            ("퀴즈/읽어주세요.txt".encode("cp949"), thanks, ON_TIME),
        ]
    )
    files = [
        (moodle_name("kai", 71, "quiz (1).ipynb"), as_jupyterlab(quiz(12)), ON_TIME),
        (moodle_name("minjun", 72, decomposed), as_jupyterlab(quiz(13)), ON_TIME),
        (moodle_name("seoyeon", 73, "퀴즈.zip"), windows_zip, ON_TIME),
        (moodle_name("leo", 74, "quiz.ipynb"), as_vscode(quiz(15)), ON_TIME),
        (moodle_name("mina", 75, "quiz.ipynb"), as_colab(quiz(14)), ON_TIME),
    ]
    return zipped(files)


def quiz_folder() -> dict[str, bytes]:
    packed_by_sam = own_zip("quiz", "sam", as_jupyterlab(quiz(16)))
    return {
        "noah/quiz.ipynb": as_jupyterlab(answers_below()),
        "olga/quiz.ipynb": as_jupyterlab(quiz(9)),
        "olga/quiz-1.ipynb": as_jupyterlab(quiz(9)),
        "pia/quiz.ipynb": as_jupyterlab(quiz(6)),
        "pia/quiz (1).ipynb": as_jupyterlab(quiz(15)),
        "quin/quiz.ipynb": as_jupyterlab(doubled_test()),
        "rosa/quiz.ipynb": as_jupyterlab(quiz(16))[:9_000],
        "sam/quiz-sam-20250312T093000Z.zip": packed_by_sam,
        "tom/quiz-tom-20250312T093500Z.zip": packed_by_sam,
    }


def cost_formula_canvas() -> bytes:
    entries = [
        ("ada", as_jupyterlab(cost_formula(**EVERYTHING))),
        ("ben", as_jupyterlab(cost_formula(call_cost=None))),
        ("chloe", as_jupyterlab(cost_formula(call_cost=CALL_COST_UNGUARDED))),
        ("dana", as_jupyterlab(release("cost-formula"))),
        ("jisoo", as_jupyterlab(cost_formula("ko", **EVERYTHING))),
        ("leo", as_vscode(cost_formula(**{**EVERYTHING, "break_even": BREAK_EVEN_UNGUARDED}))),
    ]
    return zipped(
        [
            (canvas_name(student, 60_001 + number, "cost-formula.ipynb"), content, ON_TIME)
            for number, (student, content) in enumerate(entries)
        ]
    )


def moe_gate_canvas() -> bytes:
    entries = [
        ("ada", moe_gate(**WHOLE_GATE)),
        ("ben", moe_gate(gate=None, top_k=None)),
        ("chloe", moe_gate(**{**WHOLE_GATE, "top_k": TOP_K_SOFTMAX_AGAIN})),
        ("dana", release("moe-gate")),
        ("jisoo", moe_gate("ko", **WHOLE_GATE)),
    ]
    return zipped(
        [
            (canvas_name(student, 70_001 + number, "moe-gate.ipynb"), as_jupyterlab(work), ON_TIME)
            for number, (student, work) in enumerate(entries)
        ]
    )


def roster() -> bytes:
    """The class list as Excel writes it: with a byte order mark and CRLF."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["id", "first_name", "last_name", "email", "lms_user_id"])
    writer.writerows(ROSTER)
    return text.getvalue().encode("utf-8-sig")


def planned() -> dict[str, bytes]:
    """Every file of the class, by its path in `class/`."""
    return {
        "roster.csv": roster(),
        "quiz-canvas.zip": quiz_canvas(),
        "quiz-moodle.zip": quiz_moodle(),
        **{f"quiz-folder/{name}": content for name, content in quiz_folder().items()},
        "cost-formula-canvas.zip": cost_formula_canvas(),
        "moe-gate-canvas.zip": moe_gate_canvas(),
    }


def main() -> None:
    """Write the class."""
    for name, content in planned().items():
        path = CLASS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


if __name__ == "__main__":
    main()
