"""Self-check of lesson 5, "Small language models"."""

from __future__ import annotations

from beyond.locale import _
from beyond.ui.self_check import Choice, Question


def questions() -> list[Question]:
    """Return the questions in the language that is set now."""
    return [
        Question(
            _(
                "A format stores 3-bit codes in blocks of 16, with a scale and a minimum of "
                "16 bits each. How many bits does a weight take?"
            ),
            (
                Choice(
                    _("3 bits: scale and minimum are too few to count."),
                    _("They are 32 bits for 16 weights, which adds 2 bits to each weight."),
                ),
                Choice(
                    _("4 bits: one 16-bit number is shared by 16 weights."),
                    _("That would be absmax, with a scale only. Here there is a minimum too."),
                ),
                Choice(
                    _("5 bits: two 16-bit numbers are shared by 16 weights."),
                    _("3 + 32/16. That is as much as 4-bit codes in blocks of 32 take."),
                    right=True,
                ),
                Choice(
                    _("35 bits: each weight has a scale and a minimum of its own."),
                    _("The two numbers belong to the block; its 16 weights share them."),
                ),
            ),
        ),
        Question(
            _(
                "You round SmolLM2's layers to 4 bits (min–max, blocks of 32) and the perplexity "
                "stays the same. What have you shown?"
            ),
            (
                Choice(
                    _("That they were on a 4-bit grid already."),
                    _("Rounding to the same grid changes nothing. The first rounding is unseen."),
                    right=True,
                ),
                Choice(
                    _("That 4 bits cost no quality in small models."),
                    _("The cost of 4 bits was paid before; you need the original weights for it."),
                ),
                Choice(
                    _("That perplexity is too coarse to see the loss."),
                    _("It sees small losses well; here the weights didn't change at all."),
                ),
                Choice(
                    _("That min–max rounding is better than absmax."),
                    _("Absmax uses another grid, so it was never compared on equal terms."),
                ),
            ),
        ),
        Question(
            _("What does GPTQ do that plain rounding doesn't?"),
            (
                Choice(
                    _("It gives important weights more bits than the others."),
                    _("All codes have the same number of bits; only their values are chosen."),
                ),
                Choice(
                    _("It trains the whole model again after it was rounded."),
                    _("It needs only the layer's inputs on some text, and no training."),
                ),
                Choice(
                    _("It scales channels with large inputs up before rounding."),
                    _("That is AWQ. GPTQ leaves the channels as they are."),
                ),
                Choice(
                    _("It corrects the weights still to come for the error."),
                    _("Column by column, so that the layer's output changes as little as it can."),
                    right=True,
                ),
            ),
        ),
        Question(
            _(
                "Two models decode equally many tokens per second. For the same Korean text one "
                "tokenizer produces 200 tokens, the other 800. What follows for the second?"
            ),
            (
                Choice(
                    _("It takes as long, since the speed per token is equal."),
                    _("Equal speed per token and 4 times as many tokens: 4 times as long."),
                ),
                Choice(
                    _("It takes 4 times as long, and its context holds a quarter."),
                    _("Time and context both count tokens, and so does the price."),
                    right=True,
                ),
                Choice(
                    _("It understands Korean better, as it looks more closely."),
                    _("Many pieces mean that the tokenizer has rarely seen such text."),
                ),
                Choice(
                    _("It costs 4 times as much, while time stays the same."),
                    _("Price and time both count tokens; neither stays the same."),
                ),
            ),
        ),
        Question(
            _("A card promises a context of 128k tokens. What do you check for your laptop?"),
            (
                Choice(
                    _("Whether the weights are smaller than 128 GB."),
                    _("Weights don't grow with the context; the cache does."),
                ),
                Choice(
                    _("Whether the vocabulary has 128k entries too."),
                    _("Vocabulary and context have nothing to do with each other."),
                ),
                Choice(
                    _("What the KV cache takes at the length you need."),
                    _("For Phi-3.5-mini at full context it is more than 50 GB in bf16."),
                    right=True,
                ),
                Choice(
                    _("Nothing: it was trained for it, so it works."),
                    _("Training says that it can use them, not that your memory holds them."),
                ),
            ),
        ),
        Question(
            _("A model fits in memory and its bound is 12 tokens per second. What do you know?"),
            (
                Choice(
                    _("That it will generate 12 tokens per second."),
                    _("The bound leaves out arithmetic and overhead; the real speed is lower."),
                ),
                Choice(
                    _("That it runs, at 12 tokens per second or fewer."),
                    _("Memory and bandwidth tell no more. Quality has to be measured."),
                    right=True,
                ),
                Choice(
                    _("That it is good enough for a task on a laptop."),
                    _("Neither memory nor speed says anything about its answers."),
                ),
                Choice(
                    _("That it supports the languages of its tokenizer."),
                    _("What the publisher lists is a third question, to be checked apart."),
                ),
            ),
        ),
    ]
