"""beyond.cost.editor: programs run apart, and a bad one harms nothing."""

import os
import sys
import time

import pytest

from beyond import locale
from beyond.cost.editor import MOST_OUTPUT, Editor, run_program


def test_output_and_errors_come_in_order():
    result = run_program("import sys\nprint('a')\nprint('b', file=sys.stderr)\nprint('c')")
    assert (result.output.split(), result.ok) == (["a", "b", "c"], True)


def test_a_failing_program_shows_its_file_name_and_line():
    result = run_program("print('so far')\n1 / 0\n", "model_selection.py")
    assert not result.ok and result.returncode == 1
    assert result.output.startswith("so far")
    assert "ZeroDivisionError" in result.output
    assert 'model_selection.py", line 2' in result.output


def test_a_looping_program_is_stopped_and_what_it_printed_is_kept():
    result = run_program("print('on', flush=True)\nwhile True: pass", seconds=1)
    assert result.timed_out and not result.ok
    assert result.output.strip() == "on"


def test_a_flood_is_stopped_long_before_the_time_limit():
    result = run_program("while True: print('x' * 1000)", seconds=60)
    assert result.flooded and not result.timed_out
    assert len(result.output) == MOST_OUTPUT


@pytest.mark.skipif(os.name != "posix", reason="process groups")
def test_what_a_program_starts_ends_with_it(tmp_path):
    mark = tmp_path / "alive"
    child = f"import time, pathlib\ntime.sleep(2)\npathlib.Path({str(mark)!r}).touch()"
    result = run_program(
        f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {child!r}])"
    )
    assert result.ok
    time.sleep(2.5)
    assert not mark.exists()


def test_a_program_reads_no_keyboard():
    assert "EOFError" in run_program("input('name? ')", seconds=5).output


def test_same_python_library_and_language():
    locale.set_language("en")
    code = "import sys, beyond.locale as l\nprint(sys.executable)\nprint(l.language(), '한글')"
    assert run_program(code).output.split() == [sys.executable, "en", "한글"]


def test_a_program_speaks_the_language_of_its_notebook():
    assert "ko" in locale.available()
    locale.set_language("ko")
    try:
        assert run_program("from beyond.locale import language\nprint(language())").output == "ko\n"
    finally:
        locale.set_language("en")


def test_the_terminal_starts_ready_and_runs_what_stands_in_the_editor():
    editor = Editor("hello.py", "print('<b>hi</b>')")
    assert "&gt; Ready. Click &quot;Run&quot; to execute." in editor.terminal.value
    assert "bash — 80x24" in editor.terminal.value
    editor.button.click()
    assert "&lt;b&gt;hi&lt;/b&gt;" in editor.terminal.value
    assert "<b>hi" not in editor.terminal.value
    editor.text.value = "print(6 * 7)"
    editor.button.click()
    assert "42" in editor.terminal.value and not editor.button.disabled


def test_the_terminal_says_how_a_bad_program_ended():
    editor = Editor("loop.py", "while True: pass", seconds=1)
    editor.run()
    assert "Stopped after 1 seconds." in editor.terminal.value
    editor.text.value = "raise SystemExit(3)"
    editor.run()
    assert "Ended with an error (exit code 3)." in editor.terminal.value


def test_without_widgets_the_program_is_shown_as_text():
    shown = Editor("hello.py", "print('<')")._repr_mimebundle_()
    assert "print('<')" in shown["text/plain"]
    assert "print(&#x27;&lt;&#x27;)" in shown["text/html"]
    assert "application/vnd.jupyter.widget-view+json" in shown
