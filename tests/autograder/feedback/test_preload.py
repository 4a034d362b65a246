"""A page's process loads nothing once it has read a student's work: it may not be allowed to."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]

WATCHED = """
import sys
from multiprocessing import Pipe
from pathlib import Path

import nbformat.v4 as v4
from autograder.config import Course
from autograder.feedback import page_worker
from autograder.feedback.grades import CellGrade, Grades
from autograder.feedback.job import PageJob
from autograder.feedback.plan import PagePlan

opened = []

def watch():
    sys.addaudithook(
        lambda event, given: opened.append(f"{event} {given[0]}")
        if event in ("open", "import", "os.listdir", "os.scandir", "glob.glob") else None
    )

course = Course(Path(sys.argv[1]))
page_worker._silence_standard_streams = page_worker._limit_resources = lambda: None
page_worker._give_up_rights = watch
path = Path(sys.argv[2])
grades = Grades(None, None, 0.0, 0.0, {"a": CellGrade(1.0, 2.0, False, True)}, {"a": "*hm*"})
plans = {"en": PagePlan(((None, v4.new_markdown_cell("why")),), frozenset("a"))}
there, here = Pipe()
import threading
from autograder import i18n
received = []
reader = threading.Thread(target=lambda: received.extend(there.recv_bytes() for _one in "pw"))
reader.start()
job = PageJob("s", "m", "m", path, grades, plans, explain=sys.argv[3] == "1", texts=i18n.domains())
page_worker.run(job, here)
reader.join(30)
seen = list(opened)
assert [one[:1] for one in received] == [b"p", b"w"], received
print("\\n".join(seen))
"""


def everything():
    """A notebook with more kinds of things than the one that is rendered beforehand."""
    from nbformat import v4

    code = "".join(f"```{lexer}\nx = 1\n```\n\n" for lexer in ("python", "sql", "json", "console"))
    plotly = {"application/vnd.plotly.v1+json": {}, "text/html": "<script>1</script>"}
    outputs = [
        v4.new_output("display_data", data=data)
        for data in (
            plotly,
            {"text/html": "<math><mi>a</mi></math><a href='javascript:1'>b</a>"},
            {"text/latex": r"\begin{pmatrix}1&2\\3&4\end{pmatrix} \mathbb{R} \text{한}"},
            {"application/json": {"a": 1}},
            {"text/plain": "a" * 100_000},
        )
    ]
    return v4.new_notebook(
        cells=[
            v4.new_markdown_cell(
                code + r"$\mathcal{L}$ [a][b] ~~c~~ - [ ] d" + "\n\n[b]: https://x"
            ),
            v4.new_code_cell(
                "async def f():\n    return await 1  # 한글 \N{BANANA}", outputs=outputs
            ),
        ],
        metadata={
            "kernelspec": {"name": "julia-1.9", "display_name": "Julia"},
            "language_info": {"name": "julia"},
        },
    )


@pytest.mark.parametrize("explained", ["0", "1"])
def test_nothing_is_opened_after_the_rights_are_gone(tmp_path, explained):
    path = tmp_path / "graded.ipynb"
    path.write_text(json.dumps(everything()), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, str(ROOT), str(path), explained],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stdout + done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has folders that it alone may enter")
def test_a_course_in_a_folder_of_roots_gets_whole_pages(term, kit, tmp_path):
    kit.hand_in(term, "ada", kit.answered(term, "ko", **kit.RIGHT))
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    for package in ("autograder", "notebooks/beyond"):
        shutil.copytree(
            ROOT / package, home / package, ignore=shutil.ignore_patterns("__pycache__", "*.onnx")
        )
    shutil.copy(ROOT / "pyproject.toml", home)
    shutil.copytree(term.root, home / "term-course", symlinks=True)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(home), str(home / "notebooks")]),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    for command in ("grade", "feedback"):
        done = subprocess.run(
            [
                *(sys.executable, "-m", "autograder", command, "mini"),
                *("--course", str(home / "term-course")),
            ],
            cwd=home,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    (page,) = (home / "term-course").rglob("feedback/ada/mini/mini.html")
    assert "6 / 6" in page.read_text("utf-8")
