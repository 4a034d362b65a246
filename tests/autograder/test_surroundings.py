"""The commands on machines as they are: variables, homes and folders that people have."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell

from autograder.config import Course
from autograder.core import notebook_io
from autograder.errors import UserError

HERE = Path(__file__).resolve().parents[2]
WRONG = {
    "a_answer": 'a = "한글"',
    "double": "def double(x):\n    assert x != 7  # a student's assert counts, too\n    return 2 * x",
}
SETTINGS = {
    "nothing": {},
    "no asserts": {"PYTHONOPTIMIZE": "1"},
    "no docstrings": {"PYTHONOPTIMIZE": "2", "PYTHONDONTWRITEBYTECODE": "1"},
    "strict": {"PYTHONWARNINGS": "error", "PYTHONHASHSEED": "7"},
    "start-up file": {"PYTHONSTARTUP": "{folder}/startup.py"},
    "ascii": {"PYTHONUTF8": "0", "LC_ALL": "C", "LANG": "C", "PYTHONCOERCECLOCALE": "0"},
    "ascii output": {"PYTHONIOENCODING": "ascii"},
    "nowhere": {"HOME": "/nonexistent", "TMPDIR": "/nonexistent", "TZ": "No/Where"},
    "no home": {"HOME": None, "TZ": "Asia/Seoul"},
    "odd folders": {"HOME": "{folder}/한 글 #%'\"", "TMPDIR": "{folder}/한 글 #%'\""},
    "a long folder": {"TMPDIR": "{folder}/" + "x" * 120},
}


def environ(folder: Path, settings: dict[str, str | None]) -> dict[str, str]:
    found = dict(os.environ)
    for name, value in settings.items():
        found.pop(name, None)
        if value is not None:
            found[name] = value.format(folder=folder)
            if value.startswith("{folder}/") and "." not in value:
                Path(found[name]).mkdir(parents=True, exist_ok=True)
    return found


def command(course: Path, *words: object, flags: tuple[str, ...] = (), **how: object):
    how.setdefault("cwd", "/")
    done = subprocess.run(
        [sys.executable, *flags, "-m", "autograder", *map(str, words), "--course", str(course)],
        capture_output=True,
        check=False,
        timeout=300,
        **how,
    )
    text = done.stdout.decode("utf-8"), done.stderr.decode("utf-8")
    assert "Traceback" not in text[1], text[1]
    return done.returncode, *text


@pytest.fixture
def delivered(term, kit, tmp_path):
    """A course, and downloads of somebody who is right and somebody who is wrong."""
    for student, answers in (("ada", kit.RIGHT), ("bob", WRONG)):
        path = tmp_path / "downloads" / student / "mini.ipynb"
        path.parent.mkdir(parents=True)
        path.write_bytes(notebook_io.to_bytes(kit.answered(term, **answers)))
    (tmp_path / "roster.csv").write_text(
        "id,first_name,last_name\nada,민준,김\nbob,Bob,B\n", "utf-8"
    )
    (tmp_path / "startup.py").write_text("x = 1 / 0\n")
    return term


def play(course: Path, downloads: Path, **how: object) -> None:
    """Run the verbs of a term, and compare what they find with what is right."""
    assert command(course, "release", "mini", **how)[0] == 0
    taken = command(
        course, "collect", "mini", downloads, "--roster", downloads.parent / "roster.csv", **how
    )
    assert taken[0] == 0 and "2 taken" in taken[1]
    code, out, err = command(course, "grade", "mini", "--workers", "1", **how)
    assert code == 0, err
    assert "6 / 6" in out and "3 / 6" in out, out
    assert "a is a number" in out and "other numbers" in out
    code, out, err = command(course, "feedback", "mini", **how)
    assert (code, "2 pages" in out) == (0, True), err
    assert command(course, "report", "mini", **how)[0] == 0


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_change_no_grade(delivered, tmp_path, name):
    variables = environ(tmp_path, SETTINGS[name])
    play(delivered.root, tmp_path / "downloads", env=variables)


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_change_nothing_that_validate_says(delivered, tmp_path, name):
    variables = environ(tmp_path, SETTINGS[name])
    mine = tmp_path / "downloads" / "bob" / "mini.ipynb"
    code, out, err = command(delivered.root, "validate", mine, env=variables)
    assert (code, err) == (1, "")
    plain = out.replace("✓", "+").replace("✗", "x")
    assert "x a-test: not passed" in plain and "+ double-test: passed" in plain
    right = tmp_path / "downloads" / "ada" / "mini.ipynb"
    assert command(delivered.root, "validate", right, env=variables)[0] == 0


def test_plain_asserts_run_where_python_leaves_them_out(delivered, kit, tmp_path):
    """Also with -O on the command line, and in a notebook that isn't of the course."""
    metadata = kit.meta("own-test", points=1)
    own = kit.notebook(
        [kit.new_markdown_cell("x"), new_code_cell("assert 1 == 2", metadata=metadata)]
    )
    path = tmp_path / "own.ipynb"
    notebook_io.write(path, own)
    for flags, variables in (((), {"PYTHONOPTIMIZE": "1"}), (("-O",), {}), (("-OO",), {})):
        code, out, _err = command(
            delivered.root, "validate", path, flags=flags, env=environ(tmp_path, variables)
        )
        assert (code, "own-test: not passed" in out) == (1, True), out


def test_checks_say_so_where_python_leaves_asserts_out():
    """In any other kernel, such as that of VS Code."""
    done = subprocess.run(
        [
            sys.executable,
            "-O",
            "-c",
            "from autograder.checks import check\nwith check('x'): assert 0",
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=HERE,
    )
    assert "AssertsLeftOut: Python was told to leave asserts out" in done.stderr


def test_start_up_files_of_ipython_are_not_run(delivered, kit, tmp_path):
    startup = tmp_path / ".ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "00.py").write_text("helper = 21\n")
    path = tmp_path / "mini.ipynb"
    answers = {**kit.RIGHT, "double": "def double(x):\n    return x * helper"}
    path.write_bytes(notebook_io.to_bytes(kit.answered(delivered, **answers)))
    variables = environ(tmp_path, {"HOME": "{folder}"}) | {"IPYTHONDIR": str(tmp_path / ".ipython")}
    code, out, _err = command(delivered.root, "validate", path, env=variables)
    assert code == 1 and "helper" in out


@pytest.mark.parametrize("kind", ["venv", "broken"])
def test_kernels_of_the_user_are_not_asked(delivered, tmp_path, kind):
    """A `python3` of the user's own that starts another Python, or nothing any more."""
    kernel = tmp_path / "jupyter" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    program = {"venv": shutil.which("false"), "broken": "/nonexistent/bin/python"}[kind]
    spec = {"argv": [program, "-f", "{connection_file}"], "display_name": "x", "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps(spec))
    variables = {**os.environ, "JUPYTER_PATH": str(tmp_path / "jupyter")}
    right = tmp_path / "downloads" / "ada" / "mini.ipynb"
    assert command(delivered.root, "validate", right, env=variables)[0] == 0


@pytest.mark.parametrize(
    "above",
    [
        ".local/share/my course",
        "__pycache__/.ipynb_checkpoints",
        "한글 과정/새 폴더",
        "release/source/en",
        "q'uo\"te;a&b#c%d*?",
        "new\nline",
    ],
)
def test_a_course_may_lie_in_any_folder(term, kit, tmp_path, above):
    """Hidden, with spaces, named like what is left out within a course: only what is below counts."""
    folder = tmp_path / above
    folder.mkdir(parents=True)
    term.root.rename(folder / "course")
    (tmp_path / "short").symlink_to(folder, target_is_directory=True)
    downloads = folder / "downloads"
    for student, answers in (("ada", kit.RIGHT), ("bob", WRONG)):
        path = downloads / student / "mini.ipynb"
        path.parent.mkdir(parents=True)
        path.write_bytes(notebook_io.to_bytes(kit.answered(Course(folder / "course"), **answers)))
    (folder / "roster.csv").write_text("id\nada\nbob\n", "utf-8")
    play(tmp_path / "short" / "course", downloads)


@pytest.mark.parametrize(
    "kernel",
    [
        {"name": "venv", "display_name": "venv", "language": "python"},
        {"name": "conda-env-x-py", "display_name": "Python [conda env:x]"},
        {"name": "", "display_name": ""},
        {},
        None,
    ],
)
def test_the_validate_button_runs_a_notebook_of_another_kernel(delivered, tmp_path, kernel):
    """As nbgrader's server extension does it, with the configuration that the launcher sets up."""
    path = tmp_path / "downloads" / "ada" / "mini.ipynb"
    data = json.loads(path.read_bytes())
    data["metadata"].pop("kernelspec")
    if kernel is not None:
        data["metadata"]["kernelspec"] = kernel
    path.write_text(json.dumps(data), "utf-8")
    code = (
        "import sys\n"
        "from nbgrader.server_extensions.validate_assignment.handlers import "
        "ValidateAssignmentHandler as Button\n"
        "from nbgrader.validator import Validator\n"
        "config = Button.load_config(None)\n"
        "print(Validator(config=config).validate(sys.argv[1]))"
    )
    settings = HERE / "env" / "jupyter"
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env={
            **os.environ,
            "PYTHONOPTIMIZE": "1",
            "JUPYTER_CONFIG_PATH": f"{settings / 'student'}{os.pathsep}{settings / 'all'}",
            "AUTOGRADER_COURSE": str(delivered.root),
        },
    )
    assert done.stdout.splitlines()[-1:] == ["{}"], done.stdout + done.stderr


@pytest.mark.parametrize("above", ["a%20b", "autumn [2026]"])
def test_a_folder_that_nbgrader_cannot_work_in_is_a_sentence(tmp_path, above):
    with pytest.raises(UserError, match="rename it, or move the course") as told:
        Course(tmp_path / above).nbgrader_config()
    assert "\n" not in str(told.value)
