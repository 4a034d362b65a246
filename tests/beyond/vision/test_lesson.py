"""Lesson 8: what its prose says about numbers is so, and its exercises take the shown solution."""

import re
from pathlib import Path

import nbformat
import pytest
from transformers import MllamaConfig

from beyond.cost.formula import call_cost, price

LESSON = Path(__file__).parents[3] / "notebooks" / "en" / "08-multimodal-llama-3-2.ipynb"


@pytest.fixture(scope="module")
def cells():
    return {cell.id: cell for cell in nbformat.read(LESSON, 4).cells}


@pytest.fixture
def solved(cells):
    code = re.search(r"```python\n(.*?)```", cells["transfer-solutions"].source, re.DOTALL).group(1)
    bound = {}
    exec(code, bound)
    return bound


@pytest.mark.parametrize("task", ["cross-layers", "pictures-that-fit"])
def test_the_shown_solution_passes_the_visible_checks(cells, solved, capsys, task):
    exec(
        "from beyond.checks import check, given, report\n" + cells[f"{task}-checks"].source, solved
    )
    shown = capsys.readouterr()
    assert "✗" not in shown.out and not shown.err
    assert "return None  # your code here" in cells[task].source


def test_the_solutions_are_the_published_shape(solved):
    text = MllamaConfig().text_config
    assert solved["cross_attention_layers"](text.num_hidden_layers) == text.cross_attention_layers
    one = solved["layer_parameters"](text.hidden_size, text.intermediate_size)
    from beyond.vision.load import count_parameters

    whole = count_parameters(MllamaConfig())
    assert f"{8 * one / 1e9:.2f}B" == "1.74B" and f"{whole / 1e9:.2f}B" == "10.64B"
    assert f"{8 * one / whole:.0%}" == "16%"


def test_what_an_image_costs(cells):
    text = MllamaConfig().text_config
    vectors = 4 * ((560 // 14) ** 2 + 1)
    assert vectors == 6404 and "6404" in cells["predict-costs"].source
    cross = len(text.cross_attention_layers)
    assert (text.num_hidden_layers - cross) / cross == 4  # "4 times the memory"
    assert (336 // 14) ** 2 == 576
    mini = price("openai/gpt-4o-mini")
    costs = [call_cost(20 + extra, 30, mini).total for extra in (1, 576, vectors)]
    assert costs == sorted(costs) and costs[2] > 40 * costs[0]


def test_the_learner_decides_with_the_licence_before_them(cells):
    order = list(cells)
    assert order.index("the-real-one") < order.index("run-the-real-one")
    text = cells["the-real-one"].source
    assert "not licensed to people and companies in the EU" in text
    assert "English is the only officially supported language" in text
    assert "Ollama" in text and "llama.cpp" in text
