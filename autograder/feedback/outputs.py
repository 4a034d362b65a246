"""What cells displayed, reduced to what every reader can be shown.

One way for both readers: the student on the feedback page, the instructor in Formgrader. Each
output becomes text, a PNG or JPEG picture, or harmless HTML, and nothing else; what is left out
is said where it was.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from dataclasses import dataclass

from nbconvert.exporters.exporter import ResourcesDict
from nbconvert.preprocessors import Preprocessor
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_output

from autograder.core.images import checked
from autograder.core.notebook_io import grader_metadata
from autograder.core.notebook_language import shown_language
from autograder.feedback.mathml import mathml
from autograder.feedback.sanitize import clean_html, markdown_to_html
from autograder.feedback.text import MAX_TEXT_CHARS, plain, readable
from autograder.i18n import speaking
from beyond.checks import MIME_TYPE, is_record
from beyond.locale import _

MAX_CELL_OUTPUTS = 30
"""The most outputs of one cell."""

MAX_SOURCE_LINES = 1_000
"""The most lines of a cell's source."""

MAX_PAGE_TEXT_CHARS = 1_000_000
"""The most characters of text and HTML in all outputs of a page, pictures not counted."""

MAX_PAGE_IMAGE_CHARS = 16 * 1024 * 1024
"""The most characters of encoded pictures on a page."""

MAX_PAGE_SOURCE_CHARS = 300_000
"""The most characters of the student's own cells on a page; answers are always shown."""

MAX_STUDENT_CELLS = 500
"""The most cells of the student's own on a page."""

MAX_CLEANED_CHARS = 2_000_000
"""The most characters of HTML, markdown and TeX that are cleaned for a page, shown or not."""

MAX_CHECKED_IMAGE_CHARS = 4 * MAX_PAGE_IMAGE_CHARS
"""The most characters of encoded pictures that are looked at for a page, shown or not."""

_IMAGES = ("image/png", "image/jpeg")
_MARKUP = ("text/html", "text/markdown", "text/latex")
_SCRIPTS = ("application/javascript", "text/javascript")


@dataclass
class _Budget:
    """What a page can still take."""

    text: int = MAX_PAGE_TEXT_CHARS
    pictures: int = MAX_PAGE_IMAGE_CHARS
    source: int = MAX_PAGE_SOURCE_CHARS
    cells: int = MAX_STUDENT_CELLS
    work: int = MAX_CLEANED_CHARS
    picture_work: int = MAX_CHECKED_IMAGE_CHARS

    def allows_rendering(self, output: NotebookNode) -> bool:
        """Whether an output may fit, before any work is done on it; the work is counted.

        Without this, outputs that don't fit would each be cleaned to find that out.
        """
        data = output.get("data", {})
        rich = sum(_length(data.get(mime)) for mime in _MARKUP)
        pictures = sum(_length(data.get(mime)) for mime in _IMAGES)
        if "data:image/" in str(data.get("text/html", ""))[:MAX_PAGE_IMAGE_CHARS]:
            rich, pictures = 0, pictures + rich
        self.work -= rich
        self.picture_work -= pictures
        return self.text > 0 and self.work >= 0 and self.picture_work >= 0

    def admits_cell(self, cell: NotebookNode) -> bool:
        """Whether a cell of the student's own fits; then its place is taken."""
        # An empty cell takes room on the page as well.
        if self.cells <= 0 or self.source < len(cell.source):
            return False
        self.cells -= 1
        self.source -= len(cell.source)
        return True

    def admits(self, output: NotebookNode) -> bool:
        """Whether the output fits; then its place is taken."""
        data = output.get("data", {})
        pictures = sum(len(data[mime]) for mime in _IMAGES if mime in data)
        shown = data.get("text/html", "")
        if "data:image/" in shown:
            pictures += len(shown)
        text = len(output.get("text", "")) + sum(map(len, output.get("traceback", [])))
        text += 0 if pictures else len(shown) + len(data.get("text/plain", ""))
        if text > self.text or pictures > self.pictures:
            return False
        self.text -= text
        self.pictures -= pictures
        return True


class ReadableOutputs(Preprocessor):
    """Make a notebook's outputs, raw cells and overlong sources fit to be shown.

    For what is shown only: the graded notebook itself keeps what it has.
    """

    def __init__(self, **settings: object) -> None:
        super().__init__(**settings)
        self.enabled = True

    def preprocess(
        self, nb: NotebookNode, resources: ResourcesDict
    ) -> tuple[NotebookNode, ResourcesDict]:
        budget = _Budget()
        # Widgets are code that a page would load and run.
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
                said = _("{count:,} more cells of your own are left out here.")
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
    """Drop the attachments of a cell that would take more room than is left.

    Each mention of an attachment, by a reference too, puts the whole picture into the page again.
    """
    attachments = cell.get("attachments")
    if not attachments:
        return
    largest = max(
        (_length(one) for bundle in attachments.values() for one in _values(bundle)), default=0
    )
    needed = largest * cell.source.count("![")
    budget.picture_work -= needed
    if needed > budget.pictures or budget.picture_work < 0:
        del cell["attachments"]
    else:
        budget.pictures -= needed


def _values(bundle: object) -> list[object]:
    return list(bundle.values()) if isinstance(bundle, dict) else [bundle]


def _length(value: object) -> int:
    """The characters of a display's data, whether in one piece or in lines."""
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
    """Outputs with what was printed in pieces put together."""
    found: list[NotebookNode] = []
    pieces: list[str] = []
    for output in outputs:
        stream = output.output_type == "stream"
        text = output.get("text", "") if stream else ""
        # Joining a string takes it apart into characters, at fifty bytes each.
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
    """One output as a reader gets it, and a word on what of it is missing."""
    if output.output_type == "stream":
        yield new_output("stream", name=output.name, text=readable(output.text))
    elif output.output_type == "error":
        yield _error(output)
    elif output.output_type in ("display_data", "execute_result"):
        yield from _displayed(output)


def _error(output: NotebookNode) -> NotebookNode:
    name, value = readable(output.ename, 200, 1), readable(output.evalue, 2_000, 20)
    lines = readable("\n".join(map(str, output.get("traceback", []))), lines=60).split("\n")
    return new_output("error", ename=name, evalue=value, traceback=lines)


def _displayed(output: NotebookNode) -> Iterable[NotebookNode]:
    data = output.get("data", {})
    record = data.get(MIME_TYPE)
    kept = {MIME_TYPE: record} if is_record(record) else {}
    made, missing = _best(data, output.get("metadata", {}))
    if made is None and "text/plain" in data:
        made = _display({"text/plain": readable(data["text/plain"])})
    if made is not None:
        made.data.update(kept)
        yield made
    if missing:
        yield _remark(missing)


def _best(data: dict, metadata: dict) -> tuple[NotebookNode | None, str]:
    """The richest form of a display that can be shown, and what to say if that isn't all."""
    if "text/html" in data:
        cleaned = clean_html(data["text/html"])
        if cleaned is None:
            return None, _("A display is left out here: it is too long.")
        if cleaned:
            return _display({"text/html": cleaned}), ""
    if "text/markdown" in data:
        return _display({"text/html": markdown_to_html(data["text/markdown"])}), ""
    for mime in _IMAGES:
        if mime in data:
            picture = checked(mime, plain(data[mime]))
            if picture is not None:
                return _display({mime: picture}, {mime: _image_metadata(mime, metadata)}), ""
            return None, _("A picture is left out here: it is too large, or not a picture.")
    if "text/latex" in data:
        tex = plain(data["text/latex"]).strip()
        return _display({"text/html": f"<p>{mathml(tex.strip('$'), block=True)}</p>"}), ""
    if "image/svg+xml" in data:
        return None, _("An SVG picture is left out here: shown as PNG it would stay.")
    if "text/html" in data or any(mime in data for mime in _SCRIPTS) or _is_widget(data):
        return None, _("An interactive part is left out here: it only works in the notebook.")
    return None, ""


def _is_widget(data: dict) -> bool:
    return any(mime.startswith("application/vnd.jupyter.widget") for mime in data)


def _image_metadata(mime: str, metadata: dict) -> dict:
    """The size that a picture is meant to be shown at, and its words."""
    own = metadata.get(mime)
    found = {**metadata, **(own if isinstance(own, dict) else {})}
    sizes = {
        name: found[name]
        for name in ("width", "height")
        if type(found.get(name)) is int and 0 < found[name] <= 5_000
    }
    alt = found.get("alt")
    return {**sizes, **({"alt": readable(alt, 1_000, 5)} if isinstance(alt, str) else {})}


def _display(data: dict, metadata: dict | None = None) -> NotebookNode:
    return new_output("display_data", data=data, metadata=metadata or {})


def _remark(text: str) -> NotebookNode:
    """A remark of ours among a cell's outputs."""
    return _display({"text/html": f"<p><em>{html.escape(text)}</em></p>"})
