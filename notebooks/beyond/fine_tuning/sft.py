"""Prepare conversations for supervised fine-tuning (SFT), and compute the completion-only loss.

A training example is a conversation in the model's chat template. The model reads all of it, but
only the tokens of the answer are labels; the prompt's labels are −100, which the cross-entropy
leaves out. Answers are then measured as a user would get them: greedy decoding.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from beyond.lm.classification import wilson
from beyond.locale import _
from beyond.ui.tables import Table

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

IGNORED = -100
"""The label of a token that isn't learned: PyTorch's `ignore_index`."""

SYSTEM = "Name the team."
"""The system message of the shop's conversations. It replaces the template's default one, which
is three times as long."""

EPOCHS, BATCH, RATE = 1, 5, 2e-3
"""Passes over the data, examples per step, and learning rate of the lesson's training."""

Conversation = list[dict[str, str]]
"""Messages with "role" and "content", as chat templates take them."""


@dataclass(frozen=True)
class Example:
    """A tokenized conversation that ends in an answer, and the label of each token."""

    ids: list[int]
    labels: list[int]


def conversation(message: str, system: str = SYSTEM) -> Conversation:
    """Return what a customer's message looks like to the tuned model."""
    return [{"role": "system", "content": system}, {"role": "user", "content": message}]


def prompt_ids(tokenizer: PreTrainedTokenizerBase, messages: Conversation) -> list[int]:
    """Tokenize a conversation up to where the assistant's answer begins."""
    text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def example(tokenizer: PreTrainedTokenizerBase, messages: Conversation, answer: str) -> Example:
    """Tokenize a conversation with its answer, and label only the answer and its end token."""
    prompt = prompt_ids(tokenizer, messages)
    completion = tokenizer(answer + tokenizer.eos_token, add_special_tokens=False)["input_ids"]
    return Example(prompt + completion, [IGNORED] * len(prompt) + completion)


def token_table(tokenizer: PreTrainedTokenizerBase, shown: Example) -> Table:
    """Show each token of an example with its label."""
    rows = []
    for place, (token, label) in enumerate(zip(shown.ids, shown.labels, strict=True)):
        text = str(tokenizer.decode([token])).replace("\n", "⏎").replace(" ", "␣")
        learned = str(label) if label != IGNORED else "−100"
        rows.append((str(place), text, str(token), learned))
    return Table(
        _("One training example, token by token"),
        (_("position"), _("token"), _("id"), _("label")),
        rows,
    )


def padded(examples: Sequence[Example]) -> tuple[Tensor, Tensor, Tensor]:
    """Return ids, attention mask and labels (examples × longest), padded on the right."""
    longest = max(len(one.ids) for one in examples)
    ids = torch.zeros(len(examples), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    labels = torch.full_like(ids, IGNORED)
    for row, one in enumerate(examples):
        ids[row, : len(one.ids)] = torch.tensor(one.ids)
        mask[row, : len(one.ids)] = 1
        labels[row, : len(one.ids)] = torch.tensor(one.labels)
    return ids, mask, labels


def completion_loss(model: PreTrainedModel, examples: Sequence[Example]) -> Tensor:
    """Compute the mean cross-entropy of the labeled tokens, in nats.

    Position i predicts the token at i + 1. The output head, a fifth of this model's weights, is
    computed only at positions that have a label, which changes nothing but the time.
    """
    ids, mask, labels = padded(examples)
    hidden = model.model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
    following = labels[:, 1:]
    learned = following != IGNORED
    logits = model.lm_head(hidden[:, :-1][learned])
    return nn.functional.cross_entropy(logits.float(), following[learned])


def shuffled(examples: Sequence[Example], epochs: int, seed: int = 0) -> list[Example]:
    """Return all examples once per epoch, each time in another order."""
    order: list[Example] = []
    for epoch in range(epochs):
        order += random.Random(epoch + 100 * seed).sample(list(examples), len(examples))
    return order


def fit(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    pairs: Sequence[tuple[str, str]],
    *,
    epochs: int = EPOCHS,
    batch: int = BATCH,
    rate: float = RATE,
    seed: int = 0,
) -> list[float]:
    """Train what isn't frozen in `model` on (message, answer) pairs; return each step's loss.

    AdamW with a constant learning rate, one step for each batch. `model` is in evaluation mode
    afterwards.

    Args:
        model: with an adapter, or unfrozen as a whole.
        tokenizer: the model's own.
        pairs: customers' messages with the right answers.
        epochs: passes over the pairs.
        batch: examples per step.
        rate: the learning rate.
        seed: of the order of the examples.
    """
    examples = [example(tokenizer, conversation(text), answer) for text, answer in pairs]
    order = shuffled(examples, epochs, seed)
    weights = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=rate, weight_decay=0.0)
    losses = []
    model.train()
    for start in tqdm(range(0, len(order), batch), desc=_("training")):
        loss = completion_loss(model, order[start : start + batch])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    model.eval()
    return losses


@dataclass(frozen=True)
class Replies:
    """What a model replied to a list of prompts, in their order."""

    texts: tuple[str, ...]
    expected: tuple[str, ...]
    """The right replies."""
    prompt_tokens: tuple[int, ...]
    reply_tokens: tuple[int, ...]
    """Tokens generated, including the one that ends the reply."""

    @property
    def hits(self) -> tuple[bool, ...]:
        """For each prompt, whether the reply is exactly the expected one."""
        return tuple(text == e for text, e in zip(self.texts, self.expected, strict=True))

    @property
    def right(self) -> int:
        """The number of right replies."""
        return sum(self.hits)

    @property
    def accuracy(self) -> float:
        """The fraction of replies that are right."""
        return self.right / len(self.texts)

    @property
    def interval(self) -> tuple[float, float]:
        """The 95% interval of the accuracy (Wilson)."""
        return wilson(self.right, len(self.texts))

    @property
    def mean_prompt_tokens(self) -> float:
        """Tokens per prompt on average."""
        return sum(self.prompt_tokens) / len(self.prompt_tokens)

    @property
    def mean_reply_tokens(self) -> float:
        """Tokens per reply on average."""
        return sum(self.reply_tokens) / len(self.reply_tokens)

    def __str__(self) -> str:
        low, high = self.interval
        return _(
            "{share:.0%} correct ({right} of {of}; 95% interval {low:.0%} to {high:.0%})"
        ).format(share=self.accuracy, right=self.right, of=len(self.texts), low=low, high=high)

    __repr__ = __str__


def reply(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    conversations: Sequence[Conversation],
    expected: Sequence[str] | None = None,
    new_tokens: int = 4,
) -> Replies:
    """Generate a reply to each conversation by greedy decoding, all in one batch.

    Args:
        model: any causal language model of transformers.
        tokenizer: the model's own, with a chat template.
        conversations: each ends with the user's message.
        expected: the right replies, if there are any to compare with.
        new_tokens: the most tokens of a reply. The longest team name takes two, and its end one.
    """
    rows = [prompt_ids(tokenizer, messages) for messages in conversations]
    longest = max(map(len, rows))
    end = tokenizer.eos_token_id
    ids = torch.full((len(rows), longest), end)
    mask = torch.zeros_like(ids)
    for i, row in enumerate(rows):  # padded on the left, because replies continue on the right
        ids[i, longest - len(row) :] = torch.tensor(row)
        mask[i, longest - len(row) :] = 1
    with torch.inference_mode():
        out = model.generate(  # type: ignore[operator]  # transformers types it as a module
            input_ids=ids,
            attention_mask=mask,
            max_new_tokens=new_tokens,
            do_sample=False,
            pad_token_id=end,
        )[:, longest:].tolist()
    spent = [row.index(end) + 1 if end in row else len(row) for row in out]
    texts = tuple(str(tokenizer.decode(row, skip_special_tokens=True)).strip() for row in out)
    return Replies(
        texts=texts,
        expected=tuple(expected) if expected is not None else texts,
        prompt_tokens=tuple(map(len, rows)),
        reply_tokens=tuple(spent),
    )
