"""Reduce the outputs of cells to what is safe to show.

Both readers get the same: the student on the feedback page and the instructor in Formgrader.
Each output becomes text, a PNG or JPEG image, or sanitized HTML; where something is left out, a
remark says so.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from nbconvert.exporters.exporter import ResourcesDict
from nbconvert.preprocessors import Preprocessor
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_output

from autograder.checks import MIME_TYPE, record_in
from autograder.core.images import checked
from autograder.core.notebook_io import grader_metadata
from autograder.core.notebook_language import shown_language
from autograder.feedback.mathml import mathml
from autograder.feedback.sanitize import clean_html, markdown_to_html
from autograder.feedback.text import MAX_TEXT_CHARS, plain, readable
from autograder.i18n import _, speaking

MAX_CELL_OUTPUTS = 30
"""The most outputs of one cell."""

MAX_SOURCE_LINES = 1_000
"""The most lines of a cell's source."""

MAX_PAGE_TEXT_CHARS = 1_000_000
"""The most characters of text and HTML in all outputs of a page, not counting images."""

MAX_PAGE_IMAGE_CHARS = 16 * 1024 * 1024
"""The most characters of base64-encoded images on a page."""

MAX_PAGE_SOURCE_CHARS = 300_000
"""The most characters of cells that the student added on a page; answers are always shown."""

MAX_STUDENT_CELLS = 500
"""The most cells that the student added on a page."""

MAX_CLEANED_CHARS = 2_000_000
"""The most characters of HTML, Markdown and TeX that are sanitized for a page, shown or not."""

MAX_CHECKED_IMAGE_CHARS = 4 * MAX_PAGE_IMAGE_CHARS
"""The most characters of base64-encoded images that are checked for a page, shown or not."""

_IMAGES = ("image/png", "image/jpeg")
_MARKUP = ("text/html", "text/markdown", "text/latex")
_SCRIPTS = ("application/javascript", "text/javascript")


@dataclass
class _Budget:
    """How much a page can still take, in characters and cells."""

    text: int = MAX_PAGE_TEXT_CHARS
    images: int = MAX_PAGE_IMAGE_CHARS
    source: int = MAX_PAGE_SOURCE_CHARS
    cells: int = MAX_STUDENT_CELLS
    work: int = MAX_CLEANED_CHARS
    image_work: int = MAX_CHECKED_IMAGE_CHARS

    def allows_rendering(self, output: NotebookNode) -> bool:
        """Return whether an output may fit, and count the work of finding that out.

        Without this, every output that doesn't fit would first be sanitized.
        """
        data = output.get("data", {})
        rich = sum(_length(data.get(mime)) for mime in _MARKUP)
        images = sum(_length(data.get(mime)) for mime in _IMAGES)
        if "data:image/" in str(data.get("text/html", ""))[:MAX_PAGE_IMAGE_CHARS]:
            rich, images = 0, images + rich
        self.work -= rich
        self.image_work -= images
        return self.text > 0 and self.work >= 0 and self.image_work >= 0

    def admits_cell(self, cell: NotebookNode) -> bool:
        """Return whether a cell that the student added fits, and count it if so."""
        # An empty cell takes space on the page as well.
        if self.cells <= 0 or self.source < len(cell.source):
            return False
        self.cells -= 1
        self.source -= len(cell.source)
        return True

    def admits(self, output: NotebookNode) -> bool:
        """Return whether an output fits, and count it if so."""
        data = output.get("data", {})
        images = sum(len(data[mime]) for mime in _IMAGES if mime in data)
        shown = data.get("text/html", "")
        if "data:image/" in shown:
            images += len(shown)
        text = len(output.get("text", "")) + sum(map(len, output.get("traceback", [])))
        text += 0 if images else len(shown) + len(data.get("text/plain", ""))
        if text > self.text or images > self.images:
            return False
        self.text -= text
        self.images -= images
        return True


class ReadableOutputs(Preprocessor):
    """Make a notebook's outputs, raw cells and long sources safe to show.

    Only what is shown is reduced; the graded notebook itself isn't changed.
    """

    def __init__(self, **settings: object) -> None:
        super().__init__(**settings)  # type: ignore[no-untyped-call]  # nbconvert has no annotations
        self.enabled = True

    def preprocess(
        self, nb: NotebookNode, resources: ResourcesDict
    ) -> tuple[NotebookNode, ResourcesDict]:
        """Make a notebook safe to show, in place."""
        budget = _Budget()
        # A page would load and run the code of widgets.
        nb.metadata.pop("widgets", None)
        with speaking(shown_language(nb)):
            cells, left_out = [], 0
            for cell in nb.cells:
                _shorten_source(cell)
                if is_student_cell(cell) and not budget.admits_cell(cell):
                    left_out += 1
                    continue
                _make_readable(cell, budget)
                cells.append(cell)
            if left_out:
                said = _("{count:,} more of your own cells are left out here.")
                cells.append(new_markdown_cell(f"*{said.format(count=left_out)}*", id="left-out"))
            nb.cells = cells
        return nb, resources


def is_student_cell(cell: NotebookNode) -> bool:
    """Return whether a cell of a graded notebook is one that the student added."""
    return str(cell.get("id", "")).startswith("own-") and not grader_metadata(cell)


def _shorten_source(cell: NotebookNode) -> None:
    if not grader_metadata(cell).get("locked"):
        cell.source = readable(cell.source, 2 * MAX_TEXT_CHARS, MAX_SOURCE_LINES)


def _make_readable(cell: NotebookNode, budget: _Budget) -> None:
    if cell.cell_type == "markdown":
        _limit_attachments(cell, budget)
    elif cell.cell_type == "raw":
        # nbconvert puts a raw cell into the page as it is.
        cell.cell_type = "markdown"
        cell.source = f"<pre>{html.escape(cell.source)}</pre>"
    elif cell.cell_type == "code":
        cell.outputs = _within_budget(_joined(cell.outputs), budget)


def _limit_attachments(cell: NotebookNode, budget: _Budget) -> None:
    """Drop the attachments of a cell if they don't fit.

    Each reference to an attachment puts the whole image into the page once more.
    """
    attachments = cell.get("attachments")
    if not attachments:
        return
    largest = max(
        (_length(one) for bundle in attachments.values() for one in _values(bundle)), default=0
    )
    needed = largest * cell.source.count("![")
    budget.image_work -= needed
    if needed > budget.images or budget.image_work < 0:
        del cell["attachments"]
    else:
        budget.images -= needed


def _values(bundle: object) -> list[object]:
    return list(bundle.values()) if isinstance(bundle, dict) else [bundle]


def _length(value: object) -> int:
    """Return the number of characters of an output's data, whether a string or a list of lines."""
    if isinstance(value, list):
        return sum(map(_length, value))
    return len(value) if isinstance(value, str) else 0


def _within_budget(outputs: list[NotebookNode], budget: _Budget) -> list[NotebookNode]:
    shown, left_out = [], max(0, len(outputs) - MAX_CELL_OUTPUTS)
    for output in outputs[:MAX_CELL_OUTPUTS]:
        made = list(_shown(output)) if budget.allows_rendering(output) else None
        if made is not None and all(budget.admits(one) for one in made):
            shown.extend(made)
        else:
            left_out += 1
    if left_out:
        shown.append(_remark(_("{count:,} more outputs are left out here.").format(count=left_out)))
    return shown


def _joined(outputs: Iterable[NotebookNode]) -> list[NotebookNode]:
    """Return the outputs with consecutive pieces of a stream joined."""
    found: list[NotebookNode] = []
    pieces: list[str] = []
    for output in outputs:
        stream = output.output_type == "stream"
        text = output.get("text", "") if stream else ""
        # "".join would take a string apart into characters, at fifty bytes each.
        text = text if isinstance(text, str) else "".join(text)
        if stream and found and found[-1].get("name") == output.name:
            pieces.append(text)
            continue
        if pieces:
            found[-1].text = "".join(pieces)
        pieces = [text] if stream else []
        found.append(new_output("stream", name=output.name) if stream else output)
    if pieces:
        found[-1].text = "".join(pieces)
    return found


def _shown(output: NotebookNode) -> Iterable[NotebookNode]:
    """Yield an output as it is shown, and a remark if something is missing."""
    if output.output_type == "stream":
        yield new_output("stream", name=output.name, text=readable(output.text))
    elif output.output_type == "error":
        yield _error(output)
    elif output.output_type in ("display_data", "execute_result"):
        yield from _displayed(output)


def _error(output: NotebookNode) -> NotebookNode:
    name, value = readable(output.ename, 200, 1), readable(output.evalue, 2_000, 20)
    lines = readable("\n".join(map(str, output.get("traceback", []))), lines=60).split("\n")
    error: NotebookNode = new_output("error", ename=name, evalue=value, traceback=lines)
    return error


def _displayed(output: NotebookNode) -> Iterable[NotebookNode]:
    data = output.get("data", {})
    record = record_in(data)
    kept = {} if record is None else {MIME_TYPE: record}
    made, missing = _best(data, output.get("metadata", {}))
    if made is None and "text/plain" in data:
        made = _display({"text/plain": readable(data["text/plain"])})
    if made is None and kept:
        made = _display({})
    if made is not None:
        made.data.update(kept)
        yield made
    if missing:
        yield _remark(missing)


def _best(data: dict[str, Any], metadata: dict[str, Any]) -> tuple[NotebookNode | None, str]:
    """Return the richest representation that can be shown, and what to say if none can."""
    if "text/html" in data:
        cleaned = clean_html(data["text/html"])
        if cleaned is None:
            return None, _("An output is left out here: it is too long.")
        if cleaned:
            return _display({"text/html": cleaned}), ""
    if "text/markdown" in data:
        return _display({"text/html": markdown_to_html(data["text/markdown"])}), ""
    for mime in _IMAGES:
        if mime in data:
            image = checked(mime, plain(data[mime]))
            if image is not None:
                return _display({mime: image}, {mime: _image_metadata(mime, metadata)}), ""
            return None, _("An image is left out here: it is too large, or not an image.")
    if "text/latex" in data:
        tex = plain(data["text/latex"]).strip()
        return _display({"text/html": f"<p>{mathml(tex.strip('$'), block=True)}</p>"}), ""
    if "image/svg+xml" in data:
        return None, _("An SVG image is left out here; display it as PNG to keep it.")
    if "text/html" in data or any(mime in data for mime in _SCRIPTS) or _is_widget(data):
        return None, _("An interactive output is left out here: it only works in the notebook.")
    return None, ""


def _is_widget(data: dict[str, Any]) -> bool:
    return any(mime.startswith("application/vnd.jupyter.widget") for mime in data)


def _image_metadata(mime: str, metadata: dict[str, Any]) -> dict[str, Any]:
    """Return the size to show an image at, and its alternative text."""
    own = metadata.get(mime)
    found = {**metadata, **(own if isinstance(own, dict) else {})}
    sizes = {
        name: found[name]
        for name in ("width", "height")
        if type(found.get(name)) is int and 0 < found[name] <= 5_000
    }
    alt = found.get("alt")
    return {**sizes, **({"alt": readable(alt, 1_000, 5)} if isinstance(alt, str) else {})}


def _display(data: dict[str, Any], metadata: dict[str, Any] | None = None) -> NotebookNode:
    display: NotebookNode = new_output("display_data", data=data, metadata=metadata or {})
    return display


def _remark(text: str) -> NotebookNode:
    """Return a remark to put among a cell's outputs."""
    return _display({"text/html": f"<p><em>{html.escape(text)}</em></p>"})
