"""Lesson 9: its exercises accept the shown solutions, and its numbers are the library's."""

import re
from pathlib import Path

import nbformat
import numpy as np
import pytest

LESSON = Path(__file__).parents[3] / "notebooks" / "en" / "09-edge-deployment.ipynb"


@pytest.fixture(scope="module")
def cells():
    return {cell.id: cell for cell in nbformat.read(LESSON, 4).cells}


def checks(cells, name, bound):
    # what the lesson has by then: the cache after 192 tokens of SmolLM2, 30 layers, 3 × 64 numbers
    names = [f"past.{i}" for i in range(60)]
    past = {n: np.zeros((1, 3, 192, 64), np.float32) for n in names}
    first = cells["cache-bytes-checks"].source.splitlines()[0]
    exec(f"{first}\n{cells[f'{name}-checks'].source}", {"names": names, "past": past} | bound)


def solutions(cells):
    code = re.search(r"```python\n(.*?)```", cells["solutions"].source, re.DOTALL).group(1)
    bound = {}
    exec(code, bound)
    return bound


@pytest.mark.parametrize("name", ["cache-bytes", "best-form"])
def test_the_shown_solution_passes(cells, capsys, name):
    checks(cells, name, solutions(cells))
    shown = capsys.readouterr()
    assert "✓" in shown.out and "✗" not in shown.out and not shown.err
    assert "return None  # your code here" in cells[name].source


def test_the_fastest_form_alone_is_not_the_answer(cells):
    bound = {
        "best_form": lambda forms, most_mb, worst: max(forms, key=lambda f: f["speed"])["name"]
    }
    with pytest.raises(AssertionError, match="still the model"):
        checks(cells, "best-form", bound)


def test_numbers_in_the_prose(cells):
    cached = solutions(cells)["cache_bytes"](30, 3, 64, 8_192, 2)
    assert f"{cached / 1e6:.0f} MB in fp16" in cells["exercise-choose"].source
    assert pytest.approx(0.58, abs=0.01) == 7e9 / 12e9  # 4 bits, scales and offsets included
    assert "35 GB/s that is 5 tokens" in cells["solutions"].source
