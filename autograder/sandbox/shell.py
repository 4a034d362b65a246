"""Running cells as a notebook does: IPython's shell, its output gathered as notebook outputs."""

from __future__ import annotations

import base64
import importlib
import io
import json
import os
import sys
import types
from contextlib import contextmanager
from typing import Any

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets import Type
from traitlets.config import Config

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
        """Text on stdout or stderr."""
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
        """A display, a result or an error; what isn't JSON in it becomes text."""
        if self._is_cut or self._silent:
            return
        text = json.dumps(entry, default=_as_text)
        if self._take(len(text)):
            plain = json.loads(text)
            self._entries.append(plain)
            if display_id:
                self._shown[display_id] = plain

    def replace(self, display_id: str, data: dict, metadata: dict) -> None:
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
        """The outputs, as a notebook keeps them."""
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
    """A picture's bytes as notebooks keep them; anything else as it prints."""
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
        return True

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._shell.outputs.write(self._name, text)
        return len(text)


class _Publisher(DisplayPublisher):
    """`display(…)`."""

    def publish(
        self, data, metadata=None, source=None, *, transient=None, update=False, **_other
    ) -> None:
        outputs: Outputs = self.shell.outputs
        display_id = (transient or {}).get("display_id")
        if update and display_id:
            outputs.replace(display_id, data, metadata or {})
        else:
            entry = {"output_type": "display_data", "data": data, "metadata": metadata or {}}
            outputs.add(entry, display_id)

    def clear_output(self, wait: bool = False) -> None:
        self.shell.outputs.clear()


class _Hook(DisplayHook):
    """The value of a cell's last line."""

    def write_output_prompt(self) -> None:
        pass

    def write_format_data(self, format_dict, md_dict=None) -> None:
        self.shell.outputs.add(
            {
                "output_type": "execute_result",
                "execution_count": self.prompt_count,
                "data": format_dict,
                "metadata": md_dict or {},
            }
        )

    def finish_displayhook(self) -> None:
        self._is_active = False


class CellShell(InteractiveShell):
    """IPython's shell without a terminal, a history or a kernel."""

    display_pub_class = Type(_Publisher)
    displayhook_class = Type(_Hook)

    outputs = Outputs(0)

    def enable_gui(self, gui=None) -> None:
        """`%matplotlib inline` asks for this; there is no window to open."""

    def ask_exit(self) -> None:
        """`exit` leaves nothing here."""

    def _get_exc_info(self, exc_tuple=None):
        """The exception to show, without our own frame when it came out of a time limit."""
        kind, error, traceback = super()._get_exc_info(exc_tuple)
        entry = traceback
        while entry is not None:
            following = entry.tb_next
            if following and following.tb_frame.f_code.co_filename.startswith(_OUR_CODE):
                entry.tb_next = following = None
            entry = following
        return kind, error, traceback

    def _showtraceback(self, etype, evalue, stb) -> None:
        self.outputs.add(
            {
                "output_type": "error",
                "ename": getattr(etype, "__name__", str(etype)),
                "evalue": str(evalue),
                "traceback": list(stb),
            }
        )

    @contextmanager
    def gathering(self, limit: int):
        """Gather what is shown meanwhile."""
        before, self.outputs = self.outputs, Outputs(limit)
        try:
            yield self.outputs
        finally:
            self.outputs = before

    def redirect(self) -> None:
        """Take over stdout and stderr."""
        sys.stdout, sys.stderr = _Stream(self, "stdout"), _Stream(self, "stderr")


def warm() -> CellShell:
    """The shell, made once before any child, with a module of its own as `__main__`."""
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
            shell.run_cell(source, store_history=False)
    return shell
