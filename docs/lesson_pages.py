"""Make an executed lesson fit for a page: without a kernel, and with nothing from elsewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

EXPLORER = "application/vnd.beyond.cost-explorer+json"
"""What the cost explorer says of itself, from which cost_explorer.js makes it again."""

_SHOWN = ("text/html", "text/markdown", "text/latex", "image/svg+xml", "image/png", "text/plain")

_RUN_AGAIN = re.compile(r"<p><em>[^<]*</em></p>\s*$")
"""The sentence at the end of a widget's still form, which asks to run the cell."""

_NOTE = {
    "en": "These outputs are from a real run of this lesson; controls that need Python are shown "
    "in their static form. To run it yourself, {link}.",
    "ko": "이 강의를 실제로 실행한 출력입니다. Python이 필요한 위젯은 정적인 형태로 보여 줍니다. "
    "직접 실행하려면 {link}.",
}
_INSTALL = {"en": "[install the course](../index.md)", "ko": "[과정을 설치하세요](../index.md)"}


def prepare(notebook: NotebookNode, language: str, follow: Callable[[str], str]) -> None:
    """Change an executed lesson in place.

    Args:
        notebook: with outputs.
        language: its language.
        follow: changes the links in Markdown.
    """
    notebook.metadata.pop("widgets", None)
    notebook.metadata.pop("executed", None)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "markdown":
            cell.source = follow(cell.source)
        elif cell.cell_type == "code":
            cell.outputs = [shown for one in cell.outputs if (shown := _shown(one))]
    note = _NOTE[language].format(link=_INSTALL[language])
    notebook.cells.insert(1, new_markdown_cell(f":::{{note}}\n{note}\n:::", id="about-this-page"))


def _shown(output: NotebookNode) -> NotebookNode | None:
    """Return what a reader sees of an output; None if it was for whoever ran the cell."""
    if output.output_type == "stream":
        return output if output.name == "stdout" else None
    data = output.get("data", {})
    is_widget = "application/vnd.jupyter.widget-view+json" in data
    if is_widget and "text/html" in data:
        data["text/html"] = _RUN_AGAIN.sub("", data["text/html"])
    if EXPLORER in data:
        # "</" would end the script
        told = json.dumps(data[EXPLORER], ensure_ascii=False).replace("</", "<\\/")
        data["text/html"] = (
            f'<div class="cost-explorer"><script type="application/json">{told}</script>'
            f'<div class="cost-explorer-numbers" aria-live="polite">{data["text/html"]}</div></div>'
        )
    best = next((kind for kind in _SHOWN if kind in data), None)
    if best is None or (is_widget and best == "text/plain"):
        return None  # a progress bar, which has ended
    output.data = NotebookNode({best: data[best]})
    return output
