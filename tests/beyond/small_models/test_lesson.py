"""Lesson 5: what its prose says about numbers is what its code computes.

Cells that measure speed or read text with the model are left to the test that runs each lesson.
"""

import re
from pathlib import Path

import nbformat
import pytest

from beyond.lm import tokens
from beyond.lm.families import families, family
from beyond.lm.model_size import FORMATS, weight_bytes
from beyond.small_models import self_check
from beyond.small_models.laptop import will_it_run
from beyond.small_models.same_meaning import FORMS, texts

LESSON = Path(__file__).parents[3] / "notebooks" / "en" / "05-small-language-models.ipynb"


@pytest.fixture(scope="module")
def cells():
    return {cell.id: cell.source for cell in nbformat.read(LESSON, 4).cells}


def run(cells, *ids):
    """The names that these cells bind, run in this order."""
    bound = {"__name__": "lesson", "_": lambda text: text, "against": lambda *given: None}
    for each in ids:
        exec(compile(cells[each], each, "exec"), bound)
    return bound


def test_the_count_by_hand(cells):
    names = run(cells, "count-by-hand")
    assert names["total"] == family("SmolLM2-135M").shape.parameters()
    network, whole = 30 * names["network"], names["total"]
    assert network > whole / 2 and round(names["table"] / whole, 1) == 0.2


def test_the_counts_from_shapes(cells):
    counted = run(cells, "guess-moe", "count-shapes")["parameters"]
    for name in ("SmolLM2-135M", "Mistral NeMo", "Phi-3.5-MoE"):
        shape = family(name).shape
        assert counted(shape, shape.experts) == pytest.approx(shape.parameters(), rel=1e-3)
    prose = cells["read-moe"]
    moe, nemo = family("Phi-3.5-MoE").shape, family("Mistral NeMo").shape
    assert f"{moe.parameters() / 1e9:.2f} billion" in prose
    assert f"{moe.active_parameters() / 1e9:.2f} billion" in prose
    assert f"{nemo.parameters() / 1e9:.2f} billion" in prose
    gigabytes = weight_bytes(moe.parameters(), FORMATS["bf16"]) / 1e9
    assert f"{gigabytes:.1f} GB" in cells["read-memory"]


def test_the_cache(cells):
    names = run(cells, "guess-moe", "count-shapes", "guess-cache", "cache-by-hand")
    cache_gb = names["cache_gb"]
    phi, nemo = family("Phi-3.5-mini").shape, family("Mistral NeMo").shape
    assert f"{cache_gb(phi, 131_072):.1f} GB of cache" in cells["read-cache"]
    assert cache_gb(phi, 1_000) == pytest.approx(phi.cache_bytes(1_000) / 1e9)
    assert nemo.parameters() > 3 * phi.parameters()
    assert cache_gb(nemo, 131_072) < cache_gb(phi, 131_072) / 2
    assert f"{weight_bytes(phi.parameters(), 16) / 1e9:.1f} GB" in cells["predict-cache"]


def test_the_tokens(cells):
    counted = {
        name: {form: sum(tokens.count(text, name) for text in texts(form)) for form in FORMS}
        for name in tokens.NAMES
    }
    tekken, older, smol = counted.values()
    prose = cells["read-fertility"]
    for form, factor in (("ko", "2.1"), ("ar", "2.9"), ("python", "1.26")):
        assert f"{older[form]} / {tekken[form]} = {factor}" in prose
        assert older[form] / tekken[form] == pytest.approx(float(factor), abs=0.05)
    assert f"{tekken['ko']} with Tekken" in prose and f"{smol['ko']} with SmolLM2" in prose
    english = {each["en"] for each in counted.values()}
    assert f"{min(english)} to {max(english)} tokens" in prose
    letters = sum(map(len, texts("ko")))
    assert f"{letters} characters" in cells["guess-fertility-intro"]
    assert f"{smol['en']} tokens" in cells["guess-fertility-intro"]
    assert smol["ko"] > 2 * letters and round(smol["ko"] / smol["en"]) == 5
    assert f"{tekken['ko'] / tekken['en'] - 1:.0%}".replace("%", " %") in cells["read-bill"]


def test_what_runs(cells):
    assert len(families()) == 9  # "of 9"
    moe, nemo = (will_it_run(family(name), 16) for name in ("Phi-3.5-MoE", "Mistral NeMo"))
    assert not moe.runs and moe.tokens_per_second > nemo.tokens_per_second


def test_the_exercises_have_solutions(cells):
    code = re.search(r"```python\n(.*?)```", cells["transfer-symmetric"], re.DOTALL).group(1)
    solved = run({**cells, "solutions": code}, "solutions")
    for name in ("longest-context-checks", "round-symmetric-checks"):
        exec(compile(cells[name], name, "exec"), solved)  # raises unless every check passes


@pytest.mark.parametrize(
    "wrong",
    [
        "def longest_context(free_bytes, layers, kv_heads, head_dim):\n"
        "    return free_bytes / (4 * layers * kv_heads * head_dim)",
        "def longest_context(free_bytes, layers, kv_heads, head_dim):\n"
        "    return int(free_bytes // (2 * layers * kv_heads * head_dim))",
        "def longest_context(free_bytes, layers, kv_heads, head_dim):\n"
        "    return int(free_bytes // (4 * layers * kv_heads * head_dim))",
    ],
    ids=["half a token", "keys only", "negative"],
)
def test_likely_mistakes_are_noticed(cells, wrong):
    from beyond.checks import CheckFailed

    names = run({**cells, "wrong": wrong}, "wrong")
    with pytest.raises(CheckFailed):
        exec(compile(cells["longest-context-checks"], "checks", "exec"), names)


def test_the_questions():
    assert len(self_check.questions()) == 5
