"""The command: help on every verb, exit codes that mean something, one sentence for an error."""

import os
import subprocess
import sys

import pytest

from autograder import cli
from autograder.intake.roster import class_list

VERBS = [
    "build",
    "check",
    "release",
    "bundle",
    "submit",
    "collect",
    "grade",
    "watch",
    "feedback",
    "report",
    "similar",
    "validate",
    "translate",
    "history",
    "doctor",
    "demo",
    "term",
]


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the command and return (exit code, stdout, stderr), in this process where it can be.

    As root, some commands give root up for good, which the tests after this one still need.
    """

    def call(*words):
        if words and words[0] in ("grade", "feedback", "similar"):
            command = [sys.executable, "-m", "autograder", *map(str, words)]
            environment = {**os.environ, "COLUMNS": "200"}
            done = subprocess.run(command, capture_output=True, text=True, env=environment)
            return done.returncode, done.stdout, done.stderr
        monkeypatch.setattr(sys, "argv", ["autograder", *map(str, words)])
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = stop.code or 0
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    # rich keeps the stream it was made with; the tests capture another.
    monkeypatch.setattr(cli, "out", cli.Console(soft_wrap=True, highlight=False, width=200))
    monkeypatch.setattr(cli, "err", cli.Console(stderr=True, soft_wrap=True, highlight=False))
    return call


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(run, verb):
    code, out, _err = run(verb, "--help")
    assert code == 0
    assert "Usage:" in out


def test_help_lists_every_verb(run):
    _code, out, _err = run("--help")
    assert all(f"  {verb} " in out for verb in VERBS)


def test_help_is_text_in_a_pipe_too():
    for words in (["--help"], ["grade", "--help"], []):
        command = [sys.executable, "-m", "autograder", *words]
        said = subprocess.run(command, capture_output=True, text=True).stdout
        assert said.startswith("Usage: "), said[:50]
        assert "\n\n" in said


def test_help_does_not_load_what_takes_seconds():
    heavy = "import sys, autograder.cli; print([m for m in ('nbgrader', 'torch', 'nbconvert', 'babel') if m in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", heavy], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


@pytest.fixture
def roster(tmp_path):
    path = tmp_path / "class.csv"
    path.write_bytes("id;first_name\nangel;Ángel\n".encode("cp1252"))
    return path


def test_a_roster_is_told_before_anybody_is_enrolled(run, term, roster):
    words = ["collect", "mini", roster.parent, "--roster", roster, "--course", term.root]
    code, out, _err = run(*words, "--dry-run")
    assert code == 0 and "Windows-1252" in out and "id angel, first_name Ángel" in out
    assert "1 new to the class list" in out and "nothing collected" in out
    assert "angel" not in [person.id for person in class_list(term)]
    _code, out, _err = run(*words)
    assert out.index("first_name Ángel") < out.index("mini: 0 taken")
    assert "angel" in [person.id for person in class_list(term)]
    code, _out, err = run("collect", "mini", roster.parent, "--dry-run", "--course", term.root)
    assert code == 2 and "--roster" in err


@pytest.mark.parametrize("answer", [True, False])
def test_at_a_terminal_a_roster_is_asked_about(run, term, roster, monkeypatch, answer):
    asked = []
    monkeypatch.setattr(cli, "out", cli.Console(force_terminal=True, soft_wrap=True))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr(cli.typer, "confirm", lambda text, default: asked.append(text) or answer)
    words = ["collect", "mini", roster.parent, "--roster", roster, "--course", term.root]
    code, _out, _err = run(*words)
    assert len(asked) == 1 and code == 1
    assert ("angel" in [person.id for person in class_list(term)]) == answer
    run(*words)
    assert len(asked) == (1 if answer else 2)  # what changes nothing is not asked about


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["grade", "nix"], "There is no assignment 'nix'; choose one of: mini."),
        (["grade", "mini"], "run `autograder collect mini` first"),
        (["feedback", "mini"], "run `autograder grade mini`"),
        (["release", "mini", "--language", "fr"], "choose one of: en, ko"),
        (["release", "../mini"], "There is no assignment"),
        (["release", "mini", "--due", "soon"], "--due 'soon': it isn't a date that can be read"),
        (["release", "mini", "--due", "2025-03-14 IST"], "IST could be several"),
        (["collect", "mini", "--received", "1.3.2025"], "--received '1.3.2025': it isn't a date"),
        (["translate", "gone.ipynb", "--to", "ko"], "doesn't exist"),
        (["translate", "gone.ipynb"], "Say which language"),
    ],
)
def test_an_error_is_one_sentence_and_code_2(run, term, words, says):
    code, out, err = run(*words, "--course", term.root)
    assert code == 2
    assert says in err
    assert err.count("\n") == 1
    assert "Traceback" not in out + err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nix"], "No such command 'nix'"),
        (["submit", "quiz.ipynb"], "Missing option '--student' / '-s'"),
        (["grade"], "Missing argument"),
    ],
)
def test_a_wrong_word_is_one_sentence_too(run, words, says):
    code, _out, err = run(*words)
    assert code == 2
    assert says in err and "--help tells what there is." in err
    assert err.count("\n") == 1


def test_the_bare_command_tells_its_verbs(run):
    code, out, _err = run()
    assert code == 2
    assert all(f"  {verb} " in out for verb in VERBS)


def test_ctrl_c_is_said_and_code_130(run, course, monkeypatch):
    def interrupted(_course):
        raise KeyboardInterrupt

    monkeypatch.setattr("autograder.authoring.build.build", interrupted)
    code, _out, err = run("build", "--course", course.root)
    assert code == 130
    assert "stopped; what was finished is kept" in err


def test_a_wrong_course_folder(run, tmp_path):
    code, _out, err = run("build", "--course", tmp_path / "nix")
    assert code == 2
    assert "There is no folder" in err
    code, _out, err = run("build", "--course", tmp_path)
    assert code == 2
    assert "nothing to build" in err


def test_a_busy_gradebook_is_code_3(run, term, kit):
    import sqlite3

    kit.hand_in(term, "a", kit.answered(term))
    connection = sqlite3.connect(term.term / "gradebook.db")
    connection.execute("BEGIN EXCLUSIVE")
    try:
        code, _out, err = run("grade", "mini", "--course", term.root)
    finally:
        connection.close()
    assert code == 3
    assert "in use by another program" in err


def test_a_term_from_the_shell(run, course, kit):
    assert run("build", "--course", course.root)[1] == "Everything was up to date.\n"
    code, out, _err = run("release", "mini", "--due", "2026-12-01 09:00", "--course", course.root)
    assert (code, "mini is released" in out) == (0, True)
    assert "mini is due Tuesday 01 December 2026, 09:00:00 " in out
    kit.hand_in(course, "ada", kit.answered(course, **kit.RIGHT))
    kit.hand_in(course, "ben", kit.answered(course))
    code, out, _err = run("grade", "mini", "--course", course.root)
    assert code == 0
    rows = {line.split("│")[1].strip(): line for line in out.splitlines() if "│" in line}
    assert "6 / 6" in rows["ada"] and "everything passed" in rows["ada"]
    assert "0 / 6" in rows["ben"] and "no answer yet" in rows["ben"]
    code, out, _err = run("feedback", "mini", "--course", course.root)
    assert (code, "2 pages" in out) == (0, True)


def test_check_ends_with_1_when_there_are_problems(run, course):
    (course.release("en") / "mini" / "mini.ipynb").unlink()
    code, out, _err = run("check", "--course", course.root)
    assert code == 1
    assert "release/en/mini/mini.ipynb: isn't built yet" in out
    assert "1 problem." in out


def test_similar_submissions_by_the_command(run, term, kit):
    for student in ("a", "b"):
        kit.hand_in(term, student, kit.answered(term, **kit.RIGHT))
    code, out, err = run("similar", "mini", "--course", term.root, "--language", "ko")
    assert code == 0, err
    assert "0 pairs of similar submissions among 2 students" in out and "not proof" in out
    page = term.term / "reports" / "mini-similar.html"
    assert str(page) in out and '<html lang="ko">' in page.read_text("utf-8")
    code, _out, err = run("similar", "nix", "--course", term.root)
    assert code == 2 and "no assignment 'nix'" in err
