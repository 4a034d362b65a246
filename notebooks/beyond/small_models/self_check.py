"""Self-check of lesson 5, "Small language models"."""

from __future__ import annotations

from beyond.locale import _
from beyond.ui.self_check import Choice, Question


def questions() -> list[Question]:
    """The questions in the language that is set now."""
    return [
        Question(
            _("What does a small model give up, and what does it offer in return?"),
            (
                Choice(
                    _("It gives up nothing: careful training data makes up for the size."),
                    _(
                        "Good data helps, but the lesson measured what is missing: in reasoning of "
                        "several steps the model can't be told from guessing."
                    ),
                ),
                Choice(
                    _("It gives up breadth, and offers low latency and running on the device."),
                    _(
                        "Fewer bytes are read per token, and they fit into a laptop; what was "
                        "not stored in them can't be answered from them."
                    ),
                    right=True,
                ),
                Choice(
                    _("It gives up the KV cache, and so saves memory."),
                    _("A small model keeps a cache like a large one, per layer and KV head."),
                ),
                Choice(
                    _("It gives up languages only; knowledge stays."),
                    _("Languages are a part of it. Knowledge and reasoning shrink as well."),
                ),
            ),
        ),
        Question(
            _(
                "Phi-3.5-MoE has 16 experts, of which a token uses 2: 41.9B parameters, 6.64B of "
                "them active. How much memory do its weights need in bf16?"
            ),
            (
                Choice(
                    _("About 13 GB, for the active ones."),
                    _("The next token may choose other experts, so all must be resident."),
                ),
                Choice(
                    _("About 84 GB, for all of them."),
                    _("41.9 billion × 2 bytes. The experts save compute per token, not memory."),
                    right=True,
                ),
                Choice(
                    _("About 122 GB, for 16 times 3.8B."),
                    _("Attention and tables exist once; only the networks exist 16 times."),
                ),
                Choice(
                    _("About 42 GB: a byte for each."),
                    _("That would be int8. A weight in bf16 takes 2 bytes."),
                ),
            ),
        ),
        Question(
            _(
                "In the lesson, rounding to 4 bits hurt less than rounding to 5. What follows for "
                "4-bit models in general?"
            ),
            (
                Choice(
                    _("4 bits are better than 5; fewer levels calm the model."),
                    _("No step of the measurement shows that, and no reason speaks for it."),
                ),
                Choice(
                    _("Nothing: these weights lay on a 4-bit grid already."),
                    _(
                        "Rounding to the same grid changes nothing, to another it does. The cost "
                        "of the first rounding can't be seen from here."
                    ),
                    right=True,
                ),
                Choice(
                    _("4 bits cost nothing, so always use 4 bits."),
                    _("What cost nothing was to round again. The first time was never measured."),
                ),
                Choice(
                    _("The perplexity must have been computed wrongly."),
                    _("It repeats to the last digit. The number is right; its reading was not."),
                ),
            ),
        ),
        Question(
            _(
                "Two models cost the same per token and write equally many tokens a second. One "
                "tokenizer makes 200 tokens of a Korean text, the other 800. What follows?"
            ),
            (
                Choice(
                    _("Nothing; price and speed are the same."),
                    _("They are the same per token, and one needs 4 times as many tokens."),
                ),
                Choice(
                    _("The second is 4 times as dear and slow; its context holds a quarter."),
                    _("Cost, time and context all count tokens, so fertility is in each of them."),
                    right=True,
                ),
                Choice(
                    _("The second understands Korean 4 times better, as it looks more closely."),
                    _("More pieces mean that the tokenizer has rarely seen such text."),
                ),
                Choice(
                    _("Only the cost differs; time and context count letters."),
                    _("A model reads and writes tokens, and its context counts them too."),
                ),
            ),
        ),
        Question(
            _("A card promises a context of 128k tokens. What must you check for a laptop?"),
            (
                Choice(
                    _("Nothing: what the card promises works anywhere."),
                    _("It was trained for it. Whether your memory holds the cache is open."),
                ),
                Choice(
                    _("What the KV cache takes at the length that you need."),
                    _(
                        "2 × layers × KV heads × head size × tokens × 2 bytes: for Phi-3.5-mini "
                        "more than 50 GB at its full context."
                    ),
                    right=True,
                ),
                Choice(
                    _("Whether the weights are smaller than 128 GB."),
                    _("Weights don't grow with the context; the cache does."),
                ),
                Choice(
                    _("The number of experts."),
                    _("Experts change the weights. The cache belongs to the attention layers."),
                ),
            ),
        ),
    ]
