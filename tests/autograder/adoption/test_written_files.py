"""What a student's code writes lies beside the graded notebook: data, and nothing of hidden runs."""

from .conftest import answer, checking, plain

_WRITES = """
import os
from pathlib import Path
for name in ("table.csv", "figures/curve.png", "helper.py", "page.html", "timestamp.txt", ".x.txt"):
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).write_text("made")
Path("data.txt").write_text("changed")
Path("mine.txt").write_text("changed")
os.symlink("/etc/passwd", "link.txt")
os.chdir("figures")
"""
_NOTES_CALLS = """
def double(x):
    with open("/tmp/calls.txt", "a") as file: file.write(f"{x}\\n")
    with open(FOLDER / "calls.txt", "a") as file: file.write(f"{x}\\n")
    return 2 * x
"""


def _course(ordinary):
    hidden = "### BEGIN HIDDEN TESTS\nassert double(4242) == 8484\n### END HIDDEN TESTS"
    cells = [
        plain("from pathlib import Path\nFOLDER = Path.cwd()"),
        answer("a1", "def double(x):\n    return 2 * x"),
        checking("t1", f"assert double(7) == 14\n{hidden}"),
    ]
    ordinary.source("ps1", "p1", cells)
    (ordinary.root / "source/ps1/data.txt").write_text("given")
    ordinary.run("nbgrader", "generate_assignment", "ps1")
    ordinary.hand_in("ada", "ps1", p1={"a1": _WRITES + _NOTES_CALLS})
    (ordinary.root / "submitted/ada/ps1/mine.txt").write_text("handed in")


def _assert_beside_the_notebook(ordinary):
    assert ordinary.scores("ada", "ps1") == {"t1": 1}
    place = ordinary.root / "autograded/ada/ps1"
    names = {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()}
    names = {name for name in names if not name.startswith(".graded")}
    assert names == {
        *("p1.ipynb", "data.txt", "mine.txt", "table.csv", "figures/curve.png", "calls.txt"),
    }
    assert (place / "data.txt").read_text() == "given"
    assert (place / "mine.txt").read_text() == "handed in"
    assert (place / "table.csv").read_text() == "made"
    # Feedback is made of this folder, and hidden tests have called it with 4242.
    assert (place / "calls.txt").read_text() == "7\n"
    assert not (ordinary.root / "submitted/ada/ps1/table.csv").exists()


def test_data_that_code_writes_lies_beside_the_graded_notebook(ordinary):
    _course(ordinary)
    ordinary.run("nbgrader", "autograde", "ps1")
    _assert_beside_the_notebook(ordinary)
    # A notebook that is graded by itself again writes its files anew.
    path = ordinary.root / "submitted/ada/ps1/p1.ipynb"
    path.write_text(path.read_text().replace("made", "made anew"))
    ordinary.run("nbgrader", "autograde", "ps1", "--notebook", "p1", "--force")
    table = ordinary.root / "autograded/ada/ps1/table.csv"
    assert table.read_text() == "made anew"
    path.write_text(path.read_text().replace("made anew", "made"))
    ordinary.run("autograder", "grade", "ps1", "--course", str(ordinary.root))
    _assert_beside_the_notebook(ordinary)
