"""Define the task of several lessons: which team of a shop answers a message.

The shop is fictional. Its handbook (20 rules, one per topic) and its messages were written for
this course by `tools/make_shop.py`; 300 messages are for training, 100 with other wording are held
out. About half of the rules can be guessed; the others are house rules. The model gets the English
text; the Korean one is for the reader, and for the experiment with Korean in lesson 2.
"""

from __future__ import annotations

import json
import random
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from beyond.lm.classification import Scores, score
from beyond.locale import language

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class Entry:
    """A message, or a rule of the handbook, in both languages."""

    topic: str
    team: str
    """The team that answers."""
    en: str
    ko: str

    @property
    def shown(self) -> str:
        """The English text; in the Korean course followed by its translation."""
        return f"{self.en} ({self.ko})" if language() == "ko" else self.en


ADAPTER = Path(__file__).parent / "shop_adapter"
"""A LoRA adapter for SmolLM2, trained on `training()` with the prompts of `asked`.

Lesson 4 loads it, and so do notebooks of lesson 1 that were handed out while that lesson held
fine-tuning too. Lesson 3 has its own, for the chat template: `beyond.fine_tuning.lora.ADAPTER`."""


def tuned(model: PreTrainedModel) -> PeftModel:
    """Return the model with `ADAPTER` loaded, ready to score messages."""
    with warnings.catch_warnings():
        # Of a name inside transformers that peft still uses: nothing a learner could act on.
        warnings.filterwarnings("ignore", ".*is_gradient_checkpointing", FutureWarning)
        from peft import PeftModel

        return PeftModel.from_pretrained(model, ADAPTER).eval()


def teams() -> tuple[str, ...]:
    """Return the five teams; each is one token for SmolLM2 after a space."""
    return tuple(_data()["teams"])


def handbook() -> list[Entry]:
    """Return the original 20 rules, on which the training messages are based."""
    return _entries(_data()["handbook"])


def training() -> list[Entry]:
    """Return 300 messages with their teams: 15 per topic, 5 sentences in 3 variations each."""
    return _entries(_data()["training"])


def held_out() -> list[Entry]:
    """Return 100 messages with their teams, 5 per topic; no sentence of them is in `training()`."""
    return _entries(_data()["held_out"])


def later_handbook() -> list[Entry]:
    """Return the handbook after four rules were added and one was changed: 24 rules."""
    changes = _entries(_data()["later"]["handbook"])
    changed = {rule.topic for rule in changes}
    return [rule for rule in handbook() if rule.topic not in changed] + changes


def later_messages() -> list[Entry]:
    """Return 25 messages to which the added and changed rules apply, 5 for each."""
    return _entries(_data()["later"]["messages"])


INSTRUCTIONS = (
    "You sort messages to a shop. Each message goes to one team: kitchen, garden, office, "
    "billing or delivery.\n\n"
)


def asked(message: str) -> str:
    """Return the end of every prompt: the message, and "Team:", which the answer follows."""
    return f"Message: {message}\nTeam:"


def examples(number: int, seed: int = 0) -> list[Entry]:
    """Choose few-shot examples from the training messages, with as many topics as possible.

    Teams alternate, so that no team is shown twice before each has been shown once.
    """
    chance = random.Random(seed)
    topics: dict[str, list[str]] = {team: [] for team in teams()}
    for rule in handbook():
        topics[rule.team].append(rule.topic)
    for names in topics.values():
        chance.shuffle(names)
    shown: list[Entry] = []
    while len(shown) < number:
        turn = list(teams())
        chance.shuffle(turn)
        rounds = len(shown) // len(turn)
        for team in turn[: number - len(shown)]:
            topic = topics[team][rounds % len(topics[team])]
            shown.append(
                chance.choice([m for m in training() if m.topic == topic and m not in shown])
            )
    return shown


def with_rules(message: str, rules: Sequence[str]) -> str:
    """Return the end of a prompt with retrieval: rules of the handbook, then the message."""
    return f"Handbook: {' '.join(rules)}\n{asked(message)}"


def accuracy(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    messages: Sequence[Entry] | None = None,
    shots: int = 5,
    seed: int = 0,
    rules: bool = False,
) -> Scores:
    """Measure how often a model names the right team after a prompt with `shots` examples.

    Args:
        model: any causal language model of transformers.
        tokenizer: the model's own.
        messages: the held-out ones if none are given.
        shots: examples in the prompt, chosen by `examples(shots, seed)`.
        seed: which examples are drawn.
        rules: put the matching rule before each message, as a perfect retriever would; this
            measures whether the model uses it.
    """
    messages = held_out() if messages is None else messages
    # A changed rule applies only to messages that were given its new team.
    rule = {(r.topic, r.team): r.en for r in [*handbook(), *later_handbook()]}

    def prompt(message: Entry) -> str:
        return (
            with_rules(message.en, [rule[message.topic, message.team]])
            if rules
            else asked(message.en)
        )

    shown = "".join(f"{prompt(m)} {m.team}\n\n" for m in examples(shots, seed))
    return score(
        model,
        tokenizer,
        prompts=[prompt(m) for m in messages],
        expected=[m.team for m in messages],
        labels=teams(),
        beginning=INSTRUCTIONS + shown,
    )


def _entries(rows: list[dict]) -> list[Entry]:
    return [Entry(**row) for row in rows]


@cache
def _data() -> dict:
    return json.loads((Path(__file__).parent / "shop.json").read_text("utf-8"))
