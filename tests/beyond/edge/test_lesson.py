"""Lesson 9: what its prose says about numbers is what its code computes.

Cells that measure speed are left to the test that runs each lesson.
"""

import itertools
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest

from beyond.checks import CheckFailed
from beyond.edge import export, self_check, speculative, translation_check
from beyond.edge.kv_cache import CHANNEL, TOKEN, CacheFormat, perplexity
from beyond.edge.sentences import sentences
from beyond.edge.session import OnnxModel
from beyond.edge.weights import to_blocks
from beyond.lm import models
from beyond.lm.perplexity import prose

LESSON = Path(__file__).parents[3] / "notebooks" / "en" / "09-edge-deployment.ipynb"


@pytest.fixture(scope="module")
def cells():
    return {cell.id: cell.source for cell in nbformat.read(LESSON, 4).cells}


STUBS = ("lookup", "accept", "speculate", "cache-bytes", "best-form")
SOLUTIONS = tuple(f"{each}-solution" for each in STUBS)
CHECKS = tuple(f"{each}-checks" for each in STUBS)


def solved(cells):
    """The student's functions, from the solutions that the lesson shows."""
    bound = {"__name__": "lesson"}
    exec(compile(cells["shelf"], "shelf", "exec"), bound)
    for each in SOLUTIONS:
        code = re.search(r"```python\n(.*?)```", cells[each], re.DOTALL)[1]
        exec(compile(code, each, "exec"), bound)
    return bound


def failures(cells, names):
    """What the checks say, where they don't pass."""
    said = []
    for each in CHECKS:
        # stopping is what grading does, and what tells the test
        code = cells[each].replace("stop=False", "stop=True")
        try:
            exec(compile(code, each, "exec"), names)
        except CheckFailed as failed:
            said.append(" ".join(str(failed).split()))  # messages are wrapped
    return "\n".join(said)


def test_the_shown_solutions_pass(cells):
    assert failures(cells, solved(cells)) == ""


def test_the_same_variant_is_chosen_from_the_shelf_in_any_order(cells):
    names = solved(cells)
    for shelf in itertools.permutations(names["SHELF"]):
        assert names["best_variant"](list(shelf), 265, 40) == "four"
        assert names["best_variant"](list(shelf), 1_000, 21) == "four"


def test_untouched_stubs_let_run_all_go_on(cells, capsys):
    bound = {"__name__": "lesson"}
    exec(compile(cells["shelf"], "shelf", "exec"), bound)
    for stub, checks in zip(STUBS, CHECKS, strict=True):
        exec(compile(cells[stub], stub, "exec"), bound)
        exec(compile(cells[checks], checks, "exec"), bound)
    assert speculative.yours_or_library(bound["speculate"]) is speculative.speculate
    shown = "".join(capsys.readouterr())
    assert all(f"Not answered yet: {each}" in shown for each in ("lookup", "accept", "speculate"))
    assert "✓" not in shown


LOOP = (
    "def speculate(model, prompt, tokens):\n"
    "    text = list(prompt)\n"
    "    while len(text) < len(prompt) + tokens:\n"
    "        draft = lookup(text)\n"
    "        predicted = model.predict(text[model.cached :] + draft, len(draft) + 1)\n"
    "        text += accept(draft, predicted)\n"
    "        model.truncate(len(text) - 1)\n"
    "    return text[len(prompt) :][:tokens]"
)


def lookup_with(
    places="range(len(ids) - size - 1, -1, -1)", found="ids[at + size : at + size + most]"
):
    return (
        "def lookup(ids, size=2, most=8):\n"
        f"    for at in {places}:\n"
        "        if ids[at : at + size] == ids[-size:]:\n"
        f"            return {found}\n"
        "    return []"
    )


def accept_with(result):
    return (
        "def accept(draft, predicted):\n"
        "    n = 0\n"
        "    while n < len(draft) and draft[n] == predicted[n]:\n"
        "        n += 1\n"
        f"    return {result}"
    )


def best_variant_with(
    result="max(ok, key=lambda f: f['speed'])['name'] if ok else 'none'",
    fits="f['mb'] <= most_mb and f['perplexity'] <= worst",
):
    return (
        "def best_variant(variants, most_mb, worst):\n"
        f"    ok = [f for f in variants if {fits}]\n"
        f"    return {result}"
    )


WRONG = {
    "the match itself": (lookup_with(found="ids[at : at + most]"), "Start after the match"),
    "the end": (lookup_with("range(len(ids) - size, -1, -1)"), "Search every start from 0"),
    "all that followed": (lookup_with(found="ids[at + size :]"), "at most `most` tokens"),
    "the first place": (lookup_with("range(len(ids) - size)"), "latest earlier place"),
    "no overlap": (lookup_with("range(len(ids) - 2 * size, -1, -1)"), "may overlap the end"),
    "the place that finds itself": (lookup_with("[len(ids) - size]"), "Search every start from 0"),
    "not from the first": (
        lookup_with("range(len(ids) - size - 1, 0, -1)"),
        "Search every start from 0",
    ),
    "one too far": (
        lookup_with(found="ids[at + size + 1 : at + size + 1 + most]"),
        "one token too",
    ),
    "a tuple": (lookup_with(found="tuple(ids[at + size : at + size + most])"), "Return a list"),
    "None for no place": (
        lookup_with().replace("return []", "return None"),
        "Return [] if there is no such place",
    ),
    "always two": (
        "def lookup(ids, size=2, most=8):\n"
        "    for at in range(len(ids) - 3, -1, -1):\n"
        "        if ids[at : at + 2] == ids[-2:]:\n"
        "            return ids[at + 2 : at + 2 + most]\n"
        "    return []",
        "not always two",
    ),
    "a return forgotten in the loop": (
        "def lookup(ids, size=2, most=8):\n"
        "    for at in range(len(ids) - size - 1, -1, -1):\n"
        "        if ids[at : at + size] == ids[-size:]:\n"
        "            ids[at + size : at + size + most]\n"
        "    return []",
        "and return what follows",
    ),
    "too few of what follows": (
        "def lookup(ids, size=2, most=8):\n"
        "    for at in range(len(ids) - size - 1, -1, -1):\n"
        "        if ids[at : at + size] == ids[-size:]:\n"
        "            return ids[at + size : at + most]\n"
        "    return []",
        "end at start + size + most",
    ),
    "one token compared": (
        "def lookup(ids, size=2, most=8):\n"
        "    for at in range(len(ids) - size - 1, -1, -1):\n"
        "        if ids[at] == ids[-size]:\n"
        "            return ids[at + size : at + size + most]\n"
        "    return []",
        "not only one of them",
    ),
    "one place too far": (
        "def accept(draft, predicted):\n"
        "    n = 0\n"
        "    while n < len(draft) and draft[n] == predicted[n + 1]:\n"
        "        n += 1\n"
        "    return predicted[: n + 1]",
        "Compare draft[i] with predicted[i]",
    ),
    "a list in the text": (
        LOOP.replace("text += accept(draft, predicted)", "text.append(accept(draft, predicted))"),
        "appends its tokens",
    ),
    "no token of its own": (accept_with("draft[:n]"), "own next token"),
    "the draft's token": (accept_with("draft[: n + 1]"), "the model's token counts"),
    "everything": ("def accept(draft, predicted):\n    return predicted", "after a wrong token"),
    "past the end": (
        "def accept(draft, predicted):\n"
        "    n = 0\n"
        "    while draft[n] == predicted[n]:\n"
        "        n += 1\n"
        "    return predicted[: n + 1]",
        "longer than draft by one",
    ),
    "zip, then the last prediction": (
        "def accept(draft, predicted):\n"
        "    kept = []\n"
        "    for d, p in zip(draft, predicted):\n"
        "        if d != p:\n"
        "            break\n"
        "        kept.append(d)\n"
        "    return [*kept, p]",
        "zip stops before the last prediction",
    ),
    "the dictionary": (
        best_variant_with("max(ok, key=lambda f: f['speed']) if ok else 'none'"),
        "not the dictionary",
    ),
    "later agreement": (
        "def accept(draft, predicted):\n"
        "    kept = [p for d, p in zip(draft, predicted) if d == p]\n"
        "    return kept + predicted[-1:]",
        "Stop at the first difference",
    ),
    "the last prediction": (
        accept_with("draft[:n] + predicted[-1:]"),
        "predicted[agreed], not the last prediction",
    ),
    "no return": (accept_with("predicted").replace("return", "kept ="), "`return`"),
    "not truncated": (LOOP.replace("model.truncate(len(text) - 1)", "pass"), "disagree"),
    "truncated too late": (LOOP.replace("len(text) - 1)", "len(text))"), "disagree"),
    "only the last token": (LOOP.replace("text[model.cached :]", "text[-1:]"), "disagree"),
    "the prompt, too": (LOOP.replace("text[len(prompt) :][:tokens]", "text"), "without the prompt"),
    "too many": (LOOP.replace("[:tokens]", ""), "cut the result"),
    "one prediction": (LOOP.replace("len(draft) + 1)", "len(draft))"), "len(draft) + 1 tokens"),
    "nothing appended": (
        LOOP.replace("text += ", "").replace("truncate(len(text) - 1)", "truncate(0)"),
        "append what accept returns",
    ),
    "one token per pass": (
        "def speculate(model, prompt, tokens):\n"
        "    text = list(prompt)\n"
        "    for _token in range(tokens):\n"
        "        text += model.predict(text[model.cached :], 1)\n"
        "    return text[len(prompt) :]",
        "Verify the whole draft",
    ),
    "an empty cache": (LOOP.replace("truncate(len(text) - 1)", "truncate(0)"), "processed again"),
    "truncated too far": (LOOP.replace("len(text) - 1)", "len(text) - 2)"), "processed again"),
    "truncated before appending": (
        LOOP.replace(
            "        text += accept(draft, predicted)\n        model.truncate(len(text) - 1)\n",
            "        model.truncate(len(text) - 1)\n        text += accept(draft, predicted)\n",
        ),
        "processed again",
    ),
    "drafts from the prompt": (LOOP.replace("lookup(text)", "lookup(prompt)"), "lookup(text)"),
    "once": (LOOP.replace("while len", "if len"), "only with the correct tokens"),
    "imported": (
        "from beyond.edge import speculative\n"
        "def speculate(model, prompt, tokens):\n"
        "    return speculative.speculate(model, prompt, tokens)",
        "beyond.edge",
    ),
    "keys only": (
        "def cache_bytes(layers, kv_heads, head_size, tokens, bits):\n"
        "    return layers * kv_heads * head_size * tokens * bits / 8",
        "two vectors",
    ),
    "bits, not bytes": (
        "def cache_bytes(layers, kv_heads, head_size, tokens, bits):\n"
        "    return 2 * layers * kv_heads * head_size * tokens * bits",
        "A byte has 8 bits",
    ),
    "whole bytes": (
        "def cache_bytes(layers, kv_heads, head_size, tokens, bits):\n"
        "    return 2 * layers * kv_heads * head_size * tokens * (bits // 8)",
        "4 // 8 is 0",
    ),
    "no size": (
        "def cache_bytes(layers, kv_heads, head_size, tokens, bits):\n"
        "    return 2 * layers * kv_heads * tokens * bits / 8",
        "head_size numbers",
    ),
    "no layers": (
        "def cache_bytes(layers, kv_heads, head_size, tokens, bits):\n"
        "    return 2 * kv_heads * head_size * tokens * bits / 8",
        "Count every layer",
    ),
    "fp32 always": (
        "def cache_bytes(layers, kv_heads, head_size, tokens, bits):\n"
        "    return 2 * layers * kv_heads * head_size * tokens * 4",
        "Use `bits`",
    ),
    "the fastest": (
        "def best_variant(variants, most_mb, worst):\n"
        "    return max(variants, key=lambda f: f['speed'])['name']",
        "perplexity before the speed",
    ),
    "the first that fits": (
        best_variant_with("ok[0]['name'] if ok else 'none'"),
        "Take the fastest",
    ),
    "the last that fits": (best_variant_with("ok[-1]['name'] if ok else 'none'"), "no particular"),
    "the slowest": (
        best_variant_with("min(ok, key=lambda f: f['speed'])['name'] if ok else 'none'"),
        "Take the fastest",
    ),
    "any size": (
        best_variant_with(fits="f['perplexity'] <= worst"),
        "choose: it must fit `best_variant",
    ),
    "any perplexity": (best_variant_with(fits="f['mb'] <= most_mb"), "perplexity before the speed"),
    "None for nothing": (
        best_variant_with("max(ok, key=lambda f: f['speed'])['name'] if ok else None"),
        'Return "none", not None.',
    ),
    "strictly below": (
        "def best_variant(variants, most_mb, worst):\n"
        "    fit = [f for f in variants if f['mb'] < most_mb and f['perplexity'] < worst]\n"
        "    return max(fit, key=lambda f: f['speed'])['name'] if fit else 'none'",
        "Use <= for both",
    ),
    "no empty case": (
        "def best_variant(variants, most_mb, worst):\n"
        "    fit = [f for f in variants if f['mb'] <= most_mb and f['perplexity'] <= worst]\n"
        "    return max(fit, key=lambda f: f['speed'])['name']",
        "max of nothing",
    ),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_a_likely_mistake_gets_a_hint_that_fits(cells, mistake, capsys):
    code, hint = WRONG[mistake]
    names = solved(cells)
    exec(compile(code, mistake, "exec"), names)
    said = failures(cells, names)
    shown = " ".join(capsys.readouterr().out.split())  # a forgotten return counts as no answer
    assert hint in said or hint in shown


@pytest.mark.parametrize(
    "earlier",
    [
        "def lookup(ids, size=2, most=8):\n    return None",
        "def accept(draft, predicted):\n    return None",
        lookup_with().replace("return ids", "found = ids").replace("return []", "pass"),
        accept_with("draft[:n]"),
    ],
)
def test_the_loop_is_told_to_wait_for_the_steps_that_it_uses(cells, earlier):
    names = solved(cells)
    exec(earlier, names)
    (told,) = (said for said in failures(cells, names).splitlines() if "✗ speculate" in said)
    assert told.count("Steps 1 and 2 come first") == 1
    assert told.count("This counts only with the correct tokens") == 2


@pytest.mark.parametrize(
    ("earlier", "told"),
    [
        (lookup_with("range(len(ids) - size)"), "lookup: the latest place"),
        (lookup_with("range(len(ids) - 2 * size, -1, -1)"), "lookup: the places may overlap"),
    ],
)
def test_a_draft_that_is_only_worse_is_not_laid_on_the_loop(cells, earlier, told):
    names = solved(cells)
    exec(earlier, names)
    said = failures(cells, names).splitlines()
    assert told in said[0]
    for line in said[1:]:
        assert line.count("✗") == line.count("Steps 1 and 2 come first")


def test_what_the_loop_raises_is_told_once(cells):
    names = solved(cells)
    exec(LOOP.replace("len(draft) + 1)", "draft + 1)"), names)
    (told,) = failures(cells, names).splitlines()
    assert told.count("TypeError") == 1
    assert told.count("This counts only with the correct tokens") == 2


def test_a_type_error_of_the_loop_is_not_laid_on_the_steps_before(cells):
    names = solved(cells)
    exec(LOOP.replace("len(draft) + 1)", "draft + 1)"), names)
    told = failures(cells, names)
    assert "TypeError" in told
    assert "Steps 1 and 2" not in told


def test_a_forgotten_division_is_not_taken_for_bits_that_are_not_used(cells):
    """At 4 bits, eight times the bits are also 4 bytes per number."""
    names = solved(cells)
    exec(WRONG["bits, not bytes"][0], names)
    said = failures(cells, names)
    assert "A byte has 8 bits" in said and "not every number has 32" not in said


def test_a_self_check_has_choices_of_even_length():
    for question in self_check.questions():
        assert sum(choice.right for choice in question.choices) == 1
        lengths = [len(choice.text) for choice in question.choices]
        assert max(lengths) < 2 * min(lengths)


@pytest.fixture(scope="module")
def onnx_model():
    return OnnxModel(export.variant_folder("fp32"))


@pytest.fixture(scope="module")
def tokenizer():
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(models.folder(), local_files_only=True)


def test_drafts_pay_on_the_notice_and_not_on_the_story(cells, onnx_model, tokenizer):
    def chat(request):
        return tokenizer.apply_chat_template(
            [{"role": "user", "content": request}], add_generation_prompt=True, return_dict=True
        )["input_ids"]

    bound = {"chat": chat, "tqdm": list}
    requests = cells["run-speculative"].split("method =")[0]
    exec(requests, bound)
    notice, story = (
        speculative.run(onnx_model, ids, 48, speculative.speculate)
        for ids in bound["REQUESTS"].values()
    )
    assert notice.acceptance > 0.9 and notice.tokens_per_pass > 4
    assert story.acceptance < 0.5 and story.tokens_per_pass < 1.1


def test_what_a_cache_can_take(onnx_model, tokenizer):
    ids = tokenizer(prose(), add_special_tokens=False).input_ids[:512]

    def measured(bits, axis=TOKEN):
        return perplexity(onnx_model, ids, CacheFormat(bits, axis), CacheFormat(bits))

    base = measured(32)
    assert measured(8) == pytest.approx(base, rel=0.01)
    channels, tokens = measured(4, CHANNEL) / base, measured(4) / base
    assert channels == pytest.approx(1, abs=0.02)
    assert channels + 0.005 < tokens < 1.1
    assert measured(2) / base > 3
    assert 1.05 < measured(2, CHANNEL) / base < 1.6


def test_a_row_of_weights_keeps_its_blocks(cells):
    from safetensors import safe_open

    with safe_open(models.folder() / "model.safetensors", "np") as weights:
        row = weights.get_tensor("model.layers.0.mlp.gate_proj.weight")[:1]
    exact = to_blocks(row, 4, offset=True).numbers()
    assert row.shape == (1, 576)
    assert np.abs(exact - row).mean() < 0.01 * np.abs(row).mean()
    assert "These weights *came* as 4 bits" in cells["read-errors"]


def test_the_baselines_of_the_translation_tool(cells):
    originals, references = sentences("en")[:4], sentences("ko")[:4]
    copied = translation_check.chrf(originals, references)
    shuffled = translation_check.chrf([*references[1:], references[0]], references)
    assert f"a copy of the English source gets {copied:.0f}," in cells["tool-intro"]
    assert f"in shuffled order get {shuffled:.0f}." in cells["tool-intro"]


def test_numbers_in_the_prose(cells):
    cached = solved(cells)["cache_bytes"]
    assert f"{cached(30, 3, 64, 72, 32) / 1e6:.0f} MB" in cells["read-settings"]
    assert f"{cached(30, 3, 64, 8_192, 32) / 1e6:.0f} MB" in cells["read-settings"]
    assert f"{cached(30, 3, 64, 1, 32) / 1e3:.0f} KB" in cells["predict-copies"]
    assert cached(30, 3, 64, 8_192, 16) > 108e6  # more than int4-gguf, as section 7 says
    assert f"{cached(28, 8, 128, 6_000, 16) / 1e9:.1f} GB per user" in cells["read-kv"]
    assert "the weights about 1.7 GB" in cells["read-kv"]
    assert pytest.approx(1.7e9, rel=0.02) == 3e9 * 4.5 / 8  # 4 bits and a scale per 32 weights
    assert pytest.approx(0.58, abs=0.01) == 7e9 / 12e9  # 4 bits, scales and minimums included
    assert "At 35 GB/s that is 5 tokens" in cells["read-limit-chart"]
    cpu, gpu = (557, 47), (3_808, 52)
    assert f"S26 Ultra, CPU | {cpu[0]} | {cpu[1]} |" in cells["cases"]
    assert f"S26 Ultra, GPU | {gpu[0]:,} | {gpu[1]} |" in cells["cases"]
    assert f"prefills {gpu[0] / cpu[0]:.1f} times" in cells["cases"]
    assert f"only {gpu[1] / cpu[1]:.1f} times" in cells["cases"]
