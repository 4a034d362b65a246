"""Run cells as a notebook does, in IPython's shell, and gather their notebook outputs."""

from __future__ import annotations

import base64
import importlib
import io
import json
import os
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets import Type
from traitlets.config import Config

_ExceptionInfo = tuple[type[BaseException], BaseException, types.TracebackType | None]

_OUR_CODE = os.path.dirname(__file__) + os.sep

CUT = "[There was more output than is kept; the rest was cut.]"


class Outputs:
    """The outputs of one cell, up to a total size.

    Args:
        limit: bytes, about; 0 keeps nothing.
    """

    def __init__(self, limit: int) -> None:
        self._left = limit
        self._silent = limit <= 0
        self._entries: list[dict[str, Any]] = []
        self._texts: list[list[str]] = []  # the parts of each stream entry, joined at the end
        self._shown: dict[str, dict[str, Any]] = {}  # by display id
        self._is_cut = False

    def write(self, name: str, text: str) -> None:
        """Add text on stdout or stderr (`name`)."""
        if self._is_cut or self._silent or not text:
            return
        if not (self._entries and self._entries[-1].get("name") == name):
            if not self._take(64):
                return
            self._entries.append({"output_type": "stream", "name": name, "text": []})
        kept = text[: self._left]
        self._entries[-1]["text"].append(kept)
        self._left -= len(kept.encode("utf-8", "surrogatepass"))
        self._is_cut = len(kept) < len(text)

    def add(self, entry: dict[str, Any], display_id: str | None = None) -> None:
        """Add a display, a result or an error; what isn't JSON in it becomes text."""
        if self._is_cut or self._silent:
            return
        text = json.dumps(entry, default=_as_text)
        if self._take(len(text)):
            plain = json.loads(text)
            self._entries.append(plain)
            if display_id:
                self._shown[display_id] = plain

    def replace(self, display_id: str, data: dict[str, Any], metadata: dict[str, Any]) -> None:
        """Show something else where `display_id` was shown in this cell."""
        shown = self._shown.get(display_id)
        text = json.dumps({"data": data, "metadata": metadata}, default=_as_text)
        if shown is not None and self._take(len(text)):
            shown.update(json.loads(text))

    def clear(self) -> None:
        """Forget what was shown so far; its size stays counted."""
        self._entries.clear()
        self._shown.clear()

    def finished(self) -> list[dict[str, Any]]:
        """Return the outputs, as a notebook keeps them."""
        if self._is_cut:
            self._entries.append({"output_type": "stream", "name": "stderr", "text": [f"\n{CUT}"]})
        for entry in self._entries:
            if entry["output_type"] == "stream":
                entry["text"] = "".join(entry["text"])
        return self._entries

    def _take(self, size: int) -> bool:
        if self._is_cut or size > self._left:
            self._is_cut = not self._silent
            return False
        self._left -= size
        return True


def _as_text(value: Any) -> str:
    """Return a picture's bytes as notebooks keep them, anything else as it prints."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return str(value)


class _Stream(io.TextIOBase):
    """sys.stdout or sys.stderr: its text goes to the running cell's outputs."""

    encoding = "utf-8"
    errors = "strict"

    def __init__(self, shell: CellShell, name: str) -> None:
        self._shell = shell
        self.name = f"<{name}>"
        self._name = name

    def writable(self) -> bool:
        """Return True: text can be written here."""
        return True

    def write(self, text: str) -> int:
        """Add text to the running cell's outputs."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._shell.outputs.write(self._name, text)
        return len(text)


class _Publisher(DisplayPublisher):
    """What `display(…)` shows."""

    shell: CellShell

    def publish(
        self,
        data: dict[str, Any],
        metadata: dict[str, Any] | None = None,
        source: str | None = None,
        *,
        transient: dict[str, Any] | None = None,
        update: bool = False,
        **_other: Any,
    ) -> None:
        """Add a display to the outputs, or show it where the one with its id was shown."""
        outputs = self.shell.outputs
        display_id = (transient or {}).get("display_id")
        if update and display_id:
            outputs.replace(display_id, data, metadata or {})
        else:
            entry = {"output_type": "display_data", "data": data, "metadata": metadata or {}}
            outputs.add(entry, display_id)

    def clear_output(self, wait: bool = False) -> None:
        """Clear the outputs, at once."""
        self.shell.outputs.clear()


class _Hook(DisplayHook):
    """The value of a cell's last line."""

    shell: CellShell

    def write_output_prompt(self) -> None:
        """Write no prompt: the output has its number."""

    def write_format_data(
        self, format_dict: dict[str, Any], md_dict: dict[str, Any] | None = None
    ) -> None:
        """Add the value to the outputs."""
        self.shell.outputs.add(
            {
                "output_type": "execute_result",
                "execution_count": self.prompt_count,
                "data": format_dict,
                "metadata": md_dict or {},
            }
        )

    def finish_displayhook(self) -> None:
        """Note that the value has been shown."""
        self._is_active = False


class CellShell(InteractiveShell):
    """IPython's shell without a terminal, a history or a kernel."""

    display_pub_class = Type(_Publisher)
    displayhook_class = Type(_Hook)

    outputs = Outputs(0)

    def enable_gui(self, gui: str | None = None) -> None:
        """Do nothing: `%matplotlib inline` asks for this, and there is no window to open."""

    def ask_exit(self) -> None:
        """Do nothing: `exit` ends no cell shell."""

    def _get_exc_info(self, exc_tuple: _ExceptionInfo | None = None) -> _ExceptionInfo:
        """Return the exception to show, without our own frame if a time limit raised it."""
        found: _ExceptionInfo = super()._get_exc_info(exc_tuple)  # type: ignore[no-untyped-call]  # IPython has no types here
        kind, error, traceback = found
        entry = traceback
        while entry is not None:
            following = entry.tb_next
            if following and following.tb_frame.f_code.co_filename.startswith(_OUR_CODE):
                entry.tb_next = following = None
            entry = following
        return kind, error, traceback

    def _showtraceback(
        self, etype: type[BaseException], evalue: BaseException, stb: list[str]
    ) -> None:
        """Add an error to the outputs."""
        self.outputs.add(
            {
                "output_type": "error",
                "ename": getattr(etype, "__name__", str(etype)),
                "evalue": str(evalue),
                "traceback": list(stb),
            }
        )

    def run(self, source: str, store_history: bool) -> BaseException | None:
        """Run a cell; return the exception that ended it, None if it came to its end."""
        result = self.run_cell(source, store_history=store_history)  # type: ignore[no-untyped-call]  # IPython has no types here
        error: BaseException | None = result.error_before_exec or result.error_in_exec
        return error

    @contextmanager
    def gathering(self, limit: int) -> Iterator[Outputs]:
        """Yield the outputs of what is shown inside the block, up to `limit` bytes."""
        before, self.outputs = self.outputs, Outputs(limit)
        try:
            yield self.outputs
        finally:
            self.outputs = before

    def redirect(self) -> None:
        """Replace stdout and stderr by streams into the outputs."""
        sys.stdout, sys.stderr = _Stream(self, "stdout"), _Stream(self, "stderr")


def get_shell() -> CellShell:
    """Return the shell, made once before any child, with a module of its own as `__main__`."""
    if CellShell.initialized():
        return CellShell.instance()
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    config.InteractiveShell.show_rewritten_input = False
    main = types.ModuleType("__main__", "A student's notebook.")
    shell = CellShell.instance(config=config, user_module=main)
    if "matplotlib.pyplot" in sys.modules:
        # As in a notebook: figures are shown at the end of the cell that drew them.
        importlib.import_module("matplotlib_inline.backend_inline")
        shell.run_line_magic("matplotlib", "inline")
    # So that no submission's first cell and first error pay for what is loaded late. Nothing
    # asynchronous: a loop's descriptors don't survive the fork.
    with shell.gathering(1 << 16):
        for source in ("1", "%time 1", "1 / 0", "1 +"):
            shell.run(source, store_history=False)
    return shell
