"""Edit and run a small program in a lesson: an editor, a Run button, and a terminal below.

The program runs in a process of its own, with the notebook's Python, a time limit and a limit
on its output, so a program that fails, loops or floods the screen can't disturb the lesson.
"""

from __future__ import annotations

import html
import os
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

import ipywidgets

from beyond import locale
from beyond.locale import _
from beyond.ui.widgets import PlainBox

SECONDS = 10.0
"""How long a program may run."""

MOST_OUTPUT = 64 * 1024
"""The most bytes of output that are kept; a program that prints more is stopped."""

_LIBRARY = Path(__file__).parents[2]  # so that a program can import beyond wherever it runs


@dataclass(frozen=True)
class Result:
    """How a program ended."""

    output: str
    """What it printed, errors included, in the order in which it came."""
    returncode: int
    timed_out: bool = False
    flooded: bool = False

    @property
    def ok(self) -> bool:
        """Whether it ran to its end without an error."""
        return self.returncode == 0 and not self.timed_out and not self.flooded


def run_program(text: str, name: str = "program.py", seconds: float = SECONDS) -> Result:
    """Run `text` as a Python program in a process of its own and wait for its end.

    Args:
        text: the program.
        name: its file name, as shown in error messages.
        seconds: after which it is stopped.
    """
    with tempfile.TemporaryDirectory(prefix="beyond-") as folder:
        (Path(folder) / name).write_text(text, encoding="utf-8")
        return _run([sys.executable, "-X", "utf8", "-u", name], folder, seconds)


def _run(command: list[str], folder: str, seconds: float) -> Result:
    environment = os.environ | {
        "AUTOGRADER_LANGUAGE": locale.language(),
        "PYTHONPATH": os.pathsep.join(
            [str(_LIBRARY), *filter(None, [os.environ.get("PYTHONPATH")])]
        ),
    }
    # Its own process group, so that child processes end with the program.
    program = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=os.name == "posix",
    )
    output_pipe = program.stdout
    assert output_pipe is not None  # it was asked for above
    kept, flooded = bytearray(), threading.Event()

    def read() -> None:
        while chunk := os.read(output_pipe.fileno(), 8192):
            kept.extend(chunk)
            if len(kept) > MOST_OUTPUT:
                flooded.set()
                _stop(program)
                return

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    timed_out = False
    try:
        program.wait(seconds)
    except subprocess.TimeoutExpired:
        timed_out = True
    finally:
        _stop(program)  # also ends what it left running, and runs when the reader is interrupted
        program.wait()
        reader.join(timeout=2)
        output_pipe.close()
    output = bytes(kept[:MOST_OUTPUT]).decode("utf-8", errors="replace")
    return Result(output, program.returncode, timed_out and not flooded.is_set(), flooded.is_set())


def _stop(program: subprocess.Popen) -> None:
    try:
        if os.name == "posix":
            os.killpg(program.pid, signal.SIGKILL)
        else:
            program.kill()
    except (ProcessLookupError, PermissionError):
        pass  # it has ended already


class Editor(PlainBox):
    """A program to edit, a Run button, and a terminal that shows what running it printed.

    Args:
        name: the program's file name.
        text: the program to begin with.
        seconds: how long a run may take.

    Tab leaves the text for the Run button, so everything works by keyboard. `text` is the
    editor, `button` the button, `terminal` the pane under them.
    """

    def __init__(self, name: str, text: str, seconds: float = SECONDS) -> None:
        self.name = name
        self.seconds = seconds
        self.text = ipywidgets.Textarea(
            value=text,
            description=name,
            tooltip=_("Program text of {name}").format(name=name),
            rows=len(text.splitlines()) + 1,
            layout=ipywidgets.Layout(width="auto", height="auto"),
        )
        self.text.add_class("beyond-editor")
        self.button = ipywidgets.Button(
            description=_("Run"),
            icon="play",
            button_style="primary",
            tooltip=_("Run {name}").format(name=name),
        )
        self.button.on_click(lambda _button: self.run())
        self.terminal = ipywidgets.HTML(layout=ipywidgets.Layout(width="auto"))
        self._show(_('> Ready. Click "Run" to execute.') + "\n>")
        style = ipywidgets.HTML(_STYLE)
        super().__init__([style, self.text, self.button, self.terminal], lambda: _Program(self))

    def run(self) -> Result:
        """Run the current text and show what it prints in the terminal."""
        prompt = f"> python {self.name}\n"
        self.button.disabled = True
        self._show(
            prompt + _("… running, at most {seconds:g} seconds").format(seconds=self.seconds)
        )
        try:
            result = run_program(self.text.value, self.name, self.seconds)
        finally:
            self.button.disabled = False
        self._show(prompt + result.output.rstrip("\n") + self._ending(result) + "\n>")
        return result

    def _ending(self, result: Result) -> str:
        if result.timed_out:
            return "\n" + _("Stopped after {seconds:g} seconds.").format(seconds=self.seconds)
        if result.flooded:
            return "\n" + _("Stopped: it printed more than {size} KB.").format(
                size=MOST_OUTPUT // 1024
            )
        if not result.ok:
            return "\n" + _("Ended with an error (exit code {code}).").format(
                code=result.returncode
            )
        return ""

    def _show(self, text: str) -> None:
        label = html.escape(_("Terminal"))
        self.terminal.value = (
            '<div class="beyond-terminal"><div>TERMINAL &nbsp; bash — 80x24</div>'
            f'<pre tabindex="0" role="log" aria-label="{label}">{html.escape(text)}</pre></div>'
        )


# The pane has the size that its title states, and scrolls.
_STYLE = """<style>
.beyond-editor.widget-textarea { flex-direction: column; align-items: stretch; }
.beyond-editor .widget-label { width: auto; text-align: left; font-family: monospace;
  font-weight: bold; }
.beyond-editor textarea { font-family: monospace; line-height: 1.35; }
.beyond-terminal { background: #1e1e1e; color: #e8e8e8; border-radius: 4px; padding: 0.5em 0.8em;
  font-family: monospace; }
.beyond-terminal pre { color: inherit; background: inherit; margin: 0.4em 0 0;
  white-space: pre; max-width: 80ch; max-height: 32em; overflow: auto; line-height: 1.33; }
</style>"""


class _Program:
    """The editor where there are no widgets: the program, and how to run it."""

    def __init__(self, editor: Editor) -> None:
        self._editor = editor

    def __str__(self) -> str:
        hint = _("Save this as {name} and run: python {name}").format(name=self._editor.name)
        return f"{hint}\n\n{self._editor.text.value}"

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"
