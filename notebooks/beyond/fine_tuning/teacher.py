"""Label messages with the retrieval rung, which is the teacher of the distilled adapter.

Each prompt holds five examples with their rules, then the rule that BM25 finds for the message,
then the message; the labels are calibrated. Nothing here reads a message's own label.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from beyond import shop
from beyond.fine_tuning.lookup import best_rule
from beyond.lm.classification import Scores, score

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def prompt(message: str, book: Sequence[shop.Entry]) -> str:
    """Return the end of a retrieval prompt: the rule found for the message, and the message."""
    return shop.with_rules(message, [best_rule(message, book).en])


def beginning(book: Sequence[shop.Entry]) -> str:
    """Return the instructions and one example for each team, with the rule found for it.

    Only examples for which the search finds the right rule are shown.
    """
    good = {m.team: m for m in shop.examples(20) if best_rule(m.en, book).topic == m.topic}
    shown = (f"{prompt(m.en, book)} {m.team}\n\n" for m in good.values())
    return shop.INSTRUCTIONS + "".join(shown)


def answer(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    messages: Sequence[shop.Entry],
    book: Sequence[shop.Entry] | None = None,
) -> Scores:
    """Let the model with retrieval and calibration name the team for each message.

    Args:
        model: any causal language model of transformers.
        tokenizer: the model's own.
        messages: their labels are only compared with the answers.
        book: the handbook; the original one if none is given.
    """
    rules = shop.handbook() if book is None else book
    prompts = [prompt(m.en, rules) for m in messages]
    teams = [m.team for m in messages]
    # The examples' rules come from the original handbook, like the examples themselves.
    shown = beginning(shop.handbook())
    return score(model, tokenizer, prompts, teams, shop.teams(), shown).calibrated()
