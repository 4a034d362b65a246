"""Ask a model questions that have nothing to do with the shop, as a second skill."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from beyond.fine_tuning.sft import Conversation, reply

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

NEW_TOKENS = 20
"""Tokens of a reply; enough for a sentence that names the answer."""


@dataclass(frozen=True)
class Question:
    """A question, and the words of which a right reply contains one."""

    text: str
    accepted: tuple[str, ...]

    @property
    def conversation(self) -> Conversation:
        """The question in a chat, with the template's own system message."""
        return [{"role": "user", "content": self.text}]

    def passed(self, text: str) -> bool:
        """Return whether `text` contains an accepted word, in any case."""
        return any(word.lower() in text.lower() for word in self.accepted)


@cache
def questions() -> tuple[Question, ...]:
    """Return the 16 questions."""
    data = json.loads((Path(__file__).parent / "general.json").read_text("utf-8"))
    return tuple(Question(q["question"], tuple(q["accepted"])) for q in data["questions"])


def ask(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """Return the model's reply to each question, greedily decoded."""
    asked = [question.conversation for question in questions()]
    return list(reply(model, tokenizer, asked, new_tokens=NEW_TOKENS).texts)
