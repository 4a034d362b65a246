"""Let a language model answer from the passages that a search found, and check its answers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from beyond.retrieval.handbook import Passage

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

EXAMPLES = """\
Answer from the passages. Copy the words that answer, and give the passage's number.

[1] Cleaning the windows: Windows are cleaned on Monday with a rubber blade and warm water.
[2] The canteen: The canteen serves soup from noon. A bowl costs three dollars.
Question: How much do I pay for lunch?
Answer: three dollars [2]

[1] The ladder: The ladder hangs behind the oil tank. Only two people may use it together.
[2] The cellar: The cellar is locked at six. Mr. Lund has the key.
Question: Where do I find the ladder?
Answer: behind the oil tank [1]

[1] Pigeons: Pigeons on the roof are driven off by a falcon.
[2] The lift: The lift carries eight people and is inspected each May.
Question: When is somebody coming to check the elevator?
Answer: each May [2]

"""
"""A prompt's beginning: instructions and three examples that have nothing to do with the shop."""


def prompt(question: str, passages: Sequence[Passage]) -> str:
    """Write the end of a prompt: the numbered passages, then the question."""
    numbered = [f"[{n}] {p.titled}" for n, p in enumerate(passages, start=1)]
    return "\n".join([*numbered, f"Question: {question}", "Answer:"])


def generate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    max_new_tokens: int = 20,
    batch: int = 8,
    beginning: str = EXAMPLES,
) -> list[str]:
    """Generate the first line after each prompt, greedily.

    Args:
        model: any causal language model of transformers.
        tokenizer: the model's own.
        prompts: each without its beginning.
        max_new_tokens: where an answer is cut off.
        batch: prompts per forward pass.
        beginning: the prefix of every prompt.
    """
    import torch

    rows = [tokenizer(beginning + p, add_special_tokens=False)["input_ids"] for p in prompts]
    answers = [""] * len(rows)
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    for start in range(0, len(order), batch):
        some = order[start : start + batch]
        longest = max(len(rows[i]) for i in some)
        ids = torch.zeros(len(some), longest, dtype=torch.long, device=model.device)
        mask = torch.zeros_like(ids)
        for place, i in enumerate(some):
            ids[place, longest - len(rows[i]) :] = torch.tensor(rows[i])
            mask[place, longest - len(rows[i]) :] = 1
        with torch.inference_mode():
            out = model.generate(  # type: ignore[operator]  # transformers types it as a module
                input_ids=ids,
                attention_mask=mask,
                max_new_tokens=max_new_tokens,
                do_sample=False,
                pad_token_id=tokenizer.eos_token_id,
                stop_strings=["\n"],
                tokenizer=tokenizer,
            )
        for i, row in zip(some, out[:, longest:], strict=True):
            text = str(tokenizer.decode(row, skip_special_tokens=True))
            answers[i] = text.strip().split("\n")[0].strip()
    return answers


def citation(answer: str) -> int | None:
    """Return the number of the passage that an answer cites, such as 2 for "at noon [2]"."""
    found = re.findall(r"\[(\d+)\]", answer)
    return int(found[-1]) if found else None


def cited(answer: str, passages: Sequence[Passage]) -> Passage | None:
    """Return the passage that an answer cites, or None if it cites none that was there."""
    number = citation(answer)
    return passages[number - 1] if number and number <= len(passages) else None


def without_citation(answer: str) -> str:
    """Return an answer's own words."""
    return re.sub(r"\s*\[\d*\]?", "", answer).strip(" .")
