"""Lesson 5: what its prose says about numbers is what its code computes.

Cells that measure speed are left to the test that runs each lesson.
"""

import io
import re
from contextlib import redirect_stdout
from pathlib import Path

import nbformat
import pytest
import torch

from beyond.lm import tokens
from beyond.lm.families import families, family
from beyond.lm.model_size import weight_bytes
from beyond.small_models import self_check
from beyond.small_models.laptop import will_it_run
from beyond.small_models.quantization import quantize_absmax, quantize_blocks
from beyond.small_models.same_meaning import FORMS, texts

LESSON = Path(__file__).parents[3] / "notebooks" / "en" / "05-small-language-models.ipynb"


@pytest.fixture(scope="module")
def cells():
    return {cell.id: cell.source for cell in nbformat.read(LESSON, 4).cells}


def run(cells, *ids):
    """Return the names that these cells bind, run in this order."""
    bound = {"__name__": "lesson", "against": lambda *given: None}
    for each in ids:
        exec(compile(cells[each], each, "exec"), bound)
    return bound


def solution(cells, *ids):
    return "\n".join(re.search(r"```python\n(.*?)```", cells[i], re.DOTALL).group(1) for i in ids)


def solved(cells):
    """The student's functions, from the solutions that the lesson shows."""
    steps = [each.replace("-checks", "-solution") for each in CHECKS]
    return run({"code": "import torch\n" + solution(cells, *steps)}, "code")


def failures(cells, names, *ids):
    """What the checks in these cells say, where they don't pass."""
    said = []
    for each in ids:
        with redirect_stdout(io.StringIO()) as shown:
            exec(compile(cells[each], each, "exec"), names)
        if "✗" in shown.getvalue():
            said.append(" ".join(shown.getvalue().split()))  # messages are wrapped
    return "\n".join(said)


CHECKS = ("longest-context-checks", "absmax-checks", "minmax-checks", "dequantize-checks")


def test_the_shown_solutions_pass(cells):
    assert failures(cells, solved(cells), *CHECKS) == ""


def test_untouched_stubs_let_run_all_go_on(cells, capsys):
    names = run(cells, "longest-context", "absmax", "minmax", "dequantize")
    for each in CHECKS:
        exec(compile(cells[each], each, "exec"), names)
    assert "Not answered" in "".join(capsys.readouterr())
    names = run(cells, "longest-context", "absmax", "minmax", "dequantize", "apply")
    assert names["methods"] == {"absmax": quantize_absmax, "min-max": quantize_blocks}


WRONG = {
    "half a token": (
        "def longest_context(free, layers, heads, size):\n"
        "    return max(0, free / (4 * layers * heads * size))",
        "return whole tokens",
    ),
    "keys only": (
        "def longest_context(free, layers, heads, size):\n"
        "    return max(0, int(free // (2 * layers * heads * size)))",
        "a key and a value",
    ),
    "keys only, in the second check as well": (
        "def longest_context(free, layers, heads, size):\n"
        "    if layers == 32:\n"
        "        return 10_172\n"
        "    return max(0, int(free // (2 * layers * heads * size)))",
        "a key and a value",
    ),
    "a whole block": (
        "def bits_per_weight(bits, block, numbers):\n    return bits * block + 16 * numbers",
        "That's a whole block",
    ),
    "no minima": (
        "def minmax(blocks, bits):\n"
        "    low, high = blocks.aminmax(dim=1, keepdim=True)\n"
        "    scale = (high - low) / (2**bits - 1)\n"
        "    return torch.round((blocks - low) / scale), scale",
        "Return three things",
    ),
    "negative": (
        "def longest_context(free, layers, heads, size):\n"
        "    return int(free // (4 * layers * heads * size))",
        "can't be negative",
    ),
    "largest value": (
        "def absmax(blocks, bits):\n"
        "    scale = blocks.amax(dim=1, keepdim=True) / (2 ** (bits - 1) - 1)\n"
        "    return torch.round(blocks / scale.where(scale > 0, 1)), scale",
        "largest absolute value",
    ),
    "sign bit": (
        "def absmax(blocks, bits):\n"
        "    scale = blocks.abs().amax(dim=1, keepdim=True) / (2**bits - 1)\n"
        "    scale = scale.where(scale > 0, 1)\n"
        "    return torch.round(blocks / scale), scale",
        "for the sign",
    ),
    "one scale": (
        "def absmax(blocks, bits):\n"
        "    scale = blocks.abs().max().expand(len(blocks), 1) / (2 ** (bits - 1) - 1)\n"
        "    scale = scale.where(scale > 0, 1)\n"
        "    return torch.round(blocks / scale), scale",
        "One scale for each row",
    ),
    "eight gaps": (
        "def minmax(blocks, bits):\n"
        "    low, high = blocks.aminmax(dim=1, keepdim=True)\n"
        "    scale = (high - low) / 2**bits\n"
        "    scale = scale.where(scale > 0, 1)\n"
        "    return torch.round((blocks - low) / scale), scale, low",
        "8 values have 7 gaps",
    ),
    "minimum forgotten": (
        "def minmax(blocks, bits):\n"
        "    low, high = blocks.aminmax(dim=1, keepdim=True)\n"
        "    scale = (high - low) / (2**bits - 1)\n"
        "    scale = scale.where(scale > 0, 1)\n"
        "    return torch.round(blocks / scale), scale, low",
        "Subtract the minimum",
    ),
    "rounded down": (
        "def minmax(blocks, bits):\n"
        "    low, high = blocks.aminmax(dim=1, keepdim=True)\n"
        "    scale = (high - low) / (2**bits - 1)\n"
        "    scale = scale.where(scale > 0, 1)\n"
        "    return torch.floor((blocks - low) / scale + 1e-4), scale, low",
        "Round to the nearest",
    ),
    "no return": ("def dequantize(codes, scale, minimum=0.0):\n    codes * scale", "`return`"),
    "added first": (
        "def dequantize(codes, scale, minimum=0.0):\n    return (codes + minimum) * scale",
        "Multiply the codes first",
    ),
    "one number": (
        "def bits_per_weight(bits, block, numbers):\n    return bits + 16 / block",
        "two numbers for each block",
    ),
    "rounded up": (
        "def longest_context(free, layers, heads, size):\n"
        "    return max(0, -int(-free // (4 * layers * heads * size)))",
        "Round down: the last token",
    ),
    "absmax rounded down": (
        "def absmax(blocks, bits):\n"
        "    scale = blocks.abs().amax(dim=1, keepdim=True) / (2 ** (bits - 1) - 1)\n"
        "    scale = scale.where(scale > 0, 1)\n"
        "    return torch.trunc(blocks / scale + 1e-4), scale",
        "Round to the nearest",
    ),
    "zeros divided": (
        "def absmax(blocks, bits):\n"
        "    scale = blocks.abs().amax(dim=1, keepdim=True) / (2 ** (bits - 1) - 1)\n"
        "    return torch.round(blocks / scale), scale",
        "0/0 is NaN",
    ),
    "a scale without dimensions": (
        "def absmax(blocks, bits):\n"
        "    scale = blocks.abs().max() / (2 ** (bits - 1) - 1)\n"
        "    scale = scale.where(scale > 0, 1)\n"
        "    return torch.round(blocks / scale), scale",
        "One scale for each row",
    ),
    "scales in a row": (
        "def absmax(blocks, bits):\n"
        "    scale = blocks.abs().amax(dim=1) / (2 ** (bits - 1) - 1)\n"
        "    scale = scale.where(scale > 0, 1)\n"
        "    return torch.round(blocks / scale[:, None]), scale",
        "Return the scales as a column",
    ),
    "scales first": (
        "def absmax(blocks, bits):\n"
        "    scale = blocks.abs().amax(dim=1, keepdim=True) / (2 ** (bits - 1) - 1)\n"
        "    scale = scale.where(scale > 0, 1)\n"
        "    return scale, torch.round(blocks / scale)",
        "First the codes, then the scales.",
    ),
    "equal weights divided": (
        "def minmax(blocks, bits):\n"
        "    low, high = blocks.aminmax(dim=1, keepdim=True)\n"
        "    scale = (high - low) / (2**bits - 1)\n"
        "    return torch.round((blocks - low) / scale), scale, low",
        "0/0 is NaN",
    ),
    "always blocks of 32": (
        "def bits_per_weight(bits, block, numbers):\n    return bits + 0.5 * numbers",
        "divide by block",
    ),
    "imported": (
        "from beyond.small_models.quantization import quantize_absmax\n"
        "def absmax(blocks, bits):\n"
        "    scale = blocks.abs().amax(dim=1, keepdim=True) / (2 ** (bits - 1) - 1)\n"
        "    scale = scale.where(scale > 0, 1)\n"
        "    again = quantize_absmax(blocks, bits, blocks.shape[1])\n"
        "    return torch.round(again / scale), scale",
        "write it yourself",
    ),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_a_likely_mistake_gets_the_fitting_hint(cells, mistake):
    code, hint = WRONG[mistake]
    names = solved(cells)
    exec(code, names)
    said = failures(cells, names, *CHECKS)
    assert hint in said
    others = {text for _code, text in WRONG.values()} - {hint}
    assert not [text for text in others if text in said]


def test_the_count_by_hand(cells):
    names = run(cells, "count-by-hand")
    whole = names["total"]
    assert whole == family("SmolLM2-135M").shape.parameters()
    assert 30 * names["network"] > whole / 2
    assert f"{names['table'] / whole:.0%}" == "21%" and "about 20%" in cells["read-parts"]
    assert f"{whole / 1e6:.1f} million" in cells["predict-table"]


def test_the_cache(cells):
    phi, newer = family("Phi-3.5-mini").shape, family("Phi-4-mini").shape
    assert f"{weight_bytes(phi.parameters(), 16) / 1e9:.1f} GB" in cells["predict-cache"]
    assert phi.cache_bytes(131_072) > 6 * weight_bytes(phi.parameters(), 16)  # "several times"
    assert newer.heads == 3 * newer.kv_heads
    assert newer.cache_bytes(1_024) == pytest.approx(phi.cache_bytes(1_024) / 3)
    gemma = family("Gemma 3 4B").shape
    assert f"{gemma.local_layers} of its {gemma.layers} layers" in cells["read-cache"]
    assert f"{gemma.window:,} tokens" in cells["read-cache"]


def test_bits_of_a_k_quant(cells):
    assert (4 * 256 + 8 * (6 + 6) + 2 * 16) / 256 == 4.5
    assert "4 + (8 \\cdot 12 + 32)/256 = 4.5$" in cells["better-intro"]


def test_the_tokens(cells):
    counted = {
        name: {form: sum(tokens.count(text, name) for text in texts(form)) for form in FORMS}
        for name in tokens.NAMES
    }
    tekken, older, smol = counted.values()
    assert older["ko"] / tekken["ko"] == pytest.approx(2, abs=0.2)
    assert older["ar"] / tekken["ar"] == pytest.approx(3, abs=0.2)
    assert older["python"] / tekken["python"] == pytest.approx(1.3, abs=0.1)
    english = [each["en"] for each in counted.values()]
    assert max(english) < 1.05 * min(english)
    assert f"{sum(map(len, texts('ko')))} characters" in cells["guess-fertility-intro"]
    assert f"{smol['en']} tokens" in cells["guess-fertility-intro"]
    assert round(smol["ko"] / smol["en"]) == 5


def test_what_runs(cells):
    assert f"of the {len(families())} models" in cells["families-intro"] + cells["read-families"]
    assert f"# of {len(families())}" in cells["guess-runs"]


@pytest.mark.parametrize(
    ("name", "verdict"),
    [("Mistral NeMo", (True, False, True)), ("Phi-3.5-MoE", (False, True, True))]
    + [(f"Llama 3.2 {size}", (True, True, False)) for size in ("1B", "3B")],
)
def test_the_patterns_of_the_three_verdicts(name, verdict):
    found = will_it_run(family(name), 16, languages=("en", "ko"), bandwidth_gb_s=30)
    assert (found.fits, found.fast_enough, found.listed) == verdict


def test_no_source_is_missing_for_a_license_with_conditions(cells):
    for model in families():
        if not model.free:
            assert model.license.split()[0] in cells["read-families"]


@pytest.fixture(scope="module")
def smollm2():
    from beyond.lm import models

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield models.load()
    torch.set_num_threads(threads)


def test_the_weights_lie_on_a_grid_of_16_values(cells, smollm2):
    weights = smollm2[0].model.layers[15].mlp.up_proj.weight.detach()
    names = {"weights": weights, "say": lambda *args, **fields: None}
    exec(compile(cells["count-values"], "count-values", "exec"), names)
    assert names["values"].max() == 16
    error = {
        bits + number / 2: ((rounding(weights, bits) - weights).norm() / weights.norm()).item()
        for bits in (4, 3, 2)
        for number, rounding in ((1, quantize_absmax), (2, quantize_blocks))
    }
    assert error[5.0] < 1e-6
    assert f"about {error[3.5]:.0%}" in cells["apply-intro"]
    steps = [error[bits - 0.5] / error[bits] for bits in (4.5, 4.0, 3.5, 3.0)]
    assert all(1.4 < step < 1.7 for step in steps)  # "by about 1.5"


def test_the_output_errors(cells, smollm2):
    """On each half of the passages: what the lesson says doesn't depend on which calibrates."""
    from beyond.small_models import calibration
    from beyond.small_models.quality import passages

    model, tokenizer = smollm2
    layer = model.model.layers[15].mlp.up_proj
    weights = layer.weight.detach()
    halves = [
        calibration.layer_inputs(model, tokenizer, passages()[first::2], layer) for first in (0, 1)
    ]
    assert all(1_100 < len(inputs) < 1_300 for inputs in halves)  # "about 1,200 tokens"
    for seen, new in (halves, halves[::-1]):
        plain = quantize_blocks(weights, 3)
        assert "about 17%" in cells["better-intro"]
        assert round(100 * calibration.output_error(weights, plain, new)) == 17
        methods = (calibration.quantize_by_importance, calibration.awq, calibration.gptq)
        after = [method(weights, seen, 3) for method in methods]
        on_seen = [calibration.output_error(weights, each, seen) for each in after]
        on_new = [calibration.output_error(weights, each, new) for each in after]
        assert max(on_new) < calibration.output_error(weights, plain, new)
        assert on_seen[2] == min(on_seen) and on_new[2] > 1.2 * on_seen[2]
        importance, scaled, compensated = ((each - weights).norm() for each in after)
        assert min(scaled, compensated) > (plain - weights).norm() > importance


def test_what_coarser_formats_cost(smollm2):
    """The intervals are over ten passages; the lesson says only what they allow."""
    from beyond.small_models.quality import mean_losses, passages, perplexity_ratio
    from beyond.small_models.quantization import quantized

    model, tokenizer = smollm2
    before = mean_losses(model, tokenizer, passages(), limit=128)

    def ratio(bits, block, rounding):
        with quantized(model, bits, block, lambda name: "layers" in name, rounding):
            return perplexity_ratio(before, mean_losses(model, tokenizer, passages(), limit=128))

    assert ratio(4, 32, quantize_absmax).low > 1
    two = ratio(3, 32, quantize_blocks), ratio(3, 32, quantize_absmax)
    assert max(one.low for one in two) < min(one.high for one in two)  # they overlap
    assert all(one.low > 2 and one.high < 10 for one in two)  # "several times"
    assert [round(one.value) for one in two] == [4, 4]  # the instructors' "about 4 times as high"
    assert ratio(2, 16, quantize_blocks).low > 200  # "hundreds or thousands"


def test_the_task_at_three_bits(smollm2):
    from beyond import shop
    from beyond.small_models.quantization import quantized

    model, tokenizer = smollm2
    messages = shop.held_out()[::2]
    assert len(messages) == 50
    assert shop.accuracy(model, tokenizer, messages, rules=True).right >= 45  # "nearly all"
    with quantized(model, 3, only=lambda name: "layers" in name):
        low, high = shop.accuracy(model, tokenizer, messages, rules=True).interval
    assert low < 1 / 5 < high


def test_what_a_small_model_loses(smollm2):
    from beyond.lm.classification import wilson
    from beyond.lm.perplexity import choose, questions_by_difficulty

    model, tokenizer = smollm2
    questions = questions_by_difficulty()
    levels = list(dict.fromkeys(question.level for question in questions))
    chosen = choose(model, tokenizer, questions)
    interval = [wilson(chosen[start : start + 20].count(0), 20) for start in range(0, 80, 20)]
    found = dict(zip(levels, interval, strict=True))
    assert found["everyday knowledge"][0] > 1 / 4
    assert found["reasoning in several steps"][0] <= 1 / 4
    between = found["specialist knowledge"], found["reasoning in one step"]
    assert max(low for low, _high in between) < min(high for _low, high in between)


def test_the_questions():
    questions = self_check.questions()
    assert 4 <= len(questions) <= 6
    for question in questions:
        lengths = [len(choice.text) for choice in question.choices]
        assert max(lengths) < 1.5 * min(lengths)
        assert all(choice.why for choice in question.choices)
    longest = [
        max(question.choices, key=lambda choice: len(choice.text)).right for question in questions
    ]
    assert sum(longest) <= len(questions) / 2
