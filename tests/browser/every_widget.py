"""A notebook in Korean with a widget, a chart and a table of each kind, which runs in seconds."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

CELLS = {
    "language": 'from beyond.locale import set_language\n\nset_language("ko")',
    "clock": "from beyond.ui.clock import Clock\n\nClock(minutes=60)",
    "self-check": """
from beyond.cost import self_check
from beyond.ui.self_check import SelfCheck

SelfCheck(self_check.questions())
""",
    "explorer": """
from beyond.cost.explorer import Explorer
from beyond.cost.formula import Option, Price

now = Option(Price(2.0, 10.0), 1_200, 20, label="프롬프트에 담기")
then = Option(Price(0.15, 0.15), 200, 20, training=300, trainings_per_year=4, label="미세 조정")
Explorer(now, then, 100_000)
""",
    "laptop": "from beyond.small_models.laptop import LaptopCheck\n\nLaptopCheck()",
    "editor": """
from beyond.cost.editor import Editor

Editor("model_selection.py", 'print("안녕하세요")\\n' + "#" * 120)
""",
    "tokens": """
from beyond.small_models.token_viewer import TokenViewer

TokenViewer("존엄과 권리, dignity and rights", "tekken")
""",
    "routing": """
from beyond.moe.byte_lm import ByteLM, ByteLMShape
from beyond.moe.routing import RoutingExplorer

SHAPE = ByteLMShape(hidden=16, experts=4, k=2, dim=16, layers=2, heads=2, context=64)
RoutingExplorer(ByteLM(SHAPE), "전문가 한 개")
""",
    "shares": """
from beyond.moe.byte_lm import Report
from beyond.moe.routing import loads_over_training

shares = [[0.25] * 4, [0.4, 0.3, 0.2, 0.1], [0.7, 0.1, 0.1, 0.1]]
steps = [Report(10 * i, 1.0, {"korean": 2.0}, [[each] * 2]) for i, each in enumerate(shares)]
loads_over_training({"균형 손실 없이": steps}, 0, "전문가의 몫")
""",
    "bars": """
from beyond.ui import figures

counted = {"tekken": [31, 45], "o200k": [30, 40], "c": [9, 8], "d": [7, 6], "e": [5, 4]}
figures.bars(counted, ["영어", "한국어"], "tokens", "One text, two languages, two tokenizers")
""",
}
"""Each cell's id and text."""


def write(path: Path) -> Path:
    """Write the notebook."""
    notebook = new_notebook()
    notebook.metadata["kernelspec"] = {
        "name": "python3",
        "language": "python",
        "display_name": "Python 3 (ipykernel)",
    }
    notebook.cells.append(new_markdown_cell("# 모든 위젯", id="title"))
    notebook.cells += [new_code_cell(text.strip(), id=name) for name, text in CELLS.items()]
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    return path
